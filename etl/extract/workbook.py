"""What is inside an .xlsx file, looked through before calamine may have it.

calamine lays a sheet out as one dense table from its first filled cell to its last, copies a shared text into every
cell that names it, and gives a formula that was never computed and one that failed alike as an empty cell; it tells no
formats of numbers, and nothing of what is hidden. So the parts of the file are read through first, as a stream, for
what would cost too much and for what would be lost without a word.
"""

from __future__ import annotations

import io
import re
import xml.parsers.expat as expat
import zipfile
from array import array
from collections.abc import Iterator

import polars as pl
from lxml import etree

from etl.delivery import batches
from etl.delivery.messages import Stop
from etl.extract import plain_cells, workbook_parts
from etl.extract.archive import BROKEN, Member
from etl.extract.bounded import bomb, check_columns, check_emptiness, most_unpacked
from etl.extract.distinct_cells import PlainSheet
from etl.extract.file_kind import no_workbook
from etl.extract.number_format import GENERAL
from etl.extract.sheet import MOST_COLUMNS, Sheet, place_of, series_of
from etl.settings import Limits

_CHUNK = 1 << 21  # bytes
_TEXTS, _STYLES = "xl/sharedstrings.xml", "xl/styles.xml"  # calamine finds parts whatever the case of their names
_YES = ("1", "true")
_DECLARATION = rb"""<\?xml version=["']1\.0["'](?: encoding=["'](?i:utf-8)["'])?[^<>?]*\?>"""
_UTF_8 = re.compile(rb"(?:\xef\xbb\xbf)?(?:" + _DECLARATION + rb")?[ \t\r\n]*<[A-Za-z]")
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # that calamine unpacks, too
_ROWS, _ROW_END = b"<sheetData>", b"</row>"


def look_through(content: bytes, limits: Limits) -> list[Sheet]:
    """Refuse a workbook that holds macros or asks for too much.

    Returns:
        What is to be known of its sheets, in their order.

    Raises:
        Stop: if this is no .xlsx, can be read in two ways, holds macros, unpacks to too much, or is nearly all empty.
    """
    return [sheet for sheet, _ in look_into(content, limits, keeps_cells=False)]


def look_into(content: bytes, limits: Limits, *, keeps_cells: bool = True) -> list[tuple[Sheet, PlainSheet | None]]:
    """Refuse a workbook that holds macros or asks for too much.

    Args:
        content: the file.
        limits: what it may ask.
        keeps_cells: the cells of plain sheets are wanted, too.

    Returns:
        What is to be known of its sheets, in their order; and the cells of each in which all are plain.

    Raises:
        Stop: if this is no .xlsx, can be read in two ways, holds macros, unpacks to too much, or is nearly all empty.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [member.filename for member in archive.infolist()]
            if not workbook_parts.has_one_reading(archive, content):
                raise no_workbook(io.BytesIO(content))
            if any(name.lower().endswith("vbaproject.bin") or "/macrosheets/" in name.lower() for name in names):
                raise Stop("rejected", "excel_macros")
            most = most_unpacked(len(content), limits)
            if sum(member.file_size for member in archive.infolist()) > most:  # none is unpacked to more than it says
                workbook_parts.check_unpacked_size(archive, most)
            about = workbook_parts.tree(archive, workbook_parts.WORKBOOK)
            parts = workbook_parts.sheet_parts(about, archive)
            calendar, computing = about.find("{*}workbookPr"), about.find("{*}calcPr")
            book = _Book(
                {_TEXTS, _STYLES, *map(str.lower, parts)},
                is_1904=calendar is not None and calendar.get("date1904") in _YES,
                is_uncomputed=computing is not None and computing.get("fullCalcOnLoad") in _YES,
                keeps_cells=keeps_cells and all(m.compress_type in _PACKINGS for m in archive.infolist()),
            )
            try:
                for name in sorted(names, key=lambda name: name.lower() not in (_TEXTS, _STYLES)):
                    book.read(archive, name)
                    check_columns(book.columns, limits)
                if book.text > limits.unpacked_bytes:
                    raise bomb(limits.unpacked_bytes)
                check_emptiness(book.area, book.filled, limits)
            except Stop:
                workbook_parts.check_unpacked_size(archive, most)  # a part that is damaged is told of first
                raise
            return [(book.sheets[part.lower()], book.plain.get(part.lower())) for part in parts]
    except (*BROKEN, etree.XMLSyntaxError, expat.ExpatError, LookupError):
        raise no_workbook(io.BytesIO(content)) from None


class _Book:
    """What calamine would make of the parts read so far.

    Attributes:
        area: cells of the dense tables.
        filled: cells that have a value.
        columns: of the widest sheet.
        text: characters of shared texts, counted in each cell that names one.
        sheets: what is to be known of each, by the name of its part in small letters.
        plain: by the same the sheets of which all cells are plain, if they are wanted.
    """

    def __init__(self, parts: set[str], *, is_1904: bool, is_uncomputed: bool, keeps_cells: bool) -> None:
        """Take what the workbook says of all its sheets.

        Args:
            parts: names, in small letters, of those that calamine reads, whatever they begin with.
            is_1904: days are counted from 1904 on.
            is_uncomputed: Excel is to compute all formulas when it opens the file, so what is stored may be no result.
            keeps_cells: `plain` is wanted.
        """
        self.area = self.filled = self.columns = self.text = 0
        self.sheets: dict[str, Sheet] = {}
        self.plain: dict[str, PlainSheet] = {}
        self._parts, self._is_1904, self._is_uncomputed = parts, is_1904, is_uncomputed
        self._keeps_cells = keeps_cells
        self._formats: list[str] = []
        self._shared = array("q")  # characters of each shared text

    def read(self, archive: zipfile.ZipFile, name: str) -> None:
        """Read one part, if it is XML; one that calamine reads has to be."""
        if name.lower() == _STYLES:
            self._formats = workbook_parts.formats(archive, name)
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        self._row = self._column = -1  # of the cell that is read
        self._sheet = self.sheets.setdefault(name.lower(), Sheet())
        self._last_row = self._last_column = -1  # the corner of what is filled
        self._reached = (-1, -1)  # the last plain cell
        self._in_cell = self._in_text = self._computed = False
        self._kind, self._value, self._style = "n", "", "0"
        self._held: list[tuple[pl.DataFrame, pl.DataFrame]] | None = (
            [] if self._keeps_cells else None
        )  # None: not all cells are plain
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        about = archive.getinfo(name)
        self._size = about.file_size
        with Member(archive, about) as stream:
            chunk = stream.read(_CHUNK)
            if name.lower() not in self._parts and (
                not chunk.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or name.endswith(".vml")
            ):
                while stream.read(_CHUNK):  # for nothing but to see that it is whole
                    pass
                return
            around = self._parse(parser, chunk, stream)
        if around and self._held:
            self._keep(name, around, self._held)
        self.area += (self._last_row + 1) * (self._last_column + 1)
        self.columns = max(self.columns, self._last_column + 1)

    def _parse(self, parser: expat.XMLParserType, chunk: bytes, stream: Member) -> tuple[bytes, bytes] | None:
        """Parse a part, but for plain cells.

        Args:
            parser: calls back.
            chunk: the part's first bytes.
            stream: has the others.

        Returns:
            What stands before and behind the cells, if all are plain.
        """
        head, begin, rest = chunk.partition(_ROWS)
        first = _UTF_8.match(head) if begin else None
        parser.Parse(head + begin)
        may_be_plain = first is not None and not _holds_more(head[first.end() :])
        left = bytearray(rest)
        for rows, cells in batches.each(_with_cells, _rows(left, stream)) if may_be_plain else ():
            if cells and may_be_plain and not (self._in_cell or self._in_text):
                parser.Parse(cells.tags)
                self._add(cells)
            else:
                parser.Parse(rows)
                self._held = None
                may_be_plain = may_be_plain and not _holds_more(rows)
        behind = [bytes(left)]
        parser.Parse(behind[0])
        while rest := stream.read(_CHUNK):
            parser.Parse(rest)
            if self._held:
                behind.append(rest)
        parser.Parse(b"", True)
        return (head + begin, b"".join(behind)) if self._held else None

    def _keep(self, name: str, around: tuple[bytes, bytes], pieces: list[tuple[pl.DataFrame, pl.DataFrame]]) -> None:
        """Keep the cells of a sheet, if it is certain how far calamine's table of them reaches."""
        texts, others = (pl.concat(of_kind) for of_kind in zip(*pieces, strict=True))
        filled = pl.concat([texts.select("row", "column"), others.filter("has_value").select("row", "column")])
        corner = self._last_row, self._last_column
        if filled.max().row(0) == corner:
            sheet = PlainSheet(name, around, texts, others, corner)
            if sheet.is_repetitive:
                self.plain[name.lower()] = sheet

    def _add(self, cells: plain_cells.Cells) -> None:
        """Note the cells of some rows."""
        if self._held is not None:
            is_behind = cells.first > self._reached and cells.is_in_order
            if is_behind:
                self._held.append((cells.texts, cells.others))
            else:
                self._held = None
            self._reached = cells.last
        if cells.behind:
            self._row, self._column = cells.behind
        if cells.corner:
            self._last_row = max(self._last_row, cells.corner[0])
            self._last_column = max(self._last_column, cells.corner[1])
        self.filled += cells.filled
        if (cells.shared >= len(self._shared)).any():
            raise ValueError("no such text")
        self.text += int(series_of(self._shared).gather(cells.shared).sum())
        for row, column, kind, style, value in cells.odd.iter_rows():
            self._note(row, column, kind, style, value, is_computed=True)
        for (style,), numbers in cells.numbers.partition_by("style", maintain_order=True, as_dict=True).items():
            self._sheet.add_numbers(numbers, self._format(style), self._is_1904)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name if ":" not in name else name.rpartition(":")[2]:  # the most frequent ones first
            case "c":
                self._held = None
                if "r" in attributes:
                    self._row, self._column = place_of(attributes["r"])
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
                at = self._row, self._column
                self._note(*at, self._kind, self._style, self._value, is_computed=self._computed)

    def _note(self, row: int, column: int, kind: str, style: str, value: str, *, is_computed: bool) -> None:
        if kind == "s" and value:
            self.text += self._shared[int(value)]
        elif kind == "e":
            self._sheet.valueless[column][row] = "formula_failed"
        elif is_computed and self._is_without_result(kind, value):
            self._sheet.valueless[column][row] = "formula_not_computed"
        elif kind == "n" and value:
            self._sheet.add_number(row, column, float(value), self._format(style), self._is_1904)

    def _is_without_result(self, kind: str, value: str) -> bool:
        """Whether a formula has no result; programs that compute none store 0, or an empty text."""
        if self._is_uncomputed:
            return value in ("", "0")
        return not value and kind != "str"

    def _format(self, style: str) -> str:
        number = int(style)
        return self._formats[number] if number < len(self._formats) else GENERAL


def _rows(left: bytearray, stream: Member) -> Iterator[bytes]:
    """The rows of a sheet, as far as each chunk has the end of one.

    Args:
        left: what was read of it already, from behind `_ROWS` on; in the end, what follows the rows.
        stream: has the others.
    """
    while end := left.rfind(_ROW_END) + 1:
        end += len(_ROW_END) - 1
        yield bytes(left[:end])
        del left[:end]
        left += stream.read(_CHUNK)


def _with_cells(rows: bytes) -> tuple[bytes, plain_cells.Cells | None]:
    return rows, plain_cells.cut(rows)


def _holds_more(piece: bytes) -> bool:
    """Whether what follows a piece of a sheet may be something else than rows: within a comment, or behind them."""
    return any(mark in piece for mark in (b"<!", b"<?", b"</sheetData"))


def _refuse_doctype(*_: object) -> None:
    """No program writes one into a workbook, and what it declares is read in two ways."""
    raise ValueError("a document type")
