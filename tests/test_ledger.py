"""The ledger refuses what does not add up, whoever writes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.pipeline import Pipeline


@pytest.fixture
def loaded(pipeline: Pipeline, send: Callable[..., Any], clean_day: Path) -> Pipeline:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    entry = send(pipeline, "tax/taxpayers", file.name, file.read_bytes())
    assert entry.state == "loaded"
    return pipeline


@pytest.mark.parametrize(
    "falsehood",
    [
        "rows_in = rows_in + 1",
        "rejected = rejected - 1",
        "inserted = inserted + 1, unchanged = unchanged - 2",
        "superseded = NULL",
        "rows_in = NULL",
    ],
)
def test_a_row_that_does_not_add_up_is_refused(loaded: Pipeline, falsehood: str) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="every_row_is_accounted_for"), loaded.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE ops.delivery SET {falsehood}")


def test_a_true_row_passes(loaded: Pipeline) -> None:
    with loaded.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ops.delivery SET inserted = inserted - 1, unchanged = unchanged + 1")


def test_a_delivery_cannot_be_loaded_without_its_counts(loaded: Pipeline) -> None:
    empty = "INSERT INTO ops.delivery (dataset, delivery_id, revision, sha256, size_bytes, file_name, state)"
    with pytest.raises(sa.exc.IntegrityError, match="every_row_is_accounted_for"), loaded.engine.begin() as connection:
        connection.exec_driver_sql(f"{empty} VALUES ('a.b', 'c', 1, 'd', 1, 'e', 'loaded')")


def test_a_state_that_nobody_knows_is_refused(loaded: Pipeline) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="known_state"), loaded.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ops.delivery SET state = 'fine'")


def test_a_file_does_not_read_the_ledger_of_all_before_it(
    pipeline: Pipeline, send: Callable[..., Any], clean_day: Path
) -> None:
    with pipeline.engine.begin() as connection:  # ten files a day
        connection.exec_driver_sql(
            "INSERT INTO ops.delivery (dataset, delivery_id, as_of, revision, sha256, size_bytes, file_name, state,"
            " rows_in, rejected, duplicates, inserted, changed, unchanged, superseded, ended, loaded_at)"
            " SELECT 'health.visits', n::text, date '2020-01-01' + n / 10, 1, md5(n::text), 1, n::text, 'loaded',"
            " 1, 0, 0, 1, 0, 0, 0, 0, now() FROM generate_series(1, 10000) n"
        )
        connection.exec_driver_sql(
            "INSERT INTO ops.profile SELECT dataset, delivery_id, (as_of - date '2020-01-01')::text, 1, '[]'"
            " FROM ops.delivery"
        )
    with pipeline.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    file = next((clean_day / "health" / "visits").iterdir())
    before = rows_read_one_by_one(pipeline)
    entry = send(pipeline, "health/visits", file.name, file.read_bytes())
    assert entry.state == "loaded"
    assert entry.inserted > 0
    assert rows_read_one_by_one(pipeline) - before < 1000


def rows_read_one_by_one(pipeline: Pipeline) -> int:
    """How many rows of the deliveries and their profiles were ever read without an index."""
    pipeline.engine.dispose()
    with pipeline.engine.connect() as connection:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while connection.exec_driver_sql(others).scalar():  # PostgreSQL counts what they read when they are gone
            time.sleep(0.05)
        of_both = "relid IN ('ops.delivery'::regclass, 'ops.profile'::regclass)"
        read = f"SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE {of_both}"
        return int(connection.exec_driver_sql(read).scalar_one())
