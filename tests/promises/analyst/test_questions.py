"""Every question on the page of the people has an answer, and the answer is what is true in the city.

The tables are filled from the truth itself: that files become these tables, other tests show.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from markdown_it import MarkdownIt
from polars.testing import assert_frame_equal

from etl.pipeline.pipeline import Pipeline
from etl.settings import PROJECT
from etl.warehouse import marts
from simulate import write_city
from simulate.answers import ANSWERS
from simulate.marts import Told, coverage_ward_quarter, people_ward_month
from tests.city import query

PAGE = PROJECT / "docs" / "questions-people.md"
BESIDE = ("business.taxpayers", "land.permits")  # tables that the people's questions name
START, DAYS = date(2026, 3, 25), 11  # the queries' days lie in them, and children become a month old


def questions() -> dict[str, str | None]:
    """The queries of the page by their headings; None where it has none."""
    tokens = MarkdownIt().parse(PAGE.read_text("utf-8"))
    found: dict[str, str | None] = {}
    for token, inside in pairwise([*tokens, tokens[-1]]):
        if token.type == "heading_open" and token.tag == "h3":
            found[inside.content] = None
        elif token.type == "fence" and token.info == "sql":
            found[list(found)[-1]] = token.content
    return found


QUERIES = questions()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=2_000, days=DAYS, seed=7, start=START, is_whole=True)
    files = pl.read_parquet(out / "truth" / "deliveries.parquet")["file"]
    return Told(out / "truth", sorted({".".join(name.split("/")[:2]) for name in files}))


def fill(connection: sa.Connection, table: str, rows: pl.DataFrame) -> None:
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {table} ({', '.join(rows.columns)}) FROM STDIN (FORMAT csv)") as copy:
        copy.write(rows.write_csv(include_header=False))


@pytest.fixture(scope="module")
def warehouse(told: Told, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    pipeline = new_pipeline()
    files = pl.read_parquet(told.truth / "deliveries.parquet")
    with pipeline.engine.begin() as connection:
        for table in (*(path.stem for path in sorted((told.truth / "tables").glob("people.*"))), *BESIDE):
            fill(connection, table, told.ever(table))
        for number, (file, as_of) in enumerate(files.select("file", "as_of").iter_rows()):
            agency, dataset, name = Path(file).parts
            connection.execute(
                sa.text(
                    "INSERT INTO ops.delivery (dataset, delivery_id, as_of, revision, sha256, size_bytes, file_name,"
                    " received_at, state, loaded_at, rows_in, rejected, duplicates, inserted, changed, unchanged,"
                    " superseded, ended)"
                    " VALUES (:d, :n, :a, :r, :n, 1, :f, now(), 'loaded', now(), 0, 0, 0, 0, 0, 0, 0, 0)"
                ),
                {"d": f"{agency}.{dataset}", "n": str(number), "a": as_of, "r": number + 1, "f": name},
            )
    marts.refresh(pipeline.engine)
    return pipeline


def test_the_page_has_all_questions_and_says_why_one_has_no_answer() -> None:
    assert len(QUERIES) == 27
    assert {name for name, sql in QUERIES.items() if sql} == set(ANSWERS)
    assert [name for name, sql in QUERIES.items() if sql is None] == ["Schools 3"]


def comparable(rows: pl.DataFrame) -> pl.DataFrame:
    """Numbers are numbers, whatever their type."""
    numbers = [name for name, kind in rows.schema.items() if kind.is_numeric()]
    return rows.with_columns(pl.col(numbers).cast(pl.Float64)).select(sorted(rows.columns)).sort(sorted(rows.columns))


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_what_is_true(told: Told, warehouse: Pipeline, name: str) -> None:
    sql = QUERIES[name]
    assert sql is not None
    truth = ANSWERS[name](told)
    found = query(warehouse, sql)
    nothing = [column for column, kind in found.schema.items() if kind == pl.Null]
    found = found.cast({column: truth.schema[column] for column in nothing})
    found, truth = comparable(found), comparable(truth)
    assert truth.height > 0
    rounded = {column: 0.051 for column in truth.columns if "percent" in column}
    rounded |= {"per_thousand": 0.051, "mean_amount": 0.51}
    assert_frame_equal(found.drop(rounded, strict=False), truth.drop(rounded, strict=False))
    for column in rounded.keys() & set(truth.columns):
        for one, other in zip(found[column], truth[column], strict=True):
            assert one == other or math.isclose(one, other, abs_tol=rounded[column])


@pytest.mark.parametrize("truth_of", [people_ward_month, coverage_ward_quarter], ids=lambda of: of.__name__)
def test_a_mart_of_several_weeks_equals_the_truth(
    told: Told, warehouse: Pipeline, truth_of: Callable[[Told], pl.DataFrame]
) -> None:
    truth = truth_of(told)
    found = query(warehouse, f"SELECT * FROM exact.{truth_of.__name__}").select(truth.columns)
    assert_frame_equal(found.cast(dict(truth.schema)).sort(found.columns), truth.sort(truth.columns))
    happened = {"people_ward_month": ["married", "visits", "moved_in", "moved_out", "deaths", "assisted"],
                "coverage_ward_quarter": ["newborns_due", "newborns_with_card", "aged_with_pension"]}  # fmt: skip
    for name in happened[truth_of.__name__]:
        assert truth[name].sum() > 0, name
