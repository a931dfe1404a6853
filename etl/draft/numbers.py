"""Which notation a file's numbers are in, by all of its cells; one program writes a file, so it has one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import polars as pl

from etl.contract.number_format import NumberFormat
from etl.datatypes.numbers import parse_decimals, parse_floats
from etl.draft.cells import matching, total

Notation = Literal["plain", "vietnamese"]  # the words of a contract's `source`

_WHOLE = r"^-?[0-9]+$"
_PADDED = r"^-?0[0-9]"
_PLAIN = r"^-?[0-9]+\.[0-9]+$"
_VIETNAMESE = r"^-?(?:[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,[0-9]+)?$"
_AMBIGUOUS = r"^-?[1-9][0-9]{0,2}[.,][0-9]{3}$"  # 1.234 and 1,234: thousands to some, decimals to others
_ONE_DOT = r"^-?[1-9][0-9]{0,2}\.[0-9]{3}$"
# Marks of decimals and thousands that are tried, and what may stand around a number.
_MARKS = ((".", None), (",", None), (".", ","), (",", "."), (",", " "), (".", " "), (".", "'"))
_BEFORE, _BEHIND = r"^[-(]?([^0-9.,'()\-+]+)", r"([^0-9.,'()\-+eE]+)\)?$"
_EXPONENT = r"[0-9][eE][-+]?[0-9]"
_IN_BRACKETS = r"^\([^()]*[0-9][^()]*\)$"  # (12) is -12 to bookkeepers
_SIGN = re.compile(r"[%$¢£¥€₫₩₽₹]|[A-Z]?\$|USD|EUR|VND|VNĐ|GBP|CHF|đ|đồng|Kč|CZK|zł|PLN|kr\.?|Ft|lei|Fr\.?")
_NUMBER = r"(?:[0-9]{1,3}(?:[., '][0-9]{3})+|[0-9]+)(?:[.,][0-9]+)?"
_TWO_READINGS = r"[1-9][0-9]{0,2}[.,][0-9]{3}"
_MOST_DIGITS, _MOST_DECIMALS = 15, 6  # beyond both, what a program wrote were floats
_FLOAT = r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"
_LONGEST = 18  # digits of a whole number that the warehouse holds as such


@dataclass(frozen=True)
class Digits:
    """What the cells of a column show of the notation of its numbers: how many cells are ...

    Attributes:
        filled: anything.
        whole: digits alone.
        plain: decimals behind a dot, and nothing else.
        vietnamese: numbers with dots between thousands or decimals behind a comma, and nothing else.
        ambiguous: one mark and three digits behind it.
        commas: those of them whose mark is a comma.
        padded: digits with a zero in front, which numbers have not.
        longest: digits before the decimals, of the longest.
        plain_scale: decimals at most, if the notation is plain.
        vietnamese_scale: the same if it is Vietnamese.
    """

    filled: int
    whole: int
    plain: int
    vietnamese: int
    ambiguous: int
    commas: int
    padded: int
    longest: int
    plain_scale: int
    vietnamese_scale: int

    def share(self, notation: Notation) -> float:
        """The share of the filled cells that are numbers in a notation."""
        sure = self.plain if notation == "plain" else self.vietnamese
        return (self.whole + sure + self.ambiguous) / self.filled if self.filled else 0.0

    def unread(self, *, is_whole: bool) -> float:
        """The share of the filled cells that a column in the plain notation sends back, as they have two readings."""
        return (self.ambiguous if is_whole else self.commas) / self.filled if self.filled else 0.0

    @property
    def are_too_long(self) -> bool:
        """Whether some have more digits than a whole number of the warehouse."""
        return self.longest > _LONGEST


def digits(values: pl.DataFrame) -> Digits:
    """What a column's cells show.

    Args:
        values: `value` and `count`, without empty cells.
    """
    cell, count = pl.col("value"), pl.col("count")
    whole, ambiguous = cell.str.contains(_WHOLE), cell.str.contains(_AMBIGUOUS)
    plain = cell.str.contains(_PLAIN) & ~ambiguous
    vietnamese = cell.str.contains(_VIETNAMESE) & ~whole & ~plain & ~ambiguous

    def of(where: pl.Expr) -> pl.Expr:
        return count.filter(where).sum()

    def most(length: pl.Expr) -> pl.Expr:
        return length.str.len_chars().max().fill_null(0)

    dotted = whole | plain | cell.str.contains(_ONE_DOT)
    comma = whole | vietnamese | ambiguous
    made = values.select(
        filled=count.sum(), whole=of(whole), plain=of(plain), vietnamese=of(vietnamese), ambiguous=of(ambiguous),
        commas=of(ambiguous & cell.str.contains(",", literal=True)),
        padded=of(cell.str.contains(_PADDED) & whole),
        longest=pl.max_horizontal(
            most(cell.filter(whole | vietnamese | ambiguous).str.extract(r"^-?([0-9.]+)")),
            most(cell.filter(plain).str.extract(r"^-?([0-9]+)")),
        ),
        plain_scale=most(cell.filter(dotted).str.extract(r"\.([0-9]+)$")),
        vietnamese_scale=most(cell.filter(comma).str.extract(r",([0-9]+)$")),
    )  # fmt: skip
    return Digits(**made.row(0, named=True))


def notation(columns: Iterable[Digits], enough: float) -> tuple[Notation, Literal["proven", "free", "open"]]:
    """The notation of a file, and whether its cells prove it.

    Args:
        columns: of the file.
        enough: share of a column's cells that must be numbers, so that it counts.

    Returns:
        The notation; `proven` by some cell, `free` where no number has a mark, `open` where all that have one can be
        read in two ways.
    """
    counted = [c for c in columns if max(c.share("plain"), c.share("vietnamese")) >= enough]
    plain, vietnamese = sum(c.plain for c in counted), sum(c.vietnamese for c in counted)
    if plain or vietnamese:
        return ("plain" if plain >= vietnamese else "vietnamese"), "proven"
    return "plain", "open" if any(c.ambiguous for c in counted) else "free"


def ambiguous(values: pl.DataFrame, enough: float) -> str | None:
    """A number that can be read in two ways, of a column whose cells are numbers with marks, perhaps of a currency.

    Args:
        values: `value` and `count`, without empty cells.
        enough: share of the cells that must be numbers.
    """
    sign = rf"(?:{_SIGN.pattern})?"
    cells = pl.col("value")
    are_numbers = values.filter(cells.str.contains(rf"^[-(]?{sign} ?-?{_NUMBER} ?{sign}\)?$"))
    if total(are_numbers) < enough * total(values):
        return None
    found = are_numbers.filter(cells.str.contains(rf"^[-(]?{sign} ?-?{_TWO_READINGS} ?{sign}\)?$"))["value"]
    return str(found[0]) if len(found) else None


def differ_by_zeros(cells: pl.Series, decimal: str) -> list[str]:
    """Two texts of a column that are one number, as 1.1 and 1.10 are, which may count versions; none if none are.

    Args:
        cells: all of which differ.
        decimal: their decimal mark.
    """
    mark = re.escape(decimal)
    said = cells.filter(cells.str.contains(rf"^-?[0-9]+(?:{mark}[0-9]+)?$"))
    bare = said.str.replace(rf"{mark}0+$|({mark}[0-9]*[1-9])0+$", "${1}")
    again = bare.filter(bare.is_duplicated())[:1]
    return said.filter(bare.is_in(again.implode())).sort().to_list()[:2]


def are_floats(cells: pl.Series, decimal: str) -> bool | None:
    """Whether a column holds floats: None if its numbers are too short to tell, False if a float would change one.

    Args:
        cells: of a column of numbers with decimals, perhaps with an exponent.
        decimal: their decimal mark.
    """
    texts = cells.str.replace(decimal, ".", literal=True)
    texts = texts.filter(texts.str.contains(_FLOAT))
    digits_ = texts.str.replace(r"[eE].*$", "").str.replace_all(r"[-.]", "").str.strip_chars_start("0").str.len_chars()
    decimals = texts.str.extract(r"\.([0-9]+)").str.len_chars().fill_null(0)
    if not ((digits_ > _MOST_DIGITS) & (decimals > _MOST_DECIMALS) | texts.str.contains("[eE]")).any():
        return None
    return all(Decimal(repr(float(text))) == Decimal(text) for text in texts)


@dataclass(frozen=True)
class Otherwise:
    """A column whose numbers are written in a way of their own.

    Attributes:
        notation: how.
        scale: decimals at most.
        are_floats: whether they are floats; None: nothing tells; False: a float would change one.
        may_be_codes: no number but those of two readings has decimals, so that 3E5 may be a code.
        share: of the filled cells that are such numbers.
        least: of the numbers.
        most: of the numbers.
    """

    notation: NumberFormat
    scale: int
    are_floats: bool | None
    may_be_codes: bool
    share: float
    least: float
    most: float

    @property
    def said(self) -> dict[str, object]:
        """What a contract says of it under `numbers`."""
        of = self.notation
        said = {"decimal": of.decimal, "thousands": of.thousands, "currency": [*of.currency], "percent": of.percent}
        made: dict[str, object] = {name: value for name, value in said.items() if value and value != "."}
        if of.thousands == ".":
            made["thousands"] = "."
        if of.brackets:
            made["brackets"] = True
        return made | ({"exponent": True} if of.exponent else {})


def written_otherwise(values: pl.DataFrame, enough: float) -> Otherwise | None:
    """How a column writes its numbers, where with other marks, a currency, per cent, brackets or an exponent.

    Args:
        values: `value` and `count`, without empty cells.
        enough: share of the cells that must be such numbers.
    """
    cells = values["value"]
    around = [cells.str.extract(pattern).str.strip_chars().drop_nulls() for pattern in (_BEFORE, _BEHIND)]
    signs = [sign for part in around for sign in part.unique(maintain_order=True) if sign]
    currency = tuple(sign for sign in dict.fromkeys(signs) if sign != "%")
    if not all(map(_SIGN.fullmatch, signs)):
        return None
    percent: Literal["keep"] | None = "keep" if "%" in signs else None
    exponent, brackets = not signs and matching(cells, _EXPONENT) > 0, matching(cells, _IN_BRACKETS) > 0
    found = [
        _read(values, NumberFormat(decimal, thousands, currency, percent, brackets=brackets, exponent=exponent))
        for decimal, thousands in _MARKS
    ]
    best = max((one for one in found if one), key=lambda one: one.share, default=None)
    return best if best and best.share >= enough else None


def _read(values: pl.DataFrame, notation: NumberFormat) -> Otherwise | None:
    if notation.exponent:
        read = parse_floats(values["value"], notation)
    else:
        read = parse_decimals(values["value"], notation, 38, 15, has_scale=False).cast(pl.Float64)
    good = values.filter(read.is_not_null())
    if not good.height:
        return None
    behind = good["value"].str.extract(rf"{re.escape(notation.decimal)}([0-9]+)[^0-9]*$").str.len_chars()
    scale = max(behind.drop_nulls().to_list(), default=0)
    numbers = read.drop_nulls().to_list()
    floats = are_floats(good["value"], notation.decimal) if notation.exponent else None
    marked = good["value"].filter(good["value"].str.contains(notation.decimal, literal=True))
    may_be_codes = notation.exponent and bool(marked.str.contains(_AMBIGUOUS).all())
    return Otherwise(notation, scale, floats, may_be_codes, total(good) / total(values), min(numbers), max(numbers))
