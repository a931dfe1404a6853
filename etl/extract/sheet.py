"""What calamine does not tell of a sheet: how its numbers are shown, and what in it is hidden or was never computed."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import polars as pl
import pyarrow as pa

from etl.extract.number_format import GENERAL, is_date

MOST_COLUMNS, MOST_ROWS = 1 << 14, 1 << 20  # of a sheet of Excel
_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_LEAP = 61.0  # 1 March 1900: in Excel's calendar a 29th of February stands before it, as number 60
_YEARS = (1850, 2100)  # a whole number in a date's cell that may be a year which somebody typed


@dataclass
class Sheet:
    """One sheet, as its file describes it; rows and columns are counted from 0.

    Attributes:
        valueless: by column the rows whose formula gives no value, each with the rule that says so.
        odd_days: by column the rows that are shown as a date, and whose number may be none or a year.
        numbers: for each format but General the cells that hold a number, as row * 16,384 + column.
        hidden_rows: rows that Excel does not show.
        hidden_columns: columns that Excel does not show.
    """

    valueless: defaultdict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    odd_days: defaultdict[int, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    numbers: dict[str, array[int]] = field(default_factory=dict)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: set[int] = field(default_factory=set)

    def add_number(self, row: int, column: int, number: float, code: str, is_1904: bool) -> None:
        """Note a cell that holds a number.

        Args:
            row: where.
            column: where.
            number: its value.
            code: its format.
            is_1904: whether the workbook counts its days from 1904 on, as old Macs did.
        """
        if code == GENERAL:
            return
        self.numbers.setdefault(code, array("q")).append(row * MOST_COLUMNS + column)
        if number <= _YEARS[1] and is_date(code):
            self._note_day(row, column, number, is_1904)

    def add_numbers(self, cells: pl.DataFrame, code: str, is_1904: bool) -> None:
        """Note cells that hold numbers of one format.

        Args:
            cells: `row`, `column` and `value`, a number as text.
            code: their format.
            is_1904: as above.
        """
        if code == GENERAL:
            return
        self.numbers.setdefault(code, array("q")).extend(
            (cells["row"].cast(pl.Int64) * MOST_COLUMNS + cells["column"]).to_list()
        )
        if is_date(code):
            early = cells.select("row", "column", pl.col("value").cast(pl.Float64)).filter(pl.col("value") <= _YEARS[1])
            for row, column, number in early.iter_rows():
                self._note_day(row, column, number, is_1904)

    def _note_day(self, row: int, column: int, number: float, is_1904: bool) -> None:
        is_early = not is_1904 and number < _LEAP
        if is_early or (number.is_integer() and _YEARS[0] <= number <= _YEARS[1]):
            self.odd_days[column][row] = number

    def formats_in(self, column: int, codes: Iterable[str]) -> dict[int, str]:
        """The rows of a column whose number has one of these formats, each with its own."""
        found: dict[int, str] = {}
        for code in codes:
            cells = series_of(self.numbers[code])
            found |= dict.fromkeys(cells.filter(cells % MOST_COLUMNS == column) // MOST_COLUMNS, code)
        return found

    def formats_above(self, row: int) -> dict[tuple[int, int], str]:
        """Row and column of the numbers above a row, each with its format."""
        found: dict[tuple[int, int], str] = {}
        for code, held in self.numbers.items():
            cells = series_of(held)
            found |= {divmod(cell, MOST_COLUMNS): code for cell in cells.filter(cells < row * MOST_COLUMNS)}
        return found


def place_of(reference: str) -> tuple[int, int]:
    """Row and column of the cell that is called so.

    Raises:
        ValueError: if none can be.
    """
    found = _PLACE.fullmatch(reference)
    if found is None:
        raise ValueError("no reference of a cell")
    return int(found[2]) - 1, column_of(found[1])


@cache
def column_of(letters: str) -> int:
    """The column that is called so."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def series_of(held: array[int]) -> pl.Series:
    """The numbers, which may not change in number as long as this is in use."""
    return pl.Series(pa.Array.from_buffers(pa.int64(), len(held), [None, pa.py_buffer(held)]))
