"""A mart as it would stand on a day of the past, by all that is known today: as for the figures of a year's last day.

Its statement, and those of what it reads, are run in a schema of its own, in which each history table has the versions
that had begun by the day, those that ended later being open, the ledger has the deliveries of the periods until then,
and today is that day. No mart says anything for that. Nothing of it stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from etl.contract import Contract
from etl.warehouse import statement
from etl.warehouse.mart import Mart, MartError, all_marts, all_overlaps, in_order
from etl.warehouse.names import literal, named
from etl.warehouse.overlaps import Overlap
from etl.warehouse.overlaps import refresh as refresh_overlap
from etl.warehouse.shown import what_may_be_shown
from etl.warehouse.statement import names
from etl.warehouse.tables import content_columns

_SCHEMA = "as_of"
_DELIVERIES = "ops.delivery"


def mart_as_of(engine: sa.Engine, contracts: Iterable[Contract], name: str, day: date) -> pl.DataFrame:
    """The rows of a mart as of a day, without the cells that would tell of single persons.

    Args:
        engine: of a migrated database; nothing is changed in it.
        contracts: of the tables that marts read.
        name: of the mart.
        day: the day.

    Raises:
        MartError: if there is no such mart.
    """
    marts = {mart.name: mart for mart in all_marts() if mart.is_for_analysts}
    if name not in marts:
        raise MartError(f"There is no mart {name!r}; there are {', '.join(sorted(marts))}.")
    histories = {f"{contract.schema}.{contract.table}": contract for contract in contracts}
    read = _read(marts[name])
    with engine.connect() as connection:  # rolled back in the end
        connection.execute(sa.text(f"CREATE SCHEMA {_SCHEMA}"))
        connection.execute(sa.text(f"SET LOCAL search_path TO {_SCHEMA}"))
        named_there = set[str]().union(*(names(one.statement) for one in read))
        moved = {one.exact: f"{_SCHEMA}.{one.exact.partition('.')[2]}" for one in read}
        for table in (_DELIVERIES, *histories):
            for view, query in _views(table, histories.get(table), day).items():
                if view in named_there:
                    moved[view] = named(_SCHEMA, view.replace(".", "__"))
                    connection.exec_driver_sql(f"CREATE VIEW {moved[view]} AS {query}")
        for one in read:
            _make(connection, one, moved, day)
        rows = what_may_be_shown(connection, replace(marts[name], path=Path(f"{_SCHEMA}.{name}.sql")))
        return pl.read_database(rows, connection, infer_schema_length=None)


def _read(mart: Mart) -> list[Mart | Overlap]:
    """The mart, and before it all that it reads, in the order in which they are made."""
    steps = in_order([*all_marts(), *all_overlaps()])
    return [step.one for step in steps if step.one.exact == mart.exact or mart.exact in step.readers]


def _views(table: str, contract: Contract | None, day: date) -> dict[str, str]:
    """What stands in the place of a table, and of its view of current rows."""
    on = literal(day.isoformat())
    if contract is None:
        return {table: f"SELECT * FROM {table} WHERE as_of <= {on}"}
    content = ", ".join(map(named, content_columns(contract)))
    is_over = f"valid_to <= {on}"
    rows = (
        f"SELECT {content}, valid_from, CASE WHEN {is_over} THEN valid_to END AS valid_to, opened_by,"
        f" CASE WHEN {is_over} THEN closed_by END AS closed_by FROM {table} WHERE valid_from <= {on}"
    )
    return {table: rows, f"{table}_current": f"SELECT * FROM ({rows}) v WHERE valid_to IS NULL"}


def _make(connection: sa.Connection, one: Mart | Overlap, moved: dict[str, str], day: date) -> None:
    def as_of(query: str) -> str:
        return statement.moved(query, moved, literal(day.isoformat()))

    if isinstance(one, Overlap):
        said = one.declared
        text = said.model_copy(update={"left": as_of(said.left), "right": as_of(said.right)}).model_dump_json()
        made = Overlap(Path(f"{_SCHEMA}.{one.exact.partition('.')[2]}.yaml"), text)
        refresh_overlap(connection, made, None, ())
    else:
        connection.exec_driver_sql(as_of(one.sql).replace("%", "%%"))
    connection.exec_driver_sql(f"ANALYZE {moved[one.exact]}")
