"""Where the environment is measured: automatic stations, and places where somebody takes samples."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl

from simulate.chance import days_before, generator
from simulate.events import Events
from simulate.extract import Wrong
from simulate.land import places, written
from simulate.people import wards
from simulate.sending import Sender, Sending, ends_of_months

_ALL = 168  # one for each ward
_PEOPLE_A_STATION, _FEWEST, _MOST = 20_000, 6, 60  # of the automatic ones
AIR = ("PM10", "PM2.5", "NO2", "SO2", "O3", "CO")
WATER = ("BOD5", "COD", "TSS")
_YEAR = timedelta(days=365)
_NEGLECTED = 0.05  # of the stations: nobody calibrates them any more


def stations(happened: Events) -> pl.DataFrame:
    """All stations: the automatic ones first; then by turns air, water and chimneys, of which enterprises tell.

    Columns: number, code, medium, is_automatic, ward, x, y, began, calibrated, is_neglected, and of chimneys firm.
    """
    world = happened.world
    rng = generator(world.seed, "stations")
    automatic = min(max(world.people.height // _PEOPLE_A_STATION, _FEWEST), _MOST)
    new, _ = wards()
    ward = new["code"].to_numpy()[np.arange(_ALL) * new.height // _ALL]
    x, y = places(rng, ward, np.zeros(_ALL, dtype=bool))
    start = np.datetime64(world.start)
    number = np.arange(_ALL)
    medium = np.where(number < automatic, "KK", np.array(["KK", "NM", "NM", "NN", "KT"])[number % 5])
    firms = happened.enterprises["tax_code"].to_numpy()[rng.integers(0, happened.enterprises.height, _ALL)]
    is_neglected = rng.random(_ALL) < _NEGLECTED
    calibrated = days_before(rng, start, 250, _ALL) - np.timedelta64(40, "D")
    return pl.DataFrame(
        {
            "number": number,
            "medium": pl.Series(medium, dtype=pl.String),
            "is_automatic": number < automatic,
            "ward": pl.Series(ward, dtype=pl.String),
            "x": written(x),
            "y": written(y),
            "began": pl.Series(days_before(rng, start, 3_000, _ALL) - np.timedelta64(400, "D")).cast(pl.Date),
            "calibrated": pl.Series(calibrated - is_neglected * np.timedelta64(400, "D")).cast(pl.Date),
            "is_neglected": is_neglected,
            "firm": pl.Series(firms, dtype=pl.String),
        }
    ).with_columns(
        firm=pl.when(pl.col("medium") == "KT").then("firm"),
        code=pl.format("{}-{}", "medium", pl.col("number").cast(pl.String).str.zfill(3)),
    )


def _sendings(happened: Events) -> Iterator[Sending]:
    rows = stations(happened)
    new, _ = wards()
    names = rows.select(pl.col("ward").replace_strict(*new.select("code", "name").get_columns())).to_series()
    is_air = pl.col("medium").is_in(["KK", "KT"])
    for as_of, day in ends_of_months(happened.days):
        due = pl.col("calibrated") + _YEAR
        rows = rows.with_columns(
            calibrated=pl.when((due <= as_of) & ~pl.col("is_neglected")).then(due).otherwise("calibrated")
        )
        told = rows.select(
            "medium",
            "ward",
            station_code="code",
            name=pl.lit("Trạm ") + pl.lit(names),
            station_kind=pl.when("is_automatic").then(pl.lit("TD")).otherwise(pl.lit("TC")),
            setting=pl.when(pl.col("number") % 3 == 0).then(pl.lit("GT")).otherwise(pl.lit("DC")),
            geometry=pl.format("POINT ({} {})", "x", "y"),
            parameters=pl.when(is_air).then(pl.lit(";".join(AIR))).otherwise(pl.lit(";".join(WATER))),
            interval_min=pl.when("is_automatic").then(60).cast(pl.Int64),
            campaigns_year=pl.when(~pl.col("is_automatic")).then(6).cast(pl.Int64),
            operator=pl.lit("Trung tâm Quan trắc"),
            tax_code="firm",
            permit_no=pl.when(pl.col("firm").is_not_null()).then(pl.format("{}/GPMT-UBND", "number")),
            started_on="began",
            calibrated_on="calibrated",
            calibration_due=due,
        )
        yield Sending(as_of, day, told)


STATIONS = Sender(
    "environment.stations",
    _sendings,
    (
        Wrong("missing_required", "name"),
        Wrong("unknown_code", "setting"),
        Wrong("unknown_ward", "ward"),
        Wrong("impossible_date", "started_on"),
        Wrong("in_degrees", "geometry", "POINT (106.7 10.78)"),
        Wrong("wrong_check_digit", "tax_code"),
        Wrong("calibrated_in_the_future", "calibrated_on", "2098-12-31"),
        Wrong("too_many_campaigns", "campaigns_year", "365"),
    ),
    ("operator", "Đơn vị khác"),
)
