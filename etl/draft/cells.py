"""What is asked of a column's cells: how many are so, and how long they are."""

from __future__ import annotations

import polars as pl


def matching(cells: pl.Series, pattern: str) -> float:
    """The share of cells that match a pattern; of none 0."""
    return int(cells.str.contains(pattern).sum()) / len(cells) if len(cells) else 0.0


def longest(cells: pl.Series) -> int:
    """Characters of the longest; of none 0."""
    return max(cells.str.len_chars().to_list(), default=0)


def total(values: pl.DataFrame) -> int:
    """How many cells there are of some values with their `count`."""
    return int(values["count"].sum())
