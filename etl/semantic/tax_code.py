"""Tax codes (mã số thuế): 10 digits with a check digit, 13 with a branch, or since 2025-07-01 a personal id of 12.

The check digit is 10 minus the weighted sum modulo 11, as python-stdnum's `stdnum.vn.mst` has it; a test holds the
column expression against that library. Circular 86/2024/TT-BTC brought the personal id as the tax code of persons.
"""

from __future__ import annotations

import polars as pl

from etl.semantic.output import of_text

_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)


def standard(values: pl.Series) -> pl.Series:
    """Digits only; null where the check digit is wrong or the length is none of the three."""
    code = pl.col("code")
    total = pl.sum_horizontal(code.str.slice(i, 1).cast(pl.Int32, strict=False) * w for i, w in enumerate(_WEIGHTS))
    checked = (10 - total % 11).cast(pl.String) == code.str.slice(9, 1)
    is_enterprise = code.str.contains(r"^[0-9]{10}([0-9]{3})?$") & checked & (code.str.slice(2, 7) != "0000000")
    is_branch_real = code.str.slice(10) != "000"
    understood = (is_enterprise & is_branch_real) | code.str.contains(r"^[0-9]{12}$")
    compact = values.str.replace_all(r"[\s.\-]", "").alias("code").to_frame()
    return compact.select(pl.when(understood).then(code)).to_series()


TYPE = of_text(standard)
