"""Files that are nobody's delivery: those that systems and editors keep for themselves."""

from __future__ import annotations

from pathlib import PurePosixPath

_SYSTEMS = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"),
    )
)


def is_systems_own(path: str) -> bool:
    """Whether a path is of a file that an operating system or an editor keeps for itself."""
    return any(_is_systems_own(part) for part in PurePosixPath(path.lower()).parts)


def _is_systems_own(name: str) -> bool:
    return name.startswith((".", "~", "#")) or name in _SYSTEMS
