"""`citydw migrate` adds what is missing and refuses what could lose data, with the statement a person would run."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from etl.contract import load_all
from etl.load import LoadFault, first
from etl.pipeline.pipeline import Pipeline
from etl.settings import EXPECTATIONS
from etl.warehouse.migrate import MigrationRefused, migrate
from etl.warehouse.tables import history_table

COLUMN = """
      - name: fax
        physicalName: so_fax
        businessName: Số fax
        description: Số fax. / Fax number.
        logicalType: string
        classification: basic
        examples: ["02839301234"]
"""


def changed(tmp_path: Path, change: Callable[[str], str], dataset: str = "tax/taxpayers") -> list[Any]:
    folder = tmp_path / "expectations"
    shutil.copytree(EXPECTATIONS, folder)
    path = folder / f"{dataset}.yaml"
    after = change(path.read_text("utf-8"))
    assert after != path.read_text("utf-8")
    path.write_text(after, "utf-8")
    return list(load_all(folder).values())


def columns(pipeline: Pipeline) -> list[tuple[str, ...]]:
    with pipeline.engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT table_name, column_name, data_type, numeric_precision FROM information_schema.columns"
            " WHERE table_schema IN ('business', 'land') ORDER BY 1, 2"
        )
        return [tuple(row) for row in found]


def test_a_second_migration_finds_nothing_to_do(pipeline: Pipeline) -> None:
    assert migrate(pipeline.engine, pipeline.contracts.values()) == []


def test_code_lists_are_written_where_they_say_something_else_than_the_files(pipeline: Pipeline) -> None:
    tables = ("ward", "ward_link", "code", "code_period", "code_bridge", "icd10_chapter", "vsic_section")

    def written() -> dict[str, set[Any]]:
        """Each row with the transaction that wrote it."""
        with pipeline.engine.connect() as connection:
            return {
                name: {
                    tuple(row) for row in connection.exec_driver_sql(f"SELECT xmin::text, r::text FROM ref.{name} r")
                }
                for name in tables
            }

    before = written()
    assert all(before.values())
    migrate(pipeline.engine, pipeline.contracts.values())
    assert written() == before
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ref.code SET name_vi = 'khác' WHERE list = 'sex' AND code = '1'")
        connection.exec_driver_sql(
            "DELETE FROM ref.ward_link WHERE old_code = (SELECT min(old_code) FROM ref.ward_link)"
        )
        connection.exec_driver_sql("INSERT INTO ref.vsic_section SELECT '2099', section, first_division, last_division,"
                                   " name_vi, name_en, valid_from, valid_to FROM ref.vsic_section LIMIT 1")  # fmt: skip
    migrate(pipeline.engine, pipeline.contracts.values())
    after = written()
    assert {name for name in tables if after[name] != before[name]} == {"code", "ward_link", "vsic_section"}
    assert {name: {row for _, row in rows} for name, rows in after.items()} == {
        name: {row for _, row in rows} for name, rows in before.items()
    }


def test_a_migration_that_changes_nothing_waits_for_no_reader_and_no_mart_in_the_making(pipeline: Pipeline) -> None:
    """Both held one table and waited for the other's: PostgreSQL then ended one of them, often the mart."""
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("CREATE MATERIALIZED VIEW mart.one AS SELECT 1 AS n")
    migrate(pipeline.engine, pipeline.contracts.values())
    impatient = sa.create_engine(pipeline.engine.url, connect_args={"options": "-c lock_timeout=1s"})
    with pipeline.engine.begin() as other:
        views = other.exec_driver_sql("SELECT schemaname, viewname FROM pg_views WHERE viewowner = current_user").all()
        for view in views:
            other.exec_driver_sql("SELECT FROM {}.{} LIMIT 0".format(*view))
        other.exec_driver_sql("REFRESH MATERIALIZED VIEW mart.one")
        assert migrate(impatient, pipeline.contracts.values()) == []
    assert len(views) > len(pipeline.contracts)


def test_a_view_that_says_something_else_and_a_privilege_that_is_gone_are_put_right(pipeline: Pipeline) -> None:
    asked = (
        "SELECT viewname, definition,"
        " has_table_privilege('citydw_reader', format('%I.%I', schemaname, viewname), 'SELECT') FROM pg_views"
        " WHERE (schemaname, viewname) IN (('ops', 'freshness'), ('people', 'births_current')) ORDER BY 1"
    )
    with pipeline.engine.begin() as connection:
        right = connection.execute(sa.text(asked)).all()
        connection.exec_driver_sql("CREATE OR REPLACE VIEW people.births_current AS SELECT * FROM people.births")
        connection.exec_driver_sql("DROP VIEW ops.freshness")
        connection.exec_driver_sql("CREATE VIEW ops.freshness AS SELECT 1 AS n")
        connection.exec_driver_sql("REVOKE SELECT ON people.births_current FROM citydw_reader")
        assert connection.execute(sa.text(asked)).all() != right
    assert migrate(pipeline.engine, pipeline.contracts.values()) == []
    with pipeline.engine.connect() as connection:
        assert connection.execute(sa.text(asked)).all() == right
    assert [may_read for _, _, may_read in right] == [True, True]


@pytest.mark.parametrize(
    "view", [None, "CREATE VIEW one AS SELECT v.* FROM people.visits v GROUP BY ma_lk, valid_from"]
)
def test_a_first_load_leaves_the_table_as_it_was_made(
    pipeline: Pipeline, send: Callable[..., Any], clean_day: Path, view: str | None
) -> None:
    def made() -> list[tuple[str, ...]]:
        with pipeline.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'people' UNION ALL"
                " SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conrelid = 'people.visits'::regclass ORDER BY 1, 2"
            )
            return [tuple(row) for row in found]

    if view:  # needs the primary key
        with pipeline.engine.begin() as connection:
            connection.exec_driver_sql(view)
    before = made()
    file = next((clean_day / "health" / "visits").iterdir())
    assert send(pipeline, "health/visits", file.name, file.read_bytes()).inserted
    assert made() == before
    assert len(before) > 2
    assert migrate(pipeline.engine, pipeline.contracts.values()) == []


def test_a_first_load_that_could_not_make_its_indexes_is_loaded_and_the_next_migration_makes_them(
    pipeline: Pipeline, send: Callable[..., Any], clean_day: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the disk is full, or the worker is killed, behind the commit."""
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$;"
            " CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION refuse()"
        )
    file = next((clean_day / "health" / "visits").iterdir())
    entry = send(pipeline, "health/visits", file.name, file.read_bytes())
    assert entry.state == "loaded"
    assert entry.inserted
    assert "health.visits: its indexes are missing until `citydw migrate` makes them" in caplog.text
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("DROP EVENT TRIGGER refuse")
    (made,) = migrate(pipeline.engine, pipeline.contracts.values())
    assert made.startswith("CREATE INDEX ")


def test_a_migration_beside_a_first_load_that_makes_its_indexes_waits_for_them(
    pipeline: Pipeline, send: Callable[..., Any], clean_day: Path
) -> None:
    """Both made the same index: the one that came second ended in an error."""
    file = next((clean_day / "health" / "visits").iterdir())
    assert send(pipeline, "health/visits", file.name, file.read_bytes()).inserted
    contract = pipeline.contracts["health.visits"]
    (index,) = history_table(contract, sa.MetaData()).indexes
    with pipeline.engine.begin() as connection:
        index.drop(connection)
    migrated: list[str] = []
    other = Thread(target=lambda: migrated.extend(migrate(pipeline.engine, pipeline.contracts.values())))
    with pipeline.engine.begin() as connection:
        first.make_indexes(connection, contract)
        other.start()
        waits = "SELECT count(*) FROM pg_locks WHERE relation = 'people.visits'::regclass AND NOT granted"
        while not connection.exec_driver_sql(waits).scalar_one():
            assert other.is_alive()
            time.sleep(0.05)
    other.join()
    (made,) = migrated
    assert str(index.name) in made
    assert migrate(pipeline.engine, pipeline.contracts.values()) == []


def test_a_new_column_is_added_and_kept_rows_have_null_there(
    pipeline: Pipeline, tmp_path: Path, send: Callable[..., Any], clean_day: Path
) -> None:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    loaded = send(pipeline, "tax/taxpayers", file.name, file.read_bytes()).inserted
    applied = migrate(pipeline.engine, changed(tmp_path, lambda text: text.rstrip() + COLUMN))
    assert applied == [
        "ALTER TABLE business.taxpayers ADD COLUMN fax TEXT; "
        "COMMENT ON COLUMN business.taxpayers.fax IS 'Số fax. / Fax number.';"
    ]
    with pipeline.engine.connect() as connection:
        rows, filled = connection.exec_driver_sql("SELECT count(*), count(fax) FROM business.taxpayers_current").one()
    assert (rows, filled) == (loaded, 0)
    assert loaded > 0


def test_an_old_ledgers_checks_become_todays(pipeline: Pipeline, send: Callable[..., Any], clean_day: Path) -> None:
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ops.delivery DROP CONSTRAINT every_row_is_accounted_for")
        connection.exec_driver_sql("ALTER TABLE ops.delivery DROP CONSTRAINT known_state")
        connection.exec_driver_sql(
            "ALTER TABLE ops.delivery ADD CONSTRAINT known_state CHECK (state IN ('received', 'extracted', 'validated',"
            " 'normalized', 'loaded', 'held', 'rejected')), ADD CONSTRAINT of_old CHECK (state <> 'withdrawn')"
        )
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    sent = send(pipeline, "tax/taxpayers", file.name, file.read_bytes())
    delivery = sent.dataset, sent.delivery_id
    with pytest.raises(LoadFault, match="CheckViolation"):
        pipeline.withdraw(*delivery, reason="the wrong month")
    applied = migrate(pipeline.engine, pipeline.contracts.values())
    assert [statement.split(" CHECK")[0] for statement in applied] == [
        "ALTER TABLE ops.delivery DROP CONSTRAINT known_state;",
        "ALTER TABLE ops.delivery DROP CONSTRAINT of_old;",
        "ALTER TABLE ops.delivery ADD CONSTRAINT every_row_is_accounted_for",
        "ALTER TABLE ops.delivery ADD CONSTRAINT known_state",
    ]
    assert pipeline.withdraw(*delivery, reason="the wrong month").state == "withdrawn"
    assert migrate(pipeline.engine, pipeline.contracts.values()) == []


def test_a_ledger_that_breaks_a_check_is_refused_whole(
    pipeline: Pipeline, tmp_path: Path, send: Callable[..., Any], clean_day: Path
) -> None:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    send(pipeline, "tax/taxpayers", file.name, file.read_bytes())
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ops.delivery DROP CONSTRAINT every_row_is_accounted_for")
        connection.exec_driver_sql("UPDATE ops.delivery SET rows_in = rows_in + 1")
    there = columns(pipeline)
    with pytest.raises(MigrationRefused, match=r"(?s)Rows of ops\.delivery .* ADD CONSTRAINT every_row_is"):
        migrate(pipeline.engine, changed(tmp_path, lambda text: text.rstrip() + COLUMN))
    assert columns(pipeline) == there, "nothing was applied, the addition neither"


def test_a_new_meaning_changes_the_comment(pipeline: Pipeline, tmp_path: Path) -> None:
    contracts = changed(tmp_path, lambda text: text.replace("Name of the taxpayer.", "Registered name."))
    assert any("Registered name." in statement for statement in migrate(pipeline.engine, contracts))


def test_a_new_title_is_that_of_the_view_too(pipeline: Pipeline, tmp_path: Path) -> None:
    migrate(
        pipeline.engine,
        changed(tmp_path, lambda text: re.sub("^name: .*", "name: Sổ thuế / Tax roll", text, flags=re.M)),
    )
    with pipeline.engine.connect() as connection:
        said = "SELECT obj_description(to_regclass('business.taxpayers_current'), 'pg_class')"
        assert connection.exec_driver_sql(said).scalar_one().startswith("Sổ thuế / Tax roll")


@pytest.mark.parametrize(
    ("dataset", "before", "after", "statement"),
    [
        (
            "tax/taxpayers",
            "      - name: phone\n",
            "      - name: telephone\n",
            "ALTER TABLE business.taxpayers DROP COLUMN phone;",
        ),
        (
            "land/parcels",
            'physicalType: "numeric(12,1)"',
            'physicalType: "numeric(8,1)"',
            "ALTER TABLE land.parcels ALTER COLUMN area_m2 TYPE NUMERIC(8, 1);",
        ),
    ],
)
def test_a_change_that_could_lose_data_is_refused_whole(
    pipeline: Pipeline, tmp_path: Path, dataset: str, before: str, after: str, statement: str
) -> None:
    there = columns(pipeline)
    contracts = changed(tmp_path, lambda text: text.replace(before, after), dataset)
    with pytest.raises(MigrationRefused) as refused:
        migrate(pipeline.engine, contracts)
    assert statement in str(refused.value)
    assert columns(pipeline) == there, "nothing was applied, the addition neither"


LOSS = {
    "tax/taxpayers": ("- name: phone\n", "- name: telephone\n"),
    "land/parcels": ('physicalType: "numeric(12,1)"', 'physicalType: "numeric(8,1)"'),
}


@pytest.mark.parametrize(("gains", "loses"), [[*LOSS], [*reversed(LOSS)]])
def test_what_one_schema_gains_is_not_applied_where_another_would_lose(
    pipeline: Pipeline, tmp_path: Path, gains: str, loses: str
) -> None:
    there = columns(pipeline)
    folder = tmp_path / "expectations"
    shutil.copytree(EXPECTATIONS, folder)
    more, fewer = folder / f"{gains}.yaml", folder / f"{loses}.yaml"
    more.write_text(
        re.sub(r"\n      - name: (?=phone|area_m2)", COLUMN + "      - name: ", more.read_text("utf-8")), "utf-8"
    )
    fewer.write_text(fewer.read_text("utf-8").replace(*LOSS[loses]), "utf-8")
    contracts = load_all(folder)
    assert not contracts.wrong and contracts[gains.replace("/", ".")].column("fax")
    with pytest.raises(MigrationRefused, match="ALTER TABLE"):
        migrate(pipeline.engine, contracts.values())
    assert columns(pipeline) == there
