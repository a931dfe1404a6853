"""Walks every case under tests/cases through the real stations into PostgreSQL: what came out, and was it right?

A case is a folder `<area>/<name>` with `case.yaml` and the files as they lie in the inbox; see tests/cases/README.md.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
import yaml
from rich.console import Console
from rich.table import Table
from upath import UPath

from etl.agency.check import check
from etl.contract import load_all
from etl.delivery.entry import LedgerEntry
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
from etl.settings import EXPECTATIONS, Settings
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate

CASES = Path(__file__).parent.parent / "cases"
WORDS = ("right", "loud", "silently wrong", "crashed")
Word = Literal["right", "loud", "silently wrong", "crashed"]
_LONG_AGO = 60.0  # seconds since which nobody has written to a file
_LEDGER = ("delivery", "problem", "validation", "arrival", "profile", "decision", "withdrawal")


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        area: what its kind is about: the folder that it lies in.
        folder: `case.yaml` and the files.
        about: in a sentence, what was sent and what is right.
        send: the files in their order, each with what must become of it.
        tables: of each dataset the rows that must be current in the end.
        versions: of each dataset the versions that must be there in the end.
        check: `same`, or why `citydw check` must say something else than the pipeline.
        expected: `right`; `loud` where it is known not to be right yet.
    """

    area: str
    folder: Path
    about: str
    send: list[dict[str, Any]]
    tables: dict[str, dict[str, Any]]
    versions: dict[str, dict[str, Any]]
    check: str
    expected: str

    @property
    def name(self) -> str:
        """Area and name."""
        return f"{self.area}/{self.folder.name}"

    @cached_property
    def datasets(self) -> set[str]:
        """Those that are sent or looked at."""
        sent = {".".join(entry["file"].split("/")[:2]) for entry in self.send}
        return sent | self.tables.keys() | self.versions.keys()


@dataclass(frozen=True)
class Verdict:
    """What came of a case: the word for it, and what was not as it should be."""

    case: Case
    word: Word
    why: tuple[str, ...]


def cases() -> list[Case]:
    """All cases, in the order of their names."""
    found = []
    for path in sorted(CASES.glob("*/*/case.yaml")):
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        found.append(
            Case(
                area=path.parent.parent.name,
                folder=path.parent,
                about=said.pop("about"),
                send=said.pop("send"),
                tables=said.pop("table", {}),
                versions=said.pop("versions", {}),
                check=said.pop("check", "same"),
                expected=said.pop("verdict", "right"),
            )
        )
        if said:
            raise ValueError(f"{path}: unknown {', '.join(said)}")
    return found


def expectations(folder: Path) -> Path:
    """A new folder with the contracts and suites of the project, and those that the cases bring."""
    shutil.copytree(EXPECTATIONS, folder)
    if (own := CASES / "expectations").exists():
        shutil.copytree(own, folder, dirs_exist_ok=True)
    return folder


def walk(case: Case, pipeline: Pipeline) -> Verdict:
    """Send a case's files to an emptied pipeline and compare what comes of them with what is right."""
    _empty(pipeline, case.datasets)
    wrong: list[str] = []
    unnamed: list[str] = []
    is_loud = False
    try:
        for entry in case.send:
            became = _sent(case, entry, pipeline)
            wrong += became.wrong
            unnamed += became.unnamed
            is_loud |= became.is_loud
        for dataset, expected in case.tables.items():
            wrong += (found := _compared(pipeline, dataset, expected, "valid_to IS NULL"))
            unnamed += found if not is_loud else []
        for dataset, expected in case.versions.items():
            wrong += (found := _compared(pipeline, dataset, expected, "true"))
            unnamed += found if not is_loud else []
    except Exception:
        return Verdict(case, "crashed", (traceback.format_exc(limit=-4),))
    word: Word = "silently wrong" if unnamed else "loud" if wrong else "right"
    return Verdict(case, word, tuple(dict.fromkeys([*unnamed, *wrong])))


def checked_otherwise(case: Case, pipeline: Pipeline, out: Path) -> list[str]:
    """Where `citydw check` says something else of a case's files than the pipeline said when it walked them."""
    differences = []
    for entry in case.send:
        file = case.folder / entry["file"]
        contract = pipeline.contracts.get(".".join(entry["file"].split("/")[:2]))
        ledger = _entry(pipeline, entry["file"])
        if contract is None or ledger is None:
            continue
        told = check(file, contract, out, pipeline.settings.limits, 1000, lambda _: None).receipt
        said: Counter[tuple[str, str | None]] = Counter((n.rule, None) for n in told.notes)
        for p in told.problems:  # one rule may have several sentences
            said[p.rule, p.column] += p.count
        problems = _problems(pipeline, contract.id, ledger.delivery_id)
        labels = {c.name: c.label for c in contract.columns}
        found = Counter((p["rule"], labels.get(p["column_name"], p["column_name"])) for p in problems)
        became = ledger.state if ledger.state in ("held", "rejected") else "accepted"
        state = told.state if told.state in ("held", "rejected") else "accepted"
        if (became, ledger.rule) != (state, told.rule):
            differences.append(f"{entry['file']}: {became} ({ledger.rule}); check says {state} ({told.rule})")
        elif became == "accepted" and found != said:
            differences.append(f"{entry['file']}: {dict(found)}; check says {dict(said)}")
    return differences


@dataclass(frozen=True)
class _Became:
    wrong: list[str]  # what is not as it should be
    unnamed: list[str]  # of it, what nobody is told
    is_loud: bool  # something was held, sent back or named that should not have been


def _sent(case: Case, entry: dict[str, Any], pipeline: Pipeline) -> _Became:
    name = entry["file"]
    _drop(case, name, pipeline)
    for received in receive_inbox(pipeline):
        if not received.is_final:
            for _ in pipeline.walk(received.dataset, received.delivery_id):
                pass
    ledger = _entry(pipeline, name)
    if ledger is None:
        state, rule, found = "waiting", None, []
    else:
        state, rule = ledger.state, ledger.rule
        found = _problems(pipeline, ledger.dataset, ledger.delivery_id)
    wanted = entry.get("state", "loaded")
    states = wanted if isinstance(wanted, list) else [wanted]
    wrong, unnamed = [], []
    is_stopped = state in ("held", "rejected")
    if state not in states:
        wrong.append(f"{name}: {state} ({rule}), not {' or '.join(states)}")
        unnamed += [] if is_stopped else wrong
    elif is_stopped and "rule" in entry and rule != entry["rule"]:
        wrong.append(f"{name}: {state} by {rule}, not by {entry['rule']}")
    elif not is_stopped and ledger and "rejected" in entry and ledger.rejected != entry["rejected"]:
        wrong.append(f"{name}: {ledger.rejected} rows sent back, not {entry['rejected']}")
        unnamed += wrong if ledger.rejected < entry["rejected"] else []
    for problem in entry.get("problems", []) if not is_stopped else []:
        if not any(_is(problem, p) for p in found):
            wrong.append(f"{name}: no {problem}; found {[(p['row_no'], p['column_name'], p['rule']) for p in found]}")
            if not any(p["row_no"] == problem.get("row") for p in found):
                unnamed.append(wrong[-1])
    named_too_much = bool(ledger and ledger.rejected) and ledger.rejected > entry.get("rejected", 0)
    return _Became(wrong, unnamed, is_loud=(is_stopped and state not in states) or named_too_much)


def _is(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    names = {"row": "row_no", "column": "column_name"}
    return all(found[names.get(name, name)] == value for name, value in wanted.items())


def _drop(case: Case, name: str, pipeline: Pipeline) -> None:
    """Put a file into the inbox, behind what stands beside it under its name and an ending."""
    file = case.folder / name
    target = Path(pipeline.storage.inbox) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    sidecars = sorted(p for p in file.parent.iterdir() if p.name.startswith(f"{file.name}."))
    for source in (*sidecars, file):
        shutil.copyfile(source, target.parent / source.name)
        then = time.time() - _LONG_AGO
        os.utime(target.parent / source.name, (then, then))


def _empty(pipeline: Pipeline, datasets: set[str]) -> None:
    shutil.rmtree(Path(pipeline.storage.root), ignore_errors=True)
    with pipeline.engine.begin() as connection:
        for dataset in datasets & pipeline.contracts.keys():
            contract = pipeline.contracts[dataset]
            connection.exec_driver_sql(f"DELETE FROM {contract.schema}.{contract.table}")
        for table in _LEDGER:
            connection.exec_driver_sql(f"DELETE FROM ops.{table}")


def _entry(pipeline: Pipeline, name: str) -> LedgerEntry | None:
    """What the ledger says of the last delivery of a file of that name."""
    agency, dataset, file_name = name.split("/", 2)
    with pipeline.engine.connect() as connection:
        found = connection.execute(
            sa.text(
                "SELECT dataset, delivery_id FROM ops.arrival WHERE dataset = :dataset AND file_name = :name"
                " ORDER BY arrival_id DESC LIMIT 1"
            ),
            {"dataset": f"{agency}.{dataset}", "name": file_name},
        ).first()
    return pipeline.ledger.get(*found) if found else None


def _problems(pipeline: Pipeline, dataset: str, delivery_id: str) -> list[dict[str, Any]]:
    with pipeline.engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT * FROM ops.problem WHERE dataset = :dataset AND delivery_id = :id ORDER BY row_no"),
            {"dataset": dataset, "id": delivery_id},
        )
        return [dict(row) for row in rows.mappings()]


def _compared(pipeline: Pipeline, dataset: str, expected: dict[str, Any], where: str) -> list[str]:
    """Rows that are in a table and should not be, and the other way round."""
    contract, columns = pipeline.contracts[dataset], expected["columns"]
    select = ", ".join(f'"{name}"::text' for name in columns)
    with pipeline.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT {select} FROM {contract.schema}.{contract.table} WHERE {where}")
        found = Counter(tuple(row) for row in rows)
    wanted = Counter(tuple(_text(cell) for cell in row) for row in expected["rows"])
    return [f"{dataset} has {dict(zip(columns, row, strict=True))}" for row in (found - wanted).elements()] + [
        f"{dataset} lacks {dict(zip(columns, row, strict=True))}" for row in (wanted - found).elements()
    ]


def _text(cell: object) -> str | None:
    """A cell of `case.yaml` as PostgreSQL writes it; YAML reads days and numbers by itself."""
    return None if cell is None else str(cell)


def new_pipeline(home: Path, database_url: str) -> Pipeline:
    """A pipeline with the contracts of the project and of the cases, for which a file in the inbox is whole at once."""
    settings = replace(
        Settings.from_environment(), home=home, data=UPath(home / "data"), database_url=database_url, quiet_seconds=0
    )
    pipeline = Pipeline(settings, load_all(expectations(home / "expectations")))
    migrate(pipeline.engine, pipeline.contracts.values())
    return pipeline


def _walked(verdicts: Iterator[Verdict], console: Console) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        counts[verdict.case.area, verdict.word] += 1
        if verdict.word != "right":
            console.print(f"{verdict.word}: {verdict.case.name}: {verdict.case.about}", markup=False)
            for line in verdict.why:
                console.print(f"    {line}", markup=False)
    return counts


def main(wanted: list[str]) -> int:
    """Walk the cases whose names begin with one of the words, or all, and print what came of them."""
    console = Console(soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="citydw-truth-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        embedded.start(home / "postgres")
        try:
            pipeline = new_pipeline(home, embedded.url(home / "postgres"))
            chosen = [case for case in cases() if not wanted or case.name.startswith(tuple(wanted))]
            counts = _walked((walk(case, pipeline) for case in chosen), console)
        finally:
            embedded.stop(home / "postgres")
    table = Table("kind", "cases", *WORDS)
    areas = sorted({area for area, _ in counts})
    for area in areas:
        numbers = [counts[area, word] for word in WORDS]
        table.add_row(area, str(sum(numbers)), *map(str, numbers))
    totals = [sum(counts[area, word] for area in areas) for word in WORDS]
    table.add_row("all", str(sum(totals)), *map(str, totals), style="bold")
    console.print(table)
    return int(bool(totals[2] or totals[3]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
