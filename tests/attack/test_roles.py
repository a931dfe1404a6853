"""The pipeline as docker-compose.yml runs it: roles of docker/roles.sql, not one of them a superuser."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from upath import UPath

from etl.contract import load_all
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive
from etl.settings import PROJECT, Settings
from etl.warehouse import embedded, marts
from etl.warehouse.migrate import migrate
from tests import commands
from tests.city import audited

PASSWORDS = {f"CITYDW_{name}_PASSWORD": f"for {name}" for name in ("OWNER", "READER", "AIRFLOW_DATABASE")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.URL]:
    """A server with what docker/roles.sql makes; gives the owner's URL of the warehouse."""
    folder = tmp_path_factory.mktemp("roles")
    # The embedded server has a superuser and databases of these names.
    text = (PROJECT / "docker" / "roles.sql").read_text("utf-8")
    text = re.sub(r"\bcitydw\b", "warehouse", re.sub(r"\bairflow\b", "metadata", text))
    (folder / "roles.sql").write_text(text)
    with embedded.temporary() as url:
        root = sa.make_url(url).set(drivername="postgresql", database="postgres")
        done = subprocess.run(
            [embedded.programs() / "psql", root.render_as_string(), f"--file={folder / 'roles.sql'}"],
            env=os.environ | PASSWORDS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield sa.make_url(url).set(username="warehouse", database="warehouse")


@pytest.fixture(scope="module")
def pipeline(installed: sa.URL, clean_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    home = tmp_path_factory.mktemp("home")
    pipeline = Pipeline(Settings(home, UPath(home / "data"), str(installed), quiet_seconds=0), load_all())
    assert migrate(pipeline.engine, pipeline.contracts.values())
    for file in sorted(p for p in clean_day.rglob("*") if p.is_file()):
        received = receive(pipeline, UPath(file), file.parts[-3:-1])
        list(pipeline.walk(received.dataset, received.delivery_id))
    return pipeline


def test_no_role_in_use_is_a_superuser_or_makes_roles(installed: sa.URL) -> None:
    root = sa.create_engine(installed.set(username=embedded.SYSTEM_USER))
    with root.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,"
            " rolpassword LIKE 'SCRAM-SHA-256$%%', rolcanlogin FROM pg_authid"
            " WHERE rolname IN ('warehouse', 'citydw_reader', 'citydw_analyst', 'metadata') ORDER BY 1"
        ).all()
        powers = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = 'warehouse'"
        ).scalar()
    assert [tuple(row) for row in rows] == [
        ("citydw_analyst", False, None, False),
        ("citydw_reader", False, True, True),
        ("metadata", False, True, True),
        ("warehouse", False, True, True),
    ]
    assert powers == 0
    root.dispose()


def test_the_owner_loads_builds_marts_and_changes_nothing_twice(pipeline: Pipeline) -> None:
    states = {entry.state for entry in pipeline.ledger.all()}
    assert states == {"loaded"}
    assert marts.refresh(pipeline.engine)
    assert migrate(pipeline.engine, pipeline.contracts.values()) == []
    assert audited(pipeline) == []


@pytest.mark.parametrize(
    ("user", "database"), [("warehouse", "metadata"), ("metadata", "warehouse"), ("citydw_reader", "metadata")]
)
def test_each_database_is_its_owners(installed: sa.URL, user: str, database: str) -> None:
    url = installed.set(drivername="postgresql", username=user, database=database)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(url.render_as_string())


def test_the_owner_runs_no_program_and_reads_no_file(pipeline: Pipeline) -> None:
    for sql in ("COPY (SELECT 1) TO PROGRAM 'id'", "SELECT pg_read_file('/etc/passwd')", "CREATE ROLE other"):
        with pipeline.engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="permission denied"):
            connection.exec_driver_sql(sql)


def test_it_is_asked_backed_up_and_restored_by_these_roles(
    pipeline: Pipeline, installed: sa.URL, tmp_path: Path
) -> None:
    def citydw(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        given = {"PATH": "/usr/bin:/bin", "CITYDW_READER_URL": reader.render_as_string()}
        return commands.run(*arguments, env=given | env)

    reader = installed.set(username="citydw_reader")
    home = {"CITYDW_HOME": str(pipeline.settings.home), "CITYDW_DATABASE_URL": installed.render_as_string()}
    asked = citydw("query", "SELECT current_user, count(*) > 0 AS rows FROM people.births", **home)
    assert asked.returncode == 0 and "citydw_reader" in asked.stdout and "True" in asked.stdout
    backed_up = citydw("backup", str(tmp_path / "backup"), **home)
    assert backed_up.returncode == 0, backed_up.stderr

    root = sa.create_engine(installed.set(username=embedded.SYSTEM_USER), isolation_level="AUTOCOMMIT")
    with root.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE another OWNER warehouse")
    root.dispose()
    another = {
        "CITYDW_HOME": str(tmp_path / "home"),
        "CITYDW_DATABASE_URL": installed.set(database="another").render_as_string(),
    }
    restored = citydw("restore", str(tmp_path / "backup"), **another)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    with sa.create_engine(another["CITYDW_DATABASE_URL"]).connect() as there, pipeline.engine.connect() as here:
        count = "SELECT count(*) FROM people.births"
        assert there.exec_driver_sql(count).scalar() == here.exec_driver_sql(count).scalar()
