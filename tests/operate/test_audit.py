"""The two laws as statements that a user can run, and what they find when somebody tampered."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.delivery.model import Delivery
from etl.operate.audit import verify
from etl.operate.replay import replay
from etl.pipeline.pipeline import Pipeline
from tests.city import audited

Send = Callable[..., Any]


@pytest.fixture
def loaded(pipeline: Pipeline, send: Send, clean_day: Path) -> tuple[Pipeline, Delivery]:
    for dataset in ("tax/taxpayers", "civil/births"):
        file = next((clean_day / dataset).iterdir())
        entry = send(pipeline, dataset, file.name, file.read_bytes() + b"a line that is no record\n")
        assert entry.state == "loaded"
        assert entry.rejected > 0
    assert audited(pipeline) == []
    return pipeline, pipeline.storage.delivery("civil", "births", entry.delivery_id)


def found(pipeline: Pipeline, delivery: Delivery) -> set[str]:
    """The zones in which the audit finds something, all of it on that delivery."""
    findings = audited(pipeline)
    assert {finding.delivery for finding in findings} <= {f"civil.births/{delivery.id}", "civil.births"}
    return {finding.zone for finding in findings}


def change(path: Path, into: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    into(pl.read_parquet(path)).write_parquet(path)


def without_last(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.head(-1)


@pytest.mark.parametrize(
    ("zone", "file", "into", "where"),
    [
        ("raw", "rows.parquet", without_last, {"raw"}),
        ("validated", "accepted.parquet", without_last, {"validated", "staging"}),
        ("validated", "problems.parquet", without_last, {"ledger"}),
        ("staging", "rows.parquet", without_last, {"staging", "warehouse"}),
        ("staging", "rows.parquet", lambda rows: rows.with_columns(full_name=pl.lit("X")), {"warehouse"}),
    ],
)
def test_tampering_with_a_zone_is_found(
    loaded: tuple[Pipeline, Delivery],
    zone: Any,
    file: str,
    into: Callable[[pl.DataFrame], pl.DataFrame],
    where: set[str],
) -> None:
    pipeline, delivery = loaded
    change(Path(pipeline.storage.folder(zone, delivery)) / file, into)
    assert found(pipeline, delivery) >= where


def test_tampering_with_landing_is_found(loaded: tuple[Pipeline, Delivery]) -> None:
    pipeline, delivery = loaded
    content = Path(pipeline.storage.content(delivery))
    as_sent = content.read_bytes()
    content.chmod(0o644)
    content.write_bytes(as_sent[:-1] + b"?")
    assert found(pipeline, delivery) == {"landing"}
    content.unlink()
    assert [f.text for f in verify(pipeline.ledger, pipeline.storage)] == ["content.csv is missing"]
    content.write_bytes(as_sent)
    assert list(verify(pipeline.ledger, pipeline.storage)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE people.births SET full_name = 'X' WHERE ctid = (SELECT min(ctid) FROM people.births)",
        "DELETE FROM people.births WHERE ctid = (SELECT min(ctid) FROM people.births)",
        "UPDATE people.births SET valid_to = '2030-01-01' WHERE ctid = (SELECT min(ctid) FROM people.births)",
    ],
)
def test_tampering_with_the_warehouse_is_found_and_mended_by_a_swap(
    loaded: tuple[Pipeline, Delivery], statement: str
) -> None:
    pipeline, delivery = loaded
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    assert found(pipeline, delivery) == {"warehouse"}
    assert not replay(pipeline.ledger, pipeline.storage, pipeline.contracts["civil.births"]).is_equal
    assert not replay(pipeline.ledger, pipeline.storage, pipeline.contracts["civil.births"], swap=True).is_equal
    assert replay(pipeline.ledger, pipeline.storage, pipeline.contracts["civil.births"]).is_equal
    assert audited(pipeline) == []


def test_tampering_with_the_ledger_is_found(loaded: tuple[Pipeline, Delivery]) -> None:
    pipeline, delivery = loaded
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE ops.delivery SET rejected = rejected + 1, inserted = inserted - 1 WHERE dataset = 'civil.births'"
        )
    assert found(pipeline, delivery) == {"validated", "staging"}
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ops.delivery WHERE dataset = 'civil.births'")
    assert [(f.delivery, f.zone) for f in verify(pipeline.ledger, pipeline.storage)] == [
        (f"civil.births/{delivery.id}", "ledger")
    ]


def test_staging_that_is_gone_is_named_and_can_be_made_again(loaded: tuple[Pipeline, Delivery]) -> None:
    pipeline, delivery = loaded
    shutil.rmtree(Path(pipeline.storage.folder("staging", delivery)))
    assert found(pipeline, delivery) == {"staging"}
    for _ in pipeline.walk("civil.births", delivery.id):
        pass
    assert audited(pipeline) == []
