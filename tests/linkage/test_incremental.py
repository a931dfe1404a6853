"""Linking what changed gives the same as linking all anew: the same rows in every table, whatever a day brings."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl.linkage import memory, persons, probable
from etl.linkage.number import RECORD
from simulate.identity import seen
from tests.linkage.rows import LINKAGE, NO_DECISIONS, as_records, learnt

DAYS = 4


@pytest.fixture(scope="module")
def city() -> pl.DataFrame:
    """Records of 800 persons in eight agencies' rows; many lack an id or say a wrong one."""
    return as_records(seen(11, 800, date(2026, 3, 2), missing_id=0.5, wrong_id=0.05))


@pytest.fixture(scope="module")
def model(city: pl.DataFrame) -> dict[str, object]:
    return learnt(city)


def linked(
    records: pl.DataFrame, model: dict[str, object], before: memory.Compared | None
) -> tuple[persons.Linked, memory.Compared]:
    kept = []

    def compare(grouped: pl.DataFrame) -> persons.Probable:
        found, compared = probable.found(grouped, LINKAGE, model, before)
        kept.append(compared)
        return found

    return persons.linked(records, LINKAGE, NO_DECISIONS, b"secret", compare), kept[0]


def changed(records: pl.DataFrame, chance: random.Random) -> pl.DataFrame:
    """Some rows as another row says: other names, births, wards, phones, and ids that are another's or none."""
    rows = records.with_row_index("at")
    of = pl.Series(chance.choices(range(records.height), k=records.height))
    for fields in (["name"], ["birth", "birth_precision"], ["ward"], ["phone"], ["personal_id"]):
        is_new = pl.Series([chance.random() < 0.01 for _ in range(records.height)])
        said = records.select(fields)[of]
        rows = rows.with_columns(
            pl.when(is_new).then(said[name]).otherwise(pl.col(name)).alias(name) for name in fields
        )
    return rows.drop("at")


def test_a_day_linked_by_what_changed_is_as_all_linked_anew(
    city: pl.DataFrame, model: dict[str, object], tmp_path: Path
) -> None:
    """Days on which records come late, are corrected, are withdrawn, and come back."""
    chance, all_ = random.Random(1), city
    way = probable.way(LINKAGE, model)
    links: set[tuple[object, ...]] = set()
    for day in range(DAYS):
        all_ = changed(all_, chance) if day else all_
        is_there = pl.Series([chance.random() < 0.9 for _ in range(all_.height)])
        records = all_.filter(is_there) if day != 2 else all_.filter(pl.col("trust") > 0)  # the register is withdrawn
        anew, _ = linked(records, model, None)
        by_change, compared = linked(records, model, memory.read(tmp_path, way))
        memory.write(tmp_path, way, compared)
        assert_frame_equal(by_change.records, anew.records, check_exact=True)
        assert_frame_equal(by_change.review, anew.review, check_exact=True, check_row_order=False)
        now = set(anew.records.filter(pl.col("reason") == "probable").select(*RECORD, "probability").rows())
        assert now != links, "each day some are linked otherwise, or the days prove nothing"
        links = now


def test_many_are_compared_part_by_part_to_the_same_end(
    city: pl.DataFrame, model: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, compared = linked(city, model, None)
    monkeypatch.setattr(probable, "_PART", 100)
    in_parts, compared_in_parts = linked(city, model, None)
    assert compared.loose.height > 500
    assert_frame_equal(in_parts.records, at_once.records, check_exact=True)
    assert_frame_equal(compared_in_parts.loose, compared.loose, check_exact=True)


def test_what_was_compared_in_another_way_is_not_trusted(
    city: pl.DataFrame, model: dict[str, object], tmp_path: Path
) -> None:
    _, compared = linked(city.head(400), model, None)
    memory.write(tmp_path, probable.way(LINKAGE, model), compared)
    for other in (probable.way(LINKAGE, model | {"share_of_none": 0.5}), "", "another"):
        assert memory.read(tmp_path, other) is None
    file = next(tmp_path.rglob("*.zip"))
    assert file.stat().st_mode & 0o077 == 0, "it holds personal data"
    file.write_bytes(file.read_bytes()[:1000])
    assert memory.read(tmp_path, probable.way(LINKAGE, model)) is None
