"""MariaDB and MySQL: one consistent view of a table or a query, in the server's own text.

The server builds each line of CSV itself, and it comes through a server-side cursor, as bytes: no value passes through
a type of ours. `0000-00-00` and `2026-02-00` arrive as they stand, and are judged like any cell. A line that the server
cannot build (a value is larger than its `max_allowed_packet`, or no text in its own character set) is null as a whole:
the pull fails then, for no value may become another silently.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import encoders, escape_string
from pymysql.cursors import SSCursor

from etl.connectors import database
from etl.connectors.database import Column, Database, Marks, Sheet
from etl.connectors.model import FaultKind, SourceFault, Window
from etl.contract.city import city
from etl.contract.servers import MysqlServer

_BINARY = 63  # the character set of bytes
_TEXTS = (FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.BLOB, FIELD_TYPE.TINY_BLOB,
          FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB)  # fmt: skip
# What is never empty and holds no quotation mark, in no character set of its own: a server joins it as it stands.
_PLAIN = ("tiny", "short", "int24", "long", "longlong", "decimal", "newdecimal", "float", "double", "year", "date",
          "newdate", "datetime", "timestamp", "time")  # fmt: skip
_OF_NUMBERS = "+-.:"  # signs that such a value may hold
_STAMPS = ("date", "datetime", "timestamp")
_NAMES = {
    getattr(FIELD_TYPE, name): name.lower() for name in dir(FIELD_TYPE) if name.isupper() and name not in ("CHAR",)
}
_RIGHTS = ("INSERT", "UPDATE", "DELETE", "DROP", "ALTER", "ALL PRIVILEGES")
_OF_STATEMENTS = {True: ("max_statement_time", 1), False: ("max_execution_time", 1000)}  # by whether it is MariaDB


class Mysql(Database[pymysql.connections.Connection, str]):
    """Pulls a table or a query out of a MariaDB or MySQL database; see `etl.connectors.model.Connector`."""

    server: MysqlServer

    @contextmanager
    def view(self) -> Iterator[pymysql.connections.Connection]:
        """One read-only transaction with a consistent snapshot."""
        view = None
        try:
            view = pymysql.connect(**self._account())
            for statement in self._settings(view):
                _run(view, statement)
            yield view
        except pymysql.err.MySQLError as error:
            raise self._fault(error) from None
        except ssl.SSLError:
            raise SourceFault("tls", _TLS.format(where=self.where)) from None
        except UnicodeDecodeError:
            raise SourceFault("answer", f"{self.where} says something that is not UTF-8.") from None
        finally:
            if view is not None and view.open:
                view._force_close()  # it may be in the middle of millions of rows

    def columns(self, view: pymysql.connections.Connection) -> tuple[list[Column], list[list[str | None]]]:
        """The columns that the source has, and a few rows as text."""
        with view.cursor() as cursor:
            cursor.execute(f"SELECT q.* FROM {self._relation} AS q LIMIT 0")
            columns = [Column(field.name, _type(field)) for field in cursor._result.fields]
            cells = ", ".join(f"LEFT({_text_of(column)}, {database.SAMPLE_CHARS})" for column in columns)
            cursor.execute(f"SELECT {cells} FROM {self._relation} AS q LIMIT {database.SAMPLE}")
            rows = [[None if cell is None else cell.decode(errors="replace") for cell in row] for row in cursor]
        return columns, rows

    def marks(self, view: pymysql.connections.Connection, window: Window, columns: Sequence[Column]) -> Marks[str]:
        """What is to be pulled: all, or what is stamped from a moment on."""
        mark = self.server.custom_properties.watermark
        if mark is None:
            return Marks(None, None, "TRUE")
        database.stamp_column(self.contract, mark.column, columns, _STAMPS)
        stamp = f"q.{_named(mark.column)}"
        if window.first is not None and window.last is not None:
            first, last = (f"'{moment:%Y-%m-%d %H:%M:%S}'" for moment in (window.first, window.last))
            return Marks(None, None, f"({stamp} >= {first} AND {stamp} < {last})")
        condition = "TRUE"
        if window.since is not None:
            since = f"CAST('{escape_string(window.since)}' AS DATETIME(6))"
            overlap = f"INTERVAL {self.server.overlap.total_seconds():.0f} SECOND"
            condition = f"({stamp} >= {since} - {overlap} OR {stamp} IS NULL)"
        # A stamp ahead of the clock must not hide what is stamped rightly from now on.
        last_stamp = f"CAST(MAX(CASE WHEN {stamp} <= NOW(6) THEN {stamp} END) AS CHAR)"
        until = _value(view, f"SELECT {last_stamp} FROM {self._relation} AS q WHERE {condition}")
        return Marks(window.since, until or window.since, condition)

    def write(
        self,
        view: pymysql.connections.Connection,
        columns: Sequence[Column],
        key: Sequence[str],
        condition: str,
        sheet: Sheet,
    ) -> int:
        """Write the lines that the server builds."""
        comma = self.contract.source.delimiter
        known = self._in_our_characters(view, columns)
        cells = f", '{escape_string(comma)}', ".join(_cell(column, comma, column.name in known) for column in columns)
        order = ", ".join(f"q.{_named(name)}" for name in key)
        query = f"SELECT CONCAT({cells}) FROM {self._relation} AS q WHERE {condition} ORDER BY {order}"
        names = comma.join(_quoted(column.name, comma) for column in columns)
        sheet.write(names.encode() + b"\n")
        rows, waiting = 0, bytearray()
        with view.cursor(SSCursor) as cursor:
            cursor.execute(query)
            for (line,) in iter(cursor.read_next, None):
                rows += 1
                if line is None:
                    sentence = _TOO_LARGE.format(where=self.where, tables=self.tables)
                    raise SourceFault("too_large", f"{sentence}: row {rows} by the key.")
                waiting += line
                waiting += b"\n"
                if len(waiting) >= database.AT_ONCE:
                    sheet.write(waiting)
                    waiting.clear()
        sheet.write(waiting)
        return rows

    def _in_our_characters(self, view: pymysql.connections.Connection, columns: Sequence[Column]) -> set[str]:
        """Columns of a table whose text is utf8mb4 already; a query would have to be run for it."""
        texts = [column.name for column in columns if column.type == "text"]
        if not (texts and self.server.custom_properties.table):
            return set()
        with view.cursor() as cursor:
            sets = ", ".join(f"CHARSET(q.{_named(name)})" for name in texts)
            cursor.execute(f"SELECT {sets} FROM {self._relation} AS q LIMIT 1")
            said = cursor.fetchone() or [None] * len(texts)
        return {name for name, characters in zip(texts, said, strict=True) if _text(characters) == "utf8mb4"}

    def position(self, view: pymysql.connections.Connection) -> dict[str, str]:
        """The server, for it tells nobody without rights where its log is."""
        return {"version": str(_value(view, "SELECT VERSION()"))}

    def clock(self, view: pymysql.connections.Connection) -> datetime:
        """What the source's clock says."""
        return datetime.fromtimestamp(float(_value(view, "SELECT UNIX_TIMESTAMP(SYSDATE(6))") or 0), UTC)

    def may_change(self, view: pymysql.connections.Connection) -> bool:
        """Whether the account may change anything at all."""
        with view.cursor() as cursor:
            cursor.execute("SHOW GRANTS")
            said = [str(_text(row[0])).partition(" ON ")[0] for row in cursor.fetchall()]
        return any(right in grant for grant in said for right in _RIGHTS)

    def _account(self) -> dict[str, Any]:
        place = {"unix_socket": self.host} if self.host.startswith("/") else {"host": self.host, "port": self.port}
        timeout = self.server.timeout.total_seconds() + database.LONGER
        account: dict[str, Any] = {
            **place,
            "user": self.connection.login or "",
            "password": self.connection.password or "",
            "database": self.database,
            "charset": "utf8mb4",
            "use_unicode": False,
            "conv": encoders,  # what comes stays as it is
            "connect_timeout": database.CONNECT_SECONDS,
            "read_timeout": timeout,
            "write_timeout": timeout,
            "max_allowed_packet": 1 << 30,
            "program_name": "citydw",
        }
        authority = self.connection.extra.get("ssl_ca")
        if authority or not database.is_here(self.host):  # both the certificate and the server's name are looked at
            account["ssl"] = ssl.create_default_context(cafile=authority)
        return account

    def _settings(self, view: pymysql.connections.Connection) -> Iterator[str]:
        name, unit = _OF_STATEMENTS["MariaDB" in view.get_server_info()]
        yield "SET SESSION sql_mode = ''"
        yield f"SET SESSION time_zone = '{_zone()}'"
        yield f"SET SESSION {name} = {self.server.timeout.total_seconds() * unit:.0f}"
        yield f"SET SESSION lock_wait_timeout = {database.LOCK_SECONDS}"
        yield f"SET SESSION innodb_lock_wait_timeout = {database.LOCK_SECONDS}"
        yield "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
        yield "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

    @property
    def _relation(self) -> str:
        said = self.server.custom_properties
        if said.table:
            return ".".join(_named(part) for part in said.table.split("."))
        return f"({(said.query or '').strip().rstrip(';')})"

    def _fault(self, error: pymysql.err.MySQLError) -> SourceFault:
        """The engineer's sentence for what the server or the way to it refuses. The server's own may quote a row."""
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if code in _SENTENCES:
            kind, sentence = _SENTENCES[code]
            if code == _UNREACHED and "ssl" in str(error).lower():
                kind, sentence = "tls", _TLS
            if code == _LOST_CODE and "timed out" in str(error).lower():
                kind, sentence = "timeout", _SILENT
            return SourceFault(kind, sentence.format(where=self.where, tables=self.tables))
        return SourceFault("answer", f"{self.where} refused with error {code} ({type(error).__name__}).")


_TLS = "{where}: no secure connection: the certificate is wrong, has expired, or TLS is not offered."
_PASSWORD = "{where} does not let the account in: user, password, or from where it comes; mend the connection."
_LOST = "{where}: the connection was lost; nothing was taken, tried again at the next pull."
_LOCKED = "{where}: {tables} is locked by somebody; tried again at the next pull."
_TOO_LONG = "{where}: the query took longer than the contract's `timeout`, and was ended."
_RIGHT = "{where}: the account may not read {tables}; the right is missing: GRANT SELECT, see the guide."
_TOO_LARGE = "{where}: a row of {tables} is larger than the server's max_allowed_packet, or holds what is no text"
_SILENT = "{where} has fallen silent; tried again at the next pull."
_UNREACHED, _LOST_CODE = 2003, 2013
_SENTENCES: dict[int, tuple[FaultKind, str]] = {
    1044: ("right", _RIGHT),
    1045: ("password", _PASSWORD),
    1049: ("name", "{where}: the server has no such database; mend the contract or the connection."),
    1054: ("column", "{where}: the query or the watermark names a column that is not there."),
    1142: ("right", _RIGHT),
    1143: ("right", _RIGHT),
    1146: ("table", "{where} has no {tables}; it was dropped, renamed, or is in another database."),
    1205: ("lock", _LOCKED),
    1130: ("password", _PASSWORD),
    1153: ("too_large", f"{_TOO_LARGE}."),
    1698: ("password", _PASSWORD),
    1040: ("gone", "{where} has no connection left; tried again at the next pull."),
    1053: ("gone", _LOST),
    1927: ("gone", _LOST),
    1969: ("timeout", _TOO_LONG),
    3024: ("timeout", _TOO_LONG),
    _UNREACHED: ("address", "{where} does not answer: its name is not known, it is down, or a firewall is between."),
    2006: ("gone", _LOST),
    _LOST_CODE: ("gone", _LOST),
    2026: ("tls", _TLS),
}


def _cell(column: Column, comma: str, is_in_our_characters: bool) -> str:
    """What builds a cell: nothing for a null; a text is in quotation marks, also an empty one."""
    value = f"q.{_named(column.name)}"
    if column.type in _PLAIN and comma not in _OF_NUMBERS:
        return f"IFNULL({value}, '')"
    text = value if column.type in _PLAIN or is_in_our_characters else _text_of(column)
    return f"""IF({value} IS NULL, '', CONCAT('"', REPLACE({text}, '"', '""'), '"'))"""


def _text_of(column: Column) -> str:
    """A value in the server's own text."""
    value = f"q.{_named(column.name)}"
    match column.type:
        case "bytes":
            return f"HEX({value})"
        case "bit":
            return f"CONVERT({value} + 0 USING utf8mb4)"
        case "geometry":
            return f"ST_AsText({value})"
        case _:
            return f"CONVERT({value} USING utf8mb4)"


def _type(field: Any) -> str:
    if field.type_code in _TEXTS:
        return "bytes" if field.charsetnr == _BINARY else "text"
    return _NAMES.get(field.type_code, str(field.type_code))


def _named(name: str) -> str:
    return "`{}`".format(name.replace("`", "``"))


def _quoted(name: str, comma: str) -> str:
    return '"{}"'.format(name.replace('"', '""')) if comma in name or '"' in name else name


def _run(view: pymysql.connections.Connection, statement: str) -> None:
    with view.cursor() as cursor:
        cursor.execute(statement)


def _value(view: pymysql.connections.Connection, query: str) -> str | None:
    with view.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return _text(row[0]) if row else None


def _text(cell: bytes | str | None) -> str | None:
    return cell.decode() if isinstance(cell, bytes) else cell


def _zone() -> str:
    """The city's time as a server takes it: by its distance from UTC if that never changes, for not all know names."""
    offsets = {datetime(2026, month, 1, tzinfo=city().zone).strftime("%z") for month in range(1, 13)}
    return f"{(only := offsets.pop())[:3]}:{only[3:]}" if len(offsets) == 1 else city().time_zone
