"""Excel as offices really send it: titles above the header, merged cells, dates as dates or as text.

calamine reads both .xlsx and .xls, fast, and computes no formula; it also gives the merged ranges.
"""

from __future__ import annotations

import io
from datetime import date, datetime, time, timedelta

import polars as pl
from python_calamine import CalamineError, CalamineWorkbook

from etl.contract import Contract, Source
from etl.delivery import PROBLEM, Stop
from etl.extract import old_workbook, workbook
from etl.extract.table import Table, broken_lines, text_rows
from etl.settings import DEFAULT_LIMITS, Limits

_OLD = b"\xd0\xcf\x11\xe0"  # how an .xls begins
_FORMATS = {"date": "yyyy-MM-dd", "timestamp": "yyyy-MM-dd'T'HH:mm:ss"}  # where the contract names none
_HEADER_WITHIN = 50  # rows from the top in which the header row must stand


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut the first sheet into cells; the row number is Excel's own.

    Raises:
        Stop: if this is no workbook that can be read within the limits, or no row of it looks like the contract's
            header.
    """
    inside = old_workbook if content.startswith(_OLD) else workbook
    valueless = inside.look_through(content, limits)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheet = book.get_sheet_by_index(0)
        cells, *others = [book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names]
    except (CalamineError, OSError, ValueError, IndexError) as error:
        raise Stop("rejected", "unreadable_excel", detail=type(error).__name__) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's; it is no Exception, and has no name to import
            raise
        raise Stop("rejected", "unreadable_excel", detail="PanicException") from None
    if not any(_words(cell) for row in cells for cell in row):
        raise Stop("rejected", "empty_file")
    if any(_header_row(other, contract) is not None for other in others):
        raise Stop("held", "several_sheets")
    merged = sheet.merged_cell_ranges or []
    if sum(_area(first, last, cells) for first, last in merged) > len(cells) * len(cells[0]):
        raise Stop("rejected", "unreadable_excel", detail="merged cells overlap")
    for (top, left), (bottom, right) in merged:
        for row in range(top, min(bottom, len(cells) - 1) + 1):
            for column in range(left, min(right, len(cells[row]) - 1) + 1):
                cells[row][column] = cells[top][left]

    header_at = _header_row(cells, contract)
    if header_at is None:
        raise Stop("held", "missing_column", columns=", ".join(c.label for c in contract.columns if c.required))
    header = [_words(cell) for cell in cells[header_at]]
    unnamed = [at for at, name in enumerate(header) if not name and any(_words(r[at]) for r in cells[header_at + 1 :])]
    unclear = [f"cột / column {at + 1}" for at in unnamed] + sorted({n for n in header if n and header.count(n) > 1})
    if unclear:
        raise Stop("held", "unclear_column", columns=", ".join(unclear))
    names = {name: at for at, name in enumerate(header) if name and name != "STT"}  # STT: the form's own row counter
    formats = {c.source_name: c.format or _FORMATS.get(c.type) for c in contract.columns}
    mark = "," if source.numbers == "vietnamese" else "."
    numbers, records = [], []
    without = {at: rule for (at, column), rule in valueless.items() if column in names.values()}
    broken: dict[str, list[int]] = {rule: [] for rule in without.values()}
    for number, row in enumerate(cells[header_at + 1 :], start=header_at + 2):
        if number - 1 in without:
            broken[without[number - 1]].append(number)
            continue
        record = {name: _text(row[at], formats.get(name), mark) for name, at in names.items()}
        if any(record.values()):
            numbers.append(number)
            records.append(record)
    found = [broken_lines(rule, lines, [None] * len(lines)) for rule, lines in broken.items()]
    rows = text_rows(numbers, records, list(names), limits)
    return Table(rows, pl.concat([pl.DataFrame(schema=PROBLEM), *found]))


def _area(first: tuple[int, int], last: tuple[int, int], cells: list[list[object]]) -> int:
    """Cells of a range as far as the sheet goes."""
    height = min(last[0], len(cells) - 1) - first[0] + 1
    width = min(last[1], len(cells[0]) - 1) - first[1] + 1
    return max(height, 0) * max(width, 0)


def _header_row(cells: list[list[object]], contract: Contract) -> int | None:
    """Index of the row that names most of the contract's columns; None if no row names half of them."""
    wanted = {c.source_name for c in contract.columns}
    found = [len(wanted & {_words(cell) for cell in row}) for row in cells[:_HEADER_WITHIN]]
    return found.index(max(found)) if found and max(found) * 2 >= len(wanted) else None


def _words(cell: object) -> str:
    return " ".join(str(cell).split())


def _text(cell: object, jdk_format: str | None, decimal_mark: str) -> str | None:
    """A cell as the sender would have written it as text; dates and numbers in the declared notation."""
    match cell:
        case "" | None:
            return None
        case bool():
            return str(cell).lower()
        case float() if cell.is_integer():
            return str(int(cell))
        case float():
            return str(cell).replace(".", decimal_mark)
        case datetime() | date():
            return cell.strftime(_strftime(jdk_format or ("dd/MM/yyyy HH:mm:ss" if _has_time(cell) else "dd/MM/yyyy")))
        case time() | timedelta():
            return str(cell)
        case _:
            return str(cell)


def _has_time(cell: date) -> bool:
    return isinstance(cell, datetime) and cell.time() != time()


def _strftime(jdk_format: str) -> str:
    for jdk, strftime in {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}.items():
        jdk_format = jdk_format.replace(jdk, strftime)
    return jdk_format.replace("'", "")
