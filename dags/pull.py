"""One DAG for each dataset that is fetched: from its agency's system to landing, by the cron of its contract.

It announces what came to the dataset's DAG, as `receive` does with what was dropped. Nothing new is a run that went
well. A backfill of days asks for these days again, by the source's own stamps. What was pulled last, and where the next
pull begins, is in the ledger; Airflow holds none of it.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, dag, get_parsing_context, task
from city_assets import landing

from etl.contract import Contract, Server, load_all
from etl.contract.city import city

POOLS = json.loads(Path(__file__).with_name("pools.json").read_text(encoding="utf-8"))


def dag_id(contract: Contract) -> str:
    """The name of the DAG that fetches a dataset."""
    return f"pull_{contract.id.replace('.', '_')}"


def pull_dag(contract: Contract, server: Server) -> DAG:
    """The way from a source to landing."""
    tables = {each.id: each for each in (contract, *contract.beside)}  # all that its files are read into

    @dag(
        dag_id=dag_id(contract),
        dag_display_name=f"{server.server} → {contract.id}",
        description=f"{contract.title.en}: {server.type}",
        schedule=CronDataIntervalTimetable(server.custom_properties.schedule, timezone=city().time_zone),
        start_date=datetime(2026, 1, 1, tzinfo=city().zone),
        max_active_runs=1,
        catchup=False,
        tags=["pull", contract.agency, server.type],
        default_args={
            "owner": contract.agency,
            "retries": 4,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=30),
        },
        doc_md=__doc__,
    )
    def way() -> None:
        # A source has a pool of its own if somebody has made one of its name; else it shares one with others.
        @task(
            task_id="pull",
            outlets=[*map(landing, tables.values())],
            pool=server.server if server.server in POOLS else "sources",
        )
        def bring(*, outlet_events: Any, dag_run: Any) -> int:
            from accounts import account

            from etl.delivery.state import State
            from etl.pipeline.pipeline import Pipeline
            from etl.pipeline.pull import pull

            pipeline = Pipeline.from_environment()
            is_backfill = dag_run.run_type == "backfill"  # only then there is an interval for sure
            days = _days(dag_run.data_interval_start, dag_run.data_interval_end) if is_backfill else None
            brought = pull(pipeline, contract.id, account, days)
            for said in brought.told:
                print(said)
            for received in brought.received:
                print(f"{received.dataset}/{received.delivery_id}: {received.state}")
                if received.state is State.RECEIVED:
                    outlet_events[landing(tables[received.dataset])].add_partitions(received.delivery_id)
            if not brought.received:
                print("The very bytes of before." if brought.same else "Nothing is new.")
            return len(brought.received)

        bring()

    return way()


def _days(start: datetime, end: datetime) -> tuple[date, date]:
    """The days of a run's interval, as the city counts them."""
    first, behind = start.astimezone(city().zone).date(), end.astimezone(city().zone).date()
    return first, max(first, behind - timedelta(days=1))


asked = get_parsing_context().dag_id  # by a task; who looks at the whole file asks for none
for each in load_all().values():
    if each.server and asked in (None, dag_id(each)):
        pull_dag(each, each.server)
