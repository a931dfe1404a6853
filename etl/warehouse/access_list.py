"""Access lists of folders, as Linux keeps them; the form is that of acl(5).

Python has no library for it that needs no compiler.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

_ACL, _VERSION = "system.posix_acl_access", 2
_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY = 0xFFFFFFFF  # in entries that are about nobody by name


def let_pass(folder: Path, user: int) -> None:
    """Let a user pass through a folder and those above it; nobody else, and not list them.

    The user gets an entry of its own in the access list of each folder that is closed to others.

    Args:
        folder: where the user must get to.
        user: its number.

    Raises:
        OSError: if a file system keeps no such lists; it names the folder.
    """
    for part in (folder, *folder.parents):
        if part.stat().st_mode & stat.S_IXOTH:
            continue
        entries = _entries(part) | {(_USER, user): stat.S_IXOTH}
        entries[_MASK, _NOBODY] = entries.get((_MASK, _NOBODY), 0) | stat.S_IXOTH
        packed = b"".join(struct.pack("<HHI", tag, may, who) for (tag, who), may in sorted(entries.items()))
        os.setxattr(part, _ACL, struct.pack("<I", _VERSION) + packed)


def _entries(folder: Path) -> dict[tuple[int, int], int]:
    """A folder's access list: permissions by kind of entry and whom it is about."""
    mode = folder.stat().st_mode
    try:
        content = os.getxattr(folder, _ACL)
    except OSError:  # it has none: the mode says it all
        owner, group, other = (_OWNER, mode >> 6 & 7), (_GROUP, mode >> 3 & 7), (_OTHER, mode & 7)
        return {(tag, _NOBODY): may for tag, may in (owner, group, (_MASK, group[1]), other)}
    return {(tag, who): may for tag, may, who in struct.iter_unpack("<HHI", content[4:])}
