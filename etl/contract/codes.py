"""Code lists, `codes/<list>.csv`: a code, and what it means, in one language or in Vietnamese and in English."""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

from etl.contract.messages import ContractError
from etl.contract.names import nearest
from etl.settings import CODES

log = logging.getLogger(__name__)
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # without its ending; nothing that leads elsewhere
_ONE_LANGUAGE = ["code", "name"]


class Code(NamedTuple):
    """One code of a list."""

    code: str
    name_vi: str
    name_en: str


@cache
def code_list(name: str) -> tuple[Code, ...]:
    """The codes of a list, in its order.

    Raises:
        ContractError: if there is no such list, or it cannot be used.
    """
    path = CODES / f"{name}.csv"
    if not _FILE_NAME.fullmatch(name) or not path.exists():
        raise ContractError(CODES, f"there is no list {name!r}; {nearest(name, (p.stem for p in CODES.glob('*.csv')))}")
    return read(path)


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


def read(path: Path) -> tuple[Code, ...]:
    """Read the file of a code list.

    Raises:
        ContractError: what is wrong in it, line by line.
    """
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines(), strict=True))
    except UnicodeDecodeError:
        raise ContractError(path, "not UTF-8; save it in that encoding") from None
    except csv.Error as error:
        raise ContractError(path, f"not CSV: {error}") from None
    if not lines or lines[0] not in (list(Code._fields), _ONE_LANGUAGE):
        said = ",".join(lines[0]) if lines else ""
        raise ContractError(
            path, f"line 1 is {said!r}, and must be {','.join(Code._fields)} or {','.join(_ONE_LANGUAGE)}"
        )
    needed = "a code and its name are" if lines[0] == _ONE_LANGUAGE else "a code and its two names are"
    wrong = [
        f"line {number} is {','.join(line)!r}; {needed} needed, without blanks at their ends"
        for number, line in enumerate(lines[1:], start=2)
        if len(line) != len(lines[0]) or not all(cell and cell == cell.strip() for cell in line)
    ]
    codes = Counter(line[0] for line in lines[1:] if line)
    wrong += [f"{code!r} stands {count} times; keep one" for code, count in codes.items() if count > 1]
    if not codes:
        wrong.append(f"it has no code; write each as {','.join(lines[0])}")
    if wrong:
        raise ContractError(path, *wrong)
    return tuple(Code(line[0], line[1], line[-1]) for line in lines[1:])
