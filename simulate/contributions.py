"""Social insurance: what workers and employers pay each month, by person, and what is put right later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from simulate.chance import days_before, generator, some
from simulate.events import Events
from simulate.extract import Wrong
from simulate.sending import Sender, Sending, ends_of_months

_UNPAID = 0.08  # of the rows
_PUT_RIGHT = 0.005  # of last month's rows: reversed, and paid anew with another wage
_MORE = 200_000  # dong, that the wage was too low


def _sendings(happened: Events) -> Iterator[Sending]:
    workers = happened.world.people.filter(pl.col("wage").is_not_null())
    workers = workers.join(happened.jobs_lost.select("pid", lost="day"), on="pid", how="left", maintain_order="left")
    before: pl.DataFrame | None = None
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        rng = generator(happened.world.seed, "contributions", number)
        month = as_of.replace(day=1)
        employed = workers.filter(pl.col("lost").is_null() | (pl.col("lost") >= month))
        rows = _paid(rng, employed, month, as_of)
        sent = [_rows(rows, "BT")]
        if before is not None:
            wrong = some(rng, before, _PUT_RIGHT, least=2)
            sent += [
                _rows(wrong, "HT", sign=-1),
                _rows(wrong.with_columns(pl.col("wage").clip(upper_bound=46_000_000) + _MORE), "TT"),
            ]
        yield Sending(as_of, day, pl.concat(sent))
        before = rows


def _paid(rng: np.random.Generator, workers: pl.DataFrame, month: date, as_of: date) -> pl.DataFrame:
    n = workers.height
    paid = pl.lit(pl.Series(rng.random(n) >= _UNPAID))
    on = pl.lit(pl.Series(days_before(rng, np.datetime64(as_of + timedelta(days=1)), 10, n)).cast(pl.Date))
    return workers.with_columns(month=pl.lit(month), paid_on=pl.when(paid).then(on))


def _rows(workers: pl.DataFrame, kind: str, sign: int = 1) -> pl.DataFrame:
    """Rates are in percent: 8 + 1.5 + 1 of the worker's, 17.5 + 3 + 1 of the employer's."""
    thousands = pl.col("wage") // 1000 * sign
    return workers.select(
        bhxh_no="bhxh_no",
        personal_id="pid",
        employer_code="employer_code",
        employer_tax_code="employer_tax_code",
        contribution_month="month",
        entry_kind=pl.lit(kind),
        scheme=pl.lit("BB"),
        occupation=pl.lit("5223"),
        wage_base="wage",
        employee_rate=pl.lit("10.50").cast(pl.Decimal(18, 2)),
        employer_rate=pl.lit("21.50").cast(pl.Decimal(18, 2)),
        employee_amount=thousands * 105,
        employer_amount=thousands * 215,
        health_amount=thousands * 45,
        unemployment_amount=thousands * 20,
        paid=pl.when(pl.col("paid_on").is_null()).then(pl.lit("0")).otherwise(pl.lit("1")),
        paid_on="paid_on",
        employer_ward="employer_ward",
    )


CONTRIBUTIONS = Sender(
    "insurance.contributions",
    _sendings,
    (
        Wrong("missing_required", "bhxh_no"),
        Wrong("short_personal_id", "personal_id"),
        Wrong("wrong_check_digit", "employer_tax_code"),
        Wrong("not_a_number", "wage_base"),
        Wrong("half_a_group", "employee_amount", "12.5"),
        Wrong("unknown_code", "entry_kind"),
        Wrong("impossible_date", "paid_on"),
        Wrong("above_the_ceiling", "wage_base", "468.000.000"),
        Wrong("in_thousands", "employee_amount", "557"),
        Wrong("too_many_cells"),
        Wrong("unclosed_quote"),
    ),
    ("occupation", "9999"),
)
