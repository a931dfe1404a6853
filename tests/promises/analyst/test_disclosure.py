"""No mart that analysts read shows a cell built on few persons, nor gives one away by a total."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive
from etl.warehouse import marts
from etl.warehouse.disclosure import Cells, hidden
from etl.warehouse.mart import Mart, MartError, all_marts
from simulate import write_city
from tests.city import MARTS, assert_mart_shows_what_it_may

COUNTS = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from("xyz"), st.integers(0, 15)),
    max_size=9,
    unique_by=lambda cell: cell[:2],
)
CELLS = Cells(columns=["n"], persons="n", at_least=5, margins=[["a"], ["b"]])


@given(COUNTS)
def test_few_are_hidden_and_never_alone(cells: list[tuple[str, str, int]]) -> None:
    table = pl.DataFrame(cells, {"a": pl.String, "b": pl.String, "n": pl.Int64}, orient="row")
    table = table.with_columns(hidden(table, CELLS))
    assert table.filter((pl.col("n") > 0) & (pl.col("n") < 5) & ~pl.col("hidden")).is_empty()
    assert table.filter((pl.col("n") == 0) & pl.col("hidden")).is_empty()
    for margin in CELLS.margins:
        counted = pl.col("n") > 0
        alone = table.group_by(margin).agg(hidden=pl.col("hidden").sum(), shown=(counted & ~pl.col("hidden")).sum())
        assert alone.filter((pl.col("hidden") == 1) & (pl.col("shown") > 0)).is_empty()


def test_one_who_dominates_is_hidden() -> None:
    table = pl.DataFrame({"trade": ["a", "b", "c"], "taxpayers": [40, 40, 40], "share": [0.81, 0.2, 0.3]})
    cells = Cells(columns=["tax"], persons="taxpayers", at_least=3, share="share")
    assert hidden(table, cells).to_list() == [True, True, False]  # and one more, for the total would give it back


@pytest.fixture(scope="module")
def town(new_pipeline: Callable[..., Pipeline], tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    out = tmp_path_factory.mktemp("town")
    write_city(out, people=4_000, days=2, seed=11)
    pipeline = new_pipeline()
    for file in sorted(path for path in (out / "days").rglob("*") if path.is_file()):
        received = receive(pipeline, UPath(file), (file.parts[-3], file.parts[-2]))
        list(pipeline.walk(received.dataset, received.delivery_id))
    marts.refresh(pipeline.engine)
    return pipeline


def read(pipeline: Pipeline, sql: str) -> pl.DataFrame:
    with pipeline.engine.connect() as connection:
        return pl.read_database(sql, connection)


@pytest.mark.parametrize("mart", [mart for mart in all_marts() if mart.name in MARTS], ids=lambda mart: mart.name)
def test_each_mart_shows_what_it_may(town: Pipeline, mart: Mart) -> None:
    assert_mart_shows_what_it_may(town, mart)


def test_analysts_may_read_marts_and_reference_data_alone(town: Pipeline) -> None:
    granted = read(
        town,
        "SELECT DISTINCT table_schema AS schema FROM information_schema.role_table_grants"
        " WHERE grantee IN ('citydw_analyst', 'PUBLIC') AND table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    assert sorted(granted["schema"]) == ["mart", "ref"]


def test_a_mart_that_declares_nothing_is_refused(tmp_path: Path) -> None:
    path: Any = tmp_path / "marts" / "open.sql"
    with pytest.raises(MartError, match=r"open\.sql: its first comment must declare `cells`"):
        _ = Mart(path, "CREATE MATERIALIZED VIEW open AS SELECT 1").cells
