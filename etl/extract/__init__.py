"""Extract: from landing bytes to `raw/`: the contract's columns, decoded to Unicode NFC and typed, one row a record.

What the sender wrote stays beside what was made of it: a typed column `x` has its text in `received.x`. A column `y`
that the contract does not know is kept, as text, as `unknown.y`. A cell that cannot be typed, and a line that cannot be
cut into cells, is a problem with the row's number in the sender's own file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import polars as pl

from etl.contract import Contract
from etl.delivery import batches
from etl.delivery.columns import ROW, UNKNOWN
from etl.delivery.correction import sent_back
from etl.delivery.model import Delivery
from etl.delivery.publish import write_json, write_parquet
from etl.delivery.storage import Storage
from etl.extract import correction, other_format
from etl.extract.archive import size_unpacked
from etl.extract.batch import typed
from etl.extract.bounded import read_blocks
from etl.extract.former_names import as_named
from etl.extract.links import linked, unmet
from etl.extract.reading import BLANK, IN_PIECES, read_tables
from etl.extract.table import Table
from etl.settings import DEFAULT_LIMITS, Limits

_LONGEST_NOTHING = 64  # bytes, as of some blank lines
_MEMORY_A_BYTE = 30  # bytes that reading a byte of a file takes; 8 to 29 were measured


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
            made = typed([table], contract, limits, of_bad_rows=True)
        elif is_said_empty and not stream.read(_LONGEST_NOTHING + 1).strip(BLANK):
            made = typed([Table(pl.DataFrame(schema={ROW: pl.Int64}))], contract, limits)
        else:
            named = _as_named(stream, contract, limits)
            made = typed(read_tables(stream, named, limits), named, limits)
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
        if other_format.as_sent(stream, contract).source.format in IN_PIECES and not delivery.corrects:
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
    made = list(typed(read_tables(io.BytesIO(content), named, limits), named, limits))
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
