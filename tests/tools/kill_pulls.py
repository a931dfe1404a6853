"""`python -m tests.tools.kill_pulls`: pullers killed with `kill -9` at random moments, while the source changes.

In every round the source has got new rows, and `citydw pull` is killed; now and then the source's server is, too. In
the end the warehouse must have what the source has, each row once, and `citydw audit` must find nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from etl.settings import PROJECT
from etl.warehouse import embedded

sys.path.insert(0, str(Path(__file__).parents[1]))
from source_servers import ADMIN, ADMIN_PASSWORD, PostgresServer

DATASET = "education.schools"
_LONGEST_LIFE = 6.0  # seconds; starting takes some three of them, and a pull that is walked to its end six


def main() -> None:
    """Kill as often as asked for; exit with 1 if the warehouse differs from the source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="citydw pulls ") as folder, source() as server:
        difference = killed(Path(folder), server, asked.kills, asked.seed)
    print(difference or f"{asked.kills} kills; the warehouse has what the source has")  # noqa: T201
    sys.exit(1 if difference else 0)


@contextmanager
def source() -> Iterator[PostgresServer]:
    """An agency's server with a table of schools."""
    server = PostgresServer()
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
    shutil.copytree(PROJECT / "tests" / "schools", clone / "expectations" / "education")
    path = clone / "expectations" / "education" / "schools.yaml"
    properties = {
        "schedule": "* * * * *", "table": "truong", "watermark": {"column": "xmin"},
        "wholeEvery": {"value": 7, "unit": "d"},
    }  # fmt: skip
    server_said = {
        "server": "so_giao_duc", "type": "postgresql", "host": "127.0.0.1", "port": server.port,
        "database": "postgres", "schema": "public",
        "customProperties": [{"property": name, "value": value} for name, value in properties.items()],
    }  # fmt: skip
    text = path.read_text("utf-8").replace("        logicalTypeOptions: {format: dd/MM/yyyy}\n", "")
    text = text.replace("05/09/1995", "1995-09-05").replace("value: snapshot", "value: append")
    path.write_text(text.replace("schema:\n", f"servers: [{json.dumps(server_said)}]\nschema:\n", 1), "utf-8")
    return clone


def killed(folder: Path, server: PostgresServer, kills: int, seed: int) -> str:
    """Kill pullers; gives how the warehouse differs from the source in the end, nothing if it does not."""
    chance = random.Random(seed)
    clone, home = project(folder, server), folder / "home"
    number = 0
    for kill in range(kills):
        with server.connect() as admin:
            for _ in range(chance.randint(1, 5)):
                number += 1
                admin.execute(
                    "INSERT INTO truong VALUES (%s, %s, NULL, NULL, %s)", [f"79{number:06}", f"Trường {number}", number]
                )
        puller = citydw(clone, home, "pull", DATASET)
        time.sleep(chance.uniform(1, _LONGEST_LIFE))
        if kill % 3 == 2:
            server.kill()
            puller.wait()
            server.start()
        else:
            puller.kill()
            puller.wait()
        time.sleep(chance.uniform(0, 0.5))
    log = (home / "commands.log").read_text("utf-8", errors="replace") if (home / "commands.log").exists() else ""
    for _ in range(2):  # the first hands in what was left, the second must find nothing new
        ended = citydw(clone, home, "pull", DATASET).wait()
        if ended:
            return f"a pull ends with {ended}: {(home / 'commands.log').read_text('utf-8')[-2_000:]}"
    return _difference(clone, home, server) or ("the log names the password" if ADMIN_PASSWORD in log else "")


def _difference(clone: Path, home: Path, server: PostgresServer) -> str:
    for dataset, delivery_id in _unfinished(home):
        citydw(clone, home, "walk", dataset, delivery_id).wait()
    with server.connect() as admin:
        there = dict(admin.execute("SELECT ma_truong, so_hoc_sinh FROM truong").fetchall())
    engine = sa.create_engine(embedded.url(home / "postgres"))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT school_code, pupils FROM people.schools").all()
        secret = connection.exec_driver_sql("SELECT string_agg(p::text, '') FROM ops.pull p").scalar_one()
    engine.dispose()
    if len(rows) != len({row[0] for row in rows}) or dict(tuple(row) for row in rows) != there:
        return f"the source has {len(there)} schools, the warehouse {len(rows)} versions"
    if ADMIN_PASSWORD in secret:
        return "the ledger holds the password"
    return "audit finds something" if citydw(clone, home, "audit").wait() else ""


def _unfinished(home: Path) -> list[tuple[str, str]]:
    engine = sa.create_engine(embedded.url(home / "postgres"))
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT dataset, delivery_id FROM ops.delivery WHERE state <> 'loaded'")
        rows = [(row.dataset, row.delivery_id) for row in found]
    engine.dispose()
    return rows


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
