"""Text cells to typed columns, by the contract's logical types."""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl

from etl.contract import Column, Contract
from etl.delivery import PROBLEM, RECEIVED, ROW, UNKNOWN, problems, wording
from etl.semantic.dates import parse_dates, parse_timestamps
from etl.semantic.numbers import Notation, parse_decimals, parse_integers
from etl.semantic.text import clean, free


def type_cells(rows: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Type every column of the contract.

    Args:
        rows: ROW and text columns under the source's names.
        contract: says the types and how the source writes them.

    Returns:
        ROW; the contract's columns under their own names, each typed one followed by `received.<name>`; the columns
        that it does not know as `unknown.<source name>`. And the problems (PROBLEM schema): cells that hold something
        that is not of their type.
    """
    known = {ROW, "", *(c.source_name for c in contract.columns)}
    made: list[pl.Series] = [rows[ROW]]
    found: list[pl.DataFrame] = []
    for column in contract.columns:
        text = _text(rows, column.source_name, free if _is_as_sent(column) else clean).alias(column.name)
        if column.type == "string":
            made.append(text)
            continue
        typed = _typed(text, column, contract.source.numbers).alias(column.name)
        made += [typed, text.alias(RECEIVED + column.name)]
        wrong = text.is_not_null() & typed.is_null()
        if wrong.any():
            about = wording(f"type_{column.type}")
            said = about.fill(column=column.label, example=column.example, expected=column.format or column.example)
            failing = pl.DataFrame([rows[ROW], text.alias("value")]).filter(wrong)
            found.append(problems(failing, column.name, f"type_{column.type}", said, about))
    made += [_text(rows, name).alias(UNKNOWN + name) for name in rows.columns if name not in known]
    return pl.DataFrame(made), pl.concat(found) if found else pl.DataFrame(schema=PROBLEM)


def _text(rows: pl.DataFrame, name: str, made: Callable[[pl.Series], pl.Series] = free) -> pl.Series:
    if name not in rows.columns:
        return pl.repeat(None, rows.height, dtype=pl.String, eager=True)
    return made(rows[name].alias("cell"))  # polars takes a name like "^a.*$" for many names


def _is_as_sent(column: Column) -> bool:
    """Whether a cell is kept as sent until it is standardised; of all others (numbers, dates, ids) one form is read."""
    return column.semantic_type in ("text", "person_name", "address") and not column.key_position


def _typed(text: pl.Series, column: Column, notation: Notation) -> pl.Series:
    match column.type:
        case "integer":
            return parse_integers(text, notation)
        case "number":
            precision, scale = map(int, re.findall(r"\d+", column.numeric_type or "numeric(18,2)"))
            return parse_decimals(text, notation, precision, scale)
        case "date":
            return parse_dates(text, column.format or "yyyy-MM-dd")
        case _:
            return parse_timestamps(text, column.format or "yyyy-MM-dd'T'HH:mm:ss")
