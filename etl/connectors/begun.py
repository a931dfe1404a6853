"""Begun: the pages that a pull of an API has taken, kept over its death, so that the next one goes on behind them.

They are of use only to a pull that asks the very same question, and only for a while: what is put together of two pulls
should not be further apart in time than what one long pull puts together. Whether the API has changed meanwhile, its
connector asks it.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from etl.delivery.publish import make_folder, sync

_NOTE = "question.json"


@dataclass(frozen=True)
class Page:
    """One answer of an API.

    Attributes:
        records: each in the bytes in which it was sent, on one line.
        total: how many there are in all, as far as it says.
        following: the next page's cursor or address; None if there is none.
        size: in bytes.
        sha256: of its bytes.
        clock: what the API's clock says; None if it does not.
    """

    records: list[bytes]
    total: int | None
    following: str | None
    size: int
    sha256: str
    clock: datetime | None = None

    def says_the_same(self, other: Page) -> bool:
        """Whether an answer has the same records, and the same behind them; what else it says may differ."""
        return (self.records, self.total, self.following) == (other.records, other.total, other.following)


class _Note(msgspec.Struct):
    question: str
    at: datetime


class _Kept(msgspec.Struct):
    """The first line of a kept page; its records follow."""

    total: int | None
    following: str | None
    size: int
    sha256: str
    clock: datetime | None
    digest: str  # of its records


class Begun:
    """The pages of one pull that has not come to its end.

    Attributes:
        at: when it began to look at the source.
        count: of pages, the first ones.
    """

    def __init__(self, folder: Path, question: str, lasts: timedelta) -> None:
        """Take up what an earlier pull has left, if it asked the same question and not too long ago; else begin anew.

        Args:
            folder: that stays when a pull dies.
            question: what is asked, in any words that another question does not share; no secret.
            lasts: how long pages are of use.
        """
        self._folder, self._question = folder, question
        self.at, self.count = datetime.now(UTC), 0
        try:
            note = msgspec.json.decode((folder / _NOTE).read_bytes(), type=_Note)
        except (OSError, msgspec.DecodeError):
            note = None
        if note is None or note.question != question or not timedelta() <= self.at - note.at < lasts:
            self.begin_anew()
            return
        self.at = note.at
        while self._read(self.count + 1) is not None:
            self.count += 1

    def begin_anew(self) -> None:
        """Forget all pages; the source is looked at from now on."""
        self.forget()
        make_folder(self._folder)
        self.at, self.count = datetime.now(UTC), 0
        (self._folder / _NOTE).write_bytes(msgspec.json.encode(_Note(self._question, self.at)))

    def forget(self) -> None:
        """Take away what was kept."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def page(self, number: int) -> Page | None:
        """A page that was kept; None if it was not."""
        return self._read(number) if number <= self.count else None

    def keep(self, number: int, page: Page) -> None:
        """Keep the next page, whole or not at all."""
        records = b"\n".join(page.records)
        digest = hashlib.sha256(records).hexdigest()
        kept = _Kept(page.total, page.following, page.size, page.sha256, page.clock, digest)
        path = self._path(number)
        aside = path.with_suffix(".part")
        aside.write_bytes(msgspec.json.encode(kept) + b"\n" + records)
        sync(aside)
        aside.replace(path)
        self.count = number

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.page"

    def _read(self, number: int) -> Page | None:
        """A page; None if there is none, or a crash of the machine has left a half."""
        try:
            first, _, records = self._path(number).read_bytes().partition(b"\n")
            kept = msgspec.json.decode(first, type=_Kept)
        except (OSError, msgspec.DecodeError):
            return None
        if hashlib.sha256(records).hexdigest() != kept.digest:
            return None
        cut = records.split(b"\n") if records else []
        return Page(cut, kept.total, kept.following, kept.size, kept.sha256, kept.clock)
