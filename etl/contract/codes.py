"""Code lists, `codes/<list>.csv`: a code, what it means, in one language or in Vietnamese and in English, and when.

A list may have the columns valid_from and valid_to: the first day on which a code means that, and the first on which it
no longer does. So one code may stand in it several times, with another meaning each time. Lines that begin with `#`
above the header say where a list comes from and how sure that is.
"""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from etl.contract.messages import ContractError
from etl.contract.names import nearest
from etl.settings import CODES

log = logging.getLogger(__name__)
_NAMES = (("code", "name_vi", "name_en"), ("code", "name"))
_PERIOD = ("valid_from", "valid_to")
_HEADERS = (*_NAMES, *((*names, *_PERIOD) for names in _NAMES))
_REMARK = "#"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # without its ending; nothing that leads elsewhere


class Code(NamedTuple):
    """One code of a list.

    Attributes:
        code: as it is written.
        name_vi: what it means.
        name_en: the same in English.
        valid_from: the first day on which it means that; None where no beginning is known.
        valid_to: the first day on which it no longer does; None while it does.
    """

    code: str
    name_vi: str
    name_en: str
    valid_from: date | None = None
    valid_to: date | None = None

    def is_in_force(self, day: date) -> bool:
        """Whether it means that on a day."""
        return (self.valid_from or date.min) <= day < (self.valid_to or date.max)


@cache
def code_list(name: str) -> tuple[Code, ...]:
    """The codes of a list, in its order.

    Raises:
        ContractError: if there is no such list, or it cannot be used.
    """
    return read(_path(name))


@cache
def code_lists() -> dict[str, tuple[Code, ...]]:
    """All code lists that can be used, by their names. What is wrong with the others is logged."""
    found = {}
    for path in sorted(CODES.glob("*.csv")):
        try:
            found[path.stem] = code_list(path.stem)
        except ContractError as error:
            log.error("left out: %s", error)
    return found


def remarks(name: str) -> list[str]:
    """What a list's file says of the list itself: its source, and how sure that is.

    Raises:
        ContractError: if there is no such list.
    """
    lines = _path(name).read_text(encoding="utf-8").splitlines()
    return [line.lstrip(_REMARK).strip() for line in lines[: _remarks(lines)]]


def with_several_meanings(codes: Sequence[Code]) -> frozenset[str]:
    """The codes that mean one thing in one period and another in another."""
    return frozenset(code for code, count in Counter(code.code for code in codes).items() if count > 1)


def _path(name: str) -> Path:
    path = CODES / f"{name}.csv"
    if not _FILE_NAME.fullmatch(name) or not path.exists():
        raise ContractError(CODES, f"there is no list {name!r}; {nearest(name, (p.stem for p in CODES.glob('*.csv')))}")
    return path


def _remarks(lines: Sequence[str]) -> int:
    return next((at for at, line in enumerate(lines) if not line.startswith(_REMARK)), len(lines))


def read(path: Path) -> tuple[Code, ...]:
    """Read the file of a code list.

    Raises:
        ContractError: what is wrong in it, line by line.
    """
    try:
        written = path.read_text(encoding="utf-8").splitlines()
        above = _remarks(written)
        lines = list(csv.reader(written[above:], strict=True))
    except UnicodeDecodeError:
        raise ContractError(path, "not UTF-8; save it in that encoding") from None
    except csv.Error as error:
        raise ContractError(path, f"not CSV: {error}") from None
    header = tuple(lines[0]) if lines else ()
    if header not in _HEADERS:
        expected = " or ".join(",".join(names) for names in _HEADERS)
        raise ContractError(path, f"line {above + 1} is {','.join(header)!r}, and must be {expected}")
    codes, wrong = list[Code](), list[str]()
    for number, line in enumerate(lines[1:], start=above + 2):
        try:
            codes.append(_code(line, header))
        except ValueError as error:
            wrong.append(f"line {number} is {','.join(line)!r}; {error}")
    wrong += _at_one_time(codes)
    if len(lines) < 2:
        wrong.append(f"it has no code; write each as {','.join(header)}")
    if wrong:
        raise ContractError(path, *wrong)
    return tuple(codes)


def _code(line: Sequence[str], header: Sequence[str]) -> Code:
    count = len(header) - len(_PERIOD) * (_PERIOD[0] in header)
    names, period = line[:count], line[count:]
    if len(line) != len(header) or not all(cell and cell == cell.strip() for cell in names):
        needed = "a code and its name are" if count == len(_NAMES[1]) else "a code and its two names are"
        raise ValueError(f"{needed} needed, without blanks at their ends")
    try:
        days = [date.fromisoformat(cell) if cell else None for cell in period]
    except ValueError:
        raise ValueError("valid_from and valid_to are days written as 2025-07-01, or empty") from None
    code = Code(names[0], names[1], names[-1], *days)
    if code.valid_from and code.valid_to and code.valid_from >= code.valid_to:
        raise ValueError("valid_to is the first day on which it is no longer in force, and lies behind valid_from")
    return code


def _at_one_time(codes: Sequence[Code]) -> Iterator[str]:
    """The codes that mean two things on one day."""
    by_code: dict[str, list[Code]] = {}
    for code in codes:
        by_code.setdefault(code.code, []).append(code)
    for name, its in by_code.items():
        its.sort(key=lambda code: code.valid_from or date.min)
        if any((one.valid_to or date.max) > (next_.valid_from or date.min) for one, next_ in pairwise(its)):
            yield f"{name!r} stands {len(its)} times for one day; keep one, or part them by valid_from and valid_to"
