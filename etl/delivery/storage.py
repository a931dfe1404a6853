"""Where deliveries lie between stations: zones of one data root, a folder for each delivery, atomic publishing.

A station's output is complete when its `report.json` is there: it is written last.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import polars as pl
from upath import UPath

from etl.delivery import object_store
from etl.delivery.model import Delivery

if sys.platform != "win32":
    import fcntl

HOLE = 1 << 20  # bytes of a file that may be missing, as those of a small one that lies in its folder's own block
_FOLDER, _FILE = 0o700, 0o600  # whatever the process's umask is: what lies here is personal data
Zone = Literal["landing", "raw", "validated", "staging", "outbox"]
# What a delivery is called, and its folders: a name from elsewhere is no path before it is one of these.
_ID = re.compile(r"(?:undated|\d{8}-r\d{1,9}(?:w\d{1,9})?(?:c\d{1,9})?)(?:w\d{1,9})?-[0-9a-f]{12,64}", re.ASCII)
_FOLDER_NAME = re.compile(r"[\w-]{1,60}")


@dataclass(frozen=True)
class Storage:
    """The data root; a local folder, or an object store, as s3://bucket/prefix."""

    root: UPath

    @property
    def inbox(self) -> UPath:
        """Where agencies drop files, in `<agency>/<dataset>/`."""
        return self.root / "inbox"

    @property
    def processed(self) -> UPath:
        """Where an inbox file goes once landing holds its bytes."""
        return self.root / "processed"

    @property
    def site(self) -> UPath:
        """The pages for all; see `etl.site`."""
        return self.root / "site"

    def folder(self, zone: Zone, delivery: Delivery) -> UPath:
        """The folder of one delivery in one zone."""
        dataset = self.root / zone / delivery.agency / delivery.dataset
        if zone in ("raw", "staging") and delivery.as_of:
            dataset = dataset / f"as_of={delivery.as_of.isoformat()}"
        return dataset / delivery.id

    def content(self, delivery: Delivery) -> UPath:
        """The untouched bytes in landing."""
        return self.folder("landing", delivery) / f"content{Path(delivery.file_name).suffix.lower()[:10]}"

    def delivery(self, agency: str, dataset: str, delivery_id: str) -> Delivery:
        """The delivery of that name, from its manifest in landing.

        Raises:
            FileNotFoundError: if landing has no such delivery, or it is the name of none.
        """
        return Delivery.from_json(self.manifest(agency, dataset, delivery_id)["delivery"])

    def manifest(self, agency: str, dataset: str, delivery_id: str) -> dict[str, Any]:
        """What landing says of a delivery.

        Raises:
            FileNotFoundError: if landing has no such delivery, or it is the name of none.
        """
        if not (_FOLDER_NAME.fullmatch(agency) and _FOLDER_NAME.fullmatch(dataset) and _ID.fullmatch(delivery_id)):
            raise FileNotFoundError(errno.ENOENT, "that is no delivery's name", "manifest.json")
        return read_json(self.root / "landing" / agency / dataset / delivery_id / "manifest.json")


class NoPlainFile(OSError):
    """A name behind which there is no plain file: a folder, a pipe, a device, a link, or one of several hard links."""


def is_plain(status: os.stat_result) -> bool:
    """Whether that is a plain file, which has no second name: whoever drops it could read no other file through it."""
    return stat.S_ISREG(status.st_mode) and getattr(status, "st_nlink", 1) <= 1


def allocated(status: os.stat_result) -> int:
    """Bytes that a file takes up; its size where the system does not say."""
    return 512 * status.st_blocks if hasattr(status, "st_blocks") else status.st_size


def is_below(file: UPath, root: UPath) -> bool:
    """Whether a file lies below a folder by its path; one on this machine does not lie in an object store."""
    return isinstance(file, Path) == isinstance(root, Path) and bool(file.is_relative_to(root))


def status_of(path: UPath) -> os.stat_result:
    """What is known of a file without opening it; a link is not followed.

    Raises:
        OSError: if it cannot be looked at.
    """
    status: os.stat_result = path.lstat() if isinstance(path, Path) else path.stat()
    return status


@contextmanager
def folder_of(file: UPath, root: UPath | None = None) -> Iterator[int | None]:
    """Open the folder that a file lies in, from a root on step by step, so that no link is followed on the way.

    Args:
        file: the file; one that does not lie below the root is in a folder of our own or of an operator's.
        root: a folder below which others may put links; None if the file lies in none.

    Yields:
        A descriptor; None where the system or an object store has none.

    Raises:
        OSError: if a step is no folder.
    """
    if sys.platform == "win32" or not isinstance(file, Path):
        yield None
        return
    top = root if root is not None and is_below(file, root) else file.parent
    with ExitStack() as stack:
        folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, folder)
        for name in file.parent.relative_to(top).parts:
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            stack.callback(os.close, folder)
        yield folder


@contextmanager
def open_plain(file: UPath, root: UPath | None = None) -> Iterator[BufferedReader]:
    """Open a file to read it, if it is a plain one; nothing else is waited for, and no link followed below the root.

    Raises:
        NoPlainFile: if it is something else.
        OSError: if it cannot be opened.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(folder_of(file, root))
        if sys.platform == "win32" or folder is None:
            yield stack.enter_context(file.open("rb"))
            return
        try:
            descriptor = os.open(file.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
                raise NoPlainFile(error.errno, "no plain file") from None
            raise
        stack.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        is_ours = root is None or not is_below(file, root)
        if not (stat.S_ISREG(status.st_mode) if is_ours else is_plain(status)):
            raise NoPlainFile(errno.EINVAL, "no plain file")
        yield stack.enter_context(os.fdopen(descriptor, "rb", closefd=False))


def digest_of(file: UPath, name: str = "sha256", inbox: UPath | None = None) -> str:
    """A hash of a file's bytes, in hexadecimal.

    Args:
        file: the file.
        name: of the hash, as hashlib calls it.
        inbox: below which no link is followed.

    Raises:
        OSError: if it is no plain file, or cannot be read.
    """
    with open_plain(file, inbox) as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()


@contextmanager
def claimed(file: UPath, root: UPath) -> Iterator[bool]:
    """Claim a file, so that of several receivers at once one takes it.

    Yields:
        Whether it is claimed; False if somebody else has claimed it, or taken it away meanwhile.

    Raises:
        OSError: if it cannot be opened.
    """
    with open_plain(file, root) as stream:
        if sys.platform == "win32" or not isinstance(file, Path):
            yield True
            return
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks: then there is one receiver
            pass
        try:
            is_there = os.path.samestat(os.fstat(stream.fileno()), status_of(file))
        except FileNotFoundError:
            is_there = False
        yield is_there


@contextmanager
def publish(path: UPath, *, is_last: bool = True) -> Iterator[UPath]:
    """Write aside, then put in place: readers see the whole file or none.

    Args:
        path: the file's real name.
        is_last: nothing else is published in its folder by the same hand. Another file's name may be lost in a power
            cut until the last one is there, and readers look for that one first.

    Yields:
        The path to write to. On leaving without an exception it is flushed to disk and takes its real name.
    """
    with aside_of(path) as aside:
        yield aside
        put_in_place(aside, path, is_last=is_last)


@contextmanager
def aside_of(path: UPath) -> Iterator[UPath]:
    """A hidden file beside a path, to write to; unless it is put in place, it is gone in the end.

    Beside an object there is none: it is written on this machine's disk. What earlier writers of the same path could
    not remove, because they were killed, is removed first. A living writer holds a lock on its file, so that two
    workers never take each other's.
    """
    make_folder(path.parent)
    beside = _local(path)
    aside = UPath(beside.with_name(f".{beside.name}.{uuid4().hex}.part"))
    if sys.platform == "win32":  # it has other locks
        try:
            yield aside
        finally:
            aside.unlink(missing_ok=True)
        return
    for leftover in beside.parent.glob(f".{glob.escape(beside.name)}.*.part"):
        _remove_if_abandoned(leftover)
    descriptor = _create_locked(aside)
    try:
        yield aside
    finally:
        aside.unlink(missing_ok=True)
        os.close(descriptor)


def is_left_over(path: UPath) -> bool:
    """Whether somebody on this machine who wrote to a path was killed meanwhile, or still writes."""
    beside = _local(path)
    return any(beside.parent.glob(f".{glob.escape(beside.name)}.*.part"))


def _local(path: UPath) -> Path:
    return path if isinstance(path, Path) else object_store.written_at(path)


def _create_locked(file: Path) -> int:
    while True:
        descriptor = os.open(file, os.O_CREAT | os.O_WRONLY, _FILE)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another worker removed it before it was locked


def _remove_if_abandoned(file: Path) -> None:
    # An error means that its writer lives, or has just put it in place, or that it is somebody else's.
    with suppress(OSError), file.open("r+b") as leftover:
        fcntl.flock(leftover, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(leftover.fileno()).st_nlink:  # else another worker removed it, and the name may be a new file's
            file.unlink()


def put_in_place(aside: UPath, path: UPath, *, is_last: bool = True) -> None:
    """Flush a file that was written aside to disk, and give it its name; see `publish`."""
    if not isinstance(path, Path):
        object_store.put(aside, path)
        return
    make_folder(path.parent)
    sync(aside)
    aside.replace(path)
    if is_last:
        sync(path.parent)


def publish_again(path: UPath, target: UPath) -> None:
    """Publish a file that nobody changes any more under a second name: a hard link, or a copy where there are none."""
    make_folder(target.parent)
    if isinstance(path, Path):
        with suppress(OSError):  # the name is taken already, by the same file, or the file system has no links
            os.link(path, target)
            sync(target.parent)
    if not target.exists():
        with publish(target) as aside, path.open("rb") as stream, aside.open("wb") as copy:
            shutil.copyfileobj(stream, copy)


def make_folder(folder: UPath) -> None:
    """Make a folder and those above it, so that they are there after a power cut too; an object store needs none."""
    if not isinstance(folder, Path):
        return
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(_FOLDER, exist_ok=True)
        sync(place.parent)
    folder.mkdir(parents=True, exist_ok=True)


def sync(path: Path) -> None:
    """Flush a file, or what stands in a folder, to disk."""
    on_windows = os.name == "nt"
    if on_windows and path.is_dir():  # it opens no folder, and keeps their entries by itself
        return
    descriptor = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: UPath, content: dict[str, Any]) -> None:
    """Publish a JSON file, readable by people."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2, default=str) + "\n")


def write_text(path: UPath, content: str, *, is_last: bool = True) -> None:
    """Publish a text file (UTF-8); see `publish`."""
    with publish(path, is_last=is_last) as aside:
        aside.write_text(content, encoding="utf-8")


def write_once(path: UPath, content: str) -> bool:
    """Publish a text file (UTF-8) unless there is one; gives whether it was. Of several writers at once, one may."""
    try:
        if isinstance(path, Path):
            with aside_of(path) as aside:
                aside.write_text(content, encoding="utf-8")
                sync(aside)
                os.link(aside, path)  # unlike a new name, it never takes another file's place
                sync(path.parent)
        else:
            with path.open("xb") as stream:
                stream.write(content.encode())
    except OSError:  # object stores have errors of their own for a name that is taken
        if not path.exists():
            raise
        return False
    return True


def read_json(path: UPath) -> dict[str, Any]:
    """Read a JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_parquet(path: UPath, frame: pl.DataFrame) -> None:
    """Publish a Parquet file (zstd), before the report of its folder."""
    with publish(path, is_last=False) as aside:
        frame.write_parquet(str(aside), compression="zstd")
