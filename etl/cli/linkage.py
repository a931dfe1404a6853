"""Commands on who is who across agencies."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from etl.cli.console import console

if TYPE_CHECKING:
    from etl.linkage.review import Pair
    from etl.pipeline.pipeline import Pipeline

commands = typer.Typer()
linkage = typer.Typer(help="Who is who across agencies: link all records, and decide on pairs that may be one person.")
commands.add_typer(linkage, name="link")


@linkage.callback(invoke_without_command=True)
def link(
    context: typer.Context,
    learn: Annotated[bool, typer.Option("--learn", help="Learn anew how agencies write names and births.")] = False,
) -> None:
    """Say of every record whose it is: who is who across agencies."""
    if context.invoked_subcommand is not None:
        return
    from etl.linkage.link import link as link_all
    from etl.pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    key = pipeline.settings.key
    found = link_all(pipeline.ledger, pipeline.storage, pipeline.contracts, key, learn=learn)
    console.print(f"{found.persons} persons", highlight=False)
    for reason, records in found.records.items():
        console.print(f"  {records} records by {reason}", highlight=False)
    console.print(f"{found.merged} merged, {found.split} split since the last time", highlight=False)
    console.print(f"{found.review} pairs to decide: citydw link review", highlight=False)


@linkage.command()
def review(
    count: Annotated[int, typer.Option(help="Pairs at most.")] = 10,
    page: Annotated[
        Path | None,
        typer.Option(help="Write them as an HTML page into this file, which only you can read; delete it afterwards."),
    ] = None,
) -> None:
    """Show the pairs of records that may be of one person, side by side. Personal data: for whom it is granted."""
    from etl.linkage.review import pairs
    from etl.pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    found = pairs(pipeline.ledger, pipeline.contracts, count)
    if page is not None:
        _write_page(pipeline, found, page)
        return
    for pair in found:
        table = Table(title=f"{pair.name}: {pair.probability:.3f}", title_justify="left")
        for column in ("", *(escape(" ".join(filter(None, record))) for record in pair.records)):
            table.add_column(column)
        table.add_column("agrees", style="dim")
        weights = {weight.field: f"{weight.level}: {weight.bits:+.1f} bits" for weight in pair.weights}
        for field, both in pair.said.items():
            table.add_row(field, *map(escape, both), weights.get(field, ""))
        console.print(table)


def _write_page(pipeline: Pipeline, found: list[Pair], file: Path) -> None:
    from upath import UPath

    from etl.delivery.publish import write_text
    from etl.linkage import explain
    from etl.linkage.page import page
    from etl.linkage.review import model

    learnt = model(pipeline.ledger)
    prior, weights = (explain.prior(learnt), explain.of_model(learnt)) if learnt else (0.0, {})
    write_text(UPath(file), page(found, prior, weights, pipeline.contracts, datetime.now(UTC)))
    console.print(f"{len(found)} pairs: {file}", soft_wrap=True, highlight=False, markup=False)


@linkage.command()
def decide(
    pair: Annotated[str, typer.Argument(help="Its name, as `citydw link review` shows it.")],
    choice: Annotated[Literal["same", "different"], typer.Argument(help="One person, or two.")],
    by: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
) -> None:
    """Decide whether two records are of one person; `citydw link` takes it into account from then on."""
    from etl.linkage.review import decide as keep
    from etl.pipeline.pipeline import Pipeline

    keep(Pipeline.from_environment().ledger, pair, is_same=choice == "same", by=by, reason=reason)
    console.print("Kept. `citydw link` takes it into account.")
