"""What is inside an .xlsx file, looked through before calamine may have it.

calamine lays a sheet out as one dense table from its first filled cell to its last, copies a shared text into every
cell that names it, and gives a formula that was never computed and one that failed alike as an empty cell; it tells no
formats of numbers, and nothing of what is hidden. So the parts of the file are read through first, as a stream, for
what would cost too much and for what would be lost without a word.
"""

from __future__ import annotations

import io
import posixpath
import re
import struct
import xml.parsers.expat as expat
import zipfile
from functools import cache

from lxml import etree

from etl.delivery.messages import Stop
from etl.extract.archive import BROKEN
from etl.extract.bounded import bomb, check_columns, check_emptiness, most_unpacked
from etl.extract.file_kind import no_workbook
from etl.extract.number_format import GENERAL, code_of
from etl.extract.sheet import MOST_COLUMNS, Sheet
from etl.settings import Limits

Cell = tuple[int, int]  # row and column, counted from 0

_CHUNK = 1 << 18
_END = struct.Struct("<4s4H2LH")  # of a ZIP without a comment: what says where the list of its members is
_ROOT, _WORKBOOK, _RELATIONS = "_rels/.rels", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_TEXTS, _STYLES = "xl/sharedstrings.xml", "xl/styles.xml"  # calamine finds parts whatever the case of their names
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
_YES = ("1", "true")
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def look_through(content: bytes, limits: Limits) -> list[Sheet]:
    """Refuse a workbook that holds macros or asks for too much.

    Returns:
        What is to be known of its sheets, in their order.

    Raises:
        Stop: if this is no .xlsx, can be read in two ways, holds macros, unpacks to too much, or is nearly all empty.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [member.filename for member in archive.infolist()]
            if not _has_one_reading(archive, content):
                raise no_workbook(io.BytesIO(content))
            if any(name.lower().endswith("vbaproject.bin") or "/macrosheets/" in name.lower() for name in names):
                raise Stop("rejected", "excel_macros")
            _check_unpacked_size(archive, most_unpacked(len(content), limits))
            about = etree.fromstring(archive.read(_WORKBOOK), _PARSER)
            parts = _sheet_parts(about, archive)
            calendar, computing = about.find("{*}workbookPr"), about.find("{*}calcPr")
            book = _Book(
                {_TEXTS, _STYLES, *map(str.lower, parts)},
                is_1904=calendar is not None and calendar.get("date1904") in _YES,
                is_uncomputed=computing is not None and computing.get("fullCalcOnLoad") in _YES,
            )
            for name in sorted(names, key=lambda name: name.lower() not in (_TEXTS, _STYLES)):
                book.read(archive, name)
                check_columns(book.columns, limits)
            if book.text > limits.unpacked_bytes:
                raise bomb(limits.unpacked_bytes)
            check_emptiness(book.area, book.filled, limits)
            return [book.sheets[part.lower()] for part in parts]
    except (*BROKEN, etree.XMLSyntaxError, expat.ExpatError, LookupError):
        raise no_workbook(io.BytesIO(content)) from None


def _has_one_reading(archive: zipfile.ZipFile, content: bytes) -> bool:
    """Whether calamine finds the same parts in the archive: one list of them, at the end, where the file says it is.

    A file may hold several lists, or a name twice, and each program then chooses otherwise.
    """
    names = [member.filename.lower().replace("\\", "/") for member in archive.infolist()]
    end = content[-_END.size :]
    if archive.comment or len(set(names)) < len(names) or not content.startswith(b"PK\3\4") or len(end) < _END.size:
        return False
    *_, size, at, _ = _END.unpack(end)
    return bool(at == archive.start_dir and at + size == len(content) - _END.size)


def _check_unpacked_size(archive: zipfile.ZipFile, most: int) -> None:
    size = 0
    for member in archive.infolist():
        with archive.open(member) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise bomb(most)


def _sheet_parts(about: etree._Element, archive: zipfile.ZipFile) -> list[str]:
    """Names of the parts that hold the sheets, in the order in which calamine counts them.

    Raises:
        ValueError: if calamine could take other parts for them, or one of them twice.
    """
    there = {member.filename.lower() for member in archive.infolist()}
    for target in _targets(archive, _ROOT, of="/officeDocument").values():  # calamine reads the workbook beside it
        if posixpath.dirname(target) != "xl":
            raise ValueError("another workbook")
    targets = _targets(archive, _RELATIONS)
    parts = []
    for sheet in about.findall("{*}sheets/{*}sheet"):
        (relation,) = (value for name, value in sheet.items() if name.endswith("}id"))
        parts.append(targets[relation])
    names = {part.lower() for part in parts}
    if len(names) < len(parts) or not names <= there:
        raise ValueError("a sheet without a part of its own")
    return parts


def _targets(archive: zipfile.ZipFile, name: str, of: str = "") -> dict[str, str]:
    """The parts that a part of relations names, by their ids; of the types that end so.

    Raises:
        ValueError: if a name can be understood in two ways.
    """
    relations = etree.fromstring(archive.read(name), _PARSER).findall("{*}Relationship")
    targets: dict[str, str] = {}
    for relation in relations:
        target, its_id = relation.attrib["Target"], relation.attrib["Id"]
        if not relation.get("Type", "").endswith(of) or relation.get("TargetMode") == "External":
            continue
        if its_id in targets:
            raise ValueError("two parts of one id")
        base = posixpath.dirname(posixpath.dirname(name))
        path = target[1:] if target.startswith("/") else posixpath.join(base, target)
        if path != posixpath.normpath(path) or "\\" in path or "%" in path:
            raise ValueError("a roundabout name")
        targets[its_id] = path
    return targets


def _formats(archive: zipfile.ZipFile, name: str) -> list[str]:
    """The number format of each style."""
    styles = etree.fromstring(archive.read(name), _PARSER)
    custom = {int(f.attrib["numFmtId"]): f.attrib["formatCode"] for f in styles.findall("{*}numFmts/{*}numFmt")}
    return [code_of(int(style.get("numFmtId", "0")), custom) for style in styles.findall("{*}cellXfs/{*}xf")]


class _Book:
    """What calamine would make of the parts read so far.

    Attributes:
        area: cells of the dense tables.
        filled: cells that have a value.
        columns: of the widest sheet.
        text: characters of shared texts, counted in each cell that names one.
        sheets: what is to be known of each, by the name of its part in small letters.
    """

    def __init__(self, parts: set[str], *, is_1904: bool, is_uncomputed: bool) -> None:
        """Take what the workbook says of all its sheets.

        Args:
            parts: names, in small letters, of those that calamine reads, whatever they begin with.
            is_1904: days are counted from 1904 on.
            is_uncomputed: Excel is to compute all formulas when it opens the file, so what is stored may be no result.
        """
        self.area = self.filled = self.columns = self.text = 0
        self.sheets: dict[str, Sheet] = {}
        self._parts, self._is_1904, self._is_uncomputed = parts, is_1904, is_uncomputed
        self._formats: list[str] = []
        self._shared: list[int] = []  # characters of each shared text

    def read(self, archive: zipfile.ZipFile, name: str) -> None:
        """Read one part, if it is XML; one that calamine reads has to be."""
        if name.lower() == _STYLES:
            self._formats = _formats(archive, name)
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        self._row = self._column = -1  # of the cell that is read
        self._sheet = self.sheets.setdefault(name.lower(), Sheet())
        self._last_row = self._last_column = -1  # the corner of what is filled
        self._in_cell = self._in_text = self._computed = False
        self._kind, self._value, self._style = "n", "", "0"
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        self._size = archive.getinfo(name).file_size
        with archive.open(name) as stream:
            chunk = stream.read(_CHUNK)
            if name.lower() not in self._parts and (
                not chunk.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or name.endswith(".vml")
            ):
                return
            while chunk:
                parser.Parse(chunk)
                chunk = stream.read(_CHUNK)
            parser.Parse(b"", True)
        self.area += (self._last_row + 1) * (self._last_column + 1)
        self.columns = max(self.columns, self._last_column + 1)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name if ":" not in name else name.rpartition(":")[2]:  # the most frequent ones first
            case "c":
                if "r" in attributes:
                    self._row, self._column = _position(attributes["r"])
                else:
                    self._column += 1
                self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "0")
                self._in_cell, self._computed, self._value = True, False, ""
            case "v" | "t":
                self._in_text, self._value = True, ""
                self._reach()
            case "row":
                self._row, self._column = int(attributes.get("r", self._row + 2)) - 1, -1
                if attributes.get("hidden") in _YES:
                    self._sheet.hidden_rows.append(self._row)
            case "f":
                self._computed = True
                self._reach()
            case "is":
                self._reach()
            case "sst":  # calamine makes room for as many texts as are said to follow
                if int(attributes.get("uniqueCount", "0")) > self._size:
                    raise ValueError("more texts than bytes")
            case "si":
                self._shared.append(0)
            case "col" if attributes.get("hidden") in _YES:
                hidden = range(int(attributes["min"]) - 1, min(int(attributes["max"]), MOST_COLUMNS))
                self._sheet.hidden_columns.update(hidden)

    def _reach(self) -> None:
        """Note that calamine makes room for this cell, whether or not there is anything in it."""
        if self._in_cell:
            if self._row > self._last_row:
                self._last_row = self._row
            if self._column > self._last_column:
                self._last_column = self._column

    def _characters(self, text: str) -> None:
        if self._in_text:
            self._value += text

    def _end(self, name: str) -> None:
        match name if ":" not in name else name.rpartition(":")[2]:
            case "v" | "t":
                self._in_text = False
                if self._in_cell and self._value:
                    self.filled += 1
                elif self._shared and not self._in_cell:
                    self._shared[-1] += len(self._value)
            case "c" if self._in_cell:
                self._in_cell = False
                self._note_cell()

    def _note_cell(self) -> None:
        if self._kind == "s" and self._value:
            self.text += self._shared[int(self._value)]
        elif self._kind == "e":
            self._sheet.valueless[self._column][self._row] = "formula_failed"
        elif self._computed and self._is_without_result():
            self._sheet.valueless[self._column][self._row] = "formula_not_computed"
        elif self._kind == "n" and self._value:
            style = int(self._style)
            number_format = self._formats[style] if style < len(self._formats) else GENERAL
            self._sheet.add_number(self._row, self._column, float(self._value), number_format, self._is_1904)

    def _is_without_result(self) -> bool:
        """Whether a formula has no result; programs that compute none store 0, or an empty text."""
        if self._is_uncomputed:
            return self._value in ("", "0")
        return not self._value and self._kind != "str"


def _refuse_doctype(*_: object) -> None:
    """No program writes one into a workbook, and what it declares is read in two ways."""
    raise ValueError("a document type")


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
