"""Rows without a key: each of equal rows is a record, and a row that comes again is the same one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.contract import load
from etl.datatypes.whole_row import hashes
from etl.pipeline.pipeline import Pipeline
from tests.contract.test_short_contract import write

CONTRACT = """\
customProperties: [{property: deliveryMode, value: %s}, {property: key, value: whole_row}]
schema:
  - physicalName: business.sales
    properties:
      - {name: sold_on, logicalType: date}
      - {name: place}
      - {name: price, logicalType: number}
"""
HEADER = "sold_on,place,price\n"
A, B, C, D = "2024-01-05,Thủ Đức,1.5\n", "2024-01-05,Thủ Đức,2\n", ",,3\n", '2024-01-06,"a,b",\n'
FILES = {"2024-01-01": A + A + B, "2024-02-01": A + C + D + D, "2024-03-01": B + A + A + A}


def sales(pipeline: Pipeline, where: str = "") -> Counter[Any]:
    with pipeline.engine.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT sold_on::text, place, price FROM business.sales {where}")).all()
    return Counter((day, place, None if price is None else float(price)) for day, place, price in rows)


def meant(text: str) -> Counter[Any]:
    lines = [line.replace('"a,b"', "a;b").split(",") for line in text.splitlines()]
    return Counter(
        (day or None, place.replace(";", ",") or None, float(price) if price else None) for day, place, price in lines
    )


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_whichever_order_they_arrive_in(
    tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any], mode: str
) -> None:
    write(tmp_path, "shops.sales", CONTRACT % mode)
    events = meant(FILES["2024-01-01"])
    for text in FILES.values():
        events |= meant(text)  # the most that one file has of each
    for order in [*permutations(FILES)][::2]:
        pipeline = new_pipeline(tmp_path)
        for day in order:
            entry = send(pipeline, "shops/sales", f"sales_{day}.csv", (HEADER + FILES[day]).encode())
            assert (entry.state, entry.rejected, entry.duplicates) == ("loaded", 0, 0), entry.message_en
        assert sales(pipeline, "WHERE valid_to IS NULL") == (
            events if mode == "append" else meant(FILES["2024-03-01"])
        ), order
        for day in FILES if mode == "snapshot" else ():
            on_the_day = f"WHERE valid_from <= '{day}' AND coalesce(valid_to > '{day}', true)"
            assert sales(pipeline, on_the_day) == meant(FILES[day])
        before = sales(pipeline)
        entry = send(pipeline, "shops/sales", "sales_2024-03-01_r2.csv", (HEADER + FILES["2024-03-01"]).encode())
        assert (entry.inserted, entry.changed, entry.ended) == (0, 0, 0) and sales(pipeline) == before


def test_no_two_rows_have_one_hash_by_how_they_are_put_together(tmp_path: Path) -> None:
    import polars as pl

    rows = [("a", "b"), ("a,1:b", None), ("", "ab"), ("ab", ""), (None, "ab"), ("ab", None), ("-", "-"), (None, None)]
    made = hashes(pl.DataFrame(rows, ["x", "y"], orient="row"))
    assert made.n_unique() == len(rows)
    assert hashes(pl.DataFrame({"x": ["a"], "y": ["b"]}))[0] == made[0]
    contract = load(write(tmp_path, "shops.sales", CONTRACT % "append"))
    assert contract.key == () and contract.has_whole_row_key
