"""Codes: a member of the column's code list, or a known dirty value that the contract's lookup maps to one.

Where the contract names the date that says which period's list applies (`periodColumn`), a code must be in force on
that day. In a row without that day it must have one meaning for all time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache, partial

import polars as pl

from etl.contract import Column
from etl.contract.codes import Code, code_list, with_several_meanings
from etl.datatypes.output import SemanticType, each_part, made_of, one_text


@cache
def members(name: str) -> tuple[str, ...]:
    """The codes of a list in `expectations/codes/`, of whatever period."""
    return tuple(dict.fromkeys(code.code for code in code_list(name)))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    if column.code_list is None:
        raise ValueError(f"column {column.name}: a code needs a codeList")
    every = members(column.code_list)
    if not set(every).issuperset(column.lookup.values()):
        wrong = ", ".join(sorted(set(column.lookup.values()) - {*every}))
        raise ValueError(f"column {column.name}: lookup gives {wrong}, which {column.code_list}.csv does not have")
    values = frame[column.name]
    if column.period_column is None:
        return _of(values, every, column).alias(column.name).to_frame()
    codes = code_list(column.code_list)
    several = with_several_meanings(codes)
    day = frame[column.period_column].cast(pl.Date)
    made = _of(values, tuple(code for code in every if code not in several), column)
    for is_then, then in _periods(codes, day):
        made = _of(values, then, column).zip_with(is_then, made) if is_then.any() else made
    return made.alias(column.name).to_frame()


def _of(values: pl.Series, codes: tuple[str, ...], column: Column) -> pl.Series:
    known = {code: code for code in codes}
    known |= {written: code for written, code in column.lookup.items() if code in known}
    standard = partial(_standard, known=known)
    return each_part(values, column.separator, standard) if column.separator else standard(values)


def _standard(values: pl.Series, known: dict[str, str]) -> pl.Series:
    return made_of(values, lambda v: v.str.strip_chars().replace_strict(known, default=None, return_dtype=pl.String))


def _periods(codes: tuple[Code, ...], day: pl.Series) -> Iterator[tuple[pl.Series, tuple[str, ...]]]:
    """Between two changes of a list: which rows' days lie there, and the codes that are then in force."""
    changes = {change for code in codes for change in (code.valid_from, code.valid_to) if change}
    starts = [date.min, *sorted(changes)]
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        is_then = (day >= start) if end is None else (day >= start) & (day < end)
        yield is_then.fill_null(False), tuple(code.code for code in codes if code.is_in_force(start))


TYPE = SemanticType(one_text, _standardise)
