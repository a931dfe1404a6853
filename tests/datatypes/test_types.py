"""Types of ordinary extracts, from a file to PostgreSQL: what was sent is what is read there, or is sent back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import polars as pl
import pytest
import sqlalchemy as sa

from etl import site
from etl.contract import Contract, load
from etl.contract.number_format import NAMED
from etl.datatypes.dates import parse_times, parse_timestamps
from etl.datatypes.numbers import parse_floats
from etl.delivery.columns import ROW
from etl.extract import extract_bytes
from etl.pipeline.pipeline import Pipeline
from tests.contract.test_short_contract import write

HEAD = "customProperties: [{property: deliveryMode, value: snapshot}, {property: source, value: {format: %s}}]\n"
TABLE = "schema:\n  - physicalName: business.stops\n    properties:\n      - {name: stop_no, primaryKey: true}\n"
TYPED = (
    HEAD + TABLE + "      - {name: is_open, logicalType: boolean}\n"
    "      - {name: opens, logicalType: time, logicalTypeOptions: {format: HH:mm}}\n"
    "      - {name: seen_at, logicalType: timestamp, logicalTypeOptions: {format: \"yyyy-MM-dd'T'HH:mm:ss.SSSXXX\"}}\n"
    "      - name: berlin\n        logicalType: timestamp\n"
    "        logicalTypeOptions: {format: dd.MM.yyyy HH:mm, defaultTimezone: Europe/Berlin}\n"
    "      - {name: local, logicalType: timestamp, logicalTypeOptions: {format: M/d/yyyy h:mm a}}\n"
    "      - {name: built, logicalType: date, logicalTypeOptions: {format: yyyy}}\n"
    "      - {name: month, logicalType: date, logicalTypeOptions: {format: MM/yyyy}}\n"
    "      - {name: opened, logicalType: date, logicalTypeOptions: {format: dd-MMM-yyyy}}\n"
)
ROWS = [
    ["1", "yes", "07:05", "2024-03-01T23:30:00.250Z", "01.07.2024 12:00", "3/4/2024 12:05 AM", "1987",
     "02/1999", "05-Mar-2024"],
    ["2", "Không", "23:59", "2024-03-01T23:30:00.000+02:00", "01.01.2024 12:00", "12/31/2024 12:05 PM", "2024",
     "12/2024", "31-dec-2023"],
    ["3", "0", "", "", "", "", "", "", ""],
]  # fmt: skip


def names(contract: Contract) -> list[str]:
    return [column.name for column in contract.columns]


def as_csv(header: list[str], rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue().encode()


def one(tmp_path: Path, column: str, cells: list[str], *, source: str = "csv") -> tuple[list[Any], dict[int, str]]:
    """The values of one column of cells, and the rules that others break, by the row's place."""
    contract = load(write(tmp_path, "transit.stops", HEAD % source + TABLE + f"      - {{name: x, {column}}}\n"))
    content = as_csv(["stop_no", "x"], [[str(number), cell] for number, cell in enumerate(cells)])
    rows, problems, _ = extract_bytes(content, contract)
    return rows["x"].to_list(), {row - 2: rule for row, rule in problems.select(ROW, "rule").drop_nulls(ROW).rows()}


def test_what_was_sent_is_what_postgresql_holds(
    tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any]
) -> None:
    contract = load(write(tmp_path, "transit.stops", TYPED % "csv"))
    pipeline = new_pipeline(tmp_path)
    entry = send(pipeline, "transit/stops", "stops_2024-05-01.csv", as_csv(names(contract), ROWS))
    assert (entry.state, entry.inserted) == ("loaded", 3), entry.message_en
    with pipeline.engine.connect() as connection:
        found = connection.execute(sa.text("SELECT * FROM business.stops ORDER BY stop_no")).mappings().all()
        kinds = connection.execute(
            sa.text(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = 'business.stops'::regclass AND attnum > 0"
            )
        ).all()
    utc, berlin = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
    assert [row["is_open"] for row in found] == [True, False, False]
    assert [row["opens"] for row in found] == [time(7, 5), time(23, 59), None]
    assert [row["seen_at"] for row in found] == [
        datetime(2024, 3, 1, 23, 30, 0, 250_000, utc), datetime(2024, 3, 1, 21, 30, tzinfo=utc), None,
    ]  # fmt: skip
    assert [row["berlin"] for row in found] == [
        datetime(2024, 7, 1, 12, tzinfo=berlin), datetime(2024, 1, 1, 12, tzinfo=berlin), None,
    ]  # fmt: skip
    assert [row["local"] for row in found] == [datetime(2024, 3, 4, 0, 5), datetime(2024, 12, 31, 12, 5), None]
    assert [row["built"] for row in found] == [date(1987, 1, 1), date(2024, 1, 1), None]
    assert [row["built_precision"] for row in found] == ["Y", "Y", None], "no first of January that nobody wrote"
    assert [row["month"] for row in found] == [date(1999, 2, 1), date(2024, 12, 1), None]
    assert [row["month_precision"] for row in found] == ["M", "M", None]
    assert [row["opened"] for row in found] == [date(2024, 3, 5), date(2023, 12, 31), None]
    assert dict(kinds) | {
        "is_open": "boolean", "opens": "time without time zone", "seen_at": "timestamp with time zone",
        "berlin": "timestamp with time zone", "local": "timestamp without time zone", "built": "date",
    } == dict(kinds)  # fmt: skip
    site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)

    changed = [[*row[:2], "08:00", *row[3:]] if row[0] == "2" else row for row in ROWS]
    entry = send(pipeline, "transit/stops", "stops_2024-06-01.csv", as_csv(names(contract), changed))
    assert (entry.changed, entry.unchanged, entry.rejected) == (1, 2, 0)


def test_json_and_excel_have_types_of_their_own(tmp_path: Path) -> None:
    contract = load(write(tmp_path, "transit.stops", TYPED % "ndjson"))
    lines = [
        {"stop_no": "1", "is_open": True, "opens": "07:05"}, {"stop_no": "2", "is_open": 0}, {"stop_no": "3"},
    ]  # fmt: skip
    rows, problems, _ = extract_bytes("\n".join(map(json.dumps, lines)).encode(), contract)
    assert (
        rows["is_open"].to_list() == [True, False, None]
        and problems.filter(problems["severity"] == "critical").is_empty()
    )

    contract = load(write(tmp_path, "transit.stops", TYPED % "excel"))
    book = openpyxl.Workbook()
    book.active.append(names(contract))
    book.active.append(["1", True, time(7, 5), None, datetime(2024, 7, 1, 12, 0), None, 1987, "02/1999"])
    book.active.append(["2", "no", datetime(2024, 7, 1, 7, 5), None, None, None, date(1987, 5, 4), None])
    out = io.BytesIO()
    book.save(out)
    rows, problems, _ = extract_bytes(out.getvalue(), contract)
    assert rows["is_open"].to_list() == [True, False]
    assert rows["opens"].to_list() == [time(7, 5), None], "a moment is no time of day"
    assert rows["berlin"].to_list()[0] == datetime(2024, 7, 1, 10, tzinfo=ZoneInfo("UTC"))
    assert rows["built"].to_list() == [date(1987, 1, 1), None], "the fourth of May is not cut to its year"
    critical = problems.filter(problems["severity"] == "critical").select(ROW, "column").rows()
    assert sorted(critical) == [(3, "built"), (3, "opens")]


def test_yes_and_no_in_the_words_that_a_contract_names(tmp_path: Path) -> None:
    usual = ["TRUE", "f", "Có", "không", "1", "0", "X", "2", "null"]
    values, wrong = one(tmp_path, "logicalType: boolean", usual)
    assert values == [True, False, True, False, True, False, None, None, None]
    assert wrong == {6: "type_boolean", 7: "type_boolean", 8: "word_for_nothing"}
    words = "[{property: trueValues, value: [X, '0']}, {property: falseValues, value: ['1']}]"
    values, wrong = one(tmp_path, f"logicalType: boolean, customProperties: {words}", ["x", "0", "1", "yes", "-"])
    assert values == [True, True, False, True, None] and wrong == {4: "word_for_nothing"}


def test_hours_that_clocks_have_twice_or_not_at_all_are_sent_back(tmp_path: Path) -> None:
    options = "logicalTypeOptions: {format: dd.MM.yyyy HH:mm, defaultTimezone: Europe/Berlin}"
    cells = ["27.10.2024 02:30", "31.03.2024 02:30", "27.10.2024 03:30", "30.02.2024 02:30"]
    values, wrong = one(tmp_path, f"logicalType: timestamp, {options}", cells)
    assert values[:2] == [None, None] and values[2] == datetime(2024, 10, 27, 3, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert wrong == {0: "unclear_hour", 1: "unclear_hour", 3: "type_timestamp"}
    both = ["27.10.2024 02:30+02:00", "27.10.2024 02:30+01:00"]
    values, wrong = one(tmp_path, "logicalType: timestamp, logicalTypeOptions: {format: 'dd.MM.yyyy HH:mmXXX'}", both)
    assert (values[1] - values[0]).total_seconds() == 3600 and not wrong, "an offset says which of the two"


@pytest.mark.parametrize(
    ("column", "cells", "values"),
    [
        ("logicalType: time, logicalTypeOptions: {format: HH:mm}", ["24:00", "7:5", "07:05", "19:05 "],
         [None, None, time(7, 5), time(19, 5)]),
        ("logicalType: time, logicalTypeOptions: {format: 'h:mm a'}", ["7:05", "7:05 pm", "13:05 PM", "0:05 AM"],
         [None, time(19, 5), None, None]),
        ("logicalType: time, logicalTypeOptions: {format: 'HH:mm:ss.SSSSSSSSS'}", ["01:02:03.000000001", "01:02:03.5"],
         [None, time(1, 2, 3, 500_000)]),
        ("logicalType: date, logicalTypeOptions: {format: MMMM d yyyy}", ["March 5 2024", "mars 5 2024", "Mar 5 2024"],
         [date(2024, 3, 5), None, None]),
        ("logicalType: date, logicalTypeOptions: {format: yyyy}", ["2024", "24", "2024.0", "02024"],
         [date(2024, 1, 1), None, None, None]),
    ],
)  # fmt: skip
def test_a_cell_of_two_readings_or_none_is_not_understood(
    tmp_path: Path, column: str, cells: list[str], values: list[Any]
) -> None:
    found, wrong = one(tmp_path, column, cells)
    assert found == values
    assert set(wrong) == {at for at, value in enumerate(values) if value is None}


def test_a_reading_that_is_wrong_by_type_is_told_with_an_example(tmp_path: Path) -> None:
    contract = load(write(tmp_path, "transit.stops", TYPED % "csv"))
    row = ["1", "maybe", "25:00", "2024-03-01", "x", "3/4/2024 12:05", "99", "13/1999", "05-Mrz-2024"]
    _, problems, _ = extract_bytes(as_csv(names(contract), [row]), contract)
    said = dict(problems.drop_nulls(ROW).select("column", "en").rows())
    assert said["is_open"] == "“is_open” must be yes or no in one of the agreed words, for example true."
    assert said["opens"] == "“opens” is not a time of day written as HH:mm, for example 14:05."
    assert said["seen_at"].endswith("for example 2026-03-21T14:05:00.000Z.")
    assert said["opened"].endswith("written as dd-MMM-yyyy, for example 21-Mar-2026.")
    assert set(said) == set(names(contract)) - {"stop_no"}


def test_a_sixtieth_second_and_what_is_too_small_for_a_float_are_not_understood() -> None:
    moments = pl.Series(["2026-01-01T23:59:60", "2026-01-01T23:59:59"])
    assert parse_timestamps(moments, "yyyy-MM-dd'T'HH:mm:ss").is_null().to_list() == [True, False]
    assert parse_times(pl.Series(["12:30:60", "12:30:59"]), "HH:mm:ss").is_null().to_list() == [True, False]
    assert parse_floats(pl.Series(["1e-400", "0e5", "0.0"]), NAMED["plain"]).to_list() == [None, 0.0, 0.0]


def test_a_float_that_may_be_thousands_is_not_understood() -> None:
    plain = pl.Series(["50.000", "-1.250", "12.345", "0.500", "1234.500", "5.000e2"])
    assert parse_floats(plain, NAMED["plain"]).to_list() == [None, None, 12.345, 0.5, 1234.5, 500.0]
    grouped = pl.Series(["1.500.000", "5.000e2", "5e2", "12,5"])
    assert parse_floats(grouped, NAMED["vietnamese"]).to_list() == [1_500_000.0, None, 500.0, 12.5]


SIZES = """
customProperties:
  - {property: deliveryMode, value: append}
  - {property: key, value: whole_row}
  - {property: baselines, value: [{measure: amount, of: size, slack: 0.5}]}
schema:
  - physicalName: business.sizes
    properties: [{name: place}, {name: size, logicalType: number, physicalType: double precision}]
"""


def test_floats_whose_sum_is_none_are_loaded_and_compared_with_nothing(
    tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any]
) -> None:
    """The mean of numbers near the end of a double's range is infinity, which no JSON and no table of ours takes."""
    write(tmp_path, "shops.sizes", SIZES)
    pipeline = new_pipeline(tmp_path)
    for day in range(1, 7):
        sizes = "".join(f"{day}.{place},{'-' * (place % 3 == 0)}1.5e308\n" for place in range(30))
        entry = send(pipeline, "shops/sizes", f"sizes_2024-01-0{day}.csv", f"place,size\n{sizes}".encode())
        assert (entry.state, entry.rejected) == ("loaded", 0), entry.message_en
