"""What the central bank's branch tells of all banks together: a few indicators a month, each first provisional."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl

from simulate.chance import generator
from simulate.events import Events
from simulate.extract import Wrong
from simulate.sending import Sender, Sending, ends_of_months

_PAST = 12  # months that the first file tells, too
_AFTER = 10  # days from the end of a month to its first release
_SHARE = 0.9  # of the region's that is the city's
# Each with its unit, its usual value in the region, and its growth in a month; remittances are told by quarter.
_INDICATORS = (
    ("DUNO", "tỷ đồng", 5_528_700, 0.010), ("DUNO_NH", "tỷ đồng", 2_700_000, 0.009),
    ("DUNO_BDS", "tỷ đồng", 1_250_000, 0.012), ("HUYDONG", "tỷ đồng", 5_100_000, 0.008), ("NOXAU", "%", 2.4, 0.0),
    ("LSHD", "%/năm", 4.9, 0.0), ("LSCV", "%/năm", 7.1, 0.0), ("TKTT", "nghìn tài khoản", 21_000, 0.006),
)  # fmt: skip
_REMITTANCES = ("KIEUHOI", "triệu USD", 2_032, 0.005)
_SHARES = ("NOXAU", "LSHD", "LSCV")  # the same in the city as in the region
_BASE = date(2025, 10, 1)  # the month of the usual values


def _sendings(happened: Events) -> Iterator[Sending]:
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        told = as_of.replace(day=1) - timedelta(days=1)  # the last month whose figures are out
        past = [_a_month(happened, _months_before(told, n), 1) for n in range(_PAST - 1, 0, -1)] if number == 0 else []
        again = _a_month(happened, _months_before(told, 1), 2)
        yield Sending(as_of, day, pl.concat([*past, again, _a_month(happened, told, 1)]))


def _months_before(month: date, n: int) -> date:
    """The first day of a month some months before one."""
    at = month.year * 12 + month.month - 1 - n
    return date(at // 12, at % 12 + 1, 1)


def _a_month(happened: Events, month: date, release: int) -> pl.DataFrame:
    """The figures of a month in one of its releases; the second corrects the first by a little, and is final."""
    at = month.year * 12 + month.month
    rng = generator(happened.world.seed, f"banks, release {release}", at)
    ends_quarter = month.month % 3 == 0
    named = [*_INDICATORS, *([_REMITTANCES] if ends_quarter else [])]
    rows = pl.DataFrame(named, ["indicator", "unit", "usual", "growth"], orient="row").join(
        pl.DataFrame({"area": ["79", "KV2"]}), how="cross", maintain_order="left_right"
    )
    is_share, is_quarter = pl.col("indicator").is_in(_SHARES), pl.col("indicator") == _REMITTANCES[0]
    months = at - (_BASE.year * 12 + _BASE.month)
    noise = pl.lit(pl.Series(1 + rng.normal(0, 0.002, rows.height)))
    of_area = pl.when((pl.col("area") == "79") & ~is_share).then(_SHARE).otherwise(1.0)
    value = pl.col("usual") * of_area * (1 + pl.col("growth")) ** months * noise
    before = pl.col("usual") * of_area * (1 + pl.col("growth")) ** (months - 12)
    since_december = ((1 + pl.col("growth")) ** month.month - 1) * 100
    released = month.replace(day=28) + timedelta(days=4 + _AFTER + 15 * (release - 1))
    quarter = f"Q{(month.month + 2) // 3}/{month.year}"
    return rows.select(
        "indicator",
        "area",
        "unit",
        indicator_period=pl.when(is_quarter).then(pl.lit(quarter)).otherwise(pl.lit(f"{month:%m/%Y}")),
        release_no=pl.lit(release),
        indicator_value=value.round(4).cast(pl.Decimal(18, 4)),
        same_period_last_year=before.round(4).cast(pl.Decimal(18, 4)),
        growth_ytd=pl.when(~is_share & ~is_quarter).then(since_december.round(2).cast(pl.Decimal(18, 2))),
        release_status=pl.lit("SB" if release == 1 else "CT"),
        released_on=pl.lit(released),
        note=pl.when(pl.col("area") == "79").then(pl.lit("Chưa gồm khu vực Đồng Nai")),
    )


INDICATORS = Sender(
    "bank.indicators",
    _sendings,
    (
        Wrong("not_a_number", "indicator_value"),
        Wrong("less_than_nothing", "indicator_value", "-5"),
        Wrong("level_for_a_growth", "growth_ytd", "4980"),
        Wrong("period_in_words", "indicator_period", "Tháng 2"),
        Wrong("unknown_code", "indicator"),
        Wrong("unknown_code", "release_status"),
        Wrong("impossible_date", "released_on"),
        Wrong("missing_required", "unit"),
    ),
    ("note", "Số liệu khác"),
    ("NGÂN HÀNG NHÀ NƯỚC CHI NHÁNH KHU VỰC 2", "CHỈ TIÊU TIỀN TỆ, NGÂN HÀNG", "(theo tháng)"),
)
