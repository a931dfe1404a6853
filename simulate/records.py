"""Electronic health records: a summary of each person who has one, brought up to date after visits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from simulate.chance import days_before, generator, some, told_of
from simulate.events import OLDEST, Events
from simulate.extract import Wrong, at_times
from simulate.health import FACILITIES
from simulate.sending import Sender, Sending

_HAVE_ONE = 0.3  # of the people
_OPENED = 0.001  # of the others, a day
_EMPTY = 0.3  # of the records: opened for their number's sake, without any finding
_CHRONIC = ["I10", "E11.9", "J45.9", "I10;E11.9", "N18.9"]


def _sendings(happened: Events) -> Iterator[Sending]:
    world = happened.world
    rng = generator(world.seed, "health records")
    all_ = _measured(rng, world.people, world.start)
    has_one = pl.Series(rng.random(all_.height) < _HAVE_ONE)
    records, others = all_.filter(has_one), all_.filter(~has_one & (pl.col("age") <= OLDEST))
    deaths = told_of(world.seed, "deaths to the health stations", happened.deaths, range(30))
    stock = at_times(_rows(records), "T", pl.max_horizontal("opened_on", "last_checkup_on"), rng)
    for number, day in enumerate(happened.days, start=1):
        rng = generator(world.seed, "health records", number)
        dead = records.join(deaths.filter(pl.col("told") == day).select("pid"), on="pid", how="semi")
        records = records.join(dead, on="pid", how="anti")
        seen = happened.visits.filter(pl.col("day") == day).unique("pid", keep="first", maintain_order=True)
        visited = (
            records.drop("visit")
            .join(seen.select("pid", "visit"), on="pid", maintain_order="left")
            .select(records.columns)
        )
        opened = some(rng, others, _OPENED, least=6).with_columns(opened_on=pl.lit(day), checked_on=pl.lit(day))
        others = others.join(opened, on="pid", how="anti")
        records = pl.concat([records.join(visited, on="pid", how="anti"), visited, opened])
        today = pl.lit(day)
        changes = [
            at_times(_rows(dead), "X", today, rng),
            at_times(_rows(visited), "S", today, rng),
            at_times(_rows(opened), "T", today, rng),
        ]
        yield Sending(day, day, pl.concat(([stock] if number == 1 else []) + changes))


def _measured(rng: np.random.Generator, people: pl.DataFrame, start: date) -> pl.DataFrame:
    """What a check-up would find; of an empty record nothing."""
    n, age = people.height, people["age"].to_numpy()
    height = np.clip(np.where(age < 18, 60 + 6 * age, 162) + rng.normal(0, 5, n), 45, 195).round(1)
    mass = np.where(age < 18, 16, 22) + rng.normal(0, 1.5, n)
    weight = np.clip(mass * (height / 100) ** 2, 2, 150).round(2)
    systolic = rng.integers(100, 160, n)
    opened = np.maximum(people["birth"].to_numpy(), days_before(rng, np.datetime64(start), 600, n))
    checked = np.minimum(opened + rng.integers(0, 200, n).astype("timedelta64[D]"), np.datetime64(start))
    is_empty = pl.lit(pl.Series(rng.random(n) < _EMPTY))
    some_ = {
        "checked_on": pl.lit(pl.Series(checked).cast(pl.Date)),
        "blood": pl.lit(pl.Series(rng.choice(["O+", "A+", "B+", "AB"], n))),
        "height": pl.lit(pl.Series(height)).cast(pl.Decimal(18, 1)),
        "weight": pl.lit(pl.Series(weight)).cast(pl.Decimal(18, 2)),
        "systolic": pl.lit(pl.Series(systolic)),
        "diastolic": pl.lit(pl.Series(systolic - rng.integers(30, 50, n))),
        "glucose": pl.lit(pl.Series(rng.normal(5.4, 0.6, n).round(1))).cast(pl.Decimal(18, 2)),
        "smokes": pl.lit(pl.Series(rng.choice(["0", "1"], n, p=[0.8, 0.2]))),
    }
    chronic = pl.lit(pl.Series(rng.choice(_CHRONIC, n)))
    is_ill = pl.lit(pl.Series(rng.random(n) < np.clip(age / 150, 0, 0.5)))
    return people.with_columns(
        opened_on=pl.Series(opened).cast(pl.Date),
        facility=pl.lit(pl.Series(rng.choice(FACILITIES, n))),
        chronic=pl.when(~is_empty & is_ill).then(chronic),
        allergies=pl.when(~is_empty & pl.lit(pl.Series(rng.random(n) < 0.05))).then(pl.lit("penicillin;hải sản")),
        doses=pl.when(pl.col("age") < 6).then(pl.lit(pl.Series(rng.integers(3, 20, n)))),
        visit=pl.lit(None, pl.String),
        **{name: pl.when(~is_empty).then(value) for name, value in some_.items()},
    )


def _rows(records: pl.DataFrame) -> pl.DataFrame:
    return records.select(
        personal_id="pid",
        full_name="name",
        birth_date="birth",
        birth_date_precision="birth_precision",
        sex="sex",
        insurance_card="card",
        ward="ward",
        facility_code="facility",
        opened_on="opened_on",
        blood_group="blood",
        allergies="allergies",
        chronic_conditions="chronic",
        disability_level="disability",
        last_checkup_on="checked_on",
        height_cm="height",
        weight_kg="weight",
        systolic="systolic",
        diastolic="diastolic",
        glucose="glucose",
        smoker="smokes",
        vaccine_doses="doses",
        last_visit_key="visit",
    )


RECORDS = Sender(
    "health.records",
    _sendings,
    (
        Wrong("missing_required", "full_name"),
        Wrong("impossible_birth_date", "birth_date"),
        Wrong("older_identity_card", "personal_id", "023456789"),
        Wrong("unknown_code", "sex"),
        Wrong("unknown_ward", "ward"),
        Wrong("malformed_icd", "chronic_conditions"),
        Wrong("impossible_date", "opened_on"),
        Wrong("in_metres", "height_cm", "1.62"),
        Wrong("hiv_data", "chronic_conditions", "B20"),
        Wrong("broken_json"),
    ),
)
