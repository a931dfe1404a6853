"""`citydw`: the pipeline from a terminal, for a quick look, for tests and for repair."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

if TYPE_CHECKING:
    from etl.pipeline import Received

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()

_COUNTS = ("rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded")


@app.command()
def run(
    source: Annotated[Path, typer.Argument(help="A file, or a folder of <agency>/<dataset>/<file>.", exists=True)],
    dataset: Annotated[str | None, typer.Option(help="agency.dataset, where the file's folders do not say.")] = None,
) -> None:
    """Walk files through all stations in this process, without Airflow."""
    from upath import UPath

    from etl.pipeline import STATIONS, Pipeline

    pipeline = Pipeline.from_environment()
    source = source.resolve()
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if _is_extract(p))
    named = tuple(dataset.split(".", 1)) if dataset else None
    if named and len(named) != 2:
        raise typer.BadParameter("write it as agency.dataset, for example civil.births", param_hint="--dataset")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("warehouse", total=len(files) * (1 + len(STATIONS)) + 2)
        pipeline.migrate()
        progress.advance(task)
        walked = []
        for number, file in enumerate(files, start=1):
            progress.update(task, description=f"receive {file.name[:60]}")
            received = pipeline.receive(UPath(file), named)  # type: ignore[arg-type]
            walked.append(received)
            if received.is_new and received.state == "received" or _is_unfinished(received):
                for station, _ in pipeline.walk(received):
                    progress.advance(task)
                    progress.update(task, description=f"{station} {received.dataset}")
            progress.update(task, completed=1 + number * (1 + len(STATIONS)))
        progress.update(task, description="marts")
        pipeline.refresh_marts()
    _print_deliveries([pipeline.ledger.get(r.dataset, r.delivery_id) for r in walked], {_name(r): r.is_new for r in walked})


@app.command()
def deliveries(dataset: Annotated[str | None, typer.Argument(help="agency.dataset; all by default.")] = None) -> None:
    """List what the ledger knows."""
    from etl.pipeline import Pipeline

    _print_deliveries(Pipeline.from_environment().ledger.all(dataset), {})


@app.command()
def station(name: str, dataset: str, delivery_id: str) -> None:
    """Run one station of one delivery again: extract, validate, normalize, load or receipt."""
    from etl.pipeline import STATIONS, Pipeline

    if name not in STATIONS:
        raise typer.BadParameter(f"one of {', '.join(STATIONS)}", param_hint="NAME")
    outcome = Pipeline.from_environment().run_station(name, dataset, delivery_id)
    console.print(f"{dataset}/{delivery_id}: {outcome.state} {outcome.counts or ''}")
    if outcome.message:
        console.print(f"{outcome.message.vi}\n{outcome.message.en}", markup=False)


@app.command()
def migrate() -> None:
    """Bring the warehouse's tables to what the contracts say, by adding only."""
    from etl.pipeline import Pipeline
    from etl.warehouse import MigrationRefused

    try:
        applied = Pipeline.from_environment().migrate()
    except MigrationRefused as refused:
        console.print(str(refused), markup=False)
        raise typer.Exit(2) from None
    for statement in applied:
        console.print(statement, markup=False, highlight=False)
    console.print(f"{len(applied)} changes applied." if applied else "Nothing to change.")


@app.command()
def marts() -> None:
    """Rebuild the tables that analysts query."""
    from etl.pipeline import Pipeline

    for name in Pipeline.from_environment().refresh_marts():
        console.print(f"mart.{name}")


@app.command()
def query(sql: str) -> None:
    """Run one SQL query on the warehouse, read-only, and print its rows."""
    import sqlalchemy as sa

    from etl.pipeline import Pipeline

    with Pipeline.from_environment().engine.connect() as connection:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        result = connection.exec_driver_sql(sql.replace("%", "%%"))
        table = Table(*result.keys())
        for row in result:
            table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    people: Annotated[int, typer.Option(help="Inhabitants.")] = 20_000,
    days: Annotated[int, typer.Option(help="Days of extracts.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same city.")] = 1,
    start: Annotated[str, typer.Option(help="First day.")] = "2026-03-02",
) -> None:
    """Write the extracts that four agencies of a made-up city would drop, and the truth beside them."""
    from simulate import write_city

    with console.status("simulating a city"):
        write_city(out, people, days, seed, date.fromisoformat(start))
    console.print(f"{out / 'days'}: extracts by day; {out / 'truth'}: what must come of them")


def main() -> None:
    """Entry point of the console script."""
    app()


def _is_extract(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _is_unfinished(received: Received) -> bool:
    return received.known and received.state in ("received", "extracted", "validated", "normalized")


def _name(received: Received) -> tuple[str, str]:
    return received.dataset, received.delivery_id


def _print_deliveries(entries: list[dict[str, Any]], is_new: dict[tuple[str, str], bool]) -> None:
    table = Table("dataset", "delivery", "state", *(Column(c.replace("_", " "), justify="right") for c in _COUNTS), "seconds")
    for entry in entries:
        name = (entry["dataset"], entry["delivery_id"])
        state = entry["state"] if is_new.get(name, True) else f"{entry['state']} before"
        seconds = sum(entry["timings"].values())
        table.add_row(*name, state, *("" if entry[c] is None else f"{entry[c]:,}" for c in _COUNTS), f"{seconds:.1f}")
    console.print(table)
    for entry in entries:
        if entry["message_vi"]:
            console.print(f"{entry['dataset']} {entry['file_name'][:80]}: {entry['message_vi']}", markup=False)
            console.print(f"    {entry['message_en']}", markup=False)
