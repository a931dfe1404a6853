"""Spool: where a pulled file lies, whole, between its source and landing.

A folder here appears at once, with the file and what is written down of it. So whoever is killed before leaves nothing
that counts, and whoever is killed later leaves what is handed in next time: a pull is repeated or resumed, never
skipped, and never half.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from etl.connectors.model import BEGUN, Pulled, SourceFault
from etl.contract import Contract
from etl.delivery.publish import make_folder, sync
from etl.delivery.pull import Pull
from etl.receive.inbox import sidecars
from etl.receive.manifest import MANIFEST

_NOTE = "pull.json"
_FILE = "file"  # apart from our note, for whoever sends may call a file as they like


@dataclass(frozen=True)
class Waiting:
    """A file that was pulled and waits for landing.

    Attributes:
        file: the file; what is declared of it stands beside it.
        pulled: as its connector described it.
        pull: as landing and the ledger write it down.
    """

    file: Path
    pulled: Pulled
    pull: Pull


class Spool:
    """The spool of one dataset. On a local disk: landing may be elsewhere."""

    def __init__(self, home: Path, contract: Contract) -> None:
        """Take the place below an installation's home."""
        self._folder = home / "pulls" / contract.agency / contract.dataset
        self._ready = self._folder / "ready"

    @property
    def given(self) -> Path:
        """Where is written down which receipts were given back; if it is lost, all are given once more."""
        return self._folder / "given.json"

    @contextmanager
    def alone(self) -> Iterator[Path]:
        """Let nobody else pull this dataset on this machine.

        Yields:
            A folder to write to; it holds nothing but what an earlier pull has left in `BEGUN`.

        Raises:
            SourceFault: if somebody else does.
        """
        make_folder(self._ready)
        lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SourceFault("lock", f"{self._folder.parent.name}.{self._folder.name} is being pulled.") from None
            work = self._folder / "work"
            make_folder(work)
            for left in work.iterdir():
                if left.is_file():
                    left.unlink()
                elif left.name != BEGUN:
                    shutil.rmtree(left, ignore_errors=True)
            yield work
        finally:
            os.close(lock)

    def publish(self, work: Path, pulled: Pulled, pull: Pull) -> Waiting:
        """Let a file that was written whole wait for landing, from now on over any crash."""
        aside = work / f"{uuid4().hex}.ready"
        place = aside / _FILE
        make_folder(place)
        for path in (*sidecars(work / pulled.name), work / pulled.name):
            path.rename(place / path.name)
        file = place / pulled.name
        declared = file.with_name(file.name + MANIFEST)
        if pulled.rows is not None and not declared.exists():
            declared.write_text(json.dumps({"rows": pulled.rows, "size": pull.size}), encoding="utf-8")
        note = {"pulled": pulled.to_json(), "pull": pull.to_json()}
        (aside / _NOTE).write_text(json.dumps(note, ensure_ascii=False), encoding="utf-8")
        for path in (*place.iterdir(), place, aside / _NOTE, aside):
            sync(path)
        ready = aside.rename(self._ready / pull.pull_id)
        sync(self._ready)
        return Waiting(ready / _FILE / pulled.name, pulled, pull)

    def waiting(self) -> list[Waiting]:
        """What waits for landing, in the order in which its source was seen."""
        found = []
        for folder in self._ready.iterdir():
            note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
            pulled, pull = Pulled.from_json(note["pulled"]), Pull.from_json(note["pull"])
            found.append(Waiting(folder / _FILE / pulled.name, pulled, pull))
        return sorted(found, key=lambda each: (each.pull.seen_at, each.pull.pull_id))

    def done(self, waiting: Waiting) -> None:
        """Take away what landing has."""
        gone = (self._ready / waiting.pull.pull_id).rename(self._folder / "work" / f"{waiting.pull.pull_id}.done")
        shutil.rmtree(gone, ignore_errors=True)
