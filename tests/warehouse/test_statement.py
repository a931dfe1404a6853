"""A table is known in a mart's statement whichever way SQL lets it be spelt."""

from __future__ import annotations

import pytest

from etl.warehouse.statement import is_of_today, moved, names, texts

SPELLINGS = ("people.births", "PEOPLE.Births", '"people"."births"', 'people."births"', '"people" . births')


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_table_is_known_and_moved_whichever_way_it_is_spelt(spelling: str) -> None:
    statement = f"SELECT b.ward FROM {spelling} b JOIN land.parcels_current p ON p.ward = b.ward"
    assert {"people.births", "land.parcels_current"} <= names(statement)
    made = moved(statement, {"people.births": "as_of.x", "land.parcels_current": '"as_of"."y"'}, "'2026-03-02'")
    assert made == 'SELECT b.ward FROM as_of.x b JOIN "as_of"."y" p ON p.ward = b.ward'


def test_the_name_of_a_dataset_in_quotes_is_no_table() -> None:
    statement = "SELECT max(d.as_of) FROM ops.delivery d WHERE d.dataset IN ('land.parcels', 'civil.births')"
    assert texts(statement) == {"land.parcels", "civil.births"}
    assert not names(statement) & {"land.parcels", "civil.births"}
    assert moved(statement, {"land.parcels": "x.y", "ops.delivery": "x.z"}, "''") == statement.replace(
        "ops.delivery", "x.z"
    )


def test_what_a_mart_writes_into_a_cell_stays_as_it_is() -> None:
    """And an apostrophe in a comment begins no text."""
    statement = (
        "-- a ward's\nSELECT 'of people.births, current_date; it''s now()' AS said FROM people.births /* it's */"
    )
    made = moved(statement, {"people.births": "as_of.x"}, "'2026-03-02'")
    assert made == statement.replace("FROM people.births", "FROM as_of.x")


@pytest.mark.parametrize(
    "today", ["current_date", "CURRENT_DATE", "now()", "Now ( )", "current_timestamp", "localtimestamp"]
)
def test_the_day_and_the_time_are_seen_and_moved(today: str) -> None:
    statement = f"SELECT {today}, t.now_there, t.current_dates FROM people.births t"
    assert is_of_today(statement)
    made = moved(statement, {}, "'2026-03-02'")
    assert made in (
        statement.replace(f"{today},", f"{day},") for day in ("DATE '2026-03-02'", "(DATE '2026-03-02')::timestamptz")
    )
    assert not is_of_today("SELECT t.now_there, t.current_dates, t.known FROM people.births t")
