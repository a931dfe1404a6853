"""What a connector is asked and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

FaultKind = Literal[
    "name", "address", "tls", "password", "right", "table", "column", "lock", "timeout", "gone", "too_large", "circuit",
    "answer",
]  # fmt: skip

BEGUN = "begun"  # of the folder that a connector writes to, what stays there when a pull dies


class SourceFault(Exception):
    """A source that cannot be read now. The text is for the engineer: it quotes no secret and nobody's data.

    Attributes:
        kind: what is wrong, in a word.
    """

    def __init__(self, kind: FaultKind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        """How it passes from one process to another."""
        return type(self), (self.kind, str(self))


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a source, in a sentence for the engineer.

    Attributes:
        kind: what is wrong, in a word.
        sentence: what, where, and what to do.
        is_fatal: nothing can be pulled until it is mended.
    """

    kind: str
    sentence: str
    is_fatal: bool = True


@dataclass(frozen=True)
class Window:
    """What is asked of a source.

    Attributes:
        since: the watermark behind which to go on, as `Pulled.until` said it; None: pull all.
        first: where the days begin that are asked for, by the source's own stamps; None in an ordinary pull.
        last: where they end; what is stamped so is not of them. None in an ordinary pull.
        taken: of remote files, what `Pulled.until` said of those that landing has.
    """

    since: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    taken: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether all that the source has is asked for."""
        return self.since is None and self.first is None


@dataclass(frozen=True)
class Pulled:
    """A file that a connector has written, whole.

    Attributes:
        name: of the file in the folder that the connector was given; it says the period, as a dropped file's does.
        rows: records in it; None if that is not known before it is read.
        seen_at: when the source was looked at, by our clock: it orders the pulls of a dataset.
        since: the watermark from which on it holds all; None: it holds everything.
        until: the watermark that comes after it, or what a remote file is known by; None if there is none.
        about: what else is written down in landing: the query, the source's clock, pages. No secret, nobody's data.
    """

    name: str
    rows: int | None
    seen_at: datetime
    since: str | None = None
    until: str | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self) | {"seen_at": self.seen_at.isoformat()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Pulled:
        """As it was written down."""
        return cls(**fields | {"seen_at": datetime.fromisoformat(fields["seen_at"])})


class Connector(Protocol):
    """Fetches one dataset from where it stands."""

    def check(self) -> list[Complaint]:
        """Log in and compare what is there with the contract; empty if a pull would begin. Raises nothing."""

    def pull(self, window: Window, into: Path) -> Iterator[Pulled]:
        """Write what is asked for as files into a folder of our own; nothing is yielded if nothing is new.

        A file is yielded when it is whole; landing has it before the next is asked for. Whoever is killed meanwhile
        leaves files that were not yielded: they are thrown away, but for what is in the folder `BEGUN`, which the
        next pull finds where it was.

        Raises:
            SourceFault: if the source cannot be read, or its columns are not those of the contract.
        """

    def landed(self, pulled: Pulled) -> None:
        """Do at the source what is due once landing has a file, as moving it away; may happen twice."""
