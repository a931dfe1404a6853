"""Processed: where files go once landing has them. They stay watched, for their writers may still hold them open.

Such a writer goes on writing into the file wherever it has been moved to. What has been received of it is half a file.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from upath import UPath

from etl.delivery import object_store
from etl.delivery.display import printable
from etl.delivery.model import Delivery
from etl.delivery.object_store import tag_of
from etl.delivery.plain_files import digest_of, folder_of, open_plain, status_of
from etl.delivery.publish import aside_of, make_folder, put_in_place, read_json, write_text
from etl.delivery.storage import Storage  # fmt: skip
from etl.receive.inbox import DONE, sidecars

log = logging.getLogger(__name__)

_WATCHED = 86_400.0  # seconds after which nobody looks at a file again; `citydw verify` does
_LONGEST_TARGET = 50  # with the delivery's id before it, and four bytes a character, less than 255 bytes
Stamp = tuple[int, float, int | str]
"""Size and time of a file, and its number (inode) on its file system, or what an object store calls its content."""


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
    make_folder(folder)
    target = folder / f"{delivery.id}_{printable(file.name)[-_LONGEST_TARGET:]}"
    watched = Watched(
        delivery.agency, delivery.dataset, delivery.id, str(target), str(file), delivery.sha256, stamp, time.time()
    )
    _remember(_memory(storage, watched), watched)  # first: a crash must not leave it unwatched
    for path in sidecars(file):  # before the file: while that is there, it is received again
        with suppress(FileNotFoundError):
            _move(path, target.with_name(target.name + path.name.removeprefix(file.name)), storage.inbox)
    is_moved = _move(file, target, storage.inbox, stamp)
    if not is_moved:
        _memory(storage, watched).unlink(missing_ok=True)
    return is_moved


def changed(storage: Storage) -> Iterator[Watched]:
    """The watched files that are not what was received of them."""
    folder = storage.root / "watched"
    for memory in sorted(folder.glob("*.json")) if folder.exists() else ():
        try:
            watched = Watched(**read_json(memory))
            file, stamp = UPath(watched.file), tuple(watched.stamp)
            now = stamp_of(file)
            if now != stamp and (now[0] != stamp[0] or digest_of(file) != watched.sha256):
                yield watched
            elif time.time() - watched.since > _WATCHED:
                memory.unlink(missing_ok=True)
            elif now != stamp:  # touched
                _remember(memory, replace(watched, stamp=now))
        except FileNotFoundError:  # somebody has cleared it away
            memory.unlink(missing_ok=True)
        except (OSError, ValueError, TypeError) as error:
            log.warning("processed: a file cannot be looked at again: %s", type(error).__name__)


def put_back(storage: Storage, watched: Watched) -> bool:
    """Put a file that has changed back into the inbox, to be received anew; False if another one has its name there."""
    place = UPath(watched.came_as)
    if _is_taken(place):
        return False
    moved = UPath(watched.file)
    for path in sidecars(moved):
        if not path.name.endswith(DONE):  # it said that half a file was whole
            _move(path, place.with_name(place.name + path.name.removeprefix(moved.name)), storage.inbox)
    _move(moved, place, storage.inbox)
    _memory(storage, watched).unlink(missing_ok=True)
    return True


def stamp_of(file: UPath) -> Stamp:
    """Size and time of a file.

    Raises:
        OSError: if it cannot be looked at.
    """
    return stamp_from(status_of(file))


def stamp_from(status: os.stat_result) -> Stamp:
    """The same of a file that is open."""
    return int(status.st_size), float(status.st_mtime), tag_of(status) or int(getattr(status, "st_ino", 0))


def _memory(storage: Storage, watched: Watched) -> UPath:
    return storage.root / "watched" / f"{watched.agency}.{watched.dataset}.{watched.delivery_id}.json"


def _remember(memory: UPath, watched: Watched) -> None:
    write_text(memory, json.dumps(asdict(watched)))  # in ASCII: a file's name may be no Unicode


def _is_taken(place: UPath) -> bool:
    try:
        status_of(place)
    except FileNotFoundError:
        return False
    return True


def _move(path: UPath, target: UPath, inbox: UPath, known: Stamp | None = None) -> bool:
    """Move a file into the inbox or out of it, to another file system too; no link is followed below the inbox.

    Args:
        path: the file.
        target: where to.
        inbox: what agencies write to.
        known: what the file must be; any plain file by default.

    Returns:
        False if it is not that, or has changed meanwhile: then it is where it was.

    Raises:
        OSError: if it cannot be moved.
    """
    if not isinstance(path, Path):
        return object_store.move(path, target, known[2] if known else None)
    if sys.platform == "win32":
        path.rename(target)
        return True
    with folder_of(path, inbox) as here, folder_of(target, inbox) as there:
        try:
            os.rename(path.name, target.name, src_dir_fd=here, dst_dir_fd=there)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return _copy(path, target, inbox, known, here)
        came = os.stat(target.name, dir_fd=there, follow_symlinks=False)
        if stat.S_ISREG(came.st_mode) and (known is None or came.st_ino == known[2]):
            return True
        # Somebody has just put something else under the file's name.
        if stat.S_ISREG(came.st_mode) or stat.S_ISDIR(came.st_mode):
            os.rename(target.name, path.name, src_dir_fd=there, dst_dir_fd=here)
        else:
            os.unlink(target.name, dir_fd=there)
        return False


def _copy(path: UPath, target: UPath, inbox: UPath, known: Stamp | None, here: int | None) -> bool:
    with open_plain(path, inbox) as stream, aside_of(target) as aside:
        before = stamp_from(os.fstat(stream.fileno()))
        if known is not None and before != known:
            return False
        with aside.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        os.utime(aside, (before[1], before[1]))
        if stamp_from(os.fstat(stream.fileno())) != before:
            return False
        put_in_place(aside, target)
    os.unlink(path.name, dir_fd=here)
    return True
