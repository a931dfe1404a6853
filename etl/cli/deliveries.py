"""Commands on deliveries: walk them, list them, decide on them."""

from __future__ import annotations

import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from etl.cli.arguments import agency_and_dataset, known_delivery, person_named
from etl.cli.console import console
from etl.cli.errors import stop, told_of
from etl.delivery.state import State

if TYPE_CHECKING:
    from etl.pipeline.pipeline import Pipeline
    from etl.pipeline.reception import Received

commands = typer.Typer()


@commands.command()
def run(
    source: Annotated[Path, typer.Argument(help="A file, or a folder of <agency>/<dataset>/<file>.", exists=True)],
    dataset: Annotated[str | None, typer.Option(help="agency.dataset, where the file's folders do not say.")] = None,
    principal: Annotated[str | None, typer.Option(help="The account through which the files came to you.")] = None,
) -> None:
    """Walk files through all stations in this process, without Airflow; whatever is wrong with one, the others walk.

    Exits with 0 (every file is loaded; its receipt says which rows were sent back), 1 (a file is held or rejected) or 2
    (a fault: a file could not be received or walked to its end; run the command again).
    """
    from upath import UPath

    from etl import site
    from etl.cli.output import print_deliveries
    from etl.delivery.display import shown
    from etl.pipeline.pipeline import STATIONS, Pipeline
    from etl.pipeline.reception import look_again, receive
    from etl.receive.arrival import whole
    from etl.receive.inbox import Found, found_at, found_in, told
    from etl.warehouse import marts
    from etl.warehouse.migrate import migrate

    pipeline = Pipeline.from_environment()
    place = UPath(source.resolve())
    named = agency_and_dataset(dataset) if dataset else None
    if source.is_file():
        found = Found([place], [])
    else:
        found = found_at(place) if named else found_in(place, pipeline.contracts.agencies)
    files, seen = whole(found.files, {}, pipeline.settings.quiet_seconds, pipeline.storage.inbox)
    looked_at = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    walked: list[Received] = []
    faults: list[str] = []
    first_page: UPath | None = None
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("warehouse", total=len(found.files) * (1 + len(STATIONS)) + 2)
        migrate(pipeline.engine, pipeline.contracts.values())
        progress.advance(task)
        if len(files) < len(found.files):
            progress.update(task, description="waiting until nobody writes to the files")
            time.sleep(max(0.0, looked_at + pipeline.settings.quiet_seconds - time.monotonic()))
            files, _ = whole(found.files, seen, pipeline.settings.quiet_seconds, pipeline.storage.inbox)
            faults = [f"{shown(str(file))}: still being written" for file in found.files if file not in files]
        for number, file in enumerate(files, start=1):
            progress.update(task, description=escape(f"receive {file.name[:60]}"))
            try:
                walked.append(receive(pipeline, file, named, principal))
                for received in walked[-1].tables:
                    if not received.is_final:
                        for station, _ in pipeline.walk(received.dataset, received.delivery_id):
                            progress.advance(task)
                            progress.update(task, description=f"{station} {received.dataset}")
            except Exception as error:
                faults.append(f"{shown(str(file))}: {told_of(error)}")
            progress.update(task, completed=1 + number * (1 + len(STATIONS)))
        try:
            look_again(pipeline)
            for mart in marts.each_refreshed(pipeline.engine):
                progress.update(task, description=f"mart {mart.number} of {mart.of}")
            first_page = site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)
        except Exception as error:
            faults.append(f"marts and pages: {told_of(error)}")
    of_files = [[pipeline.ledger.get(r.dataset, r.delivery_id) for r in file.tables] for file in walked]
    came_before = {(r.dataset, r.delivery_id) for file in walked for r in file.tables if not r.is_new}
    print_deliveries(console, chain(*of_files), came_before)
    for line in told(found):
        console.print(f"Left alone: {line}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"Receipts: {pipeline.storage.root / 'outbox'}", soft_wrap=True, highlight=False)
    quality = pipeline.settings.data_docs
    console.print(f"Data quality (its pages are written by citydw site): {quality}", soft_wrap=True, highlight=False)
    if first_page:
        console.print(f"Data catalogue: {first_page}", soft_wrap=True, highlight=False)
    loaded = sum(all(entry.state is State.LOADED for entry in entries) for entries in of_files)
    stopped = sum(any(entry.state.is_stopped for entry in entries) for entries in of_files)
    console.print(
        f"{loaded} of {len(found.files)} files are loaded, {stopped} held or rejected, {len(faults)} with a fault."
    )
    if faults:
        stop("\n".join(faults))
    if stopped:
        raise typer.Exit(1)


@commands.command()
def deliveries(dataset: Annotated[str | None, typer.Argument(help="agency.dataset; all by default.")] = None) -> None:
    """List what the ledger knows."""
    from etl.cli.output import print_deliveries
    from etl.pipeline.pipeline import Pipeline

    print_deliveries(console, Pipeline.from_environment().ledger.all(dataset))


@commands.command()
def walk(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    delivery_id: Annotated[str, typer.Argument(help="As `citydw deliveries` lists it.")],
    first: Annotated[str, typer.Option("--from", help="The station to begin with.")] = "extract",
) -> None:
    """Walk a delivery through the stations again, as after a change of its contract, suite or code lists."""
    from etl.cli.output import print_deliveries
    from etl.pipeline.pipeline import STATIONS, Pipeline

    if first not in STATIONS:
        raise typer.BadParameter(f"one of {', '.join(STATIONS)}", param_hint="--from")
    pipeline = Pipeline.from_environment()
    known_delivery(pipeline, dataset, delivery_id)
    try:
        for name, outcome in pipeline.walk(dataset, delivery_id, first):
            console.print(f"{name}: {outcome.state}")
    except FileNotFoundError as error:
        raise typer.BadParameter(
            f"{Path(str(error.filename)).name} is missing: the stations before {first} have not run.",
            param_hint="--from",
        ) from None
    print_deliveries(console, [pipeline.ledger.get(dataset, delivery_id)])


@commands.command()
def catch_up(dataset: Annotated[str, typer.Argument(help="agency.dataset, one that is sent with another.")]) -> None:
    """Give a table the earlier files that it is read from and has not got, as those of before it had a contract."""
    from etl.cli.output import print_deliveries
    from etl.pipeline import reception
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse.migrate import migrate

    agency_and_dataset(dataset)
    pipeline = Pipeline.from_environment()
    migrate(pipeline.engine, pipeline.contracts.values())
    given = reception.catch_up(pipeline, dataset)
    for received in given:
        if not received.is_final:
            for _ in pipeline.walk(dataset, received.delivery_id):
                pass
    print_deliveries(console, [pipeline.ledger.get(dataset, received.delivery_id) for received in given])


@commands.command()
def withdraw(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    delivery_id: Annotated[str, typer.Argument(help="As `citydw deliveries` lists it.")],
    reason: Annotated[str, typer.Option(help="Who asked for it and why; the agency reads it on its receipt.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take an earlier withdrawal back.")] = False,
) -> None:
    """Take a delivery out: the tables become what they would be if it had never come. The ledger keeps the fact."""
    from etl.cli.output import print_deliveries
    from etl.pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    known_delivery(pipeline, dataset, delivery_id)
    if undo:
        for name, outcome in pipeline.reinstate(dataset, delivery_id, reason):
            console.print(f"{name}: {outcome.state}")
    else:
        pipeline.withdraw(dataset, delivery_id, reason)
    print_deliveries(console, [pipeline.ledger.get(dataset, delivery_id)])
    for other in pipeline.contracts[dataset].beside:
        if entry := pipeline.ledger.find(other.id, delivery_id):
            console.print(f"Of the same file {entry.name} is {entry.state}, as before.", markup=False, highlight=False)


@commands.command()
def held(
    apply_defaults: Annotated[
        bool, typer.Option("--apply-defaults", help="Decide what the contracts say where the time is over.")
    ] = False,
) -> None:
    """List what waits for a person's decision: why, since when, and what is decided if nobody does."""
    from datetime import UTC, datetime

    from etl.cli.output import print_deliveries, print_held_for_contract, print_holds, print_unfinished
    from etl.operate.hold import held_for_contract, holds
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse.decisions import unfinished

    pipeline = Pipeline.from_environment()
    if apply_defaults:
        overdue = [hold for hold in holds(pipeline.ledger, pipeline.contracts) if hold.deadline <= datetime.now(UTC)]
        names = [(hold.entry.dataset, hold.entry.delivery_id) for hold in overdue]
        for name in names:
            pipeline.decide_by_default(*name)
            _walk_on(pipeline, *name)
        print_deliveries(console, [pipeline.ledger.get(*name) for name in names])
    print_holds(console, holds(pipeline.ledger, pipeline.contracts))
    print_unfinished(console, unfinished(pipeline.ledger))
    print_held_for_contract(console, held_for_contract(pipeline.ledger, pipeline.contracts))


@commands.command()
def decide(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    delivery_id: Annotated[str, typer.Argument(help="As `citydw held` lists it.")],
    choice: Annotated[str, typer.Argument(help="accept, accept-passing (only rows without a fault) or reject.")],
    reason: Annotated[str, typer.Option(help="Why; the agency reads it on its receipt.")],
    by: Annotated[
        str, typer.Option(help="Who decides, where several share an account; the account is written beside it.")
    ] = "",
) -> None:
    """Decide on a held delivery; what is accepted goes on to the warehouse.

    The same command goes on where an earlier one was stopped after its decision was written down.
    """
    from typing import cast, get_args

    from etl.cli.output import print_deliveries
    from etl.contract import Choice
    from etl.operate.hold import Undecidable, check_reason
    from etl.pipeline.pipeline import Pipeline

    if choice not in get_args(Choice):
        raise typer.BadParameter(f"one of {', '.join(get_args(Choice))}", param_hint="CHOICE")
    try:
        reason = check_reason(reason)
    except Undecidable as error:
        raise typer.BadParameter(str(error), param_hint="--reason") from None
    pipeline = Pipeline.from_environment()
    known_delivery(pipeline, dataset, delivery_id)
    person = person_named(by, pipeline.settings.deciders)
    pipeline.decide(dataset, delivery_id, cast("Choice", choice), person, reason)
    _walk_on(pipeline, dataset, delivery_id)
    print_deliveries(console, [pipeline.ledger.get(dataset, delivery_id)])


@commands.command()
def freshness(
    dataset: Annotated[
        str | None, typer.Argument(help="agency.dataset that comes in parts, as one file a ward: list its parts.")
    ] = None,
) -> None:
    """List when each dataset's next delivery is due, and what is late by how much; or the same of a dataset's parts."""
    from etl.cli.output import print_freshness, print_parts
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse import freshness as late

    pipeline = Pipeline.from_environment()
    if dataset is None:
        print_freshness(console, late.freshness(pipeline.ledger))
        return
    agency_and_dataset(dataset)
    if pipeline.contracts[dataset].part is None:
        raise typer.BadParameter(f"{dataset} does not come in parts: its contract has no `part`", param_hint="DATASET")
    print_parts(console, late.parts(pipeline.ledger, dataset).get(dataset, []))


def _walk_on(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    """Walk a delivery on from where a decision has brought it."""
    for name, outcome in pipeline.walk_on(dataset, delivery_id):
        console.print(f"{name}: {outcome.state}")
