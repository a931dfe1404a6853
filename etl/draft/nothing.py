"""Cells that stand for nothing: words such as NULL, and numbers such as -999 that no measurement gives."""

from __future__ import annotations

import polars as pl

_WORDS = r"(?i)^(?:null|n\.?/?a\.?|nan|none|nil|\\n|#n/a|không có|khong co|chưa có|[-–—_.…?]+)$"
_NUMBERS = ("-9", "-99", "-200", "-999", "-9999", "-99999", "-999.0", "-9999.0", "-200.0")
_OFTEN = 3  # cells from which such a number is no chance


def words(values: pl.DataFrame) -> list[str]:
    """The words of a column that are likely to stand for nothing; none if it holds nothing else.

    Args:
        values: `value` and `count`, without empty cells.
    """
    found = values.filter(pl.col("value").str.contains(_WORDS))["value"].to_list()
    return sorted(found) if len(found) < values.height else []


def numbers(values: pl.DataFrame) -> list[str]:
    """The same of numbers: the only ones below 0, and not rare."""
    below = values.filter(pl.col("value").str.starts_with("-"))
    found = below.filter(pl.col("value").is_in(_NUMBERS) & (pl.col("count") >= _OFTEN))["value"].to_list()
    return sorted(found) if found and below.height == len(found) < values.height else []
