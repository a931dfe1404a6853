"""The last station's facts: what the ledger knows of a delivery, for its receipt."""

from __future__ import annotations

from etl.contract import Contracts
from etl.delivery.entry import LedgerEntry
from etl.delivery.model import Delivery
from etl.delivery.state import State
from etl.delivery.storage import Storage
from etl.receipt import receipt
from etl.receipt.facts import Past
from etl.settings import Settings
from etl.warehouse import reconciliation, timeline
from etl.warehouse.freshness import late_by
from etl.warehouse.ledger import Ledger

_HISTORY = 10  # earlier deliveries that a receipt compares with


def write_receipt(
    ledger: Ledger, storage: Storage, contracts: Contracts, settings: Settings, delivery: Delivery
) -> LedgerEntry:
    """Write a delivery's receipt as things stand now; gives what the ledger says of it.

    Args:
        ledger: knows the delivery and those before it.
        storage: the data root.
        contracts: all that can be used; that of the delivery's dataset may be missing.
        settings: the key that seals a workbook, and how many rows it may hold.
        delivery: whose receipt it is.
    """
    contract = contracts.get(delivery.contract_id)
    with ledger.transaction() as known:
        entry = known.get(delivery.contract_id, delivery.id)
        late = late_by(known, delivery)
        of_same = known.corrections(delivery.contract_id, delivery.corrects or delivery.id)
        before = timeline.before(known, delivery, _HISTORY)
        words = timeline.words(known, delivery) if entry.state is State.LOADED and not delivery.corrects else []
        reconciled = reconciliation.found_of_each(known) if entry.state is State.LOADED else {}
        tables = [c for c in (contract.beside if contract else ()) if known.find(c.id, delivery.id)]
    receipt(
        storage,
        delivery,
        contract,
        entry,
        late_by=late,
        tables=tables,
        history=[
            Past(delivery=e.delivery_id, as_of=e.as_of, rows_in=e.rows_in or 0, rejected=e.rejected or 0)
            for e in before
        ],
        corrections=[each for each in of_same if each.corrects == delivery.id],
        words=words,
        reconciled=reconciled.get(delivery.contract_id, ()),
        workbook_number=1 + max((each.correction or 0 for each in of_same), default=0),
        key=settings.key,
        most_rows=settings.workbook_rows,
    )
    return entry
