"""A ward's numbers are carried across the reform of July 2025, and nobody is lost or counted twice on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest

from etl.pipeline.pipeline import Pipeline
from tests.city import query

BEFORE, REFORM = date(2025, 1, 1), date(2025, 7, 1)


@pytest.fixture(scope="module")
def city(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


def at(city: Pipeline, code: str | None, valid_from: date | None, day: date) -> list[tuple[object, ...]]:
    said = ", ".join("NULL" if value is None else f"'{value}'" for value in (code, valid_from, day))
    return sorted(query(city, f"SELECT * FROM ref.ward_at({said})").rows(), key=str)


def test_a_ward_that_went_into_one_is_that_one(city: Pipeline) -> None:
    assert at(city, "25744", BEFORE, REFORM) == [("25750", REFORM, 1.0, False)]
    assert at(city, "25744", BEFORE, date(2025, 6, 30)) == [("25744", BEFORE, 1.0, False)]


def test_a_ward_that_was_divided_is_shared_out_and_says_so(city: Pipeline) -> None:
    assert at(city, "25741", BEFORE, REFORM) == [("25747", REFORM, 0.5, True), ("25750", REFORM, 0.5, True)]


def test_what_leads_nowhere_stays_in_the_sum_under_no_code(city: Pipeline) -> None:
    for code, valid_from, day in (("99999", BEFORE, REFORM), (None, None, REFORM), ("25750", REFORM, BEFORE)):
        assert at(city, code, valid_from, day) == [(None, None, 1.0, True)]


def test_no_unit_is_lost_and_the_shares_of_each_are_one(city: Pipeline) -> None:
    shares = query(
        city,
        "SELECT w.code, w.valid_from, sum(a.share) AS share, bool_or(a.ambiguous) AS ambiguous, count(*) AS parts"
        " FROM ref.ward w CROSS JOIN LATERAL ref.ward_at(w.code, w.valid_from, '2026-03-02') a GROUP BY 1, 2",
    )
    assert shares.height == query(city, "SELECT * FROM ref.ward").height
    assert shares["share"].is_between(0.999999, 1.000001).all()
    assert (shares["ambiguous"] == (shares["parts"] > 1)).all()
    assert shares.filter(pl.col("ambiguous")).height > 20


def test_a_share_that_is_known_is_taken_and_parts_that_meet_again_are_one(city: Pipeline) -> None:
    with city.engine.connect() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ref.ward (code, valid_from, valid_to, name, kind, province_code, province) VALUES"
            " ('x', '2025-01-01', '2025-07-01', 'X', '', '', ''), ('y', '2025-07-01', '2026-07-01', 'Y', '', '', ''),"
            " ('z', '2025-07-01', '2026-07-01', 'Z', '', '', ''), ('xx', '2026-07-01', NULL, 'XX', '', '', '')"
        )
        connection.exec_driver_sql(
            "INSERT INTO ref.ward_link VALUES ('x', '2025-01-01', 'y', '2025-07-01', 2, 0.9),"
            " ('x', '2025-01-01', 'z', '2025-07-01', 2, 0.1),"
            " ('y', '2025-07-01', 'xx', '2026-07-01', 1, NULL), ('z', '2025-07-01', 'xx', '2026-07-01', 1, NULL)"
        )
        asked = "SELECT code, share, ambiguous FROM ref.ward_at('x', '2025-01-01', '{}') ORDER BY 1"
        found = {day: connection.exec_driver_sql(asked.format(day)).all() for day in ("2026-03-02", "2026-08-01")}
        connection.rollback()
    assert found["2026-03-02"] == [("y", 0.9, True), ("z", 0.1, True)]
    assert found["2026-08-01"] == [("xx", 1.0, False)]
