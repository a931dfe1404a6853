"""The workbook: rejected rows exactly as sent, as text, with what is wrong beside them, ready to be mended and sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl
from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet
from openpyxl.worksheet.dimensions import ColumnDimension
from upath import UPath

from etl.contract import Contract, Text
from etl.contract.city import first, said, told
from etl.delivery.columns import RECEIVED, ROW, UNKNOWN
from etl.delivery.correction import Mark, ours
from etl.delivery.problems import MISREAD, READS
from etl.receipt.facts import examples

_LONGEST = 32_767  # characters that a cell of Excel takes
_TOO_LONG = Text(
    "⚠ Quá dài cho Excel, hãy gửi lại bản ghi này trong tệp dữ liệu", "⚠ Too long for Excel: send it in a data file"
)
# Excel takes none of these. A row is not understood while it holds the mark that stands for them, so none is lost.
_CONTROL = dict.fromkeys((*range(9), *range(14, 32), 0xFFFE, 0xFFFF), "\ufffd") | {0x0B: " ", 0x0C: " "}
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")  # Excel would read _x0041_ as A
_GUIDE = Text(
    "Sửa các ô tô màu rồi lưu lại, gửi tệp này vào thư mục như khi gửi dữ liệu. Giữ nguyên dòng tiêu đề.",
    "Mend the coloured cells, save, and drop this file into the folder that you send to. Leave the header as it is.",
)
_MARK_SAYS = Text(
    "Trang này cho biết các dòng thuộc lần giao nào; xin giữ nguyên.", "It says whose rows these are; leave it."
)
_THIN = Side(style="thin", color="D5DDE2")
_FILLS = {"ours": "EEF2F4", "faulty": "FBD5C5", "header": "1F4E66"}
_WIDTHS = (14, 26, 60, 20, 22, 30)
_OWN_WIDTH = 20


def as_sent(rows: pl.LazyFrame, contract: Contract) -> pl.LazyFrame:
    """Rows of `raw/` under the sender's column names, as the text that was sent: ROW, then the columns."""
    names = rows.collect_schema().names()
    columns = [
        pl.col(f"{RECEIVED}{c.name}" if f"{RECEIVED}{c.name}" in names else c.name).alias(c.source_name)
        for c in contract.columns
    ]
    unknown = [pl.col(name).alias(name.removeprefix(UNKNOWN)) for name in names if name.startswith(UNKNOWN)]
    return rows.select(ROW, *columns, *unknown)


def write_workbook(
    path: UPath,
    contract: Contract,
    sent: pl.DataFrame,
    problems: pl.DataFrame,
    mark: Mark | None,
) -> None:
    """Write the workbook.

    Args:
        path: where to.
        contract: the dataset's.
        sent: the rejected rows in the order to show them: ROW, `row_in_file` (the number to show), and the sender's
            columns; these are null for a line that could not be cut into cells.
        problems: those that reject the rows (PROBLEM schema).
        mark: by which the workbook is known when it comes back; None if it may not.
    """
    book = Workbook(write_only=True)
    sheet = book.create_sheet(first(Text("Dòng bị trả lại", "Rows sent back")))
    own = sent.columns[2:]
    for at, width in enumerate(_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    behind = len(_WIDTHS) + 1  # one width for all of them is written much faster than one for each
    widths = ColumnDimension(sheet, min=behind, max=len(_WIDTHS) + len(own), width=_OWN_WIDTH)
    sheet.column_dimensions[get_column_letter(behind)] = widths
    guide = told(_GUIDE, "\n").split("\n") if mark else []
    header_at = len(guide) + 1
    sheet.freeze_panes = f"B{header_at + 1}"
    looks = _Looks(sheet)
    for line in guide:
        sheet.append([looks.cell(line, "guide")])
    sheet.append([looks.cell(name, "header") for name in (*ours(), *own)])
    for cells in _rows(looks, contract, sent, problems):
        sheet.append(cells)
    sheet.auto_filter.ref = f"A{header_at}:{get_column_letter(len(ours()) + len(own))}{header_at + sent.height}"
    if mark:
        for name in filter(None, (mark.sheet, mark.seal)):
            hidden = book.create_sheet(name)
            hidden.sheet_state = "hidden"
            hidden.append([told(_MARK_SAYS)])
    with path.open("wb") as stream:
        book.save(stream)


def _rows(looks: _Looks, contract: Contract, sent: pl.DataFrame, problems: pl.DataFrame) -> Iterator[list[Cell]]:
    sources = {c.name: c for c in contract.columns}
    of_rules = examples(contract)
    own = sent.columns[2:]
    letters = {name: get_column_letter(len(ours()) + at) for at, name in enumerate(own, start=1)}
    found = problems.partition_by(ROW, as_dict=True)
    for number, row_in_file, *cells in sent.iter_rows():
        at_fault: set[str] = set()
        where, wrong, right, rules, lines = [], [], [], [], []
        for p in found[(number,)].iter_rows(named=True):
            column = sources.get(p["column"])
            wrong.append(said(p["vi"], p["en"], "\n"))
            rules.append(p["rule"])
            if column:
                at_fault.add(column.source_name)
                where.append(f"{column.source_name} ({said('cột', 'column')} {letters[column.source_name]})")
                reading = p["value"].rpartition(READS)[2] if p["rule"] == MISREAD else None
                right.append(reading or of_rules.get(p["rule"]) or column.example)
            elif p["value"] is not None:
                lines.append(p["value"])
        told = ("\n".join(dict.fromkeys(part)) for part in (where, wrong, right, rules, lines))
        is_no_record = all(cell is None for cell in cells)
        yield [
            *(looks.cell(text, "ours") for text in (str(row_in_file or ""), *told)),
            *(
                looks.cell(text, "faulty" if is_no_record or name in at_fault else "good")
                for name, text in zip(own, cells, strict=True)
            ),
        ]


class _Looks:
    """Cells that are text, and stay text when they are edited: what begins like a formula is none.

    A look is made once and copied, because making a style costs more than all else of a cell.
    """

    def __init__(self, sheet: WriteOnlyWorksheet) -> None:
        self._sheet = sheet
        self._looks = {name: self._made(name) for name in ("guide", "header", "ours", "good", "faulty")}

    def cell(self, text: str | None, look: str) -> Cell:
        """A cell with a text, or without one."""
        cell = WriteOnlyCell(self._sheet)
        cell._style = self._looks[look]._style  # type: ignore[attr-defined]
        if text:
            cell.value = _ESCAPE.sub("_x005F_", text.translate(_CONTROL)) if len(text) <= _LONGEST else told(_TOO_LONG)
            cell.data_type = "s"
        return cell

    def _made(self, look: str) -> Cell:
        cell = WriteOnlyCell(self._sheet)
        cell.number_format = "@"
        cell.quotePrefix = True
        cell.alignment = Alignment(vertical="top", wrap_text=look in ("header", "ours"))
        if look in _FILLS:
            cell.fill = PatternFill("solid", fgColor=_FILLS[look])
            cell.border = Border(_THIN, _THIN, _THIN, _THIN)
        if look in ("guide", "header"):
            cell.font = Font(bold=True, color="FFFFFF" if look == "header" else None)
        return cell
