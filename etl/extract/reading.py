"""A file cut into tables: unpacked, brought to text, and read by its format, piece by piece where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import IO

from etl.contract import MEMBER, SHEET, Contract, Source
from etl.delivery.messages import Stop
from etl.extract import (
    csv,
    excel,
    fixed_width,
    geojson,
    geopackage,
    json_document,
    ndjson,
    other_format,
    parquet,
    parts,
    unpivot,
    xml,
)
from etl.extract.archive import beside_parts, gunzipped, is_gzipped, members
from etl.extract.bounded import read_blocks
from etl.extract.file_kind import of_text
from etl.extract.footer import without_last_footer
from etl.extract.table import Table, on_the_file
from etl.settings import DEFAULT_LIMITS, Limits

# The readers of formats that must be in memory as a whole.
_READERS: dict[str, Callable[[bytes, Source, Contract, Limits], Table]] = {
    "excel": excel.read,
    "xml": xml.read,
    "json": json_document.read,
    "geojson": geojson.read,
    "geopackage": geopackage.read,
    "parquet": parquet.read,
}
IN_PIECES = {"csv": csv.read, "fixed_width": fixed_width.read, "ndjson": ndjson.read}
_BINARY = ("excel", "geopackage", "parquet")
_PACKED = ("geopackage", "parquet")  # a small file may hold much, and all of it is in memory at once
_WITH_FOOTERS = ("csv", "fixed_width")
_PLACE = ("member", "record", "records", "sheet", "range", "layer")  # what says where in a file a table's rows are
BLANK = b"\xef\xbb\xbf \t\r\n\0"


def read_tables(file: IO[bytes], contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Iterator[Table]:
    """Cut a file into cells, a bounded number of rows at a time; one table at least.

    Raises:
        Stop: where the file as a whole cannot be read.
    """
    tables = other_format.read(file, contract, partial(_unpacked, limits=limits))
    others = _of_others(contract)
    for table in unpivot.into_rows(tables, contract, limits) if contract.source.unpivot else tables:
        yield replace(table, rows=table.rows.drop(others, strict=False)) if others else table


def _of_others(contract: Contract) -> set[str]:
    """Names of columns that stand among ours, and are another table's."""

    def place(source: Source) -> tuple[object, ...]:
        return tuple(getattr(source, name) for name in _PLACE)

    ours = place(contract.source)
    if contract.source.format == "excel" and not any(ours):  # each may have a sheet of its own
        return set()
    others = (other for other in contract.beside if place(other.source) == ours)
    return {c.source_name for other in others for c in other.columns} - {c.source_name for c in contract.columns}


def _unpacked(file: IO[bytes], contract: Contract, limits: Limits) -> Iterator[Table]:
    """Cut what a file holds into cells."""
    source = contract.source
    whole = limits if source.format in IN_PIECES else limits.at_once()
    in_lines = source.format in IN_PIECES
    if source.archive is None:
        unpack = gunzipped if is_gzipped(file) else read_blocks
        yield from _cut(unpack(file, whole, in_lines=in_lines), contract, limits)
        return
    of_members = members(file, source, whole, in_lines=in_lines)
    if source.archive == "parts":
        cut = ((name, _cut(part, contract, limits)) for name, part in of_members)
        for table in parts.joined(cut, MEMBER, contract):
            yield table
        if beside := beside_parts(file, source):
            said = on_the_file("members_not_read", names=", ".join(name[:60] for name in beside[:20]))
            yield Table(table.rows.clear(), said)
        return
    for _, blocks in of_members:
        yield from _cut(blocks, contract, limits)


def _cut(blocks: Iterator[bytes], contract: Contract, limits: Limits) -> Iterator[Table]:
    """Cut a file's content, as it was unpacked, into cells."""
    source = contract.source
    if source.format not in _BINARY:
        blocks = of_text(blocks, source.format)
    if source.format in IN_PIECES:
        tables = IN_PIECES[source.format](blocks, source, contract, limits)
        yield from without_last_footer(tables, contract) if source.format in _WITH_FOOTERS else tables
        return
    content = b"".join(blocks)
    if not content.strip(BLANK):
        raise Stop("rejected", "empty_file")
    whole = limits.at_once()
    if source.format not in _PACKED:
        whole = replace(whole, unpacked_bytes=limits.unpacked_bytes)
    if source.sheets:
        yield from parts.joined(excel.read_sheets(content, source, contract, whole), SHEET, contract)
        return
    yield from _READERS[source.format](content, source, contract, whole).batches()
