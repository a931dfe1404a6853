"""Personal identifiers: the 12 digits of Decree 137/2015, the 9 of the older identity card, or a passport's number.

Passport: one letter and seven digits (Decision 4750/QĐ-BYT). The 12 digits have no check digit.
"""

from __future__ import annotations

import polars as pl

from etl.semantic.output import of_text, where_not

_STANDARD = r"^([0-9]{12}|[0-9]{9}|[A-Z][0-9]{7})$"


def standard(values: pl.Series) -> pl.Series:
    """Without blanks, dots and dashes, letters upper; null where the rest is none of the three kinds."""
    return where_not(values, _STANDARD, _mended)


def _mended(values: pl.Series) -> pl.Series:
    compact = values.str.replace_all(r"[\s.\-\u00a0]", "").str.to_uppercase()
    return pl.select(pl.when(compact.str.contains(_STANDARD)).then(compact)).to_series()


TYPE = of_text(standard)
