"""Arrival: no half file is taken for a whole one, no foreign file for a delivery, and one bad file stops no other."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.operate.audit import verify
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
from etl.receive.arrival import complete_files
from etl.warehouse.freshness import freshness
from tests import commands
from tests.city import audited

FOLDER = "civil/births"
NAME = "births_2026-03-02.csv"
QUIET = 0.8  # seconds; two looks follow each other more quickly than that on a busy machine too
ELSEWHERE = Path("/dev/shm")  # on Linux always another file system than a temporary folder

CONTENT = (
    "so_dang_ky,ngay_dang_ky,noi_dang_ky\n01/2026,02/03/2026,Phường 1\n02/2026,02/03/2026,Phường 2\n"
).encode()  # what is in it is none of this module's business


@pytest.fixture
def births(clean_day: Path) -> bytes:
    whole = next((clean_day / FOLDER).iterdir()).read_bytes()
    return b"".join(whole.splitlines(keepends=True)[:9])


@pytest.fixture
def inbox(pipeline: Pipeline) -> Path:
    folder = Path(pipeline.storage.inbox) / FOLDER
    folder.mkdir(parents=True)
    return folder


def look(pipeline: Pipeline, quiet: float = QUIET) -> list[str]:
    return [path.name for path in complete_files(pipeline.storage, quiet)]


def receive_and_walk(pipeline: Pipeline) -> list[dict[str, Any]]:
    received = receive_inbox(pipeline)
    for each in received:
        if not each.is_final:
            for _ in pipeline.walk(each.dataset, each.delivery_id):
                pass
    return [pipeline.ledger.get(each.dataset, each.delivery_id) for each in received]


# --- when a file is whole


@pytest.mark.parametrize("age", [0, 3_000_000_000, -3_000_000_000], ids=["now", "long ago", "in the future"])
def test_a_file_is_whole_when_two_looks_agree_whatever_its_time_says(pipeline: Pipeline, inbox: Path, age: int) -> None:
    file = inbox / NAME
    file.write_bytes(CONTENT)
    os.utime(file, (time.time() - age,) * 2)
    assert look(pipeline) == []
    time.sleep(QUIET)
    assert look(pipeline) == [NAME]


def test_a_file_that_has_grown_between_two_looks_waits_anew(pipeline: Pipeline, inbox: Path) -> None:
    file = inbox / NAME
    for end in (1, 20, len(CONTENT)):
        file.write_bytes(CONTENT[:end])
        os.utime(file, (1, 1))  # as programs do that keep a file's time
        assert look(pipeline) == []
        time.sleep(QUIET)
    assert look(pipeline) == [NAME]


def test_what_was_seen_of_a_file_is_forgotten_with_it(pipeline: Pipeline, inbox: Path) -> None:
    file = inbox / NAME
    file.write_bytes(CONTENT)
    look(pipeline)
    time.sleep(QUIET)
    file.unlink()
    assert look(pipeline) == []
    file.write_bytes(CONTENT)
    assert look(pipeline) == []


@pytest.mark.parametrize(
    ("ending", "beside", "is_whole"),
    [
        (".done", "", True),
        (".manifest.json", "{}", False),
        (".manifest.json", '{"as_of": "2026-03-02"}', False),
        (".manifest.json", '{"rows": 2}', False),  # whoever would count them would have to read the file
        (".manifest.json", json.dumps({"size": len(CONTENT)}), True),
        (".manifest.json", json.dumps({"size": len(CONTENT) + 1}), False),
        (".manifest.json", json.dumps({"sha256": hashlib.sha256(CONTENT).hexdigest(), "rows": 2}), True),
        (".manifest.json", json.dumps({"size": len(CONTENT), "sha256": "0" * 64}), False),
        (".manifest.json", json.dumps({"size": len(CONTENT)})[:-3], False),
        (".sha256", f"{hashlib.sha256(CONTENT).hexdigest()}  {NAME}", True),
        (".md5", hashlib.md5(CONTENT).hexdigest(), True),
        (".md5", hashlib.md5(CONTENT[:-1]).hexdigest(), False),
    ],
)
def test_only_a_word_on_its_bytes_makes_a_file_whole_at_once(
    pipeline: Pipeline, inbox: Path, ending: str, beside: str, is_whole: bool
) -> None:
    (inbox / NAME).write_bytes(CONTENT[:-1])
    assert look(pipeline) == []
    (inbox / NAME).write_bytes(CONTENT)
    (inbox / (NAME + ending)).write_text(beside)
    assert look(pipeline) == ([NAME] if is_whole else [])
    assert look(pipeline) == ([NAME] if is_whole else [])
    time.sleep(QUIET)
    assert look(pipeline) == [NAME]  # what it does not keep to holds it later


def test_a_file_that_is_not_as_declared_waits_and_is_held(pipeline: Pipeline, inbox: Path, births: bytes) -> None:
    patient = replace(pipeline, settings=replace(pipeline.settings, quiet_seconds=QUIET))
    (inbox / f"{NAME}.manifest.json").write_text(json.dumps({"sha256": hashlib.sha256(births).hexdigest()}))
    (inbox / NAME).write_bytes(births[:-30])
    assert receive_and_walk(patient) == []
    time.sleep(QUIET)
    (entry,) = receive_and_walk(patient)
    assert (entry.state, entry.rule) == ("held", "declared_sha256")


# --- a writer that goes on after the file was taken


def test_a_writer_that_holds_the_file_open_is_noticed(pipeline: Pipeline, inbox: Path, births: bytes) -> None:
    half = births[: births.rindex(b"\n", 0, -2) + 1]  # some good rows
    with (inbox / NAME).open("wb", buffering=0) as writer:
        writer.write(half)
        (first,) = receive_and_walk(pipeline)
        assert first.state == "loaded"
        assert list(verify(pipeline.ledger, pipeline.storage)) == []
        writer.write(births[len(half) :])
    (finding,) = verify(pipeline.ledger, pipeline.storage)
    assert (finding.delivery, finding.zone) == (f"civil.births/{first.delivery_id}", "processed")
    (second,) = receive_and_walk(pipeline)
    assert second.state == "loaded"
    assert second.sha256 == hashlib.sha256(births).hexdigest()
    first = pipeline.ledger.get("civil.births", first.delivery_id)
    assert (first.state, first.loaded_at) == ("withdrawn", None)
    assert "còn đang được ghi" in first.message_vi
    assert opened_by(pipeline) == {second.delivery_id}
    assert audited(pipeline) == []
    assert receive_and_walk(pipeline) == []


def test_a_file_that_is_only_touched_after_it_was_taken_stays_taken(
    pipeline: Pipeline, inbox: Path, births: bytes
) -> None:
    (inbox / NAME).write_bytes(births)
    (entry,) = receive_and_walk(pipeline)
    (kept,) = (Path(pipeline.storage.processed) / FOLDER).iterdir()
    os.utime(kept, (1, 1))
    assert receive_and_walk(pipeline) == []
    assert pipeline.ledger.get("civil.births", entry.delivery_id).state == "loaded"


def test_a_grown_file_whose_name_is_taken_waits(pipeline: Pipeline, inbox: Path, births: bytes) -> None:
    with (inbox / NAME).open("wb", buffering=0) as writer:
        writer.write(births[:-40])
        receive_and_walk(pipeline)
        writer.write(births[-40:])
    (inbox / NAME).write_bytes(b"")  # another file of that name
    (other,) = receive_and_walk(pipeline)
    assert other.rule == "empty_file"
    (whole,) = receive_and_walk(pipeline)
    assert (whole.state, opened_by(pipeline)) == ("loaded", {whole.delivery_id})


@pytest.fixture(scope="module")
def shared(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_writer_that_pauses_at_any_byte(shared: Pipeline, births: bytes, data: st.DataObject) -> None:
    """The harshest case: every look takes what is there. In the end the table is the whole file's, or nobody's."""
    clear(shared)
    inbox = Path(shared.storage.inbox) / FOLDER
    inbox.mkdir(parents=True, exist_ok=True)
    cuts = data.draw(st.lists(st.integers(0, len(births)), max_size=3, unique=True).map(sorted))
    is_held_open = data.draw(st.booleans())
    with ExitStack() as stack:
        writer = stack.enter_context((inbox / NAME).open("wb", buffering=0))
        for start, end in zip([0, *cuts], [*cuts, len(births)], strict=True):
            writer.write(births[start:end])
            if end < len(births) or is_held_open:
                receive_and_walk(shared)
                assert opened_by(shared) <= {entry.delivery_id for entry in shared.ledger.all()}
    for _ in range(3):
        receive_and_walk(shared)
    whole = [e for e in shared.ledger.all() if e.sha256 == hashlib.sha256(births).hexdigest()]
    halves = [e for e in shared.ledger.all() if e not in whole]
    assert [entry.state for entry in whole] == ["loaded"]
    assert {entry.state for entry in halves} <= {"withdrawn"}
    assert opened_by(shared) == {whole[0].delivery_id}
    assert audited(shared) == []
    assert [path for path in inbox.iterdir() if path.is_file()] == []


def clear(pipeline: Pipeline) -> None:
    shutil.rmtree(Path(pipeline.storage.root), ignore_errors=True)
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM people.births")
        tables = connection.exec_driver_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'ops' AND tablename IN"
            " ('delivery', 'problem', 'validation', 'arrival', 'profile', 'decision', 'withdrawal')"
        )
        for (table,) in tables.all():
            connection.exec_driver_sql(f"DELETE FROM ops.{table}")


def opened_by(pipeline: Pipeline) -> set[str]:
    with pipeline.engine.connect() as connection:
        return set(connection.exec_driver_sql("SELECT DISTINCT opened_by FROM people.births").scalars())


# --- which files are deliveries


LEFT_ALONE = [
    *("births_2026-03-02.csv~", ".births_2026-03-02.csv.swp", "births_2026-03-02.csv.swp", "~$births_2026-03-02.xlsx"),
    *("births_2026-03-02.csv.partial", "births_2026-03-02.csv.uploading", "births_2026-03-02.csv.part"),
    *("births_2026-03-02.csv.filepart", "births_2026-03-02.csv.crdownload", "births_2026-03-02.csv.TMP"),
    *("births_2026-03-02.csv.bak", "births_2026-03-02.csv.inprogress", ".births_2026-03-02.csv.A1b2C3"),
    *("._births_2026-03-02.csv", ".~lock.births_2026-03-02.csv#", "#births_2026-03-02.csv#", "births_2026-03-02.lnk"),
    *("Thumbs.db", "desktop.ini", ".DS_Store", "4913", "A1B2C3D0", "~WRL0001.tmp", "births_2026-03-02.csv.sha512"),
]


def test_files_of_editors_and_systems_are_left_alone_and_logged(
    pipeline: Pipeline, inbox: Path, births: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for name in LEFT_ALONE:
        (inbox / name).write_bytes(b"x")
    for folder in ("__MACOSX", "@eaDir", ".Trash-1000"):
        (inbox / folder).mkdir()
        (inbox / folder / NAME).write_bytes(b"x")
    (inbox / NAME).write_bytes(births)
    with caplog.at_level(logging.WARNING):
        (entry,) = receive_and_walk(pipeline)
    assert entry.state == "loaded"
    assert sorted(path.name for path in inbox.iterdir() if path.is_file()) == sorted(LEFT_ALONE)
    for name in LEFT_ALONE:
        assert sum(f"/{name}, for " in record.getMessage() for record in caplog.records) == 1, name


@pytest.mark.parametrize(
    ("folder", "name", "endings"),
    [
        ("civil/births", "births_2026-03-02.pdf", ".csv, .txt, .tsv"),
        ("civil/births", "births_2026-03-02.docx", ".csv, .txt, .tsv"),
        ("civil/births", "births_2026-03-02", ".csv, .txt, .tsv"),
        ("civil/births", "births_2026-03-02.gz", ".csv, .txt, .tsv"),
        ("civil/deaths", "deaths_2026-03-02.pdf", ".xlsx, .xls"),
        ("tax/declarations", "declarations_2026-03-02.pdf", ".zip"),
        ("health/visits", "visits_2026-03-02.pdf", ".xml"),
    ],
)
def test_a_deliberate_file_of_another_kind_gets_a_receipt(
    pipeline: Pipeline, send: Callable[..., Any], folder: str, name: str, endings: str
) -> None:
    entry = send(pipeline, folder, name, b"%PDF-1.7")
    assert (entry.state, entry.rule) == ("rejected", "wrong_ending")
    assert endings in entry.message_vi and endings in entry.message_en
    assert entry.receipt_at is not None


def test_the_same_bytes_under_a_right_name_are_taken(
    pipeline: Pipeline, send: Callable[..., Any], births: bytes
) -> None:
    assert send(pipeline, FOLDER, "births.csv", births).rule == "no_period_in_name"
    again = send(pipeline, FOLDER, "births_2026-02-30.csv", births)
    assert (again.rule, "births_2026-02-30.csv" in again.message_vi) == ("impossible_period", True)
    assert send(pipeline, FOLDER, "births_2026-03-02.pdf", births).rule == "wrong_ending"
    assert send(pipeline, FOLDER, NAME, births).state == "loaded"


@pytest.mark.parametrize("name", ["births_2026-03-02.TXT", "births_2026-03-02.tsv", "births_2026-03-02 (1).CSV"])
def test_every_usual_ending_of_a_format_is_taken(
    pipeline: Pipeline, send: Callable[..., Any], births: bytes, name: str
) -> None:
    assert send(pipeline, FOLDER, name, births).state == "loaded"


def test_a_period_in_which_nothing_happened_is_not_late(
    pipeline: Pipeline, send: Callable[..., Any], births: bytes
) -> None:
    send(pipeline, FOLDER, NAME, births)
    entry = send(pipeline, FOLDER, "births_2026-03-03.csv", births.splitlines(keepends=True)[0])
    assert (entry.state, entry.rows_in, entry.inserted) == ("loaded", 0, 0)
    (fresh,) = (row for row in freshness(pipeline.ledger) if row["dataset"] == "civil.births")
    assert str(fresh["last_period_loaded"]) == "2026-03-03"
    assert opened_by(pipeline) != set()  # nothing has ended
    assert audited(pipeline) == []


def test_a_receipt_says_the_time_of_day_that_orders_the_files_of_a_day(
    pipeline: Pipeline, send: Callable[..., Any], births: bytes
) -> None:
    entry = send(pipeline, FOLDER, "births_2026-03-02-15-00.csv", births)
    delivery = pipeline.storage.delivery("civil", "births", entry.delivery_id)
    page = (pipeline.storage.folder("outbox", delivery) / "receipt.html").read_text(encoding="utf-8")
    assert "02/03/2026, 15:00:00" in page and "bản sửa" not in page


# --- one bad file stops no other


@pytest.fixture
def other_file_system() -> Iterator[Path]:
    if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("no second file system on this machine: /dev/shm is none")
    with tempfile.TemporaryDirectory(dir=ELSEWHERE) as folder:
        yield Path(folder)


def test_an_inbox_on_another_file_system_is_emptied(pipeline: Pipeline, births: bytes, other_file_system: Path) -> None:
    root = Path(pipeline.storage.root)
    root.mkdir(parents=True)
    (root / "inbox").symlink_to(other_file_system)
    folder = other_file_system / FOLDER
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(births)
    (folder / f"{NAME}.sha256").write_text(hashlib.sha256(births).hexdigest())
    (entry,) = receive_and_walk(pipeline)
    assert entry.state == "loaded"
    assert list(folder.iterdir()) == []
    kept = Path(pipeline.storage.processed) / FOLDER / f"{entry.delivery_id}_{NAME}"
    assert kept.read_bytes() == births
    assert kept.with_name(f"{kept.name}.sha256").exists()
    assert receive_and_walk(pipeline) == []


def test_a_file_that_cannot_be_moved_is_loaded_and_others_too(
    pipeline: Pipeline, clean_day: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in ("civil/births", "civil/deaths"):
        file = next((clean_day / folder).iterdir())
        target = Path(pipeline.storage.inbox) / folder / file.name
        target.parent.mkdir(parents=True)
        target.write_bytes(file.read_bytes())
    blocked = Path(pipeline.storage.processed) / "civil" / "births"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("no folder")
    entries = receive_and_walk(pipeline)
    assert {entry.dataset: entry.state for entry in entries} == {
        "civil.births": "loaded",
        "civil.deaths": "loaded",
    }
    assert len(list((Path(pipeline.storage.inbox) / "civil/births").iterdir())) == 1
    assert any("stays there" in record.getMessage() for record in caplog.records)


def citydw(pipeline: Pipeline, *command: str, quiet: float = 0) -> subprocess.CompletedProcess[str]:
    environment = {
        "CITYDW_HOME": str(pipeline.settings.home),
        "CITYDW_DATABASE_URL": str(pipeline.settings.database_url),
        "CITYDW_QUIET_SECONDS": str(quiet),
    }
    return commands.run(*command, env=os.environ | environment)


def test_run_walks_the_others_when_one_file_fails_and_its_exit_code_says_so(
    pipeline: Pipeline, clean_day: Path, tmp_path: Path
) -> None:
    for folder in ("civil/births", "civil/marriages"):
        file = next((clean_day / folder).iterdir())
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / file.name).write_bytes(file.read_bytes())
    (tmp_path / "civil/births/births_2026-03-05.csv.uploading").write_bytes(b"so_dang_ky")
    (tmp_path / "civil/births/Thumbs.db").write_bytes(b"x")
    blocked = Path(pipeline.storage.root) / "outbox" / "civil" / "births"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("no folder")
    failed = citydw(pipeline, "run", str(tmp_path), quiet=0.1)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
    assert "births" in failed.stderr
    assert "2 of 2 files are loaded, 0 held or rejected, 1 with a fault" in failed.stdout
    assert "uploading" in failed.stdout and "Thumbs.db" in failed.stdout
    blocked.unlink()
    mended = citydw(pipeline, "run", str(tmp_path))
    assert mended.returncode == 0, mended.stderr
    (tmp_path / "civil/births/births.csv").write_bytes(b"so_dang_ky\n1\n")
    stopped = citydw(pipeline, "run", str(tmp_path))
    assert stopped.returncode == 1
    assert "2 of 3 files are loaded, 1 held or rejected, 0 with a fault" in stopped.stdout


def test_run_leaves_a_file_that_still_grows(pipeline: Pipeline, births: bytes, tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "births_2026-03-01.csv").write_bytes(births)
    growing = subprocess.Popen(
        [sys.executable, "-c", GROWING, str(folder / NAME)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert growing.stdout is not None
        growing.stdout.readline()
        failed = citydw(pipeline, "run", str(tmp_path), quiet=0.5)
    finally:
        growing.kill()
        growing.wait()
    assert failed.returncode == 2
    assert f"{NAME}: still being written" in failed.stderr.replace("\n", "")
    assert [str(entry.as_of) for entry in pipeline.ledger.all()] == ["2026-03-01"]


GROWING = """
import sys, time
with open(sys.argv[1], "wb", buffering=0) as file:
    file.write(b"x")
    print("begun", flush=True)
    while True:
        time.sleep(0.05)
        file.write(b"x")
"""
