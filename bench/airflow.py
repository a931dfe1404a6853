"""`make bench-airflow`: how long it takes in the demo's Airflow, from a file's arrival to its rows in the table.

The demo is started in a home of its own (and stopped in the end). Then small files are dropped one by one into the idle
system, one of each dataset at once, and a hundred at once.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from demo.__main__ import FIRST_DAY, PEOPLE, SEED, drop
from demo.airflow import Airflow
from etl.delivery.entry import LedgerEntry
from etl.delivery.model import Delivery
from etl.pipeline.pipeline import Pipeline
from etl.settings import PROJECT, Settings

_ALONE = 5  # files dropped one by one
_EACH = 8  # of each dataset one, at once
_AT_ONCE = 100
_DAYS = 16  # enough files
_PATIENCE = 3_600.0  # seconds


def measure(folder: Path) -> dict[str, Any]:
    """Run everything.

    Args:
        folder: for the demo's home and the files.

    Returns:
        `arrival_seconds` of each file that came alone; `core_seconds` of all Airflow's processes for a delivery where
        eight came at once; `files`, `seconds`, `states` and `failed_tasks` of the hundred; `parse_seconds` of each DAG
        file.
    """
    os.environ["CITYDW_HOME"] = str(folder / "home")
    _demo("start")
    try:
        settings = Settings.from_environment()
        pipeline, airflow = Pipeline.from_environment(), Airflow(settings)
        files = _files(folder / "city")
        alone = []
        for file in files[:_ALONE]:
            _rest(pipeline, airflow)
            began = time.monotonic()
            _drop([file], pipeline)
            alone.append(round(time.monotonic() - began, 1))
        _rest(pipeline, airflow)
        before = _core_seconds(airflow)
        _drop(files[_ALONE : _ALONE + _EACH], pipeline)
        _rest(pipeline, airflow)
        core_seconds = round((_core_seconds(airflow) - before) / _EACH, 2)
        began = time.monotonic()
        deliveries = _drop(files[_ALONE + _EACH :], pipeline)
        seconds = round(time.monotonic() - began, 1)
        _rest(pipeline, airflow)
        states = [entry.state for entry in pipeline.ledger.all() if _is_one_of(entry, deliveries)]
        return {
            "arrival_seconds": alone,
            "core_seconds": core_seconds,
            "files": len(deliveries),
            "seconds": seconds,
            "states": {state: states.count(state) for state in sorted(set(states))},
            "failed_tasks": airflow.failed_tasks(),
            "parse_seconds": _parse(airflow),
        }
    finally:
        _demo("stop")


def print_measured(console: Console, made: dict[str, Any]) -> None:
    """Print what was measured, a line a target."""
    alone, parse = made["arrival_seconds"], made["parse_seconds"]
    console.print(
        f"A small file, from arrival to committed: {statistics.median(alone)} s, median of {alone}; at most 5"
    )
    console.print(f"Each of eight files at once: {made['core_seconds']} core seconds in all of Airflow; at most 1.5")
    console.print(f"All DAG files parsed: {sum(parse.values()):.2f} s, {parse}; at most 1")
    console.print(f"{made['files']} files at once: {made['seconds']} s, at most 90; {made['states']}")
    console.print(f"Failed tasks: {made['failed_tasks'] or 'none'}")


def _demo(command: str) -> None:
    subprocess.run([sys.executable, "-m", "demo", command], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)


def _files(folder: Path) -> list[Path]:
    """Small extracts of the demo's city after its first day, day by day; the first ones are of one dataset."""
    from simulate import write_city

    write_city(folder, PEOPLE, 1 + _DAYS, SEED, FIRST_DAY)
    shutil.rmtree(folder / "days" / FIRST_DAY.isoformat())  # the demo's own
    every = sorted(path for path in (folder / "days").rglob("*") if path.is_file())
    alone = [path for path in every if path.parent.name == "births"][-_ALONE:]
    others = [path for path in every if path not in alone]
    each = list({path.parent.name: path for path in reversed(others)}.values())
    return [*alone, *each, *(path for path in others if path not in each)][: _ALONE + _EACH + _AT_ONCE]


def _drop(files: Sequence[Path], pipeline: Pipeline) -> list[Delivery]:
    """Drop files at once and wait until all are loaded, held or rejected."""
    deliveries = [drop(file, pipeline.settings) for file in files]
    _wait(lambda: _final(pipeline, deliveries))
    return deliveries


def _rest(pipeline: Pipeline, airflow: Airflow) -> None:
    """Wait until there is nothing left to do, the marts included."""
    loads = [entry.loaded_at for entry in pipeline.ledger.all() if entry.loaded_at]
    _wait(lambda: airflow.unfinished_runs() == 0 and (not loads or airflow.last_success("marts") > max(loads)), 2)


def _core_seconds(airflow: Airflow) -> float:
    """What all of Airflow's processes have taken, those that have ended included."""
    seconds = 0.0
    for process in airflow.processes().values():
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                seconds += sum(each.cpu_times()[:4])  # its own, and of its children that have ended
    return seconds


def _wait(condition: Any, every: float = 0.25) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_PATIENCE:.0f} s")
        time.sleep(every)


def _final(pipeline: Pipeline, deliveries: Sequence[Delivery]) -> bool:
    final = [entry for entry in pipeline.ledger.all() if entry.state.is_at_rest and _is_one_of(entry, deliveries)]
    return len(final) == len(deliveries)


def _is_one_of(entry: LedgerEntry, deliveries: Sequence[Delivery]) -> bool:
    return (entry.dataset, entry.sha256) in {(d.contract_id, d.sha256) for d in deliveries}


def _parse(airflow: Airflow) -> dict[str, float]:
    """Seconds that Airflow takes to parse each DAG file."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "dags", "report", "--output", "json"],
        env=os.environ | airflow.environment(),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout[done.stdout.index("[{") :])
    return {Path(file["file"]).name: float(file["duration"].rpartition(":")[2]) for file in report}  # 0:00:00.02


def main() -> None:
    """Measure, print, and keep the result."""
    folder = PROJECT / "var" / "bench" / "airflow"
    shutil.rmtree(folder, ignore_errors=True)  # what an earlier run has loaded would come a second time
    made = measure(folder)
    print_measured(Console(), made)
    (folder / "results.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
