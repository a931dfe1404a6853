"""Commands on agencies' systems: pull from them, and see how they stand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from etl.cli.arguments import agency_and_dataset
from etl.cli.console import console

if TYPE_CHECKING:
    from etl.pipeline.pipeline import Pipeline

commands = typer.Typer()
of_sources = typer.Typer(help="The agencies' systems from which datasets are fetched.", invoke_without_command=True)
commands.add_typer(of_sources, name="sources")


@commands.command()
def pull(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="A day that is asked for again.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last such day; by default the same.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come; nothing is kept.")] = False,
) -> None:
    """Fetch what is new of a dataset from where its contract says that it stands, and walk it through all stations.

    Exits with 0 (nothing is new, or it is loaded), 1 (it is held or rejected) or 2 (the source cannot be read now).
    """
    from etl.cli.output import print_deliveries
    from etl.pipeline.pipeline import Pipeline
    from etl.pipeline.pull import pull as bring
    from etl.warehouse.migrate import migrate

    agency_and_dataset(dataset)
    days = _days(first, last)
    pipeline = Pipeline.from_environment()
    if dry_run:
        _look(pipeline, dataset, days)
        return
    migrate(pipeline.engine, pipeline.contracts.values())
    brought = bring(pipeline, dataset, days=days)
    for said in brought.told:
        console.print(f"{dataset}: {said}", markup=False, highlight=False)
    if not brought.received:
        console.print("The very bytes of before." if brought.same else "Nothing is new.")
        return
    for received in brought.received:
        if not received.is_final:
            for _ in pipeline.walk(received.dataset, received.delivery_id):
                pass
    entries = [pipeline.ledger.get(received.dataset, received.delivery_id) for received in brought.received]
    print_deliveries(console, entries)
    if any(entry.state.is_stopped for entry in entries):
        raise typer.Exit(1)


@of_sources.callback()
def sources(context: typer.Context) -> None:
    """List the agencies' systems: whether each can be reached, when it was last asked, and when it will be next."""
    if context.invoked_subcommand:
        return
    from croniter import croniter

    from etl.cli.output import local
    from etl.connectors import connector
    from etl.connectors.connection import from_environment
    from etl.connectors.model import SourceFault
    from etl.contract.city import city
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse import pulls

    pipeline = Pipeline.from_environment()
    table = Table("dataset", "source", "reachable", "last pull", "lag", "watermark", "next")
    with pipeline.engine.connect() as connection:
        last = pulls.last_pulls(connection)
        marks = {dataset: pulls.bound(connection, dataset) for dataset in last}
    now = datetime.now(UTC)
    for contract in pipeline.contracts.values():
        if contract.server is None:
            continue
        try:
            source = connector(contract, from_environment(contract.server.server), pipeline.settings.limits)
            fatal = next((each.kind for each in source.check() if each.is_fatal), None)
        except SourceFault as fault:
            fatal = fault.kind
        pulled = last.get(contract.id)
        lag = now - pulled.seen_at if pulled else None
        following = croniter(contract.server.custom_properties.schedule, now.astimezone(city().zone)).get_next(datetime)
        table.add_row(
            contract.id,
            contract.server.server,
            f"[red]no: {fatal}[/]" if fatal else "yes",
            local(pulled.seen_at) if pulled else "never",
            f"{lag.days} d {lag.seconds // 3600} h" if lag else "",
            marks[contract.id].since or "" if pulled else "",
            local(following),
        )
    if table.row_count:
        console.print(table)
    else:
        console.print("No contract names a source.")


@of_sources.command("check")
def check(
    datasets: Annotated[list[str] | None, typer.Argument(help="agency.dataset; all by default.")] = None,
) -> None:
    """Log in at each source and compare its columns with the contract. Exits with 1 if one cannot be pulled from."""
    from etl.connectors import connector
    from etl.connectors.connection import from_environment
    from etl.connectors.model import Complaint, SourceFault
    from etl.contract import load_all
    from etl.settings import Limits

    for dataset in datasets or ():
        agency_and_dataset(dataset)
    is_fatal = False
    for contract in load_all().values():
        if contract.server is None or (datasets and contract.id not in datasets):
            continue
        try:
            complaints = connector(
                contract, from_environment(contract.server.server), Limits.from_environment()
            ).check()
        except SourceFault as fault:
            complaints = [Complaint(fault.kind, str(fault))]
        for complaint in complaints:
            is_fatal |= complaint.is_fatal
            console.print(f"{contract.id}: {complaint.sentence}", markup=False, highlight=False, soft_wrap=True)
        if not complaints:
            console.print(f"{contract.id}: {contract.server.server} is in order.", markup=False, highlight=False)
    if is_fatal:
        raise typer.Exit(1)


def _days(first: datetime | None, last: datetime | None) -> tuple[date, date] | None:
    if first is None:
        if last is not None:
            raise typer.BadParameter("it needs --from", param_hint="--to")
        return None
    until = last or first
    if until < first:
        raise typer.BadParameter("it is before --from", param_hint="--to")
    return first.date(), until.date()


def _look(pipeline: Pipeline, dataset: str, days: tuple[date, date] | None) -> None:
    import tempfile
    from pathlib import Path

    from etl.delivery.display import megabytes
    from etl.pipeline.pull import look

    with tempfile.TemporaryDirectory(prefix="citydw-", ignore_cleanup_errors=True) as folder:
        sights = list(look(pipeline, dataset, Path(folder), days=days))
    for sight in sights:
        since = f" since {sight.pulled.since}" if sight.pulled.since else ""
        rows = "" if sight.pulled.rows is None else f"{sight.pulled.rows:,} rows, "
        console.print(f"{sight.pulled.name}: {rows}{megabytes(sight.size)}{since}; nothing was kept.", markup=False)
    if not sights:
        console.print("Nothing is new.")
