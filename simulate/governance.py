"""Which databases the city has and where they stand, and what its agencies do with data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl

from simulate import contract
from simulate.administration import units
from simulate.chance import days_before, generator, parted, some
from simulate.events import Events
from simulate.extract import Wrong
from simulate.sending import Sender, Sending, ends_of_months

_DATABASES = 180
_PLACES, _SHARES = ["TTDL_TP", "TTDLQG", "BO", "DV", "CLOUD"], [0.6, 0.05, 0.1, 0.15, 0.1]
_MOVED = (0.01, 2)  # databases that come to the city's data center in a month; and at least
_CORE = 100_000  # citizens of whom a database knows what is sensitive: then it is core data
_LONG_AGO = 0.08  # of the databases: assessed, or restored for a trial, more than a year ago
# Of each agency whose datasets the warehouse has: the group of its data, and the chapter of its department.
_HOLDERS = {
    "civil": ("1", "414"), "police": ("1", "405"), "health": ("1", "423"), "education": ("1", "422"),
    "social": ("1", "435"), "insurance": ("1", "435"), "justice": ("1", "414"), "tax": ("2", "418"),
    "budget": ("2", "418"), "investment": ("2", "418"), "business": ("2", "418"), "bank": ("2", "418"),
    "land": ("3", "412"), "environment": ("3", "412"), "construction": ("3", "419"), "transport": ("3", "419"),
    "planning": ("3", "439"), "governance": ("4", "417"),
}  # fmt: skip
_HAVE_ONE = 0.85  # of the agencies: an initiative
_TITLES = (
    "Dự báo nhu cầu chỗ học lớp 1", "Bản đồ điểm ngập theo phường", "Đối chiếu người hưởng trợ cấp đã mất",
    "Cảnh báo dự án chậm giải ngân", "Thống kê hộ kinh doanh theo ngành",
)  # fmt: skip


def _of_databases(happened: Events) -> Iterator[Sending]:
    rows = _databases(happened)
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        if number:
            rng = generator(happened.world.seed, "databases", number)
            moved, _ = parted(rng, rows.filter(pl.col("hosting_place") == "DV"), _MOVED)
            moved = moved.with_columns(hosting_place=pl.lit("TTDL_TP"), moved_on=pl.lit(as_of))
            rows = pl.concat([rows.join(moved, on="number", how="anti"), moved]).sort("number")
        yield Sending(as_of, day, rows.drop("number"))


def _databases(happened: Events) -> pl.DataFrame:
    """One for each dataset of the warehouse, and those that give it nothing yet."""
    world = happened.world
    rng = generator(world.seed, "databases")
    n, start = _DATABASES, np.datetime64(world.start) - np.timedelta64(32, "D")
    datasets = pl.Series(contract.datasets())
    others = units()["agency_code"][rng.integers(0, units().height, n)]
    known = pl.int_range(n, eager=True) < datasets.len()
    named = datasets.extend_constant(None, n - datasets.len())
    holder = named.str.split(".").list.first()
    group, chapter = (
        holder.replace_strict({name: of[at] for name, of in _HOLDERS.items()}, return_dtype=pl.String) for at in (0, 1)
    )
    departments = units().filter(pl.col("budget_level") == "2").select("chapter", "agency_code").get_columns()
    owner = chapter.replace_strict(*departments, return_dtype=pl.String)
    level = pl.Series(rng.choice(["0", "1", "2"], n, p=[0.4, 0.4, 0.2]))
    citizens = pl.Series(rng.integers(1_000, 400_000, n))
    place = pl.Series(rng.choice(_PLACES, n, p=_SHARES))
    is_core = (level == "2") & (citizens >= _CORE)
    size = pl.Series(rng.lognormal(4, 1.5, n).clip(0.1, 40_000).round(1))

    def a_day(most: int) -> pl.Series:
        ago = np.where(rng.random(n) < _LONG_AGO, 400, 0).astype("timedelta64[D]")
        return pl.Series(days_before(rng, start, most, n) - ago).cast(pl.Date)

    return pl.select(
        number=pl.int_range(n),
        database_code=pl.format("CSDL-{}", pl.int_range(n) + 1),
        name=pl.when(known).then(pl.format("Cơ sở dữ liệu {}", named)).otherwise(
            pl.format("Phần mềm nghiệp vụ số {}", pl.int_range(n))
        ),
        owner_code=pl.coalesce(owner, others),
        operator=pl.lit("Trung tâm Chuyển đổi số"),
        data_group=group.fill_null("4"),
        tier=pl.Series(rng.choice(["TP", "BN", "QG"], n, p=[0.8, 0.12, 0.08])),
        hosting_place=place,
        moved_on=pl.when(place == "TTDL_TP").then(a_day(900)),
        size_gb=size.cast(pl.Decimal(18, 1)),
        main_rows=pl.Series(rng.integers(1_000, 9_000_000, n)),
        personal_data=level,
        sensitive_citizens=pl.when(level == "2").then(citizens),
        data_class=pl.when(is_core).then(pl.lit("CL")).otherwise(pl.lit("TH")),
        security_level=pl.Series(rng.choice(["2", "3", "4"], n)),
        level_decision=pl.when(pl.Series(rng.random(n) < 0.92)).then(pl.format("{}/QĐ-SKHCN", pl.int_range(n) + 1)),
        assessed_on=a_day(250),
        restore_tested_on=a_day(250),
        sharing=pl.when(known).then(pl.lit("NDOP")).otherwise(pl.lit("KHONG")),
        has_contract=pl.when(known).then(pl.lit("1")).otherwise(pl.lit("0")),
        datasets=named,
        open_data=pl.when((level == "0") & pl.Series(rng.random(n) < 0.3)).then(pl.lit("1")).otherwise(pl.lit("0")),
        update_frequency=pl.Series(rng.choice(["D", "W", "M", "Q"], n)),
        dqi=pl.when(known).then(pl.Series(rng.uniform(60, 99, n).round(1))).cast(pl.Decimal(18, 2)),
        status=pl.lit("HD"),
    )  # fmt: skip


DATABASES = Sender(
    "governance.databases",
    _of_databases,
    (
        Wrong("missing_required", "name"),
        Wrong("gigabytes_or_less", "size_gb", "155000", "warned", Decimal),
        Wrong("unknown_code", "hosting_place"),
        Wrong("unknown_code", "security_level"),
        Wrong("unknown_code", "data_group"),
        Wrong("impossible_date", "assessed_on"),
        Wrong("more_than_all_points", "dqi", "870"),
        Wrong("not_a_number", "main_rows"),
    ),
    ("operator", "Đơn vị khác"),
    ("SỞ KHOA HỌC VÀ CÔNG NGHỆ", "DANH MỤC CƠ SỞ DỮ LIỆU", "(báo cáo tháng)"),
)


def _ends_of_quarters(days: tuple[date, ...]) -> Iterator[tuple[date, date]]:
    """The quarters' last days and when their files are dropped: that before the first day, then those that end."""
    first = days[0].replace(day=1, month=(days[0].month - 1) // 3 * 3 + 1)
    yield first - timedelta(days=1), days[0]
    yield from ((day, day) for day in days if (day + timedelta(days=1)).day == 1 and day.month % 3 == 0)


def _of_initiatives(happened: Events) -> Iterator[Sending]:
    told: list[pl.DataFrame] = []
    for number, (as_of, day) in enumerate(_ends_of_quarters(happened.days)):
        rng = generator(happened.world.seed, "initiatives", number)
        share = _HAVE_ONE if number == 0 else _HAVE_ONE / 4
        told.append(_initiatives(rng, some(rng, units(), share), as_of, number))
        rows = pl.concat(told)
        is_used = pl.col("number") % 9 < 3 if number == 0 else pl.col("number") % 9 == 3 + number % 6
        used_on = pl.max_horizontal(pl.col("started_on"), pl.lit(as_of - timedelta(days=20)))
        told = [rows.with_columns(in_use_on=pl.when(is_used).then(used_on).otherwise("in_use_on"))]
        is_in_use = pl.col("in_use_on").is_not_null()
        value = [pl.when(is_in_use).then(pl.col(c)).alias(c) for c in ("evidence", "value_before", "value_after")]
        yield Sending(
            as_of,
            day,
            told[0]
            .with_columns(*value, status=pl.when(is_in_use).then(pl.lit("VH")).otherwise(pl.lit("TK")))
            .drop("number"),
        )


def _initiatives(rng: np.random.Generator, of: pl.DataFrame, as_of: date, first: int) -> pl.DataFrame:
    """A new one of each of some agencies."""
    n = of.height
    datasets = contract.datasets()
    at = rng.integers(0, len(datasets), n)
    named = pl.Series([f"{datasets[k]};{datasets[k - 1]}" for k in at], dtype=pl.String)
    before = rng.integers(100, 2_000, n)
    return of.select(
        "agency_code",
        "agency_kind",
        "ward",
        number=pl.Series(at),
        agency_name="unit_name",
        initiative_year=pl.lit(str(as_of.year)),
        initiative_no=pl.lit(first + 1),
        title=pl.Series(rng.choice(_TITLES, n)),
        decision=pl.lit("Việc mà lãnh đạo quyết định theo số liệu"),
        datasets=named,
        from_warehouse=pl.lit("1"),
        data_group=pl.Series(rng.choice(["1", "2", "3"], n)),
        vice_chair=pl.lit("Phó Chủ tịch phụ trách"),
        started_on=pl.Series(days_before(rng, np.datetime64(as_of), 80, n)).cast(pl.Date),
        in_use_on=pl.lit(None, pl.Date),
        evidence=pl.format("{}/TB-UBND", pl.int_range(n) + 1),
        result_measure=pl.lit("Số trường hợp xử lý sai"),
        value_before=pl.Series(before).cast(pl.Decimal(18, 4)),
        value_after=pl.Series(before // 4).cast(pl.Decimal(18, 4)),
        cost=pl.Series(rng.integers(10, 900, n) * 1_000_000),
        contact=pl.lit("Trưởng phòng Chuyển đổi số"),
    )


INITIATIVES = Sender(
    "governance.initiatives",
    _of_initiatives,
    (
        Wrong("missing_required", "title"),
        Wrong("unknown_code", "data_group"),
        Wrong("unknown_code", "agency_kind"),
        Wrong("unknown_ward", "ward"),
        Wrong("yes_for_a_paper", "evidence", "có", "warned"),
        Wrong("impossible_date", "started_on"),
        Wrong("year_of_two_digits", "initiative_year", "26"),
        Wrong("more_than_is_possible", "cost", "999999999999999"),
        Wrong("not_a_number", "value_before"),
    ),
    ("contact", "Người khác"),
    ("SỞ KHOA HỌC VÀ CÔNG NGHỆ", "DANH MỤC SÁNG KIẾN SỬ DỤNG DỮ LIỆU", "(báo cáo quý)"),
)
