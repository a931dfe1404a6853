"""Load: a delivery's staged rows become versions in the dataset's history table, in one transaction with the ledger.

The first delivery goes straight into the table, whose indexes but the key's are made when it is committed. One that is
the newest word on its records is merged with the current rows in SQL: the cost grows with the delivery; of a whole
snapshot, only what the one before did not say goes there. Any other (late, a revision, older by its sequence, loaded
before) has the histories of the records that it speaks of built anew from staging. All ways end in the same tables;
`etl.load.history` says which. A delivery that is withdrawn goes the last way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from etl.contract import Contract
from etl.delivery.model import Delivery
from etl.delivery.state import State
from etl.delivery.storage import Storage
from etl.load import first
from etl.load.merge import Loading
from etl.warehouse.decisions import decision
from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import lock, lock_to_write

log = logging.getLogger(__name__)


class LoadFault(RuntimeError):
    """PostgreSQL refused or was lost; nothing of the delivery is in the warehouse, and loading it again is safe."""


def load(ledger: Ledger, storage: Storage, delivery: Delivery, contract: Contract) -> dict[str, int] | None:
    """Merge one delivery into its history table and mark it loaded.

    Returns:
        What the ledger holds of it: rows_in, rejected, duplicates, inserted, changed, unchanged, superseded, ended;
        None if the delivery was withdrawn in the meantime.

    Raises:
        LoadFault: if PostgreSQL refused or was lost.
    """
    started = time.perf_counter()
    with locked(ledger, contract) as connection:
        known = ledger.within(connection)
        entry = known.get(contract.id, delivery.id)
        if entry.state is State.WITHDRAWN:
            return None
        loading = Loading(connection, known, storage, delivery, contract, is_reload=entry.loaded_at is not None)
        counts = loading.run()
        known.merged(delivery, counts, {"load": time.perf_counter() - started}, decision(known, delivery))
    if loading.has_filled and first.has_indexes(contract):
        _index(ledger, delivery, contract)
    return counts


def _index(ledger: Ledger, delivery: Delivery, contract: Contract) -> None:
    """Make the indexes of a table that was filled: behind the commit, for nobody needs them to read what is loaded.

    Where it fails the delivery is loaded all the same, and the next migration makes what it finds missing.
    """
    started = time.perf_counter()
    try:
        with ledger.engine.begin() as connection:
            lock(connection, contract.id)  # against the next load
            first.make_indexes(connection, contract)
            ledger.within(connection).spent(delivery, {"indexes": time.perf_counter() - started})
    except sa.exc.DBAPIError as error:
        log.warning("%s: its indexes are missing until `citydw migrate` makes them; %s", contract.id, _state(error))


def withdraw(ledger: Ledger, storage: Storage, delivery: Delivery, contract: Contract, reason: str) -> None:
    """Give the history table that would be there without the delivery and its corrections, and mark them withdrawn.

    Raises:
        LoadFault: if PostgreSQL refused or was lost.
    """
    with locked(ledger, contract) as connection:
        known = ledger.within(connection)
        for entry in (*reversed(known.corrections(contract.id, delivery.id)), known.get(contract.id, delivery.id)):
            if entry.state is State.WITHDRAWN:
                continue
            if entry.loaded_at is not None:
                Loading(connection, known, storage, entry.delivery, contract, is_reload=True).undo()
            known.withdrawn(entry.delivery, reason)


@contextmanager
def locked(ledger: Ledger, contract: Contract) -> Iterator[sa.Connection]:
    """A transaction that alone writes to the dataset's table.

    Raises:
        LoadFault: if PostgreSQL refused or was lost.
    """
    try:
        with ledger.engine.begin() as connection:
            lock_to_write(connection, contract.id, f"{contract.schema}.{contract.table}")
            yield connection
    except sa.exc.DBAPIError as error:
        raise LoadFault(f"{contract.id}: {_state(error)}") from None


def _state(error: sa.exc.DBAPIError) -> str:
    """Class and code of an error of PostgreSQL; its own text quotes the row."""
    state = error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None
    return f"{type(error.orig).__name__} (SQLSTATE {state})"
