"""`python -m simulate FOLDER`: write a made-up city's extracts, and the truth beside them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from simulate import write_city

console = Console(soft_wrap=True)


def main(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    people: Annotated[int, typer.Option(help="Inhabitants.")] = 20_000,
    days: Annotated[int, typer.Option(help="Days of extracts.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same city.")] = 1,
    start: Annotated[str, typer.Option(help="First day.")] = "2026-03-02",
) -> None:
    """Write the extracts that four agencies of a made-up city would drop, and the truth beside them."""
    with console.status("simulating a city"):
        write_city(out, people, days, seed, date.fromisoformat(start))
    console.print(f"{out / 'days'}: extracts by day; {out / 'truth'}: what must come of them")


if __name__ == "__main__":
    typer.run(main)
