"""Receiving: only whole files, each byte of them, once; and what their senders declared holds."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox

Send = Callable[..., Any]
FOLDER = "civil/births"
NAME = "births_2026-03-02.csv"


@pytest.fixture
def births(clean_day: Path) -> bytes:
    return next((clean_day / FOLDER).iterdir()).read_bytes()


def drop(pipeline: Pipeline, name: str, content: bytes) -> Path:
    file = Path(pipeline.storage.inbox) / FOLDER / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_a_file_that_grows_while_it_is_copied_is_left_for_the_next_look(pipeline: Pipeline) -> None:
    file = drop(pipeline, NAME, b"x" * (64 << 20))
    growing = threading.Event()

    def grow() -> None:
        while not growing.is_set():
            with file.open("ab") as stream:
                stream.write(b"y")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        assert receive_inbox(pipeline) == []
    finally:
        growing.set()
        writer.join()
    assert file.exists()
    assert pipeline.ledger.all() == []
    assert [p for p in Path(pipeline.storage.root / "landing").rglob("*") if p.is_file()] == []


def test_landing_is_written_once_and_the_inbox_is_emptied(pipeline: Pipeline, births: bytes) -> None:
    drop(pipeline, NAME, births)
    drop(pipeline, f"{NAME}.done", b"")
    (received,) = receive_inbox(pipeline)
    content = Path(pipeline.storage.content(received.delivery))
    before = content.stat()
    assert content.read_bytes() == births
    assert before.st_mode & 0o222 == 0
    assert list((Path(pipeline.storage.inbox) / FOLDER).iterdir()) == []
    assert sorted(p.name for p in (Path(pipeline.storage.processed) / FOLDER).iterdir()) == [
        f"{received.delivery_id}_{NAME}",
        f"{received.delivery_id}_{NAME}.done",
    ]
    drop(pipeline, NAME, births)
    (again,) = receive_inbox(pipeline)
    assert not again.is_new
    assert (content.stat().st_ino, content.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_same_bytes_again_are_recorded_and_receipted_and_not_loaded(
    pipeline: Pipeline, send: Send, births: bytes
) -> None:
    first = send(pipeline, FOLDER, NAME, births)
    again = send(pipeline, FOLDER, NAME, births)
    assert again.loaded_at == first.loaded_at
    assert again.receipt_at > first.receipt_at
    with pipeline.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT is_new FROM ops.arrival ORDER BY 1").scalars().all() == [False, True]


def records(births: bytes) -> int:
    return births.count(b"\n") - 1


@pytest.mark.parametrize(
    ("manifest", "rule"),
    [
        (lambda b: {"rows": records(b), "sha256": hashlib.sha256(b).hexdigest(), "totals": {}}, None),
        (lambda b: {"rows": records(b) + 1}, "declared_rows"),
        (lambda b: {"size": len(b), "md5": hashlib.md5(b).hexdigest().upper()}, None),
        (lambda b: {"sha256": hashlib.sha256(b + b"x").hexdigest()}, "declared_sha256"),
        (lambda b: {"md5": hashlib.md5(b + b"x").hexdigest()}, "declared_md5"),
        (lambda b: {"size": len(b) + 1}, "declared_size"),
        (lambda b: {"totals": {"cot_la": 1}}, "unreadable_manifest"),
        (lambda b: {"rowcount": 5}, "unreadable_manifest"),
        (lambda b: {"rows": -1}, "unreadable_manifest"),
        (lambda b: {"rows": "many"}, "unreadable_manifest"),
        (lambda b: {"revision": 10**12}, "unreadable_manifest"),
        (lambda b: {"revision": 0}, "unreadable_manifest"),
        (lambda b: {"totals": [1]}, "unreadable_manifest"),
        (lambda b: [1, 2], "unreadable_manifest"),
    ],
)
def test_what_the_manifest_declares_is_checked(
    pipeline: Pipeline, send: Send, births: bytes, manifest: Callable[[bytes], Any], rule: str | None
) -> None:
    drop(pipeline, f"{NAME}.manifest.json", json.dumps(manifest(births)).encode())
    entry = send(pipeline, FOLDER, NAME, births)
    assert (entry.state, entry.rule) == (("held", rule) if rule else ("loaded", None))


def test_a_right_manifest_for_the_same_bytes_lets_the_delivery_go_on(
    pipeline: Pipeline, send: Send, births: bytes
) -> None:
    drop(pipeline, f"{NAME}.manifest.json", b'{"rows": 1}')
    held = send(pipeline, FOLDER, NAME, births)
    assert held.message_vi == (
        f"Tệp kèm .manifest.json khai 1 bản ghi nhưng trong tệp có {records(births)}; hãy kiểm tra và gửi lại."
    )
    assert send(pipeline, FOLDER, NAME, births).state == "held"
    drop(pipeline, f"{NAME}.manifest.json", json.dumps({"rows": records(births)}).encode())
    assert send(pipeline, FOLDER, NAME, births).state == "loaded"


@pytest.mark.parametrize(
    ("ending", "beside", "rule"),
    [
        (".sha256", lambda b: f"{hashlib.sha256(b).hexdigest()}  {NAME}\n", None),
        (".sha256", lambda b: f"SHA256 ({NAME}) = {hashlib.sha256(b).hexdigest().upper()}", None),
        (".md5", lambda b: f"{hashlib.md5(b).hexdigest()} *{NAME}\r\n", None),
        (".md5", lambda b: hashlib.md5(b).hexdigest(), None),
        (".sha256", lambda b: hashlib.sha256(b[:-1]).hexdigest(), "declared_sha256"),
        (".md5", lambda b: hashlib.md5(b[:-1]).hexdigest(), "declared_md5"),
        (".md5", lambda b: hashlib.sha256(b).hexdigest(), "unreadable_manifest"),
        (".sha256", lambda b: "", "unreadable_manifest"),
    ],
)
def test_a_hash_beside_the_file_is_checked_and_moved_with_it(
    pipeline: Pipeline, send: Send, births: bytes, ending: str, beside: Callable[[bytes], str], rule: str | None
) -> None:
    drop(pipeline, NAME + ending, beside(births).encode())
    entry = send(pipeline, FOLDER, NAME, births)
    assert (entry.state, entry.rule) == (("held", rule) if rule else ("loaded", None))
    kept = sorted(p.name for p in (Path(pipeline.storage.processed) / FOLDER).iterdir())
    assert kept == [f"{entry.delivery_id}_{NAME}", f"{entry.delivery_id}_{NAME}{ending}"]


def test_a_hash_that_contradicts_the_manifest_holds_the_file(pipeline: Pipeline, send: Send, births: bytes) -> None:
    drop(pipeline, f"{NAME}.sha256", hashlib.sha256(births).hexdigest().encode())
    drop(pipeline, f"{NAME}.manifest.json", json.dumps({"sha256": "0" * 64}).encode())
    assert send(pipeline, FOLDER, NAME, births).rule == "unreadable_manifest"


def test_a_control_total_is_exact(pipeline: Pipeline, send: Send, clean_day: Path) -> None:
    file = next((clean_day / "tax" / "declarations").iterdir())
    inbox = Path(pipeline.storage.inbox) / "tax" / "declarations"
    inbox.mkdir(parents=True)
    column = next(c.source_name for c in pipeline.contracts["tax.declarations"].columns if c.name == "tax_due")
    with zipfile.ZipFile(file) as archive:
        header, *lines = archive.read(archive.namelist()[0]).decode("utf-8-sig").splitlines()
    at, width = header.split(";").index(column), header.count(";")
    sent = [line.split(";")[at] for line in lines if line.count(";") == width and line.count('"') % 2 == 0]
    good = [number for number in sent if re.fullmatch(r"-?[\d.]+(,\d+)?", number)]
    total = sum(Decimal(number.replace(".", "").replace(",", ".")) for number in good)
    for number, (said, state) in enumerate([(total, "loaded"), (total + 1, "held")], start=1):
        name = f"declarations_2026-03-02_r{number}.zip"
        (inbox / f"{name}.manifest.json").write_text(f'{{"totals": {{"{column}": {said}}}}}')
        entry = send(pipeline, "tax/declarations", name, file.read_bytes())
        assert entry.state == state, entry.message_en


def test_a_manifest_may_name_the_period(pipeline: Pipeline, send: Send, births: bytes) -> None:
    drop(pipeline, "export.csv.manifest.json", b'{"as_of": "2026-03-02", "revision": 3}')
    entry = send(pipeline, FOLDER, "export.csv", births)
    assert (entry.state, str(entry.as_of), entry.revision) == ("loaded", "2026-03-02", 3)
