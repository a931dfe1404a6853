"""PostgreSQL: one consistent view of a table or a query, in the server's own text.

The server writes CSV itself (`COPY ... TO STDOUT`): no value passes through a type of ours, and each one that
PostgreSQL can hold comes as it stands. All values stand in quotation marks: a null and an empty text stay apart.
What changes the text of a value (time zone, style of dates, digits of floats) is set here, whatever the server's or
the role's own settings are: the same rows are the same bytes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from etl.connectors.connection import Connection
from etl.connectors.model import Complaint, FaultKind, Pulled, SourceFault, Window
from etl.connectors.table import SAMPLE, Column, Sheet, compare, file_name, key_of, wanted
from etl.contract import Contract
from etl.contract.servers import XMIN, PostgresqlServer
from etl.settings import CITY_ZONE, Limits

_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_REACH = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_LOCK_SECONDS = 30
_STAMPS = ("date", "timestamp without time zone", "timestamp with time zone")
_EPOCH = 2**32  # transaction numbers after which those of rows begin anew
_OWN_NUMBERS = 3  # below it: what PostgreSQL marks rows with that are older than every transaction
_CLOCK = 300.0  # seconds that a source's clock may differ from ours without a word
_CHANGES = "INSERT, UPDATE, DELETE, TRUNCATE"


class Postgresql:
    """Pulls a table or a query out of a PostgreSQL database; see `etl.connectors.model.Connector`."""

    def __init__(self, contract: Contract, connection: Connection, limits: Limits) -> None:
        assert isinstance(contract.server, PostgresqlServer)
        self._contract, self._server, self._limits = contract, contract.server, limits
        self._said = contract.server.custom_properties
        self._connection = connection
        self._host = connection.host or self._server.host
        self._port = connection.port or self._server.port
        self._database = connection.schema or self._server.database

    def check(self) -> list[Complaint]:
        """Log in and compare what is there with the contract."""
        try:
            with self._view() as view:
                told = compare(self._contract, *self._columns(view))
                complaints = [Complaint("column", f"{self._contract.id}: {sentence}", False) for sentence in told]
                if self._said.table and self._may_change(view):
                    sentence = f"The role may change {self._said.table}; ask for one that may only SELECT."
                    complaints.append(Complaint("right", sentence, False))
                apart = abs((self._clock(view) - datetime.now(UTC)).total_seconds())
                if apart > _CLOCK:
                    sentence = f"The clock of {self._server.server} and ours are {apart / 60:.0f} minutes apart."
                    complaints.append(Complaint("clock", sentence, False))
                return complaints
        except SourceFault as fault:
            return [Complaint(fault.kind, str(fault))]

    def pull(self, window: Window, into: Path) -> Iterator[Pulled]:
        """Write the rows that are asked for as one CSV file; none if a watermark has nothing behind it."""
        seen_at = datetime.now(UTC)
        name = file_name(self._contract, seen_at, window)
        with self._view() as view:
            columns, sample = self._columns(view)
            told = compare(self._contract, columns, sample)
            since, until, condition = self._marks(view, window, columns)
            names = wanted(self._contract, columns)
            about = {
                "columns": {column.name: column.type for column in columns},
                "told": told,
                "source_clock": self._clock(view).isoformat(),
                "snapshot": self._value(view, sql.SQL("SELECT pg_current_snapshot()::text")),
            }
            with Sheet(into / name, self._limits) as sheet:
                rows = self._copy(view, names, condition, sheet)
        if rows or (since is None and window.first is None):
            yield Pulled(name, rows, seen_at, since, until, about)

    def landed(self, pulled: Pulled) -> None:
        """Nothing is due at a database."""

    @contextmanager
    def _view(self) -> Iterator[psycopg.Connection[Any]]:
        """One read-only transaction that sees the source as it is at one moment."""
        try:
            with psycopg.connect(**self._account()) as view:
                view.read_only = True
                view.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                for setting, value in self._settings():
                    view.execute("SELECT set_config(%s, %s, false)", [setting, value])
                yield view
        except psycopg.Error as error:
            raise self._fault(error) from None
        except UnicodeDecodeError:
            sentence = f"{self._server.server} says something that is not UTF-8."
            raise SourceFault("answer", sentence) from None

    def _account(self) -> dict[str, Any]:
        of_tls = {name: self._connection.extra[name] for name in _TLS if name in self._connection.extra}
        if "sslmode" not in of_tls and not _is_here(self._host):
            of_tls |= {"sslmode": "verify-full"} | ({} if "sslrootcert" in of_tls else {"sslrootcert": "system"})
        return {
            "host": self._host,
            "port": self._port,
            "dbname": self._database,
            "user": self._connection.login,
            "password": self._connection.password,
            "application_name": "citydw",
            "client_encoding": "UTF8",
            **_REACH,
            **of_tls,
        }

    def _settings(self) -> Iterator[tuple[str, str]]:
        yield "TimeZone", CITY_ZONE
        yield "DateStyle", "ISO, YMD"
        yield "IntervalStyle", "iso_8601"
        yield "extra_float_digits", "1"
        yield "bytea_output", "hex"
        yield "search_path", f'"{self._server.schema_.replace(chr(34), chr(34) * 2)}"'
        yield "lock_timeout", f"{_LOCK_SECONDS}s"
        yield "statement_timeout", f"{self._server.timeout.total_seconds():.0f}s"

    @property
    def _relation(self) -> sql.Composable:
        if self._said.table:
            return sql.Identifier(*self._said.table.split("."))
        query = (self._said.query or "").strip().rstrip(";")
        return sql.SQL("({})").format(sql.SQL(query))  # the engineer's, from the contract

    def _columns(self, view: psycopg.Connection[Any]) -> tuple[list[Column], list[list[str | None]]]:
        """The columns that the source has, and a few rows as text."""
        query = sql.SQL("SELECT q.* FROM {} AS q LIMIT {}").format(self._relation, SAMPLE)
        with view.cursor() as cursor:
            cursor.execute(query)
            result = cursor.pgresult
            assert result is not None
            described = [(at.name, at.type_code) for at in cursor.description or ()]
            cells = [[result.get_value(row, at) for at in range(result.nfields)] for row in range(result.ntuples)]
            cursor.execute("SELECT format_type(oid, NULL) FROM unnest(%s::oid[]) WITH ORDINALITY AS t (oid, at)"
                           " ORDER BY at", [[code for _, code in described]])  # fmt: skip
            columns = [Column(name, kind) for (name, _), (kind,) in zip(described, cursor, strict=True)]
        return columns, [[None if cell is None else cell.decode() for cell in row] for row in cells]

    def _marks(
        self, view: psycopg.Connection[Any], window: Window, columns: list[Column]
    ) -> tuple[str | None, str | None, sql.Composable]:
        """Where the pull begins and where the next one does, and the condition of the rows that are pulled."""
        everything = sql.SQL("true")
        mark = self._said.watermark
        if window.first is not None and (mark is None or mark.column == XMIN):
            raise SourceFault("column", f"{self._contract.id} has no stamp by which days could be asked for.")
        if mark is None:
            return None, None, everything
        if mark.column == XMIN:
            until = str(self._value(view, sql.SQL("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")))
            behind = int(until) - int(window.since) if window.since else -1
            if not 0 <= behind < _EPOCH // 2:  # all of it: too long ago, or the server was built anew
                return None, until, everything
            return window.since, until, _changed_since(int(until) - behind)
        column = sql.Identifier("q", mark.column)
        kind = next((each.type for each in columns if each.name == mark.column), None)
        if kind not in _STAMPS:
            sentence = f"{self._contract.id}: the watermark's column {mark.column} is {kind or 'not there'}, no stamp."
            raise SourceFault("column", sentence)
        cast, overlap = sql.SQL(kind), sql.Literal(f"{self._server.overlap.total_seconds():.0f} seconds")
        if window.first is not None:
            within = sql.SQL("{c} >= CAST({first} AS {kind}) AND {c} < CAST({last} AS {kind})")
            first, last = sql.Literal(window.first.isoformat()), sql.Literal((window.last or window.first).isoformat())
            return None, None, within.format(c=column, kind=cast, first=first, last=last)
        condition: sql.SQL | sql.Composed = everything
        if window.since is not None:
            behind_mark = sql.SQL("({c} >= CAST({since} AS {kind}) - CAST({overlap} AS interval) OR {c} IS NULL)")
            condition = behind_mark.format(c=column, since=sql.Literal(window.since), kind=cast, overlap=overlap)
        # A stamp ahead of the source's clock must not hide what is stamped rightly from now on.
        last_stamp = sql.SQL("SELECT least(max({c}), CAST(now() AS {kind}))::text FROM {relation} AS q WHERE {where}")
        until = self._value(
            view,
            last_stamp.format(c=column, kind=cast, relation=self._relation, where=condition),
        )
        return window.since, until if until is not None else window.since, condition

    def _copy(self, view: psycopg.Connection[Any], names: list[str], condition: sql.Composable, sheet: Sheet) -> int:
        columns = sql.SQL(", ").join(sql.Identifier("q", name) for name in names)
        key = sql.SQL(", ").join(sql.Identifier("q", name) for name in key_of(self._contract))
        query = sql.SQL(
            "COPY (SELECT {columns} FROM {relation} AS q WHERE {condition} ORDER BY {key}) TO STDOUT"
            " (FORMAT csv, HEADER, FORCE_QUOTE *, DELIMITER {delimiter})"
        ).format(
            columns=columns,
            relation=self._relation,
            condition=condition,
            key=key,
            delimiter=sql.Literal(self._contract.source.delimiter),
        )
        with view.cursor() as cursor:
            with cursor.copy(query) as copy:
                for data in copy:
                    sheet.write(data)
            return int(cursor.rowcount)

    def _value(self, view: psycopg.Connection[Any], query: sql.SQL | sql.Composed) -> Any:
        row = view.execute(query).fetchone()
        return row[0] if row else None

    def _clock(self, view: psycopg.Connection[Any]) -> datetime:
        moment = self._value(view, sql.SQL("SELECT extract(epoch FROM clock_timestamp())"))
        return datetime.fromtimestamp(float(moment), UTC)

    def _may_change(self, view: psycopg.Connection[Any]) -> bool:
        query = sql.SQL("SELECT has_table_privilege({}, {})")
        return bool(self._value(view, query.format(self._relation.as_string(view), _CHANGES)))

    def _fault(self, error: psycopg.Error) -> SourceFault:
        """The engineer's sentence for what the server or the way to it refuses. The server's own may quote a row."""
        where = f"{self._server.server} ({self._host}:{self._port}, database {self._database})"
        state = error.sqlstate or ""
        for begins, (kind, sentence) in _SENTENCES.items():
            if state.startswith(begins):
                return SourceFault(kind, sentence.format(where=where, table=self._said.table or "the query's tables"))
        if not state:
            kind, sentence = _of_the_way(str(error).lower())
            return SourceFault(kind, sentence.format(where=where))
        return SourceFault("answer", f"{where} refused with SQLSTATE {state} ({type(error).__name__}).")


# By the beginning of PostgreSQL's SQLSTATE, the longest first.
_SENTENCES: dict[str, tuple[FaultKind, str]] = {
    "28": ("password", "{where} does not let the account in: user, password or its pg_hba.conf; mend the connection."),
    "3D000": ("name", "{where} has no such database; mend the contract or the connection."),
    "42501": ("right", "{where}: the role may not read {table}; the right is missing: GRANT SELECT, see the guide."),
    "42P01": ("table", "{where} has no {table}; it was dropped, renamed, or is in another schema."),
    "42703": ("column", "{where}: the query or the watermark names a column that is not there."),
    "55P03": ("lock", "{where}: {table} is locked by somebody; tried again at the next pull."),
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


def _changed_since(since: int) -> sql.Composable:
    """Rows written by that transaction or a later one; those of numbers that began anew come once too often."""
    written = sql.SQL("q.xmin::text::bigint")
    return sql.SQL("(({written} - {since} + {epoch}) % {epoch} < {half} OR {written} < {own})").format(
        written=written,
        since=sql.Literal(since % _EPOCH),
        epoch=sql.Literal(_EPOCH),
        half=sql.Literal(_EPOCH // 2),
        own=sql.Literal(_OWN_NUMBERS),
    )


def _is_here(host: str) -> bool:
    """Whether a server stands on this machine, where nobody else listens in."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
