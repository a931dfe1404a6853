"""`make pull-test`: a city pulled day by day through Airflow gives the tables that its dropped files give.

Its agencies' systems are behind real servers (`demo.systems`), and a real Airflow does all the rest: the DAG of each
source pulls, the partition that it adds to the landing asset starts the DAG of the dataset. Before the first day the
sources are empty, and are asked by schedule. Then day after day is entered; folders are asked for what is new, and the
others for all days so far by Airflow's own backfill, for some records are entered late. In the end each row and each
version must be that of the dropped files, and no password may be in anything that was written.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import psutil
from upath import UPath

from demo.airflow import Airflow
from demo.systems import Systems
from etl.contract import load_all
from etl.contract.city import city
from etl.pipeline.pipeline import Pipeline
from etl.settings import Settings
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate
from simulate import write_city
from tests.city import audited, query, walk
from tests.tools.kill_processes import say

PEOPLE, DAYS, SEED = 1_000, 3, 7
# Of the same word another delivery is the author: a pull has all that was entered on a day, what came as two files too.
AUTHORS = ["opened_by", "closed_by"]
_LONGEST = 600.0  # seconds that a day's runs may take


def main() -> None:
    """Pull and compare; exit with 1 if a table differs, or a secret was written down."""
    started, spent = time.monotonic(), psutil.Process().cpu_times()
    with tempfile.TemporaryDirectory(prefix="citydw airflow ") as folder, Systems() as systems:
        write_city(Path(folder) / "city", PEOPLE, DAYS, SEED)
        days = sorted((Path(folder) / "city" / "days").iterdir())
        deployment, home = systems.deployment(Path(folder) / "expectations"), Path(folder) / "home"
        os.environ |= systems.connections() | {"CITYDW_EXPECTATIONS": str(deployment)}  # for Airflow's processes
        settings = replace(Settings.from_environment(), home=home, data=UPath(home / "data"), database_url=None)
        pipeline, airflow = Pipeline(settings, load_all(deployment)), Airflow(settings)
        try:
            embedded.start(home / "postgres", embedded.AIRFLOW)
            migrate(pipeline.engine, pipeline.contracts.values())
            airflow.start()
            airflow.wait_until_ready()
            airflow.create_pools()
            _pull(airflow, pipeline, systems, days)
            pulls = Counter(dict(query(pipeline, "SELECT state, count(*) FROM ops.pull GROUP BY state").iter_rows()))
            wrong = _differences(pipeline, _dropped(Path(folder) / "dropped", systems, days), systems)
            audit = [str(finding) for finding in audited(pipeline)]
        finally:
            airflow.stop()
            embedded.stop(home / "postgres")
            embedded.stop(Path(folder) / "dropped" / "postgres")
        told = [system.name for system in systems.all if _is_written(system.account["password"], home)]
    for dataset, missing in systems.left_out.items():
        say(f"{dataset} is left out: {missing}")
    if wrong or audit or told:
        say(f"differs: {wrong}; audit: {audit}; passwords written down: {told}")
        sys.exit(1)
    own = psutil.Process().cpu_times()
    say(
        f"{len(systems.all)} sources, {DAYS} days, pulls {dict(pulls)}: every row and version is that of the dropped"
        f" files; {time.monotonic() - started:.0f} s, of this process {own.user - spent.user:.0f} s of CPU"
    )


def _pull(airflow: Airflow, pipeline: Pipeline, systems: Systems, days: list[Path]) -> None:
    """Let Airflow pull while day after day is entered."""
    dags = {system.dataset: f"pull_{system.dataset.replace('.', '_')}" for system in systems.all}
    _wait(airflow, pipeline, lambda: all(airflow.has_succeeded(dag_id) for dag_id in dags.values()))
    say("all sources were asked by schedule, while they were empty")
    for day in days:
        systems.feed(day)
        for system in systems.all:
            if system.is_asked_by_day:
                airflow.backfill(dags[system.dataset], systems.days[0], systems.days[-1], city().zone)
            else:
                airflow.trigger(dags[system.dataset])
        _wait(airflow, pipeline, lambda: not any(airflow.is_backfilling(dag_id) for dag_id in dags.values()))
        say(f"{day.name}: {Counter(str(entry.state) for entry in pipeline.ledger.all())}")


def _wait(airflow: Airflow, pipeline: Pipeline, also: Callable[[], bool] = lambda: True) -> None:
    """Wait until nothing runs any more and each delivery has come to its end."""
    deadline = time.monotonic() + _LONGEST
    while not (
        also()
        and not airflow.unfinished_runs()
        and all(entry.state.is_at_rest and entry.receipt_at for entry in pipeline.ledger.all())
    ):
        failed = airflow.failed_tasks()
        if failed or time.monotonic() > deadline:
            say(f"failed: {failed}; {[f'{e.dataset}/{e.delivery_id} {e.state}' for e in pipeline.ledger.all()]}")
            sys.exit(1)
        time.sleep(1)


def _dropped(home: Path, systems: Systems, days: list[Path]) -> Pipeline:
    """The same files, walked without a source and without Airflow."""
    settings = replace(Settings.from_environment(), home=home, data=UPath(home / "data"))
    pipeline = Pipeline(replace(settings, database_url=embedded.start(home / "postgres")), load_all())
    migrate(pipeline.engine, pipeline.contracts.values())
    for day in days:
        for system in systems.all:
            walk(pipeline, sorted((day / system.dataset.replace(".", "/")).glob("*")))
    return pipeline


def _differences(pulled: Pipeline, dropped: Pipeline, systems: Systems) -> dict[str, str]:
    found = {}
    for system in systems.all:
        contract = pulled.contracts[system.dataset]
        every = f"SELECT * FROM {contract.schema}.{contract.table}"
        ours, theirs = (query(each, every).drop(AUTHORS) for each in (pulled, dropped))
        say(f"{system.dataset} from {system.server['type']}: {ours.height} versions, dropped {theirs.height}")
        if theirs.is_empty() or not ours.sort(pl.all()).equals(theirs.sort(pl.all())):
            found[system.dataset] = f"{ours.height} versions, and of the dropped files {theirs.height}"
    return found


def _is_written(secret: str, folder: Path) -> bool:
    found = subprocess.run(["grep", "-rqF", "-e", secret, str(folder)], check=False).returncode
    assert found in (0, 1), "grep could not look"
    return found == 0


if __name__ == "__main__":
    main()
