"""What each column of a sample is, by all of its cells: type, notation, meaning, and what leaves a doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from etl.contract import Contract
from etl.contract.column import FLOAT
from etl.draft import dates, meaning, nothing, numbers
from etl.draft.amounts import CODES, as_numbers, in_range
from etl.draft.cells import longest, matching, total
from etl.draft.guess import SHOWN, Guess, Notations, Shown, listed, so_many
from etl.draft.meaning import ENOUGH, Meaning
from etl.draft.sample import Sample

_OFTEN = 5  # times that each of them comes, on the average
_LONGEST_CODE = 40
_OF_NUMBERS = ("money", "number")  # datatypes
_OF_JSON = ("json", "ndjson", "geojson")
_YES_AND_NO = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"có", "không"})
_CLOCK, _SECONDS = r"^(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?$", r":[0-9]{2}:[0-9]{2}$"
_BIRTH = r"ngay_sinh|nam_sinh|birth|(?:^|_)dob(?:_|$)"


def shown(values: pl.DataFrame) -> Shown:
    """What a column's cells show; `values` as `Sample.values` gives them."""
    filled = values.filter(pl.col("value").is_not_null())
    said = filled.filter(~pl.col("value").is_in(nothing.words(filled)))
    empty = total(values) - total(filled)
    return Shown(empty, filled.height, numbers.digits(said), dates.written(said, ENOUGH))


def notations(columns: Mapping[str, Shown]) -> Notations:
    """What is in all columns of a file alike."""
    notation, is_proven = numbers.notation((c.digits for c in columns.values() if c.written is None), ENOUGH)
    proven: dict[bool, str] = {}
    for name, column in columns.items():
        if column.written and column.written.proving > column.written.contradicting:
            proven.setdefault(_is_day_first(column.written), name)
    return Notations(notation, is_proven, proven.get(True), proven.get(False))


def guess(
    source: str,
    sample: Sample,
    of: Shown,
    all_of: Notations,
    contract: Contract,
    elements: Mapping[str, Any],
    position: str | None,
) -> Guess:
    """What a column is.

    Args:
        source: its name.
        sample: the rows.
        of: what its cells show.
        all_of: what all columns have alike.
        contract: in which the column is still of text.
        elements: of the city.
        position: in a line of fixed width.
    """
    column = next(c for c in contract.columns if c.source_name == source)
    values = sample.values(source)
    is_bare = bool(sample.bare[source])
    is_float = is_bare and contract.source.format == "parquet" and not column.separator
    if is_float:
        values = _as_floats(values)
    filled = values.filter(pl.col("value").is_not_null())
    made = Guess(column.name, source, empty=of.empty / sample.rows, position=position)
    if not filled.height:
        made.notes.append("empty in all rows")
        return made
    if words := nothing.words(filled):
        made.nulls += words
        count = total(filled.filter(pl.col("value").is_in(words)))
        made.todo.append(f"{listed(words)} ({so_many(count)}) taken for nothing: is it?")
    said = filled.filter(~pl.col("value").is_in(made.nulls))
    # In JSON text stands in quotation marks; digits in them are meant as such where other columns are without.
    is_text = contract.source.format in _OF_JSON and bool(sample.bare) and not sample.bare[source]
    partly = meaning.partly_known(column, said)
    if is_float:
        made.type, made.physical_type = "number", FLOAT
    elif partly > (of.written.share if of.written else 0.0):
        made.means = Meaning("partial_date", classification="basic", share=partly)
    elif _are_yes_and_no(said):
        made.type = "boolean"
    elif matching(said["value"], _CLOCK) == 1:
        made.type = "time"
        made.format = "HH:mm:ss" if matching(said["value"], _SECONDS) == 1 else "HH:mm"
    elif of.written is not None and not is_bare:
        _dates(made, of.written, all_of, sample.dated[source])
    else:
        made.means = meaning.of_text(column, said, elements)
        if made.means.datatype is None and as_numbers(made, said, of.digits, all_of, is_text=is_text, is_bare=is_bare):
            element = meaning.of_element(column, said, elements, _OF_NUMBERS)
            is_money = made.type == "integer"  # what has decimals may be a price by weight, a rate
            made.means = element or (meaning.of_number_named(made.source) if is_money else Meaning())
    if made.type in ("integer", "number") and made.least is None:
        in_range(made, said, "plain" if is_float else all_of.numbers)
    if made.type == "date" and re.search(_BIRTH, made.name):
        made.todo.append("of datatype partial_date, if of some persons only a month or a year is known?")
    if made.means.share < 1:
        made.notes.append(f"{made.means.share:.1%} of the cells are one")
    if column.separator and made.means.separator is None:
        made.means = replace(made.means, separator=column.separator)
    elif made.type == "string" and made.datatype is None:
        _codes(made, said)
    return made


def _as_floats(values: pl.DataFrame) -> pl.DataFrame:
    """Cells that are floats in the file as the reader writes them for a column of floats."""
    return values.with_columns(pl.col("value").str.strip_suffix(".0").str.replace("^nan$", "NaN"))


def _are_yes_and_no(said: pl.DataFrame) -> bool:
    """Whether all cells are words for yes and for no; 1 and 0 may be numbers, and one word alone proves nothing."""
    found = {str(value).lower() for value in said["value"].head(len(_YES_AND_NO))}
    return said.height <= len(_YES_AND_NO) and found in _YES_AND_NO


def _dates(made: Guess, written: dates.Written, all_of: Notations, dated: int) -> None:
    made.type = "timestamp" if written.is_timestamp else "date"
    made.format = written.format
    if written.has_short_year:
        made.pivot = dates.PIVOT
        made.todo.append(f"pivot: two digits of a year mean {dates.PIVOT} to {dates.PIVOT + 99}; is it so?")
    if not written.is_proven and not dated:
        mine, other = written.format.split("'")[0].split(" ")[0], (written.swapped or "").split("'")[0].split(" ")[0]
        known = all_of.day_first or all_of.month_first
        if known and not (all_of.day_first and all_of.month_first):
            if _is_day_first(written) != bool(all_of.day_first) and written.swapped:
                made.format = written.swapped
            made.notes.append(f"no day above 12; its order is that of {known}")
        else:
            made.todo.append(f"ambiguous: {mine} or {other}? no cell has a day above 12")
    elif written.contradicting:
        made.notes.append(f"{so_many(written.contradicting)} only with day and month exchanged")
    if written.share < 1:
        made.notes.append(f"{1 - written.share:.1%} of the cells are no such date")


def _codes(made: Guess, said: pl.DataFrame) -> None:
    """Note the values of a column that repeats a few short ones."""
    cells = said["value"]
    if said.height <= CODES and longest(cells) <= _LONGEST_CODE and total(said) >= _OFTEN * said.height:
        made.codes = sorted(cells.to_list())
        if lists := meaning.lists_of(made.codes):
            made.todo.append(f"datatype code, with the codeList {' or '.join(lists[:SHOWN])}?")


def _is_day_first(written: dates.Written) -> bool:
    return written.format.find("dd") < written.format.find("MM")
