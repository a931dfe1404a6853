"""Codes: a member of the column's code list, or a known dirty value that the contract's lookup maps to one."""

from __future__ import annotations

from functools import cache

import polars as pl

from etl.contract import Column
from etl.contract.codes import code_list
from etl.datatypes.output import SemanticType, each_part, one_text


@cache
def members(name: str) -> tuple[str, ...]:
    """The codes of a list in `expectations/codes/`."""
    return tuple(code.code for code in code_list(name))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    if column.code_list is None:
        raise ValueError(f"column {column.name}: a code needs a codeList")
    standards = set(members(column.code_list))
    if not standards.issuperset(column.lookup.values()):
        wrong = ", ".join(sorted(set(column.lookup.values()) - standards))
        raise ValueError(f"column {column.name}: lookup gives {wrong}, which {column.code_list}.csv does not have")
    known = {code: code for code in standards} | column.lookup

    def standard(values: pl.Series) -> pl.Series:
        return values.str.strip_chars().replace_strict(known, default=None, return_dtype=pl.String)

    values = frame[column.name]
    made = each_part(values, column.separator, standard) if column.separator else standard(values)
    return made.alias(column.name).to_frame()


TYPE = SemanticType(one_text, _standardise)
