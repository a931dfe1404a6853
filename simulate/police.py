"""The police's share of the population database: who lives where, changed day by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from simulate.chance import generator, told_of
from simulate.events import Events
from simulate.extract import Wrong, at_times
from simulate.sending import Sender, Sending
from simulate.units import placed

_UNREGISTERED = 0.03  # of the people who are nobody's head of household
_NEVER = 0.05  # of the births and of the deaths that the police is not told
_KEPT = ["pid", "household", "relation", "ward", "ward_name", "street", "lives_since", "is_temporary", "is_married",
         "name", "sex", "birth", "birth_precision", "ethnicity", "old_id"]  # fmt: skip


def _sendings(happened: Events) -> Iterator[Sending]:
    seed = happened.world.seed
    rng = generator(seed, "residents")
    registry = _registry(rng, happened.world.people)
    stock = at_times(_rows(registry, "DVHC"), "T", pl.col("registered_on"), rng)
    births = told_of(seed, "births to the police", happened.births, range(5), _NEVER)
    deaths = told_of(seed, "deaths to the police", happened.deaths, range(4), _NEVER)
    moves = told_of(seed, "arrivals to the police", happened.moves, range(1, 5), _NEVER).rename({"told": "arrives"})
    marriages = happened.marriages.with_columns(told="day")
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "residents", number)
        today = pl.lit(day)
        dead = registry.join(
            deaths.filter(pl.col("told") == day).select("pid", "died_on"), on="pid", maintain_order="left"
        )
        leaving = registry.join(moves.filter(pl.col("day") == day).select("pid"), on="pid", maintain_order="left")
        left = pl.concat([dead.select(_KEPT), leaving]).filter(pl.col("relation") == "CH")
        registry = registry.join(pl.concat([dead.select("pid"), leaving.select("pid")]), on="pid", how="anti")
        married = registry.join(marriages.filter(pl.col("told") == day).select("pid"), on="pid", maintain_order="left")
        married = married.with_columns(is_married=True)
        heirs = _heirs(registry, left)
        married = married.join(heirs, on="pid", how="anti")
        born = _born(registry, births.filter(pl.col("told") == day), day)
        arrived = moves.filter(pl.col("arrives") == day).join(
            happened.world.people.select("pid", "name", "sex", "birth", "birth_precision", "ethnicity"), on="pid"
        )
        arrived = _settled(arrived, day)
        registry = pl.concat(
            [
                registry.join(pl.concat([married, heirs]), on="pid", how="anti"),
                *(rows.select(_KEPT) for rows in (married, heirs, born, arrived)),
            ]
        )
        changes = [
            at_times(_rows(dead, "CHET"), "X", today, rng),
            at_times(_rows(leaving, "DI"), "X", today, rng),
            at_times(_rows(pl.concat([married, heirs]), "DC"), "S", today, rng),
            at_times(_rows(born, "SINH"), "T", today, rng),
            at_times(_rows(arrived, "DEN"), "T", today, rng),
        ]
        rows = pl.concat(([stock] if number == 1 else []) + changes)
        yield Sending(day, day, rows)


def _registry(rng: np.random.Generator, people: pl.DataFrame) -> pl.DataFrame:
    """What the police knows before the first day."""
    chance = pl.Series(rng.random(people.height))
    old = (pl.col("number") * 7919 % 900_000_000 + 100_000_000).cast(pl.String)
    registry = people.with_columns(
        old_id=pl.when((pl.col("birth").dt.year() < 1985) & (pl.lit(chance) < 0.2)).then(old)
    )
    return registry.filter((pl.col("relation") == "CH") | pl.lit(chance > _UNREGISTERED)).select(_KEPT)


def _heirs(registry: pl.DataFrame, left: pl.DataFrame) -> pl.DataFrame:
    """Of each household that lost its head, the oldest who becomes it."""
    members = registry.join(left.select("household"), on="household", how="semi").sort("birth", "pid")
    return members.unique("household", keep="first", maintain_order=True).with_columns(relation=pl.lit("CH"))


def _born(registry: pl.DataFrame, births: pl.DataFrame, day: date) -> pl.DataFrame:
    """Children in the households of their mothers."""
    home = registry.select("household", "ward", "ward_name", "street", "is_temporary", mother="pid", of="relation")
    rows = births.join(home, on="mother", maintain_order="left").with_columns(
        relation=pl.when(pl.col("of").is_in(["CH", "VC"])).then(pl.lit("CON")).otherwise(pl.lit("CHAU")),
        lives_since=pl.lit(day),
        is_married=pl.lit(False),
        birth_precision=pl.lit("D"),
        old_id=pl.lit(None, pl.String),
    )
    return rows.select(_KEPT)


def _settled(arrived: pl.DataFrame, day: date) -> pl.DataFrame:
    """People in a household of their own."""
    return arrived.with_columns(
        household=pl.col("ward") + "9" + pl.col("pid").str.slice(-8),
        relation=pl.lit("CH"),
        lives_since=pl.lit(day),
        is_temporary=pl.lit(False),
        is_married=pl.lit(False),
        old_id=pl.lit(None, pl.String),
    ).select(_KEPT)


def _rows(registry: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Rows of the registry under the contract's names."""
    if "died_on" not in registry.columns:
        registry = registry.with_columns(died_on=pl.lit(None, pl.Date))
    rows = placed(registry, "lives_since", address="address")
    return rows.select(
        personal_id="pid",
        residence_kind=pl.when("is_temporary").then(pl.lit("TTR")).otherwise(pl.lit("TT")),
        full_name="name",
        birth_date="birth",
        birth_date_precision="birth_precision",
        sex="sex",
        ethnicity="ethnicity",
        nationality=pl.lit("000"),
        marital_status=pl.when("is_married").then(pl.lit("2")).otherwise(pl.lit("1")),
        household_no="household",
        relation_to_head="relation",
        ward="ward",
        address="address",
        address_ward="address_ward",
        address_ward_valid_from="address_ward_valid_from",
        registered_on="lives_since",
        temporary_until=pl.when("is_temporary").then(pl.col("lives_since") + timedelta(days=700)),
        change_reason=pl.lit(reason),
        old_id="old_id",
        died_on="died_on",
    )


RESIDENTS = Sender(
    "police.residents",
    _sendings,
    (
        Wrong("missing_required", "full_name"),
        Wrong("impossible_birth_date", "birth_date"),
        Wrong("digit_in_name", "full_name"),
        Wrong("unknown_code", "sex"),
        Wrong("unknown_code", "residence_kind"),
        Wrong("short_personal_id", "personal_id"),
        Wrong("unknown_ward", "ward"),
        Wrong("impossible_date", "registered_on"),
        Wrong("broken_json"),
    ),
)
