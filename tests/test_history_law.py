"""The second law: the warehouse is a function of the set of deliveries, not of their order.

Histories of deliveries of three tiny datasets, one a mode: late, corrected by a later word or by a mended workbook,
sent twice, contradicting each other, loaded two at once, withdrawn and reinstated, and killed at any point and tried
again. What is in PostgreSQL at the end
is compared with a model that reads the remaining files in the order of their names, row by row.

`make soak` (`tests/soak.py`) runs 20,000 of them; 500 run with the tests.
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from uuid import uuid4

import openpyxl
import pytest
import yaml
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from etl.contract import Contract
from etl.correction import Mark
from etl.pipeline import STATIONS, Pipeline
from etl.settings import EXPECTATIONS, Settings

HISTORIES = int(os.environ.get("HISTORIES", "500"))
EXAMPLES = 375  # Hypothesis does not count what it has cut short, a third of all; it is compared like the others
MODES = ("snapshot", "changes", "append")
DAYS = [date(2026, 3, day) for day in (1, 2, 3)]
A, B, C = "79000001", "79000002", "79000003"
# After how many calls of functions a process is killed; most are not, for a killed one takes ten times as long.
CALLS = st.sampled_from([False, False, True]).flatmap(lambda killed: st.integers(0, 100_000) if killed else st.none())
Row = tuple[str, int, str]  # key, value, change


class Sent(NamedTuple):
    """One file; a mended workbook names the file that it corrects, and is the first or second one of it."""

    as_of: date
    revision: int
    rows: tuple[Row, ...]
    corrects: tuple[Row, ...] = ()
    correction: int = 0

    @property
    def original(self) -> Sent:
        return Sent(self.as_of, self.revision, self.corrects or self.rows)


# Few files, so that most histories meet the same ones and can begin with their staging: what is tried here is loading.
ROWS: list[tuple[Row, ...]] = [
    ((A, 1, "T"),),
    ((A, 2, "S"),),
    ((A, 1, "X"),),
    ((B, 1, "T"), (C, 1, "T")),
    ((A, 1, "S"), (B, 1, "X")),
    ((A, 2, "T"), (B, 2, "S"), (C, 1, "X")),
    ((A, 3, "S"), (A, 3, "S"), (B, 1, "T")),  # the same row twice
    ((A, 1, "S"), (A, 2, "S"), (B, 2, "T")),  # one key, two contents
    ((C, 1, "S"), (C, 2, "S")),  # the same, and nothing else: a file that says nothing
]
MENDED = [ROWS[1], ROWS[5]]  # what a correction holds


def contract(mode: str) -> dict[str, Any]:
    document = yaml.safe_load((Path(__file__).parent / "schools" / "schools.yaml").read_text("utf-8"))
    (table,) = document["schema"]
    by_name = {p["name"]: p for p in table["properties"]}
    columns = [by_name["school_code"], by_name["pupils"] | {"name": "place"}]  # also a word of the merge's own
    if mode == "changes":
        change = by_name["name"] | {"name": "change", "physicalName": "thay_doi", "examples": ["T"]}
        change["customProperties"] = [
            {"property": "semanticType", "value": "code"},
            {"property": "codeList", "value": "change_type"},
            {"property": "role", "value": "change"},
        ]
        columns.append(change)
    document["id"], document["name"] = f"law.{mode}", f"Thử {mode}\nTrial {mode}\n"
    table["name"], table["physicalName"], table["properties"] = mode, f"people.law_{mode}", columns
    for custom in document["customProperties"]:
        if custom["property"] == "deliveryMode":
            custom["value"] = mode
    return document


@pytest.fixture(scope="module")
def law(tmp_path_factory: pytest.TempPathFactory, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    folder = tmp_path_factory.mktemp("law") / "expectations"
    (folder / "law").mkdir(parents=True)
    shutil.copy(EXPECTATIONS / "great_expectations.yml", folder)
    shutil.copytree(EXPECTATIONS / "plugins", folder / "plugins")
    for mode in MODES:
        (folder / "law" / f"{mode}.yaml").write_text(yaml.safe_dump(contract(mode), allow_unicode=True), "utf-8")
        suite = {"name": f"law.{mode}", "id": str(uuid4()), "expectations": [], "meta": {}}
        (folder / "law" / f"{mode}.json").write_text(json.dumps(suite), "utf-8")
    return new_pipeline(folder)


@cache
def content(mode: str, sent: Sent) -> bytes:
    header = "ma_truong,so_hoc_sinh" + (",thay_doi" if mode == "changes" else "")
    lines = [f"{key},{value}" + (f",{change}" if mode == "changes" else "") for key, value, change in sent.rows]
    if not sent.correction:
        return "\r\n".join([header, *lines, ""]).encode()
    book = openpyxl.Workbook()
    for line in (header, *lines):
        book.worksheets[0].append(line.split(","))
    book.create_sheet(Mark(delivery_id(mode, sent.original), sent.correction).sheet)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def digest(mode: str, sent: Sent) -> str:
    return hashlib.sha256(content(mode, sent)).hexdigest()


def delivery_id(mode: str, sent: Sent) -> str:
    correction = f"c{sent.correction}" if sent.correction else ""
    return f"{sent.as_of:%Y%m%d}-r{sent.revision}{correction}-{digest(mode, sent)[:12]}"


def name(sent: Sent) -> str:
    if sent.correction:
        return "rejected.xlsx"
    return f"law_{sent.as_of}" + (f"_r{sent.revision}" if sent.revision > 1 else "") + ".csv"


def model(mode: str, files: set[Sent]) -> set[tuple[str, int, date, date | None]]:
    """What must be there: read the files in the order of time, day by day, one record after the other."""

    def place(file: Sent) -> tuple[date, int, str, int, str]:
        return file.as_of, file.revision, digest(mode, file.original), file.correction, digest(mode, file)

    by_day: dict[date, dict[str, int | None]] = {}
    for file in sorted(files, key=place):
        as_of, rows = file.as_of, file.rows
        shown = {row if mode == "changes" else row[:2] for row in rows}
        contradicted = {key for key, times in Counter(row[0] for row in shown).items() if times > 1}
        accepted = [row for row in rows if row[0] not in contradicted]
        said = {key: None if change == "X" and mode == "changes" else value for key, value, change in accepted}
        # A later word on the same day replaces a snapshot; of changes and events, it replaces what it names. What
        # corrects a file comes right behind it, and replaces what it names.
        by_day[as_of] = said if mode == "snapshot" and not file.correction else by_day.get(as_of, {}) | said
    now: dict[str, tuple[int, date]] = {}
    versions: set[tuple[str, int, date, date | None]] = set()
    for as_of in sorted(by_day):
        said = by_day[as_of]
        ended = {key for key in now if key not in said} if mode == "snapshot" else set()
        for key in {*said, *ended}:
            value = said.get(key)
            if key in now and now[key][0] != value:
                old, since = now.pop(key)
                versions.add((key, old, since, as_of))
            if value is not None and key not in now:
                now[key] = (value, as_of)
    return versions | {(key, value, since, None) for key, (value, since) in now.items()}


def receive_and_walk(pipeline: Pipeline) -> None:
    """What the DAGs do: bring the inbox to landing, and walk whatever has not come to its end."""
    pipeline.receive_inbox()
    for entry in pipeline.ledger.all():
        if entry["state"] not in ("loaded", "held", "rejected", "withdrawn"):
            prepare(pipeline, entry["dataset"], entry["delivery_id"])
            for _ in pipeline.walk(entry["dataset"], entry["delivery_id"], "load"):
                pass


def prepare(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    delivery = pipeline.storage.delivery(*dataset.split("."), delivery_id)
    if not (pipeline.storage.folder("staging", delivery) / "report.json").exists():
        for station in STATIONS[: STATIONS.index("load")]:
            pipeline.run_station(station, dataset, delivery_id)


def withdraw(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    pipeline.withdraw(dataset, delivery_id, "law")


def reinstate(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    for _ in pipeline.reinstate(dataset, delivery_id, "law"):
        pass


def die_after(
    calls: int, settings: Settings, contracts: dict[str, Contract], act: Callable[..., None], *about: str
) -> None:
    """In a process of its own: act, and be killed as by `kill -9` at that many calls of functions."""
    left = calls

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    pipeline = Pipeline(settings, contracts)
    sys.setprofile(count)
    act(pipeline, *about)
    sys.setprofile(None)


class Histories(RuleBasedStateMachine):
    """One history of deliveries of one dataset."""

    seen: ClassVar[Counter[str]] = Counter()
    pipeline: Pipeline  # set by the test

    @initialize(mode=st.sampled_from(MODES))
    def begin(self, mode: str) -> None:
        self.mode = mode
        self.dataset = f"law.{mode}"
        self.sent: dict[Sent, str] = {}  # with the delivery's id
        self.withdrawn: set[Sent] = set()
        # Killed when `.done` was moved and the file not yet: the file would be received again once it is quiet.
        shutil.rmtree(Path(self.pipeline.storage.inbox), ignore_errors=True)
        with self.pipeline.engine.begin() as connection:
            for table in (
                f"people.law_{mode}",
                *(f"ops.{t}" for t in ("delivery", "problem", "validation", "arrival")),
            ):
                connection.exec_driver_sql(f"DELETE FROM {table}")

    @rule(
        day=st.sampled_from(DAYS),
        revision=st.integers(1, 2),
        rows=st.sampled_from(ROWS),
        calls=CALLS,
    )
    def deliver(self, day: date, revision: int, rows: tuple[Row, ...], calls: int | None) -> None:
        self.drop(Sent(day, revision, rows))
        if calls is not None:
            self.kill(calls, receive_and_walk)
        receive_and_walk(self.pipeline)

    @rule(
        files=st.lists(
            st.builds(lambda *about: Sent(*about), st.sampled_from(DAYS), st.integers(1, 2), st.sampled_from(ROWS)),
            min_size=2,
            max_size=2,
            unique=True,
        )
    )
    def deliver_two_at_once(self, files: list[Sent]) -> None:
        for file in files:
            self.drop(file)
            (received,) = self.pipeline.receive_inbox()
            prepare(self.pipeline, self.dataset, received.delivery_id)
        waiting = [entry for entry in self.pipeline.ledger.all() if entry["state"] != "loaded"]
        ids = [entry["delivery_id"] for entry in waiting if entry["state"] != "withdrawn"]
        with ThreadPoolExecutor(2) as workers:
            for loading in [workers.submit(self.pipeline.run_station, "load", self.dataset, i) for i in ids]:
                assert loading.result().state == "loaded"

    @precondition(lambda self: self.sent.keys() - self.withdrawn)
    @rule(data=st.data(), rows=st.sampled_from(MENDED), number=st.integers(1, 2), calls=CALLS)
    def correct(self, data: st.DataObject, rows: tuple[Row, ...], number: int, calls: int | None) -> None:
        file = data.draw(st.sampled_from(sorted(self.sent.keys() - self.withdrawn))).original
        correction = self.drop(file._replace(rows=rows, corrects=file.rows, correction=number))
        if calls is not None:
            self.kill(calls, receive_and_walk)
        receive_and_walk(self.pipeline)
        self.seen["corrections"] += correction not in self.withdrawn

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self.drop(data.draw(st.sampled_from(sorted(self.sent))))
        receive_and_walk(self.pipeline)

    @precondition(lambda self: self.sent.keys() - self.withdrawn)
    @rule(data=st.data(), calls=CALLS)
    def withdraw(self, data: st.DataObject, calls: int | None) -> None:
        file = data.draw(st.sampled_from(sorted(self.sent.keys() - self.withdrawn)))
        if calls is not None:
            self.kill(calls, withdraw, self.dataset, self.sent[file])
        withdraw(self.pipeline, self.dataset, self.sent[file])
        self.withdrawn |= {file, *(other for other in self.sent if other.original == file)}

    @precondition(lambda self: self.reinstatable())
    @rule(data=st.data(), calls=CALLS)
    def reinstate(self, data: st.DataObject, calls: int | None) -> None:
        file = data.draw(st.sampled_from(self.reinstatable()))
        if calls is not None:
            self.kill(calls, reinstate, self.dataset, self.sent[file])
            receive_and_walk(self.pipeline)
        reinstate(self.pipeline, self.dataset, self.sent[file])
        self.withdrawn.remove(file)

    def teardown(self) -> None:
        if not hasattr(self, "mode"):
            return
        with self.pipeline.engine.connect() as connection:
            table = connection.exec_driver_sql(
                f"SELECT school_code, place, valid_from, valid_to FROM people.law_{self.mode}"
            )
            assert {tuple(row) for row in table} == model(self.mode, self.sent.keys() - self.withdrawn)
        assert self.pipeline.replay(self.dataset).is_equal
        states = {entry["delivery_id"]: entry["state"] for entry in self.pipeline.ledger.all()}
        assert states == {i: "withdrawn" if file in self.withdrawn else "loaded" for file, i in self.sent.items()}
        self.seen += Counter(histories=1, deliveries=len(self.sent), withdrawn=len(self.withdrawn))

    def reinstatable(self) -> list[Sent]:
        """Withdrawn files; a correction only if what it corrects is there."""
        return sorted(f for f in self.withdrawn if not f.correction or f.original not in self.withdrawn)

    def drop(self, file: Sent) -> Sent:
        if self.mode != "changes":  # no column says what changed
            file = file._replace(rows=tuple((key, value, "T") for key, value, _ in file.rows))
        folder = Path(self.pipeline.storage.inbox) / "law" / self.mode
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name(file)).write_bytes(content(self.mode, file))
        (folder / f"{name(file)}.done").touch()
        self.sent[file] = delivery_id(self.mode, file)
        return file

    def kill(self, calls: int, act: Callable[..., None], *about: str) -> None:
        context = multiprocessing.get_context("forkserver")
        process = context.Process(
            target=die_after, args=(calls, self.pipeline.settings, self.pipeline.contracts, act, *about)
        )
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        self.seen["killed" if process.exitcode else "not reached by the kill"] += 1


@pytest.mark.timeout(0)
def test_any_history_ends_in_the_same_table(law: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        [__name__, "etl.extract", "etl.validate", "etl.normalize", "etl.load", "etl.receive", "etl.receipt"]
    )
    Histories.pipeline = law
    started = time.monotonic()
    few = "HISTORIES" not in os.environ  # the same ones for everybody; many are others each time
    while Histories.seen["histories"] < HISTORIES:
        some = settings(max_examples=EXAMPLES, stateful_step_count=6, derandomize=few)
        run_state_machine_as_test(Histories, settings=some)
    said = ", ".join(f"{count:,} {what}" for what, count in Histories.seen.items())
    with capsys.disabled():
        sys.stdout.write(f"\n{said}, in {time.monotonic() - started:.0f} s\n")
