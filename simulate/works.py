"""Construction works: houses under a permit, those under papers of before it, and what public investment builds."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import polars as pl

from simulate import projects
from simulate.chance import days_before, generator, parted, some, told_of
from simulate.events import Events
from simulate.extract import Wrong, at_times
from simulate.people import REFORM
from simulate.sending import Sender, Sending
from simulate.units import placed

_HOUSES = 0.15  # of the parcels: a house was begun on them before the permits are known
_LEAST = 120
_OWN_NUMBER, _NEVER_ACCEPTED = 0.1, 0.1  # of those houses: under a district's number; done, and nobody accepted them
_NEVER_BEGUN, _A_FLOOR_MORE = 0.1, 0.25  # of the permits; of what is built under them
_A_FLOOR = Decimal("3.6")  # metres
_ACCEPTED = (0.01, 20)  # of the works that run, a day; and at least
_KINDS = {"292": "GT", "311": "HTKT"}  # of projects by their category; the others are civil
_COLUMNS = (
    "work_code", "name", "authority", "permit_no", "project_code", "owner_name", "owner_id", "owner_tax_code", "ward",
    "sheet_no", "parcels", "kind", "grade", "building_use", "floors", "basements", "floor_area_m2", "height_m",
    "started_on", "accepted_on", "status", "geometry",
)  # fmt: skip


def _sendings(happened: Events) -> Iterator[Sending]:
    seed = happened.world.seed
    stock = pl.concat([_of_projects(happened), _houses(happened)], how="diagonal").select(_COLUMNS)
    since = pl.coalesce("accepted_on", "started_on")
    told = at_times(stock, "T", since, generator(seed, "works"))
    running = stock.filter(pl.col("status") == "1")
    begun = _permitted(happened)
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "works", number)
        today = pl.lit(day)
        new = begun.filter(pl.col("started_on") == day)
        accepted, running = parted(rng, running, _ACCEPTED)
        accepted = accepted.with_columns(accepted_on=today, status=pl.lit("3"))
        sent = [at_times(new, "T", today, rng), at_times(accepted, "S", today, rng)]
        yield Sending(day, day, pl.concat(([told] if number == 1 else []) + sent))


def _permitted(happened: Events) -> pl.DataFrame:
    """What is begun under the permits of these days, on the day on which it is begun."""
    seed, permits = happened.world.seed, happened.permits
    is_more = pl.Series(generator(seed, "more than permitted").random(permits.height) < _A_FLOOR_MORE)
    permits = permits.with_columns(
        floors=pl.col("floors") + is_more.cast(pl.Int64),
        height_m=pl.col("height_m") + pl.when(is_more).then(pl.lit(_A_FLOOR)).otherwise(pl.lit(Decimal("0.0"))),
    )
    begun = told_of(seed, "begin of works", permits, (1, 1, 1, 2, 4), _NEVER_BEGUN)
    lots = happened.parcels.select(
        "geometry", parcel_ward="ward", parcel_sheet_no="sheet_no", parcel_no="parcel_no"
    ).unique(["parcel_ward", "parcel_sheet_no", "parcel_no"], keep="none")
    begun = begun.join(
        lots, on=["parcel_ward", "parcel_sheet_no", "parcel_no"], how="left", maintain_order="left"
    ).with_columns(work_code=pl.format("CT-{}-P{}", "parcel_ward", pl.int_range(pl.len())))
    return _house(begun, "parcel_ward", "parcel_sheet_no", "told", pl.col("geometry")).select(_COLUMNS)


def _house(rows: pl.DataFrame, ward: str, sheet: str, started: str, parcel: pl.Expr) -> pl.DataFrame:
    """A house of a person, in work, on the corner of its parcel."""
    corner = parcel.str.extract(r"POLYGON \(\(([^,]+),")
    return rows.with_columns(
        name=pl.lit("Nhà ở riêng lẻ"),
        project_code=pl.lit(None, pl.String),
        owner_tax_code=pl.lit(None, pl.String),
        ward=ward,
        sheet_no=sheet,
        parcels="parcel_no",
        kind=pl.lit("DD"),
        grade=pl.when(pl.col("floors") >= 7).then(pl.lit("II")).otherwise(pl.lit("III")),
        building_use=pl.lit("NO"),
        basements=pl.lit(0),
        floor_area_m2=pl.col("floor_area_m2").cast(pl.Decimal(18, 1)),
        height_m=pl.col("height_m").cast(pl.Decimal(18, 2)),
        started_on=started,
        accepted_on=pl.lit(None, pl.Date),
        status=pl.lit("1"),
        geometry=pl.when(corner.is_not_null()).then(pl.format("POINT ({})", corner)),
    )


def _houses(happened: Events) -> pl.DataFrame:
    """Houses on parcels of the cadastre, begun before the first day; some are done."""
    world = happened.world
    rng = generator(world.seed, "houses")
    owned = happened.parcels.filter(pl.col("ward_valid_from") == REFORM).with_columns(
        owner_id=pl.col("owner_ids").str.split(";").list.first()
    )
    owned = owned.join(world.people.select(owner_id="pid", owner_name="name"), on="owner_id", maintain_order="left")
    rows = some(rng, owned, _HOUSES, least=_LEAST)
    n = rows.height
    floors = rng.integers(1, 7, n)
    chance = pl.Series(rng.random(n))
    begun = np.maximum(days_before(rng, np.datetime64(world.start), 220, n), np.datetime64(REFORM))
    has_number = pl.lit(pl.Series(rng.random(n) < _OWN_NUMBER))
    rows = rows.with_columns(
        work_code=pl.format("CT-{}-{}-{}", "ward", "sheet_no", "parcel_no"),
        authority=pl.when(has_number).then(pl.lit("UBND")),
        permit_no=pl.when(has_number).then(pl.format("{}/GPXD-Q", pl.int_range(pl.len()))),
        floors=pl.Series(floors),
        floor_area_m2=pl.col("area_m2") * pl.Series(floors),
        height_m=pl.Series(floors * 3.5).round(2),
        begun=pl.Series(begun).cast(pl.Date),
    )
    rows = _house(rows, "ward", "sheet_no", "begun", pl.col("geometry"))
    return rows.with_columns(status=pl.when(pl.lit(chance) < _NEVER_ACCEPTED).then(pl.lit("3")).otherwise(pl.lit("1")))


def _of_projects(happened: Events) -> pl.DataFrame:
    rows = projects.projects(happened).filter(pl.col("started_on").is_not_null())
    rows = placed(rows, "started_on", ward="place")
    is_civil = ~pl.col("field").is_in(list(_KINDS))
    return rows.with_columns(
        work_code=pl.format("CT-DA-{}", "project_code"),
        name=pl.lit("Công trình của dự án ") + pl.col("project_code"),
        authority=pl.lit(None, pl.String),
        permit_no=pl.lit(None, pl.String),
        owner_name="unit_name",
        owner_id=pl.lit(None, pl.String),
        owner_tax_code="unit_tax_code",
        ward="place",
        sheet_no=pl.lit(None, pl.String),
        parcels=pl.lit(None, pl.String),
        kind=pl.when(is_civil).then(pl.lit("DD")).otherwise(pl.col("field").replace(_KINDS)),
        grade=pl.lit("II"),
        building_use=pl.when(is_civil).then(pl.lit("CC")).otherwise(pl.lit("HTKT")),
        floors=pl.when(is_civil).then(3).cast(pl.Int64),
        basements=pl.lit(0),
        floor_area_m2=pl.when(is_civil).then(pl.lit(Decimal("1850.5"))).cast(pl.Decimal(18, 1)),
        height_m=pl.when(is_civil).then(pl.lit(Decimal("12.60"))).cast(pl.Decimal(18, 2)),
        accepted_on=pl.when(pl.col("completed_on").is_not_null()).then(pl.max_horizontal("completed_on", "started_on")),
        status=pl.when(pl.col("completed_on").is_not_null()).then(pl.lit("3")).otherwise(pl.lit("1")),
        geometry=pl.lit(None, pl.String),
    )


WORKS = Sender(
    "construction.works",
    _sendings,
    (
        Wrong("missing_required", "name"),
        Wrong("missing_required", "owner_id"),  # then it has no owner at all
        Wrong("short_personal_id", "owner_id"),
        Wrong("unknown_code", "authority"),
        Wrong("unknown_code", "building_use"),
        Wrong("unknown_ward", "ward"),
        Wrong("no_floor_area", "floor_area_m2", "0"),
        Wrong("point_moved", "height_m", "498.5", "warned", Decimal),
        Wrong("impossible_date", "started_on"),
        Wrong("in_degrees", "geometry", "POINT (106.7 10.78)"),
        Wrong("broken_json"),
    ),
)
