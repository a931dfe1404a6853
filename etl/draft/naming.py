"""Names of columns in the warehouse, made of what the agency calls them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from etl.contract.names import TAKEN

_LONGEST = 48
# Words that PostgreSQL keeps for itself, so that a column of that name needs quotation marks.
_RESERVED = frozenset([
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both",
    "case", "cast", "check", "collate", "collation", "column", "concurrently", "constraint", "create", "cross",
    "current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp",
    "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch",
    "for", "foreign", "freeze", "from", "full", "grant", "group", "having", "ilike", "in", "initially", "inner",
    "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime",
    "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only", "or", "order", "outer", "overlaps",
    "placing", "primary", "references", "returning", "right", "select", "session_user", "similar", "some",
    "symmetric", "system_user", "table", "tablesample", "then", "to", "trailing", "true", "union", "unique", "user",
    "using", "variadic", "verbose", "when", "where", "window", "with",
])  # fmt: skip


def folded(text: str) -> str:
    """Small ASCII letters and digits, what stands between them as `_`; Vietnamese letters without their marks."""
    plain = unicodedata.normalize("NFD", text.lower().replace("đ", "d").replace("ß", "ss").replace("ł", "l"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def names(sources: Iterable[str]) -> dict[str, str]:
    """A name for each of a file's columns: one that needs no quotation marks, and no two alike.

    Args:
        sources: what the agency calls them.
    """
    made: dict[str, str] = {}
    taken: set[str] = set()
    for number, source in enumerate(sources, start=1):
        name = folded(_parted(source)) or f"column_{number}"
        if not name[0].isalpha():
            name = f"c_{name}"
        if name in _RESERVED or name in TAKEN:
            name = f"{name}_sent"
        name = name[:_LONGEST].rstrip("_")
        free, count = name, 1
        while free in taken:
            count += 1
            free = f"{name[: _LONGEST - len(str(count)) - 1]}_{count}"
        taken.add(free)
        made[source] = free
    return made


def _parted(source: str) -> str:
    """`registeredOn` as `registered On`; the prefix of a namespace, as in `ns:row`, is left out."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", re.sub(r"(^|/)@?[A-Za-z]\w*:(?=\w)", r"\1", source))
