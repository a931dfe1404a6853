"""Diagnoses in ICD-10: a letter, two digits, and one or two more behind a dot; * and † mark manifestation and cause.

Decision 4469/QĐ-BYT lists the codes with and without the dot.
"""

from __future__ import annotations

import polars as pl

from etl.datatypes.output import made_of, of_text, where_not

_STANDARD = r"^[A-Z][0-9]{2}(\.[0-9]{1,2})?[*†]?$"


def standard(values: pl.Series) -> pl.Series:
    """Upper, with the dot; null where it is no such code."""
    return where_not(values, _STANDARD, _mended)


def _mended(values: pl.Series) -> pl.Series:
    code = made_of(
        values,
        lambda v: v.str.replace_all(r"\s", "").str.to_uppercase().str.replace(r"^([A-Z][0-9]{2})([0-9])", "${1}.${2}"),
    )
    return made_of(code, lambda c: pl.when(c.str.contains(_STANDARD)).then(c))


TYPE = of_text(standard, lambda: _STANDARD)
