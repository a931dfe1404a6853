"""Text of fixed width: each column stands at the same place of every line, which the contract says.

A line that ends before its last column does was cut short: which of its cells are whole cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from etl.contract import Contract, Source
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract.lines import numbered
from etl.extract.table import Table, broken_lines, on_the_file
from etl.extract.text import decoded
from etl.settings import DEFAULT_LIMITS, Limits

_LINE = pl.col("line")


def read(
    blocks: Iterable[bytes], source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Table]:
    """Cut a file into cells, piece by piece.

    Args:
        blocks: the file's bytes, cut anywhere.
        source: how it is written; lines to its `header` are none of its records.
        contract: says where each column stands.
        limits: what the file may ask; lines are counted where they are read.

    Raises:
        Stop: if the bytes are not of the declared encoding, or there are none.
    """
    places = {c.source_name: c.position for c in contract.columns if c.position}
    above = max(source.header or (0,))
    is_empty = True
    for piece in numbered(decoded(blocks, source.encoding, any_line_end=True)):
        lines = piece.lines
        is_empty = is_empty and not (lines["line"].str.strip_chars() != "").any()
        records = lines.filter(pl.col(ROW) > above, _LINE.str.strip_chars() != "")
        yield _cut(records, places, in_bytes=source.positions == "bytes")
    if is_empty:
        raise Stop("rejected", "empty_file")


def _cut(lines: pl.DataFrame, places: dict[str, tuple[int, int | None]], *, in_bytes: bool) -> Table:
    whole = _LINE.str.len_bytes() if in_bytes else _LINE.str.len_chars()
    is_short = whole < max(end or first - 1 for first, end in places.values())
    short = lines.filter(is_short)
    lines = lines.filter(~is_short)
    cut = _cells_of_bytes if in_bytes else _cells
    cells = pl.DataFrame([lines[ROW], *(cut(lines["line"], place).alias(name) for name, place in places.items())])
    is_torn = pl.any_horizontal(pl.col(name).is_null() for name in places)
    torn = lines.filter(cells.select(is_torn).to_series())
    said = [
        broken_lines("short_line", short[ROW].to_list(), short["line"].to_list()),
        broken_lines("torn_letter", torn[ROW].to_list(), torn["line"].to_list()),
    ]
    filled = [
        f"{place[0]}-{place[1] or ''}"
        for place in _between([*places.values()])
        if (cut(lines["line"], place).str.strip_chars() != "").any()
    ]
    if filled:
        said.append(on_the_file("between_columns", places=", ".join(filled)))
    return Table(cells.filter(~is_torn), pl.concat(said))


def _cells(lines: pl.Series, place: tuple[int, int | None]) -> pl.Series:
    """The letters at a place of each line."""
    first, end = place
    return lines.str.slice(first - 1, None if end is None else end - first + 1)


def _cells_of_bytes(lines: pl.Series, place: tuple[int, int | None]) -> pl.Series:
    """The text of the bytes at a place of each line; null where they begin or end amid a letter."""
    first, end = place
    cells: list[str | None] = []
    for line in lines:
        try:
            cells.append(line.encode()[first - 1 : end].decode())
        except UnicodeDecodeError:
            cells.append(None)
    return pl.Series(cells, dtype=pl.String)


def _between(places: list[tuple[int, int | None]]) -> Iterator[tuple[int, int | None]]:
    """The places of a line that are of no column."""
    free = 1
    for first, end in sorted(places):
        if first > free:
            yield free, first - 1
        if end is None:
            return
        free = max(free, end + 1)
    yield free, None
