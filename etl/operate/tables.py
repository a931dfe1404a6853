"""Tables of one file: which files of its main dataset a table has not got, as those of before it had a contract."""

from __future__ import annotations

from etl.contract import Contract
from etl.delivery.entry import LedgerEntry
from etl.delivery.state import State
from etl.delivery.storage import Storage
from etl.receive.refusal import is_refused
from etl.warehouse.ledger import Ledger


def lacking(ledger: Ledger, storage: Storage, contract: Contract) -> list[LedgerEntry]:
    """The deliveries of the dataset that a table is sent with which are none of the table's, in the order of time.

    None is lacking of a file that was refused, withdrawn or never read, nor of a correction, which is of one table.

    Args:
        ledger: knows all deliveries.
        storage: the data root.
        contract: of the table.
    """
    if not contract.sent_with:
        return []
    has = {entry.delivery_id for entry in ledger.all(contract.id)}
    mains = [entry for entry in ledger.all(contract.sent_with) if entry.delivery_id not in has]
    return sorted((entry for entry in mains if _has_tables(entry, storage)), key=lambda entry: entry.delivery_id)


def _has_tables(entry: LedgerEntry, storage: Storage) -> bool:
    if entry.corrects or is_refused(entry) or entry.state is State.WITHDRAWN:
        return False
    delivery = entry.delivery
    try:
        return "unread" not in storage.manifest(delivery.agency, delivery.dataset, delivery.id)
    except FileNotFoundError:  # another look names it
        return False
