"""Batches: the rows of a delivery, a bounded number at a time, which are the row groups of its Parquet files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import accumulate, chain, islice
from typing import IO, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from etl.delivery.columns import ROW
from etl.delivery.publish import publish

ROWS = 1 << 17  # of a batch
_LOOKED_AT = 1 << 14  # rows by which it is told whether a column's values come again
_REPEATED = 0.75  # share of them that are distinct, below which many come again in a batch
_WORKERS = min(os.cpu_count() or 1, 4)  # each holds a batch

In = TypeVar("In")
Out = TypeVar("Out")


def read(path: UPath, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """The batches of a Parquet file, in order; one without rows if there are none.

    Args:
        path: the file.
        columns: which to read; by default all.
    """
    with path.open("rb") as stream, pq.ParquetFile(stream) as file:
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    rows = pl.scan_parquet(str(path)).select(columns or pl.all())  # it reads them twice as fast as PyArrow
    for start, size in zip(accumulate(sizes, initial=0), sizes, strict=False):
        yield rows.slice(start, size).collect()
    if not sizes:
        yield rows.collect()


@contextmanager
def writing(path: UPath) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Publish a Parquet file batch by batch, the whole or nothing.

    Yields:
        Writes some rows; to be called once at least, always with the same columns. Small lots become one batch.
    """
    waiting: list[pl.DataFrame] = []
    begun: list[Future[None]] = []
    writers: list[pq.ParquetWriter] = []
    with (
        publish(path, is_last=False) as aside,
        aside.open("wb") as stream,
        ExitStack() as stack,
        ThreadPoolExecutor(1) as thread,  # compresses a batch while its caller makes the next
    ):

        def put(rows: pl.DataFrame) -> None:
            table = rows.to_arrow(compat_level=pl.CompatLevel.newest())  # not copied
            if not writers:
                writers.append(stack.enter_context(_writer(stream, table.schema, rows)))
            if table.num_rows:
                writers[0].write_table(table, row_group_size=table.num_rows)

        def flush() -> None:
            if begun:
                begun.pop().result()
            begun.append(thread.submit(put, pl.concat(waiting)))
            waiting.clear()

        def write(rows: pl.DataFrame) -> None:
            waiting.append(rows)
            if sum(lot.height for lot in waiting) >= ROWS:
                flush()

        yield write
        if begun:
            begun.pop().result()
        if waiting:
            put(pl.concat(waiting))


def _writer(stream: IO[bytes], schema: pa.Schema, rows: pl.DataFrame) -> pq.ParquetWriter:
    """What writes batches like the first one.

    A dictionary makes a column smaller, and quicker to write, only where its values come again; and of nothing but a
    row's number does anybody ask which batch may hold it.
    """
    first = rows.head(_LOOKED_AT)
    return pq.ParquetWriter(
        stream,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in rows.columns if first[name].n_unique() < _REPEATED * first.height],
        write_statistics=[ROW] if ROW in rows.columns else False,
    )


def slices(rows: pl.DataFrame, size: int | None = None) -> Iterator[pl.DataFrame]:
    """A frame cut into batches, or into as many rows as are said; one without rows if there are none."""
    yield from rows.iter_slices(size or ROWS) if rows.height else [rows]


def each(function: Callable[[In], Out], batches: Iterable[In]) -> Iterator[Out]:
    """Apply a function to batches, several at once, and give what it returns in their order."""
    batches = iter(batches)
    first = list(islice(batches, 2))
    if len(first) < 2:  # a thread of its own would only cost a small file the way to it
        yield from map(function, first)
        return
    waiting: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for batch in chain(first, batches):
            waiting.append(pool.submit(function, batch))
            if len(waiting) > _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
