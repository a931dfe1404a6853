"""A dataset's first load: straight into the empty table, which has no index meanwhile.

An index made of a full table costs half as much as one that grows with it. Its key is there again before the load is
committed; the other indexes are made behind that, when others may read the rows already.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
import psycopg
import sqlalchemy as sa

from etl.contract import Contract
from etl.warehouse.copy import copy_rows
from etl.warehouse.names import named
from etl.warehouse.ops import lock_to_index
from etl.warehouse.tables import history_table, table_name


def fill(connection: sa.Connection, contract: Contract, versions: Iterable[pl.DataFrame]) -> int:
    """Write the first versions of all records; gives how many there were.

    Args:
        connection: of the load's transaction; `make_indexes` belongs in another one, behind it.
        contract: the dataset's.
        versions: some at a time, with the table's columns.
    """
    table = history_table(contract, sa.MetaData())
    for index in table.indexes:
        index.drop(connection, checkfirst=True)
    key = named(f"{contract.table}_pkey")  # as PostgreSQL names it
    is_dropped = _drop(connection, table_name(contract), key)
    count = copy_rows(connection, table_name(contract), versions)
    if is_dropped:
        columns = ", ".join(named(column.name) for column in table.primary_key)
        connection.exec_driver_sql(f"ALTER TABLE {table_name(contract)} ADD CONSTRAINT {key} PRIMARY KEY ({columns})")
    return count


def has_indexes(contract: Contract) -> bool:
    """Whether the dataset's table has indexes beside its key's."""
    return bool(history_table(contract, sa.MetaData()).indexes)


def make_indexes(connection: sa.Connection, contract: Contract) -> None:
    """Make the indexes that the table lacks; whoever reads it goes on, and so may a migration that misses them."""
    lock_to_index(connection, table_name(contract))
    for index in history_table(contract, sa.MetaData()).indexes:
        connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))


def _drop(connection: sa.Connection, table: str, key: str) -> bool:
    """Drop the primary key, unless a view needs it because it groups by the key."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.DependentObjectsStillExist):
            return False
        raise
    return True
