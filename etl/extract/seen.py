"""Cells of Excel as their sender saw them, and where that is not what is stored, or cannot be told.

Excel turns what is typed into what it takes it for: `03/1950` into a day shown as Mar-50, `0012` into 12, an
identifier of 16 digits into one that ends in 0. Under the contract's type a cell is read as it is shown where that is
certain, and is named by a rule where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TypeVar

import polars as pl

from etl.contract import Column
from etl.delivery.columns import ROW
from etl.extract import grid
from etl.extract.number_format import GENERAL, Shown, padded, shown
from etl.extract.sheet import Sheet

_MOST_DIGITS = 10**15  # from here on Excel's numbers lose digits
_HALF_SECOND = timedelta(seconds=0.5)
_MIDNIGHT = time()
_TIME_DROPPED = "excel_time_dropped"
WARNINGS = (_TIME_DROPPED,)  # rules that do not cost the row
_SCALED: tuple[Shown, ...] = ("percent", "scaled")
_UNCLEAR_DAY: tuple[Shown, ...] = ("general", "digits", "padded", "number", *_SCALED, "month", "year", "part")
_NOT_GENERAL: tuple[Shown, ...] = ("digits", "padded", "number", *_SCALED, "day", "moment", "month", "year", "part")
_KNOWN = {"day": "%d/%m/%Y", "month": "%m/%Y", "year": "%Y"}  # what a partly known date is written like

_OTHERS = pl.Schema({ROW: pl.Int64(), "code": pl.Int32()})
_SAID = pl.Schema({"text": pl.String(), "rule": pl.String(), "value": pl.String()})
_FOUND = pl.Schema({ROW: pl.Int64(), "value": pl.String(), "rule": pl.String()})

_Told = TypeVar("_Told")
_Judged = tuple[str | None, str | None]  # a cell's text, and the rule that it breaks


@dataclass(frozen=True)
class Cells:
    """The cells of one column below the header.

    Attributes:
        column: the cells themselves.
        first: the row of the first one, counted from 0.
        at: the column, counted from 0.
        merged: first and last row of each merged cell in the column.
    """

    column: grid.Column
    first: int
    at: int
    merged: Sequence[tuple[int, int]]

    @cached_property
    def others(self) -> pl.DataFrame:
        """The cells that are no text: ROW, which is a place in the column, and `code`."""
        codes = self.column.codes
        return pl.DataFrame({ROW: codes.is_not_null().arg_true(), "code": codes.drop_nulls()}, schema=_OTHERS)

    @cached_property
    def kinds(self) -> set[type]:
        """Types of the values that are no text; in most columns there are none."""
        return {type(self.column.values[code]) for code in self.others["code"].unique()}

    @property
    def dated(self) -> pl.Series:
        """Places of the values that are a day or a point in time."""
        if not any(issubclass(kind, date) for kind in self.kinds):
            return self.others[ROW].clear()
        codes = self.others["code"].unique()
        dated = [code for code in codes if isinstance(self.column.values[code], date)]
        return self.others.filter(pl.col("code").is_in(dated))[ROW]

    def spread(self, by_row: dict[int, _Told]) -> dict[int, _Told]:
        """What is told of a merged cell told of all rows that it covers; rows are places in the column."""
        every = dict(by_row)
        for top, bottom in self.merged if by_row else ():
            if top in by_row:
                every |= dict.fromkeys(range(top + 1, bottom + 1), by_row[top])
        height = len(self.column.codes)
        return {row - self.first: told for row, told in every.items() if 0 <= row - self.first < height}


def texts(cells: Cells, column: Column | None, sheet: Sheet, mark: str) -> tuple[pl.Series, pl.DataFrame]:
    """A column as text.

    Args:
        cells: the column's.
        column: what the contract says of it; None if it does not know the column.
        sheet: what calamine does not tell of the cells.
        mark: the decimal one of the contract's notation.

    Returns:
        The text of each cell; and for each that is not what was meant its place in the column (ROW), the `rule` that
        says why, and its `value` as stored.
    """
    mark = column.numbers.decimal if column else mark
    if cells.others.is_empty():
        return cells.column.texts, pl.DataFrame(schema=_FOUND)
    # Of one value in one format the same is to be said wherever it stands, but for what merged cells do to formats.
    by = [ROW, "code"] if cells.merged else ["code"]
    once = cells.others.unique(by, keep="first", maintain_order=True)
    values = [cells.column.values[code] for code in once["code"].to_list()]
    if column is None:
        told = once.with_columns(pl.Series("text", [_text(cell, mark) for cell in values], pl.String))
        told = told.with_columns(rule=pl.lit(None, pl.String), value=pl.lit(None, pl.String))
    else:
        judge = _judge_of(column, cells, sheet, mark)
        judged = [judge(at, cell) for at, cell in zip(once[ROW].to_list(), values, strict=True)]
        rules = [rule for _, rule in judged]
        stored = [_text(cell, mark) if rule else None for cell, rule in zip(values, rules, strict=True)]
        told = once.hstack(pl.DataFrame({"text": [text for text, _ in judged], "rule": rules, "value": stored}, _SAID))
    if told.height < cells.others.height:
        told = cells.others.join(told.select(*by, *_SAID), on=by, how="left", maintain_order="left")
    found = told.filter(pl.col("rule").is_not_null()).select(_FOUND.names())
    return cells.column.texts.scatter(told[ROW], told["text"]), found


def _judge_of(column: Column, cells: Cells, sheet: Sheet, mark: str) -> Callable[[int, object], _Judged]:
    """What judges a column's cells that are no text, by place and value.

    Args:
        column: what the contract says of it.
        cells: the column's.
        sheet: what calamine does not tell of the cells.
        mark: the decimal one.
    """

    def formats(*wanted: Shown) -> dict[int, str]:
        return cells.spread(sheet.formats_in(cells.at, [code for code in sheet.numbers if shown(code) in wanted]))

    odd_days = cells.spread(sheet.odd_days[cells.at])
    if column.type == "boolean":
        return lambda _, cell: (_text(cell, mark), None)
    if column.type == "time":
        return lambda _, cell: (_time(cell, mark, column), None)
    if column.type in ("integer", "number"):
        scaled = formats(*_SCALED)
        is_of_percent = column.numbers.percent is not None
        return lambda at, cell: _number(cell, mark, scaled.get(at), is_of_percent)
    if column.type == "date":
        unclear = formats(*_UNCLEAR_DAY)
        return lambda at, cell: _day(cell, mark, column, at in unclear, odd_days.get(at))
    if column.is_instant and column.zone is None:
        return lambda _, cell: (_text(cell, mark), "excel_no_offset" if isinstance(cell, date) else None)
    if column.type == "timestamp":
        unclear = formats(*_UNCLEAR_DAY)
        with_hour = formats("moment") if date in cells.kinds else {}
        return lambda at, cell: _moment(cell, mark, column, at in unclear, at in with_hour, odd_days.get(at))
    if column.semantic_type == "partial_date":
        unclear = formats(*_UNCLEAR_DAY)
        return lambda at, cell: _partial_date(cell, mark, unclear.get(at), odd_days.get(at))
    codes = formats(*_NOT_GENERAL)
    is_key = column.key_position is not None
    return lambda at, cell: _as_shown(cell, mark, codes.get(at, GENERAL), is_key)


def _number(cell: object, mark: str, scaled: str | None, is_of_percent: bool) -> _Judged:
    """A cell of a column of numbers; `scaled` is a format that shows another number than the cell holds."""
    text = _text(cell, mark)
    if not isinstance(cell, int | float) or isinstance(cell, bool):
        return text, None
    if abs(cell) >= _MOST_DIGITS:
        return text, "excel_long_number"
    if scaled is None:
        return text, None
    if shown(scaled) == "scaled":
        return text, "excel_shown_otherwise"
    if not is_of_percent:
        return text, "excel_percent"  # it may be meant as the fraction, or as what is seen
    return f"{Decimal(str(cell)).scaleb(2):f}%".replace(".", mark), None


def _time(cell: object, mark: str, column: Column) -> str | None:
    """A cell of a column of times of day; whatever holds a day or more is no such time."""
    return cell.strftime(column.dates.strftime) if isinstance(cell, time) else _text(cell, mark)


def _day(cell: object, mark: str, column: Column, is_unclear: bool, odd_day: float | None) -> _Judged:
    """A cell of a column of days; `is_unclear` where its format does not show all of one."""
    if not isinstance(cell, date):
        return _text(cell, mark), "excel_no_day" if isinstance(cell, time | timedelta) else None
    notation = column.dates
    if notation.precision != "D":
        return f"{cell}", None  # a day, where a month or a year is meant
    rounded, rule = _rounded(cell)
    text = rounded.strftime(notation.strftime)
    if "short_year" in notation.parts and rounded.year not in range(column.pivot or 0, (column.pivot or 0) + 100):
        text = f"{cell}"  # its two digits would mean another year
    return text, _no_day(odd_day) or ("excel_part_of_date" if is_unclear else rule)


def _moment(
    cell: object, mark: str, column: Column, is_unclear: bool, is_with_hour: bool, odd_day: float | None
) -> _Judged:
    """A cell of a column of points in time; at midnight sharp an hour stands in it only if its format shows one."""
    text, rule = _day(cell, mark, column, is_unclear, odd_day)
    if rule in (_TIME_DROPPED, "excel_midnight"):
        return text, None
    if rule is None and isinstance(cell, date) and not isinstance(cell, datetime) and not is_with_hour:
        return text, "excel_part_of_date"
    return text, rule


def _partial_date(cell: object, mark: str, unclear: str | None, odd_day: float | None) -> _Judged:
    """A cell of a column of dates of which only a part may be known; `unclear` is a format that shows no day."""
    if not isinstance(cell, date):
        text, rule = _as_shown(cell, mark, GENERAL, is_key=False)
        return text, "excel_no_day" if rule == "excel_date" else rule
    rounded, rule = _rounded(cell)
    shows = shown(unclear) if unclear else "day"
    text = rounded.strftime(_KNOWN.get(shows, "%d/%m/%Y"))
    return text, _no_day(odd_day) or (rule if shows in _KNOWN else "excel_part_of_date")


def _as_shown(cell: object, mark: str, code: str, is_key: bool) -> _Judged:
    """A cell of a column of text."""
    text = _text(cell, mark)
    if isinstance(cell, bool):
        return text, "excel_boolean"
    if not isinstance(cell, int | float):
        return text, "excel_date"
    if abs(cell) >= _MOST_DIGITS:
        return text, "excel_long_number"
    shows = shown(code)
    if not float(cell).is_integer():
        written = f"{cell:.10g}"
        is_certain = "e" not in written and abs(float(written) - cell) <= 1e-12 * abs(cell)
        if shows == "general" and is_certain and not is_key:
            return written.replace(".", mark), None
        return text, "excel_shown_otherwise"
    if shows == "general" or (shows == "digits" and cell >= 0):
        return text, None
    return (padded(int(cell), code), None) if shows == "padded" and cell >= 0 else (text, "excel_shown_otherwise")


def _no_day(number: float | None) -> str | None:
    """The rule that the number of an odd day breaks; 1 to 59 are days of January and February 1900."""
    if number is None or 1 <= number < 60:
        return None
    return "excel_no_day" if number < 61 else "excel_bare_year"


def _rounded(cell: date) -> tuple[date, str | None]:
    """A point in time to the second, for Excel's hours are fractions of a day; and what is wrong with it as a day."""
    if not isinstance(cell, datetime):
        return cell, None
    is_before_end = cell < datetime.max - _HALF_SECOND  # no calendar has a day behind 31 December 9999
    rounded = (cell + _HALF_SECOND if is_before_end else cell).replace(microsecond=0) if cell.microsecond else cell
    if rounded.time() != _MIDNIGHT:
        return rounded, _TIME_DROPPED
    return rounded, "excel_midnight" if rounded > cell else None


def _text(cell: object, mark: str) -> str | None:
    """A cell as text, whatever it was typed as."""
    match cell:
        case "" | None:
            return None
        case bool():
            return str(cell).lower()
        case float() if cell.is_integer():
            return str(int(cell))
        case float():
            return str(cell).replace(".", mark)
        case datetime():
            rounded, rule = _rounded(cell)
            return (cell if rule == "excel_midnight" else rounded).strftime("%d/%m/%Y %H:%M:%S" if rule else "%d/%m/%Y")
        case date():
            return cell.strftime("%d/%m/%Y")
        case _:
            return str(cell)
