"""How a sample file is laid out: its format, and what of the format a contract has to say.

It is found by the bytes, not by the file's name. The stations' readers want a contract that names the columns; here
they are found, and `etl.draft.sample` reads the file by them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from etl.contract import Source
from etl.delivery.system_files import is_systems_own
from etl.draft import encoding
from etl.draft.documents import of_json, of_xml
from etl.draft.found import Layout, Undrafted
from etl.draft.lines import HEADER_WITHIN, is_filled, of_lines
from etl.extract import geopackage, old_workbook, workbook
from etl.extract.archive import BROKEN, gunzipped, is_gzipped, members
from etl.extract.bounded import bomb, read_blocks
from etl.extract.encodings import decode_by
from etl.extract.file_kind import damaged_workbook, no_zip
from etl.extract.grid import Grid, columns_of
from etl.extract.place_in_workbook import as_shown
from etl.settings import Limits

_HEAD = 1 << 20  # bytes of text by which the layout is told
_TAIL = 1 << 16  # bytes at the end in which a footer is looked for
_COUNTER = "STT"  # of a form's rows
_SQLITE, _PARQUET = b"SQLite f", b"PAR1"
_OLD_EXCEL, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"


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
            return _text(lambda: gunzipped(stream, limits, in_lines=False), limits)
        if head.startswith(_ZIP):
            return _packed(stream, limits)
        return _text(lambda: read_blocks(stream, limits, in_lines=False), limits)


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

    found = _text(blocks, limits)
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


def _text(blocks: Callable[[], Iterator[bytes]], limits: Limits) -> Layout:
    found = encoding.find(blocks())
    head, tail = _ends(blocks(), found.name)
    start = head.lstrip("\ufeff \t\r\n")
    if start.startswith("<"):
        return of_xml(_whole(blocks(), limits))  # XML says its own encoding
    about = f"encoding {found.name}: {found.because}"
    others = ", ".join(found.rivals)
    todo = [f"encoding: {found.name} or {others}? nothing in the file decides"] if others else []
    if start.startswith(("{", "[")):
        made = of_json(start, _whole(blocks(), limits) if found.name.startswith("utf-8") else b"")
    else:
        made = of_lines(head, tail)
    said = {} if found.name == "utf-8" else {"encoding": found.name}
    return replace(made, source={**made.source, **said}, notes=(about, *made.notes), todo=(*todo, *made.todo))


def _whole(blocks: Iterator[bytes], limits: Limits) -> bytes:
    """All of a document, which is read at once."""
    most, parts, size = limits.at_once().file_bytes, [], 0
    for block in blocks:
        size += len(block)
        if size > most:
            raise bomb(most)
        parts.append(block)
    return b"".join(parts)


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


def _excel(stream: IO[bytes], limits: Limits) -> Layout:
    content = b"".join(read_blocks(stream, limits.at_once(), in_lines=False))
    inside = (old_workbook if content.startswith(_OLD_EXCEL) else workbook).look_through(content, limits)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        grids = [
            Grid(about.name, False, columns_of(rows), len(rows), [], sheet)
            for about, sheet in zip(book.sheets_metadata, inside, strict=True)
            if about.typ == SheetTypeEnum.WorkSheet
            for rows in [book.get_sheet_by_name(about.name).to_python(skip_empty_area=False)]
        ]
    except (CalamineError, OSError, ValueError, IndexError):
        raise damaged_workbook() from None
    tables = {}
    for grid in grids:
        lines = as_shown(grid, range(min(HEADER_WITHIN, grid.height)))
        width = max((sum(1 for cell in line if cell) for line in lines), default=0)
        at = next((n for n, line in enumerate(lines) if is_filled(line, width)), None)
        if at is not None and any(column.from_row(at + 1).is_filled.any() for column in grid.columns):
            tables[grid.name] = (at, lines[at], grid.height - at - 1)
    if not tables:
        raise Undrafted("No sheet of the workbook has a line of names with rows below it.")
    name = max(tables, key=lambda sheet: tables[sheet][2])
    at, header, _ = tables[name]
    notes = [f"sheet “{name}”, header in row {at + 1}"] if len(grids) > 1 or at else []
    todo = [f"sheet: “{name}” is read; “{other}” holds a table, too" for other in tables if other != name]
    source = {"format": "excel"} | ({"sheet": name} if len(tables) > 1 else {})
    if _COUNTER in header:
        notes.append(f"{_COUNTER} counts the rows, and is left out")
    return Layout(source, tuple(c for c in header if c and c != _COUNTER), tuple(notes), tuple(todo))
