"""Everything hostile at once, through Airflow: the watcher, the DAG that receives, and the datasets' DAGs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.pipeline.pipeline import Pipeline
from etl.settings import PROJECT
from etl.warehouse import address
from tests.attack import test_receiving as attacks
from tests.attack.test_receiving import FOLDER, NAME, OTHERS, TEXT, drop_good
from tests.city import audited

SECONDS = 600  # to start Airflow, read its DAGs and run three of them, on a busy machine

# The watcher's first event, a run of `receive`, and for each delivery that it has announced a run of its dataset's DAG.
# `DAG.test` gives a run no partition key by itself; Airflow's scheduler does, by the event of the asset.
THROUGH_AIRFLOW = """
import asyncio, json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models import dagrun
from airflow.models.asset import AssetEvent
from airflow.utils.session import create_session
from inbox_trigger import InboxTrigger

dags, data, *run_these = sys.argv[1:]
bag = DagBag(dags)
create = dagrun.get_or_create_dagrun

def run(dag_id, partition=None):
    def of_a_partition(**options):
        created = create(**options)
        created.partition_key = partition
        options["session"].commit()
        return created
    dagrun.get_or_create_dagrun = of_a_partition
    return bag.dags[dag_id].test(logical_date=None).state

async def first_event():
    async for event in InboxTrigger(data, every=0.1).run():
        return event.payload["files"]

seen = asyncio.run(asyncio.wait_for(first_event(), 60))
states = {"receive": run("receive")}
with create_session() as session:
    announced = {(event.asset.name, event.partition_key) for event in session.query(AssetEvent) if event.partition_key}
for landing, delivery in sorted(announced):
    dataset = landing.removeprefix("landing/")
    if dataset in run_these:
        states[dataset] = run(dataset.replace(".", "_"), delivery)
names = [f"{landing.removeprefix('landing/')}/{delivery}" for landing, delivery in announced]
print("\\n" + json.dumps({"seen": seen, "states": states, "announced": names}))
"""


@pytest.fixture
def inbox(pipeline: Pipeline) -> Iterator[Path]:
    folder = Path(pipeline.storage.inbox) / FOLDER
    folder.mkdir(parents=True)
    yield folder
    subprocess.run(["chmod", "-R", "u+rwx", str(folder.parents[1])], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(folder.parents[1])], check=True)  # the only one that gets 1,900 folders down


def drop_all(inbox: Path) -> int:
    """Put each hostile object into a folder of its own of the agency that attacks; gives how many there are."""
    kinds = attacks.HELD | attacks.REJECTED | attacks.LEFT | attacks.TAKEN
    for number, attack in enumerate(kinds.values()):
        folder = inbox.with_name(f"births_{number}")
        folder.mkdir()
        attack(folder)
    dataset = inbox.with_name("marriages")
    dataset.mkdir()
    for number, attack in enumerate((attacks.HELD | attacks.TAKEN).values(), start=1):  # and in a dataset of the agency
        folder = inbox.with_name("aside")
        folder.mkdir()
        attack(folder)
        for path in folder.iterdir():
            path.rename(dataset / path.name.replace(NAME, f"marriages_2026-03-02_r{number}.xlsx"))
        folder.rmdir()
    for name in ("bomb_2026-03-02.zip", "bomb_2026-03-02.xlsx", "bomb_2026-03-02.csv"):
        (dataset / name).write_bytes(b"PK\x03\x04" + b"\x00" * (1 << 20))
    unreadable = inbox.with_name("unreadable")
    unreadable.mkdir()
    (unreadable / NAME).write_text(TEXT)
    unreadable.chmod(0o444)
    return len(kinds)


def through_airflow(
    pipeline: Pipeline, airflow_database: Callable[..., None], home: Path, *datasets: str
) -> dict[str, Any]:
    dags = PROJECT / "dags"
    settings = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(dags / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "CITYDW_HOME": str(pipeline.settings.home),
        "CITYDW_DATABASE_URL": address.warehouse_url(pipeline.settings),
        "CITYDW_QUIET_SECONDS": "0",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(dags), str(dags / "plugins")]),
    }
    airflow_database(settings)
    done = subprocess.run(
        [sys.executable, "-c", THROUGH_AIRFLOW, str(dags), str(pipeline.storage.root), *datasets],
        env=settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.timeout(SECONDS + 120)
def test_through_airflow_another_agencys_file_is_loaded_exactly(
    pipeline: Pipeline,
    inbox: Path,
    clean_day: Path,
    airflow_database: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert drop_all(inbox) > 40
    sent = drop_good(pipeline, clean_day)
    began = time.time()
    came = through_airflow(pipeline, airflow_database, tmp_path, "tax.taxpayers")
    assert came["states"] == {"receive": "success", "tax.taxpayers": "success"}
    (entry,) = pipeline.ledger.all("tax.taxpayers")
    assert f"tax.taxpayers/{entry.delivery_id}" in came["announced"]
    assert not any(name.startswith("civil.births_") for name in came["announced"]), "of what is no dataset"
    assert (entry.state, entry.sha256) == ("loaded", hashlib.sha256(sent).hexdigest())
    assert entry.rows_in == entry.inserted + entry.duplicates + entry.rejected > 0
    with pipeline.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT count(*), count(DISTINCT opened_by) FROM business.taxpayers")).one()
    assert tuple(rows) == (entry.inserted, 1)
    assert not any((inbox.parents[1] / OTHERS).iterdir())
    findings = [finding for finding in audited(pipeline) if finding.delivery.startswith("tax.")]
    assert findings == []
    with capsys.disabled():
        took = entry.receipt_at.timestamp() - began
        sys.stdout.write(f"\nwith {came['seen']} files in the inbox, the other agency's was loaded {took:.0f} s later,")
        sys.stdout.write(" the start of Airflow included\n")
