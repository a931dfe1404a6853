"""Writing files so that readers see the whole of one or none of it, also after a power cut; and reading such back."""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, takewhile
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import polars as pl
from upath import UPath

from etl.delivery import object_store

if sys.platform != "win32":
    import fcntl

_FOLDER, _FILE = 0o700, 0o600  # whatever the process's umask is: what lies here is personal data


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
    if not isinstance(folder, Path) or folder.is_dir():
        return
    missing = takewhile(lambda place: not place.exists(), chain([folder], folder.parents))
    for place in reversed([*missing]):
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
    try:
        said = json.dumps(
            content, ensure_ascii=False, default=str, allow_nan=False
        )  # it indents at a tenth of the pace
        said = msgspec.json.format(said, indent=2)
    except ValueError:  # infinity, as the mean of numbers near the end of a double's range
        said = json.dumps(content, ensure_ascii=False, indent=2, default=str)
    write_text(path, said + "\n")


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
