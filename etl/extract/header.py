"""Names of columns that are written over several lines: within one cell, or in cells above each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import zip_longest


def one_line(name: str) -> str:
    """A name as a contract writes it: on one line, however its cell was broken."""
    return " ".join(name.split()) if "\n" in name else name.strip()


def joined(rows: Sequence[Sequence[str]]) -> list[str]:
    """The names in rows that stand above each other, as `Dân số Nam` of `Dân số` above `Nam`.

    An empty cell beside one that has something below it is a part of that one, as programs write merged cells.

    Args:
        rows: the cells of each, the upper first; one at least.
    """
    return reduce(_under, ([one_line(name) for name in row] for row in rows))


def _under(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    names, over = [], ""
    for above, below in zip_longest(upper, lower, fillvalue=""):
        over = (above or over) if below else ""
        names.append(" ".join(filter(None, (over or above, below))))
    return names
