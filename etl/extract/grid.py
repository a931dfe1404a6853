"""A sheet's cells, column by column: texts as one polars column, and beside them what is no text, each value once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from etl.extract.sheet import Sheet

Range = tuple[tuple[int, int], tuple[int, int]]  # first and last cell, row and column counted from 0
_TEXT_OR_NOTHING = (str, type(None))
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))  # what Python takes for one


@dataclass(frozen=True)
class Column:
    """The cells of one column, from the first row on.

    Attributes:
        texts: of the cells that hold a text; null for any other.
        codes: of the cells that hold something else, where in `values` that is; null for any other.
        values: booleans, numbers, days, points in time and spans of it, as calamine gives them.
    """

    texts: pl.Series
    codes: pl.Series
    values: Sequence[object]

    @classmethod
    def of(cls, cells: Sequence[object]) -> Column:
        """The column of these cells; "" or None stands for an empty one."""
        kinds = [*map(type, cells)]
        texts = [cell or None if kind is str else None for cell, kind in zip(cells, kinds, strict=True)]
        others = [at for at, kind in enumerate(kinds) if kind not in _TEXT_OR_NOTHING]
        values = [cells[at] for at in others]
        codes = pl.repeat(None, len(cells), dtype=pl.Int32, eager=True)
        if others:
            codes = codes.scatter(others, pl.int_range(len(others), dtype=pl.Int32, eager=True))
        return cls(pl.Series(texts, dtype=pl.String), codes, values)

    @property
    def is_filled(self) -> pl.Series:
        """Whether each cell holds something else than blanks."""
        return self.codes.is_not_null() | self.texts.str.strip_chars(_BLANKS).ne("").fill_null(False)

    def cell(self, row: int) -> object:
        """One cell; "" for an empty one."""
        code = self.codes[row]
        return (self.texts[row] or "") if code is None else self.values[code]

    def from_row(self, row: int) -> Column:
        """The column without what stands above a row."""
        return Column(self.texts.slice(row), self.codes.slice(row), self.values)

    def with_rows(self, rows: pl.Series) -> Column:
        """The column of the cells that stand in these rows; an empty one for null."""
        return Column(self.texts.gather(rows), self.codes.gather(rows), self.values)


@dataclass(frozen=True)
class Grid:
    """One sheet: its cells, and what calamine does not tell of them.

    Attributes:
        name: the sheet's.
        is_hidden: Excel does not show it.
        columns: all as long as the sheet is; the value of a merged cell stands in all rows that it covers.
        height: rows, from the sheet's first to the last one that is filled.
        merged: ranges of merged cells.
        sheet: what calamine does not tell.
        outside: number of filled cells beside and below the range that is read; above it stand titles.
        top: the range's first row.
    """

    name: str
    is_hidden: bool
    columns: list[Column]
    height: int
    merged: list[Range]
    sheet: Sheet
    outside: int = 0
    top: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in it."""
        return not any(column.is_filled.any() for column in self.columns)

    def row(self, at: int) -> list[object]:
        """The cells of one row."""
        return [column.cell(at) for column in self.columns]


def columns_of(rows: Iterable[Sequence[object]]) -> list[Column]:
    """The columns of a sheet whose rows are all as wide."""
    return [Column.of(cells) for cells in zip(*rows, strict=True)]
