"""A column that is counted otherwise than it is stored, and one that was called otherwise in former years."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl import site
from etl.contract import load
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import extract_bytes
from etl.pipeline.pipeline import Pipeline
from tests.contract.test_short_contract import write

CONTRACT = """\
customProperties: [{property: deliveryMode, value: snapshot}]
schema:
  - physicalName: business.budget
    properties:
      - {name: item, primaryKey: true}
      - name: amount
        physicalName: so_tien
        logicalType: integer
        customProperties:
          - {property: unit, value: {received: nghìn đồng, stored: đồng, factor: 1000}}
          - {property: sourceNames, value: [so_tien_nghin, Số tiền]}
      - name: area
        logicalType: number
        physicalType: numeric(9,3)
        customProperties: [{property: unit, value: {received: ha, stored: km², factor: 0.01}}]
"""


def test_what_is_stored_and_what_was_received_stand_side_by_side(
    tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any]
) -> None:
    write(tmp_path, "finance.budget", CONTRACT)
    pipeline = new_pipeline(tmp_path)
    sent = "item,so_tien,area\nroads,1500,12.345\nschools,,0.5\nbridges,9223372036854776,1\n"
    entry = send(pipeline, "finance/budget", "budget_2024-01-01.csv", sent.encode())
    assert (entry.state, entry.inserted, entry.rejected) == ("loaded", 2, 1), "what would be too large is sent back"
    with pipeline.engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT item, amount, amount_received, area, area_received FROM business.budget ORDER BY item")
        ).all()
        said = connection.execute(
            sa.text("SELECT col_description(t, 3), col_description(t, 2) FROM (SELECT 'business.budget'::regclass t) x")
        ).one()
    assert [tuple(row) for row in rows] == [
        ("roads", 1_500_000, 1500, Decimal("0.12345"), Decimal("12.345")),
        ("schools", None, None, Decimal("0.005"), Decimal("0.5")),
    ]
    assert "nghìn đồng" in said[0] and "(đồng)" in said[1]
    site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)

    named_before = "Số tiền,item,area\n1501,roads,12.345\n,schools,0.5\n"
    entry = send(pipeline, "finance/budget", "budget_2023-01-01.csv", named_before.encode())
    assert (entry.state, entry.rejected) == ("loaded", 0), entry.message_en
    with pipeline.engine.connect() as connection:
        history = connection.execute(
            sa.text("SELECT valid_from::text, amount FROM business.budget WHERE item = 'roads' ORDER BY 1")
        ).all()
    assert [tuple(row) for row in history] == [("2023-01-01", 1_501_000), ("2024-01-01", 1_500_000)]


@pytest.mark.parametrize("name", ["so_tien", "so_tien_nghin", "Số tiền"])
def test_each_of_its_names_is_the_column(tmp_path: Path, name: str) -> None:
    contract = load(write(tmp_path, "finance.budget", CONTRACT))
    rows, problems, _ = extract_bytes(f"item,{name},area\nroads,1500,1\n".encode(), contract)
    assert rows["amount"].to_list() == [1500] and problems.filter(problems[ROW].is_not_null()).is_empty()


def test_two_of_its_names_at_once_are_held(tmp_path: Path) -> None:
    contract = load(write(tmp_path, "finance.budget", CONTRACT))
    with pytest.raises(Stop, match="so_tien, so_tien_nghin"):
        extract_bytes(b"item,so_tien,so_tien_nghin,area\nroads,1500,1400,1\n", contract)
