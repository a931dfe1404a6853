"""Bring the database to what the contracts say: compared by Alembic, changed only by adding."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops
from sqlalchemy.dialects.postgresql import INTERVAL

from etl.contract import Contract
from etl.contract.city import city
from etl.settings import SQL
from etl.warehouse import persons, reference
from etl.warehouse.names import literal, named
from etl.warehouse.ops import lock_to_index
from etl.warehouse.tables import both, describe, schemas, table_name

# Sessions count the days of instants in the city's time zone, unless they ask for another.
_CITY_DAYS = """DO $$ BEGIN
IF pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
  EXECUTE format('ALTER DATABASE %%I SET timezone TO %%L', current_database(), {zone});
END IF; END $$"""


class MigrationRefused(Exception):
    """Changes that could lose data; the text holds the statements that a person would run."""


def migrate(engine: sa.Engine, contracts: Iterable[Contract]) -> list[str]:
    """Bring the database to what the contracts say, by adding only; the ledger's checks to what this module says.

    Returns:
        The statements that were applied to tables, in order; empty if there was nothing to do.

    Raises:
        MigrationRefused: if a difference could lose data, or the ledger has rows that break a check; then nothing was
            changed.
    """
    contracts = list(contracts)
    metadata = describe(contracts)
    with engine.begin() as connection:
        # Before the first migration there is no table to lock, and nobody else who may log in.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('citydw.migrate'))"))
        all_schemas = schemas(contracts)
        for schema, comment in all_schemas.items():
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {named(schema)}")
            connection.exec_driver_sql(f"COMMENT ON SCHEMA {named(schema)} IS {literal(comment)}")
        applied = _apply_additions(connection, metadata, all_schemas) + _align_checks(connection, metadata)
        for schema in sorted({contract.schema for contract in contracts}):
            _make_views(connection, schema, "\n".join(_current(c) for c in contracts if c.schema == schema))
        reference.fill(connection, metadata)
        _load_schedule(connection, metadata, contracts)
        connection.exec_driver_sql(_script("functions.sql"))
        _make_views(connection, "ops", _script("freshness.sql"))
        open_to_roles(connection, contracts)
    engine.dispose()  # for sessions that count days as the database now says
    return applied


def open_to_roles(connection: sa.Connection, contracts: Collection[Contract]) -> None:
    """Say who may what, and in which zone sessions count days: what PostgreSQL keeps of a database beside its tables.

    Args:
        connection: to a migrated database.
        contracts: whose schemas it has.
    """
    connection.exec_driver_sql(_CITY_DAYS.replace("{zone}", literal(city().time_zone)))
    names = ", ".join(literal(schema) for schema in schemas(contracts) if schema != persons.SCHEMA)
    connection.exec_driver_sql(_script("grants.sql").replace(":schemas", names))


def _script(name: str) -> str:
    """A script of `sql/`, for the driver."""
    statements = (SQL / name).read_text(encoding="utf-8").replace("%", "%%")
    return statements.replace(":zone", literal(city().time_zone))


def _current(contract: Contract) -> str:
    """The statements that make the view of a dataset's current rows."""
    view = f":views.{named(f'{contract.table}_current')}"
    said = literal(f"{both(contract.title)} (current rows)")
    return (
        f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {table_name(contract)} WHERE valid_to IS NULL;"
        f" COMMENT ON VIEW {view} IS {said};"
    )


def _make_views(connection: sa.Connection, schema: str, script: str) -> None:
    """Make the views of a schema and what is said of them, unless all are as they should be; then nothing is locked.

    To replace a view locks out its readers, and a mart reads several: it would hold one and wait for another, as we do.
    PostgreSQL keeps a query in its own words, so the wanted views are made in passing and compared in these words.

    Args:
        connection: of the migration.
        schema: that the views belong in.
        script: makes them in the schema `:views`.
    """
    connection.exec_driver_sql(script.replace(":views", "pg_temp"))
    query = sa.text(
        "SELECT string_agg(format('pg_temp.%I', relname), ', '), bool_and((pg_get_viewdef(v.oid),"
        " obj_description(v.oid, 'pg_class')) IS NOT DISTINCT FROM (pg_get_viewdef(there), obj_description(there,"
        " 'pg_class'))) FROM pg_class v CROSS JOIN to_regclass(format('%I.%I', CAST(:schema AS text), relname)) there"
        " WHERE relnamespace = pg_my_temp_schema() AND relkind = 'v'"
    )
    made, is_same = connection.execute(query, {"schema": schema}).one()
    connection.exec_driver_sql(f"DROP VIEW {made}")
    if not is_same:
        connection.exec_driver_sql(script.replace(":views", named(schema)))


def _apply_additions(connection: sa.Connection, metadata: sa.MetaData, schemas: Collection[str]) -> list[str]:
    # Of several schemas at once, Alembic asks PostgreSQL for the tables of all but one by themselves.
    steps = [step for schema in schemas for step in _steps(connection, metadata, schema)]
    refused = [step for step in steps if not _is_addition(step)]
    if refused:
        statements = "\n".join(f"  {_sql(step)}" for step in refused)
        raise MigrationRefused(
            "The contracts differ from the database in ways that could lose data. Nothing was changed. If you mean it, "
            f"run as a person and then migrate again:\n{statements}"
        )
    operations = Operations(MigrationContext.configure(connection))
    for step in steps:
        if isinstance(step, ops.CreateIndexOp):  # a first load may be about to make it
            lock_to_index(connection, named(*filter(None, (step.schema, step.table_name))))
            step.if_not_exists = True
        operations.invoke(step)
    return [_sql(step) for step in steps]


def _steps(connection: sa.Connection, metadata: sa.MetaData, schema: str) -> Iterator[ops.MigrateOperation]:
    """What makes the tables of a schema what `metadata` describes; tables that it does not describe are left alone."""

    def ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        return kind != "table" or (item.schema == schema and f"{schema}.{name}" in metadata.tables)

    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == schema,
            "include_object": ours,
            "target_metadata": metadata,
        },
    )
    return _flatten(produce_migrations(context, metadata).upgrade_ops)


def _align_checks(connection: sa.Connection, metadata: sa.MetaData) -> list[str]:
    """Replace the check constraints of `ops` that say something else than the code; Alembic does not compare them.

    PostgreSQL keeps a condition in its own words. So the wanted one is put on an empty table of the same columns, and
    the two are compared in these words.
    """
    applied = []
    for table in (t for t in metadata.sorted_tables if t.schema == "ops"):
        connection.execute(sa.text(f"CREATE TEMPORARY TABLE wanted (LIKE {table.fullname})"))
        for check in (c for c in table.constraints if isinstance(c, sa.CheckConstraint)):
            connection.execute(sa.text(f"ALTER TABLE wanted ADD CONSTRAINT {check.name} CHECK ({check.sqltext})"))
        wanted, there = _checks(connection, "wanted"), _checks(connection, table.fullname)
        connection.execute(sa.text("DROP TABLE wanted"))
        statements = [f"ALTER TABLE {table.fullname} DROP CONSTRAINT {name};" for name, _ in sorted(there - wanted)]
        statements += [f"ALTER TABLE {table.fullname} ADD CONSTRAINT {name} {d};" for name, d in sorted(wanted - there)]
        for statement in statements:
            try:
                connection.execute(sa.text(statement))
            except sa.exc.IntegrityError:  # its text holds the row
                raise MigrationRefused(
                    f"Rows of {table.fullname} do not keep to what the code says of them. Nothing was changed. Mend "
                    f"the rows and migrate again:\n  {statement}"
                ) from None
        applied += statements
    return applied


def _checks(connection: sa.Connection, table: str) -> set[tuple[str, str]]:
    """Name and definition of a table's check constraints."""
    found = connection.execute(
        sa.text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = CAST(:name AS regclass) AND contype = 'c'"
        ),
        {"name": table},
    )
    return {(name, definition) for name, definition in found}


def _flatten(container: ops.OpContainer | None) -> Iterator[ops.MigrateOperation]:
    for step in container.ops if container else []:
        if isinstance(step, ops.OpContainer):
            yield from _flatten(step)
        else:
            yield step


def _is_addition(step: ops.MigrateOperation) -> bool:
    match step:
        case ops.CreateTableOp() | ops.CreateIndexOp() | ops.CreateTableCommentOp() | ops.DropTableCommentOp():
            return True
        case ops.AddColumnOp():
            return bool(step.column.nullable) or step.column.server_default is not None
        case ops.AlterColumnOp():
            return step.modify_type is None and step.modify_nullable is None and step.modify_server_default is False
        case _:
            return False


def _sql(step: ops.MigrateOperation) -> str:
    """The statements of one step, as a person would type them."""
    written: list[str] = []
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": _Lines(written)}
    )
    Operations(context).invoke(step)
    return re.sub(r"\s+", " ", " ".join(written)).strip()


class _Lines:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> None:
        self._lines.append(text)

    def flush(self) -> None:
        """Nothing is buffered."""


def _load_schedule(connection: sa.Connection, metadata: sa.MetaData, contracts: Iterable[Contract]) -> None:
    table = metadata.tables["ops.schedule"]
    connection.execute(table.delete())
    for contract in contracts:
        if contract.frequency is None:
            continue
        lengths = {"frequency": contract.frequency, "latency": contract.latency}  # to PostgreSQL, 1m is a minute
        values = {name: sa.cast(length.replace("m", " months"), INTERVAL) for name, length in lengths.items()}
        is_unit = contract.part is not None and contract.column(contract.part).semantic_type == "ward"
        part = {"part": contract.part, "part_is_unit": is_unit}
        connection.execute(table.insert().values(dataset=contract.id, **values, **part))
