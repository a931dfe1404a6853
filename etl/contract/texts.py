"""What no text in a contract may be: empty, or with signs that break a statement, a page or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

# What no text has, and no database takes; only a delimiter or a separator may be one.
_UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MAY_BE_A_SIGN = ("delimiter", "separator")


def of_texts(raw: Any) -> Iterator[str]:
    """What is wrong with the texts in what a YAML file holds, each with its place."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), raw)]
    for place, said in waiting:
        if isinstance(said, dict):
            separates = said.get("property") == "separator"
            waiting += [
                ((*place, step), item)
                for step, item in said.items()
                if step not in _MAY_BE_A_SIGN and not (separates and step == "value" and item is not None)
            ]
        elif isinstance(said, list):
            waiting += [((*place, step), item) for step, item in enumerate(said)]
        elif isinstance(said, str) and (sign := _UNREADABLE.search(said)):
            yield f"{_place(raw, place)}: it holds the sign U+{ord(sign[0]):04X}, which no text has; leave it out"
        elif said is None and place and not isinstance(place[-1], int):
            yield f"{_place(raw, place)}: nothing is written there; write something, or leave the line out"


def _place(raw: Any, location: Iterable[str | int]) -> str:
    """Where a fault is, with a column by its name in place of its number."""
    parts: list[str] = []
    for step in location:
        raw = raw[step]
        named = raw.get("name") or raw.get("property") if isinstance(raw, dict) else None
        parts.append(f"[{named or step}]" if isinstance(step, int) else f".{step}")
    return "".join(parts).lstrip(".")
