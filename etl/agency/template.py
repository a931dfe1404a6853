"""An empty Excel file for a dataset, made from its contract: what is filled in there has the right names and types.

The first sheet is the one to fill in and to send; the others explain it and hold the code lists, which its drop-down
lists are taken from. Where a column is text, its cells are text before anything is typed, so that no zero is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from etl.contract import Column, Contract, Text
from etl.contract.city import city, first, said, told
from etl.contract.codes import Code, code_list
from etl.datatypes import ward
from etl.extract.excel import OUR_SHEETS
from etl.settings import DEFAULT_LIMITS

_DATA = Text("Dữ liệu", "Data")
_LAST_ROW = 1_048_576  # of an Excel sheet
_LAST_DAY = "2958465"  # of Excel's calendar
_TEXT = "@"
_EXCEL_KNOWS = {"year", "month", "day", "hour", "minute", "second"}  # parts of a date or time, written as ODCS does
_DARK, _LIGHT = "1F4E66", "7B97A5"
_FORMATS = {
    "csv": Text(
        "Điền xong, chọn File > Save As > “CSV UTF-8” và gửi tệp CSV đó, không gửi tệp Excel này.",
        "When it is filled in, choose File > Save As > “CSV UTF-8” and send that CSV file, not this Excel file.",
    ),
    "excel": Text("Điền xong, lưu lại và gửi chính tệp này.", "When it is filled in, save it and send this very file."),
}
_OTHER_FORMAT = (
    "Bộ dữ liệu này được gửi dưới dạng {format} do phần mềm xuất ra; tệp Excel này chỉ để tham khảo các cột.",
    "This dataset is sent as {format}, exported by software; this Excel file only shows what its columns are.",
)


def write_template(path: Path, contract: Contract) -> None:
    """Write an empty workbook for a dataset.

    Args:
        path: where to.
        contract: the dataset's.

    Raises:
        OSError: if the file cannot be written, as while Excel has it open.
    """
    book = Workbook()
    del book[book.sheetnames[0]]
    titles = OUR_SHEETS[2:] if city().languages == ["en"] else OUR_SHEETS[:2]
    data, guide, lists = (book.create_sheet(title) for title in (first(_DATA), *titles))
    ranges = _write_lists(lists, contract)
    for at, column in enumerate(contract.columns, start=1):
        _write_column(data, at, column, ranges.get(_list_of(column)))
    data.freeze_panes = "A2"
    _write_guide(guide, contract)
    book.save(path)


def _write_column(sheet: Worksheet, at: int, column: Column, codes: str | None) -> None:
    letter = get_column_letter(at)
    header = sheet.cell(1, at, column.source_name)
    header.number_format = _TEXT
    header.font = Font(bold=True, color="FFFFFF")
    header.fill = PatternFill("solid", fgColor=_DARK if column.required else _LIGHT)
    header.comment = Comment("\n".join(_explanation(column)), "citydw", height=160, width=320)
    sheet.column_dimensions[letter].width = max(14, len(column.source_name) + 4)
    sheet.column_dimensions[letter].number_format = _number_format(column)
    rule = _validation(column, codes)
    rule.allow_blank = not column.required
    rule.showErrorMessage = True
    rule.errorStyle = "stop" if column.on_invalid == "reject" else "warning"  # what we only flag may be sent
    rule.errorTitle = column.label[:32]
    rule.error = f"{column.label}: {said('ví dụ', 'for example')} {column.example}"[:225]
    rule.add(f"{letter}2:{letter}{_LAST_ROW}")
    sheet.add_data_validation(rule)


def _number_format(column: Column) -> str:
    if column.type in ("date", "timestamp"):
        return _excel_format(column) or _TEXT
    if column.type == "integer":
        return "0"
    if column.type == "number":
        if column.is_float or not column.has_scale:
            return "General"
        _, behind = column.digits  # all of them are shown, for a CSV file gets what is shown
        return f"0.{'0' * behind}" if behind else "0"
    return _TEXT


def _validation(column: Column, codes: str | None) -> DataValidation:
    if codes:
        return DataValidation(type="list", formula1=codes)
    if column.type == "boolean":
        yes, no = (*column.true_values, "true")[0], (*column.false_values, "false")[0]
        return DataValidation(type="list", formula1=f'"{yes},{no}"')
    if column.type in ("date", "timestamp") and _excel_format(column):
        return DataValidation(type="date", operator="between", formula1="1", formula2=_LAST_DAY)
    if column.type == "integer":
        return DataValidation(type="whole", operator="between", formula1=str(-(2**53)), formula2=str(2**53))
    if column.type == "number":
        precision, scale = column.digits
        most = 10 ** (precision - scale)
        return DataValidation(type="decimal", operator="between", formula1=str(-most), formula2=str(most))
    longest = str(DEFAULT_LIMITS.cell_chars)
    return DataValidation(type="textLength", operator="lessThanOrEqual", formula1=longest)


def _excel_format(column: Column) -> str | None:
    """A date's notation in Excel's words; None where Excel could not read back what it shows.

    Excel's own `/` would be shown as whatever the machine's settings say, so each sign between stands for itself.
    """
    jdk_format, notation = column.format, column.dates
    if not jdk_format or not re.search(r"[^A-Za-z]", jdk_format):  # 202603020815 is a number to Excel
        return None
    is_whole = notation.precision == "D" and not notation.has_named_month
    if not is_whole or notation.is_instant or not _EXCEL_KNOWS.issuperset(notation.parts):
        return None
    quoted = re.sub(r"'([^']*)'", lambda text: "".join(f"\\{c}" for c in text[1]), jdk_format)
    return re.sub(r"(?<!\\)[^A-Za-z\\ ]", lambda sign: f"\\{sign[0]}", quoted).replace("MM", "mm").replace("HH", "hh")


def _list_of(column: Column) -> str | None:
    """The name of the list that a column's values are of; None where there is none, or a cell may hold several."""
    if column.separator:
        return None
    return "ward" if column.semantic_type == "ward" else column.code_list


def _write_lists(sheet: Worksheet, contract: Contract) -> dict[str | None, str]:
    """Write the code lists side by side; gives the place of each one's codes, as a formula."""
    places: dict[str | None, str] = {}
    at = 1
    for column in contract.columns:
        name = _list_of(column)
        if name is None or name in places:
            continue
        members = _members(name)
        letter = get_column_letter(at)
        _title(sheet, 1, at, f"{column.label}: {said('mã', 'code')}")
        _title(sheet, 1, at + 1, said("Tên", "Name"))
        for row, (code, meaning) in enumerate(members.iter_rows(), start=2):
            cell = sheet.cell(row, at, code)
            cell.number_format = _TEXT
            sheet.cell(row, at + 1, meaning)
        sheet.column_dimensions[letter].width = 16
        sheet.column_dimensions[get_column_letter(at + 1)].width = 50
        places[name] = f"{quote_sheetname(sheet.title)}!${letter}$2:${letter}${members.height + 1}"
        at += 3
    if not places:
        sheet.sheet_state = "hidden"
    sheet.freeze_panes = "A2"
    return places


def _members(name: str) -> pl.DataFrame:
    """Codes of a list with what they mean."""
    if name == "ward":
        since = pl.col("valid_from").dt.strftime(f"{said('từ', 'since')} %d/%m/%Y")
        units = ward.units().sort("valid_from", "code", descending=[True, False])
        where = pl.concat_str("name", "district", "province", separator=", ", ignore_nulls=True)
        meaning = pl.concat_str(where, since, separator=", ", ignore_nulls=True)
        return units.group_by("code", maintain_order=True).agg(meaning.str.join("; ").alias("meaning"))
    codes = pl.DataFrame(
        [(code.code, _meaning(code)) for code in code_list(name)], schema=["code", "meaning"], orient="row"
    )
    return codes.group_by("code", maintain_order=True).agg(pl.col("meaning").str.join("; "))


def _meaning(code: Code) -> str:
    """What a code means, and when, where that is known."""
    since = f", {said('từ', 'since')} {code.valid_from:%d/%m/%Y}" if code.valid_from else ""
    until = f", {said('trước', 'before')} {code.valid_to:%d/%m/%Y}" if code.valid_to else ""
    return said(code.name_vi, code.name_en) + since + until


def _write_guide(sheet: Worksheet, contract: Contract) -> None:
    file_format = contract.source.format
    other = Text(*(line.format(format=file_format.upper()) for line in _OTHER_FORMAT))
    sending = [_FORMATS.get(file_format, other)]
    if contract.source.archive:
        sending.append(Text("Sau đó nén tệp CSV thành một tệp ZIP.", "Then pack the CSV file into a ZIP."))
    data = first(_DATA)
    filling = Text(
        f"Điền vào trang “{data}”, mỗi bản ghi một dòng; không đổi dòng tiêu đề. Trước khi gửi: citydw check TỆP",
        f"Fill in sheet “{data}”, a row for each record; leave the header as it is. Before sending: citydw check FILE",
    )
    for line in (
        told(contract.title) + f" ({contract.id})",
        *(line for text in (*sending, filling) for line in told(text, "\n").split("\n")),
        "",
    ):
        sheet.append([line])
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    top = sheet.max_row + 1
    meanings = [{"vi": "Ý nghĩa", "en": "Meaning"}[language] for language in city().languages]
    before = (said("Cột", "Column"), said("Tên", "Label"), said("Bắt buộc", "Required"))
    widths = (26, 30, 16, *[60] * len(meanings), 26)
    for at, title in enumerate((*before, *meanings, said("Ví dụ", "Example")), start=1):
        _title(sheet, top, at, title)
        sheet.column_dimensions[get_column_letter(at)].width = widths[at - 1]
    for row, column in enumerate(contract.columns, start=top + 1):
        required = said("có", "yes") if column.required else ""
        described = [getattr(column.description, language) for language in city().languages]
        for at, text in enumerate((column.source_name, column.label, required, *described, column.example), start=1):
            cell = sheet.cell(row, at, text)
            cell.number_format = _TEXT
            cell.alignment = Alignment(vertical="top", wrap_text=3 < at < 4 + len(described))


def _title(sheet: Worksheet, row: int, column: int, text: str) -> None:
    cell = sheet.cell(row, column, text)
    cell.font = Font(bold=True, color="FFFFFF")
    cell.fill = PatternFill("solid", fgColor=_DARK)


def _explanation(column: Column) -> Iterator[str]:
    must = said("bắt buộc", "required") if column.required else said("không bắt buộc", "optional")
    yield f"{column.label} ({must})"
    yield told(column.description, "\n")
    yield f"{said('Ví dụ', 'Example')}: {column.example}"
