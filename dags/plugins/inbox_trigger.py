"""The trigger that sees files arrive in the inbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

_LOOK_BACK = 60.0  # seconds between two looks at files that were received


class InboxTrigger(BaseEventTrigger):
    """Fires when the inbox holds a complete file that it has not announced.

    What "complete" means is said once, in `etl.receive.arrival`. A file that is announced but stays, because receiving
    it failed, is announced again from time to time; an incomplete file never is. So is a file that was received and has
    changed since: receiving takes it back.

    Attributes:
        data: the data root that has the inbox, a path or URL.
        every: seconds between two looks.
        remind: seconds after which a file that is still there is announced again.
    """

    def __init__(self, data: str, every: float = 1.0, remind: float = 600.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data = data
        self.every = every
        self.remind = remind

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the triggerer finds this class, and what it gives it."""
        return "inbox_trigger.InboxTrigger", {"data": self.data, "every": self.every, "remind": self.remind}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look into the inbox until the end of days."""
        announced: dict[tuple[str, float], float] = {}
        looked_back = time.monotonic()
        while True:
            now = time.monotonic()
            there = await asyncio.to_thread(self._complete)
            if now - looked_back >= _LOOK_BACK:
                looked_back = now
                if changed := await asyncio.to_thread(self._changed):
                    yield TriggerEvent({"changed": changed})
            announced = {file: at for file, at in announced.items() if file in there and now - at < self.remind}
            if news := there - announced.keys():
                announced |= dict.fromkeys(news, now)
                yield TriggerEvent({"files": len(news)})
            await asyncio.sleep(self.every)

    def _complete(self) -> set[tuple[str, float]]:
        from upath import UPath

        from etl.receive.arrival import complete_files
        from etl.settings import Settings
        from etl.storage import Storage, status_of

        there = set()
        try:
            for file in complete_files(Storage(UPath(self.data)), Settings.from_environment().quiet_seconds):
                with suppress(OSError):  # it went while we looked
                    there.add((str(file), status_of(file).st_mtime))
        except Exception as error:  # a share that is away for a moment; the watcher must outlive whatever it meets
            self.log.warning("The inbox cannot be read: %s", type(error).__name__)
        return there

    def _changed(self) -> int:
        from upath import UPath

        from etl.receive.processed import changed
        from etl.storage import Storage

        try:
            return sum(1 for _ in changed(Storage(UPath(self.data))))
        except Exception as error:
            self.log.warning("The received files cannot be looked at: %s", type(error).__name__)
            return 0
