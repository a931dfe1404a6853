"""CSV: one record a line, as the contract's dialect says, or else the one that `etl.extract.dialect` finds.

Lines are counted before cells are cut, so that a row's number is its (first) line in the sender's file, and a quote
that never closes costs its own line only instead of swallowing those behind it. PyArrow cuts the cells; each record
carries its number through the parser as a first cell, because PyArrow's rows do not know where they came from.
"""

from __future__ import annotations

import csv
import io
import re

import polars as pl
import pyarrow as pa
import pyarrow.csv

from etl.contract import Contract, Source
from etl.delivery import ROW, Stop
from etl.extract import dialect
from etl.extract.bounded import check_columns
from etl.extract.table import Table, broken_lines, on_the_file
from etl.extract.text import decode
from etl.settings import DEFAULT_LIMITS, Limits

csv.field_size_limit((1 << 31) - 1)  # the most that Windows takes; the length of a line is limited before
_LINES_IN_A_RECORD = 50  # a quote that is open for longer is a stray one


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut a CSV file into cells.

    Raises:
        Stop: if the bytes are not of the declared encoding, or the header names a column twice.
    """
    text = decode(content, source.encoding).replace("\r\n", "\n").replace("\r", "\n")
    lines = pl.DataFrame({"line": text.split("\n")}).with_row_index(ROW, offset=1).cast({ROW: pl.Int64})
    written = lines["line"].str.strip_chars() != ""
    if not written.any():
        raise Stop("rejected", "empty_file")
    lines = lines.slice(written.arg_true()[0])
    check_columns(lines["line"][0].count(source.delimiter) + 1, limits)
    found = dialect.find(lines["line"].head(dialect.HEADER_WITHIN).to_list(), source, contract)
    header, delimiter, quote = found.header, found.delimiter, found.quote
    check_columns(len(header), limits)
    twice = sorted({name for name in header if [ROW, *header].count(name) > 1})
    if twice:
        raise Stop("held", "unclear_column", columns=", ".join(name or "“”" for name in twice))

    whole, unclosed, unsure = _records(lines.slice(found.header_at + 1), len(header), delimiter, quote)
    ragged_numbers: list[int] = []

    def skip_ragged(row: pa.csv.InvalidRow) -> str:
        ragged_numbers.append(int(row.text.partition(delimiter)[0]))
        return "skip"

    rows = pl.DataFrame(schema={ROW: pl.Int64, **dict.fromkeys(header, pl.String)})
    if whole.height:
        numbered = whole.select(pl.concat_str(pl.col(ROW).cast(pl.String), pl.col("line"), separator=delimiter))
        longest: int = numbered.select(pl.first().str.len_bytes().max()).item()
        table = pyarrow.csv.read_csv(
            io.BytesIO("\n".join(numbered.to_series()).encode()),
            read_options=pa.csv.ReadOptions(
                column_names=[ROW, *header],
                block_size=max(1 << 20, 2 * longest),  # a record must fit in
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter, quote_char=quote, invalid_row_handler=skip_ragged, newlines_in_values=True
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={ROW: pa.int64(), **dict.fromkeys(header, pa.large_string())}, strings_can_be_null=False
            ),
        )
        rows = pl.DataFrame(pl.from_arrow(table))
        rows.columns = [ROW, *header]  # polars gave a column without a name one of its own
    ragged = whole.filter(pl.col(ROW).is_in(ragged_numbers))
    return Table(
        rows,
        pl.concat(
            [
                broken_lines("unclosed_quote", unclosed[ROW].to_list(), unclosed["line"].to_list()),
                broken_lines("behind_open_quote", unsure[ROW].to_list(), unsure["line"].to_list()),
                broken_lines("ragged_row", ragged[ROW].to_list(), ragged["line"].to_list()),
                _said(found, source),
            ]
        ),
    )


def _said(found: dialect.Dialect, source: Source) -> pl.DataFrame:
    """A warning on the file as a whole if its dialect is not the contract's."""
    if (found.delimiter, found.quote, found.header_at) == (source.delimiter, dialect.QUOTE, 0):
        return on_the_file()
    names = {"\t": "tab", " ": "khoảng trắng / space"}
    delimiter, agreed = (names.get(name, name) for name in (found.delimiter, source.delimiter))
    return on_the_file("other_dialect", delimiter=delimiter, quote=found.quote, lines=found.header_at, agreed=agreed)


def _records(
    lines: pl.DataFrame, width: int, delimiter: str, quote: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Tell records from lines that are none.

    Returns:
        Records, a quoted cell of several lines joined; lines where a quote opens and does not close; and lines behind
        these that may belong to them or be records.
    """
    mark = re.escape(delimiter)
    cell = rf"(?:{quote}(?:[^{quote}]|{quote}{quote})*{quote}|[^{quote}{mark}]*)"
    doubtful = (~lines["line"].str.contains(rf"^{cell}(?:{mark}{cell})*$")).arg_true().to_list()
    text = lines["line"].to_list() if doubtful else []
    joined: dict[int, str] = {}
    open_: list[int] = []
    unsure: list[int] = []
    inside: list[int] = []
    seen = -1
    for first in doubtful:
        if first <= seen:
            continue
        block = _record(text[first : first + _LINES_IN_A_RECORD], width, delimiter, quote)
        seen = max(first, first + len(block) - 1)
        if not block:
            open_.append(first)
        elif len(block) > 1 and sum(line.count(delimiter) >= width - 1 for line in block) > 1:
            open_.append(first)  # two of the lines could be records by themselves: the quotes may be stray
            unsure += range(first + 1, seen + 1)
        elif len(block) > 1:
            joined[first] = "\n".join(block)
            inside += range(first + 1, seen + 1)
    place = pl.int_range(pl.len())
    whole = lines.filter(~place.is_in([*open_, *unsure, *inside]) & (pl.col("line").str.strip_chars() != ""))
    if joined:
        starts = lines[ROW].gather(list(joined))
        line = pl.col(ROW).replace_strict(starts, list(joined.values()), default=pl.col("line"))
        whole = whole.with_columns(line.alias("line"))
    return whole, lines[open_], lines[unsure]


def _record(lines: list[str], width: int, delimiter: str, quote: str) -> list[str]:
    """The first line by itself, if its quotes close; or with those behind it up to where they do; or none."""
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, quotechar=quote, strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return []
    return lines[: reader.line_num] if reader.line_num == 1 or len(cells) == width else []
