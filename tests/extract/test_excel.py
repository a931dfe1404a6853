"""Excel as offices send it: what a cell shows is read, what it hides is said, and what is no workbook is told in words.

More of it, file by file, stands in `tests/cases/excel`.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from etl.agency.template import write_template
from etl.contract import Contract, load
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import extract_bytes, read_tables
from etl.extract.footer import without_last_footer
from etl.extract.number_format import shown
from etl.extract.table import Table
from etl.settings import EXPECTATIONS
from tests import TESTS

CASES = TESTS / "cases"
HOUSEHOLDS = load(CASES / "expectations" / "excel" / "households.yaml")
SCHOOLS = load(CASES / "expectations" / "excel" / "schools.yaml")
DEATHS = load(EXPECTATIONS / "civil" / "deaths.yaml")
CLASS_NAMES = ("BadZipFile", "CalamineError", "PanicException", "ExpatError", "Error", "Exception")


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("General", "general"),
        ("@", "general"),
        ("0000000", "padded"),
        ("0000000;@", "padded"),
        ("000\\-000", "number"),
        ('"HS"0000', "number"),
        ("[<=99999]00000;00000\\-0000", "number"),
        ("#,##0", "digits"),
        ("#,##0_);(#,##0)", "digits"),
        ("0.00", "number"),
        ("0.0%", "percent"),
        ("0.0,%", "scaled"),
        ("#,##0,", "scaled"),
        ('#,##0 "triệu"', "scaled"),
        ("dd/mm/yyyy", "day"),
        ("[$-42A]dd mmmm yyyy;@", "day"),
        ('"ngày "d" tháng "m" năm "yyyy', "day"),
        ("[Red]yyyy\\-mm\\-dd", "day"),
        ("m/d/yyyy h:mm", "moment"),
        ("dd/mm/yyyy hh:mm AM/PM", "moment"),
        ("mmm\\-yy", "month"),
        ("yyyy", "year"),
        ("d\\-mmm", "part"),
        ("hh:mm:ss", "part"),
        ("[h]:mm", "part"),
    ],
)
def test_a_format_says_what_a_reader_sees(code: str, what: str) -> None:
    assert shown(code) == what


def workbook(rows: list[list[object]], number_format: str = "General") -> bytes:
    book = openpyxl.Workbook()
    for cells in rows:
        book.worksheets[0].append(cells)
    for cell in book.worksheets[0][len(rows)]:
        cell.number_format = number_format
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


HEADER: list[object] = [column.source_name for column in HOUSEHOLDS.columns]


def test_a_template_that_was_filled_in_is_read_without_a_word(tmp_path: Path) -> None:
    write_template(tmp_path / "a.xlsx", HOUSEHOLDS)
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    sheet = book.worksheets[0]
    for at, value in enumerate(["00125", 4, 12.5, date(2026, 3, 22), None, "1941", "0012", "Nhà số 5"], start=1):
        cell = sheet.cell(2, at, value)
        cell.number_format = sheet.column_dimensions[cell.column_letter].number_format
    book.save(tmp_path / "a.xlsx")
    rows, found, count = extract_bytes((tmp_path / "a.xlsx").read_bytes(), HOUSEHOLDS)
    assert (rows["household_no"].to_list(), count) == (["00125"], 1)
    assert found.is_empty()


def test_a_date_merged_over_rows_is_doubted_in_each_of_them() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEADER)
    for number in ("001", "002", "003"):
        sheet.append([number, 4])
    sheet["D2"].value, sheet["D2"].number_format = date(2026, 3, 1), "mm/yyyy"
    sheet.merge_cells("D2:D3")
    out = io.BytesIO()
    book.save(out)
    _, found, _ = extract_bytes(out.getvalue(), HOUSEHOLDS)
    doubted = found.filter(column="issued_on").select(ROW, "rule").rows()
    assert doubted == [(2, "excel_part_of_date"), (3, "excel_part_of_date")]


@pytest.mark.parametrize(
    ("format_", "pivot", "loaded", "rule"),
    [
        ("dd/MM/yyyy HH:mm:ss", None, datetime(1998, 3, 2, 14, 5), None),
        ("d/M/yyyy H:mm", None, datetime(1998, 3, 2, 14, 5), None),
        ("yyyy-MM-dd'T'HH:mm:ss.SSS", None, datetime(1998, 3, 2, 14, 5), None),
        ("dd/MM/yyyy hh:mm a", None, datetime(1998, 3, 2, 14, 5), None),
        ("dd/MM/yy HH:mm", 1930, datetime(1998, 3, 2, 14, 5), None),
        ("dd/MM/yy HH:mm", 2000, None, "type_timestamp"),  # its two digits would say 2098
        ("yyyy-MM-dd'T'HH:mm:ss'Z'", None, None, "excel_no_offset"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", None, None, "excel_no_offset"),
    ],
)
def test_a_moment_of_excel_is_read_in_every_notation_that_can_hold_it(
    format_: str, pivot: int | None, loaded: datetime | None, rule: str | None
) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEADER)
    sheet.append(["001", 4])
    sheet["E2"].value, sheet["E2"].number_format = datetime(1998, 3, 2, 14, 5), "dd/mm/yyyy hh:mm:ss"
    out = io.BytesIO()
    book.save(out)
    columns = [replace(c, format=format_, pivot=pivot) if c.name == "changed_at" else c for c in HOUSEHOLDS.columns]
    rows, found, _ = extract_bytes(out.getvalue(), replace(HOUSEHOLDS, columns=tuple(columns)))
    assert found["rule"].to_list() == ([rule] if rule else [])
    if loaded:
        assert rows["changed_at"].to_list() == [loaded]


def test_a_header_of_two_rows_is_read_and_reaches_into_no_record() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Sổ hộ", *HEADER[1:3], "Ngày", None, *HEADER[5:]])
    sheet["A1"] = HEADER[0]
    sheet["D2"], sheet["E2"] = HEADER[3], HEADER[4]
    for cells in ("A1:A2", "B1:B2", "C1:C2", "D1:E1", "F1:F2", "G1:G2", "H1:H3"):
        sheet.merge_cells(cells)
    sheet["A3"], sheet["B3"] = "001", 4
    sheet.merge_cells("A90:H99")  # far below, with nothing in it
    out = io.BytesIO()
    book.save(out)
    rows, found, _ = extract_bytes(out.getvalue(), HOUSEHOLDS)
    assert rows.select(ROW, "household_no", "members", "remark").rows() == [(3, "001", 4, None)]
    assert found.is_empty()


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


GOOD = workbook([HEADER, ["00125", 4]])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<html><table><tr><td>a</td></tr></table></html>", "a web page saved as .xls"),
        (b"MIME-Version: 1.0\nContent-Type: text/html\n", "a web page saved as .xls"),
        ("Số hộ;Số người\n1;2\n".encode(), "a text file such as CSV"),
        ("Số hộ\tSố người\n1\t2\n".encode("utf-16"), "a text file such as CSV"),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>', "an old XML"),
        (b"%PDF-1.7\n\xe2\xe3", "a PDF file"),
        (zipped("a.xlsx", GOOD), "a ZIP file"),
        (zipped("word/document.xml", b"<a/>"), "a Word document"),
        (zipped("xl/workbook.bin", b"\0"), ".xlsb"),
        (GOOD[: len(GOOD) // 2], "damaged or was cut short"),
        (GOOD.replace(b"PK\x01\x02", b"PK\x01\x03"), "damaged or was cut short"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "damaged or was cut short"),
        (b"\0\1\2\3", "damaged or was cut short"),
        (workbook([HEADER, ["00125", 1e12]], "[h]:mm"), "damaged or was cut short"),  # more hours than there are
        (workbook([HEADER, ["00125", -1e300]], "[h]:mm"), "damaged or was cut short"),
    ],
)
def test_what_is_no_workbook_is_told_in_everyday_words(content: bytes, told: str) -> None:
    with pytest.raises(Stop) as stop:
        extract_bytes(content, HOUSEHOLDS)
    assert (stop.value.state, stop.value.rule) == ("rejected", "unreadable_excel")
    assert told in stop.value.message.en
    said = stop.value.message.vi + stop.value.message.en
    assert not any(name in said for name in CLASS_NAMES)
    assert not said.rstrip(". ").endswith((":", "(", "()"))


def table(contract: Contract, lines: list[str]) -> Table:
    tables = list(read_tables(io.BytesIO("\n".join(lines).encode()), contract))
    return Table(pl.concat(t.rows for t in tables), pl.concat(t.problems for t in tables))


RECORDS = ["code,title,pupils", *(f"{n:03},Trường số {n},{n}" for n in range(100))]


@pytest.mark.parametrize(
    ("below", "footer", "ragged"),
    [
        (["Tổng cộng,,4950"], 1, 0),
        (["Cộng: 100 trường"], 1, 0),
        (["", "Nguồn số liệu: Sở Giáo dục, quý I, 2026"], 1, 0),
        (["GRAND TOTAL,,4950", "(100 rows)"], 2, 0),
        (["TP. Hồ Chí Minh, ngày 3 tháng 3 năm 2026", "Thủ trưởng đơn vị", "Trần Văn An"], 3, 0),
        ([], 0, 0),
        (["100,Cộng Hòa,7"], 0, 0),
        (["100,Trường"], 0, 1),  # cut off
        (["Tổng cộng,,4950", "100,Trường số 100,7"], 0, 0),  # amid the data
        (["100"], 0, 1),
        ([f"x{n}" for n in range(40)], 0, 40),
    ],
)
def test_only_what_stands_below_the_records_and_looks_like_it_is_a_footer(
    below: list[str], footer: int, ragged: int
) -> None:
    made = table(SCHOOLS, [*RECORDS, *below])
    said = made.problems.filter(rule="footer")
    assert said.height == bool(footer)
    if footer:
        assert said["severity"].to_list() == ["warning"] and f" {footer} " in said["en"][0]
    lines = sum(bool(line) for line in below)
    assert made.problems.filter(rule="ragged_row").height == ragged
    assert made.rows_in == 100 + lines - footer


def test_a_footer_that_lies_across_two_pieces_of_a_file_is_one() -> None:
    whole = table(SCHOOLS, [*RECORDS, "Tổng cộng,,4950", "Người lập biểu,,", "Lê Thị Hoa,,"])
    plain = pl.DataFrame(
        {ROW: range(2, 105), "code": [f"{n:03}" for n in range(100)] + ["Tổng cộng", "Người lập biểu", "Lê Thị Hoa"]}
    ).with_columns(title=pl.when(pl.col(ROW) < 102).then(pl.lit("a")), pupils=pl.lit(None, pl.String))
    pieces = [Table(plain.slice(at, 51)) for at in (0, 51, 102)]
    made = list(without_last_footer(iter(pieces), SCHOOLS))
    assert sum(piece.rows_in for piece in made) == whole.rows_in == 100
    assert pl.concat(piece.problems for piece in made)["rule"].to_list() == ["footer"]
    assert pl.concat(piece.rows for piece in made)[ROW].to_list() == list(range(2, 102))


@given(
    st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2958465.9999999, 2958466.0, 1e9, 59.99999999]),
    st.sampled_from(["[h]:mm", "dd/mm/yyyy", "dd/mm/yyyy hh:mm:ss", "hh:mm", "mm/yyyy", "0%", "General"]),
)
def test_whatever_number_stands_in_a_cell_however_it_is_shown_the_file_is_read_or_refused(
    number: float, number_format: str
) -> None:
    header: list[object] = [column.source_name for column in DEATHS.in_file]
    try:
        rows, _, count = extract_bytes(workbook([header, [number] * len(header)], number_format), DEATHS)
    except Stop as stop:
        assert stop.rule in ("unreadable_excel", "wrong_types")
    else:
        assert count == rows.height == 1


CELLS: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(["Nam", "Trần Thị Bé", " a ", "a\nb", "x<y & z", "_x0041_", "=1+1", "#N/A", "'0012", "1e5", "0"]),
    st.text("ăâđ 1_x&<\n", max_size=6),
    st.integers(-(10**17), 10**17),
    st.sampled_from([0.1 + 0.2, -0.0, 1e-7, 1e21, 0.125, 46083.999999, 1950, 59, 60, 61, 2958465, 2958466]),
    st.floats(-1e6, 1e6),
    st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 31)),
    st.dates(date(1900, 1, 1)),
    st.timedeltas(timedelta(0), timedelta(days=3)),
)
FORMATS = [
    None,
    "General",
    "0",
    "0000",
    "0.0%",
    "#,##0,",
    "dd/mm/yyyy",
    "mm/yyyy",
    "yyyy",
    "dd/mm/yyyy hh:mm",
    "[h]:mm",
]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(CELLS, min_size=8, max_size=8), min_size=1, max_size=6),
    formats=st.lists(st.sampled_from(FORMATS), min_size=8, max_size=8),
    is_1904=st.booleans(),
    merged=st.sampled_from([None, "D2:D4", "B3:C3"]),
)
def test_a_sheet_is_read_to_the_same_cells_when_calamine_is_given_all_of_them(
    rows: list[list[object]], formats: list[str | None], is_1904: bool, merged: str | None
) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904 if is_1904 else CALENDAR_WINDOWS_1900
    sheet = book.worksheets[0]
    sheet.append(HEADER)
    for values in rows:
        sheet.append(values)
        for cell, code in zip(sheet[sheet.max_row], formats, strict=True):
            cell.number_format = code or cell.number_format
    if merged:
        sheet.merge_cells(merged)
    out = io.BytesIO()
    book.save(out)
    assert told(out.getvalue()) == told(with_comment(out.getvalue()))


def with_comment(content: bytes) -> bytes:
    """The workbook with a comment before its cells, behind which no cell is taken for plain."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"<sheetData>", b"<!-- --><sheetData>"))
    return out.getvalue()


def told(content: bytes) -> list[object]:
    """What is read of a workbook of households: the cells, and what is said of them; or how it is refused."""
    try:
        (table,) = read_tables(io.BytesIO(content), HOUSEHOLDS)
    except Stop as stop:
        return [stop.rule, stop.message.en]
    return [each.rows() for each in (table.rows, table.problems, table.doubts, table.stored_dates)]


def test_cells_merged_beside_the_table_change_nothing_of_it() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook([HEADER, ["001", 4], ["002", 5]])))
    book.worksheets[0].merge_cells("Z1:AB2")
    out = io.BytesIO()
    book.save(out)
    rows, _, count = extract_bytes(out.getvalue(), HOUSEHOLDS)
    assert (rows["household_no"].to_list(), count) == (["001", "002"], 2)


def test_an_empty_sheet_beside_one_without_a_header_is_passed_over() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook([["001", 4], ["002", 5]])))
    book.create_sheet("Trang 2", 0)
    out = io.BytesIO()
    book.save(out)
    without = replace(HOUSEHOLDS, source=replace(HOUSEHOLDS.source, header=()))
    rows, _, count = extract_bytes(out.getvalue(), without)
    assert (rows["household_no"].to_list(), count) == (["001", "002"], 2)
