"""What happens to the people day after day: it happens once, and each agency comes to know of it in its own time.

Births, deaths and marriages are those that the civil registry wrote down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from simulate.chance import generator, some
from simulate.people import STREETS, wards
from simulate.world import World

_MOVES = 0.0006  # of the people, a day; more than in life, as all else in the small city
_ABROAD = "075"  # the first digits of ids that nobody of the population has: children registered without one


@dataclass(frozen=True)
class Events:
    """A world and what happens in it.

    Attributes:
        world: before the first day.
        days: the days.
        births: day (of registration), pid, name, sex, birth, ethnicity, mother (pid).
        deaths: day (of registration), pid, died_on; each person once.
        marriages: day, pid; both spouses.
        moves: day, pid, and where to: ward, ward_name, street; each person once.
        employers: the enterprises of the tax office: tax_code, name, ward.
    """

    world: World
    days: tuple[date, ...]
    births: pl.DataFrame
    deaths: pl.DataFrame
    marriages: pl.DataFrame
    moves: pl.DataFrame
    employers: pl.DataFrame


def events(
    before: World, registered: Mapping[str, Sequence[pl.DataFrame]], payers: Sequence[pl.DataFrame], days: int
) -> Events:
    """What happens.

    Args:
        before: the world before the first day.
        registered: births, deaths and marriages of the civil registry, a table a day.
        payers: the tax office's register of the first day.
        days: how many.
    """
    dates = tuple(before.start + timedelta(days=n) for n in range(days))
    births, deaths, marriages = (_by_day(dates, registered[name]) for name in ("births", "deaths", "marriages"))
    known = pl.col("personal_id")
    births = births.with_row_index("n").select(
        "day",
        pl.when(known.is_null()).then(_an_id()).otherwise(known).alias("pid"),
        name="full_name",
        sex="sex",
        birth="birth_date",
        ethnicity="ethnicity",
        mother="mother_id",
    )
    deaths = deaths.select("day", pid="personal_id", died_on=pl.col("death_at").dt.date())
    deaths = deaths.unique("pid", keep="first", maintain_order=True)
    spouses = [marriages.select("day", pid=f"{role}_id") for role in ("husband", "wife")]
    enterprises = payers[0].filter(pl.col("taxpayer_type") == "1")
    return Events(
        before,
        dates,
        births,
        deaths,
        pl.concat(spouses).unique("pid", keep="first", maintain_order=True),
        _moves(before, dates, deaths),
        enterprises.select("tax_code", "name", ward="address_ward"),
    )


def _by_day(dates: Sequence[date], tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([table.with_columns(day=pl.lit(day)) for day, table in zip(dates, tables, strict=True)])


def _an_id() -> pl.Expr:
    """An id for a child whose registration does not say it yet; of a province that no other id of the city has."""
    year = pl.col("birth_date").dt.year()
    century = (pl.col("sex").cast(pl.Int32) - 1 + 2).cast(pl.String)
    digits = (year % 100).cast(pl.String).str.zfill(2)
    return pl.lit(_ABROAD) + century + digits + pl.col("n").cast(pl.String).str.zfill(6)


def _moves(before: World, dates: Sequence[date], deaths: pl.DataFrame) -> pl.DataFrame:
    """Grown people who leave a household of which they are not the head."""
    may = before.people.filter((pl.col("age") >= 18) & (pl.col("relation") != "CH")).select("pid")
    may = may.join(deaths, on="pid", how="anti")
    new, _ = wards()
    made = []
    for number, day in enumerate(dates, start=1):
        rng = generator(before.seed, "moves", number)
        movers = some(rng, may, _MOVES, least=6)
        at, n = rng.integers(0, new.height, movers.height), movers.height
        street = np.array(STREETS, dtype=object)[rng.integers(0, len(STREETS), n)]
        house = rng.integers(1, 900, n).astype(str).astype(object)
        made.append(
            movers.with_columns(
                new[at]["code"].alias("ward"),
                new[at]["name"].alias("ward_name"),
                pl.Series("street", house + " " + street, dtype=pl.String),
                day=pl.lit(day),
            )
        )
        may = may.join(movers, on="pid", how="anti")
    return pl.concat(made)
