"""The second law: the warehouse is a function of the set of deliveries, not of their order.

Histories of deliveries of five tiny datasets: one a mode, one of snapshots that come in parts, and one whose changes
have a sequence across files. The deliveries are late, corrected by a later word (that its name states, or that comes
later under the same name) or by a mended workbook, sent twice, contradicting each other, loaded two at once, withdrawn
and reinstated, and killed at any point and tried again. What is in PostgreSQL at the end is compared with a model that
reads the remaining files in the order of their names and words, row by row.

`make soak` (`tests/tools/soak.py`) runs 20,000 of them; 500 run with the tests, and 6 in an object store;
no two of them are the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import count, takewhile
from typing import Any, NamedTuple
from uuid import uuid4

import openpyxl
import pytest
import yaml
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from upath import UPath

from etl.contract import Contract
from etl.delivery.correction import Mark, mark_for, ours
from etl.delivery.model import Delivery
from etl.delivery.publish import make_folder, write_text
from etl.delivery.storage import Zone
from etl.operate.replay import replay
from etl.pipeline.pipeline import STATIONS, Pipeline
from etl.pipeline.reception import receive_inbox
from etl.settings import EXPECTATIONS, Settings
from tests import TESTS
from tests.commands import LOADED

HISTORIES = int(os.environ.get("HISTORIES", "500"))
HISTORIES_ON_S3 = 6  # each request to the server takes milliseconds of this process
SEED = 3000  # of five that were tried, that with which most is withdrawn and reinstated
MODES = ("snapshot", "changes", "append", "parts", "sequence")
OF_CHANGES = ("changes", "sequence")
DAYS = [date(2026, 3, day) for day in (1, 2, 3)]
KEYS = A, B, C = "79000001", "79000002", "79000003"
# After how many calls of functions a process is killed; most are not, for a killed one takes ten times as long.
CALLS = st.sampled_from([False, False, True]).flatmap(lambda killed: st.integers(0, 100_000) if killed else st.none())
REVISIONS = st.sampled_from([1, 1, 1, 2])
Row = tuple[str, int, str]  # key, value, and what changes or, of snapshots in parts, the part


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
    document = yaml.safe_load((TESTS / "schools" / "schools.yaml").read_text("utf-8"))
    (table,) = document["schema"]
    by_name = {p["name"]: p for p in table["properties"]}
    columns = [by_name["school_code"], by_name["pupils"] | {"name": "place"}]  # also a word of the merge's own
    if mode == "parts":
        columns.append(by_name["name"] | {"name": "district", "physicalName": "thay_doi", "examples": ["T"]})
        columns[-1]["customProperties"] = []
        document["customProperties"].append({"property": "part", "value": "district"})
    if mode == "sequence":
        sequence = by_name["pupils"] | {"name": "sequence", "physicalName": "thu_tu", "required": True}
        columns.append(sequence | {"customProperties": [{"property": "role", "value": "sequence"}]})
    if mode in OF_CHANGES:
        change = by_name["name"] | {"name": "change", "physicalName": "thay_doi", "examples": ["T"]}
        change["customProperties"] = [
            {"property": "datatype", "value": "code"},
            {"property": "codeList", "value": "change_type"},
            {"property": "role", "value": "change"},
        ]
        columns.append(change)
    document["id"], document["name"] = f"law.{mode}", f"Thử {mode} / Trial {mode}"
    table["name"], table["physicalName"], table["properties"] = mode, f"people.law_{mode}", columns
    for custom in document["customProperties"]:
        if custom["property"] == "deliveryMode":
            custom["value"] = {"parts": "snapshot", "sequence": "changes"}.get(mode, mode)
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
def content(mode: str, sent: Sent, mark: Mark | None = None) -> bytes:
    """A file's bytes; `mark` is that of a mended workbook."""
    header = ["ma_truong", "so_hoc_sinh", *(["thay_doi"] if has_third(mode) else [])]
    lines = [[key, str(value), *([third] if has_third(mode) else [])] for key, value, third in sent.rows]
    spoiled = [[key, "x", *(["T"] if has_third(mode) else [])] for key in KEYS]  # what a correction may mend
    if mode == "sequence":
        header.append("thu_tu")
        lines = [[*line, str(sequence(row))] for line, row in zip(lines, sent.rows, strict=True)]
        spoiled = [[*line, "0"] for line in spoiled]
    if not sent.correction:
        lines += spoiled
        return "\r\n".join([*map(",".join, [header, *lines]), ""]).encode()
    book = openpyxl.Workbook()
    in_file = {key: number for number, key in enumerate(KEYS, start=2 + len(sent.corrects))}
    for first, line in (("", header), *((in_file[line[0]], line) for line in lines)):
        book.worksheets[0].append([first or ours()[0], *line])
    book.create_sheet(mark.sheet)
    book.create_sheet(mark.seal)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def has_third(mode: str) -> bool:
    return mode == "parts" or mode in OF_CHANGES


def sequence(row: Row) -> int:
    """What orders the changes to one record: 1 and 3 are of one moment, 2 is before it."""
    return row[1] % 2


def name(sent: Sent) -> str:
    if sent.correction:
        return "rejected.xlsx"
    return f"law_{sent.as_of}" + (f"_r{sent.revision}" if sent.revision > 1 else "") + ".csv"


def accepted(mode: str, file: Sent) -> list[Row]:
    """The rows that contradict no other row of their file, in the order in which they are said."""
    shown = {row if has_third(mode) else row[:2] for row in file.rows}

    def key(row: tuple[Any, ...]) -> Any:
        return (row[0], row[1] % 2) if mode == "sequence" else row[0]

    times = Counter(map(key, shown))
    rows = [row for row in file.rows if times[key(row)] == 1]
    return sorted(rows, key=sequence) if mode == "sequence" else rows


def model(mode: str, files: set[Sent], words: dict[Sent, int]) -> set[tuple[str, int, str, date, date | None]]:
    """What must be there: read the files in the order of time, one record after the other."""

    def place(file: Sent) -> tuple[date, int, int, int, int]:
        return file.as_of, file.revision, words[file.original], file.correction, words[file]

    def part(row: Row) -> str:
        return row[2] if mode == "parts" else ""

    versions: set[tuple[str, int, str, date, date | None]] = set()
    now: dict[str, tuple[int, str]] = {}
    since: dict[str, date] = {}
    highest: dict[str, int] = {}
    order = sorted(files, key=place)
    for day in dict.fromkeys(file.as_of for file in order):
        of_day = [file for file in order if file.as_of == day]
        before = dict(now)
        # Of a snapshot, the last word on a part counts alone, with its corrections; a whole one is of one part.
        last: dict[str, int] = {}
        for at, file in enumerate(of_day):
            spoken_for = [part(row) for row in accepted(mode, file)] if mode == "parts" else [""]
            last |= {} if file.correction else dict.fromkeys(spoken_for, at)
        for at, file in enumerate(of_day):
            said = accepted(mode, file)
            if mode in ("snapshot", "parts"):
                said = [row for row in said if last.get(part(row), at) <= at]
                keys = {row[0] for row in said}
                now = {key: known for key, known in now.items() if last.get(known[1]) != at or key in keys}
            for row in said:
                key, value, third = row
                if mode == "sequence" and sequence(row) < highest.setdefault(key, sequence(row)):
                    continue
                highest[key] = sequence(row)
                if mode in OF_CHANGES and third == "X":
                    now.pop(key, None)
                else:
                    now[key] = (value, part(row))
        for key in before.keys() | now.keys():
            if before.get(key) != now.get(key):
                if key in before:
                    versions.add((key, *before[key], since.pop(key), day))
                if key in now:
                    since[key] = day
    return versions | {(key, *known, since[key], None) for key, known in now.items()}


def receive_and_walk(pipeline: Pipeline) -> None:
    """What the DAGs do: bring the inbox to landing, and walk whatever has not come to its end."""
    receive_inbox(pipeline)
    for entry in pipeline.ledger.all():
        if entry.state not in ("loaded", "withdrawn"):
            prepare(pipeline, entry.dataset, entry.delivery_id)
            if pipeline.ledger.get(entry.dataset, entry.delivery_id).state != "held":
                for _ in pipeline.walk(entry.dataset, entry.delivery_id, "load"):
                    pass


def prepare(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    """Bring a delivery to staging; what the same bytes made in another place in time is taken from there."""
    delivery = pipeline.storage.delivery(*dataset.split("."), delivery_id)
    if delivery.corrects and delivery.word > 1:  # it has come before with other content, and is held
        pipeline.run_station("extract", dataset, delivery_id)
        return
    if all(taken_over(pipeline, zone, delivery) for zone in ("raw", "validated", "staging")):
        return
    for station in STATIONS[: STATIONS.index("load")]:
        if pipeline.run_station(station, dataset, delivery_id).state == "held":  # a snapshot unlike that day's first
            pipeline.decide(dataset, delivery_id, "accept", "law", "it is no part")


def taken_over(pipeline: Pipeline, zone: Zone, delivery: Delivery) -> bool:
    """Whether a zone has the delivery, or had another one of the same bytes, of which it has a copy now."""
    folder = pipeline.storage.folder(zone, delivery)
    if (folder / "report.json").exists():
        return True
    zone_of_dataset = pipeline.storage.root / zone / delivery.agency / delivery.dataset
    if not zone_of_dataset.exists():
        return False
    for report in zone_of_dataset.rglob(f"*-{delivery.sha256[:12]}/report.json"):
        make_folder(folder)
        for file in report.parent.iterdir():
            if file.name != report.name:
                (folder / file.name).write_bytes(file.read_bytes())
        write_text(folder / report.name, report.read_text("utf-8"))  # last: whoever copies may be killed
        return True
    return False


def withdraw(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    pipeline.withdraw(dataset, delivery_id, "law")


def reinstate(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    for _ in pipeline.reinstate(dataset, delivery_id, "law"):
        pass
    if pipeline.ledger.get(dataset, delivery_id).state == "held":  # another history's zones hid that from `prepare`
        pipeline.decide(dataset, delivery_id, "accept", "law", "it is no part")
    receive_and_walk(pipeline)


def die_after(
    calls: int,
    environment: dict[str, str],
    settings: Settings,
    contracts: dict[str, Contract],
    act: Callable[..., None],
    *about: str,
) -> None:
    """In a process of its own: act, and be killed as by `kill -9` at that many calls of functions."""
    os.environ |= environment  # that of the server from which it was forked may be older
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


def stated(file: Sent) -> tuple[object, ...]:
    """What a file says of its place in time."""
    return file.as_of, file.revision, file.corrects, file.correction


class Step(NamedTuple):
    """What is done with some files: a method of `Lived`; and after how many calls it is killed first, if it is."""

    act: str
    files: tuple[Sent, ...]
    calls: int | None = None


class Histories(RuleBasedStateMachine):
    """One history of deliveries of one dataset: it is written, and then lived, but not if another was just the same."""

    pipeline: Pipeline  # these four are set by the test
    left: float  # how many are still to be lived
    lived: set[tuple[str, tuple[Step, ...]]]
    seen: Counter[str]

    @initialize(mode=st.sampled_from(MODES))
    def begin(self, mode: str) -> None:
        self.mode = mode
        self.steps: list[Step] = []
        self.sent: set[Sent] = set()
        self.withdrawn: set[Sent] = set()

    @rule(day=st.sampled_from(DAYS), revision=REVISIONS, rows=st.sampled_from(ROWS), calls=CALLS)
    def deliver(self, day: date, revision: int, rows: tuple[Row, ...], calls: int | None) -> None:
        self.steps.append(Step("deliver", (self.of_mode(Sent(day, revision, rows)),), calls))

    @rule(
        files=st.lists(
            st.builds(lambda *about: Sent(*about), st.sampled_from(DAYS), REVISIONS, st.sampled_from(ROWS)),
            min_size=2,
            max_size=2,
            unique=True,
        )
    )
    def deliver_two_at_once(self, files: list[Sent]) -> None:
        self.steps.append(Step("deliver_two_at_once", tuple(map(self.of_mode, files))))

    @precondition(lambda self: self.sent - self.withdrawn)
    @rule(data=st.data(), rows=st.sampled_from(MENDED), number=st.integers(1, 2), calls=CALLS)
    def correct(self, data: st.DataObject, rows: tuple[Row, ...], number: int, calls: int | None) -> None:
        file = data.draw(st.sampled_from(sorted(self.sent - self.withdrawn))).original
        correction = file._replace(rows=rows, corrects=file.rows, correction=number)
        self.steps.append(Step("deliver", (self.of_mode(correction),), calls))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self.steps.append(Step("send_again", (data.draw(st.sampled_from(sorted(self.sent))),)))

    @precondition(lambda self: self.sent - self.withdrawn)
    @rule(data=st.data(), calls=CALLS)
    def withdraw(self, data: st.DataObject, calls: int | None) -> None:
        file = data.draw(st.sampled_from(sorted(self.sent - self.withdrawn)))
        self.steps.append(Step("withdraw", (file,), calls))
        self.withdrawn |= with_corrections(file, self.sent)

    @precondition(lambda self: self.reinstatable())
    @rule(data=st.data(), calls=CALLS)
    def reinstate(self, data: st.DataObject, calls: int | None) -> None:
        file = data.draw(st.sampled_from(self.reinstatable()))
        self.steps.append(Step("reinstate", (file,), calls))
        self.withdrawn.remove(file)

    def teardown(self) -> None:
        if not getattr(self, "steps", None):
            return
        machine, history = type(self), (self.mode, tuple(self.steps))
        if history in self.lived or not self.left:
            return
        machine.left, left = math.inf, self.left  # if this fails, Hypothesis lives what it likes to find the shortest
        lived = Lived(self.pipeline, self.mode, self.seen)
        for step in self.steps:
            getattr(lived, step.act)(*step.files, **{} if step.calls is None else {"calls": step.calls})
        lived.compare()
        machine.left = left - 1
        self.lived.add(history)

    def of_mode(self, file: Sent) -> Sent:
        """A file as it is sent in this mode."""
        if not has_third(self.mode):
            file = file._replace(rows=tuple((key, value, "T") for key, value, _ in file.rows))
        self.sent.add(file)
        return file

    def reinstatable(self) -> list[Sent]:
        """Withdrawn files; a correction only if what it corrects is there."""
        return sorted(f for f in self.withdrawn if not f.correction or f.original not in self.withdrawn)


def with_corrections(file: Sent, sent: Iterable[Sent]) -> set[Sent]:
    return {file, *(other for other in sent if other.original == file)}


class Lived:
    """A history as it happens to an emptied pipeline, some of it in processes that are killed."""

    def __init__(self, pipeline: Pipeline, mode: str, seen: Counter[str]) -> None:
        self.pipeline, self.mode, self.seen = pipeline, mode, seen
        self.dataset = f"law.{mode}"
        self.sent: dict[Sent, str] = {}  # with the delivery's id
        self.words: dict[Sent, int] = {}  # by arrival, of those that state the same
        self.withdrawn: set[Sent] = set()
        # Killed when `.done` was moved and the file not yet: the file would be received again once it is quiet.
        # What landed in other histories is no word in this one; and of what was received in them no writer is left, for
        # whom each look into the inbox would read it again: after 500 histories that is a third of the time.
        for folder in (self.pipeline.storage.root / name for name in ("inbox", "landing", "processed", "watched")):
            if folder.exists():
                folder.fs.rm(folder.path, recursive=True)
        with self.pipeline.engine.begin() as connection:
            for table in (
                f"people.law_{mode}",
                *(f"ops.{t}" for t in ("delivery", "problem", "validation", "arrival", "decision")),
            ):
                connection.exec_driver_sql(f"DELETE FROM {table}")

    def deliver(self, file: Sent, calls: int | None = None) -> None:
        self.drop(file)
        if calls is not None:
            self.kill(calls, receive_and_walk)
        receive_and_walk(self.pipeline)
        self.seen["corrections"] += bool(file.correction) and file not in self.withdrawn

    def deliver_two_at_once(self, *files: Sent) -> None:
        for file in files:
            self.drop(file)
            (received,) = receive_inbox(self.pipeline)
            prepare(self.pipeline, self.dataset, received.delivery_id)
        waiting = [entry for entry in self.pipeline.ledger.all() if entry.state != "loaded"]
        ids = [entry.delivery_id for entry in waiting if entry.state not in ("withdrawn", "held")]
        with ThreadPoolExecutor(2) as workers:
            for loading in [workers.submit(self.pipeline.run_station, "load", self.dataset, i) for i in ids]:
                assert loading.result().state == "loaded"

    def send_again(self, file: Sent) -> None:
        self.drop(file)
        self.seen["sent again"] += 1
        receive_and_walk(self.pipeline)

    def withdraw(self, file: Sent, calls: int | None = None) -> None:
        if calls is not None:
            self.kill(calls, withdraw, self.dataset, self.sent[file])
        withdraw(self.pipeline, self.dataset, self.sent[file])
        self.withdrawn |= with_corrections(file, self.sent)

    def reinstate(self, file: Sent, calls: int | None = None) -> None:
        if calls is not None:
            self.kill(calls, reinstate, self.dataset, self.sent[file])
        reinstate(self.pipeline, self.dataset, self.sent[file])
        self.withdrawn.remove(file)

    def compare(self) -> None:
        """The table, what a replay makes of it and the ledger's states are those of the files that are left."""
        with self.pipeline.engine.connect() as connection:
            part = "district" if self.mode == "parts" else "''"
            table = connection.exec_driver_sql(
                f"SELECT school_code, place, {part}, valid_from, valid_to FROM people.law_{self.mode}"
            )
            there = {f for f in self.sent.keys() - self.withdrawn if not self.is_used(f)}
            assert {tuple(row) for row in table} == model(self.mode, there, self.words)
        replayed = replay(self.pipeline.ledger, self.pipeline.storage, self.pipeline.contracts[self.dataset])
        assert replayed.is_equal
        assert not replayed.unheard
        states = {entry.delivery_id: entry.state for entry in self.pipeline.ledger.all()}
        assert states == {i: self.state(file) for file, i in self.sent.items()}
        later = sum(word > 1 for word in self.words.values())
        self.seen += Counter({"histories": 1, "deliveries": len(self.sent), "later words": later})
        self.seen["withdrawn"] += len(self.withdrawn)

    def is_used(self, file: Sent) -> bool:
        """Whether it is a workbook that had come before with other content."""
        return bool(file.correction) and self.words[file] > 1

    def state(self, file: Sent) -> str:
        if file in self.withdrawn:
            return "withdrawn"
        return "held" if self.is_used(file) else "loaded"

    def drop(self, file: Sent) -> None:
        folder = self.pipeline.storage.inbox / "law" / self.mode
        make_folder(folder)
        sent = content(self.mode, file, self.mark(file) if file.correction else None)
        (folder / name(file)).write_bytes(sent)
        (folder / f"{name(file)}.done").touch()
        if file not in self.sent:
            self.words[file] = 1 + sum(stated(other) == stated(file) for other in self.sent)
            word = f"w{self.words[file]}" if self.words[file] > 1 else ""
            place = f"{file.as_of:%Y%m%d}-r{file.revision}"
            if file.correction:
                place = f"{self.sent[file.original].rpartition('-')[0]}c{file.correction}"
            self.sent[file] = f"{place}{word}-{hashlib.sha256(sent).hexdigest()[:12]}"

    def mark(self, file: Sent) -> Mark:
        original = self.pipeline.storage.delivery("law", self.mode, self.sent[file.original])
        return mark_for(self.pipeline.storage, original, file.correction, self.pipeline.settings.key)

    def kill(self, calls: int, act: Callable[..., None], *about: str) -> None:
        context = multiprocessing.get_context("forkserver")
        ours = (self.pipeline.settings, self.pipeline.contracts)
        process = context.Process(target=die_after, args=(calls, dict(os.environ), *ours, act, *about))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        self.seen["killed" if process.exitcode else "not reached by the kill"] += 1


@pytest.mark.timeout(0)
def test_any_history_ends_in_the_same_table(law: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    compare(law, HISTORIES, capsys)


@pytest.mark.timeout(0)
def test_any_history_on_an_object_store_ends_in_the_same_table(
    law: Pipeline, s3: Callable[[], UPath], capsys: pytest.CaptureFixture[str]
) -> None:
    there = replace(law.settings, data=s3() / "data")
    compare(Pipeline(there, law.contracts), min(HISTORIES_ON_S3, HISTORIES), capsys)


def compare(pipeline: Pipeline, histories: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Live so many histories, no two the same, and print what was in them."""
    modules = ["etl.extract", "etl.validate", "etl.normalize", "etl.load", "etl.receive", "etl.receipt", "s3fs"]
    # And what commands need: this process has but one such server, and tests that come after these use it, too.
    multiprocessing.get_context("forkserver").set_forkserver_preload([*LOADED, *modules, __name__])
    Histories.pipeline, Histories.left, Histories.lived, Histories.seen = pipeline, histories, set(), Counter()
    started = time.monotonic()
    few = "HISTORIES" not in os.environ  # the same ones for everybody; many are others each time
    # A part of what Hypothesis writes it has written before, or cuts short, and then it does not count it.
    for written in takewhile(lambda _: Histories.left, count(SEED)):
        some = settings(max_examples=histories, stateful_step_count=6, derandomize=few)
        run_state_machine_as_test(seed(written)(Histories) if few else Histories, settings=some)
    said = ", ".join(f"{number:,} {what}" for what, number in Histories.seen.items())
    with capsys.disabled():
        sys.stdout.write(f"\n{said}, in {time.monotonic() - started:.0f} s\n")
