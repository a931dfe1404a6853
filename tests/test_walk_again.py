"""A delivery may walk its stations again at any time: the table then is what today's rules make of the same bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.contract import load_all
from etl.pipeline import STATIONS, Pipeline, Station
from etl.settings import EXPECTATIONS

Send = Callable[..., dict[str, Any]]


@pytest.fixture
def loaded(pipeline: Pipeline, send: Send, clean_day: Path) -> dict[str, Any]:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    entry = send(pipeline, "tax/taxpayers", file.name, file.read_bytes())
    assert entry["state"] == "loaded"
    return entry


def table(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    with pipeline.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM business.taxpayers ORDER BY tax_code")]


@pytest.mark.parametrize("first", STATIONS)
def test_the_same_rules_make_the_same_table(pipeline: Pipeline, loaded: dict[str, Any], first: Station) -> None:
    before = table(pipeline)
    for _ in pipeline.walk(loaded["dataset"], loaded["delivery_id"], first):
        pass
    assert table(pipeline) == before
    again = pipeline.ledger.get(loaded["dataset"], loaded["delivery_id"])
    counts = ("state", "rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded")
    assert {c: again[c] for c in counts} == {c: loaded[c] for c in counts}


def test_a_stricter_rule_takes_rows_out_and_a_held_walk_leaves_the_table(
    pipeline: Pipeline, loaded: dict[str, Any], tmp_path: Path
) -> None:
    def walk_with(max_rejected: float) -> str:
        today = Pipeline(pipeline.settings, load_all(stricter(tmp_path / f"{max_rejected}", max_rejected)))
        for _ in today.walk(loaded["dataset"], loaded["delivery_id"]):
            pass
        return str(today.ledger.get(loaded["dataset"], loaded["delivery_id"])["state"])

    before = table(pipeline)
    with pipeline.engine.connect() as connection:
        with_one = connection.exec_driver_sql("SELECT count(registered_capital) FROM business.taxpayers").scalar_one()
    assert 0 < with_one < len(before) - 20
    assert walk_with(max_rejected=0.0) == "held"
    assert table(pipeline) == before
    assert walk_with(max_rejected=1.0) == "loaded"
    assert len(table(pipeline)) == with_one


def stricter(folder: Path, max_rejected: float) -> Path:
    """Contracts under which a taxpayer must have a capital."""
    shutil.copytree(EXPECTATIONS, folder)
    path = folder / "tax" / "taxpayers.yaml"
    head, name, tail = path.read_text("utf-8").partition("- name: registered_capital")
    head = head.replace(
        "customProperties:\n", f"customProperties:\n  - {{property: maxRejected, value: {max_rejected}}}\n", 1
    )
    tail = tail.replace("logicalType: integer", "logicalType: integer\n        required: true", 1)
    path.write_text(head + name + tail, "utf-8")
    return folder
