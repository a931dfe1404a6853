"""Columns of one semantic type, made without a contract file."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from etl import datatypes
from etl.contract import Column, Text


def column(semantic_type: str, **more: Any) -> Column:
    described: dict[str, Any] = {
        "name": "x",
        "source_name": "x",
        "type": "string",
        "label": "Cột",
        "description": Text("Mô tả.", "Description."),
        "required": False,
        "key_position": None,
        "classification": "open",
        "example": "",
        "semantic_type": semantic_type,
    }
    return Column(**described | more)


def standard(
    semantic_type: str, values: list[str | None], periods: list[date | None] | None = None, **more: Any
) -> list[Any]:
    """Rows of the standard form: plain values where the type makes one column, tuples where it makes several."""
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.String)})
    if periods is not None:
        frame = frame.with_columns(pl.Series("day", periods, dtype=pl.Date))
        more["period_column"] = "day"
    described = column(semantic_type, **more)
    made = datatypes.standardise(frame, described)
    assert made.columns == [o.name for o in datatypes.outputs(described)]
    assert made.height == frame.height
    expected = frame["x"].is_null() | made.to_series(0).is_not_null()
    assert datatypes.understood(frame, described).to_list() == expected.to_list()
    return made.to_series().to_list() if made.width == 1 else made.rows()
