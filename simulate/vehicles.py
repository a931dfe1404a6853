"""Registered vehicles: motorcycles and cars of people, trucks of enterprises; some are sold, some are no more."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import polars as pl

from simulate.chance import days_before, generator, parted, some
from simulate.events import OLDEST, Events
from simulate.extract import Wrong, at_times
from simulate.sending import Sender, Sending
from simulate.units import placed

_MOTORCYCLES, _CARS, _TRUCKS = 0.4, 0.08, 0.3  # of the grown people and, at last, of the enterprises
_NEW = 0.0005  # of the grown people, a day
_A_DAY = ((0.002, 8), (0.001, 5))  # sold, and deleted from the register; and at least
_LETTERS = "ABCDEFGHKLMNPSTUVXYZ"
_A_SERIES = 90_000  # plates
# By type: make, model, seats, payload in kilograms, displacement in cubic centimetres.
_MODELS = {
    "MOTO": ("HONDA", "WAVE ALPHA", 2, 150, Decimal("109.2")),
    "OTO_CON": ("TOYOTA", "VIOS", 5, 400, Decimal("1496.0")),
    "OTO_TAI": ("HINO", "XZU", 3, 3500, Decimal("4009.0")),
}
_POWER = Decimal("3.5")  # kilowatts of an electric one


def _sendings(happened: Events) -> Iterator[Sending]:
    seed, people = happened.world.seed, happened.world.people
    rng = generator(seed, "vehicles")
    grown = people.filter(pl.col("age").is_between(20, OLDEST))
    registry = pl.concat(
        [
            _vehicles(rng, happened, _persons(some(rng, grown, _MOTORCYCLES)), "MOTO"),
            _vehicles(rng, happened, _persons(some(rng, grown, _CARS)), "OTO_CON"),
            _vehicles(rng, happened, _firms(some(rng, _enterprises(happened), _TRUCKS)), "OTO_TAI"),
        ]
    )
    registry = registry.with_columns(serial=pl.int_range(pl.len(), dtype=pl.Int64))
    stock = at_times(_rows(registry, None), "T", pl.col("registered_on"), rng)
    next_ = registry.height
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "vehicles", number)
        today = pl.lit(day)
        bought = _persons(some(rng, grown, _NEW, least=12))
        new = _vehicles(rng, happened, bought, "MOTO").with_columns(
            registered_on=today, ward="ward_today", serial=pl.int_range(pl.len(), dtype=pl.Int64) + next_
        )
        next_ += new.height
        sold, gone, registry = parted(rng, registry, *_A_DAY)
        buyers = _persons(grown[rng.integers(0, grown.height, sold.height)])
        sold = pl.concat([sold.drop(buyers.columns), buyers], how="horizontal").select(registry.columns)
        sent = [
            at_times(_rows(new, None), "T", today, rng),
            at_times(_rows(sold, None), "S", today, rng),
            at_times(_rows(gone, "HONG"), "X", today, rng),
        ]
        registry = pl.concat([registry, sold, new.select(registry.columns)])
        yield Sending(day, day, pl.concat(([stock] if number == 1 else []) + sent))


def _enterprises(happened: Events) -> pl.DataFrame:
    return happened.taxpayers.filter((pl.col("taxpayer_type") == "1") & (pl.col("day") == happened.world.start))


def _persons(people: pl.DataFrame) -> pl.DataFrame:
    return people.select(owner_name="name", owner_id="pid", owner_tax_code=pl.lit(None, pl.String), ward_today="ward")


def _firms(enterprises: pl.DataFrame) -> pl.DataFrame:
    return enterprises.select(
        owner_name="name", owner_id=pl.lit(None, pl.String), owner_tax_code="tax_code", ward_today="address_ward"
    )


def _vehicles(rng: np.random.Generator, happened: Events, owners: pl.DataFrame, kind: str) -> pl.DataFrame:
    """A vehicle for each owner, registered in the years before the first day in the ward of that day."""
    n = owners.height
    make, model, seats, payload, displacement = _MODELS[kind]
    start = np.datetime64(happened.world.start)
    registered = days_before(rng, start, 9_000 if kind == "OTO_TAI" else 3_600, n)
    is_electric = pl.lit(pl.Series((rng.random(n) < 0.06) & (kind == "MOTO")))
    rows = owners.with_columns(
        registered_on=pl.Series(registered).cast(pl.Date),
        ward="ward_today",
        kind=pl.lit(kind),
        make=pl.lit(make),
        model=pl.lit(model),
        seats=pl.lit(seats),
        payload=pl.lit(payload),
        older=pl.Series(rng.integers(0, 3, n)),
        fuel=pl.when(is_electric).then(pl.lit("E")).otherwise(pl.lit("D" if kind == "OTO_TAI" else "X")),
        displacement=pl.when(is_electric).then(pl.lit(_POWER)).otherwise(pl.lit(displacement)).cast(pl.Decimal(18, 1)),
        due=pl.Series(start + rng.integers(-40, 700, n).astype("timedelta64[D]")).cast(pl.Date),
    )
    return placed(rows, "registered_on")


def _rows(vehicles: pl.DataFrame, revoked: str | None) -> pl.DataFrame:
    serial, is_car = pl.col("serial"), pl.col("kind") != "MOTO"
    series = serial // _A_SERIES
    letter = (series % len(_LETTERS)).replace_strict(dict(enumerate(_LETTERS)), return_dtype=pl.String)
    digits = (serial % _A_SERIES + 10_000).cast(pl.String)
    of_series = (series // len(_LETTERS) + 1).cast(pl.String)
    plate = pl.when(is_car).then("51" + letter + digits).otherwise("59" + letter + of_series + digits)
    return vehicles.select(
        "make",
        "model",
        "seats",
        "fuel",
        "displacement",
        "owner_name",
        "owner_id",
        "owner_tax_code",
        "ward",
        "registered_on",
        chassis_no="RLHJF5800" + serial.cast(pl.String).str.zfill(8),
        engine_no="JF58E" + serial.cast(pl.String).str.zfill(8),
        plate=plate,
        plate_colour=pl.when(pl.col("kind") == "OTO_TAI").then(pl.lit("V")).otherwise(pl.lit("T")),
        vehicle_type="kind",
        made_in_year=pl.col("registered_on").dt.year().cast(pl.Int64) - pl.col("older"),
        payload_kg=pl.col("payload").cast(pl.Decimal(18, 1)),
        inspection_due=pl.when(is_car).then("due"),
        revoked_reason=pl.lit(revoked, pl.String),
    )


VEHICLES = Sender(
    "transport.vehicles",
    _sendings,
    (
        Wrong("missing_required", "owner_name"),
        Wrong("missing_required", "owner_id"),  # then it has no owner at all
        Wrong("short_personal_id", "owner_id"),
        Wrong("letters_for_zeros", "chassis_no", "RLHJF58OOFY123456"),
        Wrong("no_plate", "plate", "không số"),
        Wrong("plate_of_another_province", "plate", "30A12345", "warned"),
        Wrong("red_plate", "plate_colour", "D", "rejected"),
        Wrong("unknown_code", "vehicle_type"),
        Wrong("unknown_ward", "ward"),
        Wrong("impossible_date", "registered_on"),
        Wrong("made_in_the_future", "made_in_year", "2099"),
        Wrong("too_many_cells"),
        Wrong("unclosed_quote"),
    ),
)
