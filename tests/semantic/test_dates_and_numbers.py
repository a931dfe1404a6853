"""Dates and numbers are read in the declared notation or not at all."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.semantic.dates import parse_dates, parse_timestamps, possible_days
from etl.semantic.numbers import parse_decimals, parse_integers

from .columns import standard

Notation = Literal["plain", "vietnamese"]


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
    ("received", "notation", "expected"),
    [
        ("1234.50", "plain", "1234.50"),
        ("-0.5", "plain", "-0.50"),
        ("1.5000", "plain", "1.50"),
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
def test_a_decimal_is_exact_or_not_understood(received: str, notation: Notation, expected: str | None) -> None:
    made = parse_decimals(pl.Series([received, None]), notation, 18, 2)
    assert made.to_list() == [None if expected is None else Decimal(expected), None]
    assert made.dtype == pl.Decimal(18, 2)


@given(st.decimals(-(10**16) + 1, 10**16 - 1, places=2))
def test_decimals_come_back_whole(number: Decimal) -> None:
    vietnamese = f"{number:,.2f}".translate(str.maketrans(",.", ".,"))
    assert parse_decimals(pl.Series([f"{number:.2f}"]), "plain", 18, 2).to_list() == [number]
    assert parse_decimals(pl.Series([vietnamese]), "vietnamese", 18, 2).to_list() == [number]


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_come_back_whole(number: int) -> None:
    assert parse_integers(pl.Series([str(number)]), "plain").to_list() == [number]
    assert parse_integers(pl.Series([f"{number:,}".replace(",", ".")]), "vietnamese").to_list() == [number]


def test_what_is_no_integer() -> None:
    wrong = ["1.5", "1,000", "9223372036854775808", "x", "", None]
    assert parse_integers(pl.Series(wrong), "plain").to_list() == [None] * len(wrong)
    assert parse_integers(pl.Series(["12.5", "1,5", "0.123"]), "vietnamese").to_list() == [None] * 3


def test_between_which_days_a_partly_known_date_lies() -> None:
    written = pl.Series(["1941", "03/1950", "29/02/2024", "20240229", "30/02/2024", None])
    days = possible_days(written).rows()
    assert days == [
        (date(1941, 1, 1), date(1941, 12, 31)),
        (date(1950, 3, 1), date(1950, 3, 31)),
        (date(2024, 2, 29), date(2024, 2, 29)),
        (date(2024, 2, 29), date(2024, 2, 29)),
        (None, None),
        (None, None),
    ]
