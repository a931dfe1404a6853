"""Excel as offices really send it: titles above the header, merged cells, dates as dates or as text.

calamine reads both .xlsx and .xls, fast, and computes no formula; it also gives the merged ranges.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineError, CalamineWorkbook

from etl.contract import Contract, Source
from etl.delivery import Stop
from etl.extract import workbook
from etl.extract.table import Table, text_rows

_UNREADABLE = (CalamineError, OSError, ValueError, IndexError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
_HEADER_WITHIN = 50  # rows from the top in which the header row must stand


def read(content: bytes, source: Source, contract: Contract) -> Table:
    """Cut the first sheet into cells; the row number is Excel's own.

    Raises:
        Stop: if this is no workbook that can be read, it asks for too much, or no row looks like the contract's header.
    """
    try:
        workbook.check(content)
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheet = book.get_sheet_by_index(0)
        cells, *others = [book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names]
    except _UNREADABLE as error:
        raise Stop("rejected", "unreadable_excel", detail=type(error).__name__) from None
    if not any(_words(cell) for row in cells for cell in row):
        raise Stop("rejected", "empty_file")
    if any(_header_row(other, contract) is not None for other in others):
        raise Stop("held", "several_sheets")
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        for row in range(top, min(bottom, len(cells) - 1) + 1):
            for column in range(left, min(right, len(cells[row]) - 1) + 1):
                cells[row][column] = cells[top][left]

    header_at = _header_row(cells, contract)
    if header_at is None:
        raise Stop("held", "missing_column", columns=", ".join(c.label for c in contract.columns if c.required))
    header = [_words(cell) for cell in cells[header_at]]
    unnamed = [at for at, name in enumerate(header) if not name and any(_words(r[at]) for r in cells[header_at + 1 :])]
    unclear = [f"cột / column {at + 1}" for at in unnamed] + sorted({n for n in header if n and header.count(n) > 1})
    if unclear:
        raise Stop("held", "extra_column", columns=", ".join(unclear))
    names = {name: at for at, name in enumerate(header) if name and name != "STT"}  # STT: the form's own row counter
    formats = {c.source_name: c.format for c in contract.columns}
    numbers, records = [], []
    for number, row in enumerate(cells[header_at + 1 :], start=header_at + 2):
        record = {name: _text(row[at], formats.get(name)) for name, at in names.items()}
        if any(record.values()):
            numbers.append(number)
            records.append(record)
    return Table(text_rows(numbers, records, list(names)))


def _header_row(cells: list[list[object]], contract: Contract) -> int | None:
    """Index of the row that names most of the contract's columns; None if no row names half of them."""
    wanted = {c.source_name for c in contract.columns}
    found = [len(wanted & {_words(cell) for cell in row}) for row in cells[:_HEADER_WITHIN]]
    return found.index(max(found)) if found and max(found) * 2 >= len(wanted) else None


def _words(cell: object) -> str:
    return " ".join(str(cell).split())


def _text(cell: object, jdk_format: str | None) -> str | None:
    """A cell as the sender would have written it as text; dates in the column's declared notation."""
    match cell:
        case "" | None:
            return None
        case bool():
            return str(cell).lower()
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() | date():
            return cell.strftime(_strftime(jdk_format or ("dd/MM/yyyy HH:mm:ss" if _has_time(cell) else "dd/MM/yyyy")))
        case time() | timedelta():
            return str(cell)
        case _:
            return str(cell)


def _has_time(cell: date) -> bool:
    return isinstance(cell, datetime) and cell.time() != time()


def _strftime(jdk_format: str) -> str:
    for jdk, strftime in {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}.items():
        jdk_format = jdk_format.replace(jdk, strftime)
    return jdk_format.replace("'", "")
