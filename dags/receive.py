"""Inbox to landing: woken by the inbox, announces each new delivery to its dataset's DAG."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task
from city_assets import inbox, landing

from etl.contract import load_all
from etl.delivery.state import State
from etl.settings import Settings

CONTRACTS = load_all()
AT_ONCE = 4


@dag(
    schedule=[inbox()],
    # While one agency's huge file is copied, the others' are received. An object store has no locks: one run at a time.
    max_active_runs=AT_ONCE if isinstance(Settings.from_environment().data, Path) else 1,
    catchup=False,
    tags=["receive"],
    default_args={"owner": "data-center", "retries": 6, "retry_delay": timedelta(seconds=10)},
    doc_md=__doc__,
)
def receive() -> None:
    """Bring everything complete to landing."""

    @task(task_id="receive", outlets=[landing(c) for c in CONTRACTS.values()])
    def bring(*, outlet_events: Any, ti: Any) -> dict[str, int]:
        from etl.pipeline.pipeline import Pipeline
        from etl.pipeline.reception import receive_inbox
        from etl.receive.turns import ROUND

        pipeline = Pipeline.from_environment()
        received = receive_inbox(pipeline, seconds=ROUND)
        # Not only the new ones: to send a file again is how a person mends a delivery that never began.
        announced = {(r.dataset, r.delivery_id) for r in received if r.state == "received"}
        if ti.try_number > 1:  # the try before may have died between landing and telling Airflow
            waiting = pipeline.ledger.in_state(State.RECEIVED)
            named = {(entry.dataset, entry.delivery_id) for entry in waiting}
            announced |= {(dataset, delivery_id) for dataset, delivery_id in named if dataset in CONTRACTS}
        for dataset, delivery_id in sorted(announced):
            outlet_events[landing(CONTRACTS[dataset])].add_partitions(delivery_id)
        for r in received:
            print(f"{r.dataset}/{r.delivery_id}: {r.state}, {'new' if r.is_new else 'these bytes had come before'}")
        return {"files": len(received), "new": sum(r.is_new for r in received), "announced": len(announced)}

    bring()


receive()
