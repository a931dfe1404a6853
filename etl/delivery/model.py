"""Deliveries: one dataset, one period, one immutable set of bytes.

A delivery is named by its content, and its place in time (`as_of`, `revision`) is written on it by the sender. Where
two files state the same place, the one that came later has the later word; which word a file is, is written down once,
when it lands. So all of it is part of the delivery, and the warehouse can be a function of the set of deliveries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Delivery:
    """One delivery, as its manifest describes it.

    Attributes:
        agency: folder name of the agency.
        dataset: folder name of the dataset.
        as_of: the period it speaks for; None if the file does not say.
        revision: 1, or a higher number for a later word on the same period, as the sender states it.
        sha256: of the file's bytes, in hexadecimal.
        size: of the file, in bytes.
        file_name: what the sender called it, as `shown` shows it.
        corrects: id of the delivery whose rejected rows, mended, these are; None for a file of its own.
        correction: which workbook of that delivery's rejected rows was mended, from 1; 0 for a file of its own.
        word: which one it is of the files that state all of this alike, by arrival, from 1.
    """

    agency: str
    dataset: str
    as_of: date | None
    revision: int
    sha256: str
    size: int
    file_name: str
    corrects: str | None = None
    correction: int = 0
    word: int = 1  # manifests of before words were counted have none

    @property
    def contract_id(self) -> str:
        """The dataset's full name, as in `civil.births`."""
        return f"{self.agency}.{self.dataset}"

    @property
    def id(self) -> str:
        """Unique within the dataset, as in `20260302-r1-0a1b2c3d4e5f`; sorts by period, revision and word.

        A later word says so, as in `20260302-r1w2-0a1b2c3d4e5f`; a correction too, as in `20260302-r1c1-5f4e3d2c1b0a`.
        """
        word = f"w{self.word}" if self.word > 1 else ""
        return f"{self.stated_place}{word}-{self.sha256[:12]}"

    @property
    def stated_place(self) -> str:
        """Where in time it says that it stands: period and revision, and for a correction which one of what."""
        if self.as_of is None:
            return "undated"
        if self.corrects is None:
            return f"{self.as_of:%Y%m%d}-r{self.revision}"
        return f"{self.corrects.rpartition('-')[0]}c{self.correction}"

    def to_json(self) -> dict[str, Any]:
        """The manifest's fields."""
        return asdict(self) | {"as_of": self.as_of.isoformat() if self.as_of else None}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Delivery:
        """The delivery that a manifest describes."""
        delivery = cls(**fields)
        return replace(delivery, as_of=date.fromisoformat(fields["as_of"]) if fields["as_of"] else None)


class Place(NamedTuple):
    """Where a delivery stands in time; `when` orders the deliveries of a dataset."""

    delivery_id: str
    as_of: date
    revision: int
    sha256: str
    corrects: str | None = None
    correction: int = 0
    word: int = 1

    @property
    def when(self) -> tuple[date, int, int, str, int, int, str]:
        """A correction comes right behind what it corrects, and before any other word on the same period.

        The hash tells only those apart that landed before words were counted.
        """
        as_of, revision, word, correction, of_correction = self.stated
        file = (self.corrects or self.delivery_id)[-12:]
        return as_of, revision, word, file, correction, of_correction, self.sha256

    @property
    def stated(self) -> tuple[date, int, int, int, int]:
        """Its place in time as far as anything with a meaning says it: its sender, and its arrival."""
        word, of_correction = (_word(self.corrects), self.word) if self.corrects else (self.word, 0)
        return self.as_of, self.revision, word, self.correction, of_correction


def _word(delivery_id: str) -> int:
    """The word that a delivery of its own, no correction, is by its id."""
    return int(delivery_id.split("-")[1].partition("w")[2] or 1)
