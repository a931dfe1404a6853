"""The assets that tie the DAGs together: inbox -> landing of a dataset -> its warehouse table; ledger -> marts."""

from __future__ import annotations

from airflow.sdk import Asset, AssetWatcher
from inbox_trigger import InboxTrigger
from ledger_trigger import LedgerTrigger

from etl.contract import Contract
from etl.settings import Settings


def inbox() -> Asset:
    """The agencies' inbox; an event whenever something in it is ready to be received."""
    trigger = InboxTrigger(data=str(Settings.from_environment().data))
    return Asset("inbox", watchers=[AssetWatcher(name="inbox", trigger=trigger)])


def landing(contract: Contract) -> Asset:
    """A dataset's deliveries in landing; the partition key is the delivery's id."""
    return Asset(f"landing/{contract.id}", group="landing")


def warehouse(contract: Contract) -> Asset:
    """A dataset's history table; an event whenever a delivery has been loaded into it, for whoever builds on it."""
    return Asset(f"warehouse/{contract.schema}.{contract.table}", group="warehouse")


def ledger() -> Asset:
    """Where every delivery stands; an event whenever marts and pages lag behind, once for many deliveries."""
    return Asset("ledger", watchers=[AssetWatcher(name="ledger", trigger=LedgerTrigger())])
