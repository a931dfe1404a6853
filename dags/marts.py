"""Rebuild what analysts query and the pages for all, once for many deliveries.

The asset `ledger` has an event when deliveries have come to their end and no other is on its way, or has been for long.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException
from city_assets import ledger


@dag(
    schedule=[ledger()],
    max_active_runs=1,
    catchup=False,
    tags=["marts"],
    default_args={"owner": "data-center", "retries": 6, "retry_delay": timedelta(seconds=15)},
    doc_md=__doc__,
)
def marts() -> None:
    """Rebuild all marts and pages."""

    @task(task_id="refresh")
    def refresh(*, ti: Any, dag_run: Any) -> list[str]:
        if ti.get_dr_count(dag_id=dag_run.dag_id, states=["queued"]):
            raise AirflowSkipException("Another run is already waiting; it will see what this one would have seen.")
        from etl import site
        from etl.pipeline.pipeline import Pipeline
        from etl.validate import results
        from etl.warehouse import marts

        pipeline = Pipeline.from_environment()
        names = marts.refresh(pipeline.engine)
        results.render(pipeline.contracts.values(), pipeline.settings.gx_home)
        site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)
        return names

    refresh()


marts()
