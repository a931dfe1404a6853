"""CSV: one record a line, as the contract's dialect says, or else the one that `etl.extract.dialect` finds.

Lines are counted before `etl.extract.csv_cells` cuts them, so that a row's number is its (first) line in the sender's
file. What the header promises and the rows do not keep, as a delimiter, a quotation mark or cells at a row's end, is
tried in every way that breaks fewer lines, and taken if it is certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from etl.contract import Contract, Source
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import csv_lines, dialect, fit, quoting, shape
from etl.extract.bounded import check_columns
from etl.extract.csv_cells import Cut, cut_lines
from etl.extract.lines import Piece, numbered
from etl.extract.table import Table, broken_lines, on_the_file
from etl.extract.text import decoded
from etl.settings import DEFAULT_LIMITS, Limits


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
    piece = next(pieces)
    while not (written := piece.lines["line"].str.strip_chars() != "").any():
        if piece.is_last:
            raise Stop("rejected", "empty_file")
        piece = next(pieces)
    lines, is_last = piece.lines, piece.is_last
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
    for piece in pieces:
        before = found
        cut, found = _next(piece, cut.rest, found, header, contract, quotes)
        about = [cut.table.problems, _said(found, source) if found != before else on_the_file()]
        about.append(_said_of_ends(cut.left_away - left_away))
        yield _named(Table(cut.table.rows, pl.concat(about)), found)
        quotes, left_away = quotes | cut.quotes, left_away | cut.left_away


def _next(
    piece: Piece, rest: pl.DataFrame, found: dialect.Dialect, header: int, contract: Contract, quotes: frozenset[str]
) -> tuple[Cut, dialect.Dialect]:
    """Cut the lines behind those that were cut.

    Args:
        piece: these.
        rest: lines before them that must be seen together with them.
        found: the dialect so far.
        header: number of the header's line.
        contract: the dataset's.
        quotes: quotation marks that were seen so far.

    Returns:
        What was cut, and in which dialect.

    Raises:
        Stop: as `_requoted`.
    """
    if rest.is_empty() and (cut := csv_lines.cut(piece, found)):
        return cut, found
    lines = pl.concat([rest, piece.lines])
    cut = _filled_up(lines, cut_lines(lines, found, piece.is_last), found, header, contract, piece.is_last)
    return _requoted(lines, cut, found, piece.is_last, quotes)


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
) -> tuple[Cut, dialect.Dialect, pl.DataFrame]:
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
    as_told = cut_lines(lines, found, is_last)
    best, by_header, said = as_told, found, on_the_file()
    for way in (found, *dialect.others(found, lines["line"])) if as_told.table.problems.height else ():
        cut = as_told if way == found else cut_lines(lines, way, is_last)
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


def _shared(lines: pl.DataFrame, cut: Cut, found: dialect.Dialect, is_last: bool) -> list[tuple[shape.Shape, Cut]]:
    """Shapes that hardly any row contradicts, with what they make of the lines; `cut` is what the header makes."""
    before = cut.table.rows.height
    if not shape.is_shared(lines.height, before, lines.height):  # nor is one that some lines contradict
        return []
    tried = [(s, cut_lines(lines, s.dialect, is_last)) for s in shape.candidates(found, [*cut.widths.values()])]
    return [(s, made) for s, made in tried if shape.is_shared(made.table.rows.height, before, made.table.rows_in)]


def _filled_up(
    lines: pl.DataFrame, cut: Cut, found: dialect.Dialect, header: int, contract: Contract, is_last: bool
) -> Cut:
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
    made = cut_lines(lines, found, is_last)
    for width, numbers in found_short.items():
        meant = shape.Shape(replace(found, header=found.header[:width]), found.header)
        rows = made.table.rows[:, : 1 + width].filter(pl.col(ROW).is_in(numbers))
        if not shape.is_certain(meant, rows, contract):
            return cut
    names = frozenset(name for width in found_short for name in found.header[width:] if name)
    return made._replace(rest=pl.concat([made.rest, behind]), left_away=names) if found_short or not is_last else cut


def _requoted(
    lines: pl.DataFrame, cut: Cut, found: dialect.Dialect, is_last: bool, before: frozenset[str] | None
) -> tuple[Cut, dialect.Dialect]:
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
            tried = cut_lines(lines, other, is_last)
            if tried.broken < cut.broken:
                cut, found = tried, other
    marks = sorted(cut.quotes - {found.quote, dialect.QUOTE})
    mark = quoting.of_columns(cut.table.rows, marks, may_be_read=before is None)
    if mark:
        found = replace(found, quote=mark)
        tried = cut_lines(lines, found, is_last)
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
    rows = cut_lines(above, found, True).table.rows
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
