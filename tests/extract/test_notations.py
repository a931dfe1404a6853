"""Notations of numbers that a contract names by column; what has two readings under them is sent back."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from etl.contract import load
from etl.extract import extract_bytes
from tests.contract.test_short_contract import write
from tests.datatypes.test_types import HEAD, TABLE, one

ENGLISH = 'numbers, value: {thousands: ",", currency: ["$", USD], brackets: true}'
BLANK = 'numbers, value: {decimal: ",", thousands: " "}'
SWISS = 'numbers, value: {thousands: "\'"}'
PERCENT = "numbers, value: {percent: divide}"
KEPT = 'numbers, value: {decimal: ",", percent: keep}'
WIDE, NARROW, MINUS = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "\N{MINUS SIGN}"
EXPONENT = "numbers, value: {exponent: true}"


@pytest.mark.parametrize(
    ("notation", "type_", "cells", "values"),
    [
        (ENGLISH, "numeric(12,2)", ["$37,300.00", "(1,234.5)", "-$12", "12 usd", "+7", ".5", "1,234", "$-3"],
         ["37300", "-1234.5", "-12", "12", "7", "0.5", "1234", "-3"]),
        (ENGLISH, "numeric(12,2)", ["1.234", "1,23", "12,34,567", "$$5", "(-5)", "€5", "1.234,5", "(5"], [None] * 8),
        (ENGLISH, "numeric(12,3)", ["1,234", "1.234", "1,234.567", "0,234"], [None, "1.234", "1234.567", None]),
        (ENGLISH, "numeric", ["1,234", "1.234", "1,234.56", "0.234"], [None, None, "1234.56", "0.234"]),
        (BLANK, "numeric(12,2)", [" 1 675 ", f"1{WIDE}675,5", f"1{NARROW}234{NARROW}567", "1 67", "1,675", f"{MINUS}5"],
         ["1675", "1675.5", "1234567", None, None, "-5"]),
        (SWISS, "numeric(12,2)", ["1'675.50", "1’675", "1,5"], ["1675.5", "1675", None]),
        (PERCENT, "numeric(9,4)", ["12.5%", "12.5 %", "12.5", "100%", "1.234%"], ["0.125", "0.125", None, "1", None]),
        (KEPT, "numeric(9,1)", ["12,5%", "12,5", "12.5%"], ["12.5", None, None]),
        (EXPONENT, "numeric(18,6)", ["1e-05", "1.5E+3", "1e400", "e5", "2"], ["0.00001", "1500", None, None, "2"]),
    ],
)  # fmt: skip
def test_a_number_in_the_notation_of_its_column(
    tmp_path: Path, notation: str, type_: str, cells: list[str], values: list[str | None]
) -> None:
    column = f'logicalType: number, physicalType: "{type_}", customProperties: [{{property: {notation}}}]'
    found, wrong = one(tmp_path, column, cells)
    assert found == [value and Decimal(value) for value in values]
    assert set(wrong) == {at for at, value in enumerate(values) if value is None}


def test_whole_numbers_too(tmp_path: Path) -> None:
    column = f"logicalType: integer, customProperties: [{{property: {ENGLISH}}}]"
    found, wrong = one(tmp_path, column, ["1,234", "$1,234,567", "1,234.00", "1.234", "12.0", "1,23"])
    assert found == [1234, 1_234_567, 1234, None, 12, None]
    assert wrong == {3: "ambiguous_number", 5: "type_integer"}
    found, wrong = one(tmp_path, column, ["50.000"])
    assert (found, wrong) == ([None], {0: "ambiguous_number"})


def test_a_right_number_with_more_digits_than_agreed_is_told_so(tmp_path: Path) -> None:
    _, wrong = one(
        tmp_path, 'logicalType: number, physicalType: "numeric(6,2)"', ["12345.5", "1.2345", "1.5x", "12.50"]
    )
    assert wrong == {0: "number_does_not_fit", 1: "number_does_not_fit", 2: "type_number"}
    _, wrong = one(tmp_path, "logicalType: integer", ["9223372036854775808", "1.5", "9223372036854775807"])
    assert wrong == {0: "number_does_not_fit", 1: "type_integer"}
    _, wrong = one(tmp_path, f"logicalType: number, customProperties: [{{property: {KEPT}}}]", ["12.5"])
    assert wrong == {0: "type_number"}, "its % is missing"


@pytest.mark.parametrize("source", ["ndjson", "excel"])
def test_what_a_file_holds_as_a_number_is_not_read_by_marks(tmp_path: Path, source: str) -> None:
    """A JSON number 1.234 is no thousand, whichever marks the column's texts have."""
    column = (
        f'{{name: x, logicalType: number, physicalType: "numeric(9,3)", customProperties: [{{property: {BLANK}}}]}}'
    )
    contract = load(write(tmp_path, "transit.stops", HEAD % source + TABLE + f"      - {column}\n"))
    numbers: list[Any] = [1.234, 1234, 0.5]
    if source == "ndjson":
        content = "\n".join(json.dumps({"stop_no": str(at), "x": x}) for at, x in enumerate(numbers)).encode()
    else:
        book = openpyxl.Workbook()
        for row in (["stop_no", "x"], *([f"s{at}", x] for at, x in enumerate(numbers))):
            book.active.append(row)
        out = io.BytesIO()
        book.save(out)
        content = out.getvalue()
    rows, _, _ = extract_bytes(content, contract)
    assert rows["x"].to_list() == [Decimal("1.234"), 1234, Decimal("0.5")]
