"""The people's agencies of a simulated city: what the warehouse holds is what is true, to the last cell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from etl.pipeline.pipeline import Pipeline
from simulate import write_city
from simulate.people_group import SENDERS
from tests.city import assert_rejected_is_planted, assert_table_is_true, walk

DATASETS = [sender.dataset for sender in SENDERS]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=4_000, days=3, seed=11, start=date(2026, 3, 30), is_whole=True)
    return out


@pytest.fixture(scope="module")
def loaded(city: Path, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    pipeline = new_pipeline()
    folders = {dataset.replace(".", "/") for dataset in DATASETS}
    files = (path for path in (city / "days").rglob("*") if path.is_file())
    walk(pipeline, sorted(f for f in files if f.parent.relative_to(f.parents[2]).as_posix() in folders))
    return pipeline


def test_every_delivery_is_loaded_and_its_rows_are_accounted_for(city: Path, loaded: Pipeline) -> None:
    counts = ["rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded"]
    truth = {row["file"]: row for row in pl.read_parquet(city / "truth" / "deliveries.parquet").to_dicts()}
    entries = loaded.ledger.all()
    assert {e.dataset for e in entries} == set(DATASETS)
    for entry in entries:
        assert entry.state == "loaded", (entry.file_name, entry.message_en)
        expected = truth[f"{entry.dataset.replace('.', '/')}/{entry.file_name}"]
        assert {n: getattr(entry, n) for n in counts} == {n: expected[n] for n in counts}, entry.file_name


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
