"""Faults of the machine: nothing half-loaded, a state that is true, a sentence, and a rerun that brings the rest."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.load import LoadFault
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive
from tests import commands
from tests.city import audited, expectations_of

Send = Callable[..., Any]
# A disk that is full for files above some size: the kernel refuses to write on, as it does on a full disk. Python keeps
# no bytecode then: it does not look whether it could write a module's to the end, and the half would be read for ever.
ON_A_FULL_DISK = f"""
import resource, sys
sys.dont_write_bytecode = True
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1))
{commands.CITYDW}
"""


@pytest.fixture(scope="module")
def expectations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expectations_of(tmp_path_factory.mktemp("faults") / "expectations", "civil.births", "tax.taxpayers")


@pytest.fixture
def pipeline(new_pipeline: Callable[..., Pipeline], expectations: Path) -> Pipeline:
    return new_pipeline(expectations)


def citydw(pipeline: Pipeline, *command: str, program: str = commands.CITYDW) -> subprocess.CompletedProcess[str]:
    settings = pipeline.settings
    environment = {
        "CITYDW_EXPECTATIONS": str(pipeline.contracts["civil.births"].path.parents[1]),
        "CITYDW_HOME": str(settings.home),
        "CITYDW_DATABASE_URL": str(settings.database_url),
        "CITYDW_QUIET_SECONDS": f"{settings.quiet_seconds:g}",
    }
    return commands.run(*command, program=program, env=os.environ | environment)


def rows(pipeline: Pipeline, table: str) -> int:
    with pipeline.engine.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_a_full_disk(pipeline: Pipeline, clean_day: Path) -> None:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    assert file.stat().st_size > 20_000
    failed = citydw(pipeline, "run", str(file), program=ON_A_FULL_DISK)
    assert failed.returncode == 2
    assert "File too large" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert rows(pipeline, "business.taxpayers") == 0
    assert pipeline.ledger.all() == []
    assert citydw(pipeline, "run", str(file)).returncode == 0
    assert rows(pipeline, "business.taxpayers") > 0
    assert audited(pipeline) == []


def test_a_lost_connection_in_the_middle_of_a_load(pipeline: Pipeline, send: Send, clean_day: Path) -> None:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    send(pipeline, "tax/taxpayers", file.name, file.read_bytes())
    before = rows(pipeline, "business.taxpayers")
    lines = file.read_bytes().splitlines(keepends=True)
    received = receive(pipeline, with_name(file, clean_day, b"".join(lines[:200])), ("tax", "taxpayers"))
    for station in ("extract", "validate", "normalize"):
        pipeline.run_station(station, received.dataset, received.delivery_id)

    def cut(killed: threading.Event) -> None:
        with sa.create_engine(str(pipeline.settings.database_url), isolation_level="AUTOCOMMIT").connect() as other:
            while not killed.is_set():
                query = (
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND query LIKE '%%taxpayers%%' AND datname = current_database()"
                )
                if other.exec_driver_sql(query).first():
                    killed.set()
                time.sleep(0.01)

    killed = threading.Event()
    cutter = threading.Thread(target=cut, args=(killed,))
    with pipeline.engine.connect() as reader:
        reader.exec_driver_sql("LOCK TABLE business.taxpayers IN SHARE MODE")  # the load has to wait in its middle
        cutter.start()
        with pytest.raises(LoadFault, match=r"^tax\.taxpayers: \w+ \(SQLSTATE \w+\)$"):
            pipeline.run_station("load", received.dataset, received.delivery_id)
    cutter.join()
    assert rows(pipeline, "business.taxpayers") == before
    assert pipeline.ledger.get(received.dataset, received.delivery_id).state == "normalized"
    assert pipeline.run_station("load", received.dataset, received.delivery_id).state == "loaded"
    assert audited(pipeline) == []


def with_name(file: Path, folder: Path, content: bytes) -> Any:
    from upath import UPath

    other = folder.parent / f"taxpayers_2026-03-20{file.suffix}"
    other.write_bytes(content)
    return UPath(other)


def test_a_landing_that_is_away_for_a_while(pipeline: Pipeline, clean_day: Path) -> None:
    file = next((clean_day / "civil" / "births").iterdir())
    assert citydw(pipeline, "run", str(file)).returncode == 0
    (entry,) = pipeline.ledger.all()
    landing = Path(pipeline.storage.root / "landing")
    landing.rename(landing.with_name("away"))
    failed = citydw(pipeline, "walk", entry.dataset, entry.delivery_id)
    assert failed.returncode == 2
    assert "missing" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert (
        "content.csv is missing" in citydw(pipeline, "verify").stdout
        or "manifest.json" in citydw(pipeline, "verify").stdout
    )
    assert rows(pipeline, "people.births") > 0
    landing.with_name("away").rename(landing)
    assert citydw(pipeline, "walk", entry.dataset, entry.delivery_id).returncode == 0
    assert audited(pipeline) == []


def test_an_outbox_that_takes_nothing(pipeline: Pipeline, clean_day: Path) -> None:
    file = next((clean_day / "civil" / "births").iterdir())
    outbox = Path(pipeline.storage.root / "outbox")
    outbox.parent.mkdir(parents=True, exist_ok=True)
    outbox.write_text("no folder")  # a read-only folder would not keep root out
    failed = citydw(pipeline, "run", str(file))
    assert failed.returncode == 2
    assert "outbox" in failed.stderr
    assert "Traceback" not in failed.stderr
    (entry,) = pipeline.ledger.all()
    assert (entry.state, entry.receipt_at) == ("loaded", None)
    outbox.unlink()
    assert citydw(pipeline, "run", str(file)).returncode == 0
    (entry,) = pipeline.ledger.all()
    assert entry.receipt_at is not None
    assert list(outbox.rglob("receipt.html"))


def test_a_database_that_is_not_there(pipeline: Pipeline, clean_day: Path) -> None:
    environment = os.environ | {"CITYDW_HOME": str(pipeline.settings.home)}
    environment["CITYDW_DATABASE_URL"] = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    failed = commands.run("run", str(clean_day), env=environment)
    assert failed.returncode == 2
    assert failed.stderr.startswith("The warehouse cannot be reached")
    assert "Traceback" not in failed.stderr
