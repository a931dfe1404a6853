"""A backup brought back into an empty server is the same warehouse, and the pipeline goes on from it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
import sqlalchemy as sa
from upath import UPath

from etl import site
from etl.operate.audit import verify
from etl.operate.backup import BackupError, backup, restore
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive, receive_inbox
from etl.settings import Settings
from etl.warehouse import embedded, marts
from etl.warehouse.embedded import temporary
from tests.city import audited

Send = Callable[..., Any]
QUERIES = (
    "SELECT * FROM people.births ORDER BY 1, 2, 3",
    "SELECT * FROM business.taxpayers ORDER BY 1",
    "SELECT dataset, delivery_id, state, rows_in, inserted, loaded_at FROM ops.delivery ORDER BY 1, 2",
    "SELECT * FROM mart.population_events_by_ward_month ORDER BY 1, 2, 3",
)


def answers(engine: sa.Engine) -> list[list[str]]:
    with engine.connect() as connection:
        return [sorted(str(row) for row in connection.exec_driver_sql(query)) for query in QUERIES]


def written(pipeline: Pipeline, folder: Path) -> None:
    backup(str(pipeline.settings.database_url), pipeline.settings.data, folder)


def brought_back(pipeline: Pipeline, folder: Path) -> None:
    settings = pipeline.settings
    restore(str(settings.database_url), settings.data, folder, pipeline.contracts.values())


def test_it_comes_back_whole(pipeline: Pipeline, send: Send, clean_day: Path, tmp_path: Path) -> None:
    for dataset in ("civil/births", "tax/taxpayers"):
        file = next((clean_day / dataset).iterdir())
        send(pipeline, dataset, file.name, file.read_bytes())
    marts.refresh(pipeline.engine)
    before = answers(pipeline.engine)
    assert all(before)
    written(pipeline, tmp_path / "backup")
    with pytest.raises(BackupError, match="exists already"):
        written(pipeline, tmp_path / "backup")
    with pytest.raises(BackupError, match="holds data already"):
        brought_back(pipeline, tmp_path / "backup")

    with temporary() as url:
        home = tmp_path / "another machine"
        again = Pipeline(Settings(home, UPath(home / "data"), url, quiet_seconds=0), pipeline.contracts)
        brought_back(again, tmp_path / "backup")
        assert answers(again.engine) == before
        assert audited(again) == []
        file = next((clean_day / "civil" / "births").iterdir())
        assert send(again, "civil/births", file.name, file.read_bytes()).loaded_at
        file = next((clean_day / "civil" / "deaths").iterdir())
        assert send(again, "civil/deaths", file.name, file.read_bytes()).state == "loaded"
        again.engine.dispose()


def test_what_comes_while_it_is_made_is_received_anew(
    pipeline: Pipeline, send: Send, clean_day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    births, deaths = (next((clean_day / "civil" / name).iterdir()) for name in ("births", "deaths"))
    send(pipeline, "civil/births", births.name, births.read_bytes())
    real, dumped, on = (
        quote(str(path)) for path in (embedded.programs() / "pg_dump", tmp_path / "dumped", tmp_path / "on")
    )
    dump = f'{real} "$@" && touch {dumped}; while [ ! -e {on} ]'
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{dump}; do sleep 0.1; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with ThreadPoolExecutor(1) as pool:
        backing_up = pool.submit(written, pipeline, tmp_path / "backup")
        while not (tmp_path / "dumped").exists():
            assert not backing_up.done()
        later = send(pipeline, "civil/deaths", deaths.name, deaths.read_bytes())
        for zone in ("raw", "landing"):  # and others are just being written
            (Path(pipeline.storage.root) / zone / "civil" / "deaths" / f".x.{zone}.part").write_bytes(b"half")
        (tmp_path / "on").touch()
        backing_up.result()
    assert not list((tmp_path / "backup").rglob("*.part"))

    with temporary() as url:
        home = tmp_path / "another machine"
        again = Pipeline(Settings(home, UPath(home / "data"), url, quiet_seconds=0), pipeline.contracts)
        brought_back(again, tmp_path / "backup")
        assert list(verify(again.ledger, again.storage)) == []
        (received,) = receive_inbox(again)
        assert (received.dataset, received.delivery_id) == ("civil.deaths", later.delivery_id)
        assert received.is_new
        list(again.walk(received.dataset, received.delivery_id))
        assert audited(again) == []
        again.engine.dispose()


def open_to_others(folder: Path) -> Iterator[str]:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink() and path.stat().st_mode & stat.S_IRWXO:
            yield f"{stat.filemode(path.stat().st_mode)} {path.relative_to(folder)}"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_nothing_is_open_to_others(pipeline: Pipeline, clean_day: Path, tmp_path: Path, umask: int) -> None:
    settings = pipeline.settings
    before = {name: os.environ.get(name) for name in ("CITYDW_HOME", "CITYDW_DATABASE_URL")}
    os.environ |= {"CITYDW_HOME": str(tmp_path / "home"), "CITYDW_DATABASE_URL": str(settings.database_url)}
    old = os.umask(umask)
    try:
        private = Pipeline.from_environment()
        for folder in ("civil/births", "tax/taxpayers"):
            file = next((clean_day / folder).iterdir())
            received = receive(private, UPath(file), tuple(folder.split("/")))
            assert [outcome.state for _, outcome in private.walk(received.dataset, received.delivery_id)]
        site.build(private.storage, private.contracts, private.ledger)
        written(private, tmp_path / "backup")
    finally:
        os.umask(old)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
    assert list(open_to_others(tmp_path / "home")) == []
    assert list(open_to_others(tmp_path / "backup")) == []


def test_no_password_is_in_a_programs_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\n(echo \"$@\"; env | grep -v PGPASSFILE) > '{told}'\ncat \"$PGPASSFILE\" > '{told}.pass'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    backup("postgresql+psycopg://citydw:s%3Acr%5Cet@localhost/citydw", UPath(tmp_path / "data"), tmp_path / "backup")
    assert "--dbname=postgresql://citydw@localhost/citydw " in told.read_text("utf-8"), (
        "no password, not even a wrong one"
    )
    assert "s:cr" not in told.read_text("utf-8")
    assert "s%3Acr" not in told.read_text("utf-8")
    assert Path(f"{told}.pass").read_text("utf-8") == "*:*:*:*:s\\:cr\\\\et\n"


def test_a_backup_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="must not be older than the server"):
        backup("postgresql+psycopg://citydw@localhost:1/citydw", UPath(tmp_path / "data"), tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []
