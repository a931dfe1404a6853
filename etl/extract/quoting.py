"""Cells that stand in `'` or a backtick where the file's quotation mark is another: are these quotes, or text?

Where they hold a delimiter, their rows break, and `etl.extract.dialect` is asked. Where they do not, only the cells can
tell: a program puts all cells of a column into quotes, people a name now and then. A row all of whose text stands in
them was written by another program than the rest of the file.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract.table import Table, broken_lines, on_the_file

_CELLS = 2  # in quotes, from which they may be a program's
_MANY = 100  # cells, from which they are, however many rows have nothing in that column


def of_columns(rows: pl.DataFrame, marks: Iterable[str], *, may_be_read: bool) -> str | None:
    """The mark in which all cells of some column stand.

    Args:
        rows: the row's number and text columns.
        marks: with which some cell begins, and that are not read as quotes yet.
        may_be_read: whether they can be from here on.

    Raises:
        Stop: if they cannot, or only part of such a column's cells stand in one.
    """
    for mark in marks:
        for name in rows.columns[1:]:
            cells = rows[name].str.strip_chars()
            filled, quoted = int((cells != "").sum()), int(_is_in(mark, cells).sum())
            if quoted < _CELLS or 2 * quoted < filled or (2 * filled < rows.height and filled < _MANY):
                continue
            if quoted < filled or not may_be_read:
                raise Stop("held", "quoted_in_part", column=name, quote=mark)
            return mark
    return None


def screen(table: Table, lines: pl.DataFrame, marks: Iterable[str]) -> Table:
    """The table without rows all of whose text stands in such a mark, and with a word on columns that keep theirs.

    Args:
        table: rows, of which some cell begins with each of the marks.
        lines: as sent (ROW, `line`).
        marks: that are not read as quotes.
    """
    rows, found = table.rows, [table.problems]
    for mark in marks:
        cells = [rows[name].str.strip_chars() for name in rows.columns[1:]]
        quoted = [_is_in(mark, part) for part in cells]
        is_bare = [part.str.contains(r"\p{L}") & ~is_in for part, is_in in zip(cells, quoted, strict=True)]
        is_other = pl.select((pl.sum_horizontal(quoted) >= _CELLS) & ~pl.any_horizontal(is_bare)).to_series()
        kept = [
            name
            for name, part, is_in in zip(rows.columns[1:], cells, quoted, strict=True)
            if (is_in & ~is_other).sum() >= _CELLS and not ((part != "") & ~is_in).any()
        ]
        if kept:
            found.append(on_the_file("quotes_kept", columns=", ".join(kept), quote=mark))
        if is_other.any():
            bad = lines.filter(pl.col(ROW).is_in(rows.filter(is_other)[ROW].implode()))
            found.append(broken_lines("quoted_otherwise", bad[ROW].to_list(), bad["line"].to_list()))
            rows = rows.filter(~is_other)
    return Table(rows, pl.concat(found))


def _is_in(mark: str, cells: pl.Series) -> pl.Series:
    return cells.str.starts_with(mark) & cells.str.ends_with(mark) & (cells.str.len_bytes() > 2)
