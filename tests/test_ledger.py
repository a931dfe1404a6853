"""The ledger refuses what does not add up, whoever writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.pipeline import Pipeline


@pytest.fixture
def loaded(pipeline: Pipeline, send: Callable[..., dict[str, Any]], clean_day: Path) -> Pipeline:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    entry = send(pipeline, "tax/taxpayers", file.name, file.read_bytes())
    assert entry["state"] == "loaded"
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
