"""Tax codes (mã số thuế): 10 digits with a check digit, 13 with a branch, or since 2025-07-01 a personal id of 12.

The check digit is 10 minus the weighted sum modulo 11, as python-stdnum's `stdnum.vn.mst` has it; a test holds the
column expression against that library. Circular 86/2024/TT-BTC brought the personal id as the tax code of persons.

12 digits may also be a branch's 13 without the zero in front. So they are a person's only if nothing speaks against it:
they are a possible personal id, and either have a zero in front themselves or make no right code of a branch with one.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.datatypes import personal_id
from etl.datatypes.output import of_text, ungrouped, where_not

_WEIGHTS = np.array([31, 29, 23, 19, 17, 13, 7, 5, 3], dtype=np.uint64)  # of the first digits
_PLACES = 10 ** np.arange(len(_WEIGHTS), dtype=np.uint64)[::-1]
_DIGITS = r"^[0-9]+$"


def standard(values: pl.Series) -> pl.Series:
    """Digits only; null where the check digit is wrong, or the rest is none of the three."""
    code = where_not(values, _DIGITS, ungrouped)
    is_person = code.str.contains(f"^{personal_id.possible()}$")
    may_be_branch = (is_person & ~code.str.starts_with("0")).arg_true()
    is_person = is_person.scatter(may_be_branch, ~_is_enterprise("0" + code.gather(may_be_branch)))
    return pl.select(pl.when(_is_enterprise(code) | is_person).then(code)).to_series()


def _is_enterprise(codes: pl.Series) -> pl.Series:
    weighed = codes.str.head(len(_WEIGHTS)).cast(pl.UInt64, strict=False).fill_null(0).to_numpy()
    total = (weighed[:, np.newaxis] // _PLACES % 10) @ _WEIGHTS
    code, checked = pl.col("code"), pl.Series("checked", 10 - total % 11).cast(pl.String)
    is_one = code.str.contains(r"^[0-9]{10}([0-9]{3})?$") & (code.str.slice(9, 1) == pl.col("checked"))
    is_one &= (code.str.slice(2, 7) != "0000000") & (code.str.slice(10) != "000")
    return pl.DataFrame([codes.alias("code"), checked]).select(is_one).to_series()


TYPE = of_text(standard)
