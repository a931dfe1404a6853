"""What makes a record without an id likelier a person's, or less so: how many have the name, who has a record."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from etl.linkage import explain, persons, probable
from simulate.identity import seen
from tests.linkage.rows import LINKAGE, NO_DECISIONS, as_records, learnt

FREQUENT, RARE = "Nguyễn Thị Hoa", "Khổng Thị Hoa"


@pytest.fixture(scope="module")
def city() -> pl.DataFrame:
    """Records of 6,000 persons without any number."""
    return as_records(seen(5, 6_000, date(2026, 3, 2), missing_id=1.0, wrong_id=0.0))


@pytest.fixture(scope="module")
def model(city: pl.DataFrame) -> dict[str, object]:
    return learnt(city)


def probabilities(city: pl.DataFrame, model: dict[str, object], *said: dict[str, object]) -> list[float | None]:
    """How probably each of some records is somebody's of the register; None if it is linked to nobody."""
    usual = {"name": RARE, "birth": date(1985, 3, 25), "birth_precision": "D", "sex": "2", "ward": "26740"}
    rows = as_records(pl.DataFrame([usual | {"key": f"told {n}"} | row for n, row in enumerate(said)]))
    records = pl.concat([city.filter("is_register"), rows])
    linked = persons.linked(
        records, LINKAGE, NO_DECISIONS, b"secret", lambda grouped: probable.found(grouped, LINKAGE, model)[0]
    )
    told = linked.records.filter(pl.col("key").str.starts_with("told")).sort("key")
    return [p if reason == "probable" else None for reason, p in told.select("reason", "probability").iter_rows()]


REGISTERED = {"dataset": "police.residents", "personal_id": "079185000017"}
MOVED = {"ward": "27154", "birth_precision": "Y", "birth": date(1985, 1, 1)}  # it may be the same person


def test_a_rare_name_says_more_than_one_that_many_have(city: pl.DataFrame, model: dict[str, object]) -> None:
    pairs = pl.DataFrame({f"name_{side}": [FREQUENT, RARE] for side in "lr"})
    lacking = {
        f"{field}_{side}": pl.Series([None, None], dtype=pl.Date if field == "birth" else pl.String)
        for field in (*LINKAGE.comparisons, "birth_precision")
        for side in "lr"
        if field != "name"
    }
    (frequent,), (rare,) = explain.weights(pairs.with_columns(**lacking), LINKAGE, model)
    assert (frequent.level, rare.level) == ("same", "same")
    assert rare.bits > frequent.bits + 2
    moved = {"dataset": "health.visits", **MOVED}
    (_, of_rare) = probabilities(city, model, REGISTERED, moved)
    (_, of_frequent) = probabilities(city, model, REGISTERED | {"name": FREQUENT}, moved | {"name": FREQUENT})
    assert of_rare and of_frequent and 4 * (1 - of_rare) < 1 - of_frequent


def test_who_has_a_record_where_one_is_the_rule_hardly_has_another(
    city: pl.DataFrame, model: dict[str, object]
) -> None:
    """One says what the register says, the other says another ward: both are theirs, unless there is one a person."""

    def two(dataset: str) -> list[float | None]:
        moved = {"dataset": dataset, **MOVED}
        return probabilities(city, model, REGISTERED, {"dataset": dataset}, moved)[1:]

    assert None not in two("health.visits")
    first, second = two("insurance.health_membership")
    assert first is not None and second is None


def test_a_record_that_an_id_links_counts_like_a_probable_one(city: pl.DataFrame, model: dict[str, object]) -> None:
    of_id = {"dataset": "insurance.health_membership", "personal_id": REGISTERED["personal_id"]}
    moved = {"dataset": of_id["dataset"], **MOVED}
    assert probabilities(city, model, REGISTERED, of_id, moved)[2] is None
    assert probabilities(city, model, REGISTERED, moved)[1] is not None
