"""What every reader gives: text cells under the source's own column names, and the lines that are no records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import polars as pl

from etl.delivery import batches
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop, wording
from etl.delivery.problems import NO_PROBLEMS, problems
from etl.extract.bounded import check_columns, check_emptiness
from etl.settings import Limits

CELLS = pl.Schema({ROW: pl.Int64(), "column": pl.String()})
_SHOWN = 1000  # characters of a line that is no record


@dataclass(frozen=True)
class Table:
    """One file, cut into cells.

    Attributes:
        rows: ROW (the row's number in the sender's file), then a text column for each source column.
        problems: lines that could not be cut into cells (PROBLEM schema).
        may_omit_columns: nothing is said of optional columns that are missing, for this is no file of its own.
        doubts: problems of single cells in `rows`, which only the format's reader can see (PROBLEM schema).
        begins: name of the part of the file that begins with it, where a file has parts.
        stored_dates: cells (ROW, `column` under the contract's name) that hold a date as such, and no text of one.
    """

    rows: pl.DataFrame
    problems: pl.DataFrame = field(default_factory=lambda: NO_PROBLEMS)
    may_omit_columns: bool = False
    doubts: pl.DataFrame = field(default_factory=lambda: NO_PROBLEMS)
    stored_dates: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CELLS))
    begins: str | None = None

    @property
    def rows_in(self) -> int:
        """Records in the file, broken ones included."""
        return self.rows.height + self.problems[ROW].count()  # a problem without a row is the whole file's

    def batches(self, size: int | None = None) -> Iterator[Table]:
        """The same a bounded number of rows at a time; all problems come with the first, doubts with their rows."""
        for number, rows in enumerate(batches.slices(self.rows, size)):
            problems = self.problems if number == 0 else self.problems.clear()
            doubts = self.doubts.filter(pl.col(ROW).is_in(rows[ROW].implode()))
            begins = self.begins if number == 0 else None
            yield replace(self, rows=rows, problems=problems, doubts=doubts, begins=begins)


def broken_lines(rule: str, numbers: list[int], texts: list[str] | list[None]) -> pl.DataFrame:
    """Problems for lines that are no records, each with the beginning of its text as sent."""
    about = wording(rule)
    frame = pl.DataFrame({ROW: numbers, "value": texts}, schema={ROW: pl.Int64, "value": pl.String})
    frame = frame.with_columns(pl.col("value").str.head(_SHOWN))
    return problems(frame, None, rule, about.fill(), about)


def on_the_file(rule: str | None = None, **details: object) -> pl.DataFrame:
    """A warning on a file as a whole, which is a problem without a row; none if there is no rule."""
    if rule is None:
        return NO_PROBLEMS
    about = wording(rule)
    whole = pl.DataFrame({ROW: [None], "value": [None]}, schema={ROW: pl.Int64, "value": pl.String})
    return problems(whole, None, rule, about.fill(**details), about, "warning")


def text_rows(
    numbers: list[int], records: list[dict[str, str | None]], columns: list[str], limits: Limits
) -> pl.DataFrame:
    """A frame of text cells from records that may lack some columns.

    Raises:
        Stop: if there are too many columns, hardly anything in them, or one has the name of the row's number.
    """
    check_columns(len(columns), limits)
    check_emptiness(len(records) * len(columns), sum(map(len, records)), limits)
    if ROW in columns:
        raise Stop("held", "unclear_column", columns=ROW)
    data: dict[str, list[str | None]] = {name: [record.get(name) for record in records] for name in columns}
    schema = {ROW: pl.Int64(), **{name: pl.String() for name in columns}}
    return pl.DataFrame({ROW: numbers, **data}, schema=schema)
