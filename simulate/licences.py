"""Driving licences: who may drive what, and what sanctions take of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from simulate import justice
from simulate.chance import generator, some, told_of
from simulate.events import OLDEST, Events
from simulate.extract import Wrong, at_times
from simulate.sending import Sender, Sending
from simulate.units import placed

_MAY_RIDE, _MAY_DRIVE = 0.95, 0.3  # of the grown people
_NEW = 0.0005  # of the grown people, a day
_NEW_CLASSES = date(2025, 1, 1)
_FIRST = np.datetime64("2013-02-01")  # since when every number has twelve digits
_POINTS = 12  # a year
_WITHDRAWN = timedelta(days=60)


def _sendings(happened: Events) -> Iterator[Sending]:
    world, seed = happened.world, happened.world.seed
    rng = generator(seed, "licences")
    grown = world.people.filter(pl.col("age").is_between(20, OLDEST))
    may_ride = pl.Series(rng.random(grown.height) < _MAY_RIDE)
    riders, others = grown.filter(may_ride), grown.filter(~may_ride)
    may_drive = riders.filter(pl.Series(rng.random(riders.height) < _MAY_DRIVE))
    held = pl.concat([_licences(rng, world.start, riders, "A1"), _licences(rng, world.start, may_drive, "B")])
    stock = at_times(_rows(held), "T", pl.col("issued_on"), rng)
    deaths = told_of(seed, "deaths to the licence office", happened.deaths, range(1, 30), 0.1)
    fined = pl.concat([s.rows.with_columns(day=pl.lit(s.as_of)) for s in justice.VIOLATIONS.sendings(happened)])
    fined = fined.filter((pl.col("enforcement_state") == "BH") & (pl.col("points") > 0))
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "licences", number)
        today = pl.lit(day)
        dead = held.join(deaths.filter(pl.col("told") == day).select("pid"), on="pid", maintain_order="left")
        held = held.join(dead, on="pid", how="anti", maintain_order="left")
        taken = _taken(held, fined.filter(pl.col("day") == day - timedelta(days=1)), day)
        held = held.join(taken, on=["pid", "licence_class"], how="anti", maintain_order="left")
        new = some(rng, others, _NEW * grown.height / max(others.height, 1), least=16)
        others = others.join(new, on="pid", how="anti", maintain_order="left")
        passed = new.with_columns(licence_class=pl.lit("A1"), passed_on=pl.lit(day - timedelta(days=20)))
        passed = _issued(passed.with_columns(issued_on=today))
        sent = [
            at_times(_rows(dead), "X", today, rng),
            at_times(_rows(taken), "S", today, rng),
            at_times(_rows(passed), "T", today, rng),
        ]
        held = pl.concat([held, taken, passed])
        yield Sending(day, day, pl.concat(([stock] if number == 1 else []) + sent))


def _licences(rng: np.random.Generator, start: date, people: pl.DataFrame, kind: str) -> pl.DataFrame:
    """A licence for each, tested at nineteen at the earliest."""
    came_of_age = people.select(pl.col("birth").dt.offset_by("19y")).to_series().to_numpy()
    first, last = np.maximum(came_of_age, _FIRST), np.datetime64(start) - np.timedelta64(30, "D")
    passed = first + (
        rng.random(people.height) * np.maximum((last - first).astype("timedelta64[D]").astype(int), 0)
    ).astype("timedelta64[D]")
    rows = people.with_columns(passed_on=pl.Series(passed).cast(pl.Date), licence_class=pl.lit(kind)).with_columns(
        issued_on=pl.col("passed_on") + timedelta(days=15)
    )
    return _issued(placed(rows, "issued_on"), start)


def _issued(rows: pl.DataFrame, start: date | None = None) -> pl.DataFrame:
    """With the class as it was called when it was issued, and its term."""
    is_car = pl.col("licence_class") == "B"
    ends = pl.when(is_car).then(pl.col("issued_on").dt.offset_by("10y"))
    is_old = pl.col("issued_on") < _NEW_CLASSES
    has_ended = ends <= start if start else pl.lit(False)
    return rows.with_columns(
        licence_class=pl.when(is_car & is_old).then(pl.lit("B2")).otherwise("licence_class"),
        expires_on=ends,
        points=pl.lit(_POINTS, pl.Int64),
        until=pl.lit(None, pl.Date),
        status=pl.when(has_ended.fill_null(False)).then(pl.lit("HH")).otherwise(pl.lit("HL")),
    ).select(
        "number", "pid", "name", "birth", "sex", "ward", "licence_class", "passed_on", "issued_on", "expires_on",
        "points", "until", "status",
    )  # fmt: skip


def _taken(held: pl.DataFrame, fined: pl.DataFrame, day: date) -> pl.DataFrame:
    """Whose points are fewer than they were, and who may not ride for a while, by the sanctions of the day before."""
    by = fined.group_by(pid="personal_id", maintain_order=True).agg(
        less=pl.col("points").sum(), is_withdrawn=pl.col("sanctions").str.contains("TQ").any()
    )
    rows = held.filter(pl.col("licence_class") == "A1").join(by, on="pid", maintain_order="left")
    is_withdrawn = pl.col("is_withdrawn") | (pl.col("points") <= pl.col("less"))
    return rows.with_columns(
        points=(pl.col("points") - pl.col("less")).clip(lower_bound=0),
        until=pl.when(is_withdrawn).then(pl.lit(day + _WITHDRAWN)).otherwise("until"),
        status=pl.when(is_withdrawn).then(pl.lit("TQ")).otherwise("status"),
    ).select(held.columns)


def _rows(licences: pl.DataFrame) -> pl.DataFrame:
    return licences.select(
        "licence_class",
        "sex",
        "ward",
        "passed_on",
        "issued_on",
        "expires_on",
        "status",
        licence_no="79" + pl.col("number").cast(pl.String).str.zfill(10),
        personal_id="pid",
        full_name="name",
        birth_date="birth",
        nationality=pl.lit("000"),
        issuer=pl.lit("Công an Thành phố"),
        licence_reason=pl.lit("CM"),
        points_left="points",
        withdrawn_until="until",
        medium=pl.lit("T"),
    )


LICENCES = Sender(
    "transport.licences",
    _sendings,
    (
        Wrong("missing_required", "full_name"),
        Wrong("short_personal_id", "personal_id"),
        Wrong("cyrillic_letter", "licence_class", "\u0421"),
        Wrong("unknown_code", "licence_class"),
        Wrong("unknown_code", "sex"),
        Wrong("unknown_ward", "ward"),
        Wrong("impossible_date", "issued_on"),
        Wrong("passed_after_it_was_issued", "passed_on", "2098-12-31"),
        Wrong("too_many_points", "points_left", "24"),
        Wrong("number_of_long_ago", "licence_no", "AB123456", "warned"),
        Wrong("broken_json"),
    ),
)
