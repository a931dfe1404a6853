"""Nothing received is without a run for long: what has none is found, started anew, and named by the audit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.delivery.entry import Waiting
from etl.delivery.state import State
from etl.operate.reconcile import AGAIN, GRACE, without_run
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
from etl.warehouse.decisions import decided
from etl.warehouse.waiting import found_waiting, waiting_deliveries
from tests.city import audited
from tests.promises.agency.test_held import FOLDER, NAME

pytest_plugins = ("tests.promises.agency.test_held",)  # its `held` and `doubtful`
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def drop(pipeline: Pipeline, day: Path, dataset: str) -> tuple[str, str]:
    """Receive a dataset's file of a day; nobody walks it."""
    source = next((day / dataset).iterdir())
    file = Path(pipeline.storage.inbox) / dataset / source.name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(source.read_bytes())
    (received,) = receive_inbox(pipeline)
    return received.dataset, received.delivery_id


def pass_time(pipeline: Pipeline, time: timedelta) -> None:
    """Make all that the ledger knows so much older."""
    tables = {
        "delivery": ("received_at", "loaded_at", "receipt_at", "held_at"),
        "arrival": ("arrived_at",),
        "decision": ("decided_at",),
        "withdrawal": ("decided_at",),
        "waiting": ("found_at",),
    }
    with pipeline.engine.begin() as connection:
        for table, columns in tables.items():
            earlier = ", ".join(f"{column} = {column} - CAST(:time AS interval)" for column in columns)
            connection.execute(sa.text(f"UPDATE ops.{table} SET {earlier}"), {"time": time})


def named(pipeline: Pipeline) -> dict[str, str]:
    return {finding.delivery: finding.text for finding in audited(pipeline)}


def test_the_audit_names_what_nobody_walks(pipeline: Pipeline, clean_day: Path) -> None:
    name = "/".join(drop(pipeline, clean_day, "civil/births"))
    assert named(pipeline) == {}, "it came a moment ago"
    pass_time(pipeline, GRACE)
    assert "waits as `received` since" in named(pipeline)[name]
    assert f"citydw walk {name.replace('/', ' ')}" in named(pipeline)[name]
    for found, says in (("paused", "its DAG is paused"), ("announced", "Airflow had no run of it")):
        found_waiting(pipeline.ledger, waiting_deliveries(pipeline.ledger), found)  # type: ignore[arg-type]
        assert says in named(pipeline)[name]
    list(pipeline.walk(*name.split("/")))
    pass_time(pipeline, GRACE)
    assert named(pipeline) == {} and waiting_deliveries(pipeline.ledger) == []


@pytest.mark.parametrize("station", ["extract", "validate", "normalize", "load"])
def test_a_walk_that_broke_off_waits(pipeline: Pipeline, clean_day: Path, station: str) -> None:
    name = drop(pipeline, clean_day, "civil/births")
    for walked, _ in pipeline.walk(*name):
        if walked == station:
            break
    pass_time(pipeline, GRACE)
    assert [(w.dataset, w.delivery_id) for w in waiting_deliveries(pipeline.ledger)] == [name]
    assert set(named(pipeline)) == {"/".join(name)}, "after load, its agency has not been told"


def test_a_delivery_that_walks_again_does_not_wait(pipeline: Pipeline, clean_day: Path) -> None:
    name = drop(pipeline, clean_day, "civil/births")
    list(pipeline.walk(*name))
    pipeline.run_station("extract", *name)
    pass_time(pipeline, GRACE)
    assert waiting_deliveries(pipeline.ledger) == [], "its rows are in the table"


def test_what_comes_again_or_is_reinstated_has_its_time_anew(pipeline: Pipeline, clean_day: Path) -> None:
    name = drop(pipeline, clean_day, "civil/births")
    pass_time(pipeline, GRACE)
    drop(pipeline, clean_day, "civil/births")
    assert named(pipeline) == {}
    list(pipeline.walk(*name))
    pipeline.withdraw(*name, "it was the wrong file")
    pass_time(pipeline, GRACE)
    pipeline.ledger.reinstated(pipeline.storage.delivery("civil", "births", name[1]), "it was the right one")
    assert named(pipeline) == {}
    pass_time(pipeline, GRACE)
    assert set(named(pipeline)) == {"/".join(name)}


def test_a_held_delivery_is_in_order_and_yet_needs_a_run(
    pipeline: Pipeline, held: Any, doubtful: bytes, send: Callable[..., dict[str, Any]]
) -> None:
    pass_time(pipeline, GRACE)
    assert named(pipeline) == {}
    (waiting,) = waiting_deliveries(pipeline.ledger, held.dataset)
    assert waiting.is_held and without_run([waiting], 1, datetime.now(UTC)) == []
    assert without_run([waiting], 0, datetime.now(UTC)) == [waiting], "no run asks the person, or decides in time"
    assert send(pipeline, FOLDER, NAME, doubtful).state == "held"


def test_a_decision_of_a_moment_ago_is_no_finding(pipeline: Pipeline, held: Any) -> None:
    delivery = pipeline.storage.delivery("civil", "births", held.delivery_id)
    decided(pipeline.ledger, delivery, "accept", "Lan", "it is so")
    assert named(pipeline) == {}
    pass_time(pipeline, GRACE)
    assert "Lan decided accept" in named(pipeline)[f"civil.births/{delivery.id}"]


def waiting(name: str, minutes: float, state: str = "received", found: Any = None, days: float = 0.0) -> Waiting:
    found_at = NOW - timedelta(days=days) if found else None
    return Waiting("civil.births", name, State(state), NOW - timedelta(minutes=minutes), found, found_at)


@pytest.mark.parametrize(
    ("there", "runs", "anew"),
    [
        ([waiting("a", 60), waiting("b", 30)], 0, ["b", "a"]),
        ([waiting("a", 60), waiting("b", 30)], 1, ["b"]),
        ([waiting("a", 60), waiting("b", 30)], 2, []),
        ([waiting("a", 60), waiting("b", 30)], 5, []),  # others walk again
        ([waiting("a", 60), waiting("b", 1)], 0, ["a"]),  # b's event is on its way
        ([waiting("a", 60), waiting("b", 1)], 1, []),
        ([waiting("a", 60, found="announced", days=0.5)], 0, []),  # once, and then a person looks
        ([waiting("a", 60, found="announced", days=AGAIN.days)], 0, ["a"]),
        ([waiting("a", 60, found="paused")], 0, ["a"]),
        ([waiting("a", 600), waiting("h", 60, "held")], 1, ["a"]),
        ([], 3, []),
    ],
)
def test_as_many_are_announced_as_lack_a_run(there: list[Waiting], runs: int, anew: list[str]) -> None:
    assert [w.delivery_id for w in without_run(there, runs, NOW)] == anew
