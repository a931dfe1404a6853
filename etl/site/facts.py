"""What the site says: how a dataset stands, what became of its deliveries, what its columns mean and who reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from etl import datatypes
from etl.contract import Column, Contract
from etl.datatypes import Output
from etl.delivery.entry import LedgerEntry, Part, Reconciled

UNDATED = "undated"  # the month of a delivery whose period nobody knows


@dataclass(frozen=True)
class Standing:
    """How a dataset stands.

    Attributes:
        contract: the dataset's.
        deliveries: how many came.
        held: how many of them wait for a person's decision.
        latest: the last ones by period, without corrections, the oldest first.
        last_period: the last one that is in the warehouse.
        due_at: when the next one is due; None before the first.
        late_by: how long ago that was; None if it is still to come.
        reconciled: what comparisons with other datasets have found in it.
        parts: those that are expected of it, the latest first; none if it does not come in parts.
    """

    contract: Contract
    deliveries: int
    held: int
    latest: tuple[LedgerEntry, ...]
    last_period: date | None
    due_at: datetime | None
    late_by: timedelta | None
    reconciled: tuple[Reconciled, ...] = ()
    parts: tuple[Part, ...] = ()

    @classmethod
    def of(
        cls,
        contract: Contract,
        deliveries: int,
        held: int,
        entries: Sequence[LedgerEntry],
        freshness: Mapping[str, Any],
        reconciled: Sequence[Reconciled] = (),
        parts: Sequence[Part] = (),
    ) -> Standing:
        """How a dataset stands.

        Args:
            contract: the dataset's.
            deliveries: how many came.
            held: how many of them are held.
            entries: the last ones, in the order of time.
            freshness: the dataset's row of `ops.freshness`; empty if there is none yet.
            reconciled: what comparisons with other datasets have found in it.
            parts: those that are expected of it.
        """
        latest = tuple(entry for entry in entries if entry.as_of and not entry.corrects)
        told = {name: freshness.get(of) for name, of in _OF_FRESHNESS.items()}
        return cls(contract, deliveries, held, latest, **told, reconciled=tuple(reconciled), parts=tuple(parts))

    @property
    def late_parts(self) -> int:
        """How many parts are late."""
        return sum(part.late_by is not None for part in self.parts)

    @property
    def last(self) -> LedgerEntry | None:
        """The delivery of the last period."""
        return self.latest[-1] if self.latest else None


_OF_FRESHNESS = {"last_period": "last_period_loaded", "due_at": "due_at", "late_by": "late_by"}


@dataclass(frozen=True, order=True)
class Source:
    """A column of the warehouse.

    Attributes:
        table: schema and name, as in `people.births`, also where the view of its current rows is read.
        column: its name.
    """

    table: str
    column: str


@dataclass(frozen=True)
class Field:
    """A column of a dataset, as the dictionary tells it."""

    contract: Contract
    column: Column
    readers: Mapping[Source, Sequence[str]]

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """The columns of the warehouse that it becomes; none if it only steers the load."""
        return datatypes.outputs(self.column) if self.column in self.contract.content else ()

    @property
    def marts(self) -> list[str]:
        """The marts that read one of these."""
        table = f"{self.contract.schema}.{self.contract.table}"
        return sorted({mart for o in self.outputs for mart in self.readers.get(Source(table, o.name), ())})


def dictionary(contract: Contract, readers: Mapping[Source, Sequence[str]]) -> list[Field]:
    """The columns of a dataset, in the contract's order.

    Args:
        contract: the dataset's.
        readers: the names of the marts that read a column of the warehouse; see `etl.site.lineage`.
    """
    return [Field(contract, column, readers) for column in contract.columns]
