"""`python -m tests.tools.kill_pulls`: pullers and sources killed with `kill -9` at random moments, while rows change.

In every round the source gets new rows and changes earlier ones, in transactions of which some are committed rounds
later; and the puller is killed, or the source's server is, with all transactions that are open. In the end the
warehouse must have what the source has, each row once, and the audit must find nothing. First it pulls from PostgreSQL
by `xmin`, then from MariaDB by a stamp with an overlap.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upath import UPath

from demo.servers import ADMIN, MariaServer, PostgresServer
from etl.connectors.connection import Connection
from etl.connectors.model import SourceFault
from etl.contract import load_all
from etl.delivery.state import State
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import pull
from etl.settings import PROJECT, Settings
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate
from tests.city import audited, expectations_of
from tests.fetched_schools import fetch

DATASET = "education.schools"
ADMIN_PASSWORD = "khong-ai-biet"  # which the pullers, in other processes, know too
_LONGEST_LIFE = 1.8  # of what an undisturbed pull takes
_MOST_OPEN = 3  # transactions at a time
_WHOLE = {"value": 7, "unit": "d"}


def main() -> None:
    """Kill as often as asked for; exit with 1 if the warehouse differs from the source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of pullers, of each kind of source")
    parser.add_argument("--server-kills", type=int, default=50, help="of servers, of each kind of source")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--of", nargs="*", choices=["postgresql", "mysql"], default=["postgresql", "mysql"])
    asked = parser.parse_args()
    differs = False
    for kind in asked.of:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="citydw pulls ") as folder, SOURCES[kind]() as source:
            difference, ends = killed(Path(folder), source, asked.kills, asked.server_kills, asked.seed)
            embedded.stop(Path(folder) / "home" / "postgres")
        said = difference or f"{dict(ends)}; the warehouse has what the source has"
        print(  # noqa: T201
            f"{kind}, seed {asked.seed}: {asked.kills} pullers and {asked.server_kills} servers killed in"
            f" {time.monotonic() - began:.0f} s, {said}",
            flush=True,
        )
        differs |= bool(difference)
    sys.exit(1 if differs else 0)


@dataclass(frozen=True)
class Source:
    """An agency's server with a table of schools.

    Attributes:
        server: that can be killed.
        address: what a contract says of it.
        watermark: by what new rows are told.
    """

    server: PostgresServer | MariaServer
    address: dict[str, Any]
    watermark: dict[str, Any]

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Execute as the administrator; gives the rows of the last one."""
        connection = self.server.connect(self.address["database"])
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall()) if cursor.description else []
        connection.close()
        return rows


@contextmanager
def postgresql() -> Iterator[Source]:
    """PostgreSQL, by the numbers of its transactions."""
    server = PostgresServer(ADMIN_PASSWORD)
    try:
        address = {"type": "postgresql", "port": server.port, "database": "postgres", "schema": "public"}
        source = Source(server, address, {"column": "xmin"})
        source.execute(
            "CREATE TABLE truong (ma_truong text PRIMARY KEY, ten_truong text, ngay_thanh_lap date,"
            " dien_thoai text, so_hoc_sinh integer)"
        )
        yield source
    finally:
        server.end()


@contextmanager
def mysql() -> Iterator[Source]:
    """MariaDB, by a stamp with an overlap that is longer than any transaction."""
    server = MariaServer(ADMIN_PASSWORD)
    try:
        address = {"type": "mysql", "port": server.port, "database": "truong_hoc"}
        source = Source(server, address, {"column": "cap_nhat", "overlap": {"value": 1, "unit": "h"}})
        with server.connect() as admin, admin.cursor() as cursor:
            cursor.execute("CREATE DATABASE truong_hoc DEFAULT CHARSET utf8mb4")
            cursor.execute(f"CREATE USER {ADMIN}@'127.0.0.1' IDENTIFIED BY %s", [ADMIN_PASSWORD])
            cursor.execute(f"GRANT SELECT ON truong_hoc.* TO {ADMIN}@'127.0.0.1'")
        source.execute(
            "CREATE TABLE truong (ma_truong varchar(20) PRIMARY KEY, ten_truong text, ngay_thanh_lap date,"
            " dien_thoai varchar(30), so_hoc_sinh int,"
            " cap_nhat datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6))"
        )
        yield source
    finally:
        server.end()


SOURCES = {"postgresql": postgresql, "mysql": mysql}


def project(folder: Path, source: Source) -> Path:
    """A copy of the pipeline in which the schools are fetched from that source, and nothing else is received."""
    clone = folder / "project"
    for name in ("etl", "sql"):
        shutil.copytree(PROJECT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    said = {"schedule": "* * * * *", "watermark": source.watermark, "wholeEvery": _WHOLE}
    fetch(expectations_of(clone / "expectations"), source.address, "append", **said)
    return clone


@dataclass
class Writers:
    """Whoever works at a source: new schools and new numbers of pupils, in transactions that end some rounds later.

    Attributes:
        source: where.
        chance: source of chance.
        open: transactions, and the schools that they have touched.
        number: that the last school has, and the last number of pupils.
    """

    source: Source
    chance: random.Random
    open: list[tuple[Any, set[int]]] = field(default_factory=list)
    number: int = 0

    def work(self) -> None:
        """Begin a transaction, and end some, this one or earlier ones."""
        connection = self.source.server.connect(self.source.address["database"])
        cursor, touched = connection.cursor(), set[int]()
        cursor.execute("BEGIN")
        known = [int(code[2:]) for (code,) in self.source.execute("SELECT ma_truong FROM truong")]
        held = set[int]().union(*(schools for _, schools in self.open))
        for school in self.chance.sample(sorted(set(known) - held), min(2, len(set(known) - held))):
            self.number += 1
            touched.add(school)
            cursor.execute(f"UPDATE truong SET so_hoc_sinh = {self.number} WHERE ma_truong = '79{school:06}'")
        for _ in range(self.chance.randint(1, 3)):
            self.number += 1
            touched.add(self.number)
            cursor.execute(
                "INSERT INTO truong (ma_truong, ten_truong, so_hoc_sinh)"
                f" VALUES ('79{self.number:06}', 'Trường {self.number}', {self.number})"
            )
        self.open.append((connection, touched))
        while len(self.open) > self.chance.randint(0, _MOST_OPEN):
            self.end(self.chance.randrange(len(self.open)))

    def end(self, which: int) -> None:
        """Commit one of the open transactions."""
        connection, _ = self.open.pop(which)
        with connection.cursor() as cursor:
            cursor.execute("COMMIT")
        connection.close()

    def are_cut_off(self) -> None:
        """Their server is gone, and what they have not committed with it."""
        for connection, _ in self.open:
            with suppress(Exception):
                connection.close()
        self.open.clear()


def killed(folder: Path, source: Source, kills: int, of_server: int, seed: int) -> tuple[str, Counter[str]]:
    """Kill pullers, and their source in between.

    Returns:
        How the warehouse differs from the source in the end, nothing if it does not; and the ends of the pulls that the
        ledger knows of.
    """
    chance = random.Random(seed)
    contracts, home = project(folder, source) / "expectations", folder / "home"
    url = embedded.start(home / "postgres")
    pipeline = _pipeline(contracts, home, url)
    migrate(pipeline.engine, pipeline.contracts.values())
    processes = multiprocessing.get_context("forkserver")  # a puller that begins to pull at once
    preload = ["etl.pipeline.pull", "etl.connectors.postgresql", "etl.connectors.mysql", "etl.receive.refusal"]
    processes.set_forkserver_preload(preload)
    writers = Writers(source, chance)
    writers.work()
    undisturbed = processes.Process(target=_pull, args=(contracts, home, url))
    undisturbed.start()
    began = time.monotonic()  # behind the start of the server that forks
    undisturbed.join()
    longest = _LONGEST_LIFE * (time.monotonic() - began)
    for is_server in chance.sample([False] * kills + [True] * of_server, kills + of_server):
        writers.work()
        _an_hour_passes(pipeline)
        puller = processes.Process(target=_pull, args=(contracts, home, url))
        puller.start()
        time.sleep(chance.uniform(0, longest))
        if is_server:
            source.server.kill()
            puller.join()
            writers.are_cut_off()
            source.server.start()
        else:
            puller.kill()
            puller.join()
    while writers.open:
        writers.end(0)
    _an_hour_passes(pipeline)
    while pull(pipeline, DATASET, account).received:  # what was left, and what is new
        pass
    for entry in pipeline.ledger.all(DATASET):
        if entry.state is State.RECEIVED:
            for _ in pipeline.walk(DATASET, entry.delivery_id):
                pass
    return _difference(pipeline, source)


def account(name: str) -> Connection:
    """Who may log in at the source."""
    return Connection(name, "127.0.0.1", login=ADMIN, password=ADMIN_PASSWORD)


def _pull(contracts: Path, home: Path, url: str) -> None:
    with suppress(SourceFault):  # the server was killed, not we
        pull(_pipeline(contracts, home, url), DATASET, account)


def _pipeline(contracts: Path, home: Path, url: str) -> Pipeline:
    return Pipeline(Settings(home=home, data=UPath(home / "data"), database_url=url), load_all(contracts))


def _an_hour_passes(pipeline: Pipeline) -> None:
    """A source that was killed some times in a row would be left alone for half an hour."""
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ops.pull SET seen_at = seen_at - interval '1 hour' WHERE state = 'failed'")


def _difference(pipeline: Pipeline, source: Source) -> tuple[str, Counter[str]]:
    there = dict(source.execute("SELECT ma_truong, so_hoc_sinh FROM truong"))
    with pipeline.engine.connect() as connection:
        known = connection.exec_driver_sql("SELECT school_code, pupils FROM people.schools_current")
        rows = [tuple(row) for row in known]
        ends = Counter(connection.exec_driver_sql("SELECT state FROM ops.pull").scalars())
        inserted = connection.exec_driver_sql("SELECT sum(inserted) FROM ops.delivery").scalar_one()
    if len(rows) != len(there) or dict(rows) != there or inserted != len(there):
        lost, other = there.keys() - dict(rows).keys(), [code for code, pupils in rows if there.get(code) != pupils]
        return f"of {len(there)} schools {len(rows)} came ({inserted} new), {lost} not, and {other} otherwise", ends
    left = list((pipeline.settings.home / "pulls" / "education" / "schools" / "ready").iterdir())
    found = [str(finding) for finding in audited(pipeline)]
    return f"left behind: {left}; audit: {found}" if left or found else "", ends


def citydw(clone: Path, home: Path, *command: str) -> subprocess.Popen[bytes]:
    """Start a command of the pipeline on an installation of its own."""
    home.mkdir(exist_ok=True)
    account = json.dumps({"host": "127.0.0.1", "login": ADMIN, "password": ADMIN_PASSWORD})
    with (home / "commands.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", "from etl.cli import main; main()", *command],
            cwd=clone,
            env=os.environ | {"CITYDW_HOME": str(home), "PYTHONPATH": str(clone), "AIRFLOW_CONN_SO_GIAO_DUC": account},
            stdout=log,
            stderr=log,
        )


if __name__ == "__main__":
    main()
