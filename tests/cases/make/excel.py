"""Makes the workbooks of the cases in `tests/cases/excel` that are small enough to be told in a line each.

Run it from the project's folder: `python tests/cases/make/excel.py`. A value may stand in a tuple with its number
format.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

CASES = Path(__file__).parent.parent / "excel"
HEADER = ["Số hộ", "Số người", "Tỷ lệ", "Ngày cấp", "Cập nhật", "Chủ hộ sinh", "Mã khu vực", "Diễn giải"]
DAY, HOUR = (date(2026, 3, 2), "dd/mm/yyyy"), (datetime(2026, 3, 2, 8, 15), "dd/mm/yyyy hh:mm:ss")
Rows = list[list[Any]]


def row(number: Any, **cells: Any) -> list[Any]:
    """A household; cells are named members, share, day, hour, born, area or remark."""
    usual = {
        "members": 4,
        "share": 12.5,
        "day": DAY,
        "hour": HOUR,
        "born": "1941",
        "area": "0012",
        "remark": "Nhà số 5",
    }
    return [number, *(usual | cells).values()]


def fill(sheet: Worksheet, rows: Rows) -> None:
    """Write rows from the first line on."""
    for at, cells in enumerate(rows, start=1):
        for column, value in enumerate(cells, start=1):
            cell = sheet.cell(at, column)
            cell.value, form = value if isinstance(value, tuple) else (value, None)
            if form:
                cell.number_format = form
            elif isinstance(value, str) and not value.startswith(("=", "#")):
                cell.number_format = "@"


def book(case: str, rows: Rows, change: Callable[[openpyxl.Workbook, Worksheet], object] | None = None) -> Path:
    """Write the workbook of a case of households."""
    made = openpyxl.Workbook()
    sheet = made.worksheets[0]
    fill(sheet, rows)
    if change:
        change(made, sheet)
    path = CASES / case / "excel" / "households" / "households_2026-03-01.xlsx"
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path)
    return path


def edit(path: Path, part: str, change: Callable[[str], str]) -> None:
    """Change the text of one part of a workbook, for what openpyxl does not write."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part].decode("utf-8")).encode("utf-8")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def stored(**values: str) -> Callable[[str], str]:
    """The results of formulas, by cell, as some program stored them."""

    def change(sheet: str) -> str:
        for cell, value in values.items():
            sheet, count = re.subn(
                rf'(<c r="{cell}"[^>]*><f>[^<]*</f>)<v(?: ?/>|></v>)', rf"\g<1><v>{value}</v>", sheet
            )
            assert count == 1, cell
        return sheet

    return change


def main() -> None:
    """Write all of them."""
    book("numbers-shown-with-zeros", [HEADER, row((125, "00000")), row((4, "0000000")), row(126, area=(12, "0000"))])
    book(
        "numbers-shown-otherwise",
        [
            HEADER, row("00101", remark=(125987, "000-000")), row((1200, "0.00E+00")), row((103, '"HS"0000')),
            row("00104", share=(0.25, "0%")), row("00105", remark=(5, "0.00")), row("00106", area=(7, "0.0")),
            row(12.5), row("00108", remark=(1250, "#,##0")), row("00109", remark=2.5),
        ],
    )  # fmt: skip
    book(
        "numbers-of-many-digits",
        [HEADER, row(1234567890123456), row("00202", remark=79041000123456789), row("00203", remark=179041000123),
         row("00204", share=1e15)],
    )  # fmt: skip
    book(
        "booleans-dates-and-hours-as-text",
        [HEADER, row(True), row("00302", remark=True), row("00303", remark=(date(2026, 5, 12), "d-mmm")),
         row((date(2026, 5, 12), "dd/mm/yyyy")), row("00305", remark=(time(1, 30), "h:mm")),
         row("00306", area=(date(2026, 1, 1), "mmm-yy"))],
    )  # fmt: skip
    book(
        "parts-of-dates",
        [HEADER, row("00401", born=(date(1950, 3, 1), "mmm-yy")), row("00402", born=(date(1950, 3, 1), "mm/yyyy")),
         row("00403", born=(date(1950, 1, 1), "yyyy")), row("00404", born=(date(1950, 3, 1), "d-mmm")),
         row("00405", day=(date(2026, 3, 1), "mmm-yy")), row("00406", day=(date(2026, 3, 2), "d-mmm")),
         row("00407", hour=(date(2026, 3, 2), "dd/mm/yyyy")), row("00408", hour=(datetime(2026, 3, 2), HOUR[1])),
         row("00409", born=(date(1950, 3, 7), "d/m/yyyy"))],
    )  # fmt: skip
    book(
        "days-that-are-none",
        [HEADER, row("00501", born=(1936, "dd/mm/yyyy")), row("00502", day=(2025, "dd/mm/yyyy")),
         row("00503", day=(60, "dd/mm/yyyy")), row("00504", day=(0, "dd/mm/yyyy")),
         row("00505", day=(time(8, 30), "hh:mm")), row("00506", born=(59, "dd/mm/yyyy")), row("00507", born=1936),
         row("00508", day=(46083.99999999, "dd/mm/yyyy")), row("00509", day=(46083.6, "dd/mm/yyyy")),
         row("00510", day=(46083.00000001, "dd/mm/yyyy"), hour=(46083.5999999884, HOUR[1]))],
    )  # fmt: skip

    path = book("formulas-of-a-program-that-computes-nothing",
                [HEADER, row("00601", remark="=B2"), row("00602", members="=2+3"), row("00603", members="=2+3"),
                 row("00604", remark='=""')])  # fmt: skip
    edit(path, "xl/worksheets/sheet1.xml", stored(H2="0", B3="0", B4="5"))
    path = book("formulas-that-excel-computed", [HEADER, row("00611", members="=B3-1"), row("00612", members=1)])
    edit(path, "xl/worksheets/sheet1.xml", stored(B2="0"))
    edit(path, "xl/workbook.xml", lambda text: text.replace(' fullCalcOnLoad="1"', ""))

    def merge(*ranges: str) -> Callable[[openpyxl.Workbook, Worksheet], object]:
        return lambda _, sheet: [sheet.merge_cells(cells) for cells in ranges]

    four = [row(f"0070{n}") for n in range(1, 5)]
    four[0][7], four[2][7] = "=A2", None
    book("merged-formula-without-a-value", [HEADER, *four], merge("H2:H4"))
    six = [row(f"0071{n}") for n in range(1, 5)]
    six[0][5], six[2][6:] = (date(1950, 3, 1), "mmm-yy"), ["khóm 3", None]
    book("merged-cells", [HEADER, *six], merge("F2:F3", "G4:H4"))

    def sheets(made: openpyxl.Workbook, sheet: Worksheet) -> None:
        sheet.title = "Tháng 3"
        notes, empty = made.create_sheet("Hướng dẫn", 0), made.create_sheet("Tháng 4")
        fill(notes, [["Cách điền"], ["Số hộ", "số sổ hộ"]])
        fill(empty, [HEADER])
        made.create_sheet("nháp").sheet_state = "hidden"
        made["nháp"]["A1"] = "hỏi lại chị Lan"

    book("other-sheets", [HEADER, row("00801")], sheets)

    def hidden_copy(made: openpyxl.Workbook, _: Worksheet) -> None:
        old = made.create_sheet("cũ")
        old.sheet_state = "hidden"
        fill(old, [HEADER, row("00811", members=3)])

    book("hidden-sheet-with-data", [HEADER, row("00811")], hidden_copy)

    def hide(_: openpyxl.Workbook, sheet: Worksheet) -> None:
        sheet.auto_filter.ref = "A1:H4"
        sheet.row_dimensions[3].hidden = sheet.row_dimensions[4].hidden = True
        sheet.column_dimensions["H"].hidden = True

    book("filtered-rows-and-a-hidden-column", [HEADER, *(row(f"0082{n}") for n in range(1, 5))], hide)

    titled = [["UBND PHƯỜNG BẾN THÀNH"], [], ["STT", *HEADER]]
    counted = [[n, *row(f"0090{n}")] for n in (1, 2, 3)]
    heading = [["I. Khu phố 1"]]
    below: Rows = [
        ["Tổng cộng", None, 12, 37.5],
        [],
        [*[None] * 7, "Ngày 3 tháng 3 năm 2026"],
        ["NGƯỜI LẬP BIỂU", None, None, "KT. CHỦ TỊCH"],
        [None, "(ký tên)"],
        [None, "Lê Thị Hoa", None, "Trần Văn An"],
    ]
    book("footer-in-excel", [*titled, *counted, *below])
    book("heading-amid-the-data", [*titled, counted[0], *heading, *counted[1:]])
    book("lone-number-below", [HEADER, row("00921"), [], [None, 4]])
    book("last-record-lacks-a-cell", [HEADER, row("00931"), row("00932", members=None, remark="Tổng cộng")])
    path = book("phonetic-and-rich-text", [HEADER, row("00941", remark="THERE"), row("00942")])
    runs = (
        '<r><t>Nguy</t></r><r><rPr><b/></rPr><t xml:space="preserve">ễn Huệ </t></r><rPh sb="0" eb="1"><t>NO</t></rPh>'
    )
    edit(path, "xl/worksheets/sheet1.xml", lambda text: text.replace("<t>THERE</t>", runs))


if __name__ == "__main__":
    main()
