"""Which notation a file's numbers are in, by all of its cells; one program writes a file, so it has one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from etl.contract.number_format import NumberFormat
from etl.datatypes.numbers import parse_decimals
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
_SIGN = re.compile(r"[%$¢£¥€₫₩₽₹]|[A-Z]?\$|USD|EUR|VND|VNĐ|GBP|CHF|đ|đồng|Kč|CZK|zł|PLN|kr\.?|Ft|lei|Fr\.?")
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
    padded: int
    longest: int
    plain_scale: int
    vietnamese_scale: int

    def share(self, notation: Notation) -> float:
        """The share of the filled cells that are numbers in a notation."""
        sure = self.plain if notation == "plain" else self.vietnamese
        return (self.whole + sure + self.ambiguous) / self.filled if self.filled else 0.0

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
        padded=of(cell.str.contains(_PADDED) & whole),
        longest=most(cell.filter(whole | plain | vietnamese | ambiguous).str.extract(r"^-?([0-9.]+)")),
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


@dataclass(frozen=True)
class Otherwise:
    """A column whose numbers are written in a way of their own.

    Attributes:
        notation: how.
        scale: decimals at most.
        share: of the filled cells that are such numbers.
        least: of the numbers.
        most: of the numbers.
    """

    notation: NumberFormat
    scale: int
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
        return made | ({"exponent": True} if of.exponent else {})


def written_otherwise(values: pl.DataFrame, enough: float) -> Otherwise | None:
    """How a column writes its numbers, where it does so with other marks, a currency, per cent or an exponent.

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
    found = [
        _read(values, NumberFormat(decimal, thousands, currency, "keep" if "%" in signs else None, exponent=exponent))
        for decimal, thousands in _MARKS
        for exponent in ((True,) if matching(cells, _EXPONENT) else (False,))
    ]
    best = max((one for one in found if one), key=lambda one: one.share, default=None)
    return best if best and best.share >= enough else None


def _read(values: pl.DataFrame, notation: NumberFormat) -> Otherwise | None:
    read = parse_decimals(values["value"], notation, 38, 15, has_scale=False).cast(pl.Float64)
    good = values.filter(read.is_not_null())
    if not good.height:
        return None
    behind = good["value"].str.extract(rf"{re.escape(notation.decimal)}([0-9]+)[^0-9]*$").str.len_chars()
    scale = max(behind.drop_nulls().to_list(), default=0)
    numbers = read.drop_nulls().to_list()
    return Otherwise(notation, scale, total(good) / total(values), min(numbers), max(numbers))
