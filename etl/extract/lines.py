"""The lines of a text, each with its number in the sender's file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from etl.delivery.columns import ROW


def numbered(texts: Iterable[pl.Series]) -> Iterator[tuple[pl.DataFrame, bool]]:
    """The lines (ROW, `line`) of each cell of text, and whether they are the last."""
    count = 0
    waiting = pl.DataFrame(schema={ROW: pl.Int64, "line": pl.String})
    for text in texts:
        if (text != "").item():
            yield waiting, False
            lines = text.str.strip_suffix("\n").str.split("\n").explode().alias("line")
            if lines.str.starts_with("\ufeff").any():  # another file was put behind one
                lines = lines.str.strip_prefix("\ufeff")
            numbers = pl.int_range(count + 1, count + 1 + len(lines), eager=True).alias(ROW)
            waiting = pl.DataFrame([numbers, lines])
            count += len(lines)
    yield waiting, True
