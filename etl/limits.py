"""Limits: how much one delivery may ask of the machine. Beyond them it is refused before memory is spent on it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """Each can be set by an environment variable of its name, as CITYDW_MAX_COLUMNS.

    Attributes:
        file_bytes: of a file as it lies in landing.
        unpacked_bytes: of what is packed in a ZIP or in an Excel workbook (which is a ZIP).
        ratio: unpacked bytes for one packed byte; text packs 5 to 30 times.
        columns: in a header.
        line_bytes: of one line, where a record is a line (CSV, NDJSON).
        cell_characters: in one cell.
        sheet_cells: in the rectangle that a worksheet's cells span, empty ones included.
        depth: of nested JSON, and of geometries within geometries.
    """

    file_bytes: int = 1 << 30
    unpacked_bytes: int = 1 << 30
    ratio: int = 100
    columns: int = 1_000
    line_bytes: int = 16 << 20
    cell_characters: int = 1_000_000
    sheet_cells: int = 5_000_000
    depth: int = 50

    @classmethod
    def from_environment(cls) -> Limits:
        """Read CITYDW_MAX_<NAME> for each."""
        names = (field.name for field in fields(cls))
        return cls(**{name: int(text) for name in names if (text := os.environ.get(f"CITYDW_MAX_{name.upper()}"))})


LIMITS = Limits.from_environment()
