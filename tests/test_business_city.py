"""Money, business, land and governance of a simulated city: what the warehouse holds is what is true, to the cell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from etl.pipeline.pipeline import Pipeline
from simulate import business_group, write_city
from tests.city import assert_rejected_is_planted, assert_rows_are_accounted_for, assert_table_is_true, walk

DATASETS = [sender.dataset for sender in business_group.SENDERS]
START, DAYS = date(2026, 3, 30), 3  # a month and a quarter end among them


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=4_000, days=DAYS, seed=11, start=START, is_whole=True)
    return out


@pytest.fixture(scope="module")
def loaded(city: Path, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    pipeline = new_pipeline()
    folders = {dataset.replace(".", "/") for dataset in DATASETS}
    files = (path for path in (city / "days").rglob("*") if path.is_file() and not path.name.endswith(".manifest.json"))
    walk(pipeline, sorted(f for f in files if f.parent.relative_to(f.parents[2]).as_posix() in folders))
    pipeline.refresh_marts()
    return pipeline


def test_every_delivery_is_loaded_and_its_rows_are_accounted_for(city: Path, loaded: Pipeline) -> None:
    assert_rows_are_accounted_for(city, loaded, DATASETS)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_history_table_equals_the_truth_row_by_row_and_column_by_column(
    city: Path, loaded: Pipeline, dataset: str
) -> None:
    contract = loaded.contracts[dataset]
    assert_table_is_true(city, loaded, f"{contract.schema}.{contract.table}")


def test_the_rejected_rows_are_exactly_the_planted_defects_and_each_names_its_column(
    city: Path, loaded: Pipeline
) -> None:
    assert_rejected_is_planted(city, loaded)
