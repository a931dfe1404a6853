"""The systems of the made-up city's agencies behind real servers on this machine, fed day by day from its files.

| Agency | System | Dataset |
|---|---|---|
| civil registry | PostgreSQL, a table of text | civil.births |
| tax | MariaDB, a table with true numbers | tax.declarations |
| health | a folder on an SFTP server | health.visits |
| land, permits | a paged HTTP API | land.permits |
| land, maps | a folder in an object store | land.parcels |

Where there is no MariaDB or no S3 server on this machine, that system is left out, and `left_out` says why. A table or
an API has no place for what is wrong with a file rather than with a record: a line with too few cells, a number that is
none, the same record twice. Such rows, which the pipeline rejects or passes over in the file, stay out of it.

The city's other datasets stay files. A register that is told as it stands each time (taxpayers) cannot say how it stood
on a day that is gone, and the sheets of deaths and marriages are as an office sends them.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import logging
import re
import secrets
import shutil
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import yaml
from psycopg import sql

from demo.api import KEY_HEADER, Api
from demo.servers import MariaServer, PostgresServer
from demo.sftp import USER, Served
from etl.connectors.connection import Connection, variable
from etl.contract import Contract, load
from etl.contract.city import city
from etl.delivery.period import period_of
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import Brought, pull
from etl.receive.inbox import DONE
from etl.settings import EXPECTATIONS, MARTS
from etl.warehouse.mart import FOLDERS

_ROLE = "citydw_pull"
_STAMP = "cap_nhat"  # the column that says when a row was entered
_ENTERED_AT = time(17)  # of the day, in the city's time
_BY_DAY: dict[str, Any] = {
    "watermark": {"column": _STAMP, "overlap": {"value": 1, "unit": "d"}},
    "wholeEvery": {"value": 7, "unit": "d"},
}
_VIETNAMESE_NUMBER = re.compile(r"-?\d{1,3}(\.\d{3})*(,\d+)?")
_REGION = "us-east-1"


class System(ABC):
    """One agency's system.

    Attributes:
        dataset: that stands in it, as agency.dataset.
        name: of the connection.
        account: what the connection holds.
        server: what the contract says under `servers`.
        is_asked_by_day: whether it can be asked for what was entered on a day; else it is a folder of files.
    """

    dataset: ClassVar[str]
    name: ClassVar[str]
    is_asked_by_day: ClassVar[bool]
    account: dict[str, Any]
    server: dict[str, Any]

    @classmethod
    def missing(cls) -> str | None:
        """What this machine lacks for it; None if nothing."""
        return None

    @abstractmethod
    def take(self, file: Path) -> None:
        """Enter what an agency's file holds."""

    @abstractmethod
    def end(self) -> None:
        """Stop the server, and remove all that it kept."""

    def contract(self, said: dict[str, Any]) -> None:
        """Let a contract say that its dataset stands here."""
        said["servers"] = [{"server": self.name, **self.server}]


class CivilRegistry(System):
    """PostgreSQL with a table of text, as an old program leaves it."""

    dataset, name, is_asked_by_day = "civil.births", "civil_registry", True

    def __init__(self) -> None:
        self._server = PostgresServer()
        password = secrets.token_urlsafe(16)
        self.account = {"login": _ROLE, "password": password}
        properties = {"table": "khai_sinh", **_BY_DAY}
        self.server = {"type": "postgresql", "host": "127.0.0.1", "port": self._server.port, "database": "hotich",
                       "schema": "public", "customProperties": _said(properties)}  # fmt: skip
        columns = [sql.SQL("{} text").format(sql.Identifier(name)) for name in _columns(self.dataset)]
        with self._server.connect() as admin:
            admin.execute("CREATE DATABASE hotich")
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(_ROLE), password))
        with self._server.connect("hotich") as admin:
            stamped = sql.SQL(", ").join([*columns, sql.SQL("{} timestamptz").format(sql.Identifier(_STAMP))])
            admin.execute(sql.SQL("CREATE TABLE khai_sinh ({})").format(stamped))
            admin.execute(sql.SQL("GRANT SELECT ON khai_sinh TO {}").format(sql.Identifier(_ROLE)))

    def take(self, file: Path) -> None:
        """Enter the rows of a CSV file."""
        rows = list(_rows(file.read_text("utf-8-sig"), ","))
        with self._server.connect("hotich") as admin, admin.cursor() as cursor:
            names = sql.SQL(", ").join(map(sql.Identifier, [*_columns(self.dataset), _STAMP]))
            with cursor.copy(sql.SQL("COPY khai_sinh ({}) FROM STDIN").format(names)) as copy:
                for row in rows:
                    copy.write_row([*(row[name] for name in _columns(self.dataset)), _entered_at(file)])

    def end(self) -> None:
        """Stop the server, and remove all that it kept."""
        self._server.end()

    def contract(self, said: dict[str, Any]) -> None:
        """Let it also say that what comes is what the server writes."""
        super().contract(said)
        _read_as(said, {"format": "csv"})


class Tax(System):
    """MariaDB with a table whose amounts are numbers."""

    dataset, name, is_asked_by_day = "tax.declarations", "tax_office", True
    _NUMBERS: ClassVar[dict[str, str]] = {
        "doanh_thu": "decimal(18,2)", "so_thue_phai_nop": "bigint", "so_thue_da_nop": "bigint"
    }  # fmt: skip

    def __init__(self) -> None:
        self._server = MariaServer()
        password = secrets.token_urlsafe(16)
        self.account = {"login": _ROLE, "password": password}
        properties = {"table": "to_khai", **_BY_DAY}
        self.server = {"type": "mysql", "host": "127.0.0.1", "port": self._server.port, "database": "thue",
                       "customProperties": _said(properties)}  # fmt: skip
        columns = [f"{name} {self._NUMBERS.get(name, 'varchar(255)')}" for name in _columns(self.dataset)]
        with self._server.connect() as admin, admin.cursor() as cursor:
            cursor.execute("CREATE DATABASE thue DEFAULT CHARSET utf8mb4")
            cursor.execute(f"CREATE TABLE thue.to_khai ({', '.join(columns)}, {_STAMP} datetime)")
            cursor.execute(f"CREATE USER {_ROLE}@'127.0.0.1' IDENTIFIED BY %s", [password])
            cursor.execute(f"GRANT SELECT ON thue.to_khai TO {_ROLE}@'127.0.0.1'")

    @classmethod
    def missing(cls) -> str | None:
        """MariaDB is the system's own."""
        return None if MariaServer.PROGRAM else "no MariaDB on this machine (apt-get install mariadb-server)"

    def take(self, file: Path) -> None:
        """Enter the rows of a CSV file in a ZIP whose amounts are numbers."""
        with zipfile.ZipFile(file) as packed:
            (member,) = packed.namelist()
            content = packed.read(member).decode("utf-8")
        rows = [row for row in _rows(content, ";") if all(map(_is_number, (row[name] for name in self._NUMBERS)))]
        names = _columns(self.dataset)
        values = [[_number(row[n]) if n in self._NUMBERS else row[n] for n in names] for row in rows]
        with self._server.connect("thue") as admin, admin.cursor() as cursor:
            into = (
                f"INSERT INTO to_khai ({', '.join([*names, _STAMP])}) VALUES ({', '.join(['%s'] * (len(names) + 1))})"
            )
            cursor.executemany(into, [[*row, _entered_at(file).replace(tzinfo=None)] for row in values])

    def end(self) -> None:
        """Stop the server, and remove all that it kept."""
        self._server.end()

    def contract(self, said: dict[str, Any]) -> None:
        """Let it also say that what comes is what the server writes, numbers too."""
        super().contract(said)
        _read_as(said, {"format": "csv"})
        for column in said["schema"][0]["properties"]:
            if column["physicalName"] in self._NUMBERS:
                column["examples"] = [str(_number(example)) for example in column["examples"]]


class Health(System):
    """A folder on an SFTP server, into which the hospitals' files are put."""

    dataset, name, is_asked_by_day = "health.visits", "health_department", False

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="citydw-source-"))
        (self._root / "out").mkdir()
        self._server = Served(self._root, secrets.token_urlsafe(16))
        self.account = {
            "login": USER, "password": self._server.password, "extra": {"host_key": self._server.key}
        }  # fmt: skip
        self.server = {"type": "sftp", "location": f"sftp://127.0.0.1:{self._server.port}/out",
                       "customProperties": _said({})}  # fmt: skip

    def take(self, file: Path) -> None:
        """Put a file there, and beside it what says that it is whole."""
        shutil.copyfile(file, self._root / "out" / file.name)
        (self._root / "out" / f"{file.name}{DONE}").touch()

    def end(self) -> None:
        """Stop the server, and remove all that it kept."""
        self._server.end()
        shutil.rmtree(self._root, ignore_errors=True)


class Permits(System):
    """An HTTP API, page by page."""

    dataset, name, is_asked_by_day = "land.permits", "land_permits", True

    def __init__(self) -> None:
        self._server = Api("/v1/permits")
        self.account = {"password": self._server.key}
        properties = {
            "records": "data.items",
            "pages": {"by": "cursor", "parameter": "after", "next": "meta.next", "total": "meta.total"},
            "changed": {
                "since": "updated_from",
                "until": "updated_to",
                "format": "date",
                "overlap": {"value": 1, "unit": "d"},
            },
            "wholeEvery": {"value": 7, "unit": "d"},
            "login": {"by": "key", "header": KEY_HEADER},
            "perMinute": 0,
        }
        self.server = {"type": "api", "location": self._server.location, "customProperties": _said(properties)}

    def take(self, file: Path) -> None:
        """Enter the records of an NDJSON file, each once."""
        records = dict.fromkeys(filter(_is_json, file.read_text("utf-8").splitlines()))
        self._server.records += [(_entered_at(file).date(), record) for record in records]

    def end(self) -> None:
        """Stop the server."""
        self._server.end()


class Maps(System):
    """A folder in an object store."""

    dataset, name, is_asked_by_day = "land.parcels", "land_maps", False
    _BUCKET = "land-maps"

    def __init__(self) -> None:
        import boto3
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line a request
        self._server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        self._server.start()
        address = "http://{}:{}".format(*self._server.get_host_and_port())
        self.account = {
            "login": "land-maps", "password": secrets.token_urlsafe(16), "extra": {"region_name": _REGION}
        }  # fmt: skip
        self.server = {"type": "s3", "location": f"s3://{self._BUCKET}/out", "endpointUrl": address,
                       "customProperties": _said({})}  # fmt: skip
        self._store = boto3.client(
            "s3", endpoint_url=address, region_name=_REGION,
            aws_access_key_id=self.account["login"], aws_secret_access_key=self.account["password"],
        )  # fmt: skip
        self._store.create_bucket(Bucket=self._BUCKET)

    @classmethod
    def missing(cls) -> str | None:
        """The S3 server comes with the tools for the tests."""
        return None if importlib.util.find_spec("moto") else "no S3 server in this environment (make venv)"

    def take(self, file: Path) -> None:
        """Put a file there, and beside it what says that it is whole."""
        for name, content in ((file.name, file.read_bytes()), (f"{file.name}{DONE}", b"")):
            self._store.put_object(Bucket=self._BUCKET, Key=f"out/{name}", Body=content)

    def end(self) -> None:
        """Stop the server."""
        self._store.close()
        self._server.stop()


KINDS: tuple[type[System], ...] = (CivilRegistry, Tax, Health, Permits, Maps)


class Systems:
    """All of them, or some, as far as this machine has what they need.

    Attributes:
        all: those that run.
        left_out: the others' datasets, and what is missing.
        days: that were entered so far.
    """

    def __init__(self, kinds: Sequence[type[System]] = KINDS) -> None:
        self.all: list[System] = []
        self.left_out = {kind.dataset: missing for kind in kinds if (missing := kind.missing())}
        self.days: list[date] = []
        with ExitStack() as started:  # if one does not come up, the others end
            for kind in kinds:
                if kind.dataset not in self.left_out:
                    system = kind()
                    started.callback(system.end)
                    self.all.append(system)
            self._started = started.pop_all()

    def feed(self, day: Path) -> None:
        """Enter what the agencies of a simulated city hold on a day.

        Args:
            day: its folder, `days/<day>`, as `simulate` writes it.
        """
        for system in self.all:
            folder = day / system.dataset.replace(".", "/")
            for file in sorted(folder.iterdir()) if folder.is_dir() else ():
                system.take(file)
        self.days.append(date.fromisoformat(day.name))

    def deployment(self, folder: Path) -> Path:
        """Write a deployment (`CITYDW_EXPECTATIONS`) in whose contracts these systems are the sources.

        Args:
            folder: where; what it held is removed.
        """
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(EXPECTATIONS, folder)
        for name in FOLDERS:
            shutil.copytree(MARTS / name, folder / name, dirs_exist_ok=True)
        for system in self.all:
            path = _contract(folder, system.dataset)
            said = yaml.safe_load(path.read_text("utf-8"))
            system.contract(said)
            path.write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False), "utf-8")
        return folder

    def connections(self) -> dict[str, str]:
        """The environment variables that hold the accounts."""
        return {variable(system.name): json.dumps(system.account) for system in self.all}

    def connection(self, name: str) -> Connection:
        """The account at a system."""
        return next(Connection(name, **system.account) for system in self.all if system.name == name)

    def pull_days(self, pipeline: Pipeline) -> Iterator[Brought]:
        """Pull what has come, each day by itself, and walk it; a day that is as it was brings nothing.

        A pull without days states the day on which it is made. These days are gone, so each is asked for; and those
        before the last one too, for some of their records are entered late.
        """
        for system in self.all:
            for days in [(day, day) for day in self.days] if system.is_asked_by_day else [None]:
                brought = pull(pipeline, system.dataset, self.connection, days)
                for received in brought.received:
                    if not received.is_final:
                        for _ in pipeline.walk(received.dataset, received.delivery_id):
                            pass
                yield brought

    def end(self) -> None:
        """Stop all servers, and remove all that they kept."""
        self._started.close()

    def __enter__(self) -> Systems:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def _said(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Properties of a server, as a contract says them."""
    return [{"property": name, "value": value} for name, value in {"schedule": "30 2 * * *", **properties}.items()]


def _contract(folder: Path, dataset: str) -> Path:
    return folder / f"{dataset.replace('.', '/')}.yaml"


def _columns(dataset: str) -> list[str]:
    """A dataset's columns as its agency calls them."""
    contract: Contract = load(_contract(EXPECTATIONS, dataset))
    return [column.source_name for column in contract.columns]


def _read_as(said: dict[str, Any], source: dict[str, str]) -> None:
    """Let a contract say how what comes is written."""
    for custom in said["customProperties"]:
        if custom["property"] == "source":
            custom["value"] = source


def _entered_at(file: Path) -> datetime:
    """When what a file holds was entered: on the day that it is about."""
    as_of, _ = period_of(file.name)
    if as_of is None:
        raise ValueError(f"{file.name} has no day in its name.")
    return datetime.combine(as_of, _ENTERED_AT, city().zone)


def _rows(content: str, delimiter: str) -> Iterator[dict[str, str | None]]:
    """The rows of a CSV file that has a line a row; those that are none are left out."""
    header, *lines = content.splitlines()
    names = header.split(delimiter)
    for line in lines:
        with suppress(csv.Error):
            (cells,) = csv.reader([line], delimiter=delimiter, strict=True)
            if len(cells) == len(names):
                yield {name: cell or None for name, cell in zip(names, cells, strict=True)}


def _is_number(cell: str | None) -> bool:
    return cell is None or _VIETNAMESE_NUMBER.fullmatch(cell) is not None


def _number(cell: str | None) -> Decimal | None:
    """What 1.234.567,89 is."""
    return None if cell is None else Decimal(cell.replace(".", "").replace(",", "."))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
