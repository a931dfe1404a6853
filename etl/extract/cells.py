"""Text cells to typed columns, by the contract's logical types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import polars as pl

from etl.contract import Column, Contract, Severity
from etl.datatypes import person_name, traces
from etl.datatypes import text as text_type
from etl.datatypes.boolean import parse_booleans
from etl.datatypes.dates import parse_dates, parse_times, parse_timestamps
from etl.datatypes.numbers import fits_unit, parse_decimals, parse_floats, parse_integers
from etl.datatypes.text import clean, free
from etl.delivery.columns import RECEIVED, ROW, UNKNOWN
from etl.delivery.messages import wording
from etl.delivery.problems import NO_PROBLEMS, problems

_TAKES_WORDS = ("text", "person_name", "address")  # semantic types to which NULL is a word like any other
_DIGITS_OF_WHOLE = 18  # of a whole number that fits whatever its digits are
_WITH_OFFSET = r"[0-9] ?Z$|:[0-9]{2}(?:[.,][0-9]+)? ?[+-][0-9]{2}(?::?[0-9]{2})?$"


def type_cells(rows: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Type every column of the contract.

    Args:
        rows: ROW and text columns under the source's names.
        contract: says the types and how the source writes them.

    Returns:
        ROW; the contract's columns under their own names, each typed one followed by `received.<name>`; the columns
        that it does not know as `unknown.<source name>`. And the problems (PROBLEM schema): cells that hold something
        that is not of their type, or text that says nothing or was made by a spreadsheet.
    """
    known = {ROW, "", *(c.source_name for c in contract.columns)}
    unknown = [name for name in rows.columns if name not in known]
    made: list[pl.Series] = [rows[ROW]]
    found: list[pl.DataFrame] = []
    there = [name for name in rows.columns if name not in (ROW, "")]
    are_clean = dict(zip(there, text_type.are_clean([rows[name] for name in there]), strict=True))

    def cells(name: str, made: Callable[[pl.Series], pl.Series] = free) -> pl.Series:
        if name not in are_clean:
            return pl.repeat(None, rows.height, dtype=pl.String, eager=True)
        of_column = rows[name].alias("cell")  # polars takes a name like "^a.*$" for many names
        return of_column if are_clean[name] else made(of_column)

    as_sent = [
        cells(column.source_name, free if _is_as_sent(column) else clean).alias(column.name)
        for column in contract.columns
    ]
    texts = _filled(pl.DataFrame(as_sent), contract)
    conspicuous = _conspicuous(texts, contract.columns)
    for column in contract.columns:
        text = texts[column.name]
        if column.type == "string":
            if column.name in conspicuous:
                text, odd = _without_signs(rows[ROW], text, column)
                found += odd
            made.append(text)
            continue
        typed = _typed(text, column).alias(column.name)
        if column.unit:
            typed = typed.set(~fits_unit(typed, column), None)
        made += [typed, text.alias(RECEIVED + column.name)]
        if typed.null_count() > text.null_count():
            wrong = text.is_not_null() & typed.is_null()
            failing = pl.DataFrame([rows[ROW], text.alias("value")]).filter(wrong)
            found += _untypable(failing, column)
    made += [cells(name).alias(UNKNOWN + name) for name in unknown]
    return pl.DataFrame(made), pl.concat(found) if found else NO_PROBLEMS


def _is_as_sent(column: Column) -> bool:
    """Whether a cell is kept as sent until it is standardised; of others (dates, ids) one form is read.

    A number is read as it was sent: full-width digits are none of the agreed notation.
    """
    if column.type in ("integer", "number"):
        return True
    return column.semantic_type in ("text", "person_name", "address") and not column.key_position


def _filled(texts: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The cells, but null where one holds what the contract says stands for nothing."""
    filled = []
    for column in contract.columns:
        if words := _for_nothing((*contract.source.null_values, *column.null_values)):
            cell = pl.col(column.name)
            filled.append(pl.when(~cell.is_in(words)).then(cell).alias(column.name))
    return texts.with_columns(filled) if filled else texts


@cache
def _for_nothing(words: tuple[str, ...]) -> list[str]:
    return [word for word in clean(pl.Series(words, dtype=pl.String)) if word is not None]


def _untypable(failing: pl.DataFrame, column: Column) -> list[pl.DataFrame]:
    """Problems of cells (ROW, value) that are not of their column's type; what they look like says which."""
    rules = {"word_for_nothing": traces.patterns(column)["word_for_nothing"]}
    if column.type in ("integer", "number"):
        if not column.numbers.percent:  # where one without its % is none
            rules["number_does_not_fit"] = column.numbers.whole if column.type == "integer" else column.numbers.decimals
        rules["ambiguous_number"] = column.numbers.ambiguous
    if column.type in ("date", "timestamp", "time") and "offset" not in column.dates.parts:
        rules["unexpected_offset"] = _WITH_OFFSET
    rule = pl.lit(f"type_{column.type}")
    if column.zone:
        as_written = parse_timestamps(failing["value"], column.dates.text, column.pivot)
        rule = pl.when(as_written.is_not_null()).then(pl.lit("unclear_hour")).otherwise(rule)
    for name, pattern in rules.items():
        rule = pl.when(pl.col("value").str.contains(pattern)).then(pl.lit(name)).otherwise(rule)
    severity: Severity = "critical" if column.on_invalid == "reject" else "warning"
    mark = column.numbers.decimal  # an example of a number with two readings, and how it is written without doubt
    digits, decimals = (_DIGITS_OF_WHOLE, 0) if column.type == "integer" else column.digits
    details = {
        "written": f"1{mark}500", "thousands": "1500", "decimal": f"1{mark}5", "zone": column.zone or "",
        "whole": f"{digits - decimals}", "fraction": f"{decimals}",
    }  # fmt: skip
    return _by_rule(failing.with_columns(rule.alias("rule")), column, severity, **details)


def _conspicuous(texts: pl.DataFrame, columns: Sequence[Column]) -> set[str]:
    """Names of the columns of texts and names in which a cell says nothing or was made by a spreadsheet."""
    taking = [c for c in columns if c.type == "string" and c.semantic_type in _TAKES_WORDS]
    if not taking:
        return set()
    seen = texts.select(pl.col(c.name).str.contains(traces.any_pattern(c)).any() for c in taking)
    return {name for name, is_so in seen.row(0, named=True).items() if is_so}


def _without_signs(numbers: pl.Series, text: pl.Series, column: Column) -> tuple[pl.Series, list[pl.DataFrame]]:
    """The cells of a text or name, and problems of those that say nothing or were made by a spreadsheet.

    They load as they are; a sign for nothing that no name is, such as `-`, loads as null where a name may be missing.
    A key that is nothing, or was made by a spreadsheet, would name a record of its own: its row is sent back.
    """
    is_odd = pl.col("value").str.contains(traces.any_pattern(column))
    odd = pl.DataFrame([numbers, text.alias("value")]).filter(is_odd)
    odd = odd.with_columns(traces.found(odd["value"], column))
    if column.semantic_type == "person_name":
        is_name = person_name.standard(odd["value"]).is_not_null()
        if column.required:
            odd = odd.filter(is_name)  # the others are sent back as no names
        else:
            text = text.set(numbers.is_in(odd[ROW].filter(~is_name).implode()), None)
    return text, _by_rule(odd, column, "critical" if column.key_position else "warning")


def _by_rule(failing: pl.DataFrame, column: Column, severity: Severity, **details: str) -> list[pl.DataFrame]:
    """Problems of cells: ROW, value and rule."""
    found = []
    for (rule,), cells in failing.group_by("rule", maintain_order=True):
        about = wording(str(rule))
        expected = column.format or column.example
        said = about.fill(column=column.label, example=column.example, expected=expected, **details)
        found.append(problems(cells, column.name, str(rule), said, about, severity))
    return found


def _typed(text: pl.Series, column: Column) -> pl.Series:
    match column.type:
        case "integer":
            return parse_integers(text, column.numbers)
        case "number":
            if column.is_float:
                return parse_floats(text, column.numbers)
            return parse_decimals(text, column.numbers, *column.digits, has_scale=column.has_scale)
        case "boolean":
            return parse_booleans(text, column)
        case "date":
            return parse_dates(text, column.dates.text, column.pivot)
        case "time":
            return parse_times(text, column.dates.text)
        case _:
            return parse_timestamps(text, column.dates.text, column.pivot, column.zone)
