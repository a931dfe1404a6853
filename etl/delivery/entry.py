"""What the ledger says of one delivery, and of a decision on it: rows of `ops` as objects. No database is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from etl.contract import Choice, Text
from etl.delivery.model import Delivery
from etl.delivery.state import State

Found = Literal["paused", "announced"]


@dataclass(frozen=True)
class Reconciled:
    """What a comparison of several datasets found, to whoever can mend it.

    Attributes:
        name: of the list in schema `quality`, which names the records.
        found: records that do not agree.
        text: what is wrong and what to do, without naming any.
    """

    name: str
    found: int
    text: Text


@dataclass(frozen=True)
class LedgerEntry:
    """One row of `ops.delivery`; its columns are described there. Counts are None until a station knows them."""

    dataset: str
    delivery_id: str
    as_of: date | None
    revision: int
    sha256: str
    size_bytes: int
    file_name: str
    received_at: datetime
    state: State = State.RECEIVED
    corrects: str | None = None
    correction: int | None = None
    word: int = 1
    parts: list[str] | None = None
    rule: str | None = None
    message_vi: str | None = None
    message_en: str | None = None
    rows_in: int | None = None
    rejected: int | None = None
    duplicates: int | None = None
    inserted: int | None = None
    changed: int | None = None
    unchanged: int | None = None
    superseded: int | None = None
    ended: int | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    loaded_at: datetime | None = None
    receipt_at: datetime | None = None
    held_at: datetime | None = None

    @classmethod
    def of_row(cls, row: Iterable[Any]) -> LedgerEntry:
        """The entry of a row of its columns, in their order."""
        said = dict(zip(COLUMNS, row, strict=True))
        return cls(**said | {"state": State(said["state"])})

    @classmethod
    def of_delivery(cls, delivery: Delivery) -> LedgerEntry:
        """The entry of a delivery that has come just now."""
        return cls(
            dataset=delivery.contract_id,
            delivery_id=delivery.id,
            as_of=delivery.as_of,
            revision=delivery.revision,
            sha256=delivery.sha256,
            size_bytes=delivery.size,
            file_name=delivery.file_name,
            received_at=datetime.now(UTC),
            corrects=delivery.corrects,
            correction=delivery.correction or None,
            word=delivery.word,
        )

    @property
    def name(self) -> str:
        """Dataset and delivery, as in `civil.births/20260302-r1-0a1b2c3d4e5f`."""
        return f"{self.dataset}/{self.delivery_id}"

    @property
    def delivery(self) -> Delivery:
        """The delivery itself, as its manifest in landing should say."""
        agency, dataset = self.dataset.split(".", 1)
        return Delivery(
            agency,
            dataset,
            as_of=self.as_of,
            revision=self.revision,
            sha256=self.sha256,
            size=self.size_bytes,
            file_name=self.file_name,
            corrects=self.corrects,
            correction=self.correction or 0,
            word=self.word,
        )

    @property
    def message(self) -> Text | None:
        """What is said of the delivery as a whole, in both languages; None if nothing is."""
        return Text(self.message_vi, self.message_en or "") if self.message_vi else None


COLUMNS = tuple(column.name for column in fields(LedgerEntry))


@dataclass(frozen=True)
class Decision:
    """What a person decided on a delivery that was held; a row of `ops.decision`.

    Attributes:
        choice: what was decided.
        by: who decided; `timeout` where nobody did in time.
        reason: why; the agency reads it.
        at: when.
    """

    choice: Choice
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Unfinished:
    """A delivery that was decided, and has not come to its end since: whoever decided was stopped on the way.

    Attributes:
        entry: what the ledger says of it.
        decision: the one that stands.
    """

    entry: LedgerEntry
    decision: Decision

    @property
    def command(self) -> str:
        """What goes on with it."""
        return f"citydw decide {self.entry.dataset} {self.entry.delivery_id} {self.decision.choice}"


@dataclass(frozen=True)
class Part:
    """A part that is expected of a dataset that comes in parts, such as a ward's.

    Attributes:
        part: its value, of a ward the code.
        name: what people call it.
        last_period: the last one that is in the warehouse; None if it never came.
        due_at: when its next file is due, or its first one.
        late_by: how long ago that was; None if it is still to come.
    """

    part: str
    name: str
    last_period: date | None
    due_at: datetime
    late_by: timedelta | None


@dataclass(frozen=True)
class Waiting:
    """A delivery that has not come to its end, or that waits for a person.

    Attributes:
        dataset: agency.dataset.
        delivery_id: within it.
        state: of the ledger.
        since: when it came, was decided on or sent back into its walk, whichever was last.
        found: what was found when last it had no run in Airflow; None if that never was.
        found_at: when that was.
    """

    dataset: str
    delivery_id: str
    state: State
    since: datetime
    found: Found | None
    found_at: datetime | None

    @property
    def is_held(self) -> bool:
        """Whether it waits for a person, which is in order."""
        return self.state is State.HELD
