"""Wards and communes: a code means nothing without its period.

On 2025-07-01 the city, Bình Dương and Bà Rịa - Vũng Tàu became 168 units (Resolution 1685/NQ-UBTVQH15), and 167 of the
new codes had been those of other areas before. A unit is therefore (code, valid_from).
"""

from __future__ import annotations

from datetime import date
from functools import cache

import polars as pl

from etl.contract import Column, Text
from etl.datatypes.output import Output, SemanticType
from etl.settings import REFERENCE

REFORM = date(2025, 7, 1)
OLD_FROM = date(2025, 1, 1)  # the crosswalk knows the units of the first half of 2025; codes were re-used earlier too
_PROVINCES = {"79": "Thành phố Hồ Chí Minh", "74": "Tỉnh Bình Dương", "77": "Tỉnh Bà Rịa - Vũng Tàu"}
_CITY = "79"
# Seven wards of the city stand under two codes in lists of early 2025, one from before and one from after the merger of
# wards of 2025-01-01. Either is taken; the crosswalk's is kept.
_ALIASES = {
    "26935": "26929", "26959": "26953", "27067": "27076", "27217": "27226",
    "27223": "27232", "27361": "27367", "27379": "27373",
}  # fmt: skip


@cache
def units() -> pl.DataFrame:
    """All units: code, valid_from, valid_to, name, kind, district_code, district, province_code, province."""
    links = _crosswalk()
    old = links.select(
        pl.col("old_ward_code").alias("code"),
        pl.lit(OLD_FROM).alias("valid_from"),
        pl.lit(REFORM).alias("valid_to"),
        pl.col("old_ward").alias("name"),
        pl.col("old_district_code").alias("district_code"),
        pl.col("old_district").alias("district"),
        pl.col("old_province_code").alias("province_code"),
    ).unique("code", maintain_order=True)
    new = _crosswalk(with_nameless=True).select(
        pl.col("new_ward_code").alias("code"),
        pl.lit(REFORM).alias("valid_from"),
        pl.lit(None, pl.Date).alias("valid_to"),
        pl.col("new_ward").alias("name"),
        pl.lit(None, pl.String).alias("district_code"),
        pl.lit(None, pl.String).alias("district"),
        pl.lit(_CITY).alias("province_code"),
    )
    return pl.concat([old, new.unique("code", maintain_order=True)]).with_columns(
        pl.col("name").str.extract(r"^(Phường|Xã|Thị trấn|Đặc khu)").alias("kind"),
        pl.col("province_code").replace_strict(_PROVINCES).alias("province"),
    )


@cache
def links() -> pl.DataFrame:
    """Old unit to new unit, many to many: old_code, old_valid_from, new_code, new_valid_from, targets."""
    return _crosswalk().select(
        pl.col("old_ward_code").alias("old_code"),
        pl.lit(OLD_FROM).alias("old_valid_from"),
        pl.col("new_ward_code").alias("new_code"),
        pl.lit(REFORM).alias("new_valid_from"),
        pl.col("n_targets").cast(pl.Int64).alias("targets"),
    )


@cache
def _districts() -> pl.DataFrame:
    """Each unit with the district of before July 2025 in which it, or most of the wards that it was made of, lay."""
    old = units().filter(pl.col("district").is_not_null()).select("code", "valid_from", "district")
    rows = _crosswalk(with_nameless=True)
    new = (
        rows.group_by("new_ward_code", "old_district", maintain_order=True)
        .len()
        .sort("len", descending=True, maintain_order=True)
        .unique("new_ward_code", keep="first", maintain_order=True)
        .select(
            pl.col("new_ward_code").alias("code"),
            pl.lit(REFORM).alias("valid_from"),
            pl.col("old_district").alias("district"),
        )
    )
    return pl.concat([old, new])


def districts_of(units_: pl.DataFrame) -> pl.Series:
    """The district of before July 2025 of each unit; null for what is no unit.

    Args:
        units_: code and the start of its validity, as `standardise` makes them.
    """
    named = units_.select(pl.nth(0).alias("code"), pl.nth(1).alias("valid_from"))
    return named.join(_districts(), on=["code", "valid_from"], how="left", maintain_order="left")["district"]


def _crosswalk(with_nameless: bool = False) -> pl.DataFrame:
    rows = pl.read_csv(REFERENCE / "ward_crosswalk.csv", infer_schema=False)
    # Côn Đảo was a district without communes: it has a new unit and no old one.
    return rows if with_nameless else rows.filter(pl.col("old_ward_code").str.len_chars() > 0)


def unit_outputs(name: str, unit: Text, in_key: bool) -> tuple[Output, ...]:
    """The columns that name a unit: code, the start of its validity, and how sure that is."""
    return (
        Output(name, "text", in_key, unit),
        Output(
            f"{name}_valid_from",
            "date",
            in_key,
            Text(
                f"{unit.vi} Ngày đơn vị hành chính bắt đầu có hiệu lực.",
                f"{unit.en} Since when the unit of that code exists; join ref.ward on code and valid_from.",
            ),
        ),
        Output(
            f"{name}_status",
            "text",
            False,
            Text(
                f"{unit.vi} exact: xác định; ambiguous: chưa phân định được; unknown: không tìm thấy.",
                f"{unit.en} exact: certain; ambiguous: cannot be decided; unknown: not found.",
            ),
        ),
    )


def period_of(frame: pl.DataFrame, column: Column) -> pl.Series:
    """The day whose units apply to each row; null where it is not known."""
    if column.period_column is None:
        return pl.Series([None] * frame.height, dtype=pl.Date)
    return frame[column.period_column].dt.date()


def units_of(codes: pl.Series, period: pl.Series, is_of_today: bool) -> pl.DataFrame:
    """The unit that each code means in its period: code, valid_from, status; null where there is none.

    Args:
        codes: as they were sent.
        period: the day whose units apply to each.
        is_of_today: whether the units of today are meant where no period is known.
    """
    known = units().select("code", "valid_from").with_columns(pl.lit(True).alias("known"))
    is_new = (pl.col("period") >= REFORM).fill_null(is_of_today)
    rows = pl.DataFrame([codes.str.strip_chars().alias("code"), period.alias("period")]).with_columns(
        pl.when(is_new).then(pl.col("code")).otherwise(pl.col("code").replace(_ALIASES)).alias("code"),
        pl.when(is_new).then(pl.lit(REFORM)).otherwise(pl.lit(OLD_FROM)).alias("valid_from"),
        pl.when(is_new | (pl.col("period") >= OLD_FROM).fill_null(False))
        .then(pl.lit("exact"))
        .otherwise(pl.lit("ambiguous"))
        .alias("status"),
    )
    made = rows.join(known, on=["code", "valid_from"], how="left", maintain_order="left")
    return made.select(pl.when("known").then(name).alias(name) for name in ("code", "valid_from", "status"))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    # Where the contract names no period, the units of today are meant.
    made = units_of(frame[column.name], period_of(frame, column), column.period_column is None)
    return made.rename({"code": column.name, **{n: f"{column.name}_{n}" for n in ("valid_from", "status")}})


TYPE = SemanticType(lambda column: unit_outputs(column.name, column.description, True), _standardise)
