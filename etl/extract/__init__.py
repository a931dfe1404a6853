"""Extract: from landing bytes to `raw/`: the contract's columns, decoded to Unicode NFC and typed, one row a record.

What the sender wrote stays beside what was made of it: a typed column `x` has its text in `received.x`. A cell that
cannot be typed, and a line that cannot be cut into cells, is a problem with the row's number in the sender's own file.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

import polars as pl

from etl.contract import Contract, Source
from etl.delivery import PROBLEM, Delivery, Stop
from etl.extract import csv, excel, geojson, ndjson, xml
from etl.extract.archive import only_member
from etl.extract.cells import type_cells
from etl.extract.table import Table, without_bad_rows
from etl.limits import LIMITS
from etl.storage import Storage, write_json, write_parquet

READERS: dict[str, Callable[[bytes, Source, Contract], Table]] = {
    "csv": csv.read,
    "excel": excel.read,
    "xml": xml.read,
    "ndjson": ndjson.read,
    "geojson": geojson.read,
}


_LINES = ("csv", "ndjson")  # formats in which a record is a line
_CHUNK = 1 << 20


def extract(storage: Storage, delivery: Delivery, contract: Contract) -> dict[str, Any]:
    """Read one delivery's landing bytes and publish `raw/.../rows.parquet`, `problems.parquet` and `report.json`.

    Returns:
        The report: `rows_in` is the number of records that the file holds, broken ones included.

    Raises:
        Stop: where the file as a whole cannot be read as the contract says.
    """
    if delivery.size > LIMITS.file_bytes:
        raise Stop("rejected", "file_too_large", size=f"{delivery.size:,}", limit=f"{LIMITS.file_bytes:,}")
    content = storage.content(delivery)
    if contract.source.archive is None and contract.source.format in _LINES:
        with content.open("rb") as stream:
            _check_lines(stream)
    rows, found, rows_in = extract_bytes(content.read_bytes(), contract)
    folder = storage.folder("raw", delivery)
    write_parquet(folder / "rows.parquet", rows)
    write_parquet(folder / "problems.parquet", found)
    report = {"rows_in": rows_in, "rows": rows.height, "problems": found.height}
    write_json(folder / "report.json", report)
    return report


def extract_bytes(content: bytes, contract: Contract) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Typed rows, problems (PROBLEM schema) and the number of records in a file's content."""
    if not content.strip(b"\xef\xbb\xbf \t\r\n\0"):
        raise Stop("rejected", "empty_file")
    if contract.source.archive == "zip":
        content = only_member(content)
        if contract.source.format in _LINES:
            _check_lines(io.BytesIO(content))
    table = READERS[contract.source.format](content, contract.source, contract)
    _check_columns(table, contract)
    table = without_bad_rows(table)
    if table.rows.is_empty() and table.problems.is_empty():
        raise Stop("rejected", "empty_file")
    typed, untypable = type_cells(table.rows, contract)
    found = pl.concat([table.problems, untypable]) if untypable.height else table.problems
    return typed, found.match_to_schema(PROBLEM), table.rows_in


def _check_lines(stream: BinaryIO) -> None:
    """Refuse a line that is too long to be one, without reading it into memory."""
    length = 0
    while chunk := stream.read(_CHUNK):
        first, *others = chunk.split(b"\n")
        length += len(first)
        longest = length
        if others:
            longest = max(length, *map(len, others))
            length = len(others[-1])
        if longest > LIMITS.line_bytes:
            raise Stop("rejected", "line_too_long", limit=f"{LIMITS.line_bytes:,}")


def _check_columns(table: Table, contract: Contract) -> None:
    expected = {c.source_name: c for c in contract.columns}
    sent = set(table.rows.columns[1:])
    if len(sent) > LIMITS.columns:
        raise Stop("rejected", "too_many_columns", found=f"{len(sent):,}", limit=f"{LIMITS.columns:,}")
    missing = [c for name, c in expected.items() if name not in sent and (c.required or not table.may_omit_columns)]
    if missing:
        raise Stop("held", "missing_column", columns=", ".join(f"{c.label} ({c.source_name})" for c in missing))
    extra = [name for name in table.rows.columns[1:] if name not in expected]
    if extra:
        raise Stop("held", "extra_column", columns=", ".join(name[:60] for name in extra[:20]))
