"""What is found of how a file is laid out, or why nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Undrafted(Exception):
    """A file of which no contract can be drafted; the text says why, and what to do."""


@dataclass(frozen=True)
class Layout:
    """How a file is to be read.

    Attributes:
        source: what the contract says under `source`.
        names: of its columns, in their order; none where the records name them themselves.
        notes: what decided, or did not, one sentence each.
        todo: what a person has to decide of it, one sentence each.
        places: of text of fixed width, first and last place of each column in a line.
        required: columns that tell a record from the lines below the table.
        has_names: the file names its columns.
    """

    source: dict[str, Any]
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    has_names: bool = True
