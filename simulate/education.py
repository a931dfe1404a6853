"""Schools and their pupils."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl

from simulate.chance import generator, some
from simulate.events import Events
from simulate.extract import Wrong
from simulate.people import REFORM
from simulate.sending import Sender, Sending, ends_of_months

_A_CLASS = 35  # pupils
_TRANSFERS = 0.01  # of the pupils, a month
_NAMES = {"MN": "Trường Mầm non", "TH": "Trường Tiểu học", "THCS": "Trường THCS", "THPT": "Trường THPT"}
_PATRONS = ["Lê Lợi", "Hai Bà Trưng", "Trần Phú", "Nguyễn Du", "Võ Thị Sáu", "Chu Văn An", "Kim Đồng", "Lê Quý Đôn"]


def _school_year(day: date) -> str:
    first = day.year if day.month >= 9 else day.year - 1
    return f"{first}-{first + 1}"


def _pupils(happened: Events) -> Iterator[tuple[date, date, pl.DataFrame]]:
    """Who learns where when a month ends: as of which day, when it is told, and the pupils."""
    rng = generator(happened.world.seed, "classes")
    pupils = happened.world.people.filter(pl.col("grade").is_not_null())
    place = pl.int_range(pl.len()).over("school_code", "grade")
    short = pl.col("grade").str.strip_chars_start("0")
    pupils = pupils.with_columns(
        class_name=pl.format("{}/{}", short, place // _A_CLASS + 1),
        entered_on=pl.lit(date(int(_school_year(happened.world.start)[:4]), 9, 5)),
        absences=pl.lit(pl.Series(rng.integers(0, 12, pupils.height))),
    )
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        if number:
            pupils = _a_month_later(happened, pupils, as_of, number)
        yield as_of, day, pupils


def _a_month_later(happened: Events, pupils: pl.DataFrame, as_of: date, number: int) -> pl.DataFrame:
    """Some are at another school of their level, some were away."""
    rng = generator(happened.world.seed, "transfers", number)
    away = pl.lit(pl.Series(rng.integers(0, 20, pupils.height) // 18))
    pupils = pupils.with_columns(absences=pl.col("absences") + away)
    schools = happened.world.schools.select("level", to="school_code")
    moved = (
        some(rng, pupils, _TRANSFERS)
        .join(schools, on="level", maintain_order="left")
        .filter(pl.col("to") != pl.col("school_code"))
    )
    moved = moved.unique("pid", keep="first", maintain_order=True).with_columns(
        school_code="to", entered_on=pl.lit(as_of - timedelta(days=7))
    )
    return pl.concat([pupils.join(moved, on="pid", how="anti"), moved.select(pupils.columns)]).sort("number")


def _of_pupils(happened: Events) -> Iterator[Sending]:
    for as_of, day, pupils in _pupils(happened):
        rows = pupils.select(
            pupil_code="79" + pl.col("number").cast(pl.String).str.zfill(8),
            personal_id="pid",
            full_name="name",
            birth_date="birth",
            sex="sex",
            ethnicity="ethnicity",
            nationality=pl.lit("000"),
            school_code="school_code",
            school_year=pl.lit(_school_year(as_of)),
            grade="grade",
            class_name="class_name",
            status=pl.lit("1"),
            entered_on="entered_on",
            ward="ward",
            disability=pl.when(pl.col("disability").is_null()).then(pl.lit("0")).otherwise(pl.lit("1")),
            poverty=pl.when("is_poor").then(pl.lit("N")).otherwise(pl.lit("K")),
            absences="absences",
        )
        yield Sending(as_of, day, rows)


def _of_schools(happened: Events) -> Iterator[Sending]:
    schools = happened.world.schools
    rng = generator(happened.world.seed, "school buildings")
    n = schools.height
    chance = pl.Series(rng.random(n))
    patron = pl.int_range(pl.len()).cast(pl.String)
    schools = schools.with_columns(
        name=pl.col("level").replace_strict(_NAMES)
        + " "
        + (pl.int_range(pl.len()) % len(_PATRONS)).replace_strict(dict(enumerate(_PATRONS)), return_dtype=pl.String)
        + " "
        + patron,
        ownership=pl.when(chance < 0.2).then(pl.lit("TT")).otherwise(pl.lit("CL")),
        address=pl.col("street") + ", " + pl.col("ward_name") + ", Thành phố Hồ Chí Minh",
        phone=pl.lit("+8490") + pl.lit(pl.Series(rng.integers(1_000_000, 9_999_999, n)).cast(pl.String)),
        founded_on=pl.lit(pl.Series(rng.integers(0, 12_000, n))).cast(pl.Int32).cast(pl.Date),
        land=pl.lit(pl.Series(rng.integers(20, 120, n))),
        has_boarding=pl.when(chance < 0.5).then(pl.lit("1")).otherwise(pl.lit("0")),
    )
    for as_of, day, pupils in _pupils(happened):
        counts = pupils.group_by("school_code").agg(
            pupils=pl.len().cast(pl.Int64), classes=pl.struct("grade", "class_name").n_unique()
        )
        rows = schools.join(counts, on="school_code", how="left", maintain_order="left")
        rows = rows.with_columns(pl.col("pupils", "classes").fill_null(0))
        yield Sending(
            as_of,
            day,
            rows.select(
                school_code="school_code",
                name="name",
                level="level",
                levels="level",
                ownership="ownership",
                ward="ward",
                address="address",
                address_ward="ward",
                address_ward_valid_from=pl.lit(REFORM),
                phone="phone",
                school_year=pl.lit(_school_year(as_of)),
                founded_on="founded_on",
                classes="classes",
                pupils="pupils",
                teachers=(pl.col("pupils") / 18).ceil().cast(pl.Int64),
                classrooms="classes",
                land_area_m2=(pl.col("pupils") * pl.col("land") / 10).cast(pl.Decimal(18, 1)),
                has_boarding="has_boarding",
                status=pl.lit("1"),
            ),
        )


SCHOOLS = Sender(
    "education.schools",
    _of_schools,
    (
        Wrong("missing_required", "name"),
        Wrong("unknown_ward", "ward"),
        Wrong("malformed_phone", "phone"),
        Wrong("not_a_number", "pupils"),
        Wrong("year_before", "school_year", "2024-2025"),
        Wrong("no_teacher", "teachers", "0"),
    ),
    ("name", "Trường khác"),
    ("SỞ GIÁO DỤC VÀ ĐÀO TẠO", "DANH SÁCH CƠ SỞ GIÁO DỤC", "(kèm theo báo cáo tháng)"),
)
PUPILS = Sender(
    "education.pupils",
    _of_pupils,
    (
        Wrong("missing_required", "full_name"),
        Wrong("impossible_date", "birth_date"),
        Wrong("short_personal_id", "personal_id"),
        Wrong("unknown_code", "sex"),
        Wrong("unknown_ward", "ward"),
        Wrong("born_after_the_period", "birth_date", "01/12/2026"),
        Wrong("too_many_cells"),
        Wrong("too_few_cells"),
        Wrong("unclosed_quote"),
    ),
    ("class_name", "9/99"),
)
