"""One DAG for each contract, one run for each delivery: the run's partition key is the delivery's id.

A rerun, a clear or a backfill therefore means the same delivery again, which the stations allow at any time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable, dag, get_parsing_context, task
from city_assets import landing, warehouse
from contract_page import contract_page
from decide import DecideOperator
from deliver import DeliverOperator

from etl.contract import Contract, load_all
from etl.contract.city import first

# For faults; bad data is no fault, it gets a verdict. Each crash of the scheduler, too, costs the waiting tasks a try.
RETRIES = {"retries": 6, "retry_delay": timedelta(seconds=15)}
AT_ONCE = 2  # deliveries of one dataset; many of them leave room for others


def dag_id(contract: Contract) -> str:
    """The name of a dataset's DAG."""
    return contract.id.replace(".", "_")


def dataset_dag(contract: Contract) -> DAG:
    """The way of one dataset's deliveries."""

    @dag(
        dag_id=dag_id(contract),
        dag_display_name=f"{contract.id} · {first(contract.title)}",
        description=contract.title.en,
        schedule=PartitionedAssetTimetable(assets=landing(contract)),
        max_active_runs=100,  # a held delivery's run stays active until a person decides; others must pass it
        catchup=False,
        tags=[contract.agency, contract.mode, *contract.tags],
        default_args={"owner": contract.agency, **RETRIES},
        doc_md=contract_page(contract),
    )
    def way() -> None:
        @task(task_id="verdict", trigger_rule="none_failed", retries=0)
        def verdict() -> None:
            print("The delivery was rejected or withdrawn; the task before this one says why. Nothing failed here.")
            # Marks the run as failed in Airflow; any other exception would print a traceback, as if we had a fault.
            raise SystemExit(1)

        walks: dict[str, Any] = {"contract": contract, "outlets": [warehouse(contract)], "pool": "deliveries"}
        delivered = DeliverOperator(task_id="deliver", max_active_tis_per_dag=AT_ONCE, **walks)
        decided = DecideOperator(task_id="decide", **walks)
        ended = verdict()
        delivered >> [decided, ended]
        decided >> ended

    return way()


asked = get_parsing_context().dag_id  # by a task; who looks at the whole file asks for none
for each in load_all().values():
    if asked in (None, dag_id(each)):
        dataset_dag(each)
