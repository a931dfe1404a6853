"""What a cell's look tells: words for nothing and what Excel made; and what only looks so."""

from __future__ import annotations

import polars as pl
import pytest

from etl import datatypes
from etl.datatypes import traces

from .columns import column


@pytest.mark.parametrize(
    ("example", "received", "expected"),
    [
        ("hộ nghèo", "NULL", "word_for_nothing"),
        ("hộ nghèo", "n/a", "word_for_nothing"),
        ("hộ nghèo", "<NA>", "word_for_nothing"),
        ("hộ nghèo", "\\N", "word_for_nothing"),
        ("hộ nghèo", "KHÔNG CÓ", "word_for_nothing"),
        ("hộ nghèo", "chưa có thông tin", "word_for_nothing"),
        ("hộ nghèo", "--", "word_for_nothing"),
        ("hộ nghèo", "…", "word_for_nothing"),
        ("hộ nghèo", "Không", "word_for_nothing"),
        ("hộ nghèo", "không có đất", None),
        ("hộ nghèo", "Ann", None),
        ("hộ nghèo", "Naná", None),
        ("hộ nghèo", "A-", None),
        ("-", "-", None),  # the contract's own example
        ("01/2026", "Jan-26", "excel_date"),
        ("01/2026", "1-Thg1", "excel_date"),
        ("01/2026", "1/1/2026 0:00", "excel_date"),
        ("01/2026", "01/01/2026", "excel_date"),
        ("01/2026", "46023", "excel_date"),
        ("01/2026", "1/2026", None),
        ("K-1", "46023", None),
        ("K-1", "JAN-26", None),
        ("K-1", "01/01/2026", None),
        ("K-1", '="K-1"', "excel_mark"),
        ("K-1", "'01", "excel_mark"),
        ("K-1", "'ký hiệu'", None),
        ("K-1", "O'Brien 1", None),
        ("K-1", "7,9E+10", "excel_number"),
        ("K-1", "12E3", None),
        ("345", "345.0", "excel_number"),
        ("47.01", "47.0", None),
        ("00120", "120", "excel_zero"),
        ("00120", "12345", None),
        ("120", "12", None),
    ],
)
def test_what_a_text_bears_the_trace_of(example: str, received: str, expected: str | None) -> None:
    described = column("text", example=example)
    assert traces.found(pl.Series([received, None]), described).to_list() == [expected, None]
    assert pl.Series([received]).str.contains(traces.any_pattern(described)).to_list() == [expected is not None]


@pytest.mark.parametrize(
    ("semantic_type", "received", "expected"),
    [
        ("personal_id", "79180000321", "excel_zero"),
        ("personal_id", "23456789", "excel_zero"),
        ("personal_id", "79180000321.0", "excel_zero"),
        ("personal_id", "123456789.0", "excel_number"),
        ("personal_id", "7.918E+10", "excel_number"),
        ("personal_id", "'079180000321", "excel_mark"),
        ("personal_id", "không rõ", "word_for_nothing"),
        ("personal_id", "0791800003", None),
        ("tax_code", "100112437", "excel_zero"),
        ("tax_code", "100112438", None),  # the check digit is wrong even with a zero
        ("bhxh", "123456789", "excel_zero"),
        ("phone", "18001091.0", "excel_number"),
    ],
)
def test_why_an_identifier_is_not_understood(semantic_type: str, received: str, expected: str | None) -> None:
    described = column(semantic_type)
    frame = pl.DataFrame({"x": [received]})
    assert not datatypes.understood(frame, described).any()
    assert datatypes.reasons(frame, described).to_list() == [expected]


def test_a_code_may_have_lost_its_zero() -> None:
    described = column("code", code_list="ethnicity")
    assert datatypes.reasons(pl.DataFrame({"x": ["1", "1.0", "n/a", "x"]}), described).to_list() == [
        "excel_zero", "excel_zero", "word_for_nothing", None,
    ]  # fmt: skip
