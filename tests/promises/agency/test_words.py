"""Several files for one period: which word each is, and what its receipt says of the others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from upath import UPath

from etl.delivery.correction import Mark, find_mark
from etl.delivery.publish import read_json
from etl.delivery.storage import Storage
from etl.operate.replay import replay
from etl.pipeline.pipeline import Pipeline
from etl.receipt import FACTS, PAGE, WORKBOOK
from etl.receive.landing import land
from tests import TESTS
from tests.city import audited
from tests.tools.truth import expectations

Send = Callable[..., Any]
LIST, DISTRICTS, FINES = "history/parts", "history/districts", "history/fines"


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expectations(tmp_path_factory.mktemp("words") / "expectations")


@pytest.fixture
def trial(new_pipeline: Callable[..., Pipeline], contracts: Path) -> Pipeline:
    return new_pipeline(contracts)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(UPath(tmp_path / "data"))


def rows(*lines: str) -> bytes:
    return "\n".join(["id,district,v", *lines, ""]).encode()


def fines(*lines: str) -> bytes:
    return "\n".join(["fine_no,amount", *lines, ""]).encode()


def notes(pipeline: Pipeline, entry: dict[str, Any]) -> dict[str, str]:
    """The English sentences on a receipt about the file as a whole, by rule."""
    delivery = pipeline.storage.delivery(*entry.dataset.split("."), entry.delivery_id)
    told = json.loads((pipeline.storage.folder("outbox", delivery) / FACTS).read_text("utf-8"))
    page = (pipeline.storage.folder("outbox", delivery) / PAGE).read_text("utf-8")
    assert all(note["text"]["vi"] in page for note in told["notes"])
    return {note["rule"]: note["text"]["en"] for note in told["notes"]}


def current(pipeline: Pipeline, table: str, columns: str) -> set[tuple[Any, ...]]:
    with pipeline.engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT {columns} FROM people.history_{table} WHERE valid_to IS NULL")
        return {tuple(row) for row in found}


def test_the_receipt_says_that_it_is_the_second_word_and_what_it_replaces(trial: Pipeline, send: Send) -> None:
    first = send(trial, LIST, "list_2026-03-10.csv", rows("1,A,x", "2,A,y"))
    assert notes(trial, first) == {}
    second = send(trial, LIST, "list_2026-03-10 (moi).csv", rows("1,A,x", "2,A,z"))
    assert second.delivery_id.startswith("20260310-r1w2-")
    assert second.superseded == 0, "it is not older than what the warehouse has"
    said = notes(trial, second)
    assert said == {
        "later_word": "This file is taken as the second word on 10/03/2026 and replaces file “list_2026-03-10.csv”."
    }
    again = send(trial, LIST, "list_2026-03-10.csv", rows("1,A,x", "2,A,y"))
    assert again.delivery_id == first.delivery_id
    assert current(trial, "parts", "id, v") == {(1, "x"), (2, "z")}
    assert notes(trial, again) == {
        "replaced_since": "File “list_2026-03-10 (moi).csv” has come since as the second word on 10/03/2026"
        " and replaces this one."
    }
    third = send(trial, LIST, "list_2026-03-10 (moi 2).csv", rows("1,A,x"))
    assert "third word" in notes(trial, third)["later_word"]
    assert "(moi).csv" in notes(trial, third)["later_word"]
    assert audited(trial) == []


def test_a_word_that_was_not_accepted_is_not_said_to_be_replaced(trial: Pipeline, send: Send) -> None:
    bad = send(trial, LIST, "list_2026-03-10.csv", b"no header of ours\n1\n")
    assert bad.state in ("held", "rejected")
    good = send(trial, LIST, "list_2026-03-10 (moi).csv", rows("1,A,x"))
    assert good.state == "loaded"
    assert good.delivery_id.startswith("20260310-r1w2-")
    assert notes(trial, good) == {}


def test_files_that_add_to_each_other_are_not_said_to_replace_each_other(trial: Pipeline, send: Send) -> None:
    send(trial, FINES, "fines_2026-03-10_q1.csv", fines("F1,100"))
    second = send(trial, FINES, "fines_2026-03-10_q3.csv", fines("F2,100"))
    assert "the others stay" in notes(trial, second)["later_word"]
    send(trial, DISTRICTS, "list_2026-03-10_A.csv", rows("1,A,x"))
    other = send(trial, DISTRICTS, "list_2026-03-10_B.csv", rows("2,B,x"))
    assert notes(trial, other) == {}, "another part replaces nothing"
    again = send(trial, DISTRICTS, "list_2026-03-10_B2.csv", rows("3,B,x"))
    assert "replaces the parts that file “list_2026-03-10_B.csv” has too" in notes(trial, again)["later_word"]
    assert current(trial, "districts", "id") == {(1,), (3,)}


def test_a_part_that_nobody_declared_waits_for_a_person_who_may_accept_it(trial: Pipeline, send: Send) -> None:
    send(trial, LIST, "list_2026-03-10_A.csv", rows("1,A,x", "2,A,y"))
    held = send(trial, LIST, "list_2026-03-10_B.csv", rows("3,B,x", "4,B,y"))
    assert (held.state, held.rule) == ("held", "part_or_later_word")
    assert "list_2026-03-10_A.csv" in held.message_vi
    assert "list_2026-03-10_B.csv" in held.message_vi
    assert current(trial, "parts", "id") == {(1,), (2,)}
    trial.decide(held.dataset, held.delivery_id, "accept", "engineer", "the first one was of another city")
    for _ in trial.walk(held.dataset, held.delivery_id, "normalize"):
        pass
    assert current(trial, "parts", "id") == {(3,), (4,)}
    assert audited(trial) == [], "the second word took the first one back"


def test_the_audit_sees_a_delivery_that_left_no_trace(trial: Pipeline, send: Send) -> None:
    """As before words were counted: two files of one place in time, and nothing said which one was the later."""
    first = send(trial, LIST, "list_2026-03-10_A.csv", rows("1,A,x", "2,A,y"))
    second = send(trial, LIST, "list_2026-03-10_B.csv", rows("3,B,x", "4,B,y"))
    trial.decide(second.dataset, second.delivery_id, "accept", "engineer", "law")
    for _ in trial.walk(second.dataset, second.delivery_id, "normalize"):
        pass
    as_before_words_were_counted(trial, second)
    replay(trial.ledger, trial.storage, trial.contracts["history.parts"], swap=True)
    found = [finding for finding in audited(trial) if "not one of its rows" in finding.text]
    ids = {first.delivery_id: {(1,), (2,)}, second.delivery_id.replace("w2", ""): {(3,), (4,)}}
    (gone,) = [delivery_id for delivery_id, of_it in ids.items() if not of_it & current(trial, "parts", "id")]
    assert [finding.delivery for finding in found] == [f"history.parts/{gone}"]


def as_before_words_were_counted(pipeline: Pipeline, entry: dict[str, Any]) -> None:
    """Let a second word be one of those that landed before words were counted."""
    agency, dataset = entry.dataset.split(".")
    old, new = entry.delivery_id, entry.delivery_id.replace("w2", "")
    root = Path(pipeline.storage.root)
    shutil.rmtree(root / "landing" / agency / dataset / "words")
    for folder in [*root.rglob(old)]:
        folder.rename(folder.with_name(new))
    for manifest in (root / "landing" / agency / dataset).glob("*/manifest.json"):
        manifest.chmod(0o644)
        said = json.loads(manifest.read_text("utf-8"))
        said["delivery"].pop("word")
        manifest.write_text(json.dumps(said), "utf-8")
    with pipeline.engine.begin() as connection:
        for table in ("delivery", "problem", "validation", "arrival", "decision"):
            where = "WHERE delivery_id = %s"
            connection.exec_driver_sql(f"UPDATE ops.{table} SET delivery_id = %s {where}", (new, old))
        connection.exec_driver_sql("UPDATE ops.delivery SET word = 1")


def test_what_landed_before_words_were_counted_keeps_its_name(trial: Pipeline, send: Send) -> None:
    contents = [rows("1,A,x", "2,A,y"), rows("1,A,x", "2,A,z"), rows("1,A,w", "2,A,y")]
    first, second = (send(trial, LIST, f"list_2026-03-10_{n}.csv", contents[n]) for n in (0, 1))
    as_before_words_were_counted(trial, second)
    third = send(trial, LIST, "list_2026-03-10_2.csv", contents[2])
    assert third.delivery_id.startswith("20260310-r1w2-"), "it comes after both"
    for n, entry in enumerate((first, second)):
        again = send(trial, LIST, f"list_2026-03-10_{n}.csv", contents[n])
        assert again.delivery_id == entry.delivery_id.replace("w2", "")
    assert current(trial, "parts", "id, v") == {(1, "w"), (2, "y")}
    assert audited(trial) == []


def drop(storage: Storage, name: str, content: bytes) -> UPath:
    file = storage.inbox / FINES / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_receivers_at_once_never_give_one_number_twice(storage: Storage) -> None:
    files = [drop(storage, f"fines_2026-03-10_{n}.csv", fines(f"F{n},1")) for n in range(12)]
    both = [file for file in files for _ in range(2)]  # each file is received by two of them
    with ThreadPoolExecutor(6) as receivers:
        landed = list(receivers.map(lambda file: land(storage, file).delivery, both))
    assert sorted({delivery.word for delivery in landed}) == list(range(1, 13))
    assert len({delivery.id for delivery in landed}) == 12
    again = [land(storage, file).delivery.word for file in files]
    assert again == [delivery.word for delivery in landed[::2]], "a number that was given stays"
    manifests = (storage.root / "landing").glob("*/*/*/manifest.json")
    assert sorted(read_json(path)["delivery"]["word"] for path in manifests) == list(range(1, 13))


def test_a_number_that_was_given_before_a_crash_is_given_again(storage: Storage) -> None:
    files = [drop(storage, f"fines_2026-03-10_{n}.csv", fines(f"F{n},1")) for n in range(3)]
    first, second = (land(storage, file).delivery for file in files[:2])
    folder = storage.folder("landing", second)
    for path in folder.iterdir():  # killed before the manifest was there
        Path(path).chmod(0o644)
        path.unlink()
    third = land(storage, files[2]).delivery
    assert (first.word, second.word, third.word) == (1, 2, 3)
    assert land(storage, files[1]).delivery == second


def test_two_files_whose_hashes_begin_alike_both_land(storage: Storage) -> None:
    made = sorted((TESTS / "same_hash").iterdir())  # after some 2**24 tries
    files = [drop(storage, f"fines_2026-03-10_{file.name}", file.read_bytes()) for file in made]
    landed = [land(storage, file).delivery for file in files]
    assert landed[0].sha256[:12] == landed[1].sha256[:12]
    assert [storage.content(delivery).read_bytes() for delivery in landed] == [file.read_bytes() for file in made]


def test_a_mended_workbook_finds_the_word_that_it_mends(trial: Pipeline, send: Send) -> None:
    send(trial, LIST, "list_2026-03-10.csv", rows("1,A,x", "2,A,y"))
    second = send(trial, LIST, "list_2026-03-10 (moi).csv", rows("1,A,z", "2,A,y", "drei,A,y"))
    assert second.rejected == 1
    delivery = trial.storage.delivery("history", "parts", second.delivery_id)
    book = trial.storage.folder("outbox", delivery) / WORKBOOK
    mark = find_mark(book)
    assert mark and (mark.of, mark.number) == (delivery.id, 1)
    sent = Path(book).read_bytes()
    mended = send(trial, LIST, "rejected.xlsx", sent)
    assert mended.delivery_id.startswith("20260310-r1w2c1-")
    assert mended.corrects == delivery.id


@pytest.mark.parametrize(
    "mark",
    [
        Mark("20260310-r1w2-0a1b2c3d4e5f", 1),
        Mark("20260310-r9999w99999-0a1b2c3d4e5f", 99),
        Mark("20260310-r115000099-ffffffffffff", 12),
    ],
)
def test_a_mark_fits_a_sheets_name_whatever_numbers_it_has(tmp_path: Path, mark: Mark) -> None:
    book = openpyxl.Workbook()
    book.create_sheet(mark.sheet)
    assert len(mark.sheet) <= 31
    book.save(tmp_path / "mended.xlsx")
    assert find_mark(UPath(tmp_path / "mended.xlsx")) == mark
