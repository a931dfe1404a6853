"""Corrections: by what a workbook of rejected rows is known again when it comes back mended.

A hidden sheet bears the delivery's id as its name, and a second one a seal: only who holds the installation's key can
make it, and it holds for these rows of this delivery alone. Excel, LibreOffice and their like keep both, whatever the
file is renamed to, and they stand in a small part of the file that is read without opening the workbook as such.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import xml.parsers.expat as expat
import zipfile
import zlib
from dataclasses import dataclass
from datetime import date

import polars as pl
from upath import UPath

from etl.contract import Text
from etl.contract.city import told
from etl.delivery.columns import ROW
from etl.delivery.model import Delivery
from etl.delivery.storage import Storage

# Our columns in the workbook, before the sender's own.
_OURS = (
    Text("Dòng trong tệp đã gửi", "Row in the file you sent"),
    Text("Ô cần sửa", "Cell to mend"),
    Text("Lỗi", "What is wrong"),
    Text("Ví dụ đúng", "A right value"),
    Text("Quy tắc", "Rule"),
    Text("Dòng đã gửi", "The line as sent"),
)
MOST_CORRECTIONS = 99  # of one delivery; more of them count as the last one

_ID = re.compile(
    r"(?P<of>(?P<day>\d{8})-r(?P<revision>[1-9]\d{0,8})(?:w(?P<word>[1-9]\d{0,4}))?-(?P<hash>[0-9a-f]{12}))"
    r" c(?P<number>[1-9]\d?)"
)
_PACKED = re.compile(r"[A-Z2-7]{26}")  # the same, where an id is too long for a sheet's name
_SEAL = re.compile(r"[a-z2-7]{26}")
_WORKBOOK = "xl/workbook.xml"
_LARGEST = 1 << 20  # of that part, and of the archive's directory
_TAIL = 1 << 16
_LONGEST_SHEET = 31  # characters that Excel takes
_NO_WORKBOOK = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError)
_DIRECTORY_END = b"PK\x05\x06"


def ours() -> list[str]:
    """Names of our columns in the workbook, in the city's languages; the first is of the row's number."""
    return [told(name) for name in _OURS]


@dataclass(frozen=True)
class Mark:
    """What a workbook of rejected rows says of itself.

    Attributes:
        of: id of the delivery whose rows they are.
        number: which workbook of that delivery this is, from 1: a later one has the last word.
        seal: see `seal`; None if it bears none.
    """

    of: str
    number: int
    seal: str | None = None

    @property
    def sheet(self) -> str:
        """The hidden sheet's name."""
        name = f"{self.of} c{self.number}"
        return name if len(name) <= _LONGEST_SHEET else _packed(name)

    @property
    def as_of(self) -> date:
        """The period of the delivery that is corrected."""
        return date.fromisoformat(self.of[:8])

    @property
    def revision(self) -> int:
        """The revision of the delivery that is corrected."""
        return int(self.of.split("-")[1][1:].partition("w")[0])


def _packed(name: str) -> str:
    """A mark's name as 26 letters and digits: its numbers, side by side, and its hash."""
    found = _ID.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no mark")
    numbers = int(f"{found['day']}{found['revision']:>09}{found['word'] or 0:>05}{found['number']:>02}")
    return base64.b32encode(((numbers << 48) + int(found["hash"], 16)).to_bytes(16)).decode().rstrip("=")


def _unpacked(packed: str) -> str:
    """The name that `_packed` made something of."""
    numbers, hashed = divmod(int.from_bytes(base64.b32decode(f"{packed}======")), 1 << 48)
    digits = f"{numbers:024}"
    day, revision, word, number = digits[:8], int(digits[8:17]), int(digits[17:22]), int(digits[22:])
    return f"{day}-r{revision}{f'w{word}' if word else ''}-{hashed:012x} c{number}"


def is_mark(sheet: str) -> bool:
    """Whether a sheet of that name is a hidden one of a workbook of rejected rows."""
    return any(form.fullmatch(sheet) for form in (_ID, _PACKED, _SEAL))


def mark_for(storage: Storage, delivery: Delivery, number: int, key: bytes) -> Mark:
    """The mark of a workbook with a delivery's rejected rows; those of a correction are still the first delivery's.

    Args:
        storage: the data root.
        delivery: the delivery, or a correction of it.
        number: which workbook of the first delivery, from 1.
        key: the installation's secret.
    """
    first = storage.delivery(delivery.agency, delivery.dataset, delivery.corrects or delivery.id)
    number = min(number, MOST_CORRECTIONS)
    return Mark(first.id, number, seal(key, first, number, sent_back(storage, first)))


def seal(key: bytes, delivery: Delivery, number: int, rows: pl.Series) -> str:
    """What proves that a workbook is ours: a keyed hash (HMAC-SHA-256) over whose rows it holds and which.

    Args:
        key: the installation's secret.
        delivery: whose rejected rows they are; of a correction, the delivery that it corrects.
        number: which workbook of that delivery.
        rows: numbers of all rows of the delivery that were sent back, ascending.
    """
    about = (delivery.agency, delivery.dataset, delivery.sha256, delivery.id, number, *rows)
    made = hmac.digest(key, "\0".join(map(str, about)).encode(), hashlib.sha256)
    return base64.b32encode(made[:16]).decode().rstrip("=").lower()


def sent_back(storage: Storage, delivery: Delivery) -> pl.Series:
    """Numbers of the rows of a delivery that were sent back, ascending."""
    found = pl.scan_parquet(str(storage.folder("validated", delivery) / "problems.parquet"))
    rejected = found.filter(pl.col("severity") == "critical").select(pl.col(ROW).drop_nulls().unique().sort())
    return rejected.collect().to_series()


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
                sent = _sheets(part.read(_LARGEST))
        names = [_unpacked(name) if _PACKED.fullmatch(name) else name for name in sent]
        found = next(match for name in names if (match := _ID.fullmatch(name)))
        mark = Mark(found["of"], int(found["number"]), next(filter(_SEAL.fullmatch, sent), None))
        _ = mark.as_of  # a real date
        return mark
    except (*_NO_WORKBOOK, expat.ExpatError, KeyError, StopIteration):
        return None


def _sheets(part: bytes) -> list[str]:
    """The names of a workbook's sheets; a parser takes time in proportion to the part, whatever is in it."""
    names: list[str] = []

    def start(element: str, attributes: dict[str, str]) -> None:
        if element.rpartition(":")[2] == "sheet":
            names.append(attributes.get("name", ""))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.Parse(part, True)
    return names
