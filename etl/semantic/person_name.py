"""Names of persons: NFC, đ for eth, older tone marks, single blanks, every word with a capital."""

from __future__ import annotations

import polars as pl

from etl.semantic.output import of_text
from etl.semantic.text import clean, older_tone_marks

_NAME = r"^\p{L}[\p{L}\p{M}'’.\- ]*$"


def standard(values: pl.Series) -> pl.Series:
    """The standard form of names; null where there are characters that no name has."""
    # Legacy fonts and foreign keyboards write the Icelandic eth (U+00D0, U+00F0), which looks like the Vietnamese Đ, đ.
    names = clean(values).str.replace_many(["Ð", "ð", "’"], ["Đ", "đ", "'"])
    names = pl.select(pl.when(names.str.contains(_NAME)).then(names)).to_series()
    return older_tone_marks(names.str.to_lowercase()).str.to_titlecase()


TYPE = of_text(standard)
