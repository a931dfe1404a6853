"""The command that drafts a dataset's contract and suite from sample files; it needs no warehouse."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etl.cli.console import console
from etl.cli.errors import stop

if TYPE_CHECKING:
    from etl.draft import Drafted
    from etl.settings import Settings

commands = typer.Typer()
_KINDS_SHOWN = 5  # of problems of a sample


@commands.command()
def draft(
    files: Annotated[list[Path], typer.Argument(help="Sample files, all alike.", exists=True, dir_okay=False)],
    dataset: Annotated[str, typer.Option(help="agency.dataset, as both are to be called.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a contract and a suite that are there.")] = False,
) -> None:
    """Write a first contract and suite by all rows of sample files, and check the samples with them."""
    from etl.delivery.messages import Stop
    from etl.draft import Undrafted, leave_to_do
    from etl.draft import draft as drafted_from
    from etl.settings import Settings

    settings = Settings.from_environment()
    try:
        with console.status("…", spinner="line") as status:
            made = drafted_from(files, dataset, settings.limits, status.update, is_forced=force)
    except (Undrafted, Stop) as error:
        stop(f"{error}")
    _say(f"{_short(made.contract.path)}\n{_short(made.suite)}", "bold")
    for note in made.draft.notes:
        _say(f"  {note}")
    if held := _check(files, made, settings):
        leave_to_do(made, held)
    _print_next(files, made)


def _check(files: list[Path], made: Drafted, settings: Settings) -> list[str]:
    """Walk the samples through the stations with what was written, and print what comes of their rows.

    Returns:
        Why samples would not be loaded.
    """
    from etl.agency.check import check

    left = []
    for file in files:
        with (
            tempfile.TemporaryDirectory(prefix="citydw-", ignore_cleanup_errors=True) as out,
            console.status(f"checking {file.name}", spinner="line") as status,
        ):
            args = (settings.limits, settings.workbook_rows, status.update)
            told = check(file, made.contract, Path(out), *args).receipt
        rows = told.rows_in or 0
        if told.state.is_stopped:
            why = f"{file.name}: the whole file: {told.message.en if told.message else told.verdict.en}"
            _say(why, "red")
            left.append(f"the sample is not loaded by this contract; {why}")
            continue
        style = "yellow" if told.rejected else "green"
        _say(f"{file.name}: {rows:,} rows, {rows - told.rejected:,} right, {told.rejected:,} rejected", style)
        for problem in told.problems[:_KINDS_SHOWN]:
            _say(f"  {problem.count:,} × {problem.text.en}")
        if told.rejected > made.contract.max_rejected * rows:
            share = f"{file.name}: {told.rejected:,} of {rows:,} rows are rejected"
            left.append(f"the sample is not loaded by this contract; {share}: {told.problems[0].text.en}")
    return left


def _print_next(files: list[Path], made: Drafted) -> None:
    from etl.draft.document import left_to_do

    left = left_to_do(made.contract.path)
    dataset, file = made.contract.id, files[0]
    _say(f"Left to do, {len(left)}:" if left else "Nothing is left to do.", "bold")
    for todo in left:
        _say(f"  {todo}")
    _say("Next:", "bold")
    _say(f"  edit {_short(made.contract.path)}")
    _say(f"  citydw lint {dataset}")
    _say(f"  citydw check {file} --dataset {dataset}")
    _say(f"  citydw migrate && citydw run {file} --dataset {dataset}")


def _short(path: Path) -> Path:
    """A path as it is typed here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
