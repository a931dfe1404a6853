"""How a sample file is laid out: its format, and what of the format a contract has to say.

It is found by the bytes, not by the file's name. The stations' readers want a contract that names the columns; here
they are found, and `etl.draft.sample` reads the file by them.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lxml import etree
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from etl.contract import Source
from etl.delivery.system_files import is_systems_own
from etl.draft import encoding
from etl.extract import geopackage, old_workbook, workbook
from etl.extract.archive import BROKEN, gunzipped, is_gzipped, members
from etl.extract.bounded import read_blocks
from etl.extract.encodings import decode_by
from etl.extract.file_kind import damaged_workbook, no_zip
from etl.settings import Limits

_HEAD = 1 << 20  # bytes of text by which the layout is told
_TAIL = 1 << 16  # bytes at the end in which a footer is looked for
_LONGEST_FOOTER = 30  # lines
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_FEW_LINES = 5  # that show nothing
_LINES = 2_000
_HEADER_WITHIN = 50  # lines from the top in which the header must stand
_COUNTER = "STT"  # of a form's rows
_DELIMITERS = (",", ";", "\t", "|", "^", "~")
_NEARLY_ALL = 0.9
_HALF = 0.5
_FEW = 2  # columns filled in all records, below which nothing tells a footer
_SQLITE, _PARQUET = b"SQLite f", b"PAR1"
_OLD_EXCEL, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
# What stands in a record and hardly ever in a header: a number that is no year, a date, an empty cell.
_VALUE = re.compile(r"[-+]?\d[\d.,\s]*%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
_YEAR = re.compile(r"(?:19|20)\d\d")


class Undrafted(Exception):
    """A file of which no contract can be drafted; the text says why, and what to do."""


@dataclass(frozen=True)
class Layout:
    """How a file is to be read.

    Attributes:
        source: what the contract says under `source`.
        names: of its columns, in their order; none where the records name them themselves.
        notes: what decided, or did not, one sentence each.
        todo: what a person has to decide of it, one sentence each.
        places: of text of fixed width, first and last place of each column in a line.
        required: columns that tell a record from the lines below the table.
        has_names: the file names its columns.
    """

    source: dict[str, Any]
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    has_names: bool = True


def find(file: Path, limits: Limits) -> Layout:
    """The layout of a file.

    Raises:
        Undrafted: if it is of no format that contracts know, or holds nothing.
        Stop: if it is damaged, or asks for more than the limits allow.
    """
    with file.open("rb") as stream:
        head = stream.read(8)
        if not head:
            raise Undrafted(f"{file.name} is empty; take one that holds rows.")
        if head.startswith(_OLD_EXCEL):
            return _excel(stream, limits)
        if head == _SQLITE:
            return _geopackage(b"".join(read_blocks(stream, limits.at_once(), in_lines=False)))
        if head.startswith(_PARQUET):
            return Layout({"format": "parquet"})
        if is_gzipped(stream):
            return _text(lambda: gunzipped(stream, limits, in_lines=False))
        if head.startswith(_ZIP):
            return _packed(stream, limits)
        return _text(lambda: read_blocks(stream, limits, in_lines=False))


def _geopackage(content: bytes) -> Layout:
    found = geopackage.layers(content)
    if not found:
        raise Undrafted("The GeoPackage has no layer; take a file that does.")
    todo = [f"layer: {found[0]} is read; {other} is a layer, too" for other in found[1:]]
    return Layout({"format": "geopackage"} | ({"layer": found[0]} if todo else {}), todo=tuple(todo))


def _packed(stream: IO[bytes], limits: Limits) -> Layout:
    """A workbook, or a ZIP; of several files in one that are alike each is a part, else the largest is taken."""
    try:
        with zipfile.ZipFile(stream) as archive:
            if "xl/workbook.xml" in archive.namelist():
                return _excel(stream, limits)
            inside = [m for m in archive.infolist() if not m.is_dir() and not is_systems_own(m.filename)]
    except BROKEN:
        raise no_zip(stream) from None
    if not inside:
        raise Undrafted("The ZIP file holds no file; take one that does.")
    largest = max(inside, key=lambda member: member.file_size).filename
    one = Source("csv", archive="zip", member=largest if len(inside) > 1 else None)

    def blocks() -> Iterator[bytes]:
        for _, of_member in members(stream, one, limits, in_lines=False):
            yield from of_member

    found = _text(blocks)
    if len(inside) == 1:
        return replace(found, source={**found.source, "archive": "zip"})
    endings = {PurePosixPath(member.filename).suffix.lower() for member in inside}
    if len(endings) == 1:
        todo = f"archive: are the {len(inside)} files of the ZIP parts of one delivery? else name one by `member`"
        about: dict[str, Any] = {"archive": "parts"}
    else:
        todo = f"member: {largest} is read, the largest of the {len(inside)} files of the ZIP; are others tables, too?"
        about = {"archive": "zip", "member": largest}
    return replace(found, source={**found.source, **about}, todo=(*found.todo, todo))


def _text(blocks: Callable[[], Iterator[bytes]]) -> Layout:
    found = encoding.find(blocks())
    head, tail = _ends(blocks(), found.name)
    start = head.lstrip("\ufeff \t\r\n")
    if start.startswith("<"):
        return _xml(b"".join(blocks()))  # XML says its own encoding
    about = f"encoding {found.name}: {found.because}"
    todo = [f"encoding: {found.name} or {rival}? nothing in the file decides" for rival in found.rivals]
    if start.startswith(("{", "[")):
        made = _json(start, b"".join(blocks()) if found.name.startswith("utf-8") else b"")
    else:
        made = _csv(head, tail)
    said = {} if found.name == "utf-8" else {"encoding": found.name}
    return replace(made, source={**made.source, **said}, notes=(about, *made.notes), todo=(*todo, *made.todo))


def _ends(blocks: Iterator[bytes], name: str) -> tuple[str, str]:
    """The text at a file's beginning, up to a line's end, and that at its end, from a line's beginning."""
    head, tail = b"", b""
    for block in blocks:
        head += block[: max(_HEAD - len(head), 0)]
        tail = (tail + block)[-_TAIL:]
    if len(head) == _HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    if len(tail) == _TAIL:
        tail = tail[tail.find(b"\n") + 1 :]
    made = [decode_by(part, name) for part in (head, tail)]  # None: cut within a character
    first, last = (
        part.decode(name, "replace") if text is None else text for part, text in zip((head, tail), made, strict=True)
    )
    return first, last


def _json(text: str, content: bytes) -> Layout:
    """A line for each record, features, or a document with the list of records somewhere in it."""
    first = text.partition("\n")[0].strip()
    try:
        is_lines = isinstance(json.loads(first), dict) and "\n" in text.strip() and '"features"' not in first
    except (ValueError, RecursionError):
        is_lines = False
    if is_lines:
        return Layout({"format": "ndjson"})
    if re.search(r'"type"\s*:\s*"FeatureCollection"', text):
        return Layout({"format": "geojson"})
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise Undrafted("The file begins as JSON and is none that can be read; take a whole one.") from None
    lists = [(path, found) for path, found in _lists(document, "") if found and all(isinstance(i, dict) for i in found)]
    if not lists:
        raise Undrafted("The JSON holds no list of objects, which rows could be made of.")
    path, records = max(lists, key=lambda found: len(found[1]))
    todo = [f"records: {other} is a list of {len(found)} objects, too" for other, found in lists if other != path]
    source = {"format": "json"} | ({"records": path} if path else {})
    return Layout(
        source, (), (f"records {path or 'the document itself'}: a list of {len(records)} objects",), tuple(todo)
    )


def _lists(value: object, path: str) -> Iterator[tuple[str, list[Any]]]:
    """The lists in a JSON document that are in no other, each with its path."""
    if isinstance(value, list):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, dict | list):
                yield from _lists(item, f"{path}.{name}" if path else str(name))


def _xml(content: bytes) -> Layout:
    """The element that is a record: of those that come again and hold others, the one nearest to the root."""
    if b"<!DOCTYPE" in content:
        raise Undrafted("The XML file declares a DOCTYPE, which is not read; export it without.")
    counts: Counter[tuple[str, ...]] = Counter()
    holding: set[tuple[str, ...]] = set()
    path: list[str] = []
    try:
        events = etree.iterparse(
            io.BytesIO(content), events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False,
            remove_comments=True, remove_pis=True,
        )  # fmt: skip
        for event, element in events:
            if event == "start":
                path.append(element.tag)
                counts[tuple(path)] += 1
                if element.attrib:
                    holding.add(tuple(path))
                if len(path) > 1:
                    holding.add(tuple(path[:-1]))
            else:
                path.pop()
                element.clear()
    except etree.XMLSyntaxError as error:
        raise Undrafted(f"The XML file is not well-formed (line {error.lineno}); take a whole one.") from None
    inner = [p for p in counts if len(p) > 1 and p in holding]
    again = [p for p in inner if counts[p] > 1] or inner
    if not again:
        raise Undrafted("The XML file has no element that holds others, below its root; it is no table.")
    record = min(again, key=lambda p: (len(p), -counts[p]))
    prefixes = _prefixes(tag for path in counts for tag in path)
    note = f"record <{_prefixed(record[-1], prefixes)}>: it comes {counts[record]} times"
    source: dict[str, Any] = {"format": "xml", "record": _prefixed(record[-1], prefixes)}
    if prefixes:
        source["namespaces"] = {prefix: name for name, prefix in prefixes.items()}
    else:
        source["root"] = record[0]
    return Layout(source, (), (note,))


def _prefixes(tags: Iterable[str]) -> dict[str, str]:
    """A prefix for each namespace."""
    found = dict.fromkeys(tag[1:].partition("}")[0] for tag in tags if tag.startswith("{"))
    return {name: f"ns{number}" if number else "ns" for number, name in enumerate(found)}


def _prefixed(tag: str, prefixes: Mapping[str, str]) -> str:
    """An element's name as contracts write it."""
    name, is_named, local = tag.removeprefix("{").partition("}")
    return f"{prefixes[name]}:{local}" if is_named else tag


def _excel(stream: IO[bytes], limits: Limits) -> Layout:
    content = b"".join(read_blocks(stream, limits.at_once(), in_lines=False))
    (old_workbook if content.startswith(_OLD_EXCEL) else workbook).look_through(content, limits)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = {
            about.name: book.get_sheet_by_name(about.name).to_python(skip_empty_area=False)
            for about in book.sheets_metadata
            if about.typ == SheetTypeEnum.WorkSheet
        }
    except (CalamineError, OSError, ValueError, IndexError):
        raise damaged_workbook() from None
    tables = {}
    for name, rows in sheets.items():
        lines = [[" ".join(str(cell).split()) for cell in row] for row in rows[:_HEADER_WITHIN]]
        width = max((sum(1 for cell in line if cell) for line in lines), default=0)
        at = next((n for n, line in enumerate(lines) if _is_filled(line, width)), None)
        if at is not None and any(any(str(cell).strip() for cell in row) for row in rows[at + 1 :]):
            tables[name] = (at, lines[at], len(rows) - at - 1)
    if not tables:
        raise Undrafted("No sheet of the workbook has a line of names with rows below it.")
    name = max(tables, key=lambda sheet: tables[sheet][2])
    at, header, _ = tables[name]
    notes = [f"sheet “{name}”, header in row {at + 1}"] if len(sheets) > 1 or at else []
    todo = [f"sheet: “{name}” is read; “{other}” holds a table, too" for other in tables if other != name]
    source = {"format": "excel"} | ({"sheet": name} if len(tables) > 1 else {})
    if _COUNTER in header:
        notes.append(f"{_COUNTER} counts the rows, and is left out")
    return Layout(source, tuple(c for c in header if c and c != _COUNTER), tuple(notes), tuple(todo))


def _csv(head: str, tail: str) -> Layout:
    written = [(number, line) for number, line in enumerate(head.splitlines()[:_LINES], start=1) if line.strip()]
    lines = [line for _, line in written]
    found = max((_cut(lines, delimiter) for delimiter in _DELIMITERS), key=lambda cut: cut.quality)
    if found.width < 2 or found.share < _HALF:
        return _fixed_width(lines)
    source: dict[str, Any] = {"format": "csv"} | ({"delimiter": found.delimiter} if found.delimiter != "," else {})
    notes = [f"delimiter {json.dumps(found.delimiter)}: {found.share:.0%} of the first lines have {found.width} cells"]
    if found.header is None:
        todo = "header: the first line is a record, so the columns have no names; write what each is"
        names = tuple(f"column_{number}" for number in range(1, found.width + 1))
        return Layout(source | {"header": "none"}, names, tuple(notes), (todo,), has_names=False)
    if twice := sorted({name for name in found.header if name and found.header.count(name) > 1}):
        raise Undrafted(f"Several columns are called {', '.join(twice)}; give each a name of its own.")
    if found.above:
        notes.append(f"header in line {written[found.above][0]}; what stands above it is no record")
    todos = [] if found.has_values else ["header: every cell is a text, so line 1 may as well be a record; is it?"]
    required: set[str] = set()
    if footer := _footer(found, tail):
        words = (word[0] for word in map(_FIRST_WORD.match, (found.delimiter.join(row) for row in footer)) if word)
        source["footer"] = "|".join(dict.fromkeys(words))
        told_by = (next((at for at in found.filled if not "".join(row[at : at + 1])), None) for row in footer)
        required = {found.header[at] for at in told_by if at is not None}
        todos.append(f"footer: the last {len(footer)} lines fill other cells than the rest: are they no records?")
    names = tuple(name for name in found.header if name)
    return Layout(source, names, tuple(notes), tuple(todos), required=frozenset(required))


def _footer(found: _Cut, tail: str) -> list[list[str]]:
    """The cells of the last lines that leave empty most of what all records fill, and of totals directly above them."""
    lines = [line for line in tail.splitlines() if line.strip(f" {found.delimiter}")]
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=found.delimiter)]
    footer: list[list[str]] = []
    for row in reversed(rows[-_LONGEST_FOOTER:] if len(rows) == len(lines) else []):  # else a cell has lines in it
        filled = [at for at in found.filled if "".join(row[at : at + 1])]
        is_sparse = len(filled) <= _HALF * len(found.filled)
        is_total = len(filled) < len(found.filled) and (bool(footer) or found.is_numbered)
        if not (is_sparse or is_total) or not _FIRST_WORD.match(row[0]) or len(found.filled) < _FEW:
            break
        footer.insert(0, row)
    return footer if len(footer) < len(rows) else []


def _fixed_width(lines: list[str]) -> Layout:
    """Columns at the same places of every line: what parts them are places where every line has a blank."""
    width = max(map(len, lines), default=0)
    blank = [all(line[at : at + 1] in ("", " ") for line in lines) for at in range(width)]
    starts = [at for at in range(width) if not blank[at] and (at == 0 or blank[at - 1])]
    while len(starts) > 2 and sum(bool(line[starts[-1] :].strip()) for line in lines) < _HALF * len(lines):
        starts.pop()  # the ends of a few long lines are no column of their own
    if len(lines) < _FEW_LINES or not 1 < len(starts) <= width / 2:
        raise Undrafted(
            "The lines of the file are parted neither by , ; tab | ^ ~ nor by blanks at the same places; if it is a "
            "table, write down how it is laid out in a contract by hand."
        )
    ends = [start - 1 for start in starts[1:]]
    spans = [slice(start, end) for start, end in zip(starts, [*ends, None], strict=True)]
    first = [lines[0][span].strip() for span in spans]
    below = [line[span].strip() for line in lines[1:] for span in spans]
    is_header = all(first) and len(set(first)) == len(first) and not any(map(_is_value, first))
    is_header = is_header and any(map(_is_value, below))
    names = tuple(first) if is_header else tuple(f"column_{number}" for number in range(1, len(spans) + 1))
    places = {n: f"{s.start + 1}-{s.stop if s.stop is not None else ''}" for n, s in zip(names, spans, strict=True)}
    todo = ["position: columns are told by places where every line has a blank; does one hold several that touch?"]
    if not is_header:
        todo.append("header: the first line is a record, so the columns have no names; write what each is")
    source: dict[str, Any] = {"format": "fixed_width"} | ({"header": 1} if is_header else {})
    return Layout(source, names, (f"fixed width: {len(spans)} columns",), tuple(todo), places, has_names=is_header)


@dataclass(frozen=True)
class _Cut:
    """What a delimiter makes of a file's first lines.

    Attributes:
        delimiter: between two cells.
        width: cells of most lines.
        share: of the lines below the header that have so many.
        header: the names; None if the first line of that width is a record.
        above: lines above the header.
        has_values: some cell below the header is a number or a date.
        filled: the columns that all records fill, by their places.
        is_numbered: the first cell of each record is a number or a date.
    """

    delimiter: str
    width: int = 0
    share: float = 0.0
    header: list[str] | None = None
    above: int = 0
    has_values: bool = False
    filled: tuple[int, ...] = ()
    is_numbered: bool = False

    @property
    def quality(self) -> tuple[bool, float, int]:
        """The more, the likelier is the delimiter."""
        return self.header is not None and self.share >= _HALF, min(self.share, _NEARLY_ALL), self.width


def _cut(lines: list[str], delimiter: str) -> _Cut:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return _Cut(delimiter)
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return _Cut(delimiter)
    ((width, _),) = widths.most_common(1)
    at = next((n for n, row in enumerate(rows[:_HEADER_WITHIN]) if _is_filled(row, width)), 0)
    header = rows[at] if _is_filled(rows[at], width) and not any(map(_is_value, rows[at])) else None
    below = rows[at + 1 :] if header else rows
    share = sum(len(row) == width for row in below) / max(len(below), 1)
    even = [row for row in below if len(row) == width]
    surely = even[: max(len(even) // 2, len(even) - _LONGEST_FOOTER)]  # records, and no footer
    filled = tuple(n for n in range(width) if all(row[n] for row in surely))
    has_values = any(_is_value(cell) for row in below for cell in row)
    is_numbered = bool(surely) and all(_is_value(row[0]) for row in surely)
    return _Cut(delimiter, width, share, header, at, has_values, filled, is_numbered)


def _is_filled(cells: list[str], width: int) -> bool:
    """Whether nearly all cells hold something, as those of a header do, and those of a title do not."""
    return sum(map(bool, cells)) >= max(1, _NEARLY_ALL * width)


def _is_value(cell: str) -> bool:
    """Whether a cell is what stands in a record and hardly in a header: a number that is no year, or a date."""
    return bool(_VALUE.fullmatch(cell)) and not _YEAR.fullmatch(cell)
