"""Permits to open a road: who digs where, from when to when, and whether the road was made whole again in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from simulate import projects
from simulate.chance import days_before, generator
from simulate.events import Events
from simulate.extract import Wrong, at_times
from simulate.land import places, written
from simulate.people import STREETS, wards
from simulate.sending import Sender, Sending

_OF_PEOPLE, _LEAST = 80, 200  # people for a permit of the year before, and how many there are at least
_A_DAY = 20
_LATE = 0.1  # of the works: the road is made whole weeks after the permit's end
_PURPOSES = ["CN", "DL", "VT", "TN"]


def _sendings(happened: Events) -> Iterator[Sending]:
    world = happened.world
    rng = generator(world.seed, "road works")
    granted = days_before(rng, np.datetime64(world.start), 300, max(world.people.height // _OF_PEOPLE, _LEAST))
    permits = _permits(rng, happened, granted, 0)
    begun = pl.when(pl.col("from_date") <= world.start).then("from_date")
    last = pl.max_horizontal("granted_on", begun, "restored_on")
    stock = at_times(_rows(permits, world.start), "T", last, rng)
    for number, day in enumerate(happened.days, start=1):
        rng = generator(world.seed, "road works", number)
        turned = permits.filter((pl.col("from_date") == day) | (pl.col("restored") == day))
        new = _permits(rng, happened, np.full(_A_DAY, np.datetime64(day)), number * 1_000_000)
        today = pl.lit(day)
        sent = [at_times(_rows(new, day), "T", today, rng)]
        if number > 1:
            sent.append(at_times(_rows(turned, day), "S", today, rng))
        permits = pl.concat([permits, new])
        yield Sending(day, day, pl.concat(([stock] if number == 1 else []) + sent))


def _permits(rng: np.random.Generator, happened: Events, granted: np.ndarray, first: int) -> pl.DataFrame:
    """Permits granted on some days, and when the road will be whole again: of enterprises, and some of projects."""
    n = len(granted)
    new, _ = wards()
    ward = rng.choice(new["code"].to_numpy(), n)
    x, y = places(rng, ward, np.zeros(n, dtype=bool))
    length = rng.integers(10, 600, n)
    begins = granted + rng.integers(1, 15, n).astype("timedelta64[D]")
    ends = begins + rng.integers(5, 60, n).astype("timedelta64[D]")
    late = np.where(rng.random(n) < _LATE, rng.integers(15, 30, n), -rng.integers(0, 4, n))
    firms = happened.enterprises[rng.integers(0, happened.enterprises.height, n)]
    roads = projects.projects(happened).filter((pl.col("field") == "292") & pl.col("started_on").is_not_null())
    of = roads[rng.integers(0, roads.height, n)].select("project_code", "unit_name", "unit_tax_code")
    is_project = pl.lit(pl.Series(rng.random(n) < 0.2))
    rows = pl.concat([firms, of], how="horizontal").with_columns(
        n=pl.int_range(n, dtype=pl.Int64) + first,
        granted_on=pl.Series(granted).cast(pl.Date),
        from_date=pl.Series(begins).cast(pl.Date),
        to_date=pl.Series(ends).cast(pl.Date),
        restored=pl.Series(ends + late.astype("timedelta64[D]")).cast(pl.Date),
        wards=pl.Series(ward, dtype=pl.String),
        road=pl.Series(rng.choice(STREETS, n)),
        purpose=pl.when(is_project).then(pl.lit("GT")).otherwise(pl.lit(pl.Series(rng.choice(_PURPOSES, n)))),
        length=pl.Series(length),
        width=pl.Series(rng.integers(5, 30, n)),
        phone="+8490" + pl.Series(rng.integers(1_000_000, 9_999_999, n)).cast(pl.String),
        x=written(x),
        y=written(y),
        x_end=written(x + length),
        owner=pl.when(is_project).then("unit_name").otherwise("name"),
        owner_tax_code=pl.when(is_project).then("unit_tax_code").otherwise("tax_code"),
        project_code=pl.when(is_project).then("project_code"),
    )
    return rows.with_columns(restored=pl.max_horizontal("restored", "from_date"))


def _rows(permits: pl.DataFrame, day: date) -> pl.DataFrame:
    """As they stand on a day."""
    is_whole, is_begun = pl.col("restored") <= day, pl.col("from_date") <= day
    one = pl.lit(10).cast(pl.Decimal(18, 1))
    return permits.select(
        "granted_on",
        "owner_tax_code",
        "phone",
        "project_code",
        "road",
        "wards",
        "purpose",
        "from_date",
        "to_date",
        authority=pl.when(pl.col("n") % 3 == 0).then(pl.lit("UBND")).otherwise(pl.lit("SXD")),
        permit_no=pl.format("{}/{}/GPTC", "n", pl.col("granted_on").dt.year()),
        owner_name="owner",
        contractor="name",
        length_m=pl.col("length").cast(pl.Decimal(18, 1)),
        width_m=(pl.col("width").cast(pl.Decimal(18, 1)) / one).cast(pl.Decimal(18, 2)),
        surface=pl.lit("LD"),
        working_hours=pl.lit("22:00-05:00"),
        restored_on=pl.when(is_whole).then("restored"),
        geometry=pl.format("LINESTRING ({} {}, {} {})", "x", "y", "x_end", "y"),
        status=pl.when(is_whole).then(pl.lit("HT")).when(is_begun).then(pl.lit("TC")).otherwise(pl.lit("CP")),
    )


ROAD_WORKS = Sender(
    "transport.road_works",
    _sendings,
    (
        Wrong("missing_required", "road"),
        Wrong("unknown_code", "authority"),
        Wrong("unknown_code", "purpose"),
        Wrong("wrong_check_digit", "owner_tax_code"),
        Wrong("kilometres_for_metres", "length_m", "0.1"),
        Wrong("granted_after_the_work", "granted_on", "2098-12-31"),
        Wrong("ends_before_it_begins", "from_date", "2098-12-31"),
        Wrong("impossible_date", "to_date"),
        Wrong("ward_in_words", "wards", "Quận 1"),
        Wrong("malformed_phone", "phone"),
        Wrong("in_degrees", "geometry", "LINESTRING (106.7 10.78, 106.8 10.78)"),
    ),
)
