"""`citydw`: the pipeline from a terminal, for a quick look, for tests and for repair."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from etl.cli import agency, contracts, deliveries, draft, linkage, maintenance, sources
from etl.cli.errors import sentence, stop

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for part in (deliveries, sources, agency, draft, contracts, linkage, maintenance):
    app.add_typer(part.commands)


def main() -> None:
    """Entry point of the console script: what a person can mend is told in a sentence, not in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console of Windows may not have every Vietnamese letter
    try:
        app()
    except Exception as error:
        stop(sentence(error))
