"""What analysts see of a mart: a table in schema `mart`, without the cells that would tell of single persons."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from etl.contract import Text
from etl.contract.city import told
from etl.warehouse.copy import copy_rows
from etl.warehouse.disclosure import hidden
from etl.warehouse.mart import Mart
from etl.warehouse.names import literal, named

MARK = "mark"  # the column that says c (confidential) where a row of a mart hides something


def make_table(connection: sa.Connection, mart: Mart) -> None:
    """Make the empty table that analysts read."""
    table = f"mart.{mart.name}"
    connection.execute(sa.text(f"CREATE TABLE {table} (LIKE {mart.exact} INCLUDING COMMENTS)"))
    for name in _columns(connection, mart):
        if name.startswith("_"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {named(name)}")
    connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {MARK} text"))
    said = connection.execute(sa.text(f"SELECT obj_description('{mart.exact}'::regclass)")).scalar() or ""
    connection.exec_driver_sql(f"COMMENT ON TABLE {table} IS {literal(said)}")
    connection.exec_driver_sql(f"COMMENT ON COLUMN {table}.{MARK} IS {literal(told(_MARK_SAYS))}")


def show(connection: sa.Connection, mart: Mart) -> None:
    """Copy what may be shown of a mart into schema `mart`; nothing here waits for its readers."""
    table = f"mart.{mart.name}"
    connection.execute(sa.text(f"DELETE FROM {table}"))
    connection.exec_driver_sql(f"INSERT INTO {table} {what_may_be_shown(connection, mart)}")


def what_may_be_shown(connection: sa.Connection, mart: Mart) -> str:
    """A query for the rows of a mart that is made, without what may not be shown, and with MARK.

    It is of this transaction, for the query reads a temporary table.
    """
    shown = [name for name in _columns(connection, mart) if not name.startswith("_")]
    if not mart.cells:
        return f"SELECT {', '.join(map(named, shown))}, NULL AS {MARK} FROM {mart.exact}"
    flags = _hide(connection, mart)
    # What is built on persons whom nobody has counted is not known either.
    by_column = {
        name: f"{flag} OR {named(cells.persons)} IS NULL"
        for flag, cells in zip(flags, mart.cells, strict=True)
        for name in cells.columns
    }
    hiding = {
        name: f"CASE WHEN {when} THEN NULL ELSE {named(name)} END AS {named(name)}" for name, when in by_column.items()
    }
    values = [hiding.get(name, named(name)) for name in shown]
    return (
        f"SELECT {', '.join(values)}, CASE WHEN {' OR '.join(flags)} THEN 'c' END AS {MARK}"
        f" FROM {mart.exact} e JOIN hiding h ON h.place = e.ctid::text"
    )


def _hide(connection: sa.Connection, mart: Mart) -> list[str]:
    """Make a temporary table, `hiding`, of the cells that a row may not show; gives a column for each kind of cells."""
    counted = {name for cells in mart.cells for margin in cells.margins for name in margin}
    counted |= {name for cells in mart.cells for name in (cells.persons, cells.share) if name}
    select = ", ".join(["ctid::text AS place", *map(named, sorted(counted))])
    rows = pl.read_database(f"SELECT {select} FROM {mart.exact}", connection, infer_schema_length=None)
    flags = [hidden(rows, cells).alias(f"hides_{number}") for number, cells in enumerate(mart.cells)]
    connection.execute(
        sa.text(
            "CREATE TEMPORARY TABLE hiding ("
            + ", ".join(["place text PRIMARY KEY", *(f"{flag.name} boolean NOT NULL" for flag in flags)])
            + ") ON COMMIT DROP"
        )
    )
    copy_rows(connection, "hiding", [pl.DataFrame([rows["place"], *flags])])
    return [flag.name for flag in flags]


_MARK_SAYS = Text(
    "c: có ô để trống vì dựng trên quá ít người, hoặc để không tính ngược được ô như vậy",
    "c: something is empty, for it is built on too few persons or would give such a cell away",
)


def _columns(connection: sa.Connection, mart: Mart) -> list[str]:
    """Of the exact view, in its order."""
    found = connection.execute(
        sa.text(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0"
            " AND NOT attisdropped ORDER BY attnum"
        ),
        {"name": mart.exact},
    )
    return list(found.scalars())
