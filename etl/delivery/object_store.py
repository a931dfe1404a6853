"""What an object store does otherwise than a file system.

It has no folders, no locks and no new names for old objects. It shows an object only when the whole of it has come, and
refuses, if it is asked to, to write over one or to delete another one than was meant. Files that are being written lie
on this machine's disk until they are whole.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from upath import UPath

# Others write there too: whoever lists a folder a second time must see what they have written meanwhile.
for _protocol in ("s3", "s3a"):
    fsspec.config.conf.setdefault(_protocol, {})["use_listings_cache"] = False


def put(file: Path, path: UPath) -> None:
    """Put a local file into the store; a reader sees the whole of it or what was there before."""
    path.fs.put_file(str(file), path.path)


def tag_of(status: Any) -> str:
    """What names an object's content, as `status_of` gives it (the ETag); empty where a store has no such name."""
    return str(status.as_info().get("ETag") or "") if hasattr(status, "as_info") else ""


def move(path: UPath, target: UPath, tag: int | str | None = None) -> bool:
    """Give an object another name.

    Args:
        path: the object.
        target: its new name.
        tag: what it must be; by default what it is now.

    Returns:
        False if somebody has put another one in its place meanwhile; that one stays.

    Raises:
        FileNotFoundError: if it is not there.
        OSError: if it cannot be moved.
    """
    tag = tag or tag_of(path.stat())
    if not isinstance(tag, str) or not tag:  # a store of which we know no such condition
        path.rename(target)
        return True
    return move_within(path.fs, path.path, target.path, tag)


def move_within(store: Any, path: str, target: str, tag: str) -> bool:
    """The same by a store of fsspec's that speaks S3, and paths in it."""
    store.copy(path, target)
    bucket, key, _ = store.split_path(path)
    try:
        store.call_s3("delete_object", Bucket=bucket, Key=key, IfMatch=tag)
    except OSError:
        if store.info(path)["ETag"] == tag:
            raise
        store.rm_file(target)
        return False
    return True


def written_at(path: UPath) -> Path:
    """Where on this machine's disk an object is written before it is put into the store.

    Raises:
        PermissionError: if somebody else has made the folder for it.
    """
    name = f"citydw-work-{os.getuid()}" if sys.platform != "win32" else "citydw-work"
    folder = Path(tempfile.gettempdir()) / name
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    if sys.platform != "win32":
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(1, "it is no private folder of this account; remove it, or set TMPDIR", str(folder))
    return folder / hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()
