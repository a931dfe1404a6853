"""How a column writes its dates and times: the formats that read (nearly) all of its cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import polars as pl

from etl.contract.date_format import DateFormat, date_format
from etl.datatypes.dates import parse_timestamps
from etl.draft.cells import matching

_DAYS = (
    "yyyy-MM-dd", "dd/MM/yyyy", "MM/dd/yyyy", "dd-MM-yyyy", "MM-dd-yyyy", "dd.MM.yyyy", "MM.dd.yyyy", "yyyy/MM/dd",
    "yyyy.MM.dd", "dd/MM/yy", "MM/dd/yy", "dd-MM-yy", "dd.MM.yy", "yyyyMMdd",
)  # fmt: skip
_CLOCKS = ("HH:mm", "HH:mm:ss", "HH:mm:ss.SSS", "HH:mm:ss.SSSSSS", "hh:mm a", "hh:mm:ss a")
_OFFSETS = ("", "XXX", "'Z'")
_LOOKS_LIKE_ONE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ]|$)|^[12]\d{7}(?:\d{4}|\d{6})?$"
_LOOKED_AT = 200  # different cells by which a format is tried first
_HALF = 0.5
PIVOT = 1950  # of two digits for a year, until somebody says otherwise


@dataclass(frozen=True)
class Written:
    """How a column's dates are written.

    Attributes:
        format: as a contract says it.
        share: of the filled cells that it reads.
        is_timestamp: whether a time of day stands with the date.
        swapped: the format with day and month exchanged; None if nobody writes it so.
        proving: cells that are real dates in this order alone.
        contradicting: cells that are real dates in the other order alone.
        either: cells that are real in both, and differ.
    """

    format: str
    share: float
    is_timestamp: bool
    swapped: str | None
    proving: int
    contradicting: int
    either: int

    @property
    def has_short_year(self) -> bool:
        """Whether a year has two digits."""
        return "short_year" in date_format(self.format).parts

    @property
    def is_proven(self) -> bool:
        """Whether the order of day and month leaves no doubt."""
        return self.swapped is None or self.proving > 0 or self.either == 0


@cache
def _formats() -> tuple[DateFormat, ...]:
    spaced = [f"{day}{mark}{clock}{offset}" for day in _DAYS for mark in (" ", "'T'") for clock in _CLOCKS
              for offset in _OFFSETS if not (offset and "a" in clock)]  # fmt: skip
    return tuple(map(date_format, (*_DAYS, *spaced, "yyyyMMddHHmm", "yyyyMMddHHmmss")))


def written(values: pl.DataFrame, enough: float) -> Written | None:
    """How a column writes its dates; None if no format reads so many of its cells.

    Args:
        values: `value` and `count`, without empty cells.
        enough: share of the cells.
    """
    first = values["value"].head(_LOOKED_AT)
    if matching(first, _LOOKS_LIKE_ONE) < _HALF:
        return None
    likely = [f for f in _formats() if matching(first, f.pattern) >= _HALF]
    found = [made for f in likely if (made := _by(values, f)).share >= enough]
    return max(found, key=lambda made: (made.share, made.proving - made.contradicting), default=None)


def _by(values: pl.DataFrame, notation: DateFormat) -> Written:
    read = parse_timestamps(values["value"], notation.text, PIVOT if "short_year" in notation.parts else None)
    count, good = values["count"], read.is_not_null()
    filled = int(count.sum())
    share = int(count.filter(good).sum()) / filled if filled else 0.0
    is_timestamp = len(notation.parts) > 3
    if notation.swapped is None:
        return Written(notation.text, share, is_timestamp, None, 0, 0, 0)
    other = parse_timestamps(values["value"], notation.swapped, PIVOT if "short_year" in notation.parts else None)
    fits = other.is_not_null()
    differs = (read != other).fill_null(False)
    return Written(
        notation.text,
        share,
        is_timestamp,
        notation.swapped,
        proving=int(count.filter(good & ~fits).sum()),
        contradicting=int(count.filter(~good & fits).sum()),
        either=int(count.filter(good & fits & differs).sum()),
    )
