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
LEVELS = {"MN": 3, "TH": 6, "THCS": 11, "THPT": 15}  # of schools, and the age at which one enters
GRADES = ["MG3", "MG4", "MG5", *(f"{grade:02d}" for grade in range(1, 13))]
_PUPILS_A_SCHOOL = 400
LOWEST_WAGE, HIGHEST_WAGE = 5_310_000, 46_800_000  # dong a month: of region I, and the ceiling of contributions


@dataclass(frozen=True)
class World:
    """What is true before the first day.

    Attributes:
        seed: of the city.
        start: the first day.
        people: `simulate.people.population`, with number, age, where they live (household, relation, is_married,
            street, lives_since, is_temporary), bhxh_no, is_poor, disability (1 extremely severe, 2 severe); of pupils
            grade, level, school_code; of workers employer_code, employer_tax_code, employer_ward, wage; of pensioners
            pension_from, pension (in dong a month); of those who are supported assistance (group), assisted_from.
        schools: school_code, level, ward, ward_name, street.
    """

    seed: int
    start: date
    people: pl.DataFrame
    schools: pl.DataFrame


def world(seed: int, inhabitants: pl.DataFrame, employers: pl.DataFrame, start: date) -> World:
    """What is true before the first day.

    Args:
        seed: of the city.
        inhabitants: `simulate.people.population`.
        employers: tax_code and address_ward of the enterprises among the taxpayers.
        start: the first day.
    """
    people = inhabitants.with_row_index("number").with_columns(
        age=_years(pl.col("birth"), start),
        number=pl.col("number").cast(pl.Int64),
        bhxh_no="79" + pl.col("number").cast(pl.String).str.zfill(8),
    )
    people = _residence(generator(seed, "residence"), _households(generator(seed, "households"), people), start)
    people, schools = _schools(generator(seed, "schools"), people, start)
    people = _jobs(generator(seed, "jobs"), people, employers)
    people = _support(generator(seed, "support"), _pensions(generator(seed, "pensions"), people), start)
    return World(seed, start, people, schools)


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
    rows = rows.join(heads, on="household", how="left", maintain_order="left")
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


def _schools(rng: np.random.Generator, people: pl.DataFrame, start: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Who goes to which school; a school is for the wards around it."""
    entered = start.year if start.month >= 9 else start.year - 1
    years = entered - pl.col("birth").dt.year() - LEVELS["MN"]
    attends = pl.Series(rng.random(people.height)) < pl.Series(np.where(people["age"] < LEVELS["TH"], 0.6, 0.95))
    grade = pl.when(years.is_between(0, len(GRADES) - 1) & pl.lit(attends)).then(years)
    homes = people.select("ward", "ward_name").unique().sort("ward").with_row_index("place")
    people = people.join(homes.select("ward", "place"), on="ward", how="left", maintain_order="left").with_columns(
        grade=grade.replace_strict(dict(enumerate(GRADES)), default=None, return_dtype=pl.String),
        level=pl.when(grade.is_not_null()).then(
            pl.coalesce(pl.when(grade + LEVELS["MN"] >= LEVELS[name]).then(pl.lit(name)) for name in reversed(LEVELS))
        ),
    )
    schools, made = [], []
    for number, level in enumerate(LEVELS, start=1):
        pupils = people.filter(pl.col("level") == level)
        count = max(pupils.height // _PUPILS_A_SCHOOL, 1)
        at = (np.arange(count) + 0.5) * homes.height / count
        code = pl.format("79{}{}", pl.lit(number), pl.int_range(pl.len()).cast(pl.String).str.zfill(5))
        schools.append(
            homes[at.astype(int)].select(
                code.alias("school_code"),
                pl.lit(level).alias("level"),
                "ward",
                "ward_name",
                pl.Series("street", rng.integers(1, 900, count)).cast(pl.String) + " Nguyễn Trãi",
            )
        )
        nearest = (pl.col("place") * count // homes.height).cast(pl.String).str.zfill(5)
        made.append(pupils.select("number", school_code=pl.format("79{}{}", pl.lit(number), nearest)))
    people = people.join(pl.concat(made), on="number", how="left", maintain_order="left").drop("place")
    return people, pl.concat(schools)


def _jobs(rng: np.random.Generator, people: pl.DataFrame, employers: pl.DataFrame) -> pl.DataFrame:
    """Who works for which enterprise, and the wage that contributions are counted from."""
    n = people.height
    weight = rng.lognormal(1.4, 1.5, employers.height)
    of = rng.choice(employers.height, n, p=weight / weight.sum())
    wage = np.clip(rng.lognormal(np.log(8_500_000), 0.5, n), LOWEST_WAGE, HIGHEST_WAGE) // 1000 * 1000
    wage[rng.random(n) < 0.25] = LOWEST_WAGE
    works = pl.col("grade").is_null() & pl.col("age").is_between(18, 56) & pl.lit(pl.Series(rng.random(n) < 0.55))
    code = "TZ" + pl.Series(of).cast(pl.String).str.zfill(6) + "A"
    return people.with_columns(
        employer_code=pl.when(works).then(pl.lit(code)),
        employer_tax_code=pl.when(works).then(pl.lit(employers["tax_code"][of])),
        employer_ward=pl.when(works).then(pl.lit(employers["address_ward"][of])),
        wage=pl.when(works).then(pl.lit(pl.Series(wage.astype(np.int64)))),
    )


def _pensions(rng: np.random.Generator, people: pl.DataFrame) -> pl.DataFrame:
    """Who has a pension: it begins with the month after the birthday on which one may retire."""
    retires = pl.when(pl.col("sex") == "1").then(61).otherwise(57)
    has_one = (pl.col("age") > retires) & pl.lit(pl.Series(rng.random(people.height) < 0.35))
    begins = pl.date(pl.col("birth").dt.year() + retires, pl.col("birth").dt.month(), 1).dt.offset_by("1mo")
    amount = pl.Series(rng.lognormal(np.log(5_500_000), 0.4, people.height).astype(np.int64) // 100 * 100)
    return people.with_columns(
        pension_from=pl.when(has_one).then(begins), pension=pl.when(has_one).then(pl.lit(amount))
    )


def _support(rng: np.random.Generator, people: pl.DataFrame, start: date) -> pl.DataFrame:
    """Who is poor or disabled, and gets social assistance or a social pension; nobody gets two."""
    n = people.height
    chance, months = pl.Series(rng.random(n)), pl.Series(rng.integers(0, 50, n))
    level = pl.when(chance < 0.002).then(pl.lit("1")).when(chance < 0.009).then(pl.lit("2"))
    is_poor = pl.lit(pl.Series(rng.random(n) < 0.04))
    age, has_none = pl.col("age"), pl.col("pension").is_null()
    weak = (age < 16) | (age >= 60)
    group = (
        pl.when(level == "1").then(pl.when(weak).then(pl.lit("6b")).otherwise(pl.lit("6a")))
        .when(level == "2").then(pl.when(weak).then(pl.lit("6d")).otherwise(pl.lit("6c")))
        .when(has_none & (age >= 75)).then(pl.lit("HTXH1"))
        .when(has_none & (age >= 70) & is_poor).then(pl.lit("HTXH2"))
    )  # fmt: skip
    month = pl.lit(start.replace(day=1)).dt.offset_by(pl.format("-{}mo", pl.lit(months) + 2))
    born = pl.col("birth").dt.month_start()
    of_age = pl.date(
        pl.col("birth").dt.year() + pl.when(group == "HTXH1").then(75).otherwise(70), pl.col("birth").dt.month(), 1
    )
    begins = (
        pl.when(group.str.starts_with("HTXH"))
        .then(pl.max_horizontal(of_age.dt.offset_by("1mo"), pl.lit(date(2025, 7, 1))))
        .otherwise(pl.max_horizontal(month, born, pl.lit(date(2021, 8, 1))))
    )
    last = pl.lit(start.replace(day=1)).dt.offset_by("-1mo")
    made = people.with_columns(
        disability=level, is_poor=is_poor, assistance=group, assisted_from=pl.min_horizontal(begins, last)
    )
    return made.with_columns(assisted_from=pl.when(pl.col("assistance").is_not_null()).then("assisted_from"))
