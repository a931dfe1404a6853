"""Whether cells look like what a column of the contract holds: what position or name cannot tell, content may."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from etl import datatypes
from etl.contract import Column, Contract
from etl.delivery.columns import ROW
from etl.extract.cells import type_cells

_LOOKED_AT = 1_000  # cells from the top
_ANYTHING = ("text", "person_name", "address")  # semantic types that take nearly every text for one of theirs


def is_telling(column: Column) -> bool:
    """Whether a column takes only some cells, so that those that it takes are likely to be its own."""
    return column.semantic_type not in _ANYTHING and not column.period_column  # a place is told by its period


def share(cells: pl.Series, column: Column, contract: Contract) -> float:
    """The share of the filled cells, as sent, that a column understands, between 0 and 1; 0 if none is filled."""
    looked_at = cells.head(_LOOKED_AT)  # by name, not by expression: to polars, "*" and "^a.*$" are many columns
    numbers = pl.int_range(len(looked_at), dtype=pl.Int64, eager=True).alias(ROW)
    content = pl.DataFrame([numbers, looked_at.alias(column.source_name)])
    filled = int((looked_at.str.strip_chars() != "").sum())
    typed, _ = type_cells(content, replace(contract, columns=(column,)))
    understood = int((typed[column.name].is_not_null() & datatypes.understood(typed, column)).sum())
    return understood / filled if filled else 0.0


def is_code(cells: pl.Series, column: Column, contract: Contract) -> pl.Series:
    """Whether each cell of a column is one of its values rather than words: a telling column says so, or the digits."""
    if is_telling(column):
        return pl.Series([share(cells.slice(n, 1), column, contract) > 0 for n in range(len(cells))], dtype=pl.Boolean)
    return cells.str.strip_chars().str.contains(r"^\S*\d\S*$")
