"""Free text: one Unicode form, single blanks."""

from __future__ import annotations

import polars as pl
from viet_text_tools import normalize_diacritics

from etl.semantic.output import of_text, on_unique

# A tone mark on the second letter of oa, oe or uy, as in "hoà": the newer placement. "quý" looks like it and is not;
# the library knows.
_NEWER_PLACEMENT = r"(?i)o[àáảãạèéẻẽẹ]|u[ỳýỷỹỵ]"


def clean(values: pl.Series) -> pl.Series:
    """NFC, runs of blanks to one, none at the ends; what is then empty is null."""
    made = values.str.normalize("NFC").str.replace_all(r"[\s\u00a0\u200b]+", " ").str.strip_chars()
    return made.replace("", None)


def older_tone_marks(values: pl.Series) -> pl.Series:
    """Tone marks where the older orthography puts them: "hòa", not "hoà"."""
    newer = values.filter(values.str.contains(_NEWER_PLACEMENT)).drop_nulls().unique()
    if newer.is_empty():
        return values
    return values.replace(newer, on_unique(newer, normalize_diacritics))


TYPE = of_text(clean)
