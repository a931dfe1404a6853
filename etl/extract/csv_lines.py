"""Lines of CSV of which each is one record, or none, because no quoted cell holds a line end: nearly all there are.

They are cut where they lie, at a third of what `etl.extract.csv_cells` takes: PyArrow says which row does not fit, and
only lines with a quotation mark are looked at by themselves.
"""

from __future__ import annotations

import codecs

import polars as pl
import pyarrow as pa
import pyarrow.csv

from etl.delivery.columns import ROW
from etl.extract import dialect
from etl.extract.csv_cells import LINES_IN_A_RECORD, Cut, columns_of, nothing, parsed, record, record_of
from etl.extract.lines import LINES, Piece
from etl.extract.table import Table, broken_lines

_SELDOM = 8  # times as many lines as hold a quotation mark; where more do, to look at each is no cheaper


def cut(piece: Piece, found: dialect.Dialect) -> Cut | None:
    """What `etl.extract.csv_cells.cut_lines` makes of lines.

    Args:
        piece: the lines.
        found: how they are written.

    Returns:
        None where it may make something else of them: a quoted cell goes over a line end, or may go on in lines to
        come; many cells are quoted, or some otherwise than in the dialect; a line has fewer cells than the header,
        begins another file, or is very long.
    """
    marked = piece.holding({found.quote, dialect.QUOTE})
    if found.mark != found.delimiter or _SELDOM * len(marked) > piece.count or _is_unusual(piece.content, found):
        return None
    unclosed = _unclosed(piece, marked, found)
    if any(_may_go_on(piece, at, found) for at in unclosed):
        return None
    skipped: list[pa.csv.InvalidRow] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        skipped.append(row)
        return "skip"

    types = dict.fromkeys(columns_of(found), pa.large_string())
    try:
        rows = parsed(pa.py_buffer(piece.without(unclosed)), found, types, skip)
    except pa.ArrowInvalid:  # a line is longer than a block
        return None
    numbers = pl.int_range(piece.first, piece.first + piece.count, dtype=pl.Int64, eager=True)
    numbers = numbers.filter(~numbers.is_in([piece.first + at for at in unclosed]))
    ragged = {numbers[row.number - 1]: row for row in skipped}
    rows.insert_column(0, numbers.filter(~numbers.is_in([*ragged])).alias(ROW))
    rows = rows.filter(~pl.col(ROW).is_in(_empty(piece, rows, found)))
    sent = pl.DataFrame([(number, row.text) for number, row in ragged.items()], LINES, orient="row")
    sent = sent.filter(~pl.col("line").str.contains(nothing(found)))
    widths = {number: ragged[number].actual_columns for number in sent[ROW]}
    if any(width < len(found.header) for width in widths.values()):
        return None
    lines = [line for at in unclosed for line in piece.some(at, 1)]
    said = [
        broken_lines("unclosed_quote", [piece.first + at for at in unclosed], lines),
        broken_lines("ragged_row", sent[ROW].to_list(), sent["line"].to_list()),
    ]
    quotes = {found.quote} if found.quote.encode() in piece.content else set()
    return Cut(Table(rows, pl.concat(said)), pl.DataFrame(schema=LINES), widths, frozenset(quotes))


def _is_unusual(content: bytes, found: dialect.Dialect) -> bool:
    """Whether there is an escape, a cell that begins with a quotation mark of another dialect, or another file."""
    others = {quote for quote in dialect.QUOTES if quote != found.quote and _holds(content, quote)}
    begun = [f"{before}{blank}{quote}" for before in (found.mark, "\n") for blank in ("", " ") for quote in others]
    signs = [*begun, *(found.escape or ""), codecs.BOM_UTF8.decode()]
    first = content.lstrip(b" ")[:1]
    return any(first == quote.encode() for quote in others) or any(_holds(content, sign) for sign in signs)


def _holds(content: bytes, sign: str) -> bool:
    wanted = sign.encode()
    return wanted[:1] in content and wanted in content  # one byte is found ten times as fast as several


def _unclosed(piece: Piece, marked: list[int], found: dialect.Dialect) -> list[int]:
    """Which of some lines leave a doubt where their quotes close."""
    lines = pl.Series([line for at in marked for line in piece.some(at, 1)], dtype=pl.String)
    is_record = lines.str.contains(f"^{record(found)}$")
    return [at for at, is_whole in zip(marked, is_record, strict=True) if not is_whole]


def _may_go_on(piece: Piece, at: int, found: dialect.Dialect) -> bool:
    """Whether a record that begins with a line goes on behind it, or may in lines to come."""
    lines = piece.some(at, LINES_IN_A_RECORD)
    return len(lines) < LINES_IN_A_RECORD or len(record_of(lines, found)) > 1


def _empty(piece: Piece, rows: pl.DataFrame, found: dialect.Dialect) -> list[int]:
    """Numbers of the rows of whose lines nothing is left but delimiters."""
    for name in rows.columns[1:]:
        if rows.is_empty():  # as a rule after the first one
            return []
        rows = rows.filter(rows[name].str.contains(r"^[\s\x1a]*$"))
    lines = pl.Series([line for number in rows[ROW] for line in piece.some(number - piece.first, 1)], dtype=pl.String)
    return rows[ROW].filter(lines.str.contains(nothing(found))).to_list()
