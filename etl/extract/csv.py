"""CSV: one record a line, as the contract's dialect says, or else the one that `etl.extract.dialect` finds.

Lines are counted before cells are cut, so that a row's number is its (first) line in the sender's file, and a quote
that never closes costs its own line only instead of swallowing those behind it. PyArrow cuts the cells; each record
carries its number through the parser as a first cell, because PyArrow's rows do not know where they came from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.csv

from etl.contract import Contract, Source
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import dialect, fit, quoting, shape
from etl.extract.bounded import check_columns
from etl.extract.lines import numbered
from etl.extract.table import Table, broken_lines, on_the_file
from etl.extract.text import decoded
from etl.settings import DEFAULT_LIMITS, Limits

csv.field_size_limit((1 << 31) - 1)  # the most that Windows takes; the length of a line is limited before
_LINES_IN_A_RECORD = 50  # a quote that is open for longer is a stray one


def read(
    blocks: Iterable[bytes], source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Table]:
    """Cut a CSV file into cells, piece by piece.

    Args:
        blocks: the file's bytes, cut anywhere.
        source: how it should be written.
        contract: names the columns.
        limits: what it may ask.

    Raises:
        Stop: if the bytes are not of the declared encoding, or a column that holds something has no name or another's.
    """
    pieces = numbered(decoded(blocks, source.encoding, any_line_end=True))
    lines, is_last = next(pieces)
    while not (written := lines["line"].str.strip_chars() != "").any():
        if is_last:
            raise Stop("rejected", "empty_file")
        lines, is_last = next(pieces)
    if not source.header:
        lines = lines.slice(written.arg_true()[0])
    check_columns(lines["line"][0].count(source.delimiter) + 1, limits)
    found = dialect.find(lines["line"].head(dialect.HEADER_WITHIN).to_list(), source, contract)
    check_columns(len(found.header), limits)
    _check_header(lines["line"][0], found, source, contract)

    above, body = lines.head(found.header_at), lines.slice(found.header_at + found.header_lines)
    header = lines[ROW][found.header_at] + found.header_lines - 1
    cut, found, said = _settled(body, found, header, contract, is_last)
    cut, found = _requoted(body, cut, found, is_last, None)
    about = [_above_header(above, found, contract), cut.table.problems, _said(found, source), said]
    about.append(_said_of_ends(cut.left_away))
    about.append(on_the_file("header_came") if source.header == () and found.header_lines else on_the_file())
    yield _named(Table(cut.table.rows, pl.concat(about)), found)
    quotes, left_away = cut.quotes, cut.left_away
    for lines, is_last in pieces:
        lines, before = pl.concat([cut.rest, lines]), found
        cut = _filled_up(lines, _cut(lines, found, is_last), found, header, contract, is_last)
        cut, found = _requoted(lines, cut, found, is_last, quotes)
        about = [cut.table.problems, _said(found, source) if found != before else on_the_file()]
        about.append(_said_of_ends(cut.left_away - left_away))
        yield _named(Table(cut.table.rows, pl.concat(about)), found)
        quotes, left_away = quotes | cut.quotes, left_away | cut.left_away


def _check_header(line: str, found: dialect.Dialect, source: Source, contract: Contract) -> None:
    """Refuse a file without a header, or with one that does not tell its columns apart or goes on into the rows.

    Raises:
        Stop: if it is one.
    """
    if not found.header_lines:
        return
    expected = [c.source_name for c in contract.in_file]
    if not set(expected) & set(found.header) and any(
        shape.is_record(cells, contract) for cells in dialect.cells(line, source)
    ):
        raise Stop("held", "no_header", header=source.delimiter.join(expected))
    goes_on = found.header_lines > 1 and len(source.header or ()) < 2  # a name goes over several lines
    if goes_on and any(found.delimiter in name for name in {*found.header} - {*expected}):  # as rows do
        raise Stop("held", "open_quote_in_header", line=found.header_at + 1)
    unclear = sorted({name for name in found.names if [ROW, *found.names].count(name) > 1})
    if unclear:
        raise Stop("held", "unclear_column", columns=", ".join(unclear))


def _settled(
    lines: pl.DataFrame, found: dialect.Dialect, header: int, contract: Contract, is_last: bool
) -> tuple[_Cut, dialect.Dialect, pl.DataFrame]:
    """Cut the first lines below the header; where some break, in the way that breaks the fewest and is certain.

    Args:
        lines: these.
        found: the dialect, by the header.
        header: number of its line.
        contract: the dataset's.
        is_last: whether no lines are to come.

    Returns:
        What was cut, in which dialect, and what is to be said of the file.

    Raises:
        Stop: if the rows have another delimiter than the header, and it is not certain which.
    """
    as_told = _cut(lines, found, is_last)
    best, by_header, said = as_told, found, on_the_file()
    for way in (found, *dialect.others(found, lines["line"])) if as_told.table.problems.height else ():
        cut = as_told if way == found else _cut(lines, way, is_last)
        for tried in (cut, _filled_up(lines, cut, way, header, contract, is_last)):
            if tried.broken < best.broken:  # it breaks no line that was whole
                best, by_header, said = tried, way, on_the_file()
        if way.delimiter == found.delimiter:
            shared = _shared(lines, cut, way, is_last)
            certain = [(s, made) for s, made in shared if shape.is_certain(s, made.table.rows, contract)]
            if len(certain) == 1 and len(certain[0][1].broken) < len(best.broken):
                ((meant, best),) = certain
                by_header, said = meant.dialect, _said_of_shape(meant, way)
            elif parted := [s.dialect for s, _ in shared if s.surplus == 0]:
                raise Stop("held", "two_delimiters", header=_shown(way), rows=_shown(parted[0]))
    return best, by_header, said


def _shared(lines: pl.DataFrame, cut: _Cut, found: dialect.Dialect, is_last: bool) -> list[tuple[shape.Shape, _Cut]]:
    """Shapes that hardly any row contradicts, with what they make of the lines; `cut` is what the header makes."""
    before = cut.table.rows.height
    if not shape.is_shared(lines.height, before, lines.height):  # nor is one that some lines contradict
        return []
    tried = [(s, _cut(lines, s.dialect, is_last)) for s in shape.candidates(found, [*cut.widths.values()])]
    return [(s, made) for s, made in tried if shape.is_shared(made.table.rows.height, before, made.table.rows_in)]


def _filled_up(
    lines: pl.DataFrame, cut: _Cut, found: dialect.Dialect, header: int, contract: Contract, is_last: bool
) -> _Cut:
    """Cut again, with the empty cells at their ends, the lines that Excel has left them away from.

    Its rows are the file's lines as long as no cell holds a line end; behind one that does, no such row is found.

    Args:
        lines: to be cut.
        cut: what was made of them.
        found: with this.
        header: number of the header's line.
        contract: the dataset's.
        is_last: whether no lines are to come.
    """
    full = len(found.header)
    if not any(width < full for width in cut.widths.values()):
        return cut
    block = (pl.col(ROW) - 1) // shape.BLOCK
    behind = lines.filter(block == block.last()) if not is_last else lines.clear()  # more lines may belong to it
    lines = lines.head(lines.height - behind.height)
    widths = pl.DataFrame(
        {ROW: [*cut.widths.keys()], "width": [*cut.widths.values()]}, {ROW: pl.Int64, "width": pl.Int64}
    )
    whole = cut.table.rows.select(ROW, width=pl.lit(full, pl.Int64))
    found_short = shape.left_away(
        pl.concat([whole, widths]).filter(~pl.col(ROW).is_in(behind[ROW].implode())), header, found, contract
    )
    for width, numbers in found_short.items():
        ends = pl.when(pl.col(ROW).is_in(numbers)).then(pl.lit(found.delimiter * (full - width))).otherwise(pl.lit(""))
        lines = lines.with_columns(line=pl.col("line") + ends)
    made = _cut(lines, found, is_last)
    for width, numbers in found_short.items():
        meant = shape.Shape(replace(found, header=found.header[:width]), found.header)
        rows = made.table.rows[:, : 1 + width].filter(pl.col(ROW).is_in(numbers))
        if not shape.is_certain(meant, rows, contract):
            return cut
    names = frozenset(name for width in found_short for name in found.header[width:] if name)
    return made._replace(rest=pl.concat([made.rest, behind]), left_away=names) if found_short or not is_last else cut


def _requoted(
    lines: pl.DataFrame, cut: _Cut, found: dialect.Dialect, is_last: bool, before: frozenset[str] | None
) -> tuple[_Cut, dialect.Dialect]:
    """Cut again, with another quotation mark, lines whose cells stand in it.

    Args:
        lines: to be cut.
        cut: what was made of them.
        found: with this.
        is_last: whether no lines are to come.
        before: quotation marks that were seen in the lines before these; None if these are the first. Without any, all
            of those would have been cut the same with another.

    Raises:
        Stop: if only part of the cells of a column stand in that mark.
    """
    if before == frozenset() and cut.table.problems.height:
        for other in dialect.quoted_otherwise(found, lines["line"]):
            tried = _cut(lines, other, is_last)
            if tried.broken < cut.broken:
                cut, found = tried, other
    marks = sorted(cut.quotes - {found.quote, dialect.QUOTE})
    mark = quoting.of_columns(cut.table.rows, marks, may_be_read=before is None)
    if mark:
        found = replace(found, quote=mark)
        tried = _cut(lines, found, is_last)
        if not tried.broken <= cut.broken:
            raise Stop("held", "quoted_in_part", column=", ".join(found.names), quote=mark)
        return tried, found
    return (cut._replace(table=quoting.screen(cut.table, lines, marks)) if marks else cut), found


def _named(table: Table, found: dialect.Dialect) -> Table:
    """The table without the columns that have no name, which must be empty."""
    nameless = [column for column, name in zip(table.rows.columns[1:], found.header, strict=True) if not name]
    if any((table.rows[column].str.strip_chars() != "").any() for column in nameless):
        raise Stop("held", "unclear_column", columns="“”")
    return Table(table.rows.drop(nameless), table.problems)


def _above_header(above: pl.DataFrame, found: dialect.Dialect, contract: Contract) -> pl.DataFrame:
    """Problems for records that stand above the header; titles do not fill all required columns.

    Where one column alone is required, a title may fill it; but a title fills that one only, and is no code.
    """
    if not above.height:
        return on_the_file()
    required = [c for c in contract.in_file if c.required]
    rows = _cut(above, found, True).table.rows
    if not {c.source_name for c in required} <= set(rows.columns):  # this is told by itself
        return on_the_file()
    rows = rows.filter(pl.all_horizontal(pl.col(c.source_name).str.strip_chars() != "" for c in required))
    if len(required) == 1 < len(found.header):
        filled = pl.sum_horizontal(pl.exclude(ROW).str.strip_chars() != "")
        rows = rows.filter((filled > 1) | fit.is_code(rows[required[0].source_name], required[0], contract))
    records = above.filter(pl.col(ROW).is_in(rows[ROW].implode()))
    return broken_lines("above_header", records[ROW].to_list(), records["line"].to_list())


def _said(found: dialect.Dialect, source: Source) -> pl.DataFrame:
    """A warning on the file as a whole if its dialect is not the contract's."""
    above = found.header_at if source.header else 0
    agreed = dialect.Dialect(source.delimiter, dialect.QUOTE, above, found.names, header_lines=found.header_lines)
    if found == agreed:
        return on_the_file()
    return on_the_file(
        "other_dialect",
        agreed=_shown(agreed),
        delimiter=_shown(found),
        quote=found.quote,
        escape=found.escape or found.quote,
        lines=found.header_at,
        nameless=found.header.count(""),
    )


def _said_of_shape(found: shape.Shape, by_header: dialect.Dialect) -> pl.DataFrame:
    """A warning on the file as a whole if its header has not the shape of its rows; of the others, others speak."""
    if found.is_of_header:
        return on_the_file("surplus_in_header", count=-found.surplus)
    if found.surplus == 0:
        return on_the_file("two_delimiters", header=_shown(by_header), rows=_shown(found.dialect))
    return on_the_file()


def _said_of_ends(columns: frozenset[str]) -> pl.DataFrame:
    """A warning on the file as a whole if some rows leave away the cells of these columns."""
    return on_the_file("cells_left_away", columns=", ".join(sorted(columns))) if columns else on_the_file()


def _shown(found: dialect.Dialect) -> str:
    return {"\t": "tab", " ": "khoảng trắng / space"}.get(found.delimiter, found.delimiter)


class _Cut(NamedTuple):
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


def _cut(lines: pl.DataFrame, found: dialect.Dialect, is_last: bool) -> _Cut:
    """Cut lines (ROW, `line`) into cells."""
    columns = [ROW, *(name or f" {n}" for n, name in enumerate(found.header))]  # a name that was sent has no blanks
    sent = lines
    if found.mark != found.delimiter:
        lines = lines.with_columns(line=pl.Series(dialect.marked("\n".join(lines["line"]), found).split("\n")))
    whole, unclosed, unsure, quotes, taken = _records(lines, len(columns) - 1, found, is_last)
    widths: dict[int, int] = {}

    def skip_ragged(row: pa.csv.InvalidRow) -> str:
        widths[int(row.text.partition(found.mark)[0])] = row.actual_columns - 1
        return "skip"

    rows = pl.DataFrame(schema={ROW: pl.Int64, **dict.fromkeys(columns[1:], pl.String)})
    if whole.height:
        numbered = whole.select(pl.concat_str(pl.col(ROW).cast(pl.String), pl.col("line"), separator=found.mark))
        longest: int = numbered.select(pl.first().str.len_bytes().max()).item()
        text = numbered.select(pl.first().str.join("\n")).to_series().to_arrow()
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text.buffers()[-1]),
            read_options=pa.csv.ReadOptions(
                column_names=columns,
                block_size=max(1 << 20, 2 * longest),  # a record must fit in
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=found.mark,
                quote_char=found.quote,
                escape_char=found.escape or False,
                invalid_row_handler=skip_ragged,
                newlines_in_values=True,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={ROW: pa.int64(), **dict.fromkeys(columns[1:], pa.large_string())},
                strings_can_be_null=False,
            ),
        )
        rows = pl.DataFrame(pl.from_arrow(table))
    ragged = whole.filter(pl.col(ROW).is_in([*widths]))
    broken = {"unclosed_quote": unclosed, "behind_open_quote": unsure, "ragged_row": ragged}
    as_sent = pl.col("line").str.replace_all(found.mark, found.delimiter, literal=True)
    said = [
        broken_lines(rule, *bad.select(ROW, as_sent).to_dict(as_series=False).values()) for rule, bad in broken.items()
    ]
    return _Cut(Table(rows, pl.concat(said)), sent.slice(taken), widths, quotes)


def _records(
    lines: pl.DataFrame, width: int, found: dialect.Dialect, is_last: bool
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, frozenset[str], int]:
    """Tell records from lines that are none.

    Returns:
        Records, a quoted cell of several lines joined; lines where a quote opens and does not close; lines behind
        these that may belong to them or be records; the quotation marks that were seen; and how many lines from the
        top these are. Behind them stand those that more lines could make a record of, if more are to come.
    """
    record = _pattern(found)
    marks = re.escape(found.quote + dialect.QUOTE + (found.escape or ""))
    marked = lines["line"].str.contains(f"[{marks}{dialect.QUOTES}]").arg_true()
    text_marked = lines["line"].gather(marked)
    quoted = marked.filter(text_marked.str.contains(f"[{marks}]"))  # without any of these a line leaves no doubt
    quotes = dialect.quotes(text_marked, found)
    doubtful = quoted.filter(~lines["line"].gather(quoted).str.contains(f"^{record}$")).to_list()
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
        if not is_last and first + _LINES_IN_A_RECORD > lines.height:
            taken = first
            break
        block = _record(text[first : first + _LINES_IN_A_RECORD], width, record, found)
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
    nothing = rf"[\s\x1a]*(?:{found.quote}{found.quote})?\s*"  # \x1a: the end of a file to old DOS programs
    is_empty = pl.col("line").str.contains(f"^{nothing}(?:{re.escape(found.mark)}{nothing})*$")
    return whole.filter(~is_empty), lines[open_], lines[unsure], quotes, taken


def _record(lines: list[str], width: int, record: str, found: dialect.Dialect) -> list[str]:
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
    return block if len(cells) == width and re.fullmatch(record, "\n".join(block)) else lines[:1]


def _pattern(found: dialect.Dialect) -> str:
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
