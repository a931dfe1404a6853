"""One embedded PostgreSQL for the whole run; a fresh database and data root for each pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from upath import UPath

from etl import server
from etl.contract import load_all
from etl.pipeline import Pipeline
from etl.settings import EXPECTATIONS, Settings


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("a server") / "postgres"  # with a blank in its path, as a clerk's folder may have
    server.start(folder)
    yield folder
    server.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_pipeline(postgres: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pipeline]:
    made = iter(range(1000))

    def make(contracts: Path = EXPECTATIONS) -> Pipeline:
        home = tmp_path_factory.mktemp("home")
        name = f"test_{next(made)}"
        maintenance = sa.create_engine(server.url(postgres, "postgres"), isolation_level="AUTOCOMMIT")
        with maintenance.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        settings = Settings(home=home, data=UPath(home / "data"), database_url=server.url(postgres, name))
        pipeline = Pipeline(settings, load_all(contracts))
        pipeline.migrate()
        return pipeline

    return make


@pytest.fixture
def pipeline(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()
