"""What is inside an .xls file, looked through before calamine may have it, for the reasons that `workbook` gives."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import olefile

from etl.delivery import Stop
from etl.extract.archive import BROKEN
from etl.extract.bounded import check_columns, check_emptiness
from etl.settings import Limits

# Records of BIFF: [MS-XLS] 2.3
_SHEET, _BEGIN, _PASSWORD, _FORMULA, _ERROR, _SEVERAL = 0x85, 0x809, 0x2F, 0x06, 0x205, 0xBD
_CELLS = {_FORMULA, _ERROR, _SEVERAL, 0x203, 0x204, 0xFD, 0x27E, 0xD6}


def look_through(content: bytes, limits: Limits) -> dict[tuple[int, int], str]:
    """Refuse a workbook that holds macros or asks for too much.

    Returns:
        Cells of the first sheet whose formula gives no value, each with the rule that says so.

    Raises:
        Stop: if this is no .xls that can be read, has a password, holds macros, or is nearly all empty.
    """
    try:
        with olefile.OleFileIO(content) as file:
            if any("_VBA_PROJECT" in part.upper() for path in file.listdir(storages=True) for part in path):
                raise Stop("rejected", "excel_macros")
            stream = file.openstream("Workbook" if file.exists("Workbook") else "Book").read()
        return _look_through(stream, limits)
    except (*BROKEN, LookupError, TypeError, AttributeError, struct.error) as error:
        raise Stop("rejected", "unreadable_excel", detail=type(error).__name__) from None


def _look_through(stream: bytes, limits: Limits) -> dict[tuple[int, int], str]:
    sheets: list[int] = []  # where each begins, in their order
    corners: dict[int, tuple[int, int]] = {}  # rows and columns of each
    valueless: dict[int, dict[tuple[int, int], str]] = {}
    sheet = filled = 0
    for at, kind, body in _records(stream):
        if kind == _SHEET:
            sheets.append(struct.unpack_from("<I", body)[0])
        elif kind == _PASSWORD:
            raise Stop("rejected", "unreadable_excel", detail="password")
        elif kind == _BEGIN:
            sheet = at
        elif kind in _CELLS:
            row, column = struct.unpack_from("<HH", body)
            last = struct.unpack_from("<H", body, len(body) - 2)[0] if kind == _SEVERAL else column
            rows, columns = corners.get(sheet, (0, 0))
            corners[sheet] = (max(rows, row + 1), max(columns, last + 1))
            filled += 1
            failed = body[7:8] == b"\1" if kind == _ERROR else body[6:7] == b"\2" and body[12:14] == b"\xff\xff"
            if failed and kind in (_ERROR, _FORMULA):
                valueless.setdefault(sheet, {})[row, column] = "formula_failed"
    check_columns(max((columns for _, columns in corners.values()), default=0), limits)
    check_emptiness(sum(rows * columns for rows, columns in corners.values()), filled, limits)
    return valueless.get(sheets[0], {})


def _records(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, kind and body of each record."""
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield at, kind, stream[at + 4 : at + 4 + size]
        at += 4 + size
