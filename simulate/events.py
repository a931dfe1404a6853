"""What happens to the people day after day: it happens once, and each agency comes to know of it in its own time.

Births, deaths and marriages are those that the civil registry wrote down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from simulate.chance import generator, some
from simulate.people import STREETS, wards
from simulate.world import World

_MOVES = 0.0006  # of the people, a day; more than in life, as all else in the small city
OLDEST = 75  # years; to older people only what their age brings happens
_JOBS_LOST = 0.0008  # of the workers, a day
_UNUSED = "075"  # the first digits of ids that nobody of the population has: children registered without one


@dataclass(frozen=True)
class Events:
    """A world and what happens in it.

    Attributes:
        world: before the first day.
        days: the days.
        births: day (of registration), n (its number), pid, name, sex, birth, ethnicity, mother (pid).
        deaths: day (of registration), pid, died_on; each person once.
        marriages: day, pid; both spouses.
        moves: day, pid, and where to: ward, ward_name, street; each person once.
        jobs_lost: day, pid; each person once.
        visits: day, pid, visit (its key); to a hospital.
        enterprises: the tax office's: tax_code, name.
        taxpayers: `simulate.tax.taxpayers`, with the day on which the tax office first had them.
        declarations: `simulate.tax.declarations` as they were sent, with the day; some again, with another sum.
        parcels: `simulate.land.parcels` of the first day.
        permits: `simulate.land.permits`, with the day.
    """

    world: World
    days: tuple[date, ...]
    births: pl.DataFrame
    deaths: pl.DataFrame
    marriages: pl.DataFrame
    moves: pl.DataFrame
    jobs_lost: pl.DataFrame
    visits: pl.DataFrame
    enterprises: pl.DataFrame
    taxpayers: pl.DataFrame
    declarations: pl.DataFrame
    parcels: pl.DataFrame
    permits: pl.DataFrame


def events(
    before: World, registered: Mapping[str, Sequence[pl.DataFrame]], enterprises: pl.DataFrame, days: int
) -> Events:
    """What happens.

    Args:
        before: the world before the first day.
        registered: what was new in the registries of the four agencies that `city` draws, a table a day.
        enterprises: of the tax office's register of the first day.
        days: how many.
    """
    dates = tuple(before.start + timedelta(days=n) for n in range(days))
    births, deaths, marriages = (_by_day(dates, registered[name]) for name in ("births", "deaths", "marriages"))
    known = pl.col("personal_id")
    births = births.with_row_index("n").select(
        "day",
        "n",
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
    workers = before.people.filter(pl.col("wage").is_not_null())
    return Events(
        before,
        dates,
        births,
        deaths,
        pl.concat(spouses).unique("pid", keep="first", maintain_order=True),
        _moves(before, dates, deaths),
        alive(_once_each(before, dates, "jobs lost", workers, _JOBS_LOST), deaths),
        _by_day(dates, registered["visits"]).select("day", pid="so_cccd", visit="ma_lk"),
        enterprises.select("tax_code", "name"),
        _by_day(dates, registered["taxpayers"]),
        _by_day(dates, registered["declarations"]),
        registered["parcels"][0],
        _by_day(dates, registered["permits"]),
    )


def _by_day(dates: Sequence[date], tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([table.with_columns(day=pl.lit(day)) for day, table in zip(dates, tables, strict=True)])


def _an_id() -> pl.Expr:
    """An id for a child whose registration does not say it yet; of a province that no other id of the city has."""
    year = pl.col("birth_date").dt.year()
    century = (pl.col("sex").cast(pl.Int32) - 1 + 2).cast(pl.String)
    digits = (year % 100).cast(pl.String).str.zfill(2)
    return pl.lit(_UNUSED) + century + digits + pl.col("n").cast(pl.String).str.zfill(6)


def _moves(before: World, dates: Sequence[date], deaths: pl.DataFrame) -> pl.DataFrame:
    """Grown people who leave a household of which they are not the head."""
    may = before.people.filter(pl.col("age").is_between(18, OLDEST) & (pl.col("relation") != "CH"))
    rows = _once_each(before, dates, "moves", may, _MOVES)
    new, _ = wards()
    places = generator(before.seed, "where to").random((rows.height, 3)) * (new.height, len(STREETS), 900)
    ward, street, house = places.astype(int).T
    rows = rows.with_columns(
        new["code"][ward].alias("ward"),
        new["name"][ward].alias("ward_name"),
        street=pl.Series(house + 1).cast(pl.String) + " " + pl.Series(STREETS)[street],
    )
    return alive(rows, deaths)


def alive(rows: pl.DataFrame, deaths: pl.DataFrame) -> pl.DataFrame:
    """What happens to people on a day, without those who had died by then."""
    known = rows.join(deaths.select("pid", "died_on"), on="pid", how="left", maintain_order="left")
    return known.filter((pl.col("died_on") > pl.col("day")).fill_null(True)).drop("died_on")


def _once_each(before: World, dates: Sequence[date], what: str, may: pl.DataFrame, share: float) -> pl.DataFrame:
    """To whom of those to whom it may happen it does, a day after the other; to nobody twice."""
    made = []
    for number, day in enumerate(dates, start=1):
        whom = some(generator(before.seed, what, number), may, share, least=6)
        made.append(whom.select("pid", day=pl.lit(day)))
        may = may.join(whom, on="pid", how="anti")
    return pl.concat(made)
