"""CSV: one record a line, as the contract's dialect says.

Lines are counted before cells are cut, so that a row's number is its (first) line in the sender's file, and a quote
that never closes costs its own line only instead of swallowing those behind it. PyArrow cuts the cells; each record
carries its number through the parser as a first cell, because PyArrow's rows do not know where they came from.
"""

from __future__ import annotations

import csv
import io

import polars as pl
import pyarrow as pa
import pyarrow.csv

from etl.contract import Contract, Source
from etl.delivery import ROW, Stop
from etl.extract.table import Table, broken_lines
from etl.extract.text import decode

_LINES_IN_A_CELL = 50  # a quote that is open for longer is a stray one


def read(content: bytes, source: Source, contract: Contract) -> Table:
    """Cut a CSV file into cells.

    Raises:
        Stop: if the bytes are not of the declared encoding, or the header names a column twice.
    """
    text = decode(content, source.encoding).replace("\r\n", "\n").replace("\r", "\n")
    lines = pl.DataFrame({"line": text.split("\n")}).with_row_index(ROW, offset=1).cast({ROW: pl.Int64})
    written = lines["line"].str.strip_chars() != ""
    if not written.any():
        raise Stop("rejected", "empty_file")
    at = written.arg_true()[0]
    header = [name.strip() for name in next(csv.reader([lines["line"][at]], delimiter=source.delimiter))]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise Stop("held", "extra_column", columns=", ".join(name or "“”" for name in twice))

    whole, unclosed = _records(lines.slice(at + 1), len(header), source.delimiter)
    ragged_numbers: list[int] = []

    def skip_ragged(row: pa.csv.InvalidRow) -> str:
        ragged_numbers.append(int(row.text.partition(source.delimiter)[0]))
        return "skip"

    rows = pl.DataFrame(schema={ROW: pl.Int64, **dict.fromkeys(header, pl.String)})
    if whole.height:
        numbered = whole.select(pl.concat_str(pl.col(ROW).cast(pl.String), pl.col("line"), separator=source.delimiter))
        table = pyarrow.csv.read_csv(
            io.BytesIO("\n".join(numbered.to_series()).encode()),
            read_options=pa.csv.ReadOptions(column_names=[ROW, *header]),
            parse_options=pa.csv.ParseOptions(
                delimiter=source.delimiter, invalid_row_handler=skip_ragged, newlines_in_values=True
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={ROW: pa.int64(), **dict.fromkeys(header, pa.large_string())}, strings_can_be_null=False
            ),
        )
        rows = pl.DataFrame(pl.from_arrow(table))
    ragged = whole.filter(pl.col(ROW).is_in(ragged_numbers))
    return Table(
        rows,
        pl.concat(
            [
                broken_lines("unclosed_quote", unclosed[ROW].to_list(), unclosed["line"].to_list()),
                broken_lines("ragged_row", ragged[ROW].to_list(), ragged["line"].to_list()),
            ]
        ),
    )


def _records(lines: pl.DataFrame, width: int, delimiter: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records, a quoted cell of several lines joined, and the lines where a quote opens and does not close."""
    is_open = lines["line"].str.count_matches('"', literal=True) % 2 == 1
    opened = is_open.arg_true().to_list()
    text = lines["line"].to_list() if opened else []
    joined: dict[int, str] = {}
    broken: list[int] = []
    inside: set[int] = set()
    while opened:
        first = opened.pop(0)
        block = text[first : opened[0] + 1] if opened and opened[0] - first < _LINES_IN_A_CELL else []
        if _is_one_record(block, width, delimiter):
            joined[first] = "\n".join(block)
            inside.update(range(first + 1, opened.pop(0) + 1))
        else:
            broken.append(first)
    place = pl.int_range(pl.len())
    whole = lines.filter(~place.is_in([*broken, *inside]) & (pl.col("line").str.strip_chars() != ""))
    if joined:
        starts = lines[ROW].gather(list(joined))
        whole = whole.with_columns(
            pl.col(ROW).replace_strict(starts, list(joined.values()), default=pl.col("line")).alias("line")
        )
    return whole, lines[broken]


def _is_one_record(block: list[str], width: int, delimiter: str) -> bool:
    """Whether the lines from one odd quote to the next are one record.

    They are not where two of them could be records by themselves: then both quotes are stray, and joining the lines
    would swallow what stands between.
    """
    if not block or sum(line.count(delimiter) >= width - 1 for line in block) > 1:
        return False
    try:
        records = list(csv.reader(io.StringIO("\n".join(block), newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return len(records) == 1 and len(records[0]) == width
