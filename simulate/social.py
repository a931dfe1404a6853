"""Social assistance and social pensions: each commune sends its own cases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl

from simulate.chance import generator, some
from simulate.events import Events
from simulate.extract import Wrong, at_times
from simulate.sending import Sender, Sending, ends_of_months
from simulate.units import placed

_PEOPLE_A_COMMUNE = 1500  # of a small city: so many inhabitants for one commune that sends already; 168 send at last
_COEFFICIENTS = {"HTXH1": 10, "HTXH2": 10, "6a": 20, "6b": 25, "6c": 15, "6d": 20}  # tenths
_PENSION, _STANDARD = 650_000, 500_000  # dong a month, times the coefficient
_PAID_ANEW = 0.05  # of the cases, a month: to an account from now on


def _sendings(happened: Events) -> Iterator[Sending]:
    cases = _cases(happened)
    communes = cases["sent_by"].unique().sort().to_list()
    told = pl.col("day")
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        rng = generator(happened.world.seed, "assistance", number)
        if number == 0:
            sent = at_times(_rows(cases), "T", pl.col("decision_date"), rng)
        else:
            new_month = as_of + timedelta(days=1)
            dead = cases.join(
                happened.deaths.filter(told <= as_of).select("pid", "died_on"), on="pid", maintain_order="left"
            )
            dead = dead.filter(pl.col("until").is_null()).with_columns(
                until=pl.max_horizontal(pl.col("died_on").dt.month_start().dt.offset_by("1mo"), "from")
            )
            running = cases.filter(pl.col("until").is_null()).join(dead, on="case_no", how="anti")
            anew = some(rng, running, _PAID_ANEW, least=3).with_columns(method=pl.lit("TK"))
            changed = pl.concat([dead.select(cases.columns), anew])
            cases = pl.concat([cases.join(changed, on="case_no", how="anti"), changed])
            sent = at_times(_rows(changed), "S", pl.lit(new_month - timedelta(days=1)), rng)
        for commune in communes:
            rows = sent.filter(pl.col("sent_by") == commune).drop("sent_by")
            if rows.height:
                yield Sending(as_of, day, rows, commune)


def _cases(happened: Events) -> pl.DataFrame:
    """The running cases of the communes that send."""
    world = happened.world
    supported = world.people.filter(pl.col("assistance").is_not_null())
    wards = world.people["ward"].unique().sort()
    count = min(max(world.people.height // _PEOPLE_A_COMMUNE, 3), wards.len())
    sending = wards.gather(np.arange(count) * wards.len() // count)
    rng = generator(world.seed, "assistance")
    late = pl.Series(rng.integers(0, 10, supported.height))
    rows = supported.with_columns(sent_by="ward").rename({"assisted_from": "from"})
    rows = placed(rows, "from").with_columns(
        case_no=pl.format("TC-{}-{}", "sent_by", "number"),
        decision_date=pl.col("from") + pl.duration(days=pl.lit(late)),
        until=pl.lit(None, pl.Date),
        method=pl.lit("TM"),
    )
    return rows.filter(pl.col("sent_by").is_in(sending.to_list()))


def _rows(cases: pl.DataFrame) -> pl.DataFrame:
    group = pl.col("assistance")
    is_pension = group.str.starts_with("HTXH")
    standard = pl.when(is_pension).then(_PENSION).otherwise(_STANDARD)
    tenths = group.replace_strict(_COEFFICIENTS, return_dtype=pl.Int64)
    has_ended = pl.col("until").is_not_null()
    return cases.select(
        "sent_by",
        case_no="case_no",
        personal_id="pid",
        full_name="name",
        birth_date="birth",
        birth_date_precision="birth_precision",
        sex="sex",
        ward="ward",
        decision_no=pl.col("number").cast(pl.String) + "/QĐ-UBND",
        decision_date="decision_date",
        benefit_kind=pl.when(is_pension).then(pl.lit("HTXH")).otherwise(pl.lit("TC")),
        group_code=group,
        disability_level="disability",
        coefficient=tenths.cast(pl.Decimal(18, 1)) / pl.lit(10).cast(pl.Decimal(18, 1)),
        standard_amount=standard,
        monthly_amount=standard * tenths // 10,
        from_month="from",
        until_month="until",
        end_reason=pl.when(has_ended).then(pl.lit("CHET")),
        poverty=pl.when("is_poor").then(pl.lit("N")).otherwise(pl.lit("K")),
        payment_method="method",
    )


ASSISTANCE = Sender(
    "social.assistance",
    _sendings,
    (
        Wrong("missing_required", "full_name"),
        Wrong("impossible_birth_date", "birth_date"),
        Wrong("short_personal_id", "personal_id"),
        Wrong("unknown_code", "sex"),
        Wrong("impossible_date", "decision_date"),
        Wrong("in_thousands", "monthly_amount", "650"),
        Wrong("not_a_number", "coefficient"),
    ),
    titles=("ỦY BAN NHÂN DÂN PHƯỜNG, XÃ", "DANH SÁCH ĐỐI TƯỢNG BẢO TRỢ XÃ HỘI", "(kèm theo danh sách chi trả)"),
)
