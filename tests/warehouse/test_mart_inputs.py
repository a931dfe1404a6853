"""A mart is made again when something that it is made of has changed, and only then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from etl.contract import load_all
from etl.load import locked
from etl.pipeline.pipeline import Pipeline
from etl.warehouse import marts
from etl.warehouse.inputs import Inputs
from etl.warehouse.mart import all_marts
from etl.warehouse.migrate import migrate
from tests.city import query, walk

OF_BIRTHS = {
    "mart.population_events_by_ward_month", "mart.people_ward_month", "mart.coverage_ward_quarter",
    "quality.newborns_not_resident", "link.person_span",
}  # fmt: skip


@pytest.fixture(scope="module")
def loaded(new_pipeline: Callable[..., Pipeline], clean_day: Path) -> Pipeline:
    pipeline = new_pipeline()
    for agency in ("civil", "tax"):
        walk(pipeline, sorted(path for path in (clean_day / agency).rglob("*") if path.is_file()))
    marts.refresh(pipeline.engine)
    return pipeline


def changed(pipeline: Pipeline) -> set[str]:
    return {mart.name for mart in marts.each_refreshed(pipeline.engine) if mart.has_changed}


def shown(pipeline: Pipeline) -> dict[str, list[str]]:
    names = [f"{'mart' if mart.is_for_analysts else mart.schema}.{mart.name}" for mart in all_marts()]
    return {name: sorted(map(str, query(pipeline, f"SELECT * FROM {name}").rows())) for name in names}


def births(pipeline: Pipeline) -> str:
    (entry,) = pipeline.ledger.all("civil.births")
    return entry.delivery_id


def test_nothing_is_made_again_for_nothing(loaded: Pipeline) -> None:
    assert changed(loaded) == set()
    made = [*marts.each_refreshed(loaded.engine, anew=True)]
    assert all(mart.has_changed for mart in made)
    assert [mart.number for mart in made] == [*range(1, made[-1].of + 1)]


def test_what_nothing_has_changed_for_costs_few_questions(loaded: Pipeline) -> None:
    """A statement names hundreds of columns of aliases: to ask of each what it is took longer than small files."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    sa.event.listen(loaded.engine, "before_cursor_execute", note)
    try:
        (*made,) = marts.each_refreshed(loaded.engine)
    finally:
        sa.event.remove(loaded.engine, "before_cursor_execute", note)
    assert len(asked) < 8 * len(made)


def test_a_delivery_that_goes_and_comes_changes_what_reads_it_and_nothing_else(loaded: Pipeline) -> None:
    before = shown(loaded)
    loaded.withdraw("civil.births", births(loaded), "a test")
    assert changed(loaded) == OF_BIRTHS
    without = shown(loaded)
    marts.refresh(loaded.engine, anew=True)
    assert shown(loaded) == without != before
    list(loaded.reinstate("civil.births", births(loaded), "after all"))
    assert changed(loaded) == OF_BIRTHS
    assert shown(loaded) == before


def test_a_change_by_hand_is_not_looked_for(loaded: Pipeline) -> None:
    """A history table is known by its loads: to read the rows of all of them would cost what it is to save."""
    with loaded.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE people.deaths SET full_name = upper(full_name)")
    assert changed(loaded) == set()


def test_a_load_that_is_lost_changes_nothing(loaded: Pipeline) -> None:
    with pytest.raises(KeyboardInterrupt), locked(loaded.ledger, loaded.contracts["civil.births"]) as connection:
        connection.exec_driver_sql("DELETE FROM people.births")
        raise KeyboardInterrupt
    assert changed(loaded) == set()


def test_a_list_of_codes_that_changes_changes_what_looks_it_up(loaded: Pipeline) -> None:
    rename = "UPDATE ref.ward SET name = name || ' (mới)' WHERE valid_to IS NULL"
    with loaded.engine.begin() as connection:
        connection.exec_driver_sql(rename)
    found = changed(loaded)
    assert {"mart.people_ward_month", "mart.permits_by_ward"} <= found
    assert "mart.tax_by_trade_month" not in found
    migrate(loaded.engine, load_all().values())  # it brings the lists back
    assert "mart.permits_by_ward" in changed(loaded)


def test_a_version_does_not_depend_on_what_was_looked_up_before(loaded: Pipeline) -> None:
    marts_of_all = all_marts()
    with loaded.engine.connect() as connection:
        one_by_one = [Inputs(connection).version(connection, m.made_of, m.statement) for m in marts_of_all]
        together = Inputs(connection)
        backwards = [together.version(connection, m.made_of, m.statement) for m in reversed(marts_of_all)]
    assert backwards[::-1] == one_by_one


@pytest.mark.parametrize(("name", "is_of_today"), [("land_parcel_today", True), ("budget_month", False)])
def test_what_is_about_today_is_made_again_tomorrow(loaded: Pipeline, name: str, is_of_today: bool) -> None:
    mart = next(mart for mart in all_marts() if mart.name == name)

    def version(zone: str) -> str:
        with loaded.engine.connect() as connection:
            connection.exec_driver_sql(f"SET LOCAL timezone TO '{zone}'")
            return Inputs(connection).version(connection, mart.made_of, mart.statement)

    a_day_apart = (version("Pacific/Kiritimati"), version("Pacific/Pago_Pago"))  # at any hour, by 25 of them
    assert (a_day_apart[0] != a_day_apart[1]) is is_of_today
