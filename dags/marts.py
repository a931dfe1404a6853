"""Rebuild what analysts query, whenever a dataset's table has changed; and the pages on data quality with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetAny, FixedKeyMapper, PartitionedAssetTimetable, dag, task
from airflow.sdk.exceptions import AirflowSkipException
from city_assets import warehouse

from etl.contract import load_all


@dag(
    # A dataset's event carries the delivery as its partition key; only a partitioned timetable hears such events.
    schedule=PartitionedAssetTimetable(
        assets=AssetAny(*(warehouse(c) for c in load_all().values())),
        default_partition_mapper=FixedKeyMapper("marts"),
    ),
    max_active_runs=1,
    catchup=False,
    tags=["marts"],
    default_args={"owner": "data-center", "retries": 6, "retry_delay": timedelta(seconds=15)},
    doc_md=__doc__,
)
def marts() -> None:
    """Rebuild all marts."""

    @task(task_id="refresh", pool="warehouse_load")
    def refresh(*, ti: Any, dag_run: Any) -> list[str]:
        if ti.get_dr_count(dag_id=dag_run.dag_id, states=["queued"]):
            raise AirflowSkipException("Another run is already waiting; it will see what this one would have seen.")
        from etl.pipeline import Pipeline

        pipeline = Pipeline.from_environment()
        marts = pipeline.refresh_marts()
        pipeline.index_data_docs()
        return marts

    refresh()


marts()
