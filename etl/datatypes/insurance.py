"""Numbers of social insurance (BHXH) and health insurance cards (BHYT), by the sheet of Decision 4750/QĐ-BYT."""

from __future__ import annotations

import polars as pl

from etl.datatypes.output import made_of, of_text, where_not

_SOCIAL = r"^[0-9]{10}$"
# Two letters, benefit level 1 to 5, province, ten digits; or a child's provisional card, TE1 and the province's code.
_HEALTH = r"^[A-Z]{2}[1-5][0-9]{2}[0-9]{10}$"


def _matching(pattern: str, values: pl.Series) -> pl.Series:
    def compact(wrong: pl.Series) -> pl.Series:
        return made_of(wrong, lambda v: v.str.replace_all(r"\s", "").str.to_uppercase())

    def good(number: pl.Expr) -> pl.Expr:
        return pl.when(number.str.contains(pattern) & ~number.str.contains(r"^0+$")).then(number)

    return made_of(where_not(values, pattern, compact), good)


SOCIAL = of_text(lambda values: _matching(_SOCIAL, values))
HEALTH = of_text(lambda values: _matching(_HEALTH, values))
