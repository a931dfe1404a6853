"""A pull: how a delivery was fetched from its agency's system, as landing and the ledger write it down."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Pull:
    """One look at an agency's system.

    Attributes:
        pull_id: its name, by which the ledger writes it down once.
        dataset: agency.dataset.
        source: the name of the connection.
        seen_at: when the source was looked at, by our clock.
        since: the watermark from which on the delivery holds all; None: it holds everything.
        until: the watermark at which the next pull begins, or what a remote file is known by; None if there is none.
        rows: that the source gave; None if that is not known.
        size: bytes.
        seconds: that it took.
        tries: which try it was since the last one that did not fail, from 1.
        about: what else is known of it; only landing writes it down.
    """

    pull_id: str
    dataset: str
    source: str
    seen_at: datetime
    since: str | None = None
    until: str | None = None
    rows: int | None = None
    size: int | None = None
    seconds: float = 0.0
    tries: int = 1
    about: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self) | {"seen_at": self.seen_at.isoformat()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Pull:
        """As it was written down."""
        return cls(**fields | {"seen_at": datetime.fromisoformat(fields["seen_at"])})
