"""Files written aside: whole or not there, and what killed writers leave behind does not stay."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from etl.cli.errors import sentence
from etl.delivery.publish import publish, write_once, write_text
from etl.pipeline.pipeline import Pipeline

DIES_WRITING = """
import os, signal, sys
from upath import UPath
from etl.delivery import publish
with publish.{function}(UPath(sys.argv[1])) as aside:
    aside.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die_writing(path: Path, function: str = "publish") -> Path:
    """Let a process be killed in the middle of a file; gives what it leaves behind."""
    died = subprocess.run([sys.executable, "-c", DIES_WRITING.format(function=function), str(path)], check=False)
    assert died.returncode == -9
    [leftover] = path.parent.glob(".*.part")
    return leftover


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = UPath(tmp_path / "receipt.json")
    die_writing(path)
    assert not path.exists()
    with publish(path) as aside:
        aside.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_living_writers_file_stays(tmp_path: Path) -> None:
    path = UPath(tmp_path / "receipt.json")
    with publish(path) as slow:
        slow.write_text("slow")
        with publish(path) as quick:
            quick.write_text("quick")
        assert path.read_text() == "quick"
        assert slow.exists()
    assert path.read_text() == "slow"
    assert list(tmp_path.iterdir()) == [path]


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    path = UPath(tmp_path / "receipt.json")
    failed = []

    def write() -> None:
        try:
            for _ in range(100):
                with publish(path) as aside:
                    aside.write_text("whole")
                assert path.read_text() == "whole"
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), publish(UPath(tmp_path / "receipt.json")) as aside:
        aside.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_deliveries_clear_up_what_killed_workers_left(
    pipeline: Pipeline, send: Callable[..., Any], clean_day: Path
) -> None:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    root = Path(pipeline.settings.data)
    die_writing(root / "landing" / "content", "aside_of")
    entry = send(pipeline, "tax/taxpayers", file.name, file.read_bytes())
    assert entry.state == "loaded"
    [rows] = (root / "raw" / "tax").rglob("rows.parquet")
    [receipt] = (root / "outbox" / "tax").rglob("receipt.json")
    for path in (rows, receipt):
        die_writing(path)
    for station in ("extract", "receipt"):
        pipeline.run_station(station, entry.dataset, entry.delivery_id)
    assert list(root.rglob("*.part")) == []


@pytest.mark.parametrize("root", ["local", "memory://words"])
def test_what_is_written_once_is_nobody_elses(tmp_path: Path, root: str) -> None:
    path = (UPath(tmp_path) if root == "local" else UPath(root)) / "1"
    assert write_once(path, "mine")
    assert not write_once(path, "theirs")
    assert path.read_text() == "mine"
    assert [file.name for file in path.parent.iterdir()] == ["1"]


def test_a_name_that_a_killed_writer_did_not_take_is_free(tmp_path: Path) -> None:
    path = UPath(tmp_path / "1")
    die_writing(path)
    assert write_once(path, "mine")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_take_its_place_is_named_as_the_person_named_it(tmp_path: Path) -> None:
    """As a page that is to be written onto a folder; what it was written into first is ours alone."""
    folder = tmp_path / "pages"
    folder.mkdir()
    with pytest.raises(OSError, match="directory") as fault:
        write_text(UPath(folder), "a page")
    assert f"{folder}. Mend it" in sentence(fault.value)
    assert not [*tmp_path.glob(".*")], "nothing of it is left"
