"""`make bench` and `make bench-docs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

# Each measurement runs in a process that imports this module first: what is heavy is imported where it is needed.

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "var" / "bench"
PAGE = PROJECT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: written by make bench-docs -->", "<!-- end of figures -->"


@app.command()
def run(
    size: Annotated[int, typer.Option(help="Rows of a whole dataset; the other cases' sizes follow.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="How often each run is measured.")] = 1,
    cases: Annotated[str, typer.Option(help="Numbers, with blanks between them.")] = "1 2 5 6 7",
    rows_of: Annotated[str, typer.Option(help="Kinds of rows, with blanks between them.")] = "visits declarations",
    folder: Annotated[Path, typer.Option(help="For inputs, databases and results.")] = FOLDER,
) -> None:
    """Measure, print the tables, and write results.json and chart.svg."""
    from rich.console import Console

    from bench import report
    from bench.cases import NAMES, NUMBERS, Workshop, measured
    from bench.chart import svg
    from bench.measure import Measurement
    from bench.sources import Sources
    from bench.states import States

    for asked, known, option in ((cases, NUMBERS, "--cases"), (rows_of, NAMES, "--rows-of")):
        if unknown := set(asked.split()) - set(known):
            raise typer.BadParameter(f"{' '.join(sorted(unknown))}: one of {' '.join(known)}", param_hint=option)
    console = Console(width=160)
    results = folder / "results.json"
    with States(folder / "run") as states, Sources(size) as sources:
        workshop = Workshop(folder, states, sources, size)
        (postgres,) = states.execute("SHOW server_version")[0]
        whole = {"machine": report.machine(postgres), "cases": _made_before(results)}
        for number in cases.split():
            for case in workshop.cases(number, rows_of.split()):
                console.print(f"{case.number} {case.of}: {case.title}", style="bold", highlight=False)
                taken: list[list[Measurement]] = [[] for _ in case.runs]
                for turn in range(rounds):
                    for each, measurements in zip(case.runs, taken, strict=True):
                        if turn and each.part > 1:
                            continue
                        last = measured(workshop, each)
                        measurements.append(last)
                        shown = f"  {each.tool}, {each.work}: {last.seconds:.2f} s, {last.peak >> 20:,} MiB"
                        console.print(shown, highlight=False)
                made = report.results(case, taken)
                others = [c for c in whole["cases"] if (c["case"], c["of"]) != (made["case"], made["of"])]
                whole["cases"] = sorted([*others, made], key=lambda case: NUMBERS.index(case["case"]))
                results.write_text(json.dumps(whole, indent=2, default=str) + "\n", encoding="utf-8")
    (folder / "chart.svg").write_text(svg(whole), encoding="utf-8")
    _print(console, whole)
    console.print(f"{results}, {folder / 'chart.svg'}", soft_wrap=True, highlight=False)


@app.command()
def docs(
    folder: Annotated[Path, typer.Option(help="That holds the results.")] = FOLDER,
    page: Annotated[Path, typer.Option(help="That shows them; the chart is put beside it.")] = PAGE,
) -> None:
    """Copy the latest figures and the chart into docs/performance.md."""
    from bench import report

    made = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    chart = page.with_suffix(".svg")
    chart.write_bytes((folder / "chart.svg").read_bytes())
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{report.markdown(made, chart.name)}\n{END}{after}", encoding="utf-8")


def _made_before(results: Path) -> list[Any]:
    """Cases of earlier runs; one that is measured anew takes its place."""
    if not results.exists():
        return []
    cases: list[Any] = json.loads(results.read_text("utf-8"))["cases"]
    return cases


def _print(console: Console, made: dict[str, Any]) -> None:
    from rich.table import Table

    from bench import report

    for title, (headings, rows) in report.tables(made).items():
        table = Table(*headings, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table, markup=False)
    for kind, plan in report.plans(made).items():
        console.print(f"\n{kind}\n{plan}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app()
