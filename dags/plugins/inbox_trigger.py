"""The trigger that sees files arrive in the inbox."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

File = tuple[str, float]  # its path and time
_LOOK_BACK = 60.0  # seconds between two looks at files that were received


class InboxTrigger(BaseEventTrigger):
    """Fires when an agency has complete files in the inbox that it has not announced.

    What "complete" means is said once, in `etl.receive.arrival`. Files that a round of receiving did not come to are
    announced again at once; those that stay because they could not be received, from time to time; an incomplete file
    never is. So is a file that was received and has changed since: receiving takes it back.

    Attributes:
        data: the data root that has the inbox, a path or URL.
        every: seconds between two looks.
        again: seconds between two announcements of one agency, however many files it sends.
        remind: seconds after which a file that is still there is announced again.
    """

    def __init__(self, data: str, every: float = 1.0, again: float = 3.0, remind: float = 600.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data = data
        self.every = every
        self.again = again
        self.remind = remind

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the triggerer finds this class, and what it gives it."""
        settings = {"data": self.data, "every": self.every, "again": self.again, "remind": self.remind}
        return "inbox_trigger.InboxTrigger", settings

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look into the inbox until the end of days."""
        announced: dict[str, tuple[float, set[File]]] = {}  # by agency: when, and what lay there then
        looked_back = time.monotonic()
        while True:
            now = time.monotonic()
            there, left = await asyncio.to_thread(self._look)
            if now - looked_back >= _LOOK_BACK:
                looked_back = now
                if changed := await asyncio.to_thread(self._changed):
                    yield TriggerEvent({"changed": changed})
            announced = {agency: last for agency, last in announced.items() if agency in there}
            due = {
                agency for agency in there if self._is_due(now, there[agency], agency in left, announced.get(agency))
            }
            if due and (free := await asyncio.to_thread(self._free, due)):
                announced |= {agency: (now, there[agency]) for agency in free}
                yield TriggerEvent({"files": sum(len(there[agency]) for agency in free)})
            await asyncio.sleep(self.every)

    def _is_due(self, now: float, files: set[File], is_left: bool, last: tuple[float, set[File]] | None) -> bool:
        """Whether an agency is to be announced: it has news, or receiving got on with it and did not come to an end."""
        if last is None:
            return True
        at, known = last
        return now - at >= self.again and (is_left or files != known or now - at >= self.remind)

    def _look(self) -> tuple[dict[str, set[File]], set[str]]:
        """The complete files of each agency, and the agencies of whom the last round has left some."""
        from upath import UPath

        from etl.delivery.plain_files import status_of
        from etl.delivery.storage import Storage
        from etl.receive.arrival import complete_files
        from etl.receive.inbox import agency_of
        from etl.receive.turns import waiting
        from etl.settings import Settings

        there: dict[str, set[File]] = defaultdict(set)
        storage = Storage(UPath(self.data))
        try:
            for file in complete_files(storage, Settings.from_environment().quiet_seconds):
                with suppress(OSError):  # it went while we looked
                    there[agency_of(file)].add((str(file), status_of(file).st_mtime))
            return there, waiting(storage, there)
        except Exception as error:  # a share that is away for a moment; the watcher must outlive whatever it meets
            self.log.warning("The inbox cannot be read: %s", type(error).__name__)
            return {}, set()

    def _free(self, agencies: set[str]) -> set[str]:
        """Those agencies that nobody receives now: whoever does looks for news himself."""
        from upath import UPath

        from etl.delivery.storage import Storage
        from etl.receive.turns import turn_of

        free = set()
        for agency in agencies:
            with turn_of(Storage(UPath(self.data)), agency) as is_free:
                if is_free:
                    free.add(agency)
        return free

    def _changed(self) -> int:
        from upath import UPath

        from etl.delivery.storage import Storage
        from etl.receive.processed import changed

        try:
            return sum(1 for _ in changed(Storage(UPath(self.data))))
        except Exception as error:
            self.log.warning("The received files cannot be looked at: %s", type(error).__name__)
            return 0
