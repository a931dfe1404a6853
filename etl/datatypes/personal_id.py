"""Personal identifiers: the 12 digits of Decree 137/2015, the 9 of the older identity card, or a passport's number.

Passport: one letter and seven digits (Decision 4750/QĐ-BYT). The 12 digits have no check digit, but parts with a
meaning (Decree 137/2015, article 13; Circular 07/2016/TT-BCA, article 7 and annexes): three digits for the province
where the birth was registered, 001 to 096, or for the country abroad; one for century and sex, 0 and 1 for 1900 to
1999, 2 and 3 for 2000 to 2099 and so on; two for the year of birth.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from etl.datatypes.output import made_of, of_text, ungrouped, where_not

_PASSPORT = r"^([A-Za-z])[\s-]?([0-9]{3})\s?([0-9]{4})$"
_PLACE = "(?:0(?:0[1-9]|[1-8][0-9]|9[0-6])|[1-9][0-9]{2})"


def standard(values: pl.Series) -> pl.Series:
    """Without what parts groups, letters upper; null where the rest is none of the three kinds, or nobody's number."""
    right = _right()

    def mended(wrong: pl.Series) -> pl.Series:
        compact = made_of(ungrouped(wrong), lambda v: v.str.replace(_PASSPORT, "${1}${2}${3}").str.to_uppercase())
        return made_of(compact, lambda c: pl.when(c.str.contains(right)).then(c))

    return where_not(values, right, mended)


def _right() -> str:
    return f"^(?:{possible()}|[0-9]{{9}}|[A-Z][0-9]{{7}})$"


def possible() -> str:
    """A pattern of the 12 digits that may be somebody's: of a place, and of a birth not after this year."""
    tens, ones = divmod(date.today().year % 100, 10)
    this_century = f"(?:[0-{tens - 1}][0-9]|{tens}[0-{ones}])"
    return f"{_PLACE}(?:[01][0-9]{{2}}|[23]{this_century})[0-9]{{6}}"


TYPE = of_text(standard, _right)
