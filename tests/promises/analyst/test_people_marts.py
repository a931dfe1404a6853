"""The traps of the people's marts, each with the few persons who would fall into it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from etl.pipeline.pipeline import Pipeline
from etl.settings import PROJECT
from etl.warehouse import marts
from tests.city import query

# Wards of today and of before: 25744 went into 25750 alone, 25741 was divided.
NEW, MERGED, DIVIDED = ("25750", "2025-07-01"), ("25744", "2025-01-01"), ("25741", "2025-01-01")
FIRST = "2026-01-15"  # of all deliveries; the last is of 2026-04-10
DAILY = ("police.residents", "civil.births", "civil.deaths", "insurance.health_membership")


def put(connection: sa.Connection, table: str, **row: Any) -> None:
    """One row of a history; what is not said is null, or a dash where it must not be."""
    columns = sa.inspect(connection).get_columns(table, schema="people")
    said = {c["name"]: "-" for c in columns if not c["nullable"] and isinstance(c["type"], sa.Text)} | row
    said.setdefault("valid_from", FIRST)
    names, values = ", ".join(said), ", ".join(f":{name}" for name in said)
    connection.execute(sa.text(f"INSERT INTO people.{table} ({names}) VALUES ({values})"), said)


def person(connection: sa.Connection, number: int, ward: tuple[str, str], kind: str = "TT", **said: Any) -> None:
    row = {"birth_date": "1990-05-05", "registered_on": FIRST, "change_reason": "DVHC"} | said
    row |= {"ward": ward[0], "ward_valid_from": ward[1]}
    put(connection, "residents", personal_id=f"{number:012}", residence_kind=kind, **row)


def birth(connection: sa.Connection, number: int, born: str, registered: str, ward: tuple[str, str] = NEW) -> None:
    put(
        connection, "births", record_no=f"{number}", book_no="1", registration_ward=ward[0],
        registration_ward_valid_from=ward[1], registration_date=registered, birth_date=born,
        personal_id=f"{number:012}", valid_from=registered,
    )  # fmt: skip


def death(connection: sa.Connection, number: int, died_at: str, registered: str, **said: Any) -> None:
    put(
        connection, "deaths", record_no=f"{number}", book_no="1", registration_ward=NEW[0],
        registration_ward_valid_from=NEW[1], registration_date=registered, birth_date="1950-01-01",
        death_at=died_at, valid_from=registered, **({"personal_id": f"{number:012}"} | said),
    )  # fmt: skip


def card(connection: sa.Connection, number: int, told_on: str, since: str = "2026-01-01", paid_by: str = "GD") -> None:
    put(
        connection, "health_membership", card_no=f"{paid_by}{number:013}", personal_id=f"{number:012}", card_from=since,
        paid_by=paid_by, valid_from=told_on,
    )  # fmt: skip


def delivered(connection: sa.Connection, dataset: str, as_of: str) -> None:
    connection.exec_driver_sql(
        "INSERT INTO ops.delivery (dataset, delivery_id, as_of, revision, sha256, size_bytes, file_name,"
        " received_at, state, loaded_at, rows_in, rejected, duplicates, inserted, changed, unchanged,"
        f" superseded, ended) VALUES ('{dataset}', '{as_of}', '{as_of}', 1, '{dataset}{as_of}', 1, 'f',"
        " now(), 'loaded', now(), 0, 0, 0, 0, 0, 0, 0, 0)"
    )


@pytest.fixture(scope="module")
def city(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    pipeline = new_pipeline()
    with pipeline.engine.begin() as connection:
        for dataset in DAILY:
            for as_of in (FIRST, "2026-04-10"):
                delivered(connection, dataset, as_of)
        person(connection, 1, NEW)
        person(connection, 2, MERGED)
        person(connection, 3, DIVIDED)
        person(connection, 4, DIVIDED, "TT")  # permanent in one ward, and stays in another
        person(connection, 4, NEW, "TTR")
        person(connection, 5, NEW, valid_to="2026-02-10")  # moved out
        person(connection, 6, NEW, valid_to="2026-02-11")  # died
        death(connection, 6, "2026-02-11 10:00", "2026-03-20")
        person(connection, 7, NEW, valid_to="2026-02-12")  # married, corrected: stays where they are
        person(connection, 7, NEW, valid_from="2026-02-12", change_reason="DC")
        person(connection, 8, NEW, valid_from="2026-03-01", registered_on="2026-03-01", change_reason="DEN")
        birth(connection, 21, "2026-02-01", "2026-02-10")
        birth(connection, 22, "2026-02-02", "2026-04-08")  # registered on the 65th day
        birth(connection, 23, "2026-02-03", "2026-02-20")
        birth(connection, 24, "2025-05-01", "2025-05-10", DIVIDED)
        birth(connection, 25, "2025-05-02", "2025-05-11", MERGED)
        card(connection, 21, "2026-02-20")
        card(connection, 23, "2026-03-20")  # on the 45th day
        card(connection, 1, FIRST, paid_by="GD")  # two cards of one person
        card(connection, 1, FIRST, paid_by="LD")
        card(connection, 99, FIRST)  # of somebody who is no resident
    marts.refresh(pipeline.engine)
    return pipeline


def of_month(city: Pipeline, month: str, ward: str | None, measure: str) -> int | None:
    where = "ward IS NULL" if ward is None else f"ward = '{ward}'"
    sql = f"SELECT sum({measure})::bigint FROM exact.people_ward_month WHERE month = '{month}' AND {where}"
    return query(city, sql).item()  # type: ignore[no-any-return]


def test_a_person_is_counted_once_where_they_stay(city: Pipeline) -> None:
    assert of_month(city, "2026-01-01", NEW[0], "temporary") == 1
    assert of_month(city, "2026-01-01", DIVIDED[0], "permanent") == 1
    assert query(
        city, "SELECT sum(permanent + temporary)::bigint FROM exact.people_ward_month WHERE month = '2026-01-01'"
    ).item() == 7  # fmt: skip


def test_a_ward_is_carried_across_the_reform_only_where_it_went_into_one(city: Pipeline) -> None:
    wards = query(city, "SELECT DISTINCT ward, ward_valid_from::text FROM exact.people_ward_month").rows()
    assert set(wards) == {NEW, DIVIDED, (None, None)}


def test_the_analysts_example_of_a_series_across_the_reform_loses_nobody(city: Pipeline) -> None:
    page = (PROJECT / "docs" / "analyst.md").read_text("utf-8")
    (example,) = (block for block in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) if "ref.ward_at(" in block)
    rows = query(city, example.replace("mart.", "exact.")).cast({"births": pl.Float64, "certain": pl.Float64})
    assert rows["births"].sum() == 5
    in_may = rows.filter(pl.col("month") == date(2025, 5, 1)).select("code", "births", "certain").rows()
    assert set(in_may) == {("25747", 0.5, None), (NEW[0], 1.5, 1.0)}


def test_who_left_is_no_dead_and_no_corrected_row(city: Pipeline) -> None:
    assert of_month(city, "2026-02-01", NEW[0], "moved_out") == 1
    assert of_month(city, "2026-03-01", NEW[0], "moved_in") == 1
    assert of_month(city, "2026-01-01", NEW[0], "moved_in") == 0


def test_a_death_is_in_its_month_and_its_registration_in_another(city: Pipeline) -> None:
    assert [of_month(city, f"2026-0{m}-01", NEW[0], "deaths") for m in (1, 2, 3)] == [0, 1, 0]
    assert [of_month(city, f"2026-0{m}-01", NEW[0], "deaths_registered") for m in (1, 2, 3)] == [0, 0, 1]


def test_two_cards_are_one_insured_and_who_is_no_resident_is_not_lost(city: Pipeline) -> None:
    assert of_month(city, "2026-01-01", NEW[0], "insured_by_work") == 1
    assert of_month(city, "2026-01-01", NEW[0], "insured_by_household") == 0
    assert of_month(city, "2026-01-01", None, "insured_by_household") == 1


def test_months_say_what_they_lack_and_which_are_provisional(city: Pipeline) -> None:
    said = query(
        city, "SELECT DISTINCT month::text, state_on::text, is_provisional, inputs_lacking FROM exact.people_ward_month"
    )
    never = {"civil.marriages", "education.pupils", "health.records", "health.visits", "insurance.benefits",
             "insurance.contributions", "social.assistance"}  # fmt: skip
    found = {month: (state_on, late, set(lacking.split(";")) - never) for month, state_on, late, lacking in said.rows()}
    assert found == {
        "2026-01-01": ("2026-01-31", False, {"civil.births", "civil.deaths"}),
        "2026-02-01": ("2026-02-28", True, set()),
        "2026-03-01": ("2026-03-31", True, set()),
        "2026-04-01": ("2026-04-10", True, set()),
    }
    assert query(city, "SELECT count(pupils) FROM exact.people_ward_month").item() == 0


def test_newborns_are_counted_when_their_day_has_come(city: Pipeline) -> None:
    rows = query(
        city,
        "SELECT quarter::text, newborns_due, newborns_with_card, births_due, births_in_time, births_in_time_percent"
        f" FROM exact.coverage_ward_quarter WHERE ward = '{NEW[0]}' ORDER BY 1",
    ).rows()
    assert [row[:5] for row in rows] == [("2026-01-01", 3, 1, 0, 0), ("2026-04-01", 0, 0, 3, 2)]
    assert float(rows[1][5]) == 66.7


def test_a_share_is_of_residents_alone(city: Pipeline) -> None:
    (row,) = query(
        city,
        "SELECT residents, insured, insured_percent, at_school FROM exact.coverage_ward_quarter"
        f" WHERE ward = '{NEW[0]}' AND quarter = '2026-01-01'",
    ).rows()
    assert (row[0], row[1], float(row[2]), row[3]) == (5, 1, 20.0, None)


@pytest.fixture(scope="module")
def homes(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    """Persons whose spans are hard to tell, none of them linked."""
    pipeline = new_pipeline()
    with pipeline.engine.begin() as connection:
        delivered(connection, "police.residents", "2026-04-10")
        person(connection, 1, DIVIDED)  # permanent in one ward, and for a month in another
        person(connection, 1, NEW, "TTR", valid_from="2026-02-01", valid_to="2026-03-01")
        person(connection, 2, NEW, valid_to="2026-02-12")  # corrected: lives where they lived
        person(connection, 2, NEW, valid_from="2026-02-12", change_reason="DC", full_name="An")
        person(connection, 3, NEW)  # has died, and the register of residents does not know
        death(connection, 3, "2026-02-11 23:00", "2026-03-20")
        birth(connection, 4, "2026-02-01", "2026-02-10", DIVIDED)
        person(connection, 4, NEW, valid_from="2026-03-05", birth_date="2026-02-01")
        birth(connection, 5, "2019-02-01", "2026-02-10")  # registered seven years late
        person(connection, 6, NEW, valid_to="2026-02-10")  # moved out, and came back
        person(connection, 6, NEW, valid_from="2026-03-01", change_reason="DEN")
        person(connection, 7, NEW, valid_to="2026-02-20")  # has another id since
        person(connection, 8, NEW, valid_from="2026-02-20")
        death(connection, 9, "2026-03-01 08:00", "2026-03-02", personal_id=None)  # is person 6
        person(connection, 10, NEW, valid_to="2026-04-02", birth_date="1947-04-01")  # on that day clocks were changed
    marts.refresh(pipeline.engine)
    return pipeline


def spans(pipeline: Pipeline, number: int) -> list[tuple[Any, ...]]:
    """A person's spans by an id: first day, the day on which it had ended, ward or death."""
    return query(
        pipeline,
        "SELECT since::text, until::text, CASE WHEN alive THEN ward ELSE 'dead' END FROM link.person_span"
        f" WHERE person = (SELECT max(person) FROM link.person_span WHERE personal_id = '{number:012}')"
        " ORDER BY since",
    ).rows()


HOME, OLD = NEW[0], DIVIDED[0]


def test_a_person_is_in_one_home_at_a_time_and_the_dead_in_none(homes: Pipeline) -> None:
    assert spans(homes, 1) == [(FIRST, "2026-02-01", OLD), ("2026-02-01", "2026-03-01", HOME),
                               ("2026-03-01", None, OLD)]  # fmt: skip
    assert spans(homes, 2) == [(FIRST, None, HOME)]
    assert spans(homes, 3) == [(FIRST, "2026-02-11", HOME), ("2026-02-11", None, "dead")]
    assert spans(homes, 4) == [("2026-02-01", "2026-03-05", OLD), ("2026-03-05", None, HOME)]
    assert spans(homes, 5) == [("2026-02-10", None, HOME)]
    assert spans(homes, 6) == [(FIRST, "2026-02-10", HOME), ("2026-03-01", None, HOME)]
    assert query(homes, f"SELECT age FROM link.person_span WHERE personal_id = '{10:012}'").item() == 79


def test_ids_are_one_person_only_where_linkage_says_so(homes: Pipeline) -> None:
    assert spans(homes, 7) == [(FIRST, "2026-02-20", HOME)] and spans(homes, 8) == [("2026-02-20", None, HOME)]
    assert query(homes, "SELECT bool_or(is_linked) FROM link.person_span").item() is False
    linked = {
        "police.residents": {f"{6:012}|TT": "six", f"{7:012}|TT": "seven", f"{8:012}|TT": "seven"},
        "civil.deaths": {f"{NEW[0]}|{NEW[1]}|1|9": "six"},
    }
    with homes.engine.begin() as connection:
        for dataset, records in linked.items():
            for key, whose in records.items():
                connection.execute(
                    sa.text(
                        "INSERT INTO link.person_record (dataset, role, key, person, reason, probability, known_since)"
                        " VALUES (:dataset, '', :key, :whose, 'decided', 1, now())"
                    ),
                    {"dataset": dataset, "key": key, "whose": whose},
                )
    marts.refresh(homes.engine)
    assert spans(homes, 8) == [(FIRST, None, HOME)] and spans(homes, 7) == [], "the later id is shown"
    assert spans(homes, 6) == [(FIRST, "2026-02-10", HOME), ("2026-03-01", None, "dead")]
    assert spans(homes, 1)[0] == (FIRST, "2026-02-01", OLD), "who is not linked is there as before"


@pytest.mark.parametrize("role", ["citydw_analyst", "citydw_reader"])
def test_nobody_reads_it_but_the_role_that_may(homes: Pipeline, role: str) -> None:
    with homes.engine.connect() as connection:
        connection.execute(sa.text(f"SET ROLE {role}"))
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            connection.execute(sa.text("SELECT count(*) FROM link.person_span"))
        connection.rollback()
        connection.execute(sa.text("SET ROLE citydw_linkage"))
        assert connection.execute(sa.text("SELECT count(*) FROM link.person_span")).scalar_one() > 0
        for other in ("people.residents", "exact.people_ward_month", "mart.people_ward_month"):
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), connection.begin_nested():
                connection.execute(sa.text(f"SELECT count(*) FROM {other}"))
    granted = (
        "SELECT coalesce(g.rolname, 'PUBLIC') FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a"
        " LEFT JOIN pg_roles g ON g.oid = a.grantee"
        " WHERE c.oid = 'link.person_span'::regclass AND a.grantee <> c.relowner"
    )
    assert query(homes, granted).rows() == [("citydw_linkage",)]
