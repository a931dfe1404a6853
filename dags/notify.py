"""Tell somebody what is held, what lost many rows and what is late: each thing once, by each way that is set up.

A deadline alert of Airflow's belongs to a run, and a delivery that never came has none; so a clock looks here. What
could not be sent is sent at the next look.
"""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag, task
from notifiers import notifiers

from etl.settings import Settings


@dag(
    schedule="*/5 * * * *" if notifiers(Settings.from_environment()) else None,
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
        from etl.pipeline import Pipeline

        pipeline = Pipeline.from_environment()
        told, failed = 0, []
        for notice in pipeline.notices():
            for way, notifier in notifiers(pipeline.settings).items():
                try:
                    with pipeline.ledger.telling(notice.dataset, notice.event, notice.about, way) as is_news:
                        if is_news:
                            notifier({"notice": notice.to_json()})
                            told += 1
                except Exception as error:  # one way that is shut must not shut the other
                    failed.append(f"{way}: {type(error).__name__}")
        if failed:
            raise RuntimeError(f"{told} notices were sent, {len(failed)} were not: {', '.join(sorted(set(failed)))}")
        return told

    tell()


notify()
