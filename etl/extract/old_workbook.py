"""What is inside an .xls file, looked through before calamine may have it, for the reasons that `workbook` gives."""

from __future__ import annotations

import io
import struct
from collections import defaultdict
from collections.abc import Iterator

import olefile

from etl.delivery.messages import Stop
from etl.extract.archive import BROKEN
from etl.extract.bounded import check_columns, check_emptiness
from etl.extract.file_kind import locked_workbook, no_workbook
from etl.extract.number_format import GENERAL, code_of
from etl.extract.sheet import Sheet
from etl.settings import Limits

# Records of BIFF: [MS-XLS] 2.3
_SHEET, _BEGIN, _PASSWORD, _FORMULA, _ERROR, _SEVERAL = 0x85, 0x809, 0x2F, 0x06, 0x205, 0xBD
_NUMBER, _SHORT_NUMBER, _ROW, _COLUMNS, _FORMAT, _STYLE = 0x203, 0x27E, 0x208, 0x7D, 0x41E, 0xE0
_CALENDAR, _COMPUTED_BY, _DIMENSIONS = 0x22, 0x1C1, 0x200
_CELLS = {_FORMULA, _ERROR, _SEVERAL, _NUMBER, 0x204, 0xFD, _SHORT_NUMBER, 0xD6}
_MOST_ROWS, _MOST_COLUMNS = 1 << 16, 1 << 8  # of a sheet, in this format
_OF_NOW = 0x0600  # BOF's version of Excel 97 and later
_ZERO, _EMPTY = b"\0" * 8, b"\3\0\0\0\0\0\xff\xff"  # results that programs which compute nothing store


def look_through(content: bytes, limits: Limits) -> list[Sheet]:
    """Refuse a workbook that holds macros or asks for too much.

    Returns:
        What is to be known of its sheets, in their order.

    Raises:
        Stop: if this is no .xls that can be read, has a password, holds macros, or is nearly all empty.
    """
    try:
        with olefile.OleFileIO(content) as file:
            if any("_VBA_PROJECT" in part.upper() for path in file.listdir(storages=True) for part in path):
                raise Stop("rejected", "excel_macros")
            if file.exists("EncryptedPackage"):  # an .xlsx with a password
                raise locked_workbook()
            stream = file.openstream("Workbook" if file.exists("Workbook") else "Book").read()
        return _look_through(stream, limits)
    except (*BROKEN, LookupError, TypeError, AttributeError, struct.error):
        raise no_workbook(io.BytesIO(content)) from None


def _look_through(stream: bytes, limits: Limits) -> list[Sheet]:
    begins: list[int] = []  # of the sheets, in their order
    corners: dict[int, tuple[int, int]] = {}  # rows and columns of each
    sheets: defaultdict[int, Sheet] = defaultdict(Sheet)
    custom: dict[int, str] = {}
    styles: list[int] = []
    here = filled = 0
    version = 0
    parts = set[int]()  # where the parts of the file begin
    is_1904 = is_by_excel = False
    for at, kind, body in _records(stream):
        if kind == _SHEET:
            begins.append(struct.unpack_from("<I", body)[0])
        elif kind == _PASSWORD:
            raise locked_workbook()
        elif kind == _BEGIN:
            here, version = at, struct.unpack_from("<H", body)[0]
            parts.add(at)
        elif kind == _DIMENSIONS:  # calamine makes room for it before it has read a cell
            first_row, rows, first_column, columns = struct.unpack_from(
                "<IIHH" if version == _OF_NOW else "<HHHH", body
            )
            if not (first_row <= rows <= _MOST_ROWS and first_column <= columns <= _MOST_COLUMNS):
                raise ValueError("more than a sheet can hold")
        elif kind == _FORMAT:
            custom[struct.unpack_from("<H", body)[0]] = _format(body, version)
        elif kind == _STYLE:
            styles.append(struct.unpack_from("<H", body, 2)[0])
        elif kind == _CALENDAR:
            is_1904 = body[0] == 1
        elif kind == _COMPUTED_BY:
            is_by_excel = True
        elif kind == _ROW and body[12] & 0x20:
            sheets[here].hidden_rows.append(struct.unpack_from("<H", body)[0])
        elif kind == _COLUMNS and body[8] & 1:
            first, last = struct.unpack_from("<HH", body)
            sheets[here].hidden_columns.update(range(first, min(last, 255) + 1))
        elif kind in _CELLS:
            row, column = struct.unpack_from("<HH", body)
            last = struct.unpack_from("<H", body, len(body) - 2)[0] if kind == _SEVERAL else column
            rows, columns = corners.get(here, (0, 0))
            corners[here] = (max(rows, row + 1), max(columns, last + 1))
            filled += 1
            rule = _without_value(kind, body, is_by_excel)
            if rule:
                sheets[here].valueless[column][row] = rule
            for place, style, number in _numbers(kind, body, column) if not rule else ():
                code = code_of(styles[style], custom) if style < len(styles) else GENERAL
                sheets[here].add_number(row, place, number, code, is_1904)
    if not parts.issuperset(begins) or len(set(begins)) < len(begins):
        # calamine begins to read where a sheet is said to be, and reads one as often as it is named.
        raise ValueError("a sheet that is no part of its own")
    check_columns(max((columns for _, columns in corners.values()), default=0), limits)
    check_emptiness(sum(rows * columns for rows, columns in corners.values()), filled, limits)
    return [sheets[begin] for begin in begins]


def _without_value(kind: int, body: bytes, is_by_excel: bool) -> str | None:
    """The rule that says why a cell's formula gives no value; None if it gives one."""
    if kind == _ERROR:
        return "formula_failed" if body[7:8] == b"\1" else None
    if kind != _FORMULA:
        return None
    if body[6:7] == b"\2" and body[12:14] == b"\xff\xff":
        return "formula_failed"
    is_to_compute = bool(body[14] & 3)  # when the file is opened, or always
    is_nothing = body[6:14] == _EMPTY and not is_by_excel
    return "formula_not_computed" if is_nothing or (is_to_compute and body[6:14] in (_ZERO, _EMPTY)) else None


def _numbers(kind: int, body: bytes, column: int) -> Iterator[tuple[int, int, float]]:
    """Column, style and number of each number in a record."""
    if kind == _NUMBER or (kind == _FORMULA and body[12:14] != b"\xff\xff"):
        style, number = struct.unpack_from("<Hd", body, 4)
        yield column, style, number
    elif kind == _SHORT_NUMBER:
        style, short = struct.unpack_from("<HI", body, 4)
        yield column, style, _long(short)
    elif kind == _SEVERAL:
        for n, (style, short) in enumerate(struct.iter_unpack("<HI", body[4 : len(body) - 2])):
            yield column + n, style, _long(short)


def _long(short: int) -> float:
    """The number of an RK: the upper 30 bits of a float or an integer, and whether to divide by 100."""
    bits = short & ~3
    signed = struct.unpack("<i", struct.pack("<I", bits))[0] >> 2
    number: float = signed if short & 2 else struct.unpack("<d", struct.pack("<II", 0, bits))[0]
    return float(number / 100 if short & 1 else number)


def _format(body: bytes, version: int) -> str:
    if version < _OF_NOW:
        return body[3 : 3 + body[2]].decode("latin-1")
    size, is_wide = struct.unpack_from("<HB", body, 2)
    return body[5 : 5 + 2 * size].decode("utf-16-le") if is_wide & 1 else body[5 : 5 + size].decode("latin-1")


def _records(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, kind and body of each record."""
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield at, kind, stream[at + 4 : at + 4 + size]
        at += 4 + size
