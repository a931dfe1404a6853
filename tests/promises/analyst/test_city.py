"""A simulated city of 20,000 people over five days: what the warehouse holds is what is true, to the last cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from etl.pipeline.pipeline import Pipeline
from simulate import write_city
from tests.city import assert_rejected_is_planted, assert_table_is_true, walk

TABLES = [
    "people.births", "people.deaths", "people.marriages", "people.visits",
    "business.taxpayers", "business.declarations", "land.parcels", "land.permits",
]  # fmt: skip


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=20_000, days=5, seed=11)
    return out


@pytest.fixture(scope="module")
def loaded(city: Path, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    pipeline = new_pipeline()
    walk(pipeline, sorted(path for path in (city / "days").rglob("*") if path.is_file()))
    return pipeline


def test_every_delivery_is_loaded_and_its_rows_are_accounted_for(city: Path, loaded: Pipeline) -> None:
    counts = ["rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded"]
    entries = loaded.ledger.all()
    assert {e.state for e in entries} == {"loaded"}
    for entry in entries:
        assert entry.rows_in == sum(getattr(entry, name) for name in counts[1:])
    late = {"births_2026-03-03.csv", "taxpayers_2026-03-04.csv"}  # their keys have newer words when they arrive
    truth = {row["file"]: row for row in pl.read_parquet(city / "truth" / "deliveries.parquet").to_dicts()}
    assert len(truth) == len(entries)
    for entry in entries:
        expected = truth[f"{entry.dataset.replace('.', '/')}/{entry.file_name}"]
        names = counts[:3] if _after_or_at_a_late_one(entry, late) else counts
        assert {n: getattr(entry, n) for n in names} == {n: expected[n] for n in names}, entry.file_name


def _after_or_at_a_late_one(entry: dict, late: set[str]) -> bool:
    """Where files arrive out of order, what a file changed depends on what was there; the history does not."""
    return entry.dataset in ("civil.births", "tax.taxpayers") and entry.as_of.day >= 3


@pytest.mark.parametrize("table", TABLES)
def test_a_history_table_equals_the_truth_row_by_row_and_column_by_column(
    city: Path, loaded: Pipeline, table: str
) -> None:
    assert_table_is_true(city, loaded, table)


def test_the_rejected_rows_are_exactly_the_planted_defects_and_each_names_its_column(
    city: Path, loaded: Pipeline
) -> None:
    assert pl.read_parquet(city / "truth" / "defects.parquet")["kind"].n_unique() > 30
    assert_rejected_is_planted(city, loaded)


def test_what_was_received_stays_beside_what_was_made_of_it(loaded: Pipeline) -> None:
    entry = next(e for e in loaded.ledger.all("civil.births") if e.file_name == "births_2026-03-02.csv")
    delivery = loaded.storage.delivery("civil", "births", entry.delivery_id)
    raw = pl.read_parquet(str(loaded.storage.folder("raw", delivery) / "rows.parquet"))
    staged = pl.read_parquet(str(loaded.storage.folder("staging", delivery) / "rows.parquet"))
    both = staged.join(raw, on="_row", suffix="_raw")
    assert both.height == staged.height
    assert both.filter(pl.col("full_name") != pl.col("full_name_raw")).height > 0
    assert both["received.registration_date"].str.contains(r"^\d\d/\d\d/\d{4}$").all()
