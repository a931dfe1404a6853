"""Excel as offices really send it: titles above the header, merged cells, dates as dates or as text.

calamine reads both .xlsx and .xls, fast, and computes no formula; it also gives the merged ranges. What it does not
tell of a cell, as how its number is shown, is looked up before: see `etl.extract.workbook`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import polars as pl
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from etl.contract import Column, Contract, Source
from etl.delivery import correction
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop, wording
from etl.delivery.problems import NO_PROBLEMS, problems
from etl.extract import distinct_cells, old_workbook, seen, workbook
from etl.extract.bounded import check_columns
from etl.extract.distinct_cells import PlainSheet
from etl.extract.file_kind import damaged_workbook, overlapping_merges
from etl.extract.footer import without_footer
from etl.extract.grid import Grid, Range, columns_of
from etl.extract.place_in_workbook import Place, asked_for, find, words
from etl.extract.sheet import Sheet
from etl.extract.table import CELLS, Table, broken_lines, on_the_file
from etl.extract.unpivot import value_columns
from etl.settings import DEFAULT_LIMITS, Limits

# What a template holds beside the data, in two languages or in English alone.
OUR_SHEETS = ("Giải thích - Guide", "Danh mục - Codes", "Guide", "Codes")
_OLD = b"\xd0\xcf\x11\xe0"  # how an .xls begins
_COUNTER = "STT"  # the form's own row counter
_NAMED = 20  # sheets, or columns, that a warning names


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut the sheet that has the contract's header into cells; the row number is Excel's own.

    Raises:
        Stop: if this is no workbook that can be read within the limits, no row of it looks like the contract's header,
            or several sheets hold such data.
    """
    others, places = _places(content, source, contract, limits)
    filled = [place for place in places if place.is_filled]
    if len(filled) > 1:
        raise Stop("held", "several_sheets")
    place = (filled or places)[0]
    table = _cut(place, source, contract, limits)
    said = [_not_read(others, [place.grid.name]), _said(place, table.rows[ROW])]
    return replace(table, problems=pl.concat([table.problems, *said]))


def read_sheets(
    content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS
) -> Iterator[tuple[str, Iterator[Table]]]:
    """Name and rows of each sheet that has the contract's header; the first says which sheets were not read.

    Raises:
        Stop: as `read`, but for several sheets.
    """
    others, places = _places(content, source, contract, limits)
    said = _not_read(others, [place.grid.name for place in places])
    for place in places:
        table = _cut(place, source, contract, limits)
        problems = pl.concat([table.problems, said, _said(place, table.rows[ROW])])
        said = said.clear()
        yield place.grid.name, replace(table, problems=problems).batches()


def _places(content: bytes, source: Source, contract: Contract, limits: Limits) -> tuple[list[Grid], list[Place]]:
    """The sheets of a workbook that no other table is read from, and the tables that have the contract's header."""
    ranges = [each.range for each in (source, *(other.source for other in contract.beside))]
    grids, tables = _open(content, limits, has_table=any(ranges))
    if all(grid.is_empty for grid in grids):
        raise Stop("rejected", "empty_file")
    found = [find(grid, source, contract) for grid in asked_for(grids, source, tables)]
    places = [place for place in found if place]
    if not places:
        raise Stop("held", "missing_column", columns=", ".join(c.label for c in contract.in_file if c.required))
    of_others: set[str] = set()
    for other in contract.beside:
        with suppress(Stop):  # it has no such sheet, which is told where that table is read
            of_others |= {g.name for g in asked_for(grids, other.source, tables) if find(g, other.source, other)}
    return [grid for grid in grids if grid.name not in of_others], places


def _open(content: bytes, limits: Limits, *, has_table: bool) -> tuple[list[Grid], dict[str, tuple[str, Range]]]:
    """The sheets of a workbook; and, where asked for, sheet and range of its named tables.

    Raises:
        Stop: if it cannot be read, or not within the limits.
    """
    is_old = content.startswith(_OLD)
    inside: list[tuple[Sheet, PlainSheet | None]]
    if is_old:
        inside = [(sheet, None) for sheet in old_workbook.look_through(content, limits)]
    else:
        inside = workbook.look_into(content, limits)
    grids = []
    tables: dict[str, tuple[str, Range]] = {}
    try:
        book = _opened(content, [plain for _, plain in inside if plain], has_table=has_table and not is_old)
        for about, (sheet, plain) in zip(book.sheets_metadata, inside, strict=True):
            if about.typ == SheetTypeEnum.WorkSheet:
                of_calamine = book.get_sheet_by_name(about.name)
                rows: list[list[object]] = of_calamine.to_python(skip_empty_area=False)
                is_hidden, merged = about.visible != SheetVisibleEnum.Visible, of_calamine.merged_cell_ranges or []
                columns, height = (plain.columns(rows), plain.corner[0] + 1) if plain else (columns_of(rows), len(rows))
                grids.append(Grid(about.name, is_hidden, columns, height, merged, sheet))
                _fill_merged(grids[-1])
        for name in book.table_names if has_table and not is_old else ():
            table = book.get_table_by_name(name)
            (top, left), end = table.start, table.end
            tables[name] = table.sheet, ((top - 1, left), end)  # it begins with the row of names
    except (CalamineError, OSError, ValueError, IndexError, OverflowError):
        raise damaged_workbook() from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's; it is no Exception, and has no name to import
            raise
        raise damaged_workbook() from None
    return grids, tables


def _opened(content: bytes, plain: list[PlainSheet], *, has_table: bool) -> CalamineWorkbook:
    """A workbook of the format that its file's ending says; given mere bytes, calamine tries all that it knows.

    Args:
        content: the workbook.
        plain: the sheets of which each distinct cell is enough.
        has_table: whether its named tables are to be looked up.
    """
    with tempfile.NamedTemporaryFile(suffix=".xls" if content.startswith(_OLD) else ".xlsx") as file:
        if plain:
            distinct_cells.write(content, plain, file)
        else:
            file.write(content)
        file.flush()
        return CalamineWorkbook.from_path(file.name, load_tables=has_table)


def _cut(place: Place, source: Source, contract: Contract, limits: Limits) -> Table:
    """A sheet's rows below the header, without what is no record."""
    grid, header_at = place.grid, place.header_at
    names = _names(place, limits)
    known = {c.source_name: c for c in contract.columns} | value_columns(names, contract)
    merged = _merged_rows(grid.merged, grid.height - 1)
    mark = "," if source.numbers == "vietnamese" else "."
    first = header_at + 2  # the first row's number in Excel
    data = [pl.int_range(first, max(first, grid.height + 1), eager=True, dtype=pl.Int64).alias(ROW)]
    doubts = [NO_PROBLEMS]
    stored = [pl.DataFrame(schema=CELLS)]
    without: dict[int, str] = {}  # rows that miss a value, each with the rule that says so
    for at, (name, column) in enumerate(zip(names, grid.columns, strict=True)):
        cells = seen.Cells(column.from_row(header_at + 1), header_at + 1, at, merged.get(at, []))
        texts, found = seen.texts(cells, known.get(name), grid.sheet, mark)
        if name in known:
            found = found.with_columns(pl.col(ROW) + first)
            doubts.append(_doubts(found, known[name]))
            if known[name].on_invalid == "flag":
                emptied = found.filter(~pl.col("rule").is_in(seen.WARNINGS))[ROW] - first
                texts = texts.scatter(emptied, None)
            dated = cells.dated.to_frame(ROW).with_columns(pl.col(ROW) + first, column=pl.lit(known[name].name))
            stored.append(dated.match_to_schema(CELLS))
        if name != _COUNTER and not name.startswith(" "):
            without |= {row + first: rule for row, rule in cells.spread(grid.sheet.valueless[at]).items()}
        data.append(texts.alias(name).str.replace_all("\t", " ", literal=True))  # Excel shows a tab as a blank
    for row in _across(grid, header_at, {at for at, name in enumerate(names) if name in known}):
        without.setdefault(row + 1, "merged_across")
    filled = _filled(pl.DataFrame(data), without)
    table = without_footer(Table(filled, doubts=pl.concat(doubts), stored_dates=pl.concat(stored)), contract)
    return _records(table, without, drop_counter=_COUNTER not in known)


def _names(place: Place, limits: Limits) -> list[str]:
    """Names of the columns; one without a name gets its number behind a blank, for a name that was sent has none.

    A cell of the header that is merged with those below it is emptied there: it is nobody's value.

    Raises:
        Stop: if there are too many, or two have one name.
    """
    grid, header_at = place.grid, place.header_at
    for column, ranges in _merged_rows(grid.merged, grid.height - 1).items():
        if column >= len(grid.columns):
            continue
        for _, bottom in (rows for rows in ranges if rows[0] <= header_at < rows[1]):
            rows = pl.int_range(grid.height, eager=True).scatter([*range(header_at + 1, bottom + 1)], None)
            grid.columns[column] = grid.columns[column].with_rows(rows)
    width = len(grid.columns)
    check_columns(len(place.names), limits)
    unclear = sorted({name for name in place.names if name and [ROW, *place.names].count(name) > 1})
    if unclear:
        raise Stop("held", "unclear_column", columns=", ".join(unclear))
    names = [*place.names, *[""] * (width - len(place.names))]
    return [name or f" {at}" for at, name in enumerate(names, start=1)]


def _records(table: Table, without: dict[int, str], *, drop_counter: bool) -> Table:
    """The table without rows that miss a value, headings, and columns that have no name or only count the rows.

    Raises:
        Stop: if a column without a name holds something.
    """
    nameless = [name for name in table.rows.columns if name.startswith(" ")]
    unclear = [f"cột / column {name.strip()}" for name in nameless if table.rows[name].str.strip_chars().ne("").any()]
    if unclear:
        raise Stop("held", "unclear_column", columns=", ".join(unclear))
    rows = table.rows.drop(*nameless, *([_COUNTER] if drop_counter else []), strict=False)
    is_broken = pl.col(ROW).is_in(list(without))
    is_heading = pl.all_horizontal(pl.exclude(ROW).is_null()) & ~is_broken
    found = [table.problems, *_broken(rows, without)]
    headings = rows.filter(is_heading)[ROW].to_list()
    if headings:
        found.append(on_the_file("headings", count=len(headings), lines=", ".join(map(str, headings[:_NAMED]))))
    kept = rows.filter(~is_heading & ~is_broken)
    doubts = table.doubts.filter(pl.col(ROW).is_in(kept[ROW].implode()))
    return replace(table, rows=kept, problems=pl.concat(found), doubts=doubts)


def _filled(rows: pl.DataFrame, without: dict[int, str]) -> pl.DataFrame:
    """The rows that hold something more than their number in the form, or miss a value."""
    filled = pl.any_horizontal(pl.exclude(ROW, _COUNTER).is_not_null()) | pl.col(ROW).is_in(list(without))
    if _COUNTER in rows.columns:
        filled |= ~pl.col(_COUNTER).str.contains(r"^\s*[0-9]*[.)]?\s*$").fill_null(True)
    return rows.filter(filled)


def _broken(rows: pl.DataFrame, without: dict[int, str]) -> list[pl.DataFrame]:
    """Problems of the rows that miss a value."""
    rules: dict[str, list[int]] = {}
    for number in rows[ROW] if without else ():
        if number in without:
            rules.setdefault(without[number], []).append(number)
    return [broken_lines(rule, lines, [None] * len(lines)) for rule, lines in rules.items()]


def _fill_merged(grid: Grid) -> None:
    """Let the value of each merged cell stand in all rows that it covers.

    Raises:
        Stop: if merged cells lie upon each other.
    """
    if sum(_area(first, last, grid) for first, last in grid.merged) > grid.height * len(grid.columns):
        raise overlapping_merges()
    for column, ranges in _merged_rows(grid.merged, grid.height - 1).items():
        if column < len(grid.columns):
            rows = [*range(grid.height)]  # where the value of each comes from
            for top, bottom in ranges:
                rows[top + 1 : bottom + 1] = [rows[top]] * (bottom - top)
            grid.columns[column] = grid.columns[column].with_rows(pl.Series(rows, dtype=pl.Int64))


def _merged_rows(merged: list[Range], last_row: int) -> dict[int, list[tuple[int, int]]]:
    """First and last row of each merged cell, by the column that it begins in, which is the one it belongs to."""
    found: dict[int, list[tuple[int, int]]] = {}
    for (top, left), (bottom, _) in merged:
        if top < min(bottom, last_row):
            found.setdefault(left, []).append((top, min(bottom, last_row)))
    return found


def _across(grid: Grid, header_at: int, known: set[int]) -> set[int]:
    """Rows below the header where one filled cell covers several columns of the contract."""
    found: set[int] = set()
    height, width = grid.height, len(grid.columns)
    for (top, left), (bottom, right) in grid.merged:
        is_inside = header_at < top < height and left < width
        if is_inside and sum(left <= at <= right for at in known) > 1 and words(grid.columns[left].cell(top)):
            found.update(range(top, min(bottom, height - 1) + 1))
    return found


def _doubts(found: pl.DataFrame, column: Column) -> pl.DataFrame:
    """Problems of cells of one column, of what `seen.texts` says of them."""
    made = [NO_PROBLEMS]
    for (rule,), failing in found.partition_by("rule", maintain_order=True, as_dict=True).items():
        about = wording(rule)
        said = about.fill(column=column.label, example=column.example)
        is_warning = rule in seen.WARNINGS or column.on_invalid == "flag"
        failed = failing.drop("rule")
        made.append(problems(failed, column.name, rule, said, about, "warning" if is_warning else "critical"))
    return pl.concat(made)


def _not_read(grids: list[Grid], read_from: list[str]) -> pl.DataFrame:
    """A warning on the file as a whole: sheets that hold something and were not read."""
    others = [g for g in grids if g.name not in read_from and not g.is_empty and not _is_ours(g.name)]
    if not others:
        return on_the_file()
    names = [f"“{g.name}”{' (ẩn / hidden)' if g.is_hidden else ''}" for g in others[:_NAMED]]
    return on_the_file("sheets_not_read", read=", ".join(read_from), sheets=", ".join(names))


def _said(place: Place, numbers: pl.Series) -> pl.DataFrame:
    """Warnings on the file as a whole: what of a sheet that was read is hidden, or lies outside of the range."""
    said, grid = [on_the_file()], place.grid
    rows = numbers.filter((numbers - 1).is_in(grid.sheet.hidden_rows))
    names = [name for at, name in enumerate(place.names) if at in grid.sheet.hidden_columns]
    if len(rows):
        said.append(on_the_file("hidden_rows", count=len(rows), first=rows[0]))
    if any(names):
        said.append(on_the_file("hidden_columns", columns=", ".join(name for name in names[:_NAMED] if name)))
    if grid.is_hidden:
        said.append(on_the_file("hidden_sheet", sheet=grid.name))
    if grid.outside:
        said.append(on_the_file("outside_range", count=grid.outside, sheet=grid.name))
    return pl.concat(said)


def _is_ours(name: str) -> bool:
    return name in OUR_SHEETS or correction.is_mark(name)


def _area(first: tuple[int, int], last: tuple[int, int], grid: Grid) -> int:
    """Cells of a range as far as the sheet goes."""
    height = min(last[0], grid.height - 1) - first[0] + 1
    width = min(last[1], len(grid.columns) - 1) - first[1] + 1
    return max(height, 0) * max(width, 0)
