"""Who may read what, with real roles that log in: a reader can change, run and hold up nothing."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive
from etl.settings import PROJECT
from etl.warehouse import address, embedded, marts
from tests import commands

Send = Callable[..., Any]
ANALYST = PROJECT / "docs" / "how-to" / "operate.md"  # its statements make an analyst's role


@pytest.fixture(scope="module")
def loaded(new_pipeline: Callable[..., Pipeline], clean_day: Path) -> Pipeline:
    pipeline = new_pipeline()
    for file in sorted(p for p in clean_day.rglob("*") if p.is_file()):
        received = receive(pipeline, type(pipeline.settings.data)(file), file.parts[-3:-1])
        list(pipeline.walk(received.dataset, received.delivery_id))
    marts.refresh(pipeline.engine)
    return pipeline


def connect(pipeline: Pipeline, user: str) -> psycopg.Connection[Any]:
    url = sa.make_url(address.warehouse_url(pipeline.settings)).set(drivername="postgresql", username=user)
    return psycopg.connect(url.render_as_string(hide_password=False))


@pytest.fixture(scope="module")
def analyst(loaded: Pipeline) -> Iterator[str]:
    """A role as docs/how-to/operate.md makes one."""
    text = ANALYST.read_text("utf-8")
    statements = text[text.index("CREATE ROLE lan ") :].split("```")[0]
    with loaded.engine.begin() as connection:
        connection.exec_driver_sql(statements)
    yield "lan"
    with loaded.engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE lan")


def query(pipeline: Pipeline, sql: str) -> subprocess.CompletedProcess[str]:
    # The embedded server's own way: the reader's role.
    url = sa.make_url(address.warehouse_url(pipeline.settings)).set(username=embedded.READER)
    env = {"CITYDW_DATABASE_URL": url.render_as_string(hide_password=False), "PATH": "/usr/bin:/bin"}
    return commands.run("query", sql, env=env)


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT; CREATE TABLE public.mine (a int)",
        "SELECT 1; SELECT 2",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
        "DO $$ BEGIN PERFORM set_config('role', 'citydw', true); EXECUTE 'COPY (SELECT 1) TO PROGRAM ''id'''; END $$",
        "SET ROLE citydw",
        "DELETE FROM ops.delivery",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'citydw'",
    ],
)
def test_a_query_changes_and_runs_nothing(loaded: Pipeline, sql: str) -> None:
    told = query(loaded, sql)
    assert told.returncode == 2
    assert told.stderr.startswith("PostgreSQL refused:")
    with loaded.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('public.mine')").scalar() is None
        assert connection.exec_driver_sql("SELECT count(*) > 0 FROM ops.delivery").scalar()


def test_a_query_sees_all_and_steers_no_terminal(loaded: Pipeline) -> None:
    told = query(loaded, "SELECT count(*) AS there, E'\\x1b[31mred' AS shown FROM people.births")
    assert told.returncode == 0
    assert "\\x1b[31mred" in told.stdout
    assert "\x1b" not in told.stdout


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM people.births",
        "SELECT * FROM ops.problem",
        "CREATE TEMPORARY TABLE mine (a int)",
        "SELECT * FROM ops.lock FOR UPDATE",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
        "CREATE TABLE mart.mine (a int)",
    ],
)
def test_an_analyst_may_not(loaded: Pipeline, analyst: str, sql: str) -> None:
    with connect(loaded, analyst) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.read_only = False  # her role's default is hers to change; what she lacks is the right
        connection.execute(sql)


def test_an_analyst_holds_up_neither_loads_nor_marts(
    loaded: Pipeline, analyst: str, send: Send, clean_day: Path
) -> None:
    with connect(loaded, analyst) as reading:
        names = [name for (name,) in reading.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'mart'")]
        for name in names:  # an open transaction that has read every mart
            reading.execute(f"SELECT * FROM mart.{name} LIMIT 1")
        for name in (*loaded.contracts, "citydw.marts", "citydw.site", "citydw.migrate"):
            reading.execute("SELECT pg_advisory_xact_lock_shared(hashtext(%s))", (name,))
        file = next((clean_day / "civil" / "births").iterdir())
        done: list[Any] = []

        def work() -> None:
            done.append(send(loaded, "civil/births", file.name.replace("-02", "-03"), file.read_bytes() + b"\r\n"))
            done.append(marts.refresh(loaded.engine))

        worker = threading.Thread(target=work)
        worker.start()
        worker.join(60)
        assert len(done) == 2, "it waits for the analyst"
        assert {name.removeprefix("mart.") for name in done[1] if name.startswith("mart.")} == set(names)


def test_a_mart_that_has_changed_is_made_anew(loaded: Pipeline) -> None:
    with loaded.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ops.mart SET made_of = 'before'")
    marts.refresh(loaded.engine)
    with loaded.engine.connect() as connection:
        assert not connection.exec_driver_sql("SELECT count(*) FROM ops.mart WHERE made_of = 'before'").scalar()
        assert connection.exec_driver_sql("SELECT to_regnamespace('mart_aside')").scalar() is None
