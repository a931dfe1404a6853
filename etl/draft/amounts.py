"""Whether a column is one of numbers: of amounts, not of digits that name something; and how its numbers are kept."""

from __future__ import annotations

import re

import polars as pl

from etl.contract.column import FLOAT
from etl.draft import meaning, nothing, numbers
from etl.draft.cells import longest, matching, total
from etl.draft.guess import Guess, Notations, listed, so_many
from etl.draft.meaning import ENOUGH
from etl.draft.numbers import Notation

CODES = 50  # different values at most of a column that is taken for one of codes
_IDENTIFIER = r"^ma(?:_|$)|(?:^|_)(?:id|ids|code|zip|postcode|postal|uuid|key)(?:_|$)"  # digits of it are no amount
_NUMBER_OF = (
    r"^so(?:_(?:hieu|giay|ho_so|the|don|quyet).*)?$|(?:^|_)(?:no|number|nr|num)$"  # long ones: `so_tang` counts
)
_KIND = (
    r"(?:^|_)(?:loai|kieu|nhom|trang_thai|tinh_trang|hinh_thuc|type|kind|class|category|status|state|phien_ban)(?:_|$)"
)
_ROUND = 0.5  # share of round numbers from which they are amounts
_EVEN = 5  # digits from which numbers all as long as each other are identifiers
_LONG, _MANY = 8, 50  # digits from which few such numbers prove it, and different ones that shorter ones take


def as_numbers(
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
        made.notes.append(f"{so_many(of.ambiguous)} with three digits behind a dot can be read in two ways: sent back")
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
    if re.search(_IDENTIFIER, name) or (is_whole and re.search(_KIND, name) and said.height <= CODES):
        return True
    if not is_whole or meaning.of_number_named(name).datatype:
        return False
    lengths = said["value"].str.len_chars()
    length = longest(said["value"])
    is_even = lengths.n_unique() == 1 and length >= _EVEN and said.height >= (_EVEN if length >= _LONG else _MANY)
    is_even = is_even and matching(said["value"], "00$") < _ROUND
    return is_even or (bool(re.search(_NUMBER_OF, name)) and longest(said["value"]) >= _EVEN)


def in_range(made: Guess, said: pl.DataFrame, notation: Notation) -> None:
    """Note between which numbers those of a column lie, and which of them stand for nothing."""
    markers = nothing.numbers(said)
    if markers:
        made.nulls += markers
        count = total(said.filter(pl.col("value").is_in(markers)))
        made.todo.append(f"{listed(markers)} ({so_many(count)}) taken for nothing: is it?")
    cells = said.filter(~pl.col("value").is_in(markers))["value"]
    if notation == "vietnamese":
        cells = cells.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    found = cells.cast(pl.Float64, strict=False).drop_nulls()
    if len(found):
        made.least, made.most = float(found.min()), float(found.max())  # type: ignore[arg-type]
