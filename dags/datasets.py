"""One DAG for each contract, one run for each delivery: the run's partition key is the delivery's id.

A rerun, a clear or a backfill therefore means the same delivery again, which the stations allow at any time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, PartitionedAssetTimetable, dag, task
from city_assets import landing, warehouse
from contract_page import contract_page
from decide import DecideOperator

from etl.contract import Contract, load_all

if TYPE_CHECKING:
    from etl.pipeline import Station

# For faults; bad data is no fault, it gets a verdict. Each crash of the scheduler, too, costs the waiting tasks a try.
RETRIES = {"retries": 6, "retry_delay": timedelta(seconds=15)}
POOLS = {"validate": "great_expectations", "load": "warehouse_load"}
AT_ONCE = 4  # deliveries of a dataset in one station; those that wait for a person are not counted


def dataset_dag(contract: Contract) -> DAG:
    """The way of one dataset's deliveries through the stations."""

    @dag(
        dag_id=contract.id.replace(".", "_"),
        dag_display_name=f"{contract.id} · {contract.title.vi}",
        description=contract.title.en,
        schedule=PartitionedAssetTimetable(assets=landing(contract)),
        max_active_runs=100,  # a held delivery's run stays active until a person decides; others must pass it
        catchup=False,
        tags=[contract.agency, contract.mode, *contract.tags],
        default_args={"owner": contract.agency, **RETRIES},
        doc_md=contract_page(contract),
    )
    def stations() -> None:
        def station(name: Station, **options: Any) -> Any:
            # False skips the station behind this one; what has a trigger rule of its own runs all the same.
            @task.short_circuit(
                task_id=name,
                ignore_downstream_trigger_rules=False,
                pool=POOLS.get(name, "default_pool"),
                max_active_tis_per_dag=AT_ONCE,
                **options,
            )
            def run(*, dag_run: Any) -> bool:
                return walk(name, contract.id, dag_run.partition_key)

            return run()

        @task(task_id="validate", pool=POOLS["validate"], max_active_tis_per_dag=AT_ONCE)
        def validate(*, dag_run: Any) -> None:  # skips nothing: what it holds, a person decides in the task behind it
            walk("validate", contract.id, dag_run.partition_key)

        @task(task_id="receipt", trigger_rule="none_failed")
        def receipt(*, dag_run: Any) -> bool:
            return walk("receipt", contract.id, dag_run.partition_key)

        @task(task_id="verdict", trigger_rule="none_failed", retries=0)
        def verdict(is_loaded: bool) -> None:
            if not is_loaded:
                print("The delivery was rejected or withdrawn; the receipt task says why. Nothing failed here.")
                # Marks the run as failed in Airflow; any other exception would print a traceback, as if we had a fault.
                raise SystemExit(1)

        extracted, validated, normalized = station("extract"), validate(), station("normalize")
        # In the pool of `validate`, for what a person accepts is judged anew there.
        decided = DecideOperator(
            task_id="decide", contract=contract, trigger_rule="none_failed", pool=POOLS["validate"]
        )
        loaded = station("load", outlets=[warehouse(contract)])
        received: Any = receipt()  # what it returns, once it has run
        extracted >> validated >> decided >> normalized >> loaded >> received
        verdict(received)

    return stations()


def walk(station: Station, dataset: str, delivery_id: str) -> bool:
    """Run one station and print in both languages why a delivery stops there.

    Returns:
        Whether the delivery goes on.
    """
    from etl.delivery import loggable
    from etl.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    outcome = pipeline.run_station(station, dataset, delivery_id)
    if station == "receipt":
        pipeline.build_site(dataset)
    print(f"{dataset}/{delivery_id}: {outcome.state} {outcome.counts or ''}")
    if outcome.message:
        said = loggable(outcome.rule, outcome.message)
        print(f"{said.vi} / {said.en}")
    return not outcome.stopped


for _contract in load_all().values():
    dataset_dag(_contract)
