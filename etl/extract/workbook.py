"""What is inside an .xlsx file, looked through before calamine may have it.

calamine lays a sheet out as one dense table from its first filled cell to its last, copies a shared text into every
cell that names it, and gives a formula that was never computed and one that failed alike as an empty cell. So the parts
of the file are read through first, as a stream, for what would cost too much and for what would be lost without a word.
"""

from __future__ import annotations

import io
import posixpath
import re
import xml.parsers.expat as expat
import zipfile
from functools import cache

from lxml import etree

from etl.delivery import Stop
from etl.extract.archive import BROKEN
from etl.extract.bounded import bomb, check_columns, check_emptiness, most_unpacked
from etl.settings import Limits

Cell = tuple[int, int]  # row and column, counted from 0

_CHUNK = 1 << 18
_WORKBOOK, _RELATIONS, _TEXTS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml"
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def look_through(content: bytes, limits: Limits) -> dict[Cell, str]:
    """Refuse a workbook that holds macros or asks for too much.

    Returns:
        Cells of the first sheet whose formula gives no value, each with the rule that says so.

    Raises:
        Stop: if this is no .xlsx, holds macros, unpacks to too much, or is nearly all empty.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [member.filename for member in archive.infolist()]
            if any(name.lower().endswith("vbaproject.bin") or "/macrosheets/" in name.lower() for name in names):
                raise Stop("rejected", "excel_macros")
            _check_unpacked_size(archive, most_unpacked(len(content), limits))
            first = _first_sheet(archive)
            book = _Book()
            for name in sorted(names, key=lambda name: name != _TEXTS):
                book.read(archive, name)
                check_columns(book.columns, limits)
            if book.text > limits.unpacked_bytes:
                raise bomb(limits.unpacked_bytes)
            check_emptiness(book.area, book.filled, limits)
            return book.valueless.get(first, {})
    except (*BROKEN, etree.XMLSyntaxError, expat.ExpatError, LookupError) as error:
        raise Stop("rejected", "unreadable_excel", detail=type(error).__name__) from None


def _check_unpacked_size(archive: zipfile.ZipFile, most: int) -> None:
    size = 0
    for member in archive.infolist():
        with archive.open(member) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise bomb(most)


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """Name of the part that holds the first sheet, as calamine counts."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    sheet = etree.fromstring(archive.read(_WORKBOOK), parser).findall(".//{*}sheet")[0]
    (relation,) = (value for name, value in sheet.items() if name.endswith("}id"))
    relations = etree.fromstring(archive.read(_RELATIONS), parser).findall("{*}Relationship")
    targets = {r.attrib["Id"]: r.attrib["Target"] for r in relations}
    return posixpath.normpath(posixpath.join("/xl", targets[relation])).lstrip("/")


class _Book:
    """What calamine would make of the parts read so far.

    Attributes:
        area: cells of the dense tables.
        filled: cells that have a value.
        columns: of the widest sheet.
        text: characters of shared texts, counted in each cell that names one.
        valueless: cells whose formula gives no value, by part.
    """

    def __init__(self) -> None:
        self.area = self.filled = self.columns = self.text = 0
        self.valueless: dict[str, dict[Cell, str]] = {}
        self._shared: list[int] = []  # characters of each shared text

    def read(self, archive: zipfile.ZipFile, name: str) -> None:
        """Read one part, if it is XML."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        self._cell: Cell = (-1, -1)
        self._valueless = self.valueless.setdefault(name, {})
        self._last: Cell = (-1, -1)  # the corner of what is filled
        self._in_cell = self._in_text = self._computed = False
        self._kind, self._value = "n", ""
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        with archive.open(name) as stream:
            chunk = stream.read(_CHUNK)
            if not chunk.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or name.endswith(".vml"):
                return
            while chunk:
                parser.Parse(chunk)
                chunk = stream.read(_CHUNK)
            parser.Parse(b"", True)
        rows, columns = self._last[0] + 1, self._last[1] + 1
        self.area += rows * columns
        self.columns = max(self.columns, columns)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                self._cell = (int(attributes.get("r", self._cell[0] + 2)) - 1, -1)
            case "c":
                self._cell = _position(attributes["r"]) if "r" in attributes else (self._cell[0], self._cell[1] + 1)
                self._kind = attributes.get("t", "n")
                self._in_cell, self._computed, self._value = True, False, ""
            case "f":
                self._computed = True
            case "v" | "t":
                self._in_text, self._value = True, ""
            case "si":
                self._shared.append(0)

    def _characters(self, text: str) -> None:
        if self._in_text:
            self._value += text

    def _end(self, name: str) -> None:
        match name.rpartition(":")[2]:
            case "v" | "t":
                self._in_text = False
                if self._in_cell and self._value:
                    self.filled += 1
                    self._last = (max(self._last[0], self._cell[0]), max(self._last[1], self._cell[1]))
                elif self._shared and not self._in_cell:
                    self._shared[-1] += len(self._value)
            case "c" if self._in_cell:
                self._in_cell = False
                if self._kind == "s" and self._value:
                    self.text += self._shared[int(self._value)]
                elif self._kind == "e":
                    self._valueless[self._cell] = "formula_failed"
                elif self._computed and not self._value and self._kind != "str":
                    self._valueless[self._cell] = "formula_not_computed"


def _position(reference: str) -> Cell:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError("no reference of a cell")
    return int(match[2]) - 1, _column(match[1])


@cache
def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
