"""The trigger that sees in the ledger that marts and pages lag behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from functools import cache
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent


class LedgerTrigger(BaseEventTrigger):
    """Fires when deliveries have come to their end since it last did: once for all that are on their way together.

    Attributes:
        every: seconds between two looks.
        patience: seconds after which it waits no longer for those that are still on their way.
    """

    def __init__(self, every: float = 2.0, patience: float = 120.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.every = every
        self.patience = patience

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the triggerer finds this class, and what it gives it."""
        return "ledger_trigger.LedgerTrigger", {"every": self.every, "patience": self.patience}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look into the ledger until the end of days; the first event may tell of nothing new."""
        announced: datetime | None = None
        lags_since: float | None = None
        while True:
            receipt, on_their_way = await asyncio.to_thread(self._standing)
            if receipt != announced and receipt is not None:
                lags_since = lags_since or time.monotonic()
                if not on_their_way or time.monotonic() - lags_since >= self.patience:
                    announced, lags_since = receipt, None
                    yield TriggerEvent({"receipt": receipt.isoformat()})
            await asyncio.sleep(self.every)

    def _standing(self) -> tuple[datetime | None, int]:
        try:
            receipt, on_their_way = ledger().standing()
            return receipt, on_their_way
        except Exception as error:  # a database that is away for a moment; the watcher must outlive whatever it meets
            self.log.warning("The ledger cannot be read: %s", type(error).__name__)
            return None, 0


@cache
def ledger() -> Any:
    """The ledger, for a process that asks it again and again."""
    from etl.pipeline.pipeline import Pipeline

    return Pipeline.from_environment().ledger
