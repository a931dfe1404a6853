"""`python -m demo start` and `python -m demo stop`: the whole pipeline on this machine, from agencies to marts.

Two datasets are pulled, from a PostgreSQL and from an HTTP API of this machine; the files of all others are dropped
into the inbox. Everything else is Airflow's work, as in production.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from upath import UPath

from demo import report
from demo.agencies import KINDS, Agencies, AgenciesError
from demo.airflow import Airflow, AirflowError
from etl.cli.output import print_deliveries
from etl.contract import load_all
from etl.contract.city import city
from etl.delivery.entry import LedgerEntry
from etl.delivery.model import Delivery
from etl.delivery.period import period_of
from etl.pipeline.pipeline import Pipeline
from etl.receive.inbox import DONE, is_sidecar, sidecars
from etl.settings import Settings
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate
from etl.warehouse.server_processes import ServerError

PEOPLE = 5_000
FIRST_DAY = date(2026, 3, 2)
SEED = 1
_SYSTEMS = "civil.births in PostgreSQL, land.permits behind an HTTP API"
_PULLED = frozenset(kind.dataset for kind in KINDS)
_WAIT_SECONDS = 900.0

console = Console()
if not console.is_terminal:
    console = Console(width=160)  # a file or a pipe has no width of its own


def start(people: int) -> None:
    """Start everything, let one day of the city come, wait until all of it is loaded, and say what happened."""
    began = time.monotonic()
    settings = Settings.from_environment()
    airflow, agencies = Airflow(settings), Agencies(settings.home)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        with _step(progress, f"a made-up city of {people:,} people and all of its agencies"):
            files = _city(settings.home / "city", people)
        with ThreadPoolExecutor(1) as pool:
            database = pool.submit(embedded.start, settings.home / "postgres", embedded.AIRFLOW)
            with _step(progress, f"two agencies' own systems: {_SYSTEMS}"):
                if not agencies.is_running():
                    airflow.stop()  # it knows other addresses and passwords
                    agencies.start()
            database.result()
        os.environ |= agencies.environment()  # for Airflow's processes
        os.umask(0o077)  # what is written from now on is its own
        pipeline = Pipeline(settings, load_all(agencies.expectations))
        with _step(progress, "database and tables"):
            migrate(pipeline.engine, pipeline.contracts.values())
        has_pulled = _was_pulled(pipeline)
        if has_pulled:
            agencies.enter()
        with _step(progress, "Airflow: scheduler, DAG processor, triggerer, web UI"):
            if not airflow.is_running():
                airflow.start()
            airflow.wait_until_ready()
            airflow.create_pools()
        last_arrival = _last_arrival(pipeline)
        with _step(progress, f"inbox: one day's extracts, {len(files)} files"):
            deliveries = [drop(file, settings) for file in files]
        asked = "once more" if has_pulled else "by schedule, when they are empty still; then for the day"
        with _step(progress, f"Airflow asks both systems {asked}"):
            if not has_pulled:
                _wait(lambda: _was_pulled(pipeline), airflow, "the sources have not been asked")
                agencies.enter()
            for kind in KINDS:
                airflow.backfill(_pull_dag(kind.dataset), FIRST_DAY, FIRST_DAY, city().zone)
        _wait_for_deliveries(progress, pipeline, airflow, deliveries, last_arrival)
        with _step(progress, "marts and pages"):
            _wait_for_marts(pipeline, airflow)
        is_new = _any_new(pipeline, last_arrival)
    console.print()
    print_deliveries(console, _of_the_day(pipeline, deliveries))
    console.print(
        f"{_SYSTEMS}: pulled by Airflow, which had asked both before, by schedule, when they were empty. "
        f"The other {len(files)} files were dropped into the inbox."
    )
    report.print_answers(console, pipeline.engine)
    if not is_new:
        console.print("\n[bold]Nothing new to load:[/] the same bytes had come before, and the inbox is empty again.")
    report.print_addresses(console, airflow.url, settings, agencies.accounts, time.monotonic() - began)


def stop() -> None:
    """Stop Airflow, the agencies' systems and the embedded server, if the demo started them."""
    settings = Settings.from_environment()
    with console.status("stopping"):
        stopped = [
            name
            for name, was_running in (
                ("Airflow", Airflow(settings).stop()),
                ("the agencies' systems", Agencies(settings.home).stop()),
                ("PostgreSQL", embedded.stop(settings.home / "postgres")),
            )
            if was_running
        ]
    console.print(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")
    if settings.home.exists():
        console.print(f"The data stays in {settings.home}; `make clean` removes it.", soft_wrap=True, highlight=False)


def _city(folder: Path, people: int) -> list[Path]:
    """The files of the city's first day that are dropped; the city is written once.

    Raises:
        AgenciesError: if there is one of another size.
    """
    from simulate import write_city

    day, size = folder / "days" / FIRST_DAY.isoformat(), folder / "people"
    if not folder.exists():
        aside = folder.with_name("city.part")
        shutil.rmtree(aside, ignore_errors=True)
        write_city(aside, people, 1, SEED, FIRST_DAY, is_whole=True)
        (aside / size.name).write_text(str(people), encoding="utf-8")
        aside.rename(folder)
    if not size.exists() or size.read_text(encoding="utf-8") != str(people):
        raise AgenciesError(
            f"{folder} is another city than one of {people:,} people: run `make clean` first, "
            "or name another CITYDW_HOME."
        )
    files = (path for path in day.rglob("*") if path.is_file() and not is_sidecar(UPath(path)))
    return sorted(file for file in files if ".".join(file.parts[-3:-1]) not in _PULLED)


def drop(file: Path, settings: Settings) -> Delivery:
    """Put a copy into the inbox as a careful sender does: what is said of it first, and marked as whole last.

    Which word on its period it is, nobody knows before it has arrived.
    """
    agency, dataset = file.parts[-3:-1]
    folder = Path(settings.data) / "inbox" / agency / dataset
    folder.mkdir(parents=True, exist_ok=True)
    for each in (*map(Path, sidecars(UPath(file))), file):
        aside = folder / f".{each.name}.part"
        shutil.copyfile(each, aside)
        aside.replace(folder / each.name)
    (folder / f"{file.name}{DONE}").touch()
    content = file.read_bytes()
    as_of, revision = period_of(file.name)
    return Delivery(agency, dataset, as_of, revision, hashlib.sha256(content).hexdigest(), len(content), file.name)


def _pull_dag(dataset: str) -> str:
    """The name of the DAG that pulls a dataset."""
    return f"pull_{dataset.replace('.', '_')}"


def _was_pulled(pipeline: Pipeline) -> bool:
    """Whether each source has been asked, whatever it had."""
    asked = "SELECT count(DISTINCT dataset) FROM ops.pull WHERE dataset = ANY(:pulled)"
    return bool(_scalar(pipeline, asked, pulled=list(_PULLED)) == len(_PULLED))


def _of_the_day(pipeline: Pipeline, dropped: Sequence[Delivery]) -> list[LedgerEntry]:
    """What the ledger has so far of the files that were dropped, and of what was pulled for the same day."""
    bytes_ = {(delivery.contract_id, delivery.sha256) for delivery in dropped}
    return [
        entry
        for entry in pipeline.ledger.all()
        if (entry.dataset, entry.sha256) in bytes_ or (entry.dataset in _PULLED and entry.as_of == FIRST_DAY)
    ]


def _wait_for_deliveries(
    progress: Progress, pipeline: Pipeline, airflow: Airflow, dropped: Sequence[Delivery], last_arrival: int
) -> None:
    total = len(dropped) + len(_PULLED)
    bar = progress.add_task("  deliveries through all stations", total=total)

    def all_final() -> bool:
        final = [e for e in _of_the_day(pipeline, dropped) if e.state.is_at_rest and e.receipt_at is not None]
        progress.update(bar, completed=len(final))
        return (
            _arrivals_since(pipeline, last_arrival) >= len(dropped)
            and {entry.dataset for entry in final} >= _PULLED
            and len(final) >= total
            and not any(airflow.is_backfilling(_pull_dag(dataset)) for dataset in _PULLED)
            and not airflow.unfinished_runs(but="marts")
        )

    _wait(all_final, airflow, "the deliveries have not reached a final state")


def _wait_for_marts(pipeline: Pipeline, airflow: Airflow) -> None:
    loads = [e.loaded_at for e in pipeline.ledger.all() if e.loaded_at]

    def fresh() -> bool:
        return not airflow.unfinished_runs() and (not loads or airflow.last_success("marts") > max(loads))

    _wait(fresh, airflow, "the marts have not been rebuilt")


def _wait(condition: Callable[[], bool], airflow: Airflow, otherwise: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        if failed := airflow.failed_tasks():
            raise AirflowError(f"These tasks failed: {', '.join(failed)}. Their logs are in {airflow.url}")
        if not airflow.is_running():
            raise AirflowError(
                f"A process of Airflow has ended; see {airflow.logs}. `make demo` starts it again, and all goes on."
            )
        if time.monotonic() > deadline:
            raise AirflowError(f"After {_WAIT_SECONDS:.0f} s {otherwise}; see {airflow.url}")
        time.sleep(1)


def _last_arrival(pipeline: Pipeline) -> int:
    return int(_scalar(pipeline, "SELECT coalesce(max(arrival_id), 0) FROM ops.arrival"))


def _arrivals_since(pipeline: Pipeline, arrival: int) -> int:
    return int(_scalar(pipeline, "SELECT count(*) FROM ops.arrival WHERE arrival_id > :arrival", arrival=arrival))


def _any_new(pipeline: Pipeline, arrival: int) -> bool:
    found = _scalar(
        pipeline, "SELECT count(*) FROM ops.arrival WHERE arrival_id > :arrival AND is_new", arrival=arrival
    )
    return bool(found)


def _scalar(pipeline: Pipeline, query: str, **values: Any) -> Any:
    with pipeline.engine.connect() as connection:
        return connection.execute(sa.text(query), values).scalar_one()


class _step:
    """A line of the progress display that is done when its block ends."""

    def __init__(self, progress: Progress, name: str) -> None:
        self.progress = progress
        self.name = name
        self.task = progress.add_task(name, total=1)

    def __enter__(self) -> None:
        if not console.is_terminal:  # no moving bar there: a line for each step
            console.print(f"... {self.name}", markup=False)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.progress.update(self.task, completed=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; faults are told in a sentence, and leave what runs running so that it can be looked at."""
    parser = argparse.ArgumentParser("python -m demo")
    commands = parser.add_subparsers(dest="command", required=True)
    starts = commands.add_parser("start", help="start everything and let one day of a made-up city come")
    starts.add_argument("people", type=int, nargs="?", default=PEOPLE, help=f"of the city; by default {PEOPLE:,}")
    commands.add_parser("stop", help="stop all that was started")
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("airflow") is None:
        console.print("Airflow is not installed here: run `make demo`, which installs it.")
        return 1
    try:
        start(given.people) if given.command == "start" else stop()
    except (AgenciesError, AirflowError, ServerError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; what was started goes on. `make demo-stop` ends it.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
