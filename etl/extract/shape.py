"""Rows of another number of cells than the header has, throughout a file; and a file that has no header at all.

A single row that is too short or too long may have lost or won a delimiter anywhere: which of its cells is which cannot
be told, and it is sent back. Where all rows have the same other number of cells, a program wrote them so, and there
are few ways to: a delimiter behind each row, none where the last cells are empty (Excel), a header with one too many,
another delimiter below the header. Such a file is read if what stands in its columns excludes that a cell further left
was cut in two, joined or left out, which would put all cells behind it into the columns of their neighbours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from etl.contract import Contract
from etl.delivery.columns import ROW
from etl.extract import fit
from etl.extract.dialect import Dialect

_ROWS = 2  # of the same number of cells, from which it may be meant so
BLOCK = 16  # rows of a sheet that Excel writes as wide as the widest of them
_NEARLY_ALL = 0.9  # share of cells or rows
_FEW = 10  # times as many rows have a shape as fit the header as it was sent
_WIDE = 5  # columns, from which another delimiter makes as many cells in all rows by no chance
_BELOW_HEADER = (",", ";", "\t", "|")  # delimiters that are looked for where the rows have not the header's


@dataclass(frozen=True)
class Shape:
    """How a file may be meant whose rows do not fit its header.

    Attributes:
        dialect: what its rows are to be read with.
        header: of the file as it was sent; "" for a column without a name.
    """

    dialect: Dialect
    header: list[str]

    @property
    def surplus(self) -> int:
        """Number of delimiters that the rows have more than the header; below 0 if they have fewer."""
        return len(self.dialect.header) - len(self.header)

    @property
    def is_of_header(self) -> bool:
        """Whether it is the header that has delimiters too many."""
        return self.surplus < 0 and self.dialect.header == [name for name in self.header if name]


def candidates(found: Dialect, widths: Sequence[int]) -> Iterator[Shape]:
    """How a file may be meant.

    Args:
        found: its dialect, by its header.
        widths: numbers of cells of the rows that do not fit that header.
    """
    (width, count), *_ = Counter(widths).most_common(1) or [(0, 0)]
    if count < _ROWS:
        return
    header, names = found.header, found.names
    if width > len(header):
        yield Shape(replace(found, header=[*header, *[""] * (width - len(header))]), header)
    if width == len(names) < len(header):
        yield Shape(replace(found, header=names), header)
    if width < len(header) and header[:width] != names:
        yield Shape(replace(found, header=header[:width]), header)
    if width == 1 < len(names) or len(header) >= _WIDE:  # the header's may stand in texts, too
        for delimiter in _BELOW_HEADER:
            if delimiter != found.delimiter:
                yield Shape(replace(found, delimiter=delimiter), header)


def left_away(widths: pl.DataFrame, header_at: int, found: Dialect, contract: Contract) -> dict[int, list[int]]:
    """Rows at whose end Excel has left empty cells away: it does so for each 16 rows of a sheet together.

    Excel writes all rows of such a block as wide as the widest of them. A row that is shorter than others of its block
    has lost a delimiter, and the header makes its own block as wide as can be.

    Args:
        widths: of each row of the file its number in the sheet (ROW) and how many cells it has (`width`).
        header_at: the header's number.
        found: the dialect, with the header.
        contract: names the columns.

    Returns:
        For each width the numbers of such rows, which lack optional columns only.
    """
    required = {c.source_name for c in contract.columns if c.required}
    least = max((n for n, name in enumerate(found.header, 1) if name in required), default=1)
    block = (pl.col(ROW) - 1) // BLOCK
    full = len(found.header)
    blocks = (
        widths.filter(block != (header_at - 1) // BLOCK)
        .with_columns(block=block, usual=pl.col("width").mode().first().over(block))
        .with_columns(is_usual=pl.col("width") == pl.col("usual"))
        .filter(
            pl.col("usual").is_between(least, full - 1)
            & (pl.col("width").max().over("block") < full)
            & (pl.col("is_usual").sum().over("block") >= _ROWS)
            & (pl.col("is_usual").mean().over("block") >= _NEARLY_ALL),
            pl.col("is_usual"),
        )
    )
    return dict(blocks.group_by("width").agg(ROW).iter_rows())


def is_shared(whole: int, before: int, rows_in: int) -> bool:
    """Whether (nearly) all rows have a shape: a few may be broken, but hardly one fits the header as it was sent.

    Args:
        whole: rows that have the shape.
        before: rows that fit the header as it was sent.
        rows_in: all rows.
    """
    return whole >= _ROWS and whole * 2 > rows_in and before * _FEW <= whole


def is_certain(shape: Shape, rows: pl.DataFrame, contract: Contract) -> bool:
    """Whether a shape leaves no second reading.

    Args:
        shape: of a file.
        rows: what it makes of the file: the row's number, and a column for each in its header.
        contract: names the columns and says what they hold.
    """
    known = {c.source_name: c for c in contract.columns}
    columns = [known.get(name) for name in shape.dialect.header]
    cells = [rows[name] for name in rows.columns[1:]]
    filled = [_filled(c) for c in cells]
    last = max((n for n, part in enumerate(filled) if part), default=-1)

    def is_required(at: int) -> bool:
        column = columns[at]
        return column is not None and column.required and filled[at] >= _NEARLY_ALL

    def is_proven(at: int, neighbours: Sequence[str]) -> bool:
        """Whether a column understands its cells, and none understands them in whose place they might stand."""
        column = columns[at]
        if column is None or not fit.is_telling(column) or fit.share(cells[at], column, contract) < _NEARLY_ALL:
            return False
        rivals = (known[name] for name in neighbours if name in known)
        return not any(fit.is_telling(c) and fit.share(cells[at], c, contract) >= _NEARLY_ALL for c in rivals)

    if last < 0 or any(part and not name for part, name in zip(filled, shape.dialect.header, strict=True)):
        return False
    count = abs(shape.surplus)
    if shape.surplus > 0:  # if a cell further left was cut in two, the last one belongs to the column before it
        last_two = range(max(last - 1, 0), last + 1)
        return is_required(last) or any(is_proven(at, shape.header[max(at - count, 0) : at]) for at in last_two)
    if shape.surplus == 0:  # a row may hold the first column only, and its cell this delimiter
        return sum(is_required(at) for at in range(len(columns))) > 1
    if shape.is_of_header:
        nameless = shape.header.index("")
        if nameless <= last:  # if the column without a name is there, all cells behind it belong one further left
            behind = range(nameless, last + 1)
            return is_required(last) or any(is_proven(at, shape.header[max(at - count, 0) : at]) for at in behind)
        if last == len(columns) - 1:
            return True
    if any(known[name].required for name in shape.header[len(columns) :] if name in known):
        return False
    for at in range(last, -1, -1):  # if one further left was left out, the last one belongs to the column behind it
        if is_proven(at, shape.header[at + 1 : at + 1 + count]):
            return True
        if not is_required(at):
            return False
    return last > 0


def is_record(cells: Sequence[str], contract: Contract) -> bool:
    """Whether the cells of a file's first line are a record: the contract's columns in their order.

    Args:
        cells: of that line, which names none of the contract's columns.
        contract: the dataset's.
    """
    last = max((n for n, cell in enumerate(cells) if cell), default=-1)
    columns = contract.columns
    if last >= len(columns) or any(c.required and not cell for c, cell in zip(columns, cells, strict=False)):
        return False
    if any(c.required for c in columns[len(cells) :]):
        return False
    filled = [(column, cell) for column, cell in zip(columns, cells, strict=False) if cell]
    telling = [(column, cell) for column, cell in filled if fit.is_telling(column)]
    if not telling:  # a name is of letters
        return any(cell.strip("+-., /:").isdecimal() for _, cell in filled)
    understood = sum(fit.share(pl.Series([cell]), column, contract) for column, cell in telling)
    return understood >= 0.8 * len(telling)


def _filled(cells: pl.Series) -> float:
    """The share of cells that hold something, between 0 and 1."""
    return (cells.str.strip_chars() != "").mean() or 0.0  # type: ignore[return-value]
