"""Archives: a ZIP that holds one file or several, and gzip. Nothing is ever written under a member's name."""

from __future__ import annotations

import gzip
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO

from etl.contract import ENDINGS, Source
from etl.delivery.messages import Stop
from etl.delivery.system_files import is_systems_own
from etl.extract.bounded import bomb, check_size, most_unpacked, read_unpacked
from etl.extract.file_kind import (
    damaged_gzip,
    locked_zip,
    no_zip,
    zip_in_zip,
    zip_of,
    zip_without_member,
    zip_without_parts,
)
from etl.settings import DEFAULT_LIMITS, Limits

# What is raised on damage, by zipfile and its like.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError, IndexError)
_MOST_PARTS = 1_000
_BLOCK = 1 << 20  # bytes
_CLIMBS = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")


def members(
    file: IO[bytes], source: Source, limits: Limits, *, in_lines: bool
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name and content, some megabytes at a time, of the files in a ZIP archive that a contract asks for.

    What systems add to an archive does not count. Each content is to be read before the next one is asked for.

    Args:
        file: the archive, seekable.
        source: says whether it is one member, and which, or all of its format.
        limits: what all of them together may ask.
        in_lines: whether the members' format is one of lines.

    Raises:
        Stop: if the archive is damaged, encrypted, unpacks to too much, does not hold what is asked for, or a member's
            name or kind is one that an honest program does not write.
    """
    check_size(file, limits)
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if _CLIMBS.search(member.orig_filename) or stat.S_ISLNK(member.external_attr >> 16):
                    raise Stop("rejected", "zip_path", name=member.orig_filename[:60])
            found = [m for m in archive.infolist() if not m.is_dir() and not is_systems_own(m.filename)]
            wanted = _wanted(found, source, file)
            left = most = most_unpacked(sum(member.compress_size for member in wanted), limits)
            if sum(member.file_size for member in wanted) > most:
                raise bomb(most)
            for member in wanted:
                if member.flag_bits & 1:
                    raise locked_zip()
                if member.filename.lower().endswith(".zip"):
                    raise zip_in_zip()
                within = replace(limits, unpacked_bytes=left)
                with Member(archive, member) as stream:
                    blocks = read_unpacked(stream, member.compress_size, within, in_lines=in_lines)
                    yield member.filename, _unbroken(blocks, file)
                left -= member.file_size
    except BROKEN:
        raise no_zip(file) from None


class Member:
    """A file in a ZIP archive, of which no byte more is unpacked than the archive says that there are.

    `zipfile` reads so far, finds the sum of what it read to be right, and is silent about more; other programs read on.
    """

    def __init__(self, archive: zipfile.ZipFile, about: zipfile.ZipInfo) -> None:
        """Open it.

        Raises:
            Exception: of `BROKEN`, here and in `read`, where it is damaged.
        """
        one_more = copy(about)
        one_more.file_size += 1
        self._left = about.file_size
        self._stream = archive.open(one_more)

    def read(self, size: int = _BLOCK, /) -> bytes:
        """So many more bytes, at most; none behind the last one.

        Raises:
            zipfile.BadZipFile: if there are more than the archive says.
        """
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise zipfile.BadZipFile("more than the archive says")
        return block

    def whole(self) -> bytes:
        """All that is left, and a look behind it."""
        return b"".join(iter(self.read, b""))

    def __enter__(self) -> Member:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def beside_parts(file: IO[bytes], source: Source) -> list[str]:
    """Names of what lies beside the parts of a delivery in an archive that `members` has read."""
    with zipfile.ZipFile(file) as archive:
        found = [m.filename for m in archive.infolist() if not m.is_dir() and not is_systems_own(m.filename)]
    return [name for name in found if not _is_part(name, source)]


def gunzipped(file: IO[bytes], limits: Limits, *, in_lines: bool) -> Iterator[bytes]:
    """The content of a file packed by gzip, some megabytes at a time.

    Raises:
        Stop: if it is damaged, or unpacks to too much.
    """
    check_size(file, limits)
    packed = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        with io.BufferedReader(gzip.GzipFile(fileobj=file)) as stream:
            yield from read_unpacked(stream, packed, limits, in_lines=in_lines)
    except BROKEN:
        raise damaged_gzip() from None


def is_gzipped(file: IO[bytes]) -> bool:
    """Whether a file, seekable, begins as one that gzip has packed; it stands at its beginning afterwards."""
    file.seek(0)
    head = file.read(2)
    file.seek(0)
    return head == b"\x1f\x8b"


def _unbroken(blocks: Iterator[bytes], file: IO[bytes]) -> Iterator[bytes]:
    try:
        yield from blocks
    except BROKEN:
        raise no_zip(file) from None


def _is_part(name: str, source: Source) -> bool:
    if source.member:
        return PurePosixPath(name).match(source.member)
    return name.lower().endswith(ENDINGS[source.format])


def _wanted(found: list[zipfile.ZipInfo], source: Source, file: IO[bytes]) -> list[zipfile.ZipInfo]:
    """The members that a contract asks for."""
    if not found:
        raise Stop("rejected", "empty_file")
    if any(member.filename == "[Content_Types].xml" for member in found):
        raise no_zip(file)  # an office file is such an archive, too
    if source.archive == "parts":
        wanted = [member for member in found if _is_part(member.filename, source)]
        if not wanted or len(found) > _MOST_PARTS:
            raise zip_without_parts(len(found), source.member or ", ".join(ENDINGS[source.format]))
        return wanted
    if source.member is None:
        if len(found) != 1:
            raise zip_of(len(found))
        return found
    wanted = [member for member in found if source.member in (member.filename, PurePosixPath(member.filename).name)]
    if len(wanted) != 1:
        raise zip_without_member(source.member, [member.filename for member in found])
    return wanted


def size_unpacked(file: IO[bytes]) -> int:
    """Bytes of a file, or of what it holds if it is packed, at most; nothing that is read holds more."""
    size = file.seek(0, io.SEEK_END)
    if is_gzipped(file):
        return size * DEFAULT_LIMITS.ratio  # what it says of itself is not to be believed
    with suppress(*BROKEN), zipfile.ZipFile(file) as archive:
        size = max(size, sum(member.file_size for member in archive.infolist()))
    return size
