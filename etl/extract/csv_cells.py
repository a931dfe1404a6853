"""Lines of CSV into cells, and which of them are no records.

A quote that never closes costs its own line only instead of swallowing those behind it. PyArrow cuts the cells; each
record carries its number through the parser as a first cell, because PyArrow's rows do not know where they came from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.csv

from etl.delivery.columns import ROW
from etl.extract import dialect
from etl.extract.table import Table, broken_lines

csv.field_size_limit((1 << 31) - 1)  # the most that Windows takes; the length of a line is limited before
_BLOCK = 1 << 20  # bytes that PyArrow cuts at a time
LINES_IN_A_RECORD = 50  # a quote that is open for longer is a stray one


class Cut(NamedTuple):
    """Lines that were cut into cells.

    Attributes:
        table: the rows, also of columns without a name, and the lines that are no records.
        rest: lines that must be seen together with those to come.
        widths: of each row that does not fit the header its number, and that of its cells.
        quotes: usual quotation marks with which some cell begins; that of the dialect if it is seen anywhere.
        left_away: columns whose empty cells were not written in some rows, and are read all the same.
    """

    table: Table
    rest: pl.DataFrame
    widths: dict[int, int]
    quotes: frozenset[str]
    left_away: frozenset[str] = frozenset()

    @property
    def broken(self) -> set[int]:
        """Numbers of the lines that are no records."""
        return set(self.table.problems[ROW])


def cut_lines(lines: pl.DataFrame, found: dialect.Dialect, is_last: bool) -> Cut:
    """Cut lines into cells.

    Args:
        lines: ROW and `line`.
        found: how they are written.
        is_last: whether no lines are to come; else some of the last ones may be left for later.
    """
    columns = [ROW, *columns_of(found)]
    sent = lines
    if found.mark != found.delimiter:
        lines = lines.with_columns(line=pl.Series(dialect.marked("\n".join(lines["line"]), found).split("\n")))
    whole, unclosed, unsure, quotes, taken = _records(lines, found, is_last)
    widths: dict[int, int] = {}

    def skip_ragged(row: pa.csv.InvalidRow) -> str:
        widths[int(row.text.partition(found.mark)[0])] = row.actual_columns - 1
        return "skip"

    rows = pl.DataFrame(schema={ROW: pl.Int64, **dict.fromkeys(columns[1:], pl.String)})
    if whole.height:
        numbered = whole.select(pl.concat_str(pl.col(ROW).cast(pl.String), pl.col("line"), separator=found.mark))
        longest: int = numbered.select(pl.first().str.len_bytes().max()).item()
        text = numbered.select(pl.first().str.join("\n")).to_series().to_arrow()
        types = {ROW: pa.int64(), **dict.fromkeys(columns[1:], pa.large_string())}
        rows = parsed(text.buffers()[-1], found, types, skip_ragged, longest)
    ragged = whole.filter(pl.col(ROW).is_in([*widths]))
    broken = {"unclosed_quote": unclosed, "behind_open_quote": unsure, "ragged_row": ragged}
    as_sent = pl.col("line").str.replace_all(found.mark, found.delimiter, literal=True)
    said = [
        broken_lines(rule, *bad.select(ROW, as_sent).to_dict(as_series=False).values()) for rule, bad in broken.items()
    ]
    return Cut(Table(rows, pl.concat(said)), sent.slice(taken), widths, quotes)


def columns_of(found: dialect.Dialect) -> list[str]:
    """Names of all columns; one without a name gets its number behind a blank, for a name that was sent has none."""
    return [name or f" {n}" for n, name in enumerate(found.header)]


def parsed(
    text: pa.Buffer,
    found: dialect.Dialect,
    types: dict[str, pa.DataType],
    skip: Callable[[pa.csv.InvalidRow], str],
    longest: int | None = None,
) -> pl.DataFrame:
    """The records of a text.

    Args:
        text: in UTF-8.
        found: how it is written.
        types: of the columns, by their names.
        skip: is called with each record that does not fit the header.
        longest: the most bytes that a record has; None: each line is a record, and `skip` is told its number.

    Raises:
        pyarrow.ArrowInvalid: if a line is longer than a block.
    """
    table = pyarrow.csv.read_csv(
        pa.BufferReader(text),
        read_options=pa.csv.ReadOptions(
            column_names=[*types],
            block_size=max(_BLOCK, 2 * (longest or 0)),  # a record must fit in
            use_threads=longest is not None,  # several do not know which row it is
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=found.mark,
            quote_char=found.quote,
            escape_char=found.escape or False,
            invalid_row_handler=skip,
            newlines_in_values=longest is not None,
            ignore_empty_lines=longest is not None,
        ),
        convert_options=pa.csv.ConvertOptions(column_types=types, strings_can_be_null=False, check_utf8=False),
    )
    return pl.DataFrame(pl.from_arrow(table))


def _records(
    lines: pl.DataFrame, found: dialect.Dialect, is_last: bool
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, frozenset[str], int]:
    """Tell records from lines that are none.

    Returns:
        Records, a quoted cell of several lines joined; lines where a quote opens and does not close; lines behind
        these that may belong to them or be records; the quotation marks that were seen; and how many lines from the
        top these are. Behind them stand those that more lines could make a record of, if more are to come.
    """
    pattern, width = record(found), len(found.header)
    marks = re.escape(found.quote + dialect.QUOTE + (found.escape or ""))
    marked = lines["line"].str.contains(f"[{marks}{dialect.QUOTES}]").arg_true()
    text_marked = lines["line"].gather(marked)
    quoted = marked.filter(text_marked.str.contains(f"[{marks}]"))  # without any of these a line leaves no doubt
    quotes = dialect.quotes(text_marked, found)
    doubtful = quoted.filter(~lines["line"].gather(quoted).str.contains(f"^{pattern}$")).to_list()
    text = lines["line"].to_list() if doubtful else []
    taken = lines.height
    joined: dict[int, str] = {}
    open_: list[int] = []
    unsure: list[int] = []
    inside: list[int] = []
    seen = -1
    for first in doubtful:
        if first <= seen:
            continue
        if not is_last and first + LINES_IN_A_RECORD > lines.height:
            taken = first
            break
        block = record_of(text[first : first + LINES_IN_A_RECORD], found)
        seen = first + len(block) - 1
        if len(block) == 1:
            open_.append(first)
        elif sum(line.count(found.mark) >= width - 1 for line in block) > 1:
            open_.append(first)  # two of the lines could be records by themselves: the quotes may be stray
            unsure += range(first + 1, seen + 1)
        else:
            joined[first] = "\n".join(block)
            inside += range(first + 1, seen + 1)
    whole = lines.head(taken)
    if doubtful:
        whole = whole.filter(~pl.int_range(pl.len()).is_in([*open_, *unsure, *inside]))
    if joined:
        starts = lines[ROW].gather(list(joined))
        line = pl.col(ROW).replace_strict(starts, list(joined.values()), default=pl.col("line"))
        whole = whole.with_columns(line.alias("line"))
    return whole.filter(~pl.col("line").str.contains(nothing(found))), lines[open_], lines[unsure], quotes, taken


def record_of(lines: list[str], found: dialect.Dialect) -> list[str]:
    """The first line and those behind it up to where its quotes close; the first alone if that makes no good record."""
    reader = csv.reader(
        (line + "\n" for line in lines),
        delimiter=found.mark,
        quotechar=found.quote,
        escapechar=found.escape,
        strict=True,
    )
    try:
        cells = next(reader)
    except csv.Error:
        return lines[:1]
    block = lines[: reader.line_num]
    is_good = len(cells) == len(found.header) and re.fullmatch(record(found), "\n".join(block))
    return block if is_good else lines[:1]


def nothing(found: dialect.Dialect) -> str:
    """A regular expression, for polars, of a line without anything in its cells."""
    cell = rf"[\s\x1a]*(?:{found.quote}{found.quote})?\s*"  # \x1a: the end of a file to old DOS programs
    return f"^{cell}(?:{re.escape(found.mark)}{cell})*$"


def record(found: dialect.Dialect) -> str:
    """A regular expression, for polars and for Python, of a record whose quotes leave no doubt.

    A cell is quoted as a whole, or its quotes come in pairs: `Khu "C"` is what it says, but the mark in `5"` may belong
    to a cell that began further left. A cell that is not quoted and begins like one of the usual dialect is doubtful,
    and so is one where the escape stands before anything but a quote or itself: parsers would drop it.
    """
    quote, mark, escape = found.quote, re.escape(found.mark), re.escape(found.escape or "")
    escaped = rf"{escape}[{quote}{escape}]" if escape else r"[^\s\S]"
    quoted = rf"{quote}[^{quote}{escape}]*(?:(?:{quote}{quote}|{escaped})[^{quote}{escape}]*)*{quote}"
    some = rf"[^{quote}{mark}{escape}]*(?:{escaped}[^{quote}{mark}{escape}]*)*"
    bare = rf"(?:[^{quote}{mark}{escape}{dialect.QUOTE} ]|{escaped}){some}(?:{quote}{some}{quote}{some})*"
    blanks = "" if found.mark == " " else " *"
    cell = rf"(?:{quoted}|{blanks}(?:{bare})?)"
    return rf"{cell}(?:{mark}{cell})*"
