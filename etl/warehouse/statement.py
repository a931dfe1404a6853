"""What a mart's statement names, however it is spelt.

SQL takes `people.births`, `PEOPLE.Births` and `"people" . "births"` for one table: a mart that was known by one
spelling alone would stay as it is for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAMED = re.compile(r"""(?<![\w".'])"?([A-Za-z_]\w*)"?\s*\.\s*"?([A-Za-z_]\w*)\b"?(?!')""")
_QUOTED = re.compile(r"'([a-z_]\w*\.[a-z_]\w*)'")
_DAY = re.compile(r"\bcurrent_date\b", re.IGNORECASE)
_SAID = re.compile(r"(--[^\n]*|/\*.*?\*/|'(?:[^']|'')*')", re.DOTALL)  # comments, and what is written into a cell
_MOMENT = re.compile(r"\b(?:now\s*\(\s*\)|current_timestamp\b|localtimestamp\b)", re.IGNORECASE)


def names(statement: str) -> set[str]:
    """Schema and name of each table and function; and what looks like one, as a column of an alias."""
    return {_name(found) for found in _NAMED.finditer(statement)}


def texts(statement: str) -> set[str]:
    """What stands in quotes and looks like a name, as that of a dataset."""
    return set(_QUOTED.findall(statement))


def is_of_today(statement: str) -> bool:
    """Whether it reads the day or the time."""
    return bool(_DAY.search(statement) or _MOMENT.search(statement))


def moved(statement: str, places: Mapping[str, str], day: str) -> str:
    """The statement with other tables, and another today; texts, which a mart may show, stay as they are.

    Args:
        statement: SQL.
        places: what is to be named in the place of a name.
        day: that is today, as SQL writes a text.
    """

    def of_code(code: str) -> str:
        made = _NAMED.sub(lambda found: places.get(_name(found), found[0]), code)
        return _MOMENT.sub(f"(DATE {day})::timestamptz", _DAY.sub(f"DATE {day}", made))

    parts = _SAID.split(statement)  # every second one is said, and no code
    return "".join(part if place % 2 else of_code(part) for place, part in enumerate(parts))


def _name(found: re.Match[str]) -> str:
    return f"{found[1]}.{found[2]}".lower()
