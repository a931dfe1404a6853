"""Commands on the warehouse as a whole: migrate, rebuild, check, back up, query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from etl.cli.arguments import agency_and_dataset
from etl.cli.console import console

if TYPE_CHECKING:
    from etl.operate.audit import Discrepancy

commands = typer.Typer()
_COLUMNS_SIDE_BY_SIDE = 12  # a wider row is printed down the page


@commands.command()
def migrate() -> None:
    """Bring the warehouse's tables to what the contracts say, by adding only."""
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse import migrate as tables

    pipeline = Pipeline.from_environment()
    applied = tables.migrate(pipeline.engine, pipeline.contracts.values())
    for statement in applied:
        console.print(statement, markup=False, highlight=False)
    console.print(f"{len(applied)} changes applied." if applied else "Nothing to change.")


@commands.command()
def marts(
    anew: Annotated[
        bool, typer.Option("--anew", help="Also those that nothing has changed for, as after a change by hand.")
    ] = False,
) -> None:
    """Bring the tables that analysts query up to date: those of which something has changed that they are made of."""
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse.marts import each_refreshed

    for mart in each_refreshed(Pipeline.from_environment().engine, anew=anew):
        said = "made again" if mart.has_changed else "nothing has changed"
        took = f", {mart.seconds:.0f} s" if mart.seconds >= 1 else ""
        console.print(f"{mart.number} of {mart.of}  {mart.name}: {said}{took}", highlight=False)


@commands.command()
def mart(
    name: Annotated[str, typer.Argument(help="Of the mart, as land_ward_year.")],
    day: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day.")],
    output: Annotated[Path, typer.Option(help="A file, .csv or .parquet.")],
) -> None:
    """Write a mart as it would stand on a day of the past, by all that is known today; the tables stay as they are."""
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse.as_of import mart_as_of

    pipeline = Pipeline.from_environment()
    rows = mart_as_of(pipeline.engine, pipeline.contracts.values(), name, day.date())
    with output.open("wb") as stream:
        (rows.write_parquet if output.suffix == ".parquet" else rows.write_csv)(stream)
    console.print(f"{output}: {rows.height:,} rows as of {day:%Y-%m-%d}", soft_wrap=True, highlight=False)


@commands.command()
def site() -> None:
    """Build the pages for all: how each dataset stands, its deliveries and receipts, what every column means."""
    from etl.pipeline.pipeline import Pipeline
    from etl.site import build
    from etl.validate import results

    pipeline = Pipeline.from_environment()
    results.render(pipeline.contracts.values(), pipeline.settings.gx_home)
    first_page = build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    console.print(str(first_page), markup=False, highlight=False, soft_wrap=True)


@commands.command()
def replay(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    swap: Annotated[bool, typer.Option("--swap", help="Put the new rows in the live table's place.")] = False,
) -> None:
    """Build a history table anew from staging and compare it with the live one."""
    from etl.cli.output import print_replay
    from etl.operate.replay import replay as rebuild
    from etl.pipeline.pipeline import Pipeline

    agency_and_dataset(dataset)
    pipeline = Pipeline.from_environment()
    result = rebuild(pipeline.ledger, pipeline.storage, pipeline.contracts[dataset], swap)
    print_replay(console, result, swap)
    if not (result.is_equal or swap):
        raise typer.Exit(1)


@commands.command()
def backfill(dataset: Annotated[str, typer.Argument(help="agency.dataset")]) -> None:
    """Walk all deliveries of a table again, as after its contract got a column, and load them all at once."""
    from etl.contract.city import told
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse import migrate as tables

    agency_and_dataset(dataset)
    pipeline = Pipeline.from_environment()
    tables.migrate(pipeline.engine, pipeline.contracts.values())
    for delivery_id, outcome in pipeline.backfill(dataset):
        console.print(f"{delivery_id}: {outcome.state}", highlight=False)
        if outcome.message:
            console.print("    " + told(outcome.message, "\n    "), markup=False)


@commands.command()
def verify() -> None:
    """Hash all of landing again and compare it with the ledger."""
    from etl.operate import audit
    from etl.pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    print_discrepancies(audit.verify(pipeline.ledger, pipeline.storage))


@commands.command()
def audit() -> None:
    """Check for every delivery that each row is accounted for, from landing to the warehouse."""
    from etl.operate import audit
    from etl.pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    print_discrepancies(audit.audit(pipeline.ledger, pipeline.storage, pipeline.contracts))


@commands.command()
def backup(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Write the warehouse, its ledger and the files that they speak of into a folder."""
    from etl.operate import backup
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse.address import warehouse_url

    settings = Pipeline.from_environment().settings
    backup.backup(warehouse_url(settings), settings.data, folder)
    console.print(f"{folder} holds the backup.", soft_wrap=True)


@commands.command()
def restore(folder: Annotated[Path, typer.Argument(help="What `citydw backup` wrote.")]) -> None:
    """Bring a backup back into an empty database and an empty data root, and verify it."""
    from etl.operate import audit, backup
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse.address import warehouse_url

    pipeline = Pipeline.from_environment()
    settings = pipeline.settings
    backup.restore(warehouse_url(settings), settings.data, folder, pipeline.contracts.values())
    print_discrepancies(audit.verify(pipeline.ledger, pipeline.storage))


@commands.command()
def query(sql: str) -> None:
    """Run one SQL query on the warehouse, as a role that only reads, and print its rows; wide ones down the page."""
    import psycopg
    import sqlalchemy as sa

    from etl.delivery.display import shown
    from etl.settings import Settings
    from etl.warehouse import address

    url = sa.make_url(address.query_url(Settings.from_environment())).set(drivername="postgresql")
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


@commands.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    people: Annotated[int, typer.Option(help="Inhabitants.")] = 20_000,
    days: Annotated[int, typer.Option(help="Days of extracts.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same city.")] = 1,
    start: Annotated[str, typer.Option(help="First day.")] = "2026-03-02",
    is_whole: Annotated[
        bool, typer.Option("--all", help="All other agencies too: police, schools, treasury, business registry, ...")
    ] = False,
    is_served: Annotated[
        bool, typer.Option("--serve", help="Then put five agencies' systems behind servers on this machine.")
    ] = False,
) -> None:
    """Write the extracts that four agencies of a made-up city would drop, and the truth beside them.

    With --all the other twenty-five datasets of the same city come too: its people (residents, insurance, schools,
    assistance, sanctions), money and business (budget, vouchers, projects, enterprises, banks), land and traffic
    (works, plans, environment, vehicles, licences, roads) and the governance of data.

    With --serve a database of PostgreSQL and one of MariaDB, an SFTP server, an HTTP API and an object store hold one
    dataset each, for `citydw pull`, until they are interrupted; a day more comes with each Enter.
    """
    from simulate import write_city

    with console.status("simulating a city"):
        write_city(out, people, days, seed, date.fromisoformat(start), is_whole)
    console.print(f"{out / 'days'}: extracts by day; {out / 'truth'}: what must come of them")
    if is_served:
        from demo.sources import serve

        serve(out)


def print_discrepancies(discrepancies: Iterable[Discrepancy]) -> None:
    """Print what is off as it is found; exit with 1 if anything is."""
    is_in_order = True
    for one in discrepancies:
        is_in_order = False
        line = f"{one.delivery}: {one.zone}: {one.text}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not is_in_order:
        raise typer.Exit(1)
    console.print("Everything is in order.")
