"""What a dataset, a table and a column may be called, and what was meant by a name that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

SCHEMAS = ("people", "business", "land", "governance")  # of the warehouse; see etl/warehouse.py
OURS = ("valid_from", "valid_to", "opened_by", "closed_by")  # columns of every history table
TAKEN = (*OURS, "ctid", "tableoid", "xmin", "xmax", "cmin", "cmax")  # and PostgreSQL's own
LONGEST_NAME = 63  # PostgreSQL cuts a longer one
# What a table, a column, an agency and a dataset may be called: a name that needs no quotation marks anywhere.
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
OF_NAMES = "small letters without marks, digits and _, with a letter in front, 48 at most"
_VIEW = "_current"  # behind a table's name: its view of what is valid now
_NAMED = 30  # of what is known, where a name is not


def taken_by(schema: str, table: str) -> tuple[str, str]:
    """The names that a history table takes in the warehouse: its own and that of its view."""
    return f"{schema}.{table}", f"{schema}.{table}{_VIEW}"


def nearest(name: object, known: Iterable[str]) -> str:
    """The mend for a name that is not known: the one that was meant, where that can be guessed, or all."""
    known = sorted(known)
    close = get_close_matches(str(name), known, n=1)
    more = ", ..." if len(known) > _NAMED else ""
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known[:_NAMED])}{more}"
