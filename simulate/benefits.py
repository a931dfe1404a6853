"""Social insurance: what is paid out, pensions month by month, and once for sickness, birth and death."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from simulate.chance import generator, some, told_of
from simulate.events import Events
from simulate.extract import Wrong
from simulate.sending import Sender, Sending, ends_of_months

_SICK = 0.02  # of the workers, a month
_WITHOUT_ID = "05"  # last digits of the book's number below which its file has no personal id yet: of a twentieth
_FUNERAL = 10 * 2_340_000  # dong
_KEPT = ["case_no", "bhxh_no", "pid", "name", "birth", "birth_precision", "sex", "ward", "regime", "line", "month",
         "from", "until", "leave", "rate", "amount", "reason"]  # fmt: skip


def _sendings(happened: Events) -> Iterator[Sending]:
    people, seed = happened.world.people, happened.world.seed
    stops = told_of(seed, "deaths to the pension fund", happened.deaths, (0, 40, 70, 100)).drop("day")
    pensioners = people.filter(pl.col("pension").is_not_null()).join(stops, on="pid", how="left", maintain_order="left")
    workers = people.filter(pl.col("wage").is_not_null())
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        rng = generator(seed, "benefits", number)
        month = as_of.replace(day=1)
        told_in_time = pl.col("told").dt.month_start() <= month
        running = pensioners.filter(~told_in_time.fill_null(False))
        told = pensioners.filter(pl.col("told").dt.month_start() == month)
        born = happened.births.filter(pl.col("day").dt.month_start() == month, pl.col("birth") <= as_of)
        mothers = workers.join(
            born.select(pid="mother", born="birth").unique("pid", keep="first"), on="pid", maintain_order="left"
        )
        lines = [
            _pensions(running, month),
            _recovered(told, month),
            _funerals(told, month),
            _sick_leave(rng, some(rng, workers, _SICK), month),
            _maternity(mothers, month),
        ]
        yield Sending(as_of, day, _rows(pl.concat(lines)))


def _line(rows: pl.DataFrame, regime: str, line: str, month: date, **said: pl.Expr) -> pl.DataFrame:
    absent = {"until": pl.lit(None, pl.Date), "leave": pl.lit(None, pl.Int64), "rate": pl.lit(None, pl.Int64),
              "reason": pl.lit(None, pl.String)}  # fmt: skip
    case = pl.format("{}{}", pl.lit(regime), pl.col("bhxh_no"))
    return (
        rows.with_columns(
            case_no=case, regime=pl.lit(regime), line=pl.lit(line), month=pl.lit(month), **(absent | said)
        )
        .select(pl.col(_KEPT).exclude("leave", "rate", "amount"), pl.col("leave", "rate", "amount").cast(pl.Int64))
        .select(_KEPT)
    )


def _pensions(people: pl.DataFrame, month: date) -> pl.DataFrame:
    pension = pl.col("pension")
    return _line(people, "HT", "HT", month, **{"from": pl.col("pension_from")}, rate=pension, amount=pension)


def _recovered(people: pl.DataFrame, month: date) -> pl.DataFrame:
    """What was paid between a death and the day on which the insurance heard of it."""
    died = pl.col("died_on").dt.month_start()
    months = (month.year - died.dt.year()) * 12 + month.month - died.dt.month().cast(pl.Int32) - 1
    rows = people.filter((months > 0) & (pl.col("died_on") > pl.col("pension_from")))
    return _line(
        rows, "HT", "TH", month, **{"from": pl.col("pension_from")}, until=pl.col("died_on").dt.month_end(),
        rate=pl.col("pension"), amount=-pl.col("pension") * months, reason=pl.lit("CHET"),
    )  # fmt: skip


def _funerals(people: pl.DataFrame, month: date) -> pl.DataFrame:
    return _line(people, "TT", "ML", month, **{"from": pl.col("died_on")}, amount=pl.lit(_FUNERAL))


def _sick_leave(rng: np.random.Generator, workers: pl.DataFrame, month: date) -> pl.DataFrame:
    days = pl.lit(pl.Series(rng.integers(1, 20, workers.height)))
    first = pl.lit(pl.Series(rng.integers(0, 20, workers.height)))
    begins = pl.lit(month) + pl.duration(days=first)
    amount = pl.col("wage") * 3 // 4 * days // 24
    return _line(workers, "OD", "ML", month, **{"from": begins}, leave=days, amount=amount)


def _maternity(mothers: pl.DataFrame, month: date) -> pl.DataFrame:
    amount = pl.col("wage") * 6
    return _line(mothers, "TS", "ML", month, **{"from": pl.col("born")}, leave=pl.lit(180), amount=amount)


def _rows(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.select(
        case_no="case_no",
        bhxh_no="bhxh_no",
        personal_id=pl.when(pl.col("bhxh_no").str.slice(-2) >= _WITHOUT_ID).then("pid"),
        full_name="name",
        birth_date="birth",
        birth_date_precision="birth_precision",
        sex="sex",
        regime="regime",
        line_kind="line",
        pay_month="month",
        entitled_from="from",
        entitled_until="until",
        leave_days="leave",
        monthly_rate="rate",
        amount="amount",
        fund=pl.when((pl.col("regime") == "HT") & (pl.col("from").dt.year() < 1995))
        .then(pl.lit("NS"))
        .otherwise(pl.lit("QUY")),
        ward="ward",
        channel=pl.lit("TK"),
        stop_reason="reason",
    )


BENEFITS = Sender(
    "insurance.benefits",
    _sendings,
    (
        Wrong("missing_required", "full_name"),
        Wrong("impossible_birth_date", "birth_date"),
        Wrong("short_personal_id", "personal_id"),
        Wrong("malformed_number", "bhxh_no"),
        Wrong("not_a_number", "amount"),
        Wrong("nothing_paid", "amount", "0"),
        Wrong("unknown_code", "sex"),
        Wrong("unknown_ward", "ward"),
        Wrong("impossible_date", "entitled_from"),
        Wrong("too_many_cells"),
        Wrong("too_few_cells"),
        Wrong("unclosed_quote"),
    ),
    ("full_name", "Nguyễn Văn Khác"),
)
