"""Commands for who sends files; they need no warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from etl.cli.arguments import agency_and_dataset, recognised
from etl.cli.console import console

commands = typer.Typer()


@commands.command()
def check(
    file: Annotated[Path, typer.Argument(help="The file that you want to send.", exists=True, dir_okay=False)],
    dataset: Annotated[str | None, typer.Option(help="agency.dataset, where the file itself does not tell.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for page and workbook; by default beside the file.")] = None,
) -> None:
    """Check a file before sending it, on this machine only. Exits with 0 (all right), 1 (rejections) or 2 (held)."""
    from etl.contract.city import said

    console.print(f"{said('Kiểm tra', 'Checking')} {escape(file.name)}", soft_wrap=True, highlight=False)
    with console.status("…", spinner="line") as status:  # what follows is imported while it turns
        status.update(said("chuẩn bị", "getting ready"))
        from etl.agency.check import check, print_checked
        from etl.contract import load_all
        from etl.settings import Settings

        settings, contracts = Settings.from_environment(), load_all()
        contract = contracts[dataset] if dataset and agency_and_dataset(dataset) else recognised(file, settings)
        folder = out or file.with_name(f"{file.name}.check")
        tables = contracts.sent_with(contract.id)
        checked = check(file, contract, folder, settings.limits, settings.workbook_rows, status.update, tables)
    print_checked(console, checked)
    raise typer.Exit(checked.exit_code)


@commands.command()
def template(
    dataset: Annotated[str, typer.Argument(help="agency.dataset")],
    out: Annotated[Path | None, typer.Option(help="File to write; by default <dataset>.xlsx here.")] = None,
) -> None:
    """Write an empty Excel file for a dataset: header, explanations, drop-down lists, checked cells."""
    agency_and_dataset(dataset)
    from etl.agency.template import write_template
    from etl.contract import load_all

    path = out or Path(f"{dataset}.xlsx")
    write_template(path, load_all()[dataset])
    console.print(str(path), markup=False, highlight=False, soft_wrap=True)
