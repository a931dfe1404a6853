"""Where a table lies in a workbook: its sheet, its range, its rows of names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from etl.contract import Contract, Source
from etl.delivery.messages import Stop
from etl.extract.grid import Grid, Range
from etl.extract.header import joined
from etl.extract.number_format import GENERAL, date_shown

_HEADER_WITHIN = 50  # rows from the top in which the header row must stand
_RANGE = re.compile(r"([A-Z]{1,3})([1-9][0-9]*):([A-Z]{1,3})([1-9][0-9]*)?")
_END = 1 << 20  # rows of a sheet of Excel
_NAMED = 20


@dataclass(frozen=True)
class Place:
    """A table in a sheet.

    Attributes:
        grid: the sheet, without what lies outside of the range that is read.
        header_at: index of the last row of names; that before the first row where there is none.
        names: of the columns, from the sheet's first one on; "" for one without.
    """

    grid: Grid
    header_at: int
    names: list[str]

    @property
    def is_filled(self) -> bool:
        """Whether anything stands below the names."""
        return any(column.from_row(self.header_at + 1).is_filled.any() for column in self.grid.columns)


def words(cell: object) -> str:
    """A cell as one line of words; a whole number without the decimals that Excel's numbers have."""
    is_whole = isinstance(cell, float) and cell.is_integer()
    return " ".join(f"{cell:.0f}".split() if is_whole else str(cell).split())


def asked_for(grids: Sequence[Grid], source: Source, tables: dict[str, tuple[str, Range]]) -> list[Grid]:
    """The sheets, or what of them, that a contract speaks of.

    Args:
        grids: all sheets.
        source: may name a sheet, a range or a table.
        tables: sheet and range of each named table of the workbook.

    Raises:
        Stop: if there is no such sheet, or no such table.
    """
    name, area = source.sheet, None
    if source.range:
        found = _RANGE.fullmatch(source.range)
        if found is None and source.range not in tables:
            raise Stop("held", "no_sheet", name=source.range, found=", ".join([*tables][:_NAMED]) or "—")
        if found is None:
            name, area = tables[source.range]
        else:
            left, top, right, bottom = found.groups()
            area = (int(top) - 1, _column(left)), (int(bottom or _END) - 1, _column(right))
    asked = [grid for grid in grids if name is None or _plain(grid.name) == _plain(name)]
    if not asked:
        raise Stop("held", "no_sheet", name=name, found=", ".join(grid.name[:60] for grid in grids[:_NAMED]))
    return [_clipped(grid, area) for grid in asked] if area else asked


def find(grid: Grid, source: Source, contract: Contract) -> Place | None:
    """The contract's table in a sheet; None if no row, or not the one that is said, names half of its columns."""
    wanted = [c.source_name for c in contract.in_file]
    if source.header == ():
        filled_in = [column.is_filled.arg_true().to_list() for column in grid.columns]
        filled = {at: rows[0] for at, rows in enumerate(filled_in) if rows}  # the first row, by column
        if not filled:
            return None
        names = [*[""] * min(filled), *wanted][: len(grid.columns)]  # the last ones may be missing
        return Place(grid, max(grid.top, min(filled.values())) - 1, names)
    if source.header:
        rows = [number - 1 for number in source.header]
    elif grid.top:
        rows = [grid.top]
    else:
        counts = [len({*wanted} & {*row}) for row in as_shown(grid, range(min(_HEADER_WITHIN, grid.height)))]
        rows = [counts.index(max(counts))] if counts else []
    names = _names(grid, rows) if rows and rows[-1] < grid.height else []
    return Place(grid, rows[-1], names) if names and 2 * len({*wanted} & {*names}) >= len(wanted) else None


def _names(grid: Grid, rows: list[int]) -> list[str]:
    """The names in rows that stand above each other; a cell that is merged across stands over all that it covers."""
    texts = dict(zip(rows, as_shown(grid, rows), strict=True))
    if len(rows) == 1:
        return texts[rows[0]]
    for (top, left), (bottom, right) in grid.merged:
        if top in texts and left < len(texts[top]):
            texts[top][left : right + 1] = [texts[top][left]] * len(texts[top][left : right + 1])
        for row in rows:
            if top < row <= bottom:
                texts[row][left : right + 1] = [""] * len(texts[row][left : right + 1])
    return joined([texts[row] for row in rows])


def as_shown(grid: Grid, rows: Sequence[int]) -> list[list[str]]:
    """The words of rows that may be names; a day among them as its reader sees it."""
    formats: dict[tuple[int, int], str] = {}
    cells = {row: grid.row(row) for row in rows}
    if any(isinstance(cell, date) for row in rows for cell in cells[row]):
        formats = grid.sheet.formats_above(rows[-1] + 1)
        for (top, left), (bottom, _) in grid.merged:
            if (top, left) in formats:
                formats |= {(row, left): formats[top, left] for row in rows if top < row <= bottom}
    return [
        [
            date_shown(cell, formats.get((row, at), GENERAL)) if isinstance(cell, date) else words(cell)
            for at, cell in enumerate(cells[row])
        ]
        for row in rows
    ]


def _clipped(grid: Grid, area: Range) -> Grid:
    """A sheet with nothing in it but what lies in a range; rows and columns keep their places."""
    (top, left), (bottom, right) = area
    height = min(bottom + 1, grid.height)
    nowhere = pl.repeat(None, height, dtype=pl.Int64, eager=True)
    inside = pl.concat([nowhere.head(top), pl.int_range(min(top, height), height, eager=True)])
    outside, columns = 0, []
    for at, column in enumerate(grid.columns):
        is_in = left <= at <= right
        beside = column.from_row(max(top, height) if is_in else top)
        outside += int(beside.is_filled.sum())
        columns.append(column.with_rows(inside if is_in else nowhere))
    merged = [m for m in grid.merged if m[0][0] <= bottom and left <= m[0][1] <= right]
    return replace(grid, columns=columns, height=height, merged=merged, outside=outside, top=top)


def _column(letters: str) -> int:
    """The index of a column that Excel calls so."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", words(name))
