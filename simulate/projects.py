"""Public investment: what the city builds, what it plans to pay for it in a year, and what it has paid."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from simulate.administration import units
from simulate.chance import days_before, generator, parted
from simulate.events import Events
from simulate.extract import Wrong
from simulate.people import wards
from simulate.sending import Sender, Sending, ends_of_months

_OF_PEOPLE, _LEAST = 100, 160  # people for one project, and how many there are at least
_THINGS = {
    "072": "Trường Tiểu học", "132": "Trạm Y tế", "292": "đường nội bộ", "311": "hệ thống thoát nước",
    "161": "nhà văn hóa",
}  # fmt: skip
_BUILDERS = {"422": "072", "423": "132", "419": "292", "412": "311", "429": "161"}  # departments, and what they build
_SHARES = (1, 2, 4, 5, 6, 9, 6, 7, 8, 9, 10, 13)  # percent of the year's plan that a month pays
_TERM = timedelta(days=1_100)  # from the policy to when it must be done
_NOTHING, _BACK = 0.2, 0.02  # of the projects, a month: pay nothing, get an advance back
_A_MONTH = ((0.02, 2), (0.02, 2))  # completed, given another total
_OBSTACLES = ("Chờ bàn giao mặt bằng", "Chờ điều chỉnh thiết kế", "Chưa đủ khối lượng nghiệm thu")


def projects(happened: Events) -> pl.DataFrame:
    """The projects before the first day, with the budget's words for their owner and the one ward where they stand."""
    world = happened.world
    rng = generator(world.seed, "projects")
    n = max(world.people.height // _OF_PEOPLE, _LEAST)
    start = np.datetime64(world.start)
    may = units().filter((pl.col("budget_level") == "4") | pl.col("chapter").is_in(list(_BUILDERS)))
    is_of_city = (may["budget_level"] == "2").to_numpy()
    weight = np.where(is_of_city, 0.6 / is_of_city.sum(), 0.4 / (~is_of_city).sum())
    owners = may[rng.choice(may.height, n, p=weight)].rename({"ward": "owner_ward"}).drop("ward_name")
    new, _ = wards()
    place = new[rng.integers(0, new.height, n)].rename({"code": "place", "name": "place_name"})
    any_field = pl.Series(rng.choice(list(_THINGS), n))
    total = np.clip(rng.lognormal(np.log(60e9), 1.3, n), 2e9, 4e12).astype(np.int64) // 1_000_000 * 1_000_000
    policy = days_before(rng, start, 1_400, n)
    decided = policy + rng.integers(30, 250, n).astype("timedelta64[D]")
    began = decided + rng.integers(20, 200, n).astype("timedelta64[D]")
    done = began + rng.integers(300, 1_200, n).astype("timedelta64[D]")
    code = pl.int_range(n, dtype=pl.Int64, eager=True)
    rows = pl.concat([owners, place], how="horizontal").with_columns(
        project_code=(code + 7_900_000).cast(pl.String),
        number=code,
        field=pl.col("chapter").replace_strict(_BUILDERS, default=any_field, return_dtype=pl.String),
        total_investment=pl.Series(total),
        policy_date=pl.Series(policy).cast(pl.Date),
        decided_on=pl.Series(decided).cast(pl.Date),
        started_on=pl.Series(began).cast(pl.Date),
        completed_on=pl.Series(done).cast(pl.Date),
        adjusted_investment=pl.lit(None, pl.Int64),
        sources=pl.Series(rng.choice(["NSTP", "NSTP;NSTW", "ODA;NSTP", "NSX"], n, p=[0.7, 0.15, 0.05, 0.1])),
    )
    today = pl.lit(world.start)
    rows = rows.with_columns(
        pl.when(pl.col(name) <= today).then(name).alias(name) for name in ("decided_on", "started_on", "completed_on")
    )
    is_running = pl.col("started_on").is_not_null() & pl.col("completed_on").is_null()
    is_part = (pl.col("number") % 12 == 1) & (pl.col("total_investment").shift() >= 10 * 2_000_000_000)
    return rows.with_columns(
        status=pl.when(pl.col("decided_on").is_null())
        .then(pl.lit("CT"))
        .when(pl.col("started_on").is_null())
        .then(pl.lit("CB"))
        .when(is_running)
        .then(pl.lit("TH"))
        .otherwise(pl.lit("HT")),
        parent_code=pl.when(is_part).then(pl.col("project_code").shift()),
        total_investment=pl.when(is_part).then(pl.col("total_investment").shift() // 10).otherwise("total_investment"),
    ).with_columns(plan_of_year=pl.when(is_running).then(pl.col("total_investment") // 4))


def payments(happened: Events, of: pl.DataFrame) -> pl.DataFrame:
    """What the treasury pays for projects, a line a project and month, from the January before the first report on.

    Columns: those of the projects, month (its first day), paid_on, paid (dong; below nothing where it comes back),
    so_far (in that year), advance (of it, before any work), obstacle (why nothing is paid, or it comes back).
    """
    first = next(ends_of_months(happened.days))[0].replace(month=1, day=1)
    months = pl.date_range(first, happened.days[-1], "1mo", eager=True).to_list()
    planned = of.filter(pl.col("plan_of_year").is_not_null()).with_columns(so_far=pl.lit(0))
    made = []
    for month in months:
        rng = generator(happened.world.seed, "payments", month.year * 12 + month.month)
        n = planned.height
        chance, day = pl.Series(rng.random(n)), pl.Series(rng.integers(4, 25, n))
        work, why = pl.Series(rng.integers(50, 100, n)), pl.Series(rng.choice(_OBSTACLES, n))
        usual, back = pl.col("plan_of_year") // 100 * _SHARES[month.month - 1], pl.col("plan_of_year") // 200
        so_far = pl.lit(0) if month.month == 1 else pl.col("so_far")
        paid = (
            pl.when(pl.lit(chance > 1 - _BACK) & (so_far >= back)).then(-back)
            .when(pl.lit(chance < _NOTHING)).then(0).otherwise(usual * pl.lit(work) // 100)
        )  # fmt: skip
        rows = planned.with_columns(
            month=pl.lit(month), paid_on=pl.lit(month) + pl.duration(days=pl.lit(day)), paid=paid
        )
        rows = rows.with_columns(
            so_far=so_far + pl.col("paid"),
            advance=pl.when(pl.col("paid") > 0).then(pl.col("paid") // 4),
            obstacle=pl.when(pl.col("paid") <= 0).then(pl.lit(why)),
        )
        made.append(rows)
        planned = rows.select(planned.columns)
    return pl.concat(made)


def _of_projects(happened: Events) -> Iterator[Sending]:
    rows = projects(happened)
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        known = rows.filter(pl.col("policy_date") <= as_of)
        if number:
            rng = generator(happened.world.seed, "projects", number)
            running = known.filter(pl.col("status") == "TH")
            done, dearer, _ = parted(rng, running, *_A_MONTH)
            done = done.with_columns(status=pl.lit("HT"), completed_on=pl.lit(as_of - timedelta(days=3)))
            done = done.filter(pl.col("completed_on") >= pl.col("started_on"))
            dearer = dearer.with_columns(adjusted_investment=pl.col("total_investment") // 10 * 11)
            changed = pl.concat([done, dearer])
            rows = pl.concat([rows.join(changed, on="project_code", how="anti"), changed]).sort("number")
            known = rows
        yield Sending(as_of, day, _rows(known, as_of))


def _rows(of: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """What is known at the end of a month: what came later is not."""
    later = [pl.when(pl.col(c) <= as_of).then(c).alias(c) for c in ("decided_on", "started_on", "completed_on")]
    billions = pl.col("total_investment") // 1_000_000_000
    of = of.with_columns(later)
    return of.select(
        "project_code",
        "parent_code",
        "field",
        "policy_date",
        "decided_on",
        "total_investment",
        "adjusted_investment",
        "sources",
        "started_on",
        "completed_on",
        "plan_of_year",
        name=pl.lit("Xây dựng ") + pl.col("field").replace(_THINGS) + " " + pl.col("place_name"),
        project_group=pl.when(billions >= 1_600).then(pl.lit("A")).when(billions >= 90).then(pl.lit("B"))
        .otherwise(pl.lit("C")),
        owner_code="unit_code",
        owner_name="unit_name",
        policy_decision=pl.format("{}/NQ-HĐND", "number"),
        investment_decision=pl.when(pl.col("decided_on").is_not_null()).then(pl.format("{}/QĐ-UBND", "number")),
        due_on=pl.col("policy_date") + _TERM,
        status=pl.when(pl.col("decided_on").is_null()).then(pl.lit("CT"))
        .when(pl.col("started_on").is_null()).then(pl.lit("CB"))
        .when(pl.col("completed_on").is_null()).then(pl.lit("TH")).otherwise(pl.lit("HT")),
        wards="place",
        plan_mid_term="total_investment",
    )  # fmt: skip


PROJECTS = Sender(
    "investment.projects",
    _of_projects,
    (
        Wrong("missing_required", "name"),
        Wrong("not_a_number", "total_investment"),
        Wrong("in_billions", "total_investment", "95", "warned", int),
        Wrong("date_in_words", "due_on", "Quý II/2026"),
        Wrong("unknown_code", "project_group"),
        Wrong("code_of_six_digits", "project_code", "790123"),
        Wrong("less_than_nothing", "plan_of_year", "-5"),
        Wrong("decided_in_the_future", "policy_date", "31/12/2098"),
        Wrong("ward_in_words", "wards", "Quận 1"),
    ),
    ("name", "Dự án khác"),
    ("SỞ TÀI CHÍNH", "DANH MỤC DỰ ÁN ĐẦU TƯ CÔNG", "(báo cáo tháng)"),
)


def _of_disbursements(happened: Events) -> Iterator[Sending]:
    paid = payments(happened, projects(happened))
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        reported = pl.col("month") == as_of.replace(day=1)
        if number == 0:  # with the months of its year before it
            reported = pl.col("month").is_between(as_of.replace(month=1, day=1), as_of)
        yield Sending(
            as_of,
            day,
            paid.filter(reported).select(
                "project_code",
                "advance",
                "obstacle",
                plan_year=pl.col("month").dt.year().cast(pl.String),
                plan_kind=pl.lit("KH"),
                capital_source=pl.col("sources").str.split(";").list.first(),
                report_month="month",
                plan_pm=pl.col("plan_of_year") // 10 * 9,
                plan_council="plan_of_year",
                supplement=pl.lit(0),
                paid_month="paid",
                paid_cumulative="so_far",
                advance_recovered=pl.when(pl.col("paid") < 0).then(-pl.col("paid")).otherwise(0),
                forecast=pl.col("plan_of_year") // 12,
                unit=pl.lit("đồng"),
            ),
        )


DISBURSEMENTS = Sender(
    "investment.disbursements",
    _of_disbursements,
    (
        Wrong("missing_required", "paid_cumulative"),
        Wrong("not_a_number", "paid_month"),
        Wrong("in_millions", "unit", "triệu đồng"),
        Wrong("middle_of_the_month", "report_month", "2025-06-15"),
        Wrong("less_than_nothing", "plan_council", "-5"),
        Wrong("unknown_code", "capital_source"),
        Wrong("advance_above_the_payment", "advance", "999000000000000"),
        Wrong("code_of_six_digits", "project_code", "790123"),
    ),
    ("obstacle", "Khác"),
    ("KHO BẠC NHÀ NƯỚC KHU VỰC II", "BÁO CÁO KẾ HOẠCH VÀ GIẢI NGÂN VỐN ĐẦU TƯ CÔNG", "(theo tháng)"),
)
