"""Every case under tests/cases comes out right, and `citydw check` says the same of it as the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from etl.pipeline.pipeline import Pipeline
from etl.warehouse import embedded
from tests.tools import truth


@pytest.fixture(scope="module")
def pipeline_of_cases(postgres: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    maintenance = sa.create_engine(embedded.url(postgres, "postgres"), isolation_level="AUTOCOMMIT")
    with maintenance.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE truth"))
    return truth.new_pipeline(tmp_path_factory.mktemp("truth"), embedded.url(postgres, "truth"))


@pytest.mark.parametrize("case", truth.cases(), ids=lambda case: case.name)
def test_what_is_loaded_is_what_was_meant(case: truth.Case, pipeline_of_cases: Pipeline, tmp_path: Path) -> None:
    verdict = truth.walk(case, pipeline_of_cases)
    assert (verdict.word, verdict.why if verdict.word != case.expected else ()) == (case.expected, ())
    if case.check == "same":
        assert truth.checked_otherwise(case, pipeline_of_cases, tmp_path) == []
