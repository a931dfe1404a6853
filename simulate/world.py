"""The people as they are before the first day: who lives with whom and where, learns, works, is insured, is supported.

It stands on the inhabitants of `people`, whom the other agencies know too, and makes no mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from simulate.chance import generator

_HOUSEHOLD = 3.3  # persons
_GROWN = 20  # years from which somebody may be the head of a household


@dataclass(frozen=True)
class World:
    """What is true before the first day.

    Attributes:
        seed: of the city.
        start: the first day.
        people: `simulate.people.population`, with number, age, household, relation, street, lives_since.
    """

    seed: int
    start: date
    people: pl.DataFrame


def world(seed: int, inhabitants: pl.DataFrame, start: date) -> World:
    """What is true of some inhabitants before the first day."""
    people = inhabitants.with_row_index("number").with_columns(
        age=_years(pl.col("birth"), start), number=pl.col("number").cast(pl.Int64)
    )
    return World(
        seed, start, _residence(generator(seed, "residence"), _households(generator(seed, "households"), people), start)
    )


def _years(birth: pl.Expr, day: date) -> pl.Expr:
    """Whole years of age."""
    had_birthday = (birth.dt.month() * 100 + birth.dt.day()) <= day.month * 100 + day.day
    return day.year - birth.dt.year() - (~had_birthday).cast(pl.Int32)


def _households(rng: np.random.Generator, people: pl.DataFrame) -> pl.DataFrame:
    """Who lives with whom: in each ward some adults are heads, and everybody else lives with one of them."""
    n = people.height
    is_grown = pl.col("age") >= _GROWN
    rows = people.with_columns(is_grown=is_grown, _first=pl.Series(rng.random(n)), _home=pl.Series(rng.random(n)))
    rows = rows.sort("ward", "is_grown", "_first", descending=[False, True, False]).with_columns(
        place=pl.int_range(pl.len()).over("ward"),
        homes=pl.min_horizontal((pl.len() / _HOUSEHOLD).ceil(), pl.col("is_grown").sum().clip(1)).over("ward"),
    )
    is_head = pl.col("place") < pl.col("homes")
    rows = rows.with_columns(
        is_head=is_head,
        home=pl.when(is_head).then("place").otherwise((pl.col("_home") * pl.col("homes")).cast(pl.Int64)),
    ).with_columns(household=pl.col("ward") + pl.col("home").cast(pl.String).str.zfill(6))
    heads = rows.filter("is_head").select("household", head_birth="birth", head_sex="sex", head_street="address")
    rows = rows.join(heads, on="household", how="left")
    gap = pl.col("birth").dt.year().cast(pl.Int32) - pl.col("head_birth").dt.year()  # how much younger
    may_be_spouse = ~pl.col("is_head") & pl.col("is_grown") & (pl.col("sex") != pl.col("head_sex")) & (gap.abs() <= 12)
    rows = rows.with_columns(
        is_spouse=may_be_spouse & (may_be_spouse.cum_sum().over("household", order_by="number") == 1)
    )
    relation = (
        pl.when("is_head").then(pl.lit("CH")).when("is_spouse").then(pl.lit("VC"))
        .when(gap > 50).then(pl.lit("CHAU")).when(gap >= 16).then(pl.lit("CON"))
        .when(gap < -50).then(pl.lit("OB")).when(gap <= -16).then(pl.lit("BM"))
        .when(pl.col("_first") < 0.5).then(pl.lit("AE")).otherwise(pl.lit("KHAC"))
    )  # fmt: skip
    rows = rows.with_columns(
        relation=relation,
        is_married=(pl.col("is_spouse").any().over("household") & pl.col("is_head")) | pl.col("is_spouse"),
        street=pl.col("head_street").str.split(",").list.first(),
    )
    return rows.select(*people.columns, "household", "relation", "is_married", "street").sort("number")


def _residence(rng: np.random.Generator, people: pl.DataFrame, start: date) -> pl.DataFrame:
    """Since when they live there; most rows were written anew with the units of July 2025."""
    first = np.datetime64(start)
    homes = people.select("household").unique(maintain_order=True)
    n = homes.height
    kind = rng.choice(3, n, p=[0.8, 0.17, 0.03])
    since = np.datetime64("2025-07-01") + rng.integers(
        0, max((first - np.datetime64("2025-07-01")).astype(int) - 10, 1), n
    )
    since[kind == 1] = np.datetime64("2025-01-02") + rng.integers(0, 170, (kind == 1).sum())
    since[kind == 2] = np.datetime64("2015-01-01") + rng.integers(0, 3500, (kind == 2).sum())
    homes = homes.with_columns(_since=pl.Series(since, dtype=pl.Date), is_temporary=pl.Series(rng.random(n) < 0.25))
    return (
        people.join(homes, on="household", how="left", maintain_order="left")
        .with_columns(
            lives_since=pl.max_horizontal("_since", pl.col("birth").dt.offset_by("3d")).clip(upper_bound=start)
        )
        .drop("_since")
    )
