"""What is pulled: a table of visits in an agency's PostgreSQL and in its MariaDB, and beside it one of odd values."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import psutil

from bench import inputs
from demo.servers import ADMIN, MariaServer, PostgresServer

KEY = "MA_LK"
_REAPED = 0.3  # seconds after which PostgreSQL has counted what an ended session has spent
COLUMNS = tuple(name.upper() for name in inputs.VISIT_COLUMNS)
# Legal values, how the server itself writes them, and other words that say the same.
ODD: dict[str, dict[str, tuple[str, str, frozenset[str]]]] = {
    "postgresql": {
        "interval": ("interval", "1 year 2 mons 3 days", frozenset(
            {"P1Y2M3D", "MonthDayNano(months=14, days=3, nanoseconds=0)"}
        )),
        "decimals": ("numeric", "0.12345678901234567890", frozenset({"Decimal('0.12345678901234567890')"})),
        "before Christ": ("date", "0044-03-15 BC", frozenset({"-735160"})),
        "infinity": ("timestamp", "infinity", frozenset()),
        "not a number": ("numeric", "NaN", frozenset({"nan"})),
        "empty text": ("text", "", frozenset()),
    },
    "mysql": {
        "no date": ("date", "0000-00-00", frozenset()),
        "30 February": ("date", "2026-02-30", frozenset()),
        "decimals": ("decimal(38,20)", "0.12345678901234567890", frozenset()),
        "long time": ("time", "-838:59:59", frozenset({"-838:59:59.000000", "-35 days, 1:00:01"})),
        "the text NULL": ("varchar(10)", "NULL", frozenset()),
        "empty text": ("varchar(10)", "", frozenset()),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A database with the tables `visits` and `odd`.

    Attributes:
        kind: postgresql or mysql.
        port: on 127.0.0.1.
        database: its name.
        password: of ADMIN, who may read.
        pid: of the server's process.
    """

    kind: str
    port: int
    database: str
    password: str = field(repr=False)
    pid: int

    def cpu(self) -> float:
        """Seconds that this process, the programs that it has called, and the server have spent so far."""
        time.sleep(_REAPED)
        server = psutil.Process(self.pid).cpu_times()
        return sum(os.times()[:4]) + server.user + server.system + server.children_user + server.children_system

    def url(self, driver: str = "") -> str:
        """Its address, with the account; for SQLAlchemy with its driver."""
        scheme = f"{self.kind}+{driver}" if driver else self.kind
        return f"{scheme}://{ADMIN}:{quote(self.password)}@127.0.0.1:{self.port}/{self.database}"

    def query(self) -> str:
        """All visits in the order of their key."""
        return f"SELECT {', '.join(map(self.named, COLUMNS))} FROM visits ORDER BY {self.named(KEY)}"

    def named(self, name: str) -> str:
        """A column's name, quoted."""
        return f'"{name}"' if self.kind == "postgresql" else f"`{name}`"


class Sources:
    """Both databases, each started when it is first asked for."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._started = ExitStack()

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    def postgresql(self) -> Source:
        """Visits in PostgreSQL."""
        server = PostgresServer()
        self._started.callback(server.end)
        types = {pl.String: "text", pl.Date: "date", pl.Datetime: "timestamp", pl.Int64: "bigint"}
        with server.connect() as admin, admin.cursor() as cursor:
            for number, chunk in enumerate(self._visits()):
                if number == 0:
                    cursor.execute(_create(chunk, types, "text", '"').encode())
                with cursor.copy("COPY visits FROM STDIN (FORMAT csv, NULL '\\N')") as copy:
                    copy.write(_csv(chunk))
            columns = ", ".join(f'"{name}" {kind}' for name, (kind, *_) in ODD["postgresql"].items())
            cursor.execute(f"CREATE TABLE odd ({columns})".encode())
            values = ", ".join(f"'{value}'" for _, value, _ in ODD["postgresql"].values())
            nulls = ", ".join(["NULL"] * len(ODD["postgresql"]))
            cursor.execute(f"INSERT INTO odd VALUES ({values}), ({nulls})".encode())
            cursor.execute("VACUUM (ANALYZE) visits")
        return Source("postgresql", server.port, "postgres", server.password, server.pid)

    def mysql(self) -> Source | None:
        """Visits in MariaDB; None if there is none on this machine."""
        if MariaServer.PROGRAM is None:
            return None
        server = MariaServer()
        self._started.callback(server.end)
        types = {pl.String: "varchar(255)", pl.Date: "date", pl.Datetime: "datetime", pl.Int64: "bigint"}
        file = server.folder / "visits.csv"
        with server.connect() as admin, admin.cursor() as cursor:
            cursor.execute("CREATE DATABASE y_te DEFAULT CHARSET utf8mb4")
            cursor.execute("USE y_te")
            cursor.execute(f"CREATE USER {ADMIN}@'127.0.0.1' IDENTIFIED BY %s", [server.password])
            cursor.execute(f"GRANT SELECT ON y_te.* TO {ADMIN}@'127.0.0.1'")
            for number, chunk in enumerate(self._visits()):
                if number == 0:
                    cursor.execute(_create(chunk, types, "varchar(20)", "`"))
                file.write_bytes(_csv(chunk))
                cursor.execute(
                    f"LOAD DATA INFILE '{file}' INTO TABLE visits CHARACTER SET utf8mb4"
                    " FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'"
                )
            file.unlink()
            cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
            columns = ", ".join(f"`{name}` {kind}" for name, (kind, *_) in ODD["mysql"].items())
            cursor.execute(f"CREATE TABLE odd ({columns})")
            insert = f"INSERT INTO odd VALUES ({', '.join(['%s'] * len(ODD['mysql']))})"
            cursor.executemany(insert, [[value for _, value, _ in ODD["mysql"].values()], [None] * len(ODD["mysql"])])
            cursor.execute("ANALYZE TABLE visits")
        return Source("mysql", server.port, "y_te", server.password, server.pid)

    def _visits(self) -> Iterator[pl.DataFrame]:
        for chunk in inputs.rows("visits", self._rows):
            yield chunk.select(pl.col(name.lower()).alias(name) for name in COLUMNS)


def contract(contracts: Path, source: Source, query: str | None = None) -> str:
    """Write the contract of a dataset that is pulled from a source; gives its id.

    Args:
        contracts: the folder that holds `snapshot.visits`.
        source: from where.
        query: that yields its columns; by default the table of visits.
    """
    said: dict[str, Any] = {"schedule": "30 2 * * *"} | ({"query": query} if query else {"table": "visits"})
    properties = [{"property": name, "value": value} for name, value in said.items()]
    server = {"server": "health", "type": source.kind, "host": "127.0.0.1", "port": source.port,
              "database": source.database, "customProperties": properties}  # fmt: skip
    if source.kind == "postgresql":
        server["schema"] = "public"
    return inputs.served(contracts, f"{source.kind}{'_odd' if query else ''}", server)


def judged(kind: str, read: Callable[[str], tuple[str | None, str | None]]) -> str:
    """Which odd values do not come as they stand.

    Args:
        kind: of the source.
        read: gives an odd value, and the null that stands in its column, as text.
    """
    wrong = []
    for name, (_, text, same) in ODD[kind].items():
        try:
            value, null = read(name)
        except BaseException as error:  # a library in Rust may panic, which is no Exception
            wrong.append(f"{name}: {type(error).__name__}")
            continue
        said = value.strip('"') if value is not None else None
        if said not in {text, *same} or value == null:
            wrong.append(f"{name}: {value if value != null else 'as a null'}")
    return "; ".join(wrong) or "as they stand"


def _create(chunk: pl.DataFrame, types: dict[Any, str], key: str, quote: str) -> str:
    columns = ", ".join(
        f"{quote}{name}{quote} {key if name == KEY else types[kind.base_type()]}" for name, kind in chunk.schema.items()
    )
    return f"CREATE TABLE visits ({columns}, PRIMARY KEY ({quote}{KEY}{quote}))"


def _csv(chunk: pl.DataFrame) -> bytes:
    return chunk.write_csv(include_header=False, null_value="\\N", datetime_format="%Y-%m-%d %H:%M:%S").encode()
