"""What an Excel workbook would ask for, looked at before it is opened.

calamine lays a sheet out as a full rectangle, so that a single cell in the last row and column of a tiny file asks for
17 thousand million cells. And it gives nothing for a formula whose result the sender's program did not store.
"""

from __future__ import annotations

import io
import re
import zipfile

from etl.delivery import Stop
from etl.extract.archive import read_member
from etl.limits import LIMITS

_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_ROW_OR_CELL = re.compile(
    rb'<(?:\w+:)?(?:(?P<row>row)|c)(?=[\s/>])(?:[^>]*?\sr="(?P<column>[A-Za-z]{0,3})(?P<number>\d{0,7})")?[^>]*>'
)
_NO_RESULT = re.compile(
    rb"<(?:\w+:)?c\s[^>]*>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*(?:/>|></(?:\w+:)?v>)\s*)?</(?:\w+:)?c>"
)


def check(content: bytes) -> None:
    """Look into an .xlsx before it is opened; an older .xls cannot span more than 65,536 rows and 256 columns.

    Raises:
        Stop: if it holds macros, unpacks to too much, spans too many cells, or has formulas without results.
        zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError: if it is damaged.
    """
    if not content.startswith(b"PK"):
        return
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        if any(name.lower().endswith("vbaproject.bin") for name in book.namelist()):
            raise Stop("rejected", "excel_macros")
        unpacked = 0
        for member in book.infolist():
            part = read_member(book, member)
            unpacked += len(part)
            if unpacked > LIMITS.unpacked_bytes:
                raise Stop("rejected", "zip_bomb", limit=f"{LIMITS.unpacked_bytes:,}")
            if _SHEET.fullmatch(member.filename):
                _check_sheet(part)


def _check_sheet(sheet: bytes) -> None:
    without = _NO_RESULT.search(sheet)
    if without:
        place = next(_ROW_OR_CELL.finditer(without[0]))
        raise Stop("held", "formula_without_result", cell=b"".join(place.group("column", "number")).decode())
    rows = columns = row = column = 0
    for found in _ROW_OR_CELL.finditer(sheet):
        if found["row"]:
            row, column = int(found["number"] or row + 1), 0
        else:  # a cell without a reference stands behind the one before it
            column = _column(found["column"]) if found["column"] else column + 1
            rows, columns = max(rows, row, int(found["number"] or 0)), max(columns, column)
    if rows * columns > LIMITS.sheet_cells:
        raise Stop(
            "rejected", "too_many_cells", rows=f"{rows:,}", columns=f"{columns:,}", limit=f"{LIMITS.sheet_cells:,}"
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number
