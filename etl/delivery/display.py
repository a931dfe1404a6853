"""Names and sizes as people read them."""

from __future__ import annotations

_LONGEST_NAME = 200


def shown(text: str) -> str:
    """Text that came from outside, made safe to show on one line: what cannot be printed becomes an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable(name: str) -> str:
    """A file's name that can be shown and stored, and is not endless."""
    name = shown(name)
    return name if len(name) <= _LONGEST_NAME else f"…{name[-_LONGEST_NAME:]}"


def megabytes(size: int) -> str:
    """A number of bytes as people read it."""
    return f"{size / (1 << 20):.3g} MB" if size < 1000 << 20 else f"{size / (1 << 20):.0f} MB"
