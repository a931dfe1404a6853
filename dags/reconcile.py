"""Every few minutes: announces anew what the ledger has and Airflow works on no more.

Whatever the reason that a delivery has no run (its DAG was paused when it came, its run failed for good, Airflow's
database began anew), it is found here; `etl.operate.reconcile` says how. What waits because its DAG is paused starts
once that is unpaused, and `citydw audit` names it until then.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException
from city_assets import landing

from etl.contract import load_all

CONTRACTS = load_all()


@dag(
    schedule="*/5 * * * *",
    start_date=datetime(2026, 1, 1),
    max_active_runs=1,
    catchup=False,
    tags=["receive"],
    default_args={"owner": "data-center", "retries": 2, "retry_delay": timedelta(seconds=15)},
    doc_md=__doc__,
)
def reconcile() -> None:
    """Compare the ledger with Airflow's runs."""

    @task(task_id="announce", outlets=[landing(c) for c in CONTRACTS.values()])
    def announce(*, outlet_events: Any, ti: Any) -> int:
        from etl.operate.reconcile import without_run
        from etl.pipeline.pipeline import Pipeline
        from etl.warehouse.waiting import found_waiting, waiting_deliveries

        ledger = Pipeline.from_environment().ledger
        announced = 0
        for dataset in sorted({waiting.dataset for waiting in waiting_deliveries(ledger)} & CONTRACTS.keys()):
            dag_id = dataset.replace(".", "_")
            runs = ti.get_dr_count(dag_id, states=["queued", "running"])
            # Read after the runs are counted: one that ends in between is not taken for one that is missing.
            lost = without_run(waiting_deliveries(ledger, dataset), runs, datetime.now(UTC))
            if not lost:
                continue
            is_paused = ti.get_dag(dag_id).is_paused  # Airflow would forget what it is told of it
            found_waiting(ledger, lost, "paused" if is_paused else "announced")
            for waiting in lost:
                print(f"{dataset}/{waiting.delivery_id}: {waiting.state}, {'paused' if is_paused else 'announced'}")
                if not is_paused:
                    outlet_events[landing(CONTRACTS[dataset])].add_partitions(waiting.delivery_id)
                    announced += 1
        if not announced:
            raise AirflowSkipException("All that waits has a run, or its DAG is paused.")
        return announced

    announce()


reconcile()
