"""Extract: from landing bytes to `raw/`: the contract's columns, decoded to Unicode NFC and typed, one row a record.

What the sender wrote stays beside what was made of it: a typed column `x` has its text in `received.x`. A column `y`
that the contract does not know is kept, as text, as `unknown.y`. A cell that cannot be typed, and a line that cannot be
cut into cells, is a problem with the row's number in the sender's own file.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Any

import polars as pl

from etl.contract import MEMBER, SHEET, Contract, Source
from etl.delivery import batches
from etl.delivery.columns import ROW, UNKNOWN
from etl.delivery.correction import sent_back
from etl.delivery.messages import Stop
from etl.delivery.model import Delivery
from etl.delivery.problems import PROBLEM
from etl.delivery.publish import write_json, write_parquet
from etl.delivery.storage import Storage
from etl.extract import (
    correction,
    csv,
    date_order,
    drift,
    excel,
    fixed_width,
    geojson,
    geopackage,
    json_document,
    look_alike,
    misread,
    ndjson,
    other_format,
    parquet,
    parts,
    unpivot,
    xml,
)
from etl.extract.archive import beside_parts, gunzipped, is_gzipped, members, size_unpacked
from etl.extract.bounded import read_blocks
from etl.extract.cells import type_cells
from etl.extract.file_kind import of_text
from etl.extract.footer import without_last_footer
from etl.extract.former_names import as_named
from etl.extract.links import linked, unmet
from etl.extract.screen import screen
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
_IN_PIECES = {"csv": csv.read, "fixed_width": fixed_width.read, "ndjson": ndjson.read}
_BINARY = ("excel", "geopackage", "parquet")
_PACKED = ("geopackage", "parquet")  # a small file may hold much, and all of it is in memory at once
_WITH_FOOTERS = ("csv", "fixed_width")
_PLACE = ("member", "record", "records", "sheet", "range", "layer")  # what says where in a file a table's rows are
_LONGEST_NOTHING = 64  # bytes, as of some blank lines
_MEMORY_A_BYTE = 30  # bytes that reading a byte of a file takes; 8 to 29 were measured
_BLANK = b"\xef\xbb\xbf \t\r\n\0"


def extract(
    storage: Storage,
    delivery: Delivery,
    contract: Contract,
    limits: Limits = DEFAULT_LIMITS,
    *,
    is_said_empty: bool = False,
) -> dict[str, Any]:
    """Read one delivery's landing bytes and publish `raw/.../rows.parquet`, `problems.parquet` and `report.json`.

    Args:
        storage: the data root.
        delivery: in landing.
        contract: the dataset's.
        limits: what the file may ask of us.
        is_said_empty: the sender declares that it holds no rows, so that not a byte is needed to say so.

    Returns:
        The report: `rows_in` is the number of records that the file holds, broken ones included.

    Raises:
        Stop: where the file as a whole cannot be read as the contract says.
    """
    folder = storage.folder("raw", delivery)
    report = {"rows_in": 0, "rows": 0, "problems": 0, "unknown_columns": 0}
    found: list[pl.DataFrame] = []
    links = _links(storage, delivery, contract, limits)
    with storage.content(delivery).open("rb") as stream, batches.writing(folder / "rows.parquet") as write:
        if delivery.corrects:
            content = b"".join(read_blocks(stream, limits.at_once(), in_lines=False))
            table, origins = correction.read(content, contract, limits)
            write_parquet(folder / "origins.parquet", origins)
            with suppress(FileNotFoundError):  # who checks before sending has no other delivery
                first = storage.delivery(delivery.agency, delivery.dataset, delivery.corrects)
                found.append(correction.not_sent_back(origins, sent_back(storage, first)))
            made = _batches([table], contract, limits, of_bad_rows=True)
        elif is_said_empty and not stream.read(_LONGEST_NOTHING + 1).strip(_BLANK):
            made = _batches([Table(pl.DataFrame(schema={ROW: pl.Int64}))], contract, limits)
        else:
            named = _as_named(stream, contract, limits)
            made = _batches(read_tables(stream, named, limits), named, limits)
        for batch in made:
            write(batch.rows)
            found += [batch.problems, unmet(batch.rows, links, contract)]
            report["rows_in"] += batch.rows_in
            report["rows"] += batch.rows.height
            report["unknown_columns"] = sum(name.startswith(UNKNOWN) for name in batch.rows.columns)
    problems = pl.concat(found)
    report["problems"] = problems.height
    write_parquet(folder / "problems.parquet", problems)
    write_json(folder / "report.json", report)
    return report


def _links(storage: Storage, delivery: Delivery, contract: Contract, limits: Limits) -> dict[str, pl.Series]:
    """What rows may be linked to, in the delivery's file; that of a correction is the file of what it corrects."""
    with suppress(FileNotFoundError):  # who checks a correction before sending has no other delivery
        first = storage.delivery(delivery.agency, delivery.dataset, delivery.corrects or delivery.id)
        with storage.content(first).open("rb") as stream:
            return linked(contract, lambda main: read_tables(stream, _as_named(stream, main, limits), limits))
    return {}


def memory_needed(storage: Storage, delivery: Delivery, contract: Contract) -> int:
    """Bytes of memory that reading a delivery's file may take; 0 if it is read piece by piece."""
    with storage.content(delivery).open("rb") as stream:
        if other_format.as_sent(stream, contract).source.format in _IN_PIECES and not delivery.corrects:
            return 0
        return _MEMORY_A_BYTE * size_unpacked(stream)


def extract_bytes(
    content: bytes, contract: Contract, limits: Limits = DEFAULT_LIMITS
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Typed rows, problems (PROBLEM schema) and the number of records in a file's content.

    Raises:
        Stop: as `extract` does.
    """
    named = _as_named(io.BytesIO(content), contract, limits)
    made = list(_batches(read_tables(io.BytesIO(content), named, limits), named, limits))
    rows, found = pl.concat(b.rows for b in made), pl.concat(b.problems for b in made)
    return rows, found, sum(b.rows_in for b in made)


def _as_named(stream: IO[bytes], contract: Contract, limits: Limits) -> Contract:
    """The contract with the columns as the file calls them; the stream stands at its beginning again."""

    def read(known: Contract) -> Iterator[Table]:
        stream.seek(0)
        return read_tables(stream, known, limits)

    named = as_named(contract, read)
    stream.seek(0)
    return named


@dataclass(frozen=True)
class _Batch:
    rows: pl.DataFrame
    problems: pl.DataFrame
    rows_in: int
    types: pl.DataFrame  # how many cells of each column are not of its type
    dates: pl.DataFrame  # what they show of the order of day and month
    misread: pl.DataFrame  # how many rows read well in another encoding
    begins: str | None  # the part of the file that begins with it


def _batches(
    tables: Iterable[Table], contract: Contract, limits: Limits, *, of_bad_rows: bool = False
) -> Iterator[_Batch]:
    """The rows of a file in their order, typed; one batch at least."""

    def checked() -> Iterator[Table]:
        for number, table in enumerate(tables):
            try:
                yield drift.check_columns(table, contract) if table.begins or not number else table
            except Stop as stop:
                raise parts.of_part(stop, table.begins) from None

    rows_in = 0
    types, dates, counts, said = [], [], [], on_the_file()
    for batch in batches.each(lambda table: _typed(table, contract, limits), checked()):
        rows_in += batch.rows_in
        types.append(batch.types)
        dates.append(batch.dates)
        counts.append(batch.misread)
        said = said.clear() if batch.begins else said
        of_file = batch.problems.filter(pl.col(ROW).is_null())
        again = of_file.join(said, on="rule", how="semi")  # a file's warning is said once
        said = pl.concat([said, of_file])
        yield replace(batch, problems=batch.problems.join(again, on=["rule", ROW], how="anti", nulls_equal=True))
    if of_bad_rows and not rows_in:
        raise Stop("rejected", "empty_file")
    if not of_bad_rows:  # where all rows were bad before, the share of those that still are says nothing
        drift.check_types(pl.concat(types), contract)
        misread.check(pl.concat(counts), contract)
        warnings = date_order.check_order(pl.concat(dates), contract)
        yield replace(batch, rows=batch.rows.clear(), problems=warnings, rows_in=0)


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
    whole = limits if source.format in _IN_PIECES else limits.at_once()
    in_lines = source.format in _IN_PIECES
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
    if source.format in _IN_PIECES:
        tables = _IN_PIECES[source.format](blocks, source, contract, limits)
        yield from without_last_footer(tables, contract) if source.format in _WITH_FOOTERS else tables
        return
    content = b"".join(blocks)
    if not content.strip(_BLANK):
        raise Stop("rejected", "empty_file")
    whole = limits.at_once()
    if source.format not in _PACKED:
        whole = replace(whole, unpacked_bytes=limits.unpacked_bytes)
    if source.sheets:
        yield from parts.joined(excel.read_sheets(content, source, contract, whole), SHEET, contract)
        return
    yield from _READERS[source.format](content, source, contract, whole).batches()


def _typed(table: Table, contract: Contract, limits: Limits) -> _Batch:
    screened = screen(table, contract, limits)
    unread, counts = misread.judge(screened.rows, contract)
    typed, untypable = type_cells(misread.without(screened.rows, unread, contract), contract)
    unsure = [look_alike.keys(typed, contract), misread.of_windows(screened.rows, contract)]
    doubts = screened.doubts  # one reason for a cell is enough
    for more in (unread, untypable):
        doubts = pl.concat([doubts, more.join(doubts, on=[ROW, "column"], how="anti")])
    found = pl.concat([screened.problems, doubts, *unsure]).match_to_schema(PROBLEM)
    types, dates = drift.untyped(typed, untypable), date_order.evidence(typed, screened.stored_dates, contract)
    return _Batch(typed, found, table.rows_in, types, dates, counts, table.begins)
