"""The period in a file's name: read where it is certain, and never out of half a number."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etl.delivery.period import UnclearName, period_of, word_of

DAY = date(2026, 3, 2)
DAYS = st.dates(date(1990, 1, 1), date(2099, 12, 31))
WORDS = st.text("abđlanrưêx _-.()ầ", max_size=12)
FORMS = st.sampled_from(["%Y-%m-%d", "%Y_%m_%d", "%Y.%m.%d", "%Y%m%d", "%d-%m-%Y", "%d.%m.%Y", "%d_%m_%Y"])


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("births_2026-03-02.csv", 1),
        ("births_2026-03-02_r2.csv", 2),
        ("births_2026-03-02_R2.CSV", 2),
        ("births_2026-03-02_r02.csv", 2),
        ("births_2026-03-02 (r2).csv", 2),
        ("births_2026-03-02r12.csv", 12),
        ("births_2026-03-02-lan2.csv", 2),
        ("births_2026-03-02_lan_2.csv", 2),
        ("Khai sinh lần 2 ngày 02-03-2026.xlsx", 2),
        ("Khai sinh la\u0302\u0300n 2 ngày 02.03.2026.xlsx", 2),  # as a Mac writes it
        ("births_2026-03-02 (1).csv", 1),
        ("births_2026-03-02_r2 (1).csv", 2),
        ("births_2026-03-02 - Copy (2).csv", 1),
        ("births_2026-03-02 - Bản sao.csv", 1),
        ("nguyen_thi_lan_2026-03-02.csv", 1),
        ("visits_2026-03-02_79024.xml", 1),
        ("visits_2026-03-02_790245.xml", 1),
        ("visits_2026-03-02_79-24.xml", 1),
        ("parcels_20260302_2026-03-02.geojson", 1),
        ("20260302-r1-0a1b2c3d4e5f_births_2026-03-02.csv", 1),
    ],
)
def test_names_as_clerks_and_programs_write_them(name: str, revision: int) -> None:
    assert period_of(name) == (DAY, revision)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("births_2026-02-01_2026-02-28.csv", "several_periods_in_name"),
        ("export_2026-02-12_births_2026-02-11.csv", "several_periods_in_name"),
        ("births_01-02-2026-03-04.csv", "several_periods_in_name"),
        ("births_02-03-2026_20260303.csv", "several_periods_in_name"),
        ("births_2026-03-02T18-00-00Z.csv", "several_periods_in_name"),  # in the city it is the next day
        ("births_2026-03-02-15-00_2026-03-02-16-00.csv", "several_periods_in_name"),
        ("births_2026-02-30.csv", "impossible_period"),
        ("births_2026-13-02.csv", "impossible_period"),
        ("births_03-25-2026.csv", "impossible_period"),  # the day comes first in Vietnam
        ("births_0026-03-02.csv", "impossible_period"),
        ("births_2026-03-02_r2_r3.csv", "unclear_revision"),
        ("births_2026-03-02_r0.csv", "unclear_revision"),
        ("births_2026-03-02_r12345.csv", "unclear_revision"),
        ("births_2026-03-02-15-00_r100.csv", "unclear_revision"),
    ],
)
def test_what_is_not_certain_is_refused(name: str, rule: str) -> None:
    with pytest.raises(UnclearName) as unclear:
        period_of(name)
    assert unclear.value.rule == rule


@pytest.mark.parametrize(
    "name",
    ["births.csv", "births_12026-03-02.csv", "births_2026-03-021.csv", "births_202603021.csv", "births_3-2026.csv"],
)
def test_a_day_is_not_cut_out_of_a_longer_number(name: str) -> None:
    assert period_of(name)[0] is None


def test_a_later_time_of_day_is_a_later_word() -> None:
    names = [
        "btw_2025-02-24.csv",
        "btw_2025-02-24_r9.csv",
        "2025-02-24T00-19-59-btw25.csv",
        "20250224_002000.csv",
        "btw_2025-02-24-11-41-08.csv",
        "btw_2025-02-24-15-00.csv",
        "btw_2025-02-24-15-00_r2.csv",
        "btw_2025-02-24_15h01.csv",
        "btw_2025-02-24T150200.123.csv",
    ]
    said = [period_of(name) for name in names]
    assert {day for day, _ in said} == {date(2025, 2, 24)}
    assert [revision for _, revision in said] == sorted({revision for _, revision in said})


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("x_2026-03-02_r2.csv", (None, 2)),
        ("x_2026-03-02T00-19-59.csv", ("00:19:59", 1)),
        ("x_20260302_150000_r2", ("15:00:00", 2)),
    ],
)
def test_a_receipt_says_the_time_again(name: str, word: tuple[str | None, int]) -> None:
    assert word_of(period_of(name)[1]) == word


def test_the_manifest_may_say_what_the_name_leaves_open() -> None:
    assert period_of("births_2026-02-01_2026-02-28_r2.csv", as_of=DAY) == (DAY, 2)
    assert period_of("births_2026-02-30.csv", as_of=DAY, revision=3) == (DAY, 3)
    assert period_of("births_2026-03-02_r2_r3.csv", revision=3) == (DAY, 3)


@given(DAYS, FORMS, WORDS, WORDS)
def test_one_day_between_words_is_that_day(day: date, form: str, front: str, behind: str) -> None:
    name = f"{front}_{day.strftime(form)}_{behind}.csv"
    assert period_of(name) == (day, 1)


@given(DAYS, FORMS, st.integers(1, 9999), st.sampled_from(["_r{}", "_R{}", " (r{})", "-lan{}", "_lần {}", "_r0{}"]))
def test_a_revision_is_read_in_every_spelling(day: date, form: str, revision: int, spelling: str) -> None:
    assert period_of(f"births_{day.strftime(form)}{spelling.format(revision)}.csv") == (day, revision)


@given(DAYS, FORMS, DAYS, FORMS, st.sampled_from("_ -.~"))
def test_two_days_are_never_one(one: date, form: str, two: date, other: str, between: str) -> None:
    assume(one != two)
    with pytest.raises(UnclearName):
        period_of(f"births_{one.strftime(form)}{between}{two.strftime(other)}.csv")


@given(DAYS, FORMS, st.text("0123456789", min_size=1, max_size=3), st.booleans())
def test_digits_that_touch_a_day_make_it_no_day(day: date, form: str, digits: str, is_behind: bool) -> None:
    said = day.strftime(form)
    try:
        found = period_of(f"births_{said}{digits}" if is_behind else f"births_{digits}{said}")[0]
    except UnclearName:
        return
    assert found is None


@given(DAYS, st.lists(st.times(), min_size=2, max_size=2, unique_by=lambda t: t.replace(microsecond=0)))
def test_times_of_a_day_are_in_their_order(day: date, times: list[time]) -> None:
    spellings = ("%Y-%m-%d-%H-%M-%S", "%Y-%m-%dT%H-%M-%S", "%Y%m%d_%H%M%S", "%Y-%m-%dT%H%M%S", "%Y_%m_%d_%H_%M_%S")
    for spelling in spellings:
        form, clock = spelling[: spelling.index("%d") + 2], spelling[spelling.index("%d") + 2 :]
        names = [f"x_{day.strftime(form)}{t.strftime(clock)}.csv" for t in sorted(times)]
        (first, earlier), (second, later) = map(period_of, names)
        assert first == second == day
        assert 9999 < earlier < later


@given(st.text(max_size=80))
def test_any_name_is_read_or_refused(name: str) -> None:
    try:
        as_of, revision = period_of(name)
    except UnclearName:
        return
    assert revision >= 1
    assert as_of is None or 1990 <= as_of.year < 2100
