"""CSV: one record a line, as the contract's dialect says.

Lines are counted before cells are cut, so that a row's number is its line in the sender's file, and a quote that
never closes costs its own line only instead of swallowing those behind it. PyArrow cuts the cells; each line carries
its own number through the parser as a first cell, because PyArrow's rows do not know where they came from.
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


def read(content: bytes, source: Source, contract: Contract) -> Table:
    """Cut a CSV file into cells.

    Raises:
        Stop: if the bytes are not of the declared encoding, or the header names a column twice.
    """
    text = decode(content, source.encoding).replace("\r\n", "\n").replace("\r", "\n")
    lines = pl.DataFrame({"line": text.split("\n")}).with_row_index(ROW, offset=1).cast({ROW: pl.Int64})
    lines = lines.filter(pl.col("line").str.strip_chars() != "")
    if lines.is_empty():
        raise Stop("rejected", "empty_file")
    header = [name.strip() for name in next(csv.reader([lines["line"][0]], delimiter=source.delimiter))]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise Stop("held", "extra_column", columns=", ".join(twice))

    lines = lines.slice(1)
    is_open = pl.col("line").str.count_matches('"', literal=True) % 2 == 1
    unclosed = lines.filter(is_open)
    whole = lines.filter(~is_open)
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
            parse_options=pa.csv.ParseOptions(delimiter=source.delimiter, invalid_row_handler=skip_ragged),
            convert_options=pa.csv.ConvertOptions(
                column_types={ROW: pa.int64(), **dict.fromkeys(header, pa.large_string())}, strings_can_be_null=False
            ),
        )
        rows = pl.DataFrame(pl.from_arrow(table))
    ragged = lines.filter(pl.col(ROW).is_in(ragged_numbers))
    return Table(
        rows,
        pl.concat(
            [
                broken_lines("unclosed_quote", unclosed[ROW].to_list(), unclosed["line"].to_list()),
                broken_lines("ragged_row", ragged[ROW].to_list(), ragged["line"].to_list()),
            ]
        ),
    )
