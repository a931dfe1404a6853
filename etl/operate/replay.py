"""Replay: a history table built anew from staging beside the live one, to compare them and, if asked, to replace it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from etl.contract import Contract
from etl.delivery.columns import PART
from etl.delivery.model import Place
from etl.delivery.state import State
from etl.delivery.storage import Storage
from etl.load import history, locked
from etl.load.staged import counted, snapshots, staged_assertions
from etl.warehouse.copy import copy_rows
from etl.warehouse.ledger import Ledger
from etl.warehouse.names import named
from etl.warehouse.tables import content_columns, key_columns, table_name
from etl.warehouse.timeline import loaded

SCHEMA = "replay"  # holds tables that were built anew, under the live ones' names


@dataclass(frozen=True)
class Replay:
    """How a history table differs from what staging says.

    Attributes:
        versions: rows of the table that was built anew.
        missing: rows that the live table lacks, by the delivery that opened them.
        surplus: rows that only the live table has, by the delivery that opened them.
        unheard: deliveries of whose rows not one is in the table, though nothing superseded them.
    """

    versions: int
    missing: dict[str, int]
    surplus: dict[str, int]
    unheard: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether the live table is what staging says."""
        return not self.missing and not self.surplus


def replay(ledger: Ledger, storage: Storage, contract: Contract, swap: bool = False) -> Replay:
    """Build `replay.<table>` from all deliveries that are in the live table, and compare the two.

    The new table stays for a closer look if the two differ and are not swapped.

    Args:
        ledger: knows the deliveries.
        storage: holds their staging.
        contract: the dataset's.
        swap: give the live table the rows of the new one, in the same transaction. Deliveries that were staged anew
            and wait to be loaded again are loaded by it.

    Raises:
        LoadFault: if PostgreSQL refused or was lost; then nothing was changed.
        FileNotFoundError: if staging lacks a delivery; it can walk again from `extract`.
    """
    live, anew = table_name(contract), named(SCHEMA, contract.table)
    content = content_columns(contract)
    columns = ", ".join(map(named, (*content, "valid_from", "valid_to", "opened_by", "closed_by")))
    with locked(ledger, contract) as connection:
        for statement in (
            f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
            f"DROP TABLE IF EXISTS {anew}",
            f"CREATE TABLE {anew} (LIKE {live} INCLUDING ALL)",
        ):
            connection.exec_driver_sql(statement)
        order = loaded(ledger.within(connection), contract.id)
        count = 0
        unheard: tuple[str, ...] = ()
        if order:
            said = staged_assertions(storage, contract, order)
            places = snapshots(storage, contract, order)
            versions = history.versions(said, key_columns(contract), content, places)
            copy_rows(connection, anew, [versions])
            unheard = _unheard(history.absent(said, versions, key_columns(contract)), said, order, contract, places)
            count = versions.height
        result = Replay(
            count,
            missing=_only_in(connection, anew, live, columns),
            surplus=_only_in(connection, live, anew, columns),
            unheard=unheard,
        )
        if swap and not result.is_equal:
            connection.exec_driver_sql(f"DELETE FROM {live}")
            connection.exec_driver_sql(f"INSERT INTO {live} ({columns}) SELECT {columns} FROM {anew}")
        if swap and order:
            _mark_loaded(ledger.within(connection), storage, contract, order, said)
        if swap or result.is_equal:
            connection.exec_driver_sql(f"DROP TABLE {anew}")
    return result


def _unheard(
    absent: pl.DataFrame,
    said: pl.DataFrame,
    order: Sequence[Place],
    contract: Contract,
    places: Sequence[history.Snapshot] | None,
) -> tuple[str, ...]:
    """The deliveries some of whose absent rows no later word on their period takes back."""
    key, found = key_columns(contract), []
    for position in absent[history.POSITION].unique().sort():
        mine = absent.filter(pl.col(history.POSITION) == position)
        place = order[position]
        later = [at for at, other in enumerate(order) if other.as_of == place.as_of and other.stated > place.stated]
        if places is None:
            theirs = said.filter(pl.col(history.POSITION).is_in(later))
            left = mine.join(theirs, on=key, how="anti", nulls_equal=True)
        else:
            spoken_for = [part for at in later for part in places[at].parts]
            left = mine.filter(~pl.col(PART).is_in(spoken_for))
        if left.height:
            found.append(place.delivery_id)
    return tuple(found)


def _mark_loaded(
    ledger: Ledger, storage: Storage, contract: Contract, order: Sequence[Place], said: pl.DataFrame
) -> None:
    """Tell the ledger of deliveries that were staged anew; they are counted as if all had come in the order of time."""
    key, content = key_columns(contract), content_columns(contract)
    effects = history.effects(said, key, content, snapshots(storage, contract, order))
    for position, (delivery_id, *_) in enumerate(order):
        if ledger.get(contract.id, delivery_id).state is State.NORMALIZED:
            delivery = storage.delivery(contract.agency, contract.dataset, delivery_id)
            mine = effects.filter(pl.col(history.POSITION) == position)
            ledger.merged(delivery, counted(storage, delivery, history.count(mine)), {})


def _only_in(connection: sa.Connection, one: str, other: str, columns: str) -> dict[str, int]:
    rows = connection.exec_driver_sql(
        "SELECT opened_by, count(*) AS versions FROM"
        f" (SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other}) d GROUP BY 1 ORDER BY 1"
    )
    return {row.opened_by: row.versions for row in rows}
