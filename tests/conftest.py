"""One embedded PostgreSQL for the whole run; a fresh database and data root for each pipeline."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import settings as hypothesis_settings
from upath import UPath

from etl.contract import Contracts, load_all
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
from etl.settings import EXPECTATIONS, Settings
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate, open_to_roles
from simulate import write_city
from tests import TESTS

# The same examples in every run: what fails, fails for everybody. No deadline: the machines are shared and noisy.
hypothesis_settings.register_profile("citydw", derandomize=True, deadline=None)
hypothesis_settings.load_profile("citydw")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-slips", action="store_true", help="every slip of test_contract_mutations.py, not a tenth")


# Files of tests that take a minute of a core and more: they begin first, so that no core is idle at the end.
LONGEST = [
    "promises/engineer/test_history_law",
    "promises/engineer/test_truth",
    "demo/test_demo",
    "attack/test_hostile",
    "contract/test_lint",
    "draft/test_draft",
    "connectors/test_sources",
    "promises/engineer/test_faults",
    "promises/engineer/test_elsewhere",
    "attack/test_deciding_dags",
    "attack/test_pages",
    "attack/test_receiving",
    "promises/agency/test_check",
    "promises/analyst/test_business_city",
    "validate/test_past",
    "validate/test_judge",
    "site/test_site",
    "bench/test_bench",
]
# Those that `make quick` leaves out, by folder: they try whole cities, kill processes, start Airflow or a browser.
SLOW = {
    "attack": "access config dags deciding deciding_dags hostile identity memory pages receiving roles",
    "bench": "bench",
    "connectors": "api_source remote_folders sources sources_killed sources_mysql",
    "contract": "contract_mutations lint suite_mutations",
    "dags": "dags sources_dag",
    "demo": "demo systems",
    "draft": "draft excerpts",
    "extract": "pollution",
    "linkage": "incremental likelihood linkage",
    "operate": "audit backup notify",
    "promises/agency": "check drift held tables words",
    "promises/analyst": (
        "business_city city coherence disclosure land_marts people_city questions reconciliations roles whole_rows"
    ),
    "promises/engineer": (
        "datasets elsewhere extras faults generated_contracts history_law new_dataset object_store truth walk_again"
    ),
    "receipt": "receipt receipt_page",
    "receive": "arrival",
    "simulate": "simulate",
    "site": "site",
    "validate": "judge past",
    "warehouse": "ledger mart_as_of mart_inputs migrate",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and let what takes longest begin first."""
    slow = {f"{folder}/test_{name}" for folder, names in SLOW.items() for name in names.split()}
    if missing := [name for name in sorted({*slow, *LONGEST}) if not (TESTS / f"{name}.py").is_file()]:
        raise pytest.UsageError(f"tests/conftest.py names files of tests that are not there: {missing}")
    names = {item: item.path.relative_to(TESTS).with_suffix("").as_posix() for item in items}
    for item, name in names.items():
        if name in slow:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: LONGEST.index(names[item]) if names[item] in LONGEST else len(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In the gate a skipped test has failed: nobody reads there why a promise was not looked at."""
    report = yield
    if report.skipped and "A_SKIPPED_TEST_FAILS" in os.environ and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and here every test must run: {report.longrepr[-1]}"
    return report


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("a server") / "postgres"  # with a blank in its path, as a clerk's folder may have
    embedded.start(folder)
    with sa.create_engine(embedded.url(folder, "postgres"), isolation_level="AUTOCOMMIT").connect() as connection:
        # No test cuts the power, and a process that is killed loses nothing that it has handed to the system.
        connection.execute(sa.text("ALTER SYSTEM SET fsync = off"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def maintenance(postgres: Path) -> sa.Engine:
    """For what is done to whole databases."""
    return sa.create_engine(embedded.url(postgres, "postgres"), isolation_level="AUTOCOMMIT")


@pytest.fixture(scope="session")
def new_pipeline(
    postgres: Path, maintenance: sa.Engine, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Pipeline]:
    made = iter(range(1000))
    templates: dict[str, str] = {}

    def on_database(name: str, template: str, contracts: Contracts) -> Pipeline:
        with maintenance.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY = FILE_COPY"))
        home = tmp_path_factory.mktemp("home")
        settings = Settings(
            home=home, data=UPath(home / "data"), database_url=embedded.url(postgres, name), quiet_seconds=0
        )
        return Pipeline(settings, contracts)

    def migrated(contracts: Contracts) -> str:
        """A database to copy, with the tables of these contracts: to make them anew takes two seconds of a core."""
        # Where a contract lies and where its dataset is fetched from make no other tables.
        tables = repr([replace(contract, path=Path(), server=None, beside=()) for contract in contracts.values()])
        if tables not in templates:
            pipeline = on_database(f"migrated_{next(made)}", "template1", contracts)
            migrate(pipeline.engine, contracts.values())
            templates[tables] = pipeline.engine.url.database
        return templates[tables]

    def make(folder: Path = EXPECTATIONS) -> Pipeline:
        contracts = load_all(folder)
        pipeline = on_database(f"test_{next(made)}", migrated(contracts), contracts)
        with pipeline.engine.begin() as connection:
            open_to_roles(connection, contracts.values())
        pipeline.engine.dispose()  # for sessions that count days as the database now says
        return pipeline

    return make


@pytest.fixture
def pipeline(new_pipeline: Callable[..., Pipeline], maintenance: sa.Engine) -> Iterator[Pipeline]:
    """Its database ends with the test: each that is left, PostgreSQL looks through once a minute."""
    pipeline = new_pipeline()
    yield pipeline
    pipeline.engine.dispose()
    with maintenance.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {pipeline.engine.url.database} WITH (FORCE)"))


@pytest.fixture
def send() -> Callable[..., Any]:
    """Drop one file into a pipeline's inbox, let it be received and walk it to its end; gives the ledger's row.

    One that has several tables walks as each of them; the row is the main one's.
    """

    def drop_and_walk(pipeline: Pipeline, folder: str, file_name: str, content: bytes) -> dict[str, Any]:
        file = Path(pipeline.storage.inbox) / folder / file_name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        received, *beside = receive_inbox(pipeline)
        assert all(one.delivery_id == received.delivery_id for one in beside), "one file"
        for one in (received, *beside):
            if not one.is_final:
                for _ in pipeline.walk(one.dataset, one.delivery_id):
                    pass
        return pipeline.ledger.get(received.dataset, received.delivery_id)

    return drop_and_walk


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium. Not one for all modules: while it is there, no other test can run an event loop."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine: install one to look at the pages")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[Callable[[], UPath]]:
    """A real S3 server, of which the environment says where it is; makes a new bucket."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line a request
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        environment.setenv("AWS_ACCESS_KEY_ID", "city")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret of the city")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")

        def bucket() -> UPath:
            import boto3

            name = f"city-{uuid4().hex}"
            boto3.client("s3").create_bucket(Bucket=name)
            return UPath(f"s3://{name}")

        yield bucket
    server.stop()


@pytest.fixture
def pipeline_on_s3(pipeline: Pipeline, s3: Callable[[], UPath]) -> Pipeline:
    """A pipeline whose files all lie in a new bucket."""
    return Pipeline(replace(pipeline.settings, data=s3() / "data"), pipeline.contracts)


@pytest.fixture(scope="session")
def clean_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first day of a small simulated city, as `<agency>/<dataset>/<file>`."""
    out = tmp_path_factory.mktemp("small city")
    write_city(out, people=3_000, days=1, seed=5)
    return next((out / "days").iterdir())


@pytest.fixture(scope="session")
def airflow_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Gives an Airflow its database, as `airflow db migrate` leaves it, and each of some modules that are run then.

    One is made for all workers, and copied: it takes ten seconds of a core, and with the roles of deciders twenty.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def give(settings: dict[str, str], *modules: str) -> None:
        made = shared / "_".join(("airflow", *modules))
        with made.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                with TemporaryDirectory(dir=shared) as home:
                    file = Path(home, "airflow.db")
                    there = {"AIRFLOW_HOME": home, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{file}"}
                    for command in ("airflow db migrate", *modules):
                        run = [sys.executable, "-m", *command.split()]
                        done = subprocess.run(run, env=settings | there, capture_output=True, text=True, check=False)
                        assert done.returncode == 0, done.stderr[-2000:]
                    file.rename(made)
        home_of_it = Path(settings["AIRFLOW_HOME"])
        home_of_it.mkdir(exist_ok=True)
        shutil.copy(made, home_of_it / "airflow.db")

    return give
