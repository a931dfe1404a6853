"""Extract: from landing bytes to `raw/`: the contract's columns, decoded to Unicode NFC and typed, one row a record.

What the sender wrote stays beside what was made of it: a typed column `x` has its text in `received.x`. A column `y`
that the contract does not know is kept, as text, as `unknown.y`. A cell that cannot be typed, and a line that cannot be
cut into cells, is a problem with the row's number in the sender's own file.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any

import polars as pl

from etl.contract import Contract, Source
from etl.delivery import PROBLEM, UNKNOWN, Delivery, Stop
from etl.extract import correction, csv, drift, excel, geojson, ndjson, xml
from etl.extract.archive import only_member
from etl.extract.bounded import read_whole
from etl.extract.cells import type_cells
from etl.extract.screen import screen
from etl.extract.table import Table
from etl.settings import DEFAULT_LIMITS, Limits
from etl.storage import Storage, write_json, write_parquet

READERS: dict[str, Callable[[bytes, Source, Contract, Limits], Table]] = {
    "csv": csv.read,
    "excel": excel.read,
    "xml": xml.read,
    "ndjson": ndjson.read,
    "geojson": geojson.read,
}
_OF_LINES = ("csv", "ndjson")


def extract(
    storage: Storage, delivery: Delivery, contract: Contract, limits: Limits = DEFAULT_LIMITS
) -> dict[str, Any]:
    """Read one delivery's landing bytes and publish `raw/.../rows.parquet`, `problems.parquet` and `report.json`.

    Returns:
        The report: `rows_in` is the number of records that the file holds, broken ones included.

    Raises:
        Stop: where the file as a whole cannot be read as the contract says.
    """
    folder = storage.folder("raw", delivery)
    with storage.content(delivery).open("rb") as stream:
        if delivery.corrects:
            table, origins = correction.read(read_whole(stream, limits, in_lines=False), contract, limits)
            write_parquet(folder / "origins.parquet", origins)
            rows, found, rows_in = _typed(table, contract, limits, of_bad_rows=True)
        else:
            rows, found, rows_in = _extract(stream, contract, limits)
    write_parquet(folder / "rows.parquet", rows)
    write_parquet(folder / "problems.parquet", found)
    unknown = sum(name.startswith(UNKNOWN) for name in rows.columns)
    report = {"rows_in": rows_in, "rows": rows.height, "problems": found.height, "unknown_columns": unknown}
    write_json(folder / "report.json", report)
    return report


def extract_bytes(
    content: bytes, contract: Contract, limits: Limits = DEFAULT_LIMITS
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Typed rows, problems (PROBLEM schema) and the number of records in a file's content.

    Raises:
        Stop: as `extract` does.
    """
    return _extract(io.BytesIO(content), contract, limits)


def _extract(file: IO[bytes], contract: Contract, limits: Limits) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    unpack = only_member if contract.source.archive == "zip" else read_whole
    content = unpack(file, limits, in_lines=contract.source.format in _OF_LINES)
    if not content.strip(b"\xef\xbb\xbf \t\r\n\0"):
        raise Stop("rejected", "empty_file")
    return _typed(READERS[contract.source.format](content, contract.source, contract, limits), contract, limits)


def _typed(
    table: Table, contract: Contract, limits: Limits, *, of_bad_rows: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    about_columns = drift.check_columns(table, contract)
    if not table.rows_in:
        raise Stop("rejected", "empty_file")
    table = screen(table, contract, limits)
    typed, untypable = type_cells(table.rows, contract)
    if not of_bad_rows:  # where all rows were bad before, the share of those that still are says nothing
        drift.check_types(typed, untypable, contract)
    found = pl.concat([table.problems, about_columns, untypable])
    return typed, found.match_to_schema(PROBLEM), table.rows_in
