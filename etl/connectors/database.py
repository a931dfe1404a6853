"""What all databases have in common: one consistent view, its columns against the contract's, and one CSV file of it.

All values stand in quotation marks, a null has none: a null and an empty text stay apart in landing.
"""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Generic, NamedTuple, TypeVar

import polars as pl

from etl.connectors.connection import Connection
from etl.connectors.model import Complaint, Pulled, SourceFault, Window
from etl.contract import Contract
from etl.contract.city import city
from etl.contract.servers import XMIN, DatabaseServer
from etl.delivery.columns import ROW
from etl.delivery.display import megabytes
from etl.delivery.messages import Stop
from etl.extract.drift import check_columns
from etl.extract.table import Table
from etl.settings import Limits

SAMPLE = 100  # rows by whose content a renamed column is told
SAMPLE_CHARS = 200  # of each cell of these
AT_ONCE = 1 << 20  # bytes that are written at a time, or a longer line
LOCK_SECONDS = 30  # that a table which somebody else has locked is waited for
CONNECT_SECONDS = 10
LONGER = 60.0  # seconds beyond its own limits that a server may be silent
_CLOCK = 300.0  # seconds that a source's clock may differ from ours without a word
_View = TypeVar("_View")
_Query = TypeVar("_Query")


@dataclass(frozen=True)
class Marks(Generic[_Query]):
    """Where a pull begins, where the next one does, and the condition of the rows in between."""

    since: str | None
    until: str | None
    condition: _Query


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


def file_name(contract: Contract, seen_at: datetime, window: Window) -> str:
    """What the file is called: its place in time is the day and the time of the view, or the last of the days asked."""
    clock = seen_at.astimezone(city().zone)
    day = (window.last - timedelta(days=1)).astimezone(city().zone) if window.last else clock
    return f"{contract.dataset}_{day:%Y-%m-%d}T{clock:%H%M%S}.csv"


class Database(ABC, Generic[_View, _Query]):
    """Pulls a table or a query out of a database; see `etl.connectors.model.Connector`."""

    server: DatabaseServer

    def __init__(self, contract: Contract, connection: Connection, limits: Limits) -> None:
        assert isinstance(contract.server, DatabaseServer)
        self.contract, self.server, self.limits, self.connection = contract, contract.server, limits, connection
        self.host = connection.host or self.server.host
        self.port = connection.port or self.server.port
        self.database = connection.schema or self.server.database

    @property
    def where(self) -> str:
        """The database, as the engineer is told of it."""
        return f"{self.server.server} ({self.host}:{self.port}, database {self.database})"

    @property
    def tables(self) -> str:
        """What is read, as the engineer is told of it."""
        return self.server.custom_properties.table or "the query's tables"

    def check(self) -> list[Complaint]:
        """Log in and compare what is there with the contract."""
        try:
            with self.view() as view:
                told = compare(self.contract, *self.columns(view))
                complaints = [Complaint("column", f"{self.contract.id}: {sentence}", False) for sentence in told]
                if self.server.custom_properties.table and self.may_change(view):
                    sentence = f"{self.where}: the role may change {self.tables}; ask for one that may only SELECT."
                    complaints.append(Complaint("right", sentence, False))
                apart = abs((self.clock(view) - datetime.now(UTC)).total_seconds())
                if apart > _CLOCK:
                    sentence = f"{self.where}: its clock and ours are {apart / 60:.0f} minutes apart."
                    complaints.append(Complaint("clock", sentence, False))
                return complaints
        except SourceFault as fault:
            return [Complaint(fault.kind, str(fault))]

    def pull(self, window: Window, into: Path) -> Iterator[Pulled]:
        """Write the rows that are asked for as one CSV file; none if there is nothing behind a watermark."""
        mark = self.server.custom_properties.watermark
        if window.first is not None and (mark is None or mark.column == XMIN):
            raise SourceFault("column", f"{self.contract.id} has no stamp by which days could be asked for.")
        seen_at = datetime.now(UTC)
        name = file_name(self.contract, seen_at, window)
        with self.view() as view:
            columns, sample = self.columns(view)
            told = compare(self.contract, columns, sample)
            marks = self.marks(view, window, columns)
            about = {
                "columns": {column.name: column.type for column in columns},
                "told": told,
                "clock": self.clock(view).isoformat(),
                **self.position(view),
            }
            there = {column.name: column for column in columns}
            asked = [there[each.source_name] for each in self.contract.columns if each.source_name in there]
            key = [each.source_name for each in self.contract.key]
            with Sheet(into / name, self.limits) as sheet:
                rows = self.write(view, asked, key, marks.condition, sheet)
        if rows or (marks.since is None and window.first is None):
            yield Pulled(name, rows, seen_at, marks.since, marks.until, about)

    def landed(self, pulled: Pulled) -> None:
        """Nothing is due at a database."""

    @abstractmethod
    def view(self) -> AbstractContextManager[_View]:
        """One read-only transaction that sees the source as it is at one moment.

        Raises:
            SourceFault: for whatever the server refuses, in this block too.
        """

    @abstractmethod
    def columns(self, view: _View) -> tuple[list[Column], list[list[str | None]]]:
        """The columns that the source has, and a few rows as text, of which a cell is SAMPLE_CHARS long at most."""

    @abstractmethod
    def marks(self, view: _View, window: Window, columns: Sequence[Column]) -> Marks[_Query]:
        """What is to be pulled."""

    @abstractmethod
    def write(self, view: _View, columns: Sequence[Column], key: Sequence[str], condition: _Query, sheet: Sheet) -> int:
        """Write a header and the rows, in the order of the key; gives how many rows."""

    @abstractmethod
    def position(self, view: _View) -> dict[str, str]:
        """Where the source is in its own history, to be written down."""

    @abstractmethod
    def clock(self, view: _View) -> datetime:
        """What the source's clock says."""

    @abstractmethod
    def may_change(self, view: _View) -> bool:
        """Whether the account may change the table."""


def is_here(host: str) -> bool:
    """Whether a server stands on this machine, where nobody else listens in."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def stamp_column(contract: Contract, name: str, columns: Sequence[Column], kinds: Collection[str]) -> str:
    """The type of the watermark's column.

    Raises:
        SourceFault: if it is not there, or holds no stamps.
    """
    kind = next((each.type for each in columns if each.name == name), None)
    if kind not in kinds:
        sentence = f"{contract.id}: the watermark's column {name} is {kind or 'not there'}, no stamp."
        raise SourceFault("column", sentence)
    return str(kind)


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
