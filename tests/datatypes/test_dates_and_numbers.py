"""Dates and numbers are read in the declared notation or not at all."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.contract.date_format import date_format
from etl.contract.number_format import NAMED, PLAIN, VIETNAMESE
from etl.datatypes.dates import parse_dates, parse_timestamps, partly_known, possible_days
from etl.datatypes.numbers import parse_decimals, parse_integers

from .columns import standard


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("05/03/1950", (date(1950, 3, 5), "D")),
        ("5/3/1950", (date(1950, 3, 5), "D")),
        ("29/02/2024", (date(2024, 2, 29), "D")),
        ("29/02/2023", (None, None)),
        ("31/02/2000", (None, None)),
        ("03/1950", (date(1950, 3, 1), "M")),
        ("1950", (date(1950, 1, 1), "Y")),
        ("19500305", (date(1950, 3, 5), "D")),
        ("195003051230", (date(1950, 3, 5), "D")),
        ("19500300", (date(1950, 3, 1), "M")),
        ("19500000", (date(1950, 1, 1), "Y")),
        ("195000000000", (date(1950, 1, 1), "Y")),
        ("00/03/1950", (date(1950, 3, 1), "M")),
        ("00/00/1950", (date(1950, 1, 1), "Y")),
        ("05/00/1950", (None, None)),
        ("195003052460", (None, None)),
        ("13/1950", (None, None)),
        ("1849", (None, None)),
        ("2101", (None, None)),
        ("1950-03-05", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_partial_date_says_how_much_is_known(received: str | None, expected: tuple[date | None, str | None]) -> None:
    assert standard("partial_date", [received]) == [expected]


@given(st.dates(date(1850, 1, 1), date(2100, 12, 31)))
def test_every_day_is_read_in_every_notation(day: date) -> None:
    for notation, text in {
        "dd/MM/yyyy": f"{day:%d/%m/}{day.year:04}",
        "yyyy-MM-dd": day.isoformat(),
        "yyyyMMdd": day.isoformat().replace("-", ""),
    }.items():
        assert parse_dates(pl.Series([text]), notation).to_list() == [day]
    assert parse_dates(pl.Series([f"{day.day}/{day.month}/{day.year}"]), "dd/MM/yyyy").to_list() == [day]


def test_only_the_declared_notation_and_real_days_are_dates() -> None:
    unreal = ["31/02/2026", "29/02/2025", "01/13/2026", "00/03/2026"]
    wrong = [*unreal, "2026-03-01", "01/03/26", "1/3/2026 ", "01/03/2026 10:00", "", None]
    assert parse_dates(pl.Series(wrong), "dd/MM/yyyy").to_list() == [None] * len(wrong)
    assert parse_dates(pl.Series(["2026301"]), "yyyyMMdd").to_list() == [None]
    assert parse_dates(pl.Series([], dtype=pl.String), "dd/MM/yyyy").dtype == pl.Date


def test_timestamps() -> None:
    expected = [datetime(2026, 3, 1, 7, 5), None, None]
    received = pl.Series("t", ["1/3/2026 07:05:00", "01/03/2026 24:00:00", "01/03/2026"])
    made = parse_timestamps(received, "dd/MM/yyyy HH:mm:ss")
    assert (made.to_list(), made.dtype, made.name) == (expected, pl.Datetime("us"), "t")
    assert parse_timestamps(pl.Series(["2026-03-01T07:05:00"]), "yyyy-MM-dd'T'HH:mm:ss").to_list() == expected[:1]
    assert parse_timestamps(pl.Series(["202603010705", "202603016105"]), "yyyyMMddHHmm").to_list() == expected[:2]


@pytest.mark.parametrize(
    ("received", "jdk_format", "expected"),
    [
        ("2026-03-02T23:30:00Z", "yyyy-MM-dd'T'HH:mm:ssXXX", datetime(2026, 3, 3, 6, 30)),  # the city is 7 hours ahead
        ("2026-03-02T23:30:00+07:00", "yyyy-MM-dd'T'HH:mm:ssXXX", datetime(2026, 3, 2, 23, 30)),
        ("2026-03-02T23:30:00-0530", "yyyy-MM-dd'T'HH:mm:ssZ", datetime(2026, 3, 3, 12)),
        ("2026-03-02T23:30:00+09", "yyyy-MM-dd'T'HH:mm:ssX", datetime(2026, 3, 2, 21, 30)),
        ("2026-03-02T23:30:00", "yyyy-MM-dd'T'HH:mm:ssXXX", None),
        ("2026-03-02T23:30:00+25:00", "yyyy-MM-dd'T'HH:mm:ssXXX", None),
        ("2026-03-02T17:00:00.5Z", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", datetime(2026, 3, 3, 0, 0, 0, 500_000)),
        ("2026-03-02T17:00:00Z", "yyyy-MM-dd'T'HH:mm:ss", None),
        ("2026-03-02 17:00:00.0625", "yyyy-MM-dd HH:mm:ss.SSS", None),  # more than the contract says
        ("20260302170000123", "yyyyMMddHHmmssSSS", datetime(2026, 3, 2, 17, 0, 0, 123_000)),
        ("2/3/2026 12:05 am", "d/M/yyyy hh:mm a", datetime(2026, 3, 2, 0, 5)),
        ("02/03/2026 12:05 CH", "dd/MM/yyyy hh:mm a", datetime(2026, 3, 2, 12, 5)),
        ("02/03/2026 00:05 AM", "dd/MM/yyyy hh:mm a", None),
        ("02/03/29", "dd/MM/yy", datetime(2029, 3, 2)),
        ("02/03/30", "dd/MM/yy", datetime(1930, 3, 2)),
        ("02/03/1930", "dd/MM/yy", None),
        ("2026111 0715", "yyyyMMdd HHmm", None),  # the eleventh of January or the first of November
    ],
)
def test_a_moment_in_the_declared_notation(received: str, jdk_format: str, expected: datetime | None) -> None:
    made = parse_timestamps(pl.Series([received, None]), jdk_format, 1930)
    zone = "Asia/Ho_Chi_Minh" if date_format(jdk_format).is_instant else None
    assert made.dtype == pl.Datetime("us", zone), "an instant stays one"
    assert made.dt.replace_time_zone(None).to_list() == [expected, None], "shown in the city's time"
    assert parse_dates(pl.Series([received]), jdk_format, 1930).to_list() == [expected and expected.date()]


@pytest.mark.parametrize(
    ("jdk_format", "said"),
    [
        ("yyyy-MM-ddTHH:mm:ss", "T is none of"),
        ("dd/MM/YYYY", "YYYY is none of"),
        ("dd/MMMMM/yyyy", "MMMMM is none of"),
        ("dd/MM/yyyy KK:mm", "KK is none of"),
        ("dd/MM/yyyy 'at HH:mm", "does not close"),
        ("MM/yyyy", "lacks year, month or day"),
        ("dd/MM/yyyy hh:mm", "go together"),
        ("dd/MM/yyyy dd", "says the day twice"),
    ],
)
def test_a_notation_that_cannot_be_read_is_refused(jdk_format: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        date_format(jdk_format)


@pytest.mark.parametrize(
    ("received", "notation", "expected"),
    [
        ("1234.50", "plain", "1234.50"),
        ("-0.5", "plain", "-0.50"),
        ("1.5000", "plain", "1.50"),
        ("1.500", "plain", None),  # 1500 or 1.5
        ("-999.000", "plain", None),
        ("0.500", "plain", "0.50"),  # nobody groups a zero
        ("1234.500", "plain", "1234.50"),
        ("150,000", "vietnamese", None),
        ("0,000", "vietnamese", "0.00"),
        ("-0", "vietnamese", "0.00"),
        ("1.234,500", "vietnamese", "1234.50"),
        ("1.23.456", "vietnamese", None),
        ("1,234.5", "vietnamese", None),
        ("1.505", "plain", None),  # would have to be rounded
        ("1e5", "plain", None),
        ("+1", "plain", None),
        (".5", "plain", None),
        ("1,5", "plain", None),
        ("1.234.567,89", "vietnamese", "1234567.89"),
        ("1234567,89", "vietnamese", "1234567.89"),
        ("1.234", "vietnamese", "1234.00"),
        ("12.5", "vietnamese", None),
        ("1234.567", "vietnamese", None),
        ("0.123", "vietnamese", None),
        ("9999999999999999.99", "plain", "9999999999999999.99"),
        ("10000000000000000", "plain", None),
    ],
)
def test_a_decimal_is_exact_or_not_understood(received: str, notation: str, expected: str | None) -> None:
    made = parse_decimals(pl.Series([received, None]), NAMED[notation], 18, 2)
    assert made.to_list() == [None if expected is None else Decimal(expected), None]
    assert made.dtype == pl.Decimal(18, 2)


def test_three_decimals_are_clear_where_the_column_has_them() -> None:
    assert parse_decimals(pl.Series(["1.500", "10.776"]), PLAIN, 9, 3).to_list() == [
        Decimal("1.5"),
        Decimal("10.776"),
    ]
    assert parse_decimals(pl.Series(["150,000", "1.500,250"]), VIETNAMESE, 9, 3).to_list() == [
        Decimal(150), Decimal("1500.25"),
    ]  # fmt: skip
    assert parse_decimals(pl.Series(["1.500", "1.500.000", "1500"]), VIETNAMESE, 12, 3).to_list() == [
        None, Decimal(1_500_000), Decimal(1500),
    ]  # fmt: skip


@given(st.decimals(-(10**16) + 1, 10**16 - 1, places=2))
def test_decimals_come_back_whole(number: Decimal) -> None:
    vietnamese = f"{number:,.2f}".translate(str.maketrans(",.", ".,"))
    assert parse_decimals(pl.Series([f"{number:.2f}"]), PLAIN, 18, 2).to_list() == [number]
    assert parse_decimals(pl.Series([vietnamese]), VIETNAMESE, 18, 2).to_list() == [number]


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_come_back_whole(number: int) -> None:
    assert parse_integers(pl.Series([str(number)]), PLAIN).to_list() == [number]
    assert parse_integers(pl.Series([f"{number:,}".replace(",", ".")]), VIETNAMESE).to_list() == [number]


def test_what_is_no_integer() -> None:
    wrong = ["1.5", "1,000", "9223372036854775808", "x", "", None]
    assert parse_integers(pl.Series(wrong), PLAIN).to_list() == [None] * len(wrong)
    assert parse_integers(pl.Series(["12.5", "1,5", "0.123", "150,000"]), VIETNAMESE).to_list() == [None] * 4
    assert parse_integers(pl.Series(["50.000", "-1.000", "12.0", "12.00", "0.000", "1234.000"]), PLAIN).to_list() == [
        None, None, 12, 12, 0, 1234,
    ]  # fmt: skip


def test_between_which_days_a_partly_known_date_lies() -> None:
    written = pl.Series(["1941", "03/1950", "29/02/2024", "20240229", "30/02/2024", None])
    days = possible_days(*partly_known(written)).rows()
    assert days == [
        (date(1941, 1, 1), date(1941, 12, 31)),
        (date(1950, 3, 1), date(1950, 3, 31)),
        (date(2024, 2, 29), date(2024, 2, 29)),
        (date(2024, 2, 29), date(2024, 2, 29)),
        (None, None),
        (None, None),
    ]
