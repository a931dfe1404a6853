"""Tell somebody what is held, what lost many rows and what is late: each thing once, by each way that is set up.

A deadline alert of Airflow's belongs to a run, and a delivery that never came has none; so a clock looks here. What
could not be sent is sent at the next look.
"""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag, task
from notifiers import ways

from etl.settings import Settings


@dag(
    schedule="*/5 * * * *" if ways(Settings.from_environment()) else None,
    start_date=datetime(2026, 1, 1),
    max_active_runs=1,
    catchup=False,
    tags=["notify"],
    default_args={"owner": "data-center", "retries": 0},
    doc_md=__doc__,
)
def notify() -> None:
    """Tell what has not been told."""

    @task(task_id="tell")
    def tell() -> int:
        from etl.operate.notify import send
        from etl.pipeline.pipeline import Pipeline

        pipeline = Pipeline.from_environment()
        told, failed = send(pipeline.ledger, pipeline.contracts, ways(pipeline.settings))
        if failed:
            raise RuntimeError(f"{told} messages were sent, {len(failed)} were not: {', '.join(sorted(set(failed)))}")
        return told

    tell()


notify()
