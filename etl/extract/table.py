"""What every reader gives: text cells under the source's own column names, and the lines that are no records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from etl.delivery import PROBLEM, ROW, problems, wording
from etl.limits import LIMITS


@dataclass(frozen=True)
class Table:
    """One file, cut into cells.

    Attributes:
        rows: ROW (the row's number in the sender's file), then a text column for each source column.
        problems: lines that could not be cut into cells (PROBLEM schema).
        may_omit_columns: the format leaves a field out where it has no value (XML, JSON), so that an optional column
            may be absent from a whole file.
    """

    rows: pl.DataFrame
    problems: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PROBLEM))
    may_omit_columns: bool = False

    @property
    def rows_in(self) -> int:
        """Records in the file, broken ones included."""
        return self.rows.height + self.problems.height


def without_bad_rows(table: Table) -> Table:
    """The table without rows that repeat the header or hold a cell beyond all measure; these become problems."""
    names = table.rows.columns[1:]
    is_header = pl.all_horizontal(pl.col(name) == name for name in names)
    is_endless = pl.any_horizontal(pl.col(name).str.len_bytes() > LIMITS.cell_characters for name in names)
    found = table.rows.select(ROW, header=is_header.fill_null(False), endless=is_endless.fill_null(False))
    said = [
        broken_lines(rule, bad.to_list(), [None] * bad.len())
        for rule, bad in (
            ("repeated_header", found.filter("header")[ROW]),
            ("cell_too_long", found.filter("endless")[ROW]),
        )
        if bad.len()
    ]
    if not said:
        return table
    good = table.rows.filter(~(found["header"] | found["endless"]))
    return replace(table, rows=good, problems=pl.concat([table.problems, *said]))


def broken_lines(rule: str, numbers: list[int], texts: Sequence[str | None]) -> pl.DataFrame:
    """Problems for lines that are no records, each with its text as sent."""
    about = wording(rule)
    frame = pl.DataFrame({ROW: numbers, "value": texts}, schema={ROW: pl.Int64, "value": pl.String})
    return problems(frame, None, rule, about.fill(limit=f"{LIMITS.cell_characters:,}"), about)


def text_rows(numbers: list[int], records: list[dict[str, str | None]], columns: list[str]) -> pl.DataFrame:
    """A frame of text cells from records that may lack some columns."""
    data: dict[str, list[str | None]] = {name: [record.get(name) for record in records] for name in columns}
    schema = {ROW: pl.Int64(), **{name: pl.String() for name in columns}}
    return pl.DataFrame({ROW: numbers, **data}, schema=schema)
