"""Names of persons: NFC, đ for eth, older tone marks, single blanks, every word with a capital."""

from __future__ import annotations

import polars as pl

from etl.semantic.output import by_distinct, of_text
from etl.semantic.text import clean, older_tone_marks

# Letters of Vietnamese and of European names, in words parted by blanks, with hyphen, apostrophe or the dot of "Jr.".
_NAME = r"^[A-Za-zÀ-ÖØ-öø-ňŊ-ſƠơƯưǍ-ǜȘ-țḀ-ẕẠ-ỹ][A-Za-zÀ-ÖØ-öø-ňŊ-ſƠơƯưǍ-ǜȘ-țḀ-ẕẠ-ỹ'.\- ]*$"
# Foreign keyboards and old fonts write the Icelandic eth (U+00D0, U+00F0), which looks like the Vietnamese Đ, đ.
_LOOK_ALIKE = {"Ð": "Đ", "ð": "đ", "’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "‐": "-", "‑": "-", "–": "-"}


def standard(values: pl.Series) -> pl.Series:
    """The standard form of names; null where there are characters that no name has."""
    return by_distinct(values, _standard)


def _standard(values: pl.Series) -> pl.Series:
    names = clean(values).str.replace_many(_LOOK_ALIKE).str.to_lowercase()
    names = older_tone_marks(names)
    names = pl.select(pl.when(names.str.contains(_NAME)).then(names)).to_series()
    return names.str.to_titlecase()


TYPE = of_text(standard)
