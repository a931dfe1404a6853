"""Archives: a ZIP that holds one file."""

from __future__ import annotations

import io
import zipfile
import zlib

from etl.delivery import Stop

_LIMIT = 4 << 30  # uncompressed bytes


def only_member(content: bytes) -> bytes:
    """The content of the only file in a ZIP archive.

    Raises:
        Stop: if the archive is damaged, encrypted, too large, or does not hold exactly one file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
            if len(members) != 1:
                raise Stop("rejected", "unreadable_zip", detail=f"{len(members)} tệp / files")
            if members[0].file_size > _LIMIT:
                raise Stop("rejected", "unreadable_zip", detail=f"{members[0].file_size} bytes")
            return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise Stop("rejected", "unreadable_zip", detail=type(error).__name__) from None
