"""Health insurance: who is covered by which card, and since when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from simulate.chance import generator, some, told_of
from simulate.events import Events
from simulate.extract import Wrong, at_times
from simulate.health import FACILITIES
from simulate.sending import Sender, Sending
from simulate.units import placed

# Object -> digit of the benefit, and who pays.
_OBJECTS = {
    "TE": ("1", "NS"), "HS": ("4", "HT"), "DN": ("4", "LD"), "HT": ("3", "BH"), "LH": ("2", "NS"), "BT": ("2", "NS"),
    "HN": ("2", "NS"), "GD": ("4", "GD"),
}  # fmt: skip
_OF_HOUSEHOLDS = 0.8  # of those whom nobody else insures
_FIRST = 1_263_600  # dong a year of the first of a household
_PAYS = [_FIRST * share // 10 for share in (10, 7, 6, 5, 4)]  # the first, the second, ...; dong a year
_CHANGED_FACILITY = 0.0006  # of the cards, a day
_KEPT = ["pid", "name", "birth", "birth_precision", "sex", "bhxh_no", "serial", "object", "card_from", "card_until",
         "five_years_on", "facility", "ward", "payer", "contribution"]  # fmt: skip


def _sendings(happened: Events) -> Iterator[Sending]:
    seed, start = happened.world.seed, happened.world.start
    rng = generator(seed, "cards")
    cards = _cards(rng, happened.world.people, start)
    births = told_of(seed, "births to the insurance", happened.births, range(11))
    deaths = told_of(seed, "deaths to the insurance", happened.deaths, range(15))
    mothers = happened.world.people.select("ward", "ward_name", mother="pid")
    stock = at_times(_rows(cards), "T", pl.lit(start - timedelta(days=1)), rng)
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "cards", number)
        dead = cards.join(
            deaths.filter(pl.col("told") == day).select("pid", "died_on"), on="pid", maintain_order="left"
        )
        dead = dead.with_columns(card_until=pl.max_horizontal("card_from", "died_on")).select(_KEPT)
        lost = cards.filter(pl.col("object") == "DN").join(
            happened.jobs_lost.filter(pl.col("day") == day), on="pid", maintain_order="left"
        )
        lost = lost.select(_KEPT).join(dead, on="pid", how="anti")
        ended = pl.concat([dead, lost.with_columns(card_until=pl.max_horizontal("card_from", pl.lit(day)))])
        others = cards.join(ended, on="pid", how="anti").filter(
            pl.col("card_until").is_null() | (pl.col("card_until") > day)
        )
        moved = some(rng, others, _CHANGED_FACILITY, least=6)
        moved = moved.with_columns(facility=pl.lit(FACILITIES[number % len(FACILITIES)]))
        own = lost.with_columns(
            object=pl.lit("GD"),
            card_from=pl.lit(day + timedelta(days=1)),
            card_until=pl.lit(date(day.year, 12, 31)),
            payer=pl.lit(None, pl.String),
            contribution=pl.lit(_FIRST, pl.Int64),
        )
        new = pl.concat([_of_children(births.filter(pl.col("told") == day), mothers), own])
        cards = pl.concat([others.join(moved, on="pid", how="anti"), moved, new])
        changes = [
            at_times(_rows(pl.concat([ended, moved])), "S", pl.lit(day), rng),
            at_times(_rows(new), "T", pl.lit(day), rng),
        ]
        yield Sending(day, day, pl.concat(([stock] if number == 1 else []) + changes))


def _cards(rng: np.random.Generator, people: pl.DataFrame, start: date) -> pl.DataFrame:
    """The cards before the first day: by age, school, job, pension and support, in this order."""
    n = people.height
    object_ = (
        pl.when(pl.col("age") < 6).then(pl.lit("TE"))
        .when(pl.col("grade").is_not_null()).then(pl.lit("HS"))
        .when(pl.col("wage").is_not_null()).then(pl.lit("DN"))
        .when(pl.col("pension").is_not_null()).then(pl.lit("HT"))
        .when(pl.col("assistance") == "HTXH1").then(pl.lit("LH"))
        .when(pl.col("assistance").is_not_null()).then(pl.lit("BT"))
        .when("is_poor").then(pl.lit("HN"))
        .when(pl.lit(pl.Series(rng.random(n) < _OF_HOUSEHOLDS))).then(pl.lit("GD"))
    )  # fmt: skip
    new_year = pl.lit(date(start.year, 1, 1))
    sixth = pl.date(pl.col("birth").dt.year() + 6, 9, 30)
    of = pl.col("object")
    rank = pl.col("number").rank("ordinal").over("household", "object").clip(1, 5)
    five = pl.lit(pl.Series(np.datetime64("2015-01-01") + rng.integers(0, 3900, n)).cast(pl.Date))
    made = people.with_columns(object=object_).with_columns(
        card_from=pl.when(of == "TE").then("birth").when(of == "HT").then("pension_from").otherwise(new_year),
        card_until=pl.when(of == "TE").then(sixth).when(of.is_in(["HT", "LH"])).then(None)
        .otherwise(pl.lit(date(start.year, 12, 31))),
        five_years_on=pl.when((pl.col("age") > 16) & (pl.lit(pl.Series(rng.random(n) < 0.6)))).then(five),
        serial=pl.col("card").str.slice(-10),
        facility=pl.lit(pl.Series(np.array(FACILITIES)[rng.integers(0, len(FACILITIES), n)])),
        payer=pl.when(of == "DN").then("employer_code"),
        contribution=pl.when(of == "GD").then(
            rank.replace_strict(dict(enumerate(_PAYS, start=1)), return_dtype=pl.Int64)
        ),
    )  # fmt: skip
    return placed(made.filter(of.is_not_null()), "card_from").select(_KEPT)


def _of_children(born: pl.DataFrame, mothers: pl.DataFrame) -> pl.DataFrame:
    rows = born.join(mothers, on="mother", maintain_order="left").with_columns(
        birth_precision=pl.lit("D"),
        bhxh_no=pl.lit(None, pl.String),
        serial="9" + pl.col("n").cast(pl.String).str.zfill(9),
        object=pl.lit("TE"),
        card_from="birth",
        card_until=pl.date(pl.col("birth").dt.year() + 6, 9, 30),
        five_years_on=pl.lit(None, pl.Date),
        facility=pl.lit(FACILITIES[0]),
        payer=pl.lit(None, pl.String),
        contribution=pl.lit(None, pl.Int64),
    )
    return placed(rows, "card_from").select(_KEPT)


def card_no(object_: pl.Expr, serial: pl.Expr) -> pl.Expr:
    """The fifteen signs of a card; the last ten are a person's for life."""
    benefit = object_.replace_strict({name: digit for name, (digit, _) in _OBJECTS.items()}, return_dtype=pl.String)
    return object_ + benefit + "79" + serial


def _rows(cards: pl.DataFrame) -> pl.DataFrame:
    of = pl.col("object")
    return cards.select(
        bhxh_no="bhxh_no",
        card_no=card_no(of, pl.col("serial")),
        personal_id="pid",
        full_name="name",
        birth_date="birth",
        birth_date_precision="birth_precision",
        sex="sex",
        object_code="object",
        benefit_code=of.replace_strict({name: digit for name, (digit, _) in _OBJECTS.items()}, return_dtype=pl.String),
        card_from="card_from",
        card_until="card_until",
        five_years_on="five_years_on",
        facility_code="facility",
        ward="ward",
        payer_code="payer",
        paid_by=of.replace_strict({name: payer for name, (_, payer) in _OBJECTS.items()}, return_dtype=pl.String),
        contribution="contribution",
    )


HEALTH_MEMBERSHIP = Sender(
    "insurance.health_membership",
    _sendings,
    (
        Wrong("missing_required", "full_name"),
        Wrong("impossible_birth_date", "birth_date"),
        Wrong("impossible_date", "card_from"),
        Wrong("malformed_card", "card_no"),
        Wrong("malformed_number", "bhxh_no"),
        Wrong("short_personal_id", "personal_id"),
        Wrong("unknown_code", "sex"),
        Wrong("unknown_ward", "ward"),
        Wrong("not_a_number", "contribution"),
        Wrong("born_after_the_card", "birth_date", "15/08/2026"),
        Wrong("too_many_cells"),
        Wrong("too_few_cells"),
        Wrong("unclosed_quote"),
    ),
)
