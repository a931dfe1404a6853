"""CSV files that break their contract's dialect, and columns that are not the contract's: read right, or said."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl.contract import load, load_all
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import extract_bytes
from etl.extract.csv import read
from etl.pipeline.pipeline import Pipeline
from tests import TESTS
from tests.city import audited

Send = Callable[..., Any]
Rows = list[list[str]]
BIRTHS = load_all()["civil.births"]


@pytest.fixture(scope="module")
def rows(clean_day: Path) -> Rows:
    """A clean file: header and records, some of them with delimiters, quotes and line ends in a cell."""
    text = next((clean_day / "civil" / "births").iterdir()).read_text("utf-8-sig")
    made = list(csv.reader(io.StringIO(text)))[:12]
    at = made[0].index("noi_sinh")
    for row, place in zip(made[3:], ['Trạm y tế "Số 1", Quận 3', "Nhà; ngõ 5", "Thôn 1\nXã 2", "A|B\tC"], strict=False):
        row[at] = place
    return made


def written(rows: Rows, **dialect: Any) -> str:
    out = io.StringIO()
    csv.writer(out, **{"lineterminator": "\r\n"} | dialect).writerows(rows)
    return out.getvalue()


def joined(rows: Rows, delimiter: str) -> str:
    """As written with a delimiter of several characters, every cell quoted."""
    return written(rows, delimiter="\x1f", quoting=csv.QUOTE_ALL).replace("\x1f", delimiter)


def plain(rows: Rows) -> str:
    return written([[cell.replace("\n", " ").replace('"', "") for cell in row] for row in rows])


READ: dict[str, Callable[[Rows], tuple[str, Rows]]] = {
    "as agreed": lambda rows: (written(rows), rows),
    "semicolons": lambda rows: (written(rows, delimiter=";"), rows),
    "tabs": lambda rows: (written(rows, delimiter="\t"), rows),
    "bars": lambda rows: (written(rows, delimiter="|"), rows),
    "every cell quoted": lambda rows: (written(rows, quoting=csv.QUOTE_ALL), rows),
    "single quotes": lambda rows: (written(rows, quotechar="'", quoting=csv.QUOTE_ALL), rows),
    "single quotes where needed": lambda rows: (written(rows, quotechar="'"), rows),
    "quotes escaped by a backslash": lambda rows: (written(rows, doublequote=False, escapechar="\\"), rows),
    "two bars": lambda rows: (joined(rows, "||"), rows),
    "a comma and a blank": lambda rows: (joined(rows, ", "), rows),
    "delimiters at the end of each line": lambda rows: (written([[*row, "", ""] for row in rows]), rows),
    "a delimiter behind each row": lambda rows: (written([rows[0], *([*row, ""] for row in rows[1:])]), rows),
    "two delimiters behind the header": lambda rows: (written([[*rows[0], "", ""], *rows[1:]]), rows),
    "a delimiter in front of the header": lambda rows: (written([["", *rows[0]], *rows[1:]]), rows),
    "an empty column in front": lambda rows: (written([["", *row] for row in rows]), rows),
    "an empty column in the middle": lambda rows: (written([[*row[:7], "", *row[7:]] for row in rows]), rows),
    "semicolons below the header": lambda rows: (written(rows[:1]) + written(rows[1:], delimiter=";"), rows),
    "single quotes below the header": lambda rows: (
        written(rows[:1]) + written(rows[1:], quotechar="'", quoting=csv.QUOTE_ALL),
        rows,
    ),
    "lines of delimiters below": lambda rows: (written([*rows, [""] * len(rows[0])]), rows),
    "the end of a DOS file": lambda rows: (written(rows) + "\x1a", rows),
    "line ends of Unix": lambda rows: (written(rows, lineterminator="\n"), rows),
    "line ends of an old Mac": lambda rows: (plain(rows).replace("\r\n", "\r"), list(csv.reader([*lines_of(rows)]))),
    "no line end at the end": lambda rows: (written(rows).rstrip("\r\n"), rows),
    "a title above": lambda rows: ("UBND THÀNH PHỐ\r\nDanh sách, tháng 3\r\n\r\n" + written(rows), rows),
    "a title above and semicolons": lambda rows: ("Sở Tư pháp;;\r\n" + written(rows, delimiter=";"), rows),
    "blank lines above and below": lambda rows: ("\r\n\r\n" + written(rows) + "\r\n\r\n", rows),
    "blanks around the names": lambda rows: (written([[f" {name} " for name in rows[0]], *rows[1:]]), rows),
}
AGREED = {
    "as agreed",
    "every cell quoted",
    "blank lines above and below",
    "blanks around the names",
    "lines of delimiters below",
    "the end of a DOS file",
}


def typed(text: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    made, found, rows_in = extract_bytes(text.encode("utf-8-sig"), BIRTHS)
    assert rows_in == made.height + found.filter(~pl.col(ROW).is_in(made[ROW].implode()))[ROW].count()
    return made, found


@pytest.mark.parametrize("kind", READ)
def test_another_dialect_is_read_right_and_said(kind: str, rows: Rows) -> None:
    text, content = READ[kind](rows)
    made, found = typed(text)
    expected, _ = typed(written(content))
    assert_frame_equal(made.drop(ROW), expected.drop(ROW))
    said = found.filter(found[ROW].is_null())["rule"].to_list()
    assert bool(said) == (kind not in AGREED and "line end" not in kind)
    assert set(said) <= {"other_dialect", "surplus_in_header", "two_delimiters"}


def lines_of(rows: Rows) -> list[str]:
    return plain(rows).splitlines()


NAMED: dict[str, Callable[[list[str]], tuple[list[str], set[int]]]] = {
    "a delimiter behind each row, and one row that lost another": lambda lines: (
        [lines[0], lines[1].replace(",", "", 1) + ",", *(line + "," for line in lines[2:])],
        {2},
    ),
    "a row in apostrophes": lambda lines: (
        [*lines[:5], f"'{lines[5].replace(',', chr(39) + ',' + chr(39))}'", *lines[6:]],
        {6},
    ),
    "the header again": lambda lines: ([*lines[:5], lines[0], *lines[5:]], {6}),
    "a row with other delimiters": lambda lines: ([*lines[:5], lines[5].replace(",", ";"), *lines[6:]], {6}),
    "a cell too many": lambda lines: ([*lines[:5], lines[5] + ",x", *lines[6:]], {6}),
    "a cell too few": lambda lines: ([*lines[:5], lines[5].rpartition(",")[0], *lines[6:]], {6}),
    "a quote that never closes": lambda lines: ([*lines[:5], lines[5].replace(",", ',"', 1), *lines[6:]], {6}),
    "a quotation mark that may belong to the cell before": lambda lines: (
        [*lines[:5], lines[5].replace(",", '",', 1), *lines[6:]],
        {6},
    ),
    "records above the header": lambda lines: (["Sở Tư pháp", *lines[1:3], lines[0], *lines[3:]], {2, 3}),
    "another table behind": lambda lines: ([*lines, "", "ma,ten", "1,a", "2,b"], {14, 15, 16}),
}


@pytest.mark.parametrize("kind", NAMED)
def test_lines_that_are_no_records_are_named_and_others_read(kind: str, rows: Rows) -> None:
    clean = lines_of(rows)
    polluted, bad = NAMED[kind](clean)
    made, found = typed("\r\n".join(polluted))
    assert set(found[ROW].drop_nulls()) == bad
    expected, _ = typed("\r\n".join(line for number, line in enumerate(polluted, 1) if number not in bad))
    assert_frame_equal(made.drop(ROW), expected.drop(ROW))


@pytest.mark.parametrize("at", [0, 3, None])
def test_a_column_without_a_name_that_holds_something_holds_the_file(at: int | None, rows: Rows) -> None:
    at = len(rows[0]) if at is None else at
    polluted = [[*row[:at], "" if row is rows[0] else "x", *row[at:]] for row in rows]
    with pytest.raises(Stop) as stop:
        extract_bytes(written(polluted).encode("utf-8-sig"), BIRTHS)
    assert (stop.value.state, stop.value.rule) == ("held", "unclear_column")


SCHOOL = "7900{0:04},{1}Trường {0}{1},05/09/1995,02839301234,1250"
SCHOOLS = load(TESTS / "cases" / "expectations" / "csv" / "schools.yaml")


def schools(numbers: Iterable[int], quote: str = "", end: str = "") -> str:
    return "".join(SCHOOL.format(number, quote) + end + "\n" for number in numbers)


def pieces(*texts: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows and problems of a file that is read in pieces, as one of more than some megabytes is."""
    header = ",".join(c.source_name for c in SCHOOLS.columns)
    first, *others = texts
    parts = [f"{header}\n{first}", *others]
    tables = list(read([part.encode() for part in parts], SCHOOLS.source, SCHOOLS))
    return pl.concat(table.rows for table in tables), pl.concat(table.problems for table in tables)


def test_quotes_that_break_no_row_are_read_to_the_end_of_a_file() -> None:
    rows, found = pieces(schools(range(50), "'"), schools(range(50, 90), "'"))
    assert rows["ten_truong"].to_list() == [f"Trường {n}" for n in range(90)]
    assert found["rule"].to_list() == ["other_dialect"]


def test_quotes_that_are_first_needed_far_below_are_read() -> None:
    rows, found = pieces(schools(range(50)), schools(range(50, 60)) + SCHOOL.format(60, "'").replace(" 60", ", 60"))
    assert rows["ten_truong"].to_list() == [f"Trường {n}" for n in range(60)] + ["Trường, 60"]
    assert found["rule"].to_list() == ["other_dialect"]


def test_quotes_that_change_amid_a_file_hold_it() -> None:
    with pytest.raises(Stop) as stop:
        pieces(schools(range(50)), schools(range(50, 90), "'"))
    assert (stop.value.state, stop.value.rule) == ("held", "quoted_in_part")


def test_a_shape_that_changes_amid_a_file_costs_the_rows_that_have_another() -> None:
    rows, found = pieces(schools(range(50)), schools(range(50, 90), end=","))
    assert (rows.height, set(found["rule"]), found.height) == (50, {"ragged_row"}, 40)
    with pytest.raises(Stop) as stop:
        pieces(schools(range(50), end=","), schools(range(50, 90), end=",x"))
    assert (stop.value.state, stop.value.rule) == ("held", "unclear_column")


def test_a_file_without_a_header_is_told_its_header_and_none_of_its_cells(rows: Rows) -> None:
    with pytest.raises(Stop) as stop:
        extract_bytes(written(rows[1:]).encode(), BIRTHS)
    assert (stop.value.state, stop.value.rule) == ("held", "no_header")
    assert stop.value.message.vi.endswith(": " + ",".join(c.source_name for c in BIRTHS.columns))
    assert not any(cell in stop.value.message.en for cell in rows[1] if len(cell) > 3)


def column(rows: Rows, old: str, new: str | None) -> bytes:
    at = rows[0].index(old)
    if new is None:
        return written([row[:at] + row[at + 1 :] for row in rows]).encode("utf-8-sig")
    return written([[*rows[0][:at], new, *rows[0][at + 1 :]], *rows[1:]]).encode("utf-8-sig")


def test_a_missing_optional_column_loads_as_nulls_with_a_warning(pipeline: Pipeline, send: Send, rows: Rows) -> None:
    optional = next(c for c in BIRTHS.columns if not c.required and c.source_name == "noi_sinh")
    entry = send(pipeline, "civil/births", "births_2026-03-02.csv", column(rows, "noi_sinh", None))
    assert (entry.state, entry.rejected, entry.rows_in) == ("loaded", 0, len(rows) - 1)
    with pipeline.engine.connect() as connection:
        said = connection.exec_driver_sql("SELECT row_no, severity, vi FROM ops.problem").all()
        filled = connection.exec_driver_sql(f"SELECT count({optional.name}) FROM people.births").scalar_one()
    assert [row[:2] for row in said] == [(None, "warning")]
    assert "noi_sinh" in said[0][2]
    assert filled == 0
    delivery = pipeline.storage.delivery("civil", "births", entry.delivery_id)
    receipt = (pipeline.storage.folder("outbox", delivery) / "receipt.html").read_text("utf-8")
    assert "Lưu ý về cả tệp" in receipt
    assert audited(pipeline) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ho_ten", "ho_va_ten"),
        ("ho_ten", "Họ, chữ đệm, tên"),
        ("ngay_sinh", "ngaysinh"),
        ("noi_sinh", "noi_sinh_moi"),
        ("gioi_tinh", "Giới tính"),
    ],
)
def test_a_renamed_column_is_held_with_the_likely_pair(rows: Rows, old: str, new: str) -> None:
    with pytest.raises(Stop) as stop:
        extract_bytes(column(rows, old, new), BIRTHS)
    assert (stop.value.state, stop.value.rule) == ("held", "renamed_column")
    assert f"“{new}” ≈ “{old}”" in stop.value.message.vi


@pytest.mark.parametrize("name", ["", "so", "_row"])
def test_a_column_without_a_name_of_its_own_is_held(rows: Rows, name: str) -> None:
    with pytest.raises(Stop) as stop:
        extract_bytes(column(rows, "noi_sinh", name), BIRTHS)
    assert (stop.value.state, stop.value.rule) == ("held", "unclear_column")


def test_a_column_of_another_type_holds_the_file(rows: Rows) -> None:
    at = rows[0].index("ngay_dang_ky")
    changed = [[*row[:at], "2026-03-02", *row[at + 1 :]] for row in rows[1:]]
    with pytest.raises(Stop) as stop:
        extract_bytes(written([rows[0], *changed, *changed]).encode("utf-8-sig"), BIRTHS)
    assert (stop.value.state, stop.value.rule) == ("held", "changed_type")
    assert "dòng 2" in stop.value.message.vi
