"""`python -m tests.tools.kill_pulls`: pullers killed with `kill -9` at random moments, while the source changes.

In every round the source has got new rows, and the puller is killed; now and then the source's server is instead. In
the end the warehouse must have what the source has, each row once, and the audit must find nothing.
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
from pathlib import Path

from upath import UPath

from demo.servers import ADMIN, PostgresServer
from etl.connectors.connection import Connection
from etl.connectors.model import SourceFault
from etl.contract import load_all
from etl.delivery.state import State
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import pull
from etl.settings import PROJECT, Settings
from etl.warehouse import embedded
from tests.fetched_schools import fetch

DATASET = "education.schools"
ADMIN_PASSWORD = "khong-ai-biet"  # which the pullers, in other processes, know too
_LONGEST_LIFE = 2.0  # seconds; a pull takes about one


def main() -> None:
    """Kill as often as asked for; exit with 1 if the warehouse differs from the source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="citydw pulls ") as folder, source() as server:
        difference, ends = killed(Path(folder), server, asked.kills, asked.seed)
        embedded.stop(Path(folder) / "home" / "postgres")
    print(difference or f"{asked.kills} kills, {dict(ends)}; the warehouse has what the source has")  # noqa: T201
    sys.exit(1 if difference else 0)


@contextmanager
def source() -> Iterator[PostgresServer]:
    """An agency's server with a table of schools."""
    server = PostgresServer(ADMIN_PASSWORD)
    try:
        with server.connect() as admin:
            admin.execute(
                "CREATE TABLE truong (ma_truong text PRIMARY KEY, ten_truong text, ngay_thanh_lap date,"
                " dien_thoai text, so_hoc_sinh integer)"
            )
        yield server
    finally:
        server.end()


def project(folder: Path, server: PostgresServer) -> Path:
    """A copy of the pipeline in which the schools are fetched from that server."""
    clone = folder / "project"
    for name in ("etl", "expectations", "sql"):
        shutil.copytree(PROJECT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    fetch(
        clone / "expectations",
        {"type": "postgresql", "port": server.port, "database": "postgres", "schema": "public"},
        "append",
        schedule="* * * * *",
        watermark={"column": "xmin"},
        wholeEvery={"value": 7, "unit": "d"},
    )
    return clone


def killed(folder: Path, server: PostgresServer, kills: int, seed: int) -> tuple[str, Counter[str]]:
    """Kill pullers, and now and then their source.

    Returns:
        How the warehouse differs from the source in the end, nothing if it does not; and the ends of the pulls that the
        ledger knows of.
    """
    chance = random.Random(seed)
    contracts, home = project(folder, server) / "expectations", folder / "home"
    url = embedded.start(home / "postgres")
    pipeline = _pipeline(contracts, home, url)
    pipeline.migrate()
    processes = multiprocessing.get_context("forkserver")  # a puller that begins to pull at once
    processes.set_forkserver_preload(["etl.pipeline.pull", "etl.connectors.postgresql", "etl.receive.refusal"])
    number = 0
    for kill in range(kills):
        with server.connect() as admin:
            for _ in range(chance.randint(1, 5)):
                number += 1
                admin.execute(
                    "INSERT INTO truong VALUES (%s, %s, NULL, NULL, %s)", [f"79{number:06}", f"Trường {number}", number]
                )
        puller = processes.Process(target=_pull, args=(contracts, home, url))
        puller.start()
        time.sleep(chance.uniform(0, _LONGEST_LIFE))
        if kill % 6 == 5:
            server.kill()
            puller.join()
            server.start()
        else:
            puller.kill()
            puller.join()
    while pull(pipeline, DATASET, account).received:  # what was left, and what is new
        pass
    for entry in pipeline.ledger.all(DATASET):
        if entry.state is State.RECEIVED:
            for _ in pipeline.walk(DATASET, entry.delivery_id):
                pass
    return _difference(pipeline, server)


def account(name: str) -> Connection:
    """Who may log in at the source."""
    return Connection(name, "127.0.0.1", login=ADMIN, password=ADMIN_PASSWORD)


def _pull(contracts: Path, home: Path, url: str) -> None:
    with suppress(SourceFault):  # the server was killed, not we
        pull(_pipeline(contracts, home, url), DATASET, account)


def _pipeline(contracts: Path, home: Path, url: str) -> Pipeline:
    return Pipeline(Settings(home=home, data=UPath(home / "data"), database_url=url), load_all(contracts))


def _difference(pipeline: Pipeline, server: PostgresServer) -> tuple[str, Counter[str]]:
    with server.connect() as admin:
        there = dict(admin.execute("SELECT ma_truong, so_hoc_sinh FROM truong").fetchall())
    with pipeline.engine.connect() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql("SELECT school_code, pupils FROM people.schools")]
        ends = Counter(connection.exec_driver_sql("SELECT state FROM ops.pull").scalars())
        inserted = connection.exec_driver_sql("SELECT sum(inserted), sum(changed) FROM ops.delivery").one()
    if len(rows) != len(there) or dict(rows) != there or tuple(inserted) != (len(there), 0):
        return f"the source has {len(there)} schools, the warehouse {len(rows)} versions ({inserted})", ends
    left = list((pipeline.settings.home / "pulls" / "education" / "schools" / "ready").iterdir())
    found = [str(finding) for finding in pipeline.audit()]
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
