"""Archives: a ZIP that holds one file. Nothing is ever written under a name that stands in an archive."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import PurePosixPath

from etl.delivery import Stop
from etl.limits import LIMITS

_CHUNK = 1 << 20
_SMALL = 10 << 20  # unpacked bytes that are no bomb at any ratio
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError)


def only_member(content: bytes) -> bytes:
    """The content of the only file in a ZIP archive.

    Raises:
        Stop: if the archive is damaged, encrypted, or does not hold exactly one file, if that unpacks to too much, or
            if its name climbs out of the archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
            if len(members) != 1:
                raise Stop("rejected", "unreadable_zip", detail=f"{len(members)} tệp / files")
            path = PurePosixPath(members[0].filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise Stop("rejected", "climbing_zip")
            return read_member(archive, members[0])
    except _BROKEN as error:
        raise Stop("rejected", "unreadable_zip", detail=type(error).__name__) from None


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Unpack one member, not trusting the size that the archive says it has.

    Raises:
        Stop: if it unpacks to more than `unpacked_bytes`, or to more than `ratio` times its packed size.
        zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError: if it is damaged.
    """
    most = min(LIMITS.unpacked_bytes, max(_SMALL, LIMITS.ratio * member.compress_size))
    unpacked = bytearray()
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            unpacked += chunk
            if len(unpacked) > most:
                raise Stop("rejected", "zip_bomb", limit=f"{most:,}")
    return bytes(unpacked)
