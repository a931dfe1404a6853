"""What came of it: results as JSON, tables for the terminal and for the docs."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import date
from typing import Any

import psutil

from bench.cases import Case, Result, Run
from bench.measure import Measurement
from etl.pipeline.pipeline import STATIONS

Rows = list[list[str]]
_STATIONS = ("receive", *STATIONS, "indexes")


def machine(postgres: str) -> dict[str, Any]:
    """Where and when it was measured."""
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "postgresql": postgres,
    }


def results(case: Case, rounds: Sequence[Sequence[Measurement]]) -> dict[str, Any]:
    """A case's medians, ratios and targets, ready for JSON.

    Args:
        case: what was measured.
        rounds: for each of its runs, the measurements.
    """
    medians = [_median(each) for each in rounds]
    runs = [_run(case, number, medians, rounds[number]) for number in range(len(medians))]
    targets = []
    for target in case.targets:
        value = target.value(medians)
        met = value <= target.bound
        targets.append({"target": target.text, "value": value, "met": met, "bound": target.bound})
    return {"case": case.number, "of": case.of, "title": case.title, "runs": runs, "targets": targets}


def tables(made: dict[str, Any]) -> dict[str, tuple[list[str], Rows]]:
    """Tables by title: their headings and rows."""
    figures: Rows = []
    stations: Rows = []
    queries: Rows = []
    pulls: Rows = []
    marts: Rows = []
    readers: Rows = []
    targets: Rows = []
    for case in made["cases"]:
        named = [case["case"], case["of"]]
        for run in case["runs"]:
            notes = run["notes"]
            if "queries" in notes:
                queries += [
                    [kind, f"{q['rows']:,}", f"{q['p50'] * 1000:.2f}", f"{q['p95'] * 1000:.2f}"]
                    for kind, q in notes["queries"].items()
                ]
                continue
            figures.append([*named, run["tool"], run["work"], *_figures(run)])
            if "odd" in notes:
                pulls.append([*named, run["tool"], f"{notes['cpu']:.2f}", notes["odd"]])
            marts += [[*named, run["work"], mart, f"{each:.2f}"] for mart, each in notes.get("marts", {}).items()]
            for kind, times in notes.get("readers", {}).items():
                for when, waited in times.items():
                    seconds = [f"{waited[each] * 1000:.1f}" for each in ("p50", "p95", "longest")]
                    readers.append([*named, kind, when, f"{waited['times']:,}", *seconds])
            if "stations" in notes:
                seconds = [notes["stations"].get(station) for station in _STATIONS] + [notes.get("start")]
                stations.append([*named, run["work"], *("" if s is None else f"{s:.2f}" for s in seconds)])
        for target in case["targets"]:
            met = "yes" if target["met"] else "NO"
            targets.append([*named, case["title"], target["target"], f"{target['value']:.2f}", met])
    all_tables = {
        "Targets": (["Case", "Rows of", "What", "Target", "Measured", "Met"], targets),
        "Measurements": (
            ["Case", "Rows of", "Who", "What", "Rounds", "Rows", "Seconds", "Rows/s", "Peak MiB", "x reference"],
            figures,
        ),
        "Seconds of each station": (
            ["Case", "Rows of", "What", *_STATIONS, "first file, imports"],
            stations,
        ),
        "Seconds of each mart": (["Case", "Rows of", "What", "Mart", "Seconds"], marts),
        "Those who read meanwhile": (
            ["Case", "Loading", "Query", "When", "Times", "p50 ms", "p95 ms", "longest ms"],
            readers,
        ),
        "Pulling": (
            ["Case", "From", "Who", "CPU s, the server's too", "Odd values that do not come as they stand"],
            pulls,
        ),
        "Looking back": (["Query", "Rows found", "p50 ms", "p95 ms"], queries),
    }
    return {title: table for title, table in all_tables.items() if table[1]}


def plans(made: dict[str, Any]) -> dict[str, str]:
    """PostgreSQL's plans of the queries that look back, by kind, each after its SQL."""
    return {
        kind: "\n".join([query["sql"], *query["plan"]])
        for case in made["cases"]
        for run in case["runs"]
        for kind, query in run["notes"].get("queries", {}).items()
    }


def markdown(made: dict[str, Any], chart: str) -> str:
    """The generated part of docs/performance.md.

    Args:
        made: the results.
        chart: path of the chart, from the page.
    """
    where = made["machine"]
    lines = [
        f"Measured on {where['date']}: {where['cores']} cores, {where['memory_gib']} GiB of memory, Python "
        f"{where['python']}, PostgreSQL {where['postgresql']}; seconds are medians.",
        "",
        f"![What was measured, as a share of what the target allows]({chart})",
    ]
    for title, (headings, rows) in tables(made).items():
        lines += ["", f"### {title}", "", _line(headings), _line(["---"] * len(headings)), *map(_line, rows)]
    for kind, plan in plans(made).items():
        lines += ["", f"Plan of the query for {kind}:", "", "```", plan, "```"]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figures(run: dict[str, Any]) -> list[str]:
    ratio = "" if run["ratio"] is None else f"{run['ratio']:.2f}"
    if "failed" in run["notes"]:
        return [str(len(run["seconds"])), f"{run['rows']:,}", run["notes"]["failed"], "", "", ""]
    return [
        str(len(run["seconds"])),
        f"{run['rows']:,}",
        f"{run['median']:.2f}",
        f"{run['rows'] / run['median']:,.0f}",
        f"{run['peak_mib']:,.0f}",
        ratio,
    ]


def _run(case: Case, number: int, medians: Sequence[Result], rounds: Sequence[Measurement]) -> dict[str, Any]:
    run: Run = case.runs[number]
    result = medians[number]
    compared = len(case.runs) > 1
    return {
        "tool": run.tool,
        "work": run.work,
        "rows": run.rows,
        "seconds": [each.seconds for each in rounds],
        "median": result.seconds,
        "peak_mib": result.peak / 2**20,
        "ratio": result.seconds * run.part / medians[1].seconds if compared else None,
        "notes": result.notes,
    }


def _median(rounds: Sequence[Measurement]) -> Result:
    seconds = statistics.median(each.seconds for each in rounds)
    middle = min(rounds, key=lambda each: abs(each.seconds - seconds))  # whose notes are shown
    return Result(seconds, int(statistics.median(each.peak for each in rounds)), middle.notes)
