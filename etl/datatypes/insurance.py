"""Numbers of social insurance (BHXH) and health insurance cards (BHYT), by the sheet of Decision 4750/QĐ-BYT."""

from __future__ import annotations

import polars as pl

from etl.datatypes.output import made_of, of_text, where_not

_SOCIAL = r"^[0-9]{10}$"
_NOBODYS = "0" * 10
# Two letters, benefit level 1 to 5, province, ten digits; or a child's provisional card, TE1 and the province's code.
_HEALTH = r"^[A-Z]{2}[1-5][0-9]{2}[0-9]{10}$"


def social(values: pl.Series) -> pl.Series:
    """Ten digits; null where it is none, or nobody's."""
    return made_of(_matching(_SOCIAL, values), lambda v: pl.when(v != _NOBODYS).then(v))


def health(values: pl.Series) -> pl.Series:
    """Two capitals and 13 digits; null where it is none."""
    return _matching(_HEALTH, values)


def _matching(pattern: str, values: pl.Series) -> pl.Series:
    def mended(wrong: pl.Series) -> pl.Series:
        compact = made_of(wrong, lambda v: v.str.replace_all(r"\s", "").str.to_uppercase())
        return made_of(compact, lambda v: pl.when(v.str.contains(pattern)).then(v))

    return where_not(values, pattern, mended)


SOCIAL = of_text(social)
HEALTH = of_text(health, lambda: _HEALTH)
