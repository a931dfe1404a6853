"""A workbook in which each value of a sheet stands once: calamine reads it in place of all cells.

What calamine makes of a cell depends on nothing but what is written in it, its style among that. So where all cells of
a sheet are plain it is given the distinct ones alone, in a workbook that is the same in all else; and no second program
has to know how a number is a day, or a shared text is read.
"""

from __future__ import annotations

import io
import shutil
import string
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO

import polars as pl

from etl.extract.grid import Column

_TOLD = pl.Schema({"xml": pl.String(), "text": pl.String(), "code": pl.Int32()})
_SELDOM = 4  # times as many cells as distinct ones that calamine reads; where it would read more, it may read all
_LETTERS = string.ascii_uppercase  # columns of the sheet of distinct cells


@dataclass(frozen=True)
class PlainSheet:
    """A sheet all of whose cells are plain.

    Attributes:
        part: name of its part in the workbook.
        around: XML before its first cell, and behind its last row.
        texts: `row`, `column` and `text` of some cells.
        others: `row`, `column` and `xml` of all others (see `plain_cells`).
        corner: the last row and the last column of calamine's table of it.
    """

    part: str
    around: tuple[bytes, bytes]
    texts: pl.DataFrame
    others: pl.DataFrame
    corner: tuple[int, int]

    @cached_property
    def _distinct(self) -> pl.Series:
        return self.others["xml"].unique(maintain_order=True)

    @property
    def is_repetitive(self) -> bool:
        """Whether to read each distinct cell once is cheaper than to read all."""
        return len(self._distinct) * _SELDOM <= len(self.others) + len(self.texts)

    def xml(self) -> bytes:
        """The sheet with each distinct cell once."""
        cells = self._distinct.to_list()
        rows = []
        for number, first in enumerate(range(0, len(cells), len(_LETTERS)), start=1):
            of_row = zip(_LETTERS, cells[first : first + len(_LETTERS)], strict=False)
            written = "".join(f'<c r="{letter}{number}"{cell}' for letter, cell in of_row)
            rows.append(f'<row r="{number}">{written}</row>')
        return b"".join([self.around[0], "".join(rows).encode(), self.around[1]])

    def columns(self, rows: Sequence[Sequence[object]]) -> list[Column]:
        """The columns of the whole sheet.

        Args:
            rows: of the sheet with each distinct cell once, as calamine gives them; empty ones at its end are left out.
        """
        values = [value for row in rows for value in (*row, *[""] * (len(_LETTERS) - len(row)))]
        values = [*values, *[""] * len(self._distinct)][: len(self._distinct)]
        texts = [value if isinstance(value, str) and value else None for value in values]
        codes = [None if isinstance(value, str) else code for code, value in enumerate(values)]
        told = pl.DataFrame({"xml": self._distinct, "text": texts, "code": codes}, _TOLD)
        read = self.others.join(told, on="xml", how="left").select("row", "column", "text", "code")
        last_row, last_column = self.corner
        cells = pl.concat([read, self.texts], how="diagonal")
        by_column = cells.partition_by("column", as_dict=True, include_key=False)
        every = pl.int_range(last_row + 1, dtype=pl.Int32, eager=True).alias("row").to_frame()
        made = []
        for column in range(last_column + 1):
            there = by_column.pop((column,), cells.clear())
            of_column = every.join(there, on="row", how="left", maintain_order="left")
            made.append(Column(of_column["text"], of_column["code"], values))
        return made


def write(content: bytes, sheets: Iterable[PlainSheet], file: IO[bytes]) -> None:
    """Write a workbook that is the same, but for sheets in which each distinct cell stands once.

    Args:
        content: the workbook.
        sheets: those that are plain.
        file: to write into.
    """
    by_part = {sheet.part: sheet for sheet in sheets}
    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(file, "w") as small:
        for name in whole.namelist():
            with small.open(name, "w") as into:
                if name in by_part:
                    into.write(by_part[name].xml())
                else:
                    with whole.open(name) as part:
                        shutil.copyfileobj(part, into)
