"""What a dataset's pages hold, remembered beside them, so that a build need not ask the ledger for all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from upath import UPath

from etl.contract import Contract
from etl.delivery.publish import read_json, write_json
from etl.site.shelf import code

_MEMORY = ".pages.json"
_BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
_OVERLAP = timedelta(minutes=10)  # a receipt is told to the ledger in a transaction that may end after another's


@dataclass(frozen=True)
class Memory:
    """What the pages of a dataset hold.

    Attributes:
        folder: theirs.
        made_by: differs when they would all look different: code, templates, contract.
        months: how many deliveries speak for each month that has a page, in the order of time.
        with_page: ids of those of the last deliveries by period whose receipt is on the site, sorted.
        until: when the last receipt on them was written; None if the pages are not made yet.
    """

    folder: UPath
    made_by: str
    months: Mapping[str, int]
    with_page: tuple[str, ...]
    until: datetime | None

    @classmethod
    def of(cls, folder: UPath, contract: Contract) -> Memory:
        """What is remembered; nothing, if the pages must all be made anew."""
        made_by = hashlib.sha256(f"{code()} {contract}".encode()).hexdigest()
        memory = read_json(folder / _MEMORY) if (folder / _MEMORY).exists() else {}
        if memory.get("made_by") != made_by:
            return cls(folder, made_by, {}, (), None)
        until = datetime.fromisoformat(memory["until"])
        return cls(folder, made_by, memory["months"], tuple(memory["with_page"]), until)

    @property
    def count(self) -> int:
        """How many deliveries the pages hold."""
        return sum(self.months.values())

    @property
    def since(self) -> datetime | None:
        """News are receipts that were written later; None: all are."""
        return self.until - _OVERLAP if self.until else None

    def renewed(self, months: Mapping[str, int], with_page: Iterable[str], until: datetime | None) -> Memory:
        """Remember what the pages hold now."""
        until = until or self.until or _BEFORE_ALL
        now = replace(self, months=months, with_page=tuple(sorted(with_page)), until=until)
        if now != self:
            content = {"made_by": now.made_by, "months": now.months, "with_page": now.with_page}
            write_json(self.folder / _MEMORY, content | {"until": until.isoformat()})
        return now
