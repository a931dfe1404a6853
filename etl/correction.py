"""Corrections: by what a workbook of rejected rows is known again when it comes back mended.

A hidden sheet bears the delivery's id as its name. Excel, LibreOffice and their like keep it, whatever the file is
renamed to, and it stands in a small part of the file that is read without opening the workbook as such.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from datetime import date

from upath import UPath

from etl.delivery import Delivery

# Our columns in the workbook, before the sender's own.
ROW_IN_FILE = "Dòng trong tệp đã gửi / Row in the file you sent"
OURS = (
    ROW_IN_FILE,
    "Ô cần sửa / Cell to mend",
    "Lỗi / What is wrong",
    "Ví dụ đúng / A right value",
    "Quy tắc / Rule",
    "Dòng đã gửi / The line as sent",
)
MOST_CORRECTIONS = 99  # of one delivery; more of them count as the last one

_ID = re.compile(r"(?P<of>(?P<period>\d{8})-r(?P<revision>[1-9]\d{0,3})-[0-9a-f]{12}) c(?P<number>[1-9]\d?)")
_SHEET = re.compile(rb"""<(?:\w+:)?sheet\s[^>]*?\bname=["']([^"']{1,40})["']""")
_WORKBOOK = "xl/workbook.xml"
_LARGEST = 1 << 20  # of that part, and of the archive's directory
_TAIL = 1 << 16
_NO_WORKBOOK = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError)
_DIRECTORY_END = b"PK\x05\x06"


@dataclass(frozen=True)
class Mark:
    """What a workbook of rejected rows says of itself.

    Attributes:
        of: id of the delivery whose rows they are.
        number: which workbook of that delivery this is, from 1: a later one has the last word.
    """

    of: str
    number: int

    @property
    def sheet(self) -> str:
        """The hidden sheet's name; Excel takes 31 characters."""
        return f"{self.of} c{self.number}"

    @property
    def as_of(self) -> date:
        """The period of the delivery that is corrected."""
        return date.fromisoformat(self.of[:8])

    @property
    def revision(self) -> int:
        """The revision of the delivery that is corrected."""
        return int(self.of.split("-")[1][1:])


def is_mark(sheet: str) -> bool:
    """Whether a sheet of that name is the hidden one of a workbook of rejected rows."""
    return _ID.fullmatch(sheet) is not None


def mark_for(delivery: Delivery, number: int) -> Mark:
    """The mark of a workbook with a delivery's rejected rows; those of a correction are still the first delivery's."""
    return Mark(delivery.corrects or delivery.id, min(number, MOST_CORRECTIONS))


def find_mark(file: UPath) -> Mark | None:
    """The mark of a file, or None; whatever the file is, next to nothing of it is read."""
    try:
        with file.open("rb") as stream:
            if stream.read(2) != b"PK":
                return None
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL))
            tail = stream.read()
            end = tail.rfind(_DIRECTORY_END)
            if end < 0 or int.from_bytes(tail[end + 12 : end + 16], "little") > _LARGEST:
                return None
            with zipfile.ZipFile(stream) as archive, archive.open(_WORKBOOK) as part:
                names = [name.decode("ascii", "replace") for name in _SHEET.findall(part.read(_LARGEST))]
        found = next(match for name in names if (match := _ID.fullmatch(name)))
        mark = Mark(found["of"], int(found["number"]))
        _ = mark.as_of  # a real date
        return mark
    except (*_NO_WORKBOOK, KeyError, StopIteration):
        return None
