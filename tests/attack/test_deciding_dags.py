"""Whoever decides, wherever, and however far she gets: the run in Airflow ends with the delivery in its table, once.

The DAGs and their tasks are the real ones; `DAG.test` is Airflow's own way to run them without a scheduler.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
from etl.settings import PROJECT
from etl.warehouse import address
from etl.warehouse.decisions import decision, unfinished
from etl.warehouse.waiting import waiting_deliveries
from tests.city import audited
from tests.promises.agency.test_held import FOLDER, as_csv, sent

pytest_plugins = ("tests.promises.agency.test_held",)  # its `held`
SECONDS = 300  # for whatever is waited for, on a busy machine
ROWS, SENT_BACK = 102, 3
NEVER = 99

# Each line of its input is a run: of which delivery, from which moment on its task `decide` may begin (a file is there
# then), and what a person answers in Airflow, if anything. Each run's answer is a line, too.
AIRFLOW = """
import json, pathlib, sys, threading, time
from airflow._shared.timezones import timezone
from airflow.dag_processing.dagbag import DagBag
from airflow.models import dagrun
from airflow.models.hitl import HITLDetail
from airflow.providers.standard.triggers import hitl
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor
from airflow.utils.session import create_session
import decide

bag = DagBag(sys.argv[1])
create, execute = dagrun.get_or_create_dagrun, decide.DecideOperator.execute

def when_it_may(self, context):
    while not pathlib.Path(asked["from"]).exists():
        time.sleep(0.05)
    execute(self, context)

def of_a_partition(**options):
    created = create(**options)
    created.partition_key = asked["delivery"]
    options["session"].commit()
    return created

def answer(delivery, answered):
    while True:
        with create_session() as session:
            question = session.query(HITLDetail).filter(HITLDetail.subject.contains(delivery)).one_or_none()
            if question:
                question.responded_at = timezone.utcnow()
                question.responded_by = {"id": "1", "name": "Lan"}
                question.chosen_options, question.params_input = answered["options"], {"reason": answered["reason"]}
                return
        time.sleep(0.2)

# A trigger's question to Airflow, which `DAG.test` cannot pass on, is put to the same API.
hitl.get_hitl_detail_content_detail = InProcessTestSupervisor._api_client().hitl.get_detail_response
decide.DecideOperator.execute = when_it_may
dagrun.get_or_create_dagrun = of_a_partition
for line in sys.stdin:
    asked = json.loads(line)
    if asked["answer"]:
        threading.Thread(target=answer, args=(asked["delivery"], asked["answer"]), daemon=True).start()
    run = bag.dags[asked["dag"]].test(logical_date=None)
    states = {task.task_id: task.state for task in run.get_task_instances()}
    print("\\nended " + json.dumps({"run": run.state} | states), flush=True)
"""

# `citydw`: it stops before its first station until a file is there, and is killed before its nth.
TERMINAL = """
import os, pathlib, signal, sys, time
from etl.pipeline.pipeline import Pipeline
at, goes_on = int(sys.argv.pop(1)), pathlib.Path(sys.argv.pop(1))
walked, run_station = [], Pipeline.run_station
def until(self, *args):
    while not goes_on.exists():
        time.sleep(0.05)
    if len(walked) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    walked.append(args)
    return run_station(self, *args)
Pipeline.run_station = until
from etl.cli import main
main()
"""

# The watcher's first event; for what is on its way it would wait an hour.
WATCHER = """
import asyncio
from ledger_trigger import LedgerTrigger

async def first_event():
    async for event in LedgerTrigger(every=0.1, patience=3600).run():
        return event.payload["receipt"]

print("\\n" + asyncio.run(asyncio.wait_for(first_event(), 60)))
"""


class Airflow:
    """Runs one DAG at a time."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.database = home / "airflow.db"
        self._lines = ThreadPoolExecutor(1)
        self._process = subprocess.Popen(
            [sys.executable, "-c", AIRFLOW, str(PROJECT / "dags")],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def begin(self, dag: str, delivery: str, at: Path, answer: dict[str, Any] | None = None) -> Future[dict[str, str]]:
        said = {"dag": dag, "delivery": delivery, "from": str(at), "answer": answer}
        print(json.dumps(said), file=self._process.stdin, flush=True)
        return self._lines.submit(self._ended)

    def _ended(self) -> dict[str, str]:
        said = []
        for line in self._process.stdout or ():
            if line.startswith("ended "):
                states: dict[str, str] = json.loads(line.removeprefix("ended "))
                return states
            said.append(line)
        raise AssertionError("".join(said[-50:]))

    def asks(self, delivery: str) -> bool:
        """Whether a person is asked about a delivery."""
        with closing(sqlite3.connect(self.database, timeout=SECONDS)) as connection:
            query = "SELECT count(*) FROM hitl_detail WHERE subject LIKE ?"
            return bool(connection.execute(query, (f"%{delivery}%",)).fetchone()[0])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.shutdown()


def environment(pipeline: Pipeline) -> dict[str, str]:
    settings = pipeline.settings
    return os.environ | {
        "CITYDW_HOME": str(settings.home),
        "CITYDW_DATABASE_URL": address.warehouse_url(settings),
        "CITYDW_QUIET_SECONDS": "0",
    }


def environment_of_airflow(pipeline: Pipeline, home: Path) -> dict[str, str]:
    dags = PROJECT / "dags"
    return environment(pipeline) | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(dags / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(dags), str(dags / "plugins")]),
    }


@pytest.fixture(scope="module")
def city(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


@pytest.fixture(scope="module")
def airflow(
    city: Pipeline, airflow_database: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("airflow")
    settings = environment_of_airflow(city, home)
    airflow_database(settings)
    running = Airflow(home, settings)
    yield running
    running.stop()


@pytest.fixture
def received(city: Pipeline, clean_day: Path) -> str:
    """The id of a delivery that will be held: 40 of its rows break a rule of the suite, and 3 the contract."""
    header, (right, *_) = sent(clean_day)
    page, number, kind, name = (header.index(n) for n in ("trang_so", "so", "loai_thay_doi", "ho_ten"))
    rows = [list(right) for _ in range(ROWS)]
    day = 2 + len(city.ledger.all())
    for at, row in enumerate(rows):
        row[kind], row[page] = "T", "1" if at < 60 else "0"
        row[number] = f"{at + 1000 * day}/2026" if at < 100 else ""
    rows[0][name] = "Trần Thị 77Bích"
    file = Path(city.storage.inbox) / FOLDER / f"births_2026-03-{day:02}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(as_csv(header, rows))
    (delivery,) = receive_inbox(city)
    return delivery.delivery_id


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def terminal(
    city: Pipeline, delivery: str, killed_at: int, goes_on: Path = Path("/"), decides: bool = True
) -> subprocess.Popen[str]:
    decision = ("accept", "--reason", "it is so", "--by", "Lan")
    command = ("decide", "civil.births", delivery, *decision) if decides else ("walk", "civil.births", delivery)
    return subprocess.Popen(
        [sys.executable, "-c", TERMINAL, str(killed_at), str(goes_on), *command],
        env=environment(city),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def assert_all_is_done(city: Pipeline, delivery: str, run: dict[str, str]) -> None:
    assert run == {"run": "success", "deliver": "success", "decide": "success", "verdict": "skipped"}
    entry = city.ledger.get("civil.births", delivery)
    assert (entry.state, entry.rows_in, entry.rejected) == ("loaded", ROWS, SENT_BACK)
    receipt = (Path(city.storage.root) / "outbox" / FOLDER / delivery / "receipt.html").read_text("utf-8")
    assert "it is so" in receipt and "Lan" in receipt
    with city.engine.connect() as connection:
        loaded = dict(connection.exec_driver_sql("SELECT opened_by, count(*) FROM people.births GROUP BY 1").all())
        decided = connection.exec_driver_sql("SELECT delivery_id FROM ops.decision").scalars().all()
    everyone = [each.delivery_id for each in city.ledger.all()]
    assert loaded == dict.fromkeys(everyone, ROWS - SENT_BACK)
    assert sorted(decided) == sorted(everyone), "each is decided once"
    assert unfinished(city.ledger) == [] and waiting_deliveries(city.ledger) == [] and audited(city) == []


def test_an_answer_in_airflow(city: Pipeline, airflow: Airflow, received: str) -> None:
    run = airflow.begin("civil_births", received, Path("/"), {"options": ["Accept"], "reason": "it is so"})
    assert_all_is_done(city, received, run.result(SECONDS))


@pytest.mark.parametrize("killed_at", [NEVER, 0, 3])
def test_a_terminal_while_the_run_waits(city: Pipeline, airflow: Airflow, received: str, killed_at: int) -> None:
    run = airflow.begin("civil_births", received, Path("/"))
    wait_for(lambda: airflow.asks(received))
    decider = terminal(city, received, killed_at)
    said, _ = decider.communicate(timeout=SECONDS)
    assert decider.returncode == (0 if killed_at == NEVER else -9), said
    assert_all_is_done(city, received, run.result(SECONDS))


def test_a_held_delivery_whose_walk_was_killed_is_asked_about_again(
    city: Pipeline, airflow: Airflow, received: str
) -> None:
    run = airflow.begin("civil_births", received, Path("/"))
    wait_for(lambda: airflow.asks(received))
    assert terminal(city, received, 1, decides=False).wait(SECONDS) == -9
    wait_for(lambda: city.ledger.get("civil.births", received).state == "held")
    assert terminal(city, received, NEVER).wait(SECONDS) == 0
    assert_all_is_done(city, received, run.result(SECONDS))


def others_wait(city: Pipeline) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with city.engine.connect() as connection:
        return bool(connection.exec_driver_sql(query).scalar_one())


@pytest.mark.parametrize("killed_at", [NEVER, 0, 1])
def test_a_terminal_that_is_slow_and_a_run_that_has_not_asked_yet(
    city: Pipeline, airflow: Airflow, received: str, tmp_path: Path, killed_at: int
) -> None:
    asks, goes_on = tmp_path / "asks", tmp_path / "goes on"
    run = airflow.begin("civil_births", received, asks)
    wait_for(lambda: city.ledger.get("civil.births", received).receipt_at)
    decider = terminal(city, received, killed_at, goes_on)
    wait_for(lambda: decision(city.ledger, city.storage.delivery("civil", "births", received)))
    asks.touch()
    wait_for(lambda: run.done() or others_wait(city))
    goes_on.touch()
    said, _ = decider.communicate(timeout=SECONDS)
    assert decider.returncode == (0 if killed_at == NEVER else -9), said
    assert_all_is_done(city, received, run.result(SECONDS))


def test_a_held_delivery_does_not_keep_marts_from_being_refreshed(
    pipeline: Pipeline, held: Any, tmp_path: Path
) -> None:
    watched = subprocess.run(
        [sys.executable, "-c", WATCHER],
        env=environment_of_airflow(pipeline, tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert watched.returncode == 0, watched.stderr[-3000:]
    assert watched.stdout.splitlines()[-1] == held.receipt_at.isoformat()
