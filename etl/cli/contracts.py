"""Commands on contracts and suites, before any data comes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from etl.cli.arguments import agency_and_dataset
from etl.cli.console import console

commands = typer.Typer()
of_contracts = typer.Typer(help="What a dataset's contract says.", no_args_is_help=True)
commands.add_typer(of_contracts, name="contract")


@commands.command()
def lint(
    datasets: Annotated[list[str] | None, typer.Argument(help="agency.dataset; all by default.")] = None,
) -> None:
    """Check city.yaml, contracts and suites by themselves, before any data comes. Exits with 1 if anything is wrong.

    What a contract says and the pipeline makes no use of is named, and what a draft leaves to do; neither is a mistake.
    """
    import tempfile

    from etl.cli.output import print_wrong
    from etl.contract import ContractError, read_all
    from etl.draft.document import left_to_do
    from etl.pipeline.lint import agencies_of_nothing, check_city, errors

    try:
        check_city()
    except ContractError as error:  # contracts are read by it
        print_wrong(console, [error], 1)
        raise typer.Exit(1) from None
    contracts = read_all()
    known = sorted([*contracts, *contracts.wrong])
    if unknown := sorted(set(datasets or []) - set(known)):
        raise typer.BadParameter(f"no such dataset; there are {', '.join(known)}", param_hint=unknown[0])
    asked = datasets or known
    with tempfile.TemporaryDirectory(prefix="citydw-", ignore_cleanup_errors=True) as home:
        wrong = [error for dataset in asked for error in errors(contracts, dataset, home)]
    for contract in (contracts[dataset] for dataset in asked if dataset in contracts):
        notes = [f"note: {note}" for note in contract.notes] + [f"to do: {todo}" for todo in left_to_do(contract.path)]
        for note in notes:
            console.print(f"{contract.path}: {note}", soft_wrap=True, highlight=False, markup=False)
    for note in agencies_of_nothing(known) if not datasets else ():
        console.print(note, soft_wrap=True, highlight=False, markup=False)
    print_wrong(console, wrong, len(asked))
    if wrong:
        raise typer.Exit(1)


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder, of your city's facts, contracts, codes and marts.")],
) -> None:
    """Write the folder of a new deployment, with a dataset that loads, and print the commands that load it."""
    from etl.contract import starter

    starter.write(folder)
    place = folder.resolve()
    for line in (
        f"{folder} is a new city's folder. Look through {folder / 'city.yaml'} first: it holds the city's facts. Then:",
        "",
        f"export CITYDW_EXPECTATIONS={shlex.quote(str(place))}",
        "citydw lint",
        f"citydw run {shlex.quote(str(place / starter.FIRST_FILE))} --dataset {starter.FIRST_DATASET}",
        'citydw query "SELECT * FROM mart.trees_by_kind"',
    ):
        typer.echo(line)


@of_contracts.command("show")
def show_contract(dataset: Annotated[str, typer.Argument(help="agency.dataset")]) -> None:
    """Print a contract with all that its agency and its data elements say, as one ODCS document for other tools."""
    import yaml

    from etl.contract import load_all, written_out

    agency_and_dataset(dataset)
    document = written_out(load_all()[dataset].path)
    typer.echo(yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120), nl=False)


@of_contracts.command()
def fields() -> None:
    """Print what a contract may say, as `docs/reference/contract.md` has it."""
    from etl.contract.reference import page

    typer.echo(page(), nl=False)
