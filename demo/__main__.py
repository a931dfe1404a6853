"""`python -m demo start` and `python -m demo stop`: the whole pipeline on this machine, from files to marts."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from demo import report
from demo.airflow import Airflow, AirflowError
from etl.cli.output import STATIONS, print_deliveries
from etl.delivery.model import Delivery
from etl.delivery.period import period_of
from etl.pipeline.pipeline import Pipeline
from etl.settings import Settings
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate

PEOPLE = 20_000
FIRST_DAY = date(2026, 3, 2)
SEED = 1
_WAIT_SECONDS = 900.0

console = Console()
if not console.is_terminal:
    console = Console(width=140)  # a file or a pipe has no width of its own


def start() -> None:
    """Start everything, drop one day's extracts into the inbox, wait for them, and say what happened."""
    began = time.monotonic()
    settings = Settings.from_environment()
    airflow = Airflow(settings)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        embedded.start(settings.home / "postgres", embedded.AIRFLOW)
        pipeline = Pipeline.from_environment()
        with _step(progress, "database and tables"):
            migrate(pipeline.engine, pipeline.contracts.values())
        with ThreadPoolExecutor(1) as pool:
            city = pool.submit(_city, settings.home / "city")
            with _step(progress, "Airflow: scheduler, DAG processor, triggerer, web UI"):
                if not airflow.is_running():
                    airflow.start()
                airflow.wait_until_ready()
                airflow.create_pools()
            with _step(progress, f"a made-up city of {PEOPLE:,} people"):
                files = city.result()
        last_arrival = _last_arrival(pipeline)
        with _step(progress, "inbox: one day's extracts of four agencies"):
            deliveries = [drop(file, settings) for file in files]
        _wait_for_deliveries(progress, pipeline, airflow, deliveries, last_arrival)
        with _step(progress, "marts"):
            _wait_for_marts(pipeline, airflow)
        is_new = _any_new(pipeline, last_arrival)
    console.print()
    entries = {(entry.dataset, entry.sha256): entry for entry in pipeline.ledger.all()}
    print_deliveries(console, [entries[d.contract_id, d.sha256] for d in deliveries])
    report.print_answers(console, pipeline.engine)
    if not is_new:
        console.print("\n[bold]Nothing new to load:[/] the same bytes had come before, and the inbox is empty again.")
    report.print_addresses(console, airflow.url, str(settings.data), time.monotonic() - began)


def stop() -> None:
    """Stop Airflow and the embedded server, if the demo started them."""
    settings = Settings.from_environment()
    with console.status("stopping"):
        stopped = [
            name
            for name, was_running in (
                ("Airflow", Airflow(settings).stop()),
                ("PostgreSQL", embedded.stop(settings.home / "postgres")),
            )
            if was_running
        ]
    console.print(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")
    if settings.home.exists():
        console.print(f"The data stays in {settings.home}; `make clean` removes it.", soft_wrap=True, highlight=False)


def _city(folder: Path) -> list[Path]:
    """Files of the city's first day; the city is written once."""
    from simulate import write_city

    day = folder / "days" / FIRST_DAY.isoformat()
    if not day.exists():
        aside = folder.with_name("city.part")
        shutil.rmtree(aside, ignore_errors=True)
        write_city(aside, PEOPLE, 1, SEED, FIRST_DAY)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    return sorted(path for path in day.rglob("*") if path.is_file())


def drop(file: Path, settings: Settings) -> Delivery:
    """Put a copy into the inbox as a careful sender does: under another name, renamed, and marked as whole.

    Which word on its period it is, nobody knows before it has arrived.
    """
    agency, dataset = file.parts[-3:-1]
    folder = Path(settings.data) / "inbox" / agency / dataset
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{file.name}.part"
    shutil.copyfile(file, aside)
    aside.replace(folder / file.name)
    (folder / f"{file.name}.done").touch()
    content = file.read_bytes()
    as_of, revision = period_of(file.name)
    return Delivery(agency, dataset, as_of, revision, hashlib.sha256(content).hexdigest(), len(content), file.name)


def _wait_for_deliveries(
    progress: Progress, pipeline: Pipeline, airflow: Airflow, deliveries: list[Delivery], last_arrival: int
) -> None:
    stations = len(STATIONS)
    bars = {
        d: progress.add_task(f"  {d.contract_id} [dim]{d.file_name}[/]", total=stations, completed=0)
        for d in deliveries
    }
    arrivals = 0

    def all_final() -> bool:
        nonlocal arrivals
        arrivals = arrivals if arrivals >= len(deliveries) else _arrivals_since(pipeline, last_arrival)
        states = {(e.dataset, e.sha256): e for e in pipeline.ledger.all()}
        final = 0
        for delivery, bar in bars.items():
            entry = states.get((delivery.contract_id, delivery.sha256))
            if entry is None:
                continue
            done = entry.state.is_at_rest and entry.receipt_at is not None
            final += done
            progress.update(bar, completed=stations if done else len(entry.timings))
        return arrivals >= len(deliveries) and final == len(deliveries) and not airflow.unfinished_runs(but="marts")

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


def main(arguments: list[str]) -> int:
    """Run a command; faults are told in a sentence, and leave what runs running so that it can be looked at."""
    commands = {"start": start, "stop": stop}
    if len(arguments) != 1 or arguments[0] not in commands:
        console.print("usage: python -m demo start|stop", markup=False)
        return 2
    if importlib.util.find_spec("airflow") is None:
        console.print("Airflow is not installed here: run `make demo`, which installs it.")
        return 1
    try:
        commands[arguments[0]]()
    except (AirflowError, embedded.ServerError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; what was started goes on. `make demo-stop` ends it.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
