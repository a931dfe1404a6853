"""Which notation a file's numbers are in, by all of its cells; one program writes a file, so it has one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from etl.datatypes.numbers import AMBIGUOUS, Notation

_WHOLE = r"^-?[0-9]+$"
_PADDED = r"^-?0[0-9]"
_PLAIN = r"^-?[0-9]+\.[0-9]+$"
_VIETNAMESE = r"^-?(?:[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,[0-9]+)?$"
_AMBIGUOUS = AMBIGUOUS["vietnamese"]  # 1.234 and 1,234: thousands to some, decimals to others
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

    dotted = whole | plain | cell.str.contains(AMBIGUOUS["plain"])
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
