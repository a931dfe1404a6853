"""Processed: where files go once landing has them. They stay watched, for their writers may still hold them open.

Such a writer goes on writing into the file wherever it has been moved to. What has been received of it is half a file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from upath import UPath

from etl.arrival import DONE, sidecars
from etl.delivery import Delivery, printable
from etl.storage import Storage, aside_of, put_in_place, read_json, write_text

log = logging.getLogger(__name__)

_WATCHED = 86_400.0  # seconds after which nobody looks at a file again; `citydw verify` does
_LONGEST_TARGET = 50  # with the delivery's id before it, and four bytes a character, less than 255 bytes
Stamp = tuple[int, float]
"""Size and time of a file."""


@dataclass(frozen=True)
class Watched:
    """A file that was received.

    Attributes:
        agency: of the delivery.
        dataset: of the delivery.
        delivery_id: what was received of it.
        file: where it is now.
        came_as: where it was in the inbox.
        sha256: of what was received.
        stamp: its size and time when it was received.
        since: when that was, by our clock (seconds since 1970).
    """

    agency: str
    dataset: str
    delivery_id: str
    file: str
    came_as: str
    sha256: str
    stamp: Stamp
    since: float


def move(storage: Storage, file: UPath, delivery: Delivery, stamp: Stamp) -> bool:
    """Take a file and what stands beside it out of the inbox, and watch it from now on.

    Args:
        storage: the data root.
        file: in the inbox.
        delivery: what was received of it.
        stamp: what it had when it was.

    Returns:
        Whether it is what was received of it; if not, it stays in the inbox.

    Raises:
        OSError: if it cannot be moved; it stays in the inbox.
    """
    if stamp_of(file) != stamp:
        return False
    folder = storage.processed / delivery.agency / delivery.dataset
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{delivery.id}_{printable(file.name)[-_LONGEST_TARGET:]}"
    watched = Watched(
        delivery.agency, delivery.dataset, delivery.id, str(target), str(file), delivery.sha256, stamp, time.time()
    )
    _remember(_memory(storage, watched), watched)  # first: a crash must not leave it unwatched
    for path in sidecars(file):  # before the file: while that is there, it is received again
        _move(path, target.with_name(target.name + path.name.removeprefix(file.name)))
    return _move(file, target)


def changed(storage: Storage) -> Iterator[Watched]:
    """The watched files that are not what was received of them."""
    folder = storage.root / "watched"
    for memory in sorted(folder.glob("*.json")) if folder.exists() else ():
        try:
            watched = Watched(**read_json(memory))
            file, stamp = UPath(watched.file), tuple(watched.stamp)
            now = stamp_of(file)
            if now != stamp and (now[0] != stamp[0] or sha256_of(file) != watched.sha256):
                yield watched
            elif time.time() - watched.since > _WATCHED:
                memory.unlink(missing_ok=True)
            elif now != stamp:  # touched
                _remember(memory, replace(watched, stamp=now))
        except FileNotFoundError:  # somebody has cleared it away
            memory.unlink(missing_ok=True)
        except OSError as error:
            log.warning("processed: a file cannot be looked at again: %s", type(error).__name__)


def put_back(storage: Storage, watched: Watched) -> bool:
    """Put a file that has changed back into the inbox, to be received anew; False if another one has its name there."""
    place = UPath(watched.came_as)
    if place.exists():
        return False
    moved = UPath(watched.file)
    for path in sidecars(moved):
        if not path.name.endswith(DONE):  # it said that half a file was whole
            _move(path, place.with_name(place.name + path.name.removeprefix(moved.name)))
    _move(moved, place)
    _memory(storage, watched).unlink(missing_ok=True)
    return True


def stamp_of(file: UPath) -> Stamp:
    """Size and time of a file.

    Raises:
        OSError: if it cannot be looked at.
    """
    stat = file.stat()
    return int(stat.st_size), float(stat.st_mtime)


def sha256_of(file: UPath) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _memory(storage: Storage, watched: Watched) -> UPath:
    return storage.root / "watched" / f"{watched.agency}.{watched.dataset}.{watched.delivery_id}.json"


def _remember(memory: UPath, watched: Watched) -> None:
    write_text(memory, json.dumps(asdict(watched)))  # in ASCII: a file's name may be no Unicode


def _move(path: UPath, target: UPath) -> bool:
    """Move a file, to another file system too; False if it has changed meanwhile: then it is where it was."""
    if not isinstance(path, Path):
        path.rename(target)
        return True
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    else:
        return True
    before = stamp_of(path)
    with aside_of(target) as aside:
        shutil.copy2(path, aside)
        if stamp_of(path) != before:
            return False
        put_in_place(aside, target)
    path.unlink()
    return True
