"""A delivery may walk its stations again at any time: the table then is what today's rules make of the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.contract import Contract, load_all
from etl.pipeline.pipeline import STATIONS, Pipeline
from tests.city import CONTRACTS, expectations_of

Send = Callable[..., Any]


def table(pipeline: Pipeline, name: str) -> list[tuple[Any, ...]]:
    with pipeline.engine.connect() as connection:
        return sorted(map(tuple, connection.exec_driver_sql(f"SELECT * FROM {name}")), key=str)


@pytest.fixture(scope="module")
def shared(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda c: c.id)
def test_the_same_rules_make_the_same_table(shared: Pipeline, send: Send, clean_day: Path, contract: Contract) -> None:
    name = f"{contract.schema}.{contract.table}"
    file = next((clean_day / contract.agency / contract.dataset).iterdir())
    loaded = send(shared, f"{contract.agency}/{contract.dataset}", file.name, file.read_bytes())
    before = table(shared, name)
    assert before
    counts = ("state", "rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded")
    for first in STATIONS:
        for _ in shared.walk(contract.id, loaded.delivery_id, first):
            pass
        assert table(shared, name) == before
        again = shared.ledger.get(contract.id, loaded.delivery_id)
        assert {c: getattr(again, c) for c in counts} == {c: getattr(loaded, c) for c in counts}


@pytest.mark.parametrize("name", ["taxpayers.csv", "taxpayers_2099-01-01.csv", "taxpayers_2026-03-02.html"])
def test_what_was_refused_when_it_came_is_refused_whoever_walks_it(
    shared: Pipeline, send: Send, clean_day: Path, name: str
) -> None:
    content = next((clean_day / "tax" / "taxpayers").iterdir()).read_bytes() + name.encode()
    refused = send(shared, "tax/taxpayers", name, content)
    before = table(shared, "business.taxpayers")
    for first in STATIONS[:2]:
        ends = [outcome.state for _, outcome in shared.walk(refused.dataset, refused.delivery_id, first)]
        assert ends == ["rejected", "rejected"]
    assert table(shared, "business.taxpayers") == before


@pytest.mark.parametrize("name", ["visits.xml", "visits_2026-03-02.html"])
def test_what_was_refused_does_not_get_in_by_a_withdrawal_that_is_taken_back(
    shared: Pipeline, send: Send, clean_day: Path, name: str
) -> None:
    content = next((clean_day / "health" / "visits").iterdir()).read_bytes() + name.encode()
    refused = send(shared, "health/visits", name, content)
    before = table(shared, "people.visits")
    assert shared.withdraw(refused.dataset, refused.delivery_id, "sent by mistake").state == "rejected"
    assert list(shared.reinstate(refused.dataset, refused.delivery_id, "after all")) == []
    again = shared.ledger.get(refused.dataset, refused.delivery_id)
    assert (again.state, again.rule) == ("rejected", refused.rule)
    assert table(shared, "people.visits") == before


def test_a_stricter_rule_takes_rows_out_and_a_held_walk_leaves_the_table(
    pipeline: Pipeline, send: Send, clean_day: Path, tmp_path: Path
) -> None:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    loaded = send(pipeline, "tax/taxpayers", file.name, file.read_bytes())

    def walk_with(max_rejected: float) -> str:
        today = Pipeline(pipeline.settings, load_all(stricter(tmp_path / f"{max_rejected}", max_rejected)))
        for _ in today.walk(loaded.dataset, loaded.delivery_id):
            pass
        return str(today.ledger.get(loaded.dataset, loaded.delivery_id).state)

    before = table(pipeline, "business.taxpayers")
    with pipeline.engine.connect() as connection:
        with_one = connection.exec_driver_sql("SELECT count(registered_capital) FROM business.taxpayers").scalar_one()
    assert 0 < with_one < len(before) - 20
    assert walk_with(max_rejected=0.0) == "held"
    assert table(pipeline, "business.taxpayers") == before
    assert walk_with(max_rejected=1.0) == "loaded"
    assert len(table(pipeline, "business.taxpayers")) == with_one


def stricter(folder: Path, max_rejected: float) -> Path:
    """Contracts under which a taxpayer must have a capital."""
    expectations_of(folder, "tax.taxpayers")
    path = folder / "tax" / "taxpayers.yaml"
    head, name, tail = path.read_text("utf-8").partition("- name: registered_capital")
    head = head.replace(
        "customProperties:\n", f"customProperties:\n  - {{property: maxRejected, value: {max_rejected}}}\n", 1
    )
    tail = tail.replace("logicalType: integer", "logicalType: integer\n        required: true", 1)
    path.write_text(head + name + tail, "utf-8")
    return folder
