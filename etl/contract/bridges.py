"""Bridges between code lists, `expectations/bridges/*.csv`: what became of an older code, many to many.

A bridge leads from one list to another, or from one period of a list to the next. A code that became one other can be
carried over; what became several can only be estimated, and what has no line here not at all.
"""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from etl.contract.codes import code_list
from etl.contract.messages import ContractError
from etl.settings import EXPECTATIONS

log = logging.getLogger(__name__)
_HEADER = ["old_list", "old_code", "new_list", "new_code"]


class Bridge(NamedTuple):
    """One code and one of those that it became.

    Attributes:
        old_list: the list that the older code is of.
        old_code: the older code.
        new_list: the list that the newer code is of.
        new_code: the newer code.
        targets: how many codes of the newer list the older one became.
    """

    old_list: str
    old_code: str
    new_list: str
    new_code: str
    targets: int


@cache
def bridges() -> tuple[Bridge, ...]:
    """All bridges. What is wrong in a file of them is logged, and the file left out."""
    found = list[Bridge]()
    for path in sorted((EXPECTATIONS / "bridges").glob("*.csv")):
        try:
            found += read(path)
        except ContractError as error:
            log.error("left out: %s", error)
    return tuple(found)


def read(path: Path) -> list[Bridge]:
    """Read a file of bridges.

    Raises:
        ContractError: what is wrong in it, line by line, or that a list which it names cannot be used.
    """
    try:
        written = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        lines = list(csv.reader(written, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ContractError(path, f"not CSV in UTF-8: {error}") from None
    if not lines or lines[0] != _HEADER:
        raise ContractError(path, f"its header must be {','.join(_HEADER)}")
    wrong = [f"{','.join(line)!r}: {finding}" for line in lines[1:] for finding in _of_line(line)]
    wrong += [
        f"{','.join(line)!r} stands {count} times" for line, count in Counter(map(tuple, lines)).items() if count > 1
    ]
    if wrong:
        raise ContractError(path, *wrong)
    targets = Counter((old_list, old, new_list) for old_list, old, new_list, _ in lines[1:])
    return [
        Bridge(old_list, old, new_list, new, targets[old_list, old, new_list])
        for old_list, old, new_list, new in lines[1:]
    ]


def _of_line(line: list[str]) -> Iterator[str]:
    if len(line) != len(_HEADER):
        yield "write a list and its code, and another list and its code"
        return
    for name, code in (line[:2], line[2:]):
        if code not in {known.code for known in code_list(name)}:
            yield f"{name}.csv has no code {code!r}"
