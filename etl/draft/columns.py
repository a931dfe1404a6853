"""What each column of a sample is, by all of its cells: type, notation, meaning, and what leaves a doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from etl.contract import Contract
from etl.contract.column import FLOAT
from etl.contract.fields import Classification, LogicalType, SemanticType
from etl.draft import dates, meaning, nothing, numbers
from etl.draft.cells import longest, matching, total
from etl.draft.meaning import ENOUGH, Meaning
from etl.draft.numbers import Notation
from etl.draft.sample import Sample

_CODES = 50  # different values at most of a column that is taken for one of codes
_OFTEN = 5  # times that each of them comes, on the average
_LONGEST_CODE = 40
_SHOWN = 5  # different values that a comment names
_IDENTIFIER = r"^ma(?:_|$)|(?:^|_)(?:id|ids|code|zip|postcode|postal|uuid|key)(?:_|$)"  # digits of it are no amount
_NUMBER_OF = (
    r"^so(?:_(?:hieu|giay|ho_so|the|don|quyet).*)?$|(?:^|_)(?:no|number|nr|num)$"  # long ones: `so_tang` counts
)
_KIND = (
    r"(?:^|_)(?:loai|kieu|nhom|trang_thai|tinh_trang|hinh_thuc|type|kind|class|category|status|state|phien_ban)(?:_|$)"
)
_ROUND = 0.5  # share of round numbers from which they are amounts
_OF_NUMBERS = ("money", "number")  # datatypes
_OF_JSON = ("json", "ndjson", "geojson")
_YES_AND_NO = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"có", "không"})
_CLOCK, _SECONDS = r"^(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?$", r":[0-9]{2}:[0-9]{2}$"
_BIRTH = r"ngay_sinh|nam_sinh|birth|(?:^|_)dob(?:_|$)"
_EVEN = 5  # digits from which numbers all as long as each other are identifiers
_LONG, _MANY = 8, 50  # digits from which few such numbers prove it, and different ones that shorter ones take


@dataclass(frozen=True)
class Shown:
    """What the cells of a column show by themselves, before the others are asked.

    Attributes:
        empty: cells that hold nothing.
        different: values.
        digits: of numbers.
        written: of dates; None if they are none.
    """

    empty: int
    different: int
    digits: numbers.Digits
    written: dates.Written | None


@dataclass
class Guess:
    """What a column is taken for.

    Attributes:
        name: in the warehouse.
        source: what the agency calls it.
        type: ODCS's logical type.
        empty: the share of its cells that hold nothing.
        format: of dates and times.
        pivot: of a year with two digits.
        physical_type: of numbers with decimals.
        means: what its values mean.
        nulls: values that stand for nothing.
        codes: its different values, where they are few.
        numbers: how they are written, where otherwise than in the rest of the file.
        least: of numbers.
        most: of numbers.
        key_position: from 1; None if it is not in the key.
        role: in a file of changes, where its element does not say it.
        position: in a line of fixed width.
        is_required: it tells a record from a line that is none.
        notes: what is to be known of it.
        todo: what a person has to decide.
    """

    name: str
    source: str
    type: LogicalType = "string"
    empty: float = 0.0
    format: str | None = None
    pivot: int | None = None
    physical_type: str | None = None
    means: Meaning = field(default_factory=Meaning)
    nulls: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    numbers: dict[str, object] = field(default_factory=dict)
    least: float | None = None
    most: float | None = None
    key_position: int | None = None
    role: str | None = None
    position: str | None = None
    is_required: bool = False
    notes: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)

    @property
    def datatype(self) -> SemanticType | None:
        """What its values mean, if that is more than its type says."""
        return self.means.datatype

    @property
    def classification(self) -> Classification | None:
        """How far it may be shown; None: nobody knows."""
        return self.means.classification


@dataclass(frozen=True)
class Notations:
    """What one program, which wrote a file, does in all of its columns.

    Attributes:
        numbers: their notation.
        is_proven: whether some number shows it: `proven`, `free` or `open`.
        day_first: the column that proves that the day stands before the month.
        month_first: the column that proves that it stands behind it.
    """

    numbers: Notation
    is_proven: str
    day_first: str | None
    month_first: str | None


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
        made.todo.append(f"{_listed(words)} ({_cells(count)}) taken for nothing: is it?")
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
        if made.means.datatype is None and _numbers(made, said, of.digits, all_of, is_text=is_text, is_bare=is_bare):
            element = meaning.of_element(column, said, elements, _OF_NUMBERS)
            is_money = made.type == "integer"  # what has decimals may be a price by weight, a rate
            made.means = element or (meaning.of_number_named(made.source) if is_money else Meaning())
    if made.type in ("integer", "number") and made.least is None:
        _range(made, said, "plain" if is_float else all_of.numbers)
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
        made.notes.append(f"{_cells(written.contradicting)} only with day and month exchanged")
    if written.share < 1:
        made.notes.append(f"{1 - written.share:.1%} of the cells are no such date")


def _numbers(
    made: Guess, said: pl.DataFrame, of: numbers.Digits, all_of: Notations, *, is_text: bool, is_bare: bool
) -> bool:
    """Take a column for one of numbers, if it is one."""
    share = of.share(all_of.numbers)
    if share < ENOUGH:
        return _in_its_own_way(made, said, is_bare=is_bare)
    decimal = "." if all_of.numbers == "plain" else ","
    scale = of.plain_scale if all_of.numbers == "plain" else of.vietnamese_scale
    is_whole = of.plain == 0 if all_of.numbers == "plain" else scale == 0
    if of.padded:
        made.notes.append("zeros in front: kept as text")
        return False
    if of.are_too_long or (is_text and of.whole == of.filled):
        return False
    if _are_names(made.name, said, is_whole=of.whole == of.filled):
        made.notes.append("digits that name something: kept as text")
        return False
    is_sent_back = all_of.numbers == "plain" and of.unread(is_whole=is_whole) > 1 - ENOUGH
    if (of.ambiguous and all_of.is_proven == "open") or is_sent_back:
        return _is_ambiguous(made, said)
    if is_whole and of.ambiguous and all_of.numbers == "plain":
        made.notes.append(f"{_cells(of.ambiguous)} with three digits behind a dot can be read in two ways: sent back")
    if is_whole:
        made.type = "integer"
    elif not is_bare and (same := numbers.differ_by_zeros(said["value"], decimal)):
        made.todo.append(f"are {' and '.join(same)} one number, or two versions? kept as text until it is clear")
        return False
    elif (are_floats := numbers.are_floats(said["value"], decimal)) is not None:
        return _floats(made, are_exact=are_floats)
    else:
        made.type = "number"
        made.physical_type = f"numeric({max(18, min(38, of.longest + scale + 3))},{scale})"
    if share < 1:
        made.notes.append(f"{1 - share:.1%} of the cells are no numbers")
    return True


def _is_ambiguous(made: Guess, said: pl.DataFrame) -> bool:
    """Leave a column as text if its numbers can be read in two ways, and say so."""
    if one := numbers.ambiguous(said, ENOUGH):
        made.todo.append(
            f"ambiguous: is {one} a thousand times more, or has it decimals? kept as text until it is clear"
        )
    return False


def _floats(made: Guess, *, are_exact: bool) -> bool:
    """Take a column for one of floats, where a float holds each of its numbers as it is written."""
    if not are_exact:
        made.todo.append(f"{FLOAT}? it would change the last digits of some; kept as text until it is clear")
        return False
    made.type, made.physical_type = "number", FLOAT
    return True


def _in_its_own_way(made: Guess, said: pl.DataFrame, *, is_bare: bool) -> bool:
    """Take a column for one of numbers that are written in a way of their own, if they are."""
    found = numbers.written_otherwise(said, ENOUGH)
    if found is None:
        return _is_ambiguous(made, said)
    if found.may_be_codes and not is_bare:
        one = said.filter(pl.col("value").str.contains("[eE]"))["value"][0]
        made.todo.append(f"is {one} a number with an exponent, or a code? kept as text until it is clear")
        return False
    if found.are_floats is False:
        return _floats(made, are_exact=False)
    made.numbers, made.least, made.most = found.said, found.least, found.most
    made.type = "number" if found.scale or found.notation.percent else "integer"
    if found.are_floats and not found.may_be_codes:
        _floats(made, are_exact=True)
    elif found.scale:
        made.physical_type = f"numeric(18,{found.scale})"
    if found.notation.percent:
        made.todo.append("percent: keep 12.5 % as 12.5, or divide: 0.125?")
    if found.share < 1:
        made.notes.append(f"{1 - found.share:.1%} of the cells are no such numbers")
    return True


def _are_names(name: str, said: pl.DataFrame, *, is_whole: bool) -> bool:
    """Whether digits name something rather than count it: by the column's name, or by their even length."""
    if re.search(_IDENTIFIER, name) or (is_whole and re.search(_KIND, name) and said.height <= _CODES):
        return True
    if not is_whole or meaning.of_number_named(name).datatype:
        return False
    lengths = said["value"].str.len_chars()
    length = longest(said["value"])
    is_even = lengths.n_unique() == 1 and length >= _EVEN and said.height >= (_EVEN if length >= _LONG else _MANY)
    is_even = is_even and matching(said["value"], "00$") < _ROUND
    return is_even or (bool(re.search(_NUMBER_OF, name)) and longest(said["value"]) >= _EVEN)


def _range(made: Guess, said: pl.DataFrame, notation: Notation) -> None:
    markers = nothing.numbers(said)
    if markers:
        made.nulls += markers
        count = total(said.filter(pl.col("value").is_in(markers)))
        made.todo.append(f"{_listed(markers)} ({_cells(count)}) taken for nothing: is it?")
    cells = said.filter(~pl.col("value").is_in(markers))["value"]
    if notation == "vietnamese":
        cells = cells.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    found = cells.cast(pl.Float64, strict=False).drop_nulls()
    if len(found):
        made.least, made.most = float(found.min()), float(found.max())  # type: ignore[arg-type]


def _codes(made: Guess, said: pl.DataFrame) -> None:
    """Note the values of a column that repeats a few short ones."""
    cells = said["value"]
    if said.height <= _CODES and longest(cells) <= _LONGEST_CODE and total(said) >= _OFTEN * said.height:
        made.codes = sorted(cells.to_list())
        if lists := meaning.lists_of(made.codes):
            made.todo.append(f"datatype code, with the codeList {' or '.join(lists[:_SHOWN])}?")


def _is_day_first(written: dates.Written) -> bool:
    return written.format.find("dd") < written.format.find("MM")


def _listed(values: list[str]) -> str:
    return ", ".join(values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")


def _cells(count: int) -> str:
    return f"{count:,} cell{'s' if count != 1 else ''}"
