"""What calamine does not tell of a sheet: how its numbers are shown, and what in it is hidden or was never computed."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from etl.extract.number_format import GENERAL, is_date

MOST_COLUMNS = 1 << 14  # of a sheet of Excel
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
        if code not in self.numbers:
            self.numbers[code] = array("q")
        self.numbers[code].append(row * MOST_COLUMNS + column)
        is_early = not is_1904 and number < _LEAP
        if (is_early or (number.is_integer() and _YEARS[0] <= number <= _YEARS[1])) and is_date(code):
            self.odd_days[column][row] = number

    def formats_in(self, column: int, codes: Iterable[str]) -> dict[int, str]:
        """The rows of a column whose number has one of these formats, each with its own."""
        found: dict[int, str] = {}
        for code in codes:
            cells = _series(self.numbers[code])
            found |= dict.fromkeys(cells.filter(cells % MOST_COLUMNS == column) // MOST_COLUMNS, code)
        return found

    def formats_above(self, row: int) -> dict[tuple[int, int], str]:
        """Row and column of the numbers above a row, each with its format."""
        found: dict[tuple[int, int], str] = {}
        for code, held in self.numbers.items():
            cells = _series(held)
            found |= {divmod(cell, MOST_COLUMNS): code for cell in cells.filter(cells < row * MOST_COLUMNS)}
        return found


def _series(held: array[int]) -> pl.Series:
    return pl.Series(pa.Array.from_buffers(pa.int64(), len(held), [None, pa.py_buffer(held)]))
