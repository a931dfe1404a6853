"""What all databases have in common: a table's columns against the contract's, and the file that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import polars as pl

from etl.connectors.model import SourceFault, Window
from etl.contract import Contract
from etl.delivery.columns import ROW
from etl.delivery.display import megabytes
from etl.delivery.messages import Stop
from etl.extract.drift import check_columns
from etl.extract.table import Table
from etl.settings import CITY_TIME, Limits

SAMPLE = 100  # rows by whose content a renamed column is told


class Column(NamedTuple):
    """A column of the source, with its type as the source calls it."""

    name: str
    type: str


def compare(contract: Contract, columns: Sequence[Column], rows: Sequence[Sequence[str | None]]) -> list[str]:
    """Compare a table's columns with the contract, before rows move; in the words in which a file is told.

    Args:
        contract: the dataset's.
        columns: of the table or the query.
        rows: a few, as text.

    Returns:
        What is to be said of columns that are more or fewer, where that stops nothing.

    Raises:
        SourceFault: if a required column is missing, or one seems to be renamed.
    """
    names = [column.name for column in columns]
    doubled = sorted({name for name in names if [ROW, *names].count(name) > 1})
    if doubled:
        raise SourceFault("column", f"{contract.id}: the source has two columns {', '.join(doubled)}; name them apart.")
    cells = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    frame = pl.DataFrame({ROW: range(1, len(rows) + 1), **cells}, {ROW: pl.Int64, **dict.fromkeys(names, pl.String)})
    try:
        problems = check_columns(Table(frame), contract).problems
    except Stop as stop:
        raise SourceFault("column", f"{contract.id}: {stop.message.en}") from None
    return problems["en"].to_list()


def wanted(contract: Contract, columns: Sequence[Column]) -> list[str]:
    """The names of the contract's columns that the source has, in the contract's order; no others are fetched."""
    there = {column.name for column in columns}
    return [column.source_name for column in contract.columns if column.source_name in there]


def key_of(contract: Contract) -> list[str]:
    """What the source calls the columns of the key, in its order."""
    return [column.source_name for column in contract.key]


def file_name(contract: Contract, seen_at: datetime, window: Window) -> str:
    """What the file is called: its place in time is the day and the time of the view, or the last of the days asked."""
    clock = seen_at.astimezone(CITY_TIME)
    day = (window.last - timedelta(days=1)).astimezone(CITY_TIME) if window.last else clock
    return f"{contract.dataset}_{day:%Y-%m-%d}T{clock:%H%M%S}.csv"


class Sheet:
    """A file that is written piece by piece, up to the limit of a file."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._stream = path.open("wb")
        self._most = limits.file_bytes
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write.

        Raises:
            SourceFault: if it becomes larger than any file may be.
        """
        self.size += len(data)
        if self.size > self._most:
            raise SourceFault("too_large", f"What was asked for is larger than {megabytes(self._most)}; ask for less.")
        self._stream.write(data)

    def __enter__(self) -> Sheet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
