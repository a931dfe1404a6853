"""PostgreSQL: one consistent view of a table or a query, in the server's own text.

The server writes CSV itself (`COPY ... TO STDOUT`): no value passes through a type of ours, and each one that
PostgreSQL can hold comes as it stands. What changes the text of a value (time zone, style of dates, digits of floats)
is set here, whatever the server's or the role's own settings are: the same rows are the same bytes.
"""

from __future__ import annotations

import codecs
import os
import select
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import generators, sql
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from etl.connectors import database
from etl.connectors.database import Column, Database, Marks, Sheet
from etl.connectors.model import FaultKind, SourceFault, Window
from etl.contract.city import city
from etl.contract.servers import XMIN, PostgresqlServer

_Query = sql.SQL | sql.Composed
_View = psycopg.Connection[Any]
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_STAMPS = ("date", "timestamp without time zone", "timestamp with time zone")
_EPOCH = 2**32  # transaction numbers after which those of rows begin anew
_OWN_NUMBERS = 3  # below it: what PostgreSQL marks rows with that are older than every transaction
_CHANGES = "INSERT, UPDATE, DELETE, TRUNCATE"


class Postgresql(Database[_View, _Query]):
    """Pulls a table or a query out of a PostgreSQL database; see `etl.connectors.model.Connector`."""

    server: PostgresqlServer

    @contextmanager
    def view(self) -> Iterator[_View]:
        """One read-only transaction, `REPEATABLE READ`."""
        is_hung_up = threading.Event()
        # A transaction has two long statements at most: that of the last stamp, and that of the rows.
        seconds = 2 * self.server.timeout.total_seconds() + database.LONGER
        try:
            with closing(psycopg.connect(**self._account())) as view, _hang_up(view, seconds, is_hung_up):
                view.read_only = True
                view.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                for setting, value in self._settings():
                    view.execute("SELECT set_config(%s, %s, false)", [setting, value])
                yield view
        except psycopg.Error as error:
            if is_hung_up.is_set():
                raise SourceFault("timeout", f"{self.where} has fallen silent; tried again at the next pull.") from None
            raise self._fault(error) from None
        except UnicodeDecodeError:
            raise SourceFault("answer", f"{self.where} says something that is not UTF-8.") from None

    def columns(self, view: _View) -> tuple[list[Column], list[list[str | None]]]:
        """The columns that the source has, and a few rows as text."""
        types = "SELECT format_type(oid, NULL) FROM unnest(%s::oid[]) WITH ORDINALITY AS t (oid, at) ORDER BY at"
        with view.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT q.* FROM {} AS q LIMIT 0").format(self._relation))
            described = [(at.name, at.type_code) for at in cursor.description or ()]
            cursor.execute(types, [[code for _, code in described]])
            columns = [Column(name, kind) for (name, _), (kind,) in zip(described, cursor, strict=True)]
            if len({column.name for column in columns}) < len(columns):
                return columns, []  # two of one name, none of which can be asked for
            cells = [
                sql.SQL("left({}::text, {})").format(sql.Identifier("q", column.name), database.SAMPLE_CHARS)
                for column in columns
            ]
            sample = sql.SQL("SELECT {} FROM {} AS q LIMIT {}")
            cursor.execute(sample.format(sql.SQL(", ").join(cells), self._relation, database.SAMPLE))
            result = cursor.pgresult
            assert result is not None
            rows = [[result.get_value(row, at) for at in range(result.nfields)] for row in range(result.ntuples)]
        return columns, [[None if cell is None else _decoded(cell) for cell in row] for row in rows]

    def marks(self, view: _View, window: Window, columns: Sequence[Column]) -> Marks[_Query]:
        """What is to be pulled: all, what transactions from one on wrote, or what is stamped from a moment on."""
        everything = sql.SQL("true")
        mark = self.server.custom_properties.watermark
        if mark is None:
            return Marks(None, None, everything)
        if mark.column == XMIN:
            until = int(_value(view, sql.SQL("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")))
            since = int(window.since) if window.since else -1
            if not 0 <= until - since < _EPOCH // 2 or since < 0:  # all of it: too long ago, or a server built anew
                return Marks(None, str(until), everything)
            return Marks(window.since, str(until), _written_since(since))
        kind = sql.SQL(database.stamp_column(self.contract, mark.column, columns, _STAMPS))
        stamp = sql.Identifier("q", mark.column)
        if window.first is not None and window.last is not None:
            within = sql.SQL("{stamp} >= CAST({first} AS {kind}) AND {stamp} < CAST({last} AS {kind})")
            first, last = sql.Literal(window.first.isoformat()), sql.Literal(window.last.isoformat())
            return Marks(None, None, within.format(stamp=stamp, kind=kind, first=first, last=last))
        condition: _Query = everything
        if window.since is not None:
            condition = sql.SQL(
                "({stamp} >= CAST({since} AS {kind}) - CAST({overlap} AS interval) OR {stamp} IS NULL)"
            ).format(
                stamp=stamp,
                since=sql.Literal(window.since),
                kind=kind,
                overlap=sql.Literal(f"{self.server.overlap.total_seconds():.0f} seconds"),
            )
        # A stamp ahead of the clock must not hide what is stamped rightly from now on.
        last_stamp = sql.SQL(
            "SELECT max({stamp}) FILTER (WHERE {stamp} <= now())::text FROM {of} AS q WHERE {condition}"
        )
        query = last_stamp.format(stamp=stamp, of=self._relation, condition=condition)
        return Marks(window.since, _value(view, query) or window.since, condition)

    def write(self, view: _View, columns: Sequence[Column], key: Sequence[str], condition: _Query, sheet: Sheet) -> int:
        """Let the server write the file."""
        query = sql.SQL(
            "COPY (SELECT {columns} FROM {of} AS q WHERE {condition} ORDER BY {key}) TO STDOUT"
            " (FORMAT csv, HEADER, FORCE_QUOTE *, DELIMITER {delimiter})"
        ).format(
            columns=sql.SQL(", ").join(sql.Identifier("q", column.name) for column in columns),
            of=self._relation,
            condition=condition,
            key=sql.SQL(", ").join(sql.Identifier("q", name) for name in key),
            delimiter=sql.Literal(self.contract.source.delimiter),
        )
        return _copy_out(view, query, sheet)

    def position(self, view: _View) -> dict[str, str]:
        """The transactions that the view sees."""
        return {"snapshot": str(_value(view, sql.SQL("SELECT pg_current_snapshot()::text")))}

    def clock(self, view: _View) -> datetime:
        """What the source's clock says."""
        return datetime.fromtimestamp(float(_value(view, sql.SQL("SELECT extract(epoch FROM clock_timestamp())"))), UTC)

    def may_change(self, view: _View) -> bool:
        """Whether the role may change the table."""
        table = self._relation.as_string(view)
        query = sql.SQL("SELECT has_table_privilege({}, {})").format(sql.Literal(table), sql.Literal(_CHANGES))
        return bool(_value(view, query))

    def _account(self) -> dict[str, Any]:
        of_tls = {name: self.connection.extra[name] for name in _TLS if name in self.connection.extra}
        if "sslmode" not in of_tls and not database.is_here(self.host):
            of_tls = {"sslmode": "verify-full", "sslrootcert": "system"} | of_tls
        return {
            "host": self.host,
            "port": self.port,
            "dbname": self.database,
            "user": self.connection.login,
            "password": self.connection.password,
            "application_name": "citydw",
            "client_encoding": "UTF8",
            "connect_timeout": database.CONNECT_SECONDS,
            **_KEEPALIVES,
            **of_tls,
        }

    def _settings(self) -> Iterator[tuple[str, str]]:
        yield "TimeZone", city().time_zone
        yield "DateStyle", "ISO, YMD"
        yield "IntervalStyle", "iso_8601"
        yield "extra_float_digits", "1"
        yield "bytea_output", "hex"
        yield "search_path", '"{}"'.format(self.server.schema_.replace('"', '""'))
        yield "lock_timeout", f"{database.LOCK_SECONDS}s"
        yield "statement_timeout", f"{self.server.timeout.total_seconds():.0f}s"

    @property
    def _relation(self) -> sql.Identifier | sql.Composed:
        said = self.server.custom_properties
        if said.table:
            return sql.Identifier(*said.table.split("."))
        query = (said.query or "").strip().rstrip(";")
        return sql.SQL("({})").format(sql.SQL(query))  # the engineer's, from the contract

    def _fault(self, error: psycopg.Error) -> SourceFault:
        """The engineer's sentence for what the server or the way to it refuses. The server's own may quote a row."""
        state = error.sqlstate or ""
        for begins, (kind, sentence) in _SENTENCES.items():
            if state.startswith(begins):
                return SourceFault(kind, sentence.format(where=self.where, tables=self.tables))
        if not state:
            kind, sentence = _of_the_way(str(error).lower())
            return SourceFault(kind, sentence.format(where=self.where))
        return SourceFault("answer", f"{self.where} refused with SQLSTATE {state} ({type(error).__name__}).")


def _copy_out(view: _View, query: _Query, sheet: Sheet) -> int:
    """Write what a COPY sends; gives the number of rows.

    It asks libpq itself: psycopg's own loop costs as much for each row as the server's work on it.
    """
    line = view.pgconn
    line.send_query(query.as_bytes(view))
    _only(view.wait(generators.execute(line)), ExecStatus.COPY_OUT)
    waiting, arrives = bytearray(), select.poll()
    arrives.register(line.socket, select.POLLIN)
    while True:
        size, data = line.get_copy_data(1)
        if size > 0:
            waiting += data
            if len(waiting) >= database.AT_ONCE:
                sheet.write(waiting)
                waiting.clear()
        elif size == 0:  # nothing is here yet
            arrives.poll()
            line.consume_input()
        else:
            break
    sheet.write(waiting)
    return _only(view.wait(generators.fetch_many(line)), ExecStatus.COMMAND_OK).command_tuples or 0


def _only(results: list[PGresult], status: ExecStatus) -> PGresult:
    (result,) = results
    if result.status != status:
        raise psycopg.errors.error_from_result(result)
    return result


@contextmanager
def _hang_up(view: _View, seconds: float, is_hung_up: threading.Event) -> Iterator[None]:
    """Break off a connection after so many seconds: a server that hangs keeps to no limit, and its machine answers."""

    def hang_up() -> None:
        is_hung_up.set()
        with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(view.fileno())) as line:  # it may be gone
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _decoded(cell: bytes) -> str:
    """A cell whose end may have been cut within a letter."""
    return codecs.getincrementaldecoder("utf-8")().decode(cell)


def _value(view: _View, query: _Query) -> Any:
    row = view.execute(query).fetchone()
    return row[0] if row else None


# By the beginning of PostgreSQL's SQLSTATE, a longer one before a shorter.
_SENTENCES: dict[str, tuple[FaultKind, str]] = {
    "28": ("password", "{where} does not let the account in: user, password or its pg_hba.conf; mend the connection."),
    "3D000": ("name", "{where} has no such database; mend the contract or the connection."),
    "42501": ("right", "{where}: the role may not read {tables}; the right is missing: GRANT SELECT, see the guide."),
    "42P01": ("table", "{where} has no {tables}; it was dropped, renamed, or is in another schema."),
    "42703": ("column", "{where}: the query or the watermark names a column that is not there."),
    "55P03": ("lock", "{where}: {tables} is locked by somebody; tried again at the next pull."),
    "57014": ("timeout", "{where}: the query took longer than the contract's `timeout`, and was ended."),
    "57P": ("gone", "{where} was shut down or ended the session; nothing was taken, tried again at the next pull."),
    "53": ("gone", "{where} has no connection or memory left; tried again at the next pull."),
    "08": ("gone", "{where}: the connection was lost; nothing was taken, tried again at the next pull."),
    "40001": ("gone", "{where}: the standby ended the query for its own replay; tried again at the next pull."),
}


def _of_the_way(said: str) -> tuple[FaultKind, str]:
    """What a fault without a SQLSTATE is; it comes from the client's library, and is told by its words."""
    if "password authentication" in said or "no password supplied" in said or "pg_hba" in said:
        return _SENTENCES["28"]
    if "certificate" in said or "ssl" in said or "tls" in said:
        return "tls", "{where}: no secure connection: the certificate is wrong, has expired, or TLS is not offered."
    if "database" in said and "does not exist" in said:
        return _SENTENCES["3D000"]
    if "translate host name" in said or "name resolution" in said or "resolve host" in said:
        return "address", "{where} has a name that nobody knows; mend the address."
    if "refused" in said or "timeout expired" in said or "no such file" in said or "unreachable" in said:
        return "address", "{where} does not answer: it is down, or a firewall is between; mend the address or wait."
    return "gone", "{where}: the connection was lost; nothing was taken, tried again at the next pull."


def _written_since(since: int) -> sql.Composed:
    """Rows written by that transaction or a later one; those of numbers that began anew come once too often."""
    written = sql.SQL("q.xmin::text::bigint")
    return sql.SQL("(({written} - {since} + {epoch}) % {epoch} < {half} OR {written} < {own})").format(
        written=written,
        since=sql.Literal(since % _EPOCH),
        epoch=sql.Literal(_EPOCH),
        half=sql.Literal(_EPOCH // 2),
        own=sql.Literal(_OWN_NUMBERS),
    )
