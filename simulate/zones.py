"""Zoning plans: one for each ward, whose zones lie side by side over all its parcels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from simulate.chance import days_before, generator, some
from simulate.events import Events
from simulate.extract import Wrong
from simulate.land import rectangles, squares
from simulate.people import wards
from simulate.sending import Sender, Sending, ends_of_months

_A_SIDE = 3  # zones of a plan from west to east, and from south to north
_BEYOND = 60  # metres of a plan around where parcels begin: a parcel ends beyond that
_ADJUSTED = (0.01, 3)  # of the zones, a month; and at least
# What is planned: what it is called, how much of it may be built on (percent) and how high (floors); none on greens.
_FUNCTIONS = {
    "NO": ("Đất nhóm nhà ở", 60, 5), "HH": ("Đất hỗn hợp nhà ở và dịch vụ", 50, 20), "GD": ("Đất giáo dục", 40, 4),
    "TMDV": ("Đất thương mại, dịch vụ", 50, 12), "SX": ("Đất sản xuất, kho bãi", 60, 3),
    "CX": ("Đất cây xanh", None, None), "GT": ("Đất giao thông", None, None),
}  # fmt: skip
_SHARES = [0.45, 0.12, 0.08, 0.08, 0.07, 0.12, 0.08]


def _sendings(happened: Events) -> Iterator[Sending]:
    rows = _zones(happened)
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        if number:
            rng = generator(happened.world.seed, "zones", number)
            built = rows.filter(pl.col("floors").is_not_null() & (pl.col("floors") < 20))
            adjusted = some(rng, built, _ADJUSTED[0], least=_ADJUSTED[1]).with_columns(
                adjustment=pl.lit("2"), floors=pl.col("floors") + 1
            )
            rows = pl.concat([rows.join(adjusted, on=["plan", "object_code"], how="anti"), adjusted]).sort(
                "plan", "object_code"
            )
        yield Sending(as_of, day, _rows(rows, as_of))


def _zones(happened: Events) -> pl.DataFrame:
    """The zones of all plans: squares of the ward are cut along lines in half metres, so that nothing lies between."""
    rng = generator(happened.world.seed, "zones")
    new, _ = wards()
    plans = new.join(squares(), on="code", maintain_order="left").with_row_index("plan")
    made = []
    half = plans["half"].to_numpy() + _BEYOND
    lines = {
        axis: [np.round(2 * (plans[axis].to_numpy() - half + 2 * half * k / _A_SIDE)) / 2 for k in range(_A_SIDE + 1)]
        for axis in ("east", "north")
    }
    for column in range(_A_SIDE):
        for row in range(_A_SIDE):
            x, y = lines["east"][column], lines["north"][row]
            width, depth = lines["east"][column + 1] - x, lines["north"][row + 1] - y
            made.append(
                plans.select(
                    "plan",
                    "code",
                    object_code=pl.lit(f"{chr(65 + column)}-{row + 1:02}"),
                    geometry=rectangles(x, y, width, depth),
                    quarters=pl.Series((width * depth * 4).round().astype(np.int64)),
                )
            )
    rows = pl.concat(made).sort("plan", "object_code")
    n = rows.height
    function = pl.Series(rng.choice(list(_FUNCTIONS), n, p=_SHARES))
    meant = pl.DataFrame(
        [(name, *values) for name, values in _FUNCTIONS.items()],
        ["land_function", "classification", "density", "floors"],
        orient="row",
    )
    approved = days_before(rng, np.datetime64(happened.world.start), 600, plans.height) - np.timedelta64(31, "D")
    approvals = plans.select("plan", approved_on=pl.Series(approved).cast(pl.Date))
    return (
        rows.with_columns(
            land_function=function,
            adjustment=pl.lit("0"),
        )
        .join(meant, on="land_function", maintain_order="left")
        .join(approvals, on="plan", maintain_order="left")
    )


def _rows(zones: pl.DataFrame, as_of: date) -> pl.DataFrame:
    hundred, plan = pl.lit(100).cast(pl.Decimal(18, 2)), pl.col("plan")
    year = pl.col("approved_on").dt.strftime("%y")
    ratio = pl.col("density") * pl.col("floors") * 95 // 100  # hundredths: a little less than what both allow
    return zones.filter(pl.col("approved_on") <= as_of).select(
        "object_code",
        "geometry",
        "land_function",
        "classification",
        "adjustment",
        "approved_on",
        plan_record="79QPK01" + year + plan.cast(pl.String).str.zfill(4),
        plan_info_code="79" + year + "21" + pl.col("adjustment") + plan.cast(pl.String).str.zfill(5),
        layer=pl.lit("ChucNangSuDungDat_A"),
        object_name=pl.lit("Lô ") + pl.col("object_code"),
        phase=pl.lit("QHDH"),
        plan_level=pl.lit("2"),
        plan_kind=pl.lit("1"),
        area_m2=(pl.col("quarters") * 25).cast(pl.Decimal(18, 2)) / hundred,
        max_density=pl.col("density").cast(pl.Decimal(18, 2)),
        max_floors="floors",
        max_far=ratio.cast(pl.Decimal(18, 2)) / hundred,
        max_height_m=(pl.col("floors") * 4).cast(pl.Decimal(18, 2)),
        decision_no=pl.format("{}/QĐ-UBND", plan + 1000),
    )


_CROSSING = "POLYGON ((603000 1191000, 603100 1191100, 603100 1191000, 603000 1191100, 603000 1191000))"
_ELSEWHERE = "POLYGON ((303000 1191000, 303100 1191000, 303100 1191100, 303000 1191100, 303000 1191000))"
ZONES = Sender(
    "planning.zones",
    _sendings,
    (
        Wrong("missing_required", "classification"),
        Wrong("hectares_for_square_metres", "area_m2", "1.25"),
        Wrong("unknown_code", "layer"),
        Wrong("unknown_code", "land_function"),
        Wrong("code_of_the_old_rule", "plan_record", "79XYZ01260001"),
        Wrong("short_code", "plan_info_code", "7926"),
        Wrong("impossible_date", "approved_on"),
        Wrong("more_than_density_and_floors", "max_far", "14.9"),
        Wrong("self_crossing", "geometry", _CROSSING),
        Wrong("in_another_zone_of_the_projection", "geometry", _ELSEWHERE),
    ),
    ("object_name", "Lô khác"),
)
