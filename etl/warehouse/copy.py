"""Rows into a table by COPY: the quickest way that PostgreSQL takes them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, cast

import polars as pl
import polars.selectors as cs
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg.copy import QueuedLibpqWriter

from etl.contract.column import DECIMALS, MOST_DIGITS
from etl.warehouse.names import named

_UNSCALED = pl.Decimal(MOST_DIGITS, DECIMALS)  # of a column whose contract declares no scale
_COPY_ROWS = 50_000  # rows written to PostgreSQL at a time, to bound memory


def copy_rows(connection: sa.Connection, table: str, lots: Iterable[pl.DataFrame]) -> int:
    """COPY rows into a table, column by name, within the connection's transaction.

    Args:
        connection: over psycopg.
        table: as SQL names it.
        lots: the rows, some at a time; one lot at least. Columns are named as in the table.

    Returns:
        How many rows there were.
    """
    lots = iter(lots)
    first = next(lots)
    if any(kind == _UNSCALED for kind in first.dtypes):
        return _copy_trimmed(connection, table, first, lots)
    return _copy(connection, table, first, lots)


def _copy_trimmed(connection: sa.Connection, table: str, first: pl.DataFrame, lots: Iterable[pl.DataFrame]) -> int:
    """By way of a table of its own: a decimal of no declared scale would keep the zeros of the one that it came in."""
    schema = first.schema
    names = ", ".join(map(named, schema))
    values = ", ".join(f"trim_scale({named(name)})" if schema[name] == _UNSCALED else named(name) for name in schema)
    connection.exec_driver_sql(f"CREATE TEMP TABLE untrimmed ON COMMIT DROP AS SELECT {names} FROM {table} WHERE false")
    count = _copy(connection, "untrimmed", first, lots)
    connection.exec_driver_sql(f"INSERT INTO {table} ({names}) SELECT {values} FROM untrimmed")
    connection.exec_driver_sql("DROP TABLE untrimmed")
    return count


def _copy(connection: sa.Connection, table: str, first: pl.DataFrame, lots: Iterable[pl.DataFrame]) -> int:
    names = ", ".join(map(named, first.columns))
    cursor = cast(psycopg.Cursor[Any], connection.connection.cursor())
    encoder = ArrowToPostgresBinaryEncoder(_arrow(first).schema)
    count = 0
    # Binary: PostgreSQL spends a third of a text COPY on reading text. The writer is a thread: PostgreSQL takes in
    # what we wrote while we write the next.
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)", writer=QueuedLibpqWriter(cursor)) as copy:
        copy.write(encoder.write_header())
        for lot in chain([first], lots):
            count += lot.height
            for batch in _arrow(lot).to_batches(max_chunksize=_COPY_ROWS):
                copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())
    return count


def _arrow(rows: pl.DataFrame) -> pa.Table:
    """Rows as the encoder takes them: a column that holds nothing may be of any type but Arrow's own for nothing."""
    made = rows.with_columns(cs.by_dtype(pl.Null).cast(pl.String)).rechunk().to_arrow()
    times = {name: pa.time64("us") for name, kind in rows.schema.items() if kind == pl.Time}  # polars' are finer
    return made.cast(pa.schema([pa.field(f.name, times.get(f.name, f.type)) for f in made.schema])) if times else made
