"""Files that others have put there: only a plain one is opened, no link is followed, and one receiver takes each."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path

from upath import UPath

if sys.platform != "win32":
    import fcntl

HOLE = 1 << 20  # bytes of a file that may be missing, as those of a small one that lies in its folder's own block


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
