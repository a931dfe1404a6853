"""Administrative sanctions: who was fined for what, and whether it was paid."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from simulate.chance import days_before, generator, some
from simulate.events import OLDEST, Events, alive
from simulate.extract import Wrong, at_times
from simulate.sending import Sender, Sending

_A_DAY = 0.002  # of the grown people; more than in life, as all else in the small city
_ENTERPRISES = 0.05  # of the decisions
_FIELDS = ["GTDB", "XD", "MT", "YT", "ANTT", "KHAC"]
_SHARES = [0.85, 0.04, 0.03, 0.02, 0.03, 0.03]
_PAID = 0.7  # of the fines, sooner or later


def _sendings(happened: Events) -> Iterator[Sending]:
    seed, people = happened.world.seed, happened.world.people
    grown = people.filter(pl.col("age").is_between(16, OLDEST))
    decided: list[pl.DataFrame] = []
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "violations", number)
        new = _decisions(rng, some(rng, grown, _A_DAY, least=12), happened.enterprises, day, number)
        new = alive(new, happened.deaths)
        decided.append(new)
        paying = pl.concat(decided).filter(pl.col("pays_on") == day)
        changes = [at_times(_rows(new), "T", pl.lit(day), rng), at_times(_rows(_pay(paying)), "S", pl.lit(day), rng)]
        yield Sending(day, day, pl.concat(changes))


def payments(happened: Events) -> pl.DataFrame:
    """The decisions whose fines are paid in these days, as their rows say it on the day of the payment."""
    sent = pl.concat([sending.rows for sending in _sendings(happened)])
    return sent.filter(pl.col("paid_on").is_not_null())


def _decisions(
    rng: np.random.Generator, whom: pl.DataFrame, enterprises: pl.DataFrame, day: date, number: int
) -> pl.DataFrame:
    n = whom.height
    firms = enterprises[rng.integers(0, enterprises.height, n)].rename({"name": "firm"})
    is_firm = pl.lit(pl.Series(rng.random(n) < _ENTERPRISES))
    field = pl.when(is_firm).then(pl.lit("MT")).otherwise(pl.lit(pl.Series(rng.choice(_FIELDS, n, p=_SHARES))))
    is_road = pl.col("field") == "GTDB"
    is_warned = pl.lit(pl.Series(rng.random(n) < 0.05))
    pays = pl.lit(pl.Series(rng.random(n) < _PAID)) & ~is_warned
    later = pl.duration(days=pl.lit(pl.Series(1 + rng.geometric(0.15, n))))
    fined = pl.lit(pl.Series(rng.choice(["PT", "PT;TQ"], n, p=[0.9, 0.1])))
    plate = (
        "59X"
        + pl.Series(rng.integers(1, 9, n)).cast(pl.String)
        + pl.Series(rng.integers(10_000, 99_999, n)).cast(pl.String)
    )
    return pl.concat([whom, firms], how="horizontal").with_columns(is_firm=is_firm, field=field).with_columns(
        authority=pl.format("H29.{}", 10 + pl.int_range(pl.len()) % 20),
        decision_no=pl.format("{}/QĐ-XPHC", number * 1_000_000 + pl.int_range(pl.len())),
        day=pl.lit(day),
        violated_on=pl.lit(pl.Series(days_before(rng, np.datetime64(day), 60, n)).cast(pl.Date)),
        plate=pl.when(is_road).then(pl.lit(plate)),
        licence=pl.when(is_road).then("79" + pl.col("number").cast(pl.String).str.zfill(10)),
        points=pl.when(is_road).then(pl.lit(pl.Series(rng.choice([0, 0, 2, 4], n)))),
        sanctions=pl.when(is_warned).then(pl.lit("CC")).otherwise(fined),
        fine=pl.when(~is_warned).then(pl.lit(pl.Series(rng.integers(4, 400, n) * 50_000))),
        pays_on=pl.when(pays).then(pl.lit(day) + later),
        paid_on=pl.lit(None, pl.Date),
        receipt=pl.lit(None, pl.String),
        state=pl.lit("BH"),
    )  # fmt: skip


def _pay(decisions: pl.DataFrame) -> pl.DataFrame:
    return decisions.with_columns(
        paid_on="pays_on", state=pl.lit("TH"), receipt=pl.format("BL{}", pl.col("decision_no").str.slice(0, 9))
    )


def _rows(decisions: pl.DataFrame) -> pl.DataFrame:
    of_firm = pl.col("is_firm")
    return decisions.select(
        authority_code="authority",
        decision_no="decision_no",
        decision_date="day",
        record_no=pl.col("decision_no").str.replace("QĐ-XPHC", "BB-VPHC"),
        violated_on="violated_on",
        violation_field="field",
        behaviours=pl.lit("a/1/6/168/2024"),
        offender_kind=pl.when(of_firm).then(pl.lit("T")).otherwise(pl.lit("C")),
        offender_name=pl.when(of_firm).then("firm").otherwise("name"),
        personal_id=pl.when(~of_firm).then("pid"),
        tax_code=pl.when(of_firm).then("tax_code"),
        plate="plate",
        licence_no="licence",
        violation_ward="ward",
        sanctions="sanctions",
        fine="fine",
        points="points",
        enforcement_state="state",
        paid_on="paid_on",
        receipt_no="receipt",
    )


VIOLATIONS = Sender(
    "justice.violations",
    _sendings,
    (
        Wrong("missing_required", "offender_name"),
        Wrong("short_personal_id", "personal_id"),
        Wrong("wrong_check_digit", "tax_code"),
        Wrong("impossible_date", "violated_on"),
        Wrong("not_a_number", "fine"),
        Wrong("fined_nothing", "fine", "0"),
        Wrong("unknown_ward", "violation_ward"),
        Wrong("decided_before_it_happened", "decision_date", "01/01/2020"),
    ),
)
