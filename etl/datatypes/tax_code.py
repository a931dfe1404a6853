"""Tax codes (mã số thuế): 10 digits with a check digit, 13 with a branch, or since 2025-07-01 a personal id of 12.

The check digit is 10 minus the weighted sum modulo 11, as python-stdnum's `stdnum.vn.mst` has it; a test holds the
column expression against that library. Circular 86/2024/TT-BTC brought the personal id as the tax code of persons.

12 digits may also be a branch's 13 without the zero in front. So they are a person's only if nothing speaks against it:
they are a possible personal id, and either have a zero in front themselves or make no right code of a branch with one.
"""

from __future__ import annotations

import polars as pl

from etl.datatypes import personal_id
from etl.datatypes.output import of_text, ungrouped, where_not

_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_DIGITS = r"^[0-9]+$"


def standard(values: pl.Series) -> pl.Series:
    """Digits only; null where the check digit is wrong, or the rest is none of the three."""
    code = pl.col("code")
    is_person = code.str.contains(f"^{personal_id.possible()}$") & (
        code.str.starts_with("0") | ~_is_enterprise("0" + code)
    )
    compact = where_not(values, _DIGITS, ungrouped).alias("code").to_frame()
    return compact.select(pl.when(_is_enterprise(code) | is_person).then(code)).to_series()


def _is_enterprise(code: pl.Expr) -> pl.Expr:
    total = pl.sum_horizontal(code.str.slice(i, 1).cast(pl.Int32, strict=False) * w for i, w in enumerate(_WEIGHTS))
    checked = (10 - total % 11).cast(pl.String) == code.str.slice(9, 1)
    is_one = code.str.contains(r"^[0-9]{10}([0-9]{3})?$") & checked & (code.str.slice(2, 7) != "0000000")
    return is_one & (code.str.slice(10) != "000")


TYPE = of_text(standard)
