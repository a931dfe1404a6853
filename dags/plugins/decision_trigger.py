"""The trigger that waits for a decision on a held delivery, wherever it is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.standard.triggers.hitl import HITLTrigger
from airflow.triggers.base import TriggerEvent
from ledger_trigger import ledger


class DecisionTrigger(HITLTrigger):
    """Fires when a person answers in Airflow, when the time is over, or when the ledger says it has been decided.

    Attributes:
        dataset: agency.dataset.
        delivery_id: of the held delivery.
    """

    def __init__(self, *, dataset: str, delivery_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.delivery_id = delivery_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the triggerer finds this class, and what it gives it."""
        _, fields = super().serialize()
        return "decision_trigger.DecisionTrigger", fields | {"dataset": self.dataset, "delivery_id": self.delivery_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for whichever comes first.

        A ledger or an API server that is away for a moment must not end the wait: the task would be tried anew and
        ask its question again, and an answer that has been given meanwhile would be forgotten.
        """
        while True:
            waits = {asyncio.ensure_future(anext(super().run())), asyncio.ensure_future(self._elsewhere())}
            try:
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                event = done.pop().result()
            except Exception as error:
                self.log.warning("%s: cannot look for the decision now, %s", self.dataset, type(error).__name__)
                await asyncio.sleep(self.poke_interval)
            else:
                yield event
                return
            finally:
                for wait in waits:
                    wait.cancel()

    async def _elsewhere(self) -> TriggerEvent:
        """As soon as the delivery is not held any more: whoever decided may have been stopped behind that."""
        while await asyncio.to_thread(self._is_held):
            await asyncio.sleep(self.poke_interval)
        return TriggerEvent({"decided_elsewhere": True})

    def _is_held(self) -> bool:
        return bool(ledger().get(self.dataset, self.delivery_id).state == "held")
