"""A folder elsewhere, as an inbox: what is new in it, as far as it is whole, is copied.

The rules are those of our own inbox: a file is whole if a `.done` stands beside it, or if neither it nor what stands
beside it changes between two looks. A file is new if its name, size, stamp or what stands beside it is. Nothing is
changed there unless the contract says `after: archive`: then a file goes to `processed/` once landing has it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import ClassVar, Protocol

from etl.connectors.connection import Connection
from etl.connectors.model import Complaint, Pulled, SourceFault, Window
from etl.contract import Contract
from etl.contract.city import city
from etl.contract.servers import FolderServer
from etl.delivery.display import printable
from etl.delivery.period import UnclearName, period_of
from etl.receive.inbox import DONE, SIDECARS, is_sent, is_sidecar
from etl.settings import Limits, Settings

log = logging.getLogger(__name__)

PROCESSED, OUTBOX = "processed", "outbox"
_TRIES = 5  # of one file, each going on where the one before it was cut off
_FIRST_PAUSE = 0.5  # seconds before the second try, and twice as long before each further one
_LONGEST_NAME = 200  # bytes: with what is put before and behind it, it must be a file's name here too


@dataclass(frozen=True)
class Seen:
    """A file as it was seen in a listing.

    Attributes:
        name: its name in the folder.
        size: in bytes.
        stamp: what changes with its content: when it was changed, and a store's name for its bytes.
    """

    name: str
    size: int
    stamp: str


class Remote(Protocol):
    """A folder on a server. It connects when it is first asked for something, and again after `close`.

    Every method raises SourceFault, with the kind `gone` or `timeout` where a second try may help.
    """

    def files(self) -> list[Seen]:
        """The plain files that lie in the folder itself."""

    def look(self, name: str) -> Seen | None:
        """A file as it is now; None if it is gone."""

    def read(self, file: Seen, start: int) -> Iterator[bytes]:
        """The bytes of a file, from one of them on."""

    def move(self, file: Seen, target: str) -> bool:
        """Move a file below the folder, if it still is that one; gives whether it was. Nothing is written over."""

    def put(self, target: str, content: bytes) -> None:
        """Write a file below the folder; whoever looks sees the whole of it or what was there before."""

    def close(self) -> None:
        """End the connection, if there is one."""


@dataclass(frozen=True)
class _Found:
    """A file with what stands beside it."""

    file: Seen
    beside: tuple[Seen, ...]

    @property
    def known_by(self) -> str:
        return json.dumps([[seen.name, seen.size, seen.stamp] for seen in (self.file, *self.beside)])


class Folder(ABC):
    """Pulls the files of a folder; see `etl.connectors.model.Connector`."""

    kind: ClassVar[str]  # as it is called in a sentence

    def __init__(self, contract: Contract, connection: Connection, limits: Limits) -> None:
        assert isinstance(contract.server, FolderServer)
        self._contract, self._connection, self._limits = contract, connection, limits
        self._server: FolderServer = contract.server
        self._quiet = Settings.from_environment().quiet_seconds
        self._remote = self._connected()

    @property
    def wants_receipts(self) -> bool:
        """Whether receipts are to be given back."""
        return self._server.custom_properties.receipts == OUTBOX

    @abstractmethod
    def _connected(self) -> Remote:
        """The folder; nothing is connected yet."""

    def check(self) -> list[Complaint]:
        """Log in, and list the folder."""
        with closing(self._remote):
            try:
                self._remote.files()
            except SourceFault as fault:
                return [Complaint(fault.kind, str(fault))]
        return []

    def pull(self, window: Window, into: Path) -> Iterator[Pulled]:
        """Copy what is new and whole; a file that cannot be read stops no other, and is told of in the end."""
        faults: list[SourceFault] = []
        with closing(self._remote):
            for found in self._whole(window):
                seen_at = datetime.now(UTC)
                try:
                    about = self._copied(found, into)
                except SourceFault as fault:
                    if fault.kind in ("gone", "timeout"):  # the others would wait for nothing
                        raise
                    faults.append(fault)
                    continue
                if about is not None:
                    yield Pulled(found.file.name, None, seen_at, until=found.known_by, about=about)
        if faults:
            raise faults[0]

    def landed(self, pulled: Pulled) -> None:
        """Move a file away that landing has, if the contract says so and it still is that one."""
        if self._server.custom_properties.after != "archive" or pulled.until is None or "unread" in pulled.about:
            return
        file, *beside = (Seen(*said) for said in json.loads(pulled.until))
        mark = hashlib.sha256(pulled.until.encode()).hexdigest()[:8]
        for seen in (*beside, file):  # while the file is there, it is asked for again
            if not self._remote.move(seen, f"{PROCESSED}/{mark}_{seen.name}") and seen == file:
                log.warning("%s: %s has changed since it was copied, and stays", self._contract.id, _shown(file.name))

    def give(self, files: Iterator[tuple[str, bytes]]) -> None:
        """Put receipts into `outbox/`, each under its path there.

        Raises:
            SourceFault: if one cannot be written.
        """
        with closing(self._remote):
            for path, content in files:
                self._remote.put(f"{OUTBOX}/{path}", content)

    def _whole(self, window: Window) -> list[_Found]:
        """What is asked for and does not change while we look at it twice."""
        asked = [found for found in _found(self._remote.files()) if self._is_asked_for(found, window)]
        said = {found.file.name for found in asked if any(s.name == found.file.name + DONE for s in found.beside)}
        if len(said) == len(asked):
            return asked
        time.sleep(self._quiet)
        again = set(_found(self._remote.files()))
        whole = [found for found in asked if found in again or found.file.name in said]
        for found in asked:
            if found not in whole:
                log.warning("%s: %s is still being written; it waits", self._contract.id, _shown(found.file.name))
        return whole

    def _is_asked_for(self, found: _Found, window: Window) -> bool:
        if window.first is None or window.last is None:
            return found.known_by not in window.taken
        try:
            as_of, _ = period_of(found.file.name)
        except UnclearName:
            return False
        first, last = (moment.astimezone(city().zone).date() for moment in (window.first, window.last))
        return as_of is not None and first <= as_of < last

    def _copied(self, found: _Found, into: Path) -> dict[str, object] | None:
        """Copy a file and what stands beside it; None if one of them changes meanwhile: it waits for the next pull."""
        about: dict[str, object] = {"location": self._server.location, "changed_at": found.file.stamp}
        for seen in (*found.beside, found.file):
            path = into / seen.name
            if seen.size > self._limits.file_bytes:
                # Landing refuses it unread by its size, and its sender is told: there is nothing to copy for that.
                with path.open("wb") as hollow:
                    hollow.truncate(seen.size)
                about["unread"] = True
            elif not self._copy(seen, path):
                log.warning("%s: %s changed while it was copied; it waits", self._contract.id, _shown(seen.name))
                for copied in (*found.beside, found.file):
                    (into / copied.name).unlink(missing_ok=True)
                return None
        return about

    def _copy(self, seen: Seen, path: Path) -> bool:
        """Copy one file, going on where a lost connection has cut it off; gives whether it stayed as it was seen."""
        path.unlink(missing_ok=True)
        path.touch(0o600)
        for number in range(_TRIES):
            try:
                if self._remote.look(seen.name) != seen:
                    return False
                size = path.stat().st_size
                with path.open("ab") as copy:
                    for chunk in self._remote.read(seen, size):
                        size += len(chunk)
                        if size > seen.size:  # one that grows has no end
                            return False
                        copy.write(chunk)
                return size == seen.size and self._remote.look(seen.name) == seen
            except SourceFault as fault:
                self._remote.close()
                if fault.kind not in ("gone", "timeout") or number == _TRIES - 1:
                    raise
                time.sleep(_FIRST_PAUSE * 2**number * random.uniform(0.5, 1))
        raise AssertionError  # the last try has raised


def _found(files: list[Seen]) -> list[_Found]:
    """The files that are sent, each with what stands beside it, in the order of names."""
    by_name: Mapping[str, Seen] = {seen.name: seen for seen in files}
    return [
        _Found(seen, tuple(by_name[name + ending] for ending in SIDECARS if name + ending in by_name))
        for name, seen in sorted(by_name.items())
        if not is_sidecar(PurePosixPath(name)) and is_sent(name) and _is_plain_name(name)
    ]


def _is_plain_name(name: str) -> bool:
    """Whether it names a file in one folder, whatever the server says: it becomes a file's name here."""
    is_one = name not in ("", ".", "..") and not any(sign in name for sign in "/\\\0")
    return is_one and len(name.encode("utf-8", "surrogateescape")) <= _LONGEST_NAME


def _shown(name: str) -> str:
    return printable(name)[:100]
