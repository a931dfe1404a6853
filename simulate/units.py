"""Where people live by the day: wards of today, and those of before July 2025 that became part of them."""

from __future__ import annotations

from functools import cache

import polars as pl

from simulate.people import CROSSWALK, OLD_FROM, REFORM

_CITY = "Thành phố Hồ Chí Minh"
_PROVINCES = {"79": _CITY, "74": "Tỉnh Bình Dương", "77": "Tỉnh Bà Rịa - Vũng Tàu"}


@cache
def _old() -> pl.DataFrame:
    """For each ward of today one unit of early 2025 that became part of it: ward, old, old_name; Côn Đảo had none."""
    rows = pl.read_csv(CROSSWALK, infer_schema=False).filter(pl.col("old_ward_code").is_not_null())
    return rows.unique("new_ward_code", keep="first", maintain_order=True).select(
        ward="new_ward_code",
        old="old_ward_code",
        old_name=pl.col("old_ward")
        + ", "
        + pl.col("old_district")
        + ", "
        + pl.col("old_province_code").replace_strict(_PROVINCES),
    )


def placed(rows: pl.DataFrame, day: str, ward: str = "ward", address: str | None = None) -> pl.DataFrame:
    """Rows whose ward, and address if they have one, are written with the units of their day.

    Args:
        rows: with the ward of today, its `ward_name` and, for an address, the `street`.
        day: the column with the day; where the ward had no unit before, it is set to the day of the reform.
        ward: the column with the ward.
        address: the column that is made, with the unit that it names beside it.
    """
    known = _old().rename({"ward": ward})
    rows = rows.join(known, on=ward, how="left", maintain_order="left")
    rows = rows.with_columns(
        pl.when(pl.col("old").is_null()).then(pl.max_horizontal(day, pl.lit(REFORM))).otherwise(day).alias(day)
    )
    is_old = pl.col(day) < REFORM
    made = [pl.when(is_old).then("old").otherwise(ward).alias(ward)]
    if address is not None:
        named = pl.when(is_old).then("old_name").otherwise(pl.col("ward_name") + ", " + _CITY)
        made += [
            (pl.col("street") + ", " + named).alias(address),
            made[0].alias(f"{address}_ward"),
            pl.when(is_old).then(pl.lit(OLD_FROM)).otherwise(pl.lit(REFORM)).alias(f"{address}_ward_valid_from"),
        ]
    return rows.with_columns(made).drop("old", "old_name")
