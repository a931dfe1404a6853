"""Archives: a ZIP that holds one file. Nothing is ever written under a member's name."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from etl.delivery.messages import Stop
from etl.delivery.system_files import is_systems_own
from etl.extract.bounded import bomb, check_size, most_unpacked, read_unpacked
from etl.extract.file_kind import locked_zip, no_zip, zip_in_zip, zip_of
from etl.settings import Limits

# What is raised on damage, by zipfile and its like.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError)
_CLIMBS = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")


def only_member(file: IO[bytes], limits: Limits, *, in_lines: bool) -> Iterator[bytes]:
    """The content of the only file in a ZIP archive, some megabytes at a time; what systems add to one does not count.

    Args:
        file: the archive, seekable.
        limits: what it may ask.
        in_lines: whether the member's format is one of lines.

    Raises:
        Stop: if the archive is damaged, encrypted, unpacks to too much, does not hold exactly one file, or a member's
            name or kind is one that an honest program does not write.
    """
    check_size(file, limits)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not is_systems_own(m.filename)]
            for member in archive.infolist():
                if _CLIMBS.search(member.orig_filename) or stat.S_ISLNK(member.external_attr >> 16):
                    raise Stop("rejected", "zip_path", name=member.orig_filename[:60])
            if len(members) != 1:
                if not members:
                    raise Stop("rejected", "empty_file")
                raise _several(members, file)
            (member,) = members
            if member.flag_bits & 1:
                raise locked_zip()
            if member.filename.lower().endswith(".zip"):
                raise zip_in_zip()
            most = most_unpacked(member.compress_size, limits)
            if member.file_size > most:
                raise bomb(most)
            with archive.open(member) as stream:
                yield from read_unpacked(stream, member.compress_size, limits, in_lines=in_lines)
    except BROKEN:
        raise no_zip(file) from None


def size_unpacked(file: IO[bytes]) -> int:
    """Bytes of a file, or of what it holds if it is a ZIP, as it says itself; nothing that is read holds more."""
    size = file.seek(0, io.SEEK_END)
    with suppress(*BROKEN), zipfile.ZipFile(file) as archive:
        size = max(size, sum(member.file_size for member in archive.infolist()))
    return size


def _several(members: list[zipfile.ZipInfo], file: IO[bytes]) -> Stop:
    """What is told of an archive that holds none or several files; an office file is such an archive, too."""
    if any(member.filename == "[Content_Types].xml" for member in members):
        return no_zip(file)
    return zip_of(len(members))
