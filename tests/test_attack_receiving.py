"""A bad sender: whatever one agency drops costs itself alone, within seconds, and speaks for nobody else."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from etl.arrival import complete_files, found_in, in_turn
from etl.backup import backup
from etl.pipeline import Pipeline, Received
from etl.receive import land
from etl.storage import Storage, read_json

SECONDS = 10.0  # for everything that an inbox holds
FOLDER, NAME = "civil/births", "births_2026-03-02.csv"
OTHERS = "tax/taxpayers"
TEXT = "so_dang_ky\n1\n"
MANIFEST = ".manifest.json"
Attack = Callable[[Path], object]


@pytest.fixture(scope="module")
def shared(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


@pytest.fixture
def inbox(shared: Pipeline) -> Path:
    """The folder of the agency that attacks, in an empty data root with an empty ledger."""
    root = Path(shared.storage.root)
    for folder in (path for path in root.rglob("*") if path.is_dir() and not path.is_symlink()):
        folder.chmod(0o700)
    shutil.rmtree(root, ignore_errors=True)
    with shared.engine.begin() as connection:
        for table in ("people.births", "business.taxpayers", "ops.delivery", "ops.arrival", "ops.problem"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    folder = Path(shared.storage.inbox) / FOLDER
    folder.mkdir(parents=True)
    return folder


def drop_good(pipeline: Pipeline, clean_day: Path, name: str | None = None) -> bytes:
    """Put a right file of another agency beside whatever lies in the inbox."""
    file = next((clean_day / OTHERS).iterdir())
    folder = Path(pipeline.storage.inbox) / OTHERS
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / (name or file.name))
    return file.read_bytes()


def receive(pipeline: Pipeline) -> list[Received]:
    started = time.monotonic()
    received = pipeline.receive_inbox()
    assert time.monotonic() - started < SECONDS
    return received


def good(pipeline: Pipeline, received: list[Received], sent: bytes) -> None:
    """The other agency's file is in landing as it was sent, and goes on."""
    (other,) = (each for each in received if each.dataset == "tax.taxpayers")
    assert other.state == "received"
    assert pipeline.storage.content(other.delivery).read_bytes() == sent


# --- forty objects


def manifest(text: str | bytes) -> Attack:
    def make(folder: Path) -> None:
        (folder / NAME).write_text(TEXT)
        (folder / f"{NAME}{MANIFEST}").write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def beside(ending: str, make: Attack) -> Attack:
    def both(folder: Path) -> None:
        (folder / NAME).write_text(TEXT)
        make(folder / f"{NAME}{ending}")

    return both


def as_link(path: Path) -> None:
    secret = path.parents[3] / "secret.json"
    secret.write_text('{"password": 1}')
    path.symlink_to(secret)


def as_hard_link(path: Path) -> None:
    secret = path.parents[3] / "secret.json"
    secret.write_text('{"password": 1}')
    path.hardlink_to(secret)


def as_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


def closed_folder(folder: Path) -> None:
    (folder / NAME).write_text(TEXT)
    folder.chmod(0o400)  # keeps root in, and anybody else out


def deep(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1_900):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def long_path(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=here)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open(NAME, os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def sparse(size: int, name: str = NAME) -> Attack:
    def make(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return make


def sparse_and_declared(folder: Path) -> None:
    sparse(1 << 40)(folder)
    (folder / f"{NAME}{MANIFEST}").write_text(json.dumps({"sha256": "0" * 64}))


def file_of(name: str) -> Attack:
    return lambda folder: (folder / name).write_text(TEXT)


HELD: dict[str, Attack] = {
    "a revision of eleven digits": manifest('{"revision": 99999999999}'),
    "a revision of 300 digits": manifest(f'{{"revision": {"9" * 300}}}'),
    "a revision of 5,000 digits": manifest(f'{{"revision": {"9" * 5_000}}}'),
    "the highest revision of all": manifest('{"revision": 2147483647}'),
    "a revision that leaps": manifest('{"revision": 9999}'),
    "a revision that is true": manifest('{"revision": true}'),
    "NUL in a name": manifest('{"x\\u0000y": 1}'),
    "NUL in a value": manifest('{"sha256": "\\u0000"}'),
    "NUL in a total": manifest('{"totals": {"a\\u0000": 1}}'),
    "half a letter": manifest('{"as_of": "\\ud800"}'),
    "half a letter in a name": manifest('{"\\udfff": 1}'),
    "half a letter in a total": manifest('{"totals": {"\\udfff": 1}}'),
    "NaN": manifest('{"totals": {"a": NaN}}'),
    "a total of sNaN": manifest('{"totals": {"a": "sNaN"}}'),
    "Infinity": manifest('{"rows": Infinity}'),
    "a total of 300 digits": manifest(f'{{"totals": {{"a": {"9" * 300}}}}}'),
    "a huge exponent": manifest('{"totals": {"a": 1e999999999}}'),
    "one name twice": manifest('{"rows": 1, "rows": 2}'),
    "deep JSON": manifest("[" * 100_000),
    "a manifest of 3 MB": manifest('{"rows": 1}' + " " * 3_000_000),
    "no JSON": manifest(b"\xff\xfe\x00"),
    "the year 9999": manifest('{"as_of": "9999-12-31"}'),
    "the year 1": manifest('{"as_of": "0001-01-01"}'),
    "another period than the name's": manifest('{"as_of": "2026-03-01"}'),
    "a pipe as manifest": beside(MANIFEST, os.mkfifo),
    "a folder as manifest": beside(MANIFEST, Path.mkdir),
    "a link as manifest": beside(MANIFEST, as_link),
    "a hard link as manifest": beside(MANIFEST, as_hard_link),
    "a link that leads nowhere as hash": beside(".sha256", lambda path: path.symlink_to("nowhere")),
    "a socket as hash": beside(".md5", as_socket),
}
REJECTED: dict[str, Attack] = {
    "a period before there were registers": file_of("births_1905-01-01.csv"),
    "a period in the future": file_of("births_2098-01-01.csv"),
    "a revision that leaps in the name": file_of("births_2026-03-02_r9999.csv"),
    "a sparse file of 3 GB": sparse(3 << 30),
    "a sparse file of 1 TB": sparse(1 << 40),
    "a sparse file whose hash is declared": sparse_and_declared,
}
LEFT: dict[str, Attack] = {
    "a pipe": lambda folder: os.mkfifo(folder / NAME),
    "a folder with a file's name": lambda folder: (folder / NAME).mkdir(),
    "a socket": lambda folder: as_socket(folder / NAME),
    "a device": lambda folder: (folder / NAME).symlink_to("/dev/zero"),
    "a link": lambda folder: as_link(folder / NAME),
    "a hard link": lambda folder: as_hard_link(folder / NAME),
    "a link in a circle": lambda folder: (folder / NAME).symlink_to(NAME),
    "1,900 folders": deep,
    "a path that is too long": long_path,
    "another agency's folders": lambda folder: shutil.copytree(folder, folder / "tax/taxpayers")
    and file_of("tax/taxpayers/taxpayers_2026-03-03.csv")(folder),
    "a file beside the datasets": lambda folder: file_of("../births_2026-03-02.csv")(folder),
    "a file beside the agencies": lambda folder: file_of("../../births_2026-03-02.csv")(folder),
}
TAKEN: dict[str, Attack] = {
    "a pipe as .done": beside(".done", os.mkfifo),
    "a folder as .done": beside(".done", Path.mkdir),
    "a link as .done": beside(".done", lambda path: path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("kind", [*HELD, *REJECTED, *LEFT, *TAKEN])
def test_an_odd_object_costs_itself_alone(
    kind: str, shared: Pipeline, inbox: Path, clean_day: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (HELD | REJECTED | LEFT | TAKEN)[kind](inbox)
    sent = drop_good(shared, clean_day)
    with caplog.at_level(logging.WARNING):
        received = receive(shared)
    good(shared, received, sent)
    theirs = [each for each in received if each.dataset != "tax.taxpayers"]
    if kind in LEFT:
        assert theirs == []
        assert sum("left alone" in record.getMessage() for record in caplog.records) == 1
    else:
        (mine,) = theirs
        assert mine.dataset == "civil.births"
        if not mine.is_final:
            for _ in shared.walk(mine.dataset, mine.delivery_id):
                pass
        entry = shared.ledger.get(mine.dataset, mine.delivery_id)
        if kind in TAKEN:
            assert entry["rule"] != "unreadable_manifest"
        else:
            assert entry["state"] == ("held" if kind in HELD else "rejected")
            assert entry["receipt_at"] is not None
    landed = [path for path in Path(shared.storage.root / "landing").rglob("*") if path.is_file()]
    assert sum(512 * path.stat().st_blocks for path in landed) < 8 << 20
    assert all("password" not in path.read_text(errors="replace") for path in landed)
    assert not any(path.is_symlink() for path in Path(shared.storage.processed).rglob("*"))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert [each for each in receive(shared) if each.dataset == "tax.taxpayers"] == []
    assert not any("left alone" in record.getMessage() for record in caplog.records), "it is told once"
    assert list(shared.verify()) == []
