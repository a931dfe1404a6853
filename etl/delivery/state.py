"""The states of a delivery: where it stands on its way, or how it ended."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a delivery stands; the values are what the ledger, receipts and webhooks call it."""

    RECEIVED = "received"
    EXTRACTED = "extracted"
    VALIDATED = "validated"
    NORMALIZED = "normalized"
    LOADED = "loaded"
    HELD = "held"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"

    @property
    def is_stopped(self) -> bool:
        """Held, rejected or withdrawn: no station follows but the receipt."""
        return self in (State.HELD, State.REJECTED, State.WITHDRAWN)

    @property
    def is_at_rest(self) -> bool:
        """Whether no station has anything left to do: loaded or stopped."""
        return self is State.LOADED or self.is_stopped

    @property
    def is_final(self) -> bool:
        """Whether nobody has anything left to do: at rest, and it waits for no person."""
        return self.is_at_rest and self is not State.HELD


UNDERWAY = tuple(state for state in State if not state.is_at_rest)  # a station has work with these
