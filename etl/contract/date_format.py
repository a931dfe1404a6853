"""How a contract says that dates and times are written: the patterns of the JDK's DateTimeFormatter, as ODCS has them.

Known letters: `yyyy` year; `yy` its last two digits; `MM`, `dd`, `HH`, `hh` with `a` (AM and PM, or SA and CH), `mm`,
`ss`; `MMM` and `MMMM` months by their English names (Mar, March); `S` to `SSSSSSSSS` that many digits of a second's
fraction, of which six are kept and the others must be zeros; `X` or `Z` an offset from UTC. Other letters stand in
apostrophes, as in `'T'`; a `'Z'` so written is the Z of ISO 8601: the time is UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal

_MOMENT = datetime(2026, 3, 21, 14, 5)  # of examples
_PIECE = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z']+)")
# What a run of letters means. A number of two digits may lack its zero where no other number stands next to it.
_MEANING = {
    "yyyy": "year", "uuuu": "year", "yy": "short_year", "uu": "short_year",
    "MM": "month", "M": "month", "MMM": "month", "MMMM": "month", "dd": "day", "d": "day",
    "HH": "hour", "H": "hour", "hh": "hour_of_half", "h": "hour_of_half", "mm": "minute", "ss": "second",
    "a": "half", "X": "offset", "XX": "offset", "XXX": "offset", "Z": "offset", "ZZZZZ": "offset",
} | {"S" * digits: "fraction" for digits in range(1, 10)}  # fmt: skip
_KEPT_DIGITS = 6  # of a fraction
_DIGITS = {"year": 4, "short_year": 2, "month": 2, "day": 2, "hour": 2, "hour_of_half": 2, "minute": 2, "second": 2}
_MAY_LACK_ZERO = {"month", "day", "hour", "hour_of_half"}
_STRFTIME = {
    "year": "%Y", "short_year": "%y", "month": "%m", "day": "%d", "hour": "%H", "hour_of_half": "%I", "minute": "%M",
    "second": "%S", "half": "%p",
}  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_NAMED_MONTHS = {"MMM": "|".join(name[:3] for name in MONTHS).replace("Sep", "Sept?"), "MMMM": "|".join(MONTHS)}
_NAMED_STRFTIME = {"MMM": "%b", "MMMM": "%B"}
Kind = Literal["date", "timestamp", "time"]
_OF_DAYS = {"year", "short_year", "month", "day"}
_PATTERN = {"half": "(?i:AM|PM|SA|CH)", "offset": "Z|[+-](?:0[0-9]|1[0-8])(?::?[0-5][0-9])?"}


@dataclass(frozen=True)
class DateFormat:
    """One notation of dates or times.

    Attributes:
        text: the pattern, as in `dd/MM/yyyy`.
        pattern: a regular expression of what is so written, with a named group for each of `parts`.
        parts: what is written, in its order: year or short_year, month, day, hour or hour_of_half, minute, second,
            fraction, half, offset.
        has_named_month: the month is written as a word.
        is_utc: a literal Z says so.
        strftime: the pattern for `datetime.strftime`, of a moment to the second whose offset nobody knows.
        example: a moment so written.
        swapped: the pattern with day and month exchanged, where people do write the one for the other: before the year.
    """

    text: str
    pattern: str
    parts: tuple[str, ...]
    has_named_month: bool
    is_utc: bool
    strftime: str
    example: str
    swapped: str | None

    @property
    def precision(self) -> Literal["D", "M", "Y"]:
        """Down to what a date is said: day, month or year."""
        return "D" if "day" in self.parts else "M" if "month" in self.parts else "Y"

    @property
    def is_instant(self) -> bool:
        """Whether what is so written is the same moment wherever it is read."""
        return self.is_utc or "offset" in self.parts


@cache
def date_format(text: str, kind: Kind = "timestamp") -> DateFormat:
    """Read a pattern.

    Args:
        text: the pattern.
        kind: of what it is; a date may be known down to its month or year.

    Raises:
        ValueError: if it holds letters without a meaning, or does not say what it is of; the text says the mend.
    """
    pieces = list(_pieces(text))
    parts = tuple(part for part, _ in pieces if part)
    twice = sorted({part for part in parts if parts.count(part) > 1})
    if twice:
        raise ValueError(f"format {text!r} says the {twice[0]} twice")
    if lack := _lack({*parts}, kind):
        raise ValueError(f"format {text!r} {lack}")
    if ("hour_of_half" in parts) != ("half" in parts) or {"hour", "hour_of_half"} <= set(parts):
        raise ValueError(f"format {text!r}: hh and a (AM, PM) go together, and without HH")
    pattern = ""
    for at, (part, written) in enumerate(pieces):
        beside = [p for p, _ in (*pieces[max(at - 1, 0) : at], *pieces[at + 1 : at + 2])]
        pattern += _expected(part, written, is_alone=not any(p in _DIGITS or p == "fraction" for p in beside))
    has_named_month = any(written in _NAMED_MONTHS for part, written in pieces if part == "month")
    return DateFormat(
        text=text,
        pattern=f"^{pattern}$",
        parts=parts,
        has_named_month=has_named_month,
        is_utc="offset" not in parts and any(not part and written.endswith("Z") for part, written in pieces),
        strftime=_strftime(pieces),
        example=_MOMENT.strftime(_strftime([("", "Z") if part == "offset" else (part, w) for part, w in pieces])),
        swapped=None if has_named_month else _swapped(pieces),
    )


def _lack(parts: set[str], kind: Kind) -> str | None:
    """What a pattern of that kind must say and does not, or must not say."""
    if kind == "time":
        if parts & {*_OF_DAYS, "offset"}:
            return "says a day or an offset, which a time of day has not; a moment is of logicalType timestamp"
        return None if {"minute"} <= parts and parts & {"hour", "hour_of_half"} else "lacks hour or minute"
    is_year_said = bool(parts & {"year", "short_year"})
    if kind == "date" and is_year_said and parts <= {"year", "month"}:
        return None
    if not is_year_said or not {"month", "day"} <= parts:
        return "lacks year, month or day; a date known in part, row by row, is of datatype partial_date"
    return None


def _strftime(pieces: Iterable[tuple[str, str]]) -> str:
    written = ""
    for part, letters in pieces:
        stamped = "0" * len(letters) if part == "fraction" else letters.replace("%", "%%")
        written += _NAMED_STRFTIME.get(letters if part == "month" else "") or _STRFTIME.get(part) or stamped
    return written


def _swapped(pieces: list[tuple[str, str]]) -> str | None:
    runs = {part: (at, letters) for at, (part, letters) in enumerate(pieces) if part}
    last = max((runs[part][0] for part in ("year", "short_year") if part in runs), default=-1)
    if not {"month", "day"} <= runs.keys() or max(runs["month"][0], runs["day"][0]) > last:
        return None
    exchange = {"month": "day", "day": "month"}
    return "".join(runs[exchange[p]][1] if p in exchange else _quoted(p, letters) for p, letters in pieces)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """What each piece of a pattern means, "" for what stands for itself, and its letters."""
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise ValueError(f"format {text!r}: an apostrophe opens and does not close")
        at = piece.end()
        if piece[1] is not None:
            yield "", piece[1].replace("''", "'") or "'"
        elif piece[3] is not None:
            yield "", piece[3]
        elif piece[0] in _MEANING:
            yield _MEANING[piece[0]], piece[0]
        else:
            known = "yyyy, yy, MM, MMM, MMMM, dd, HH, hh, mm, ss, S, a, X"
            raise ValueError(f"format {text!r}: {piece[0]} is none of {known}; what stands for itself is quoted: 'T'")


def _expected(part: str, written: str, *, is_alone: bool) -> str:
    if not part:
        return re.escape(written).replace("\\ ", " ")
    if part == "fraction":
        kept, zeros = min(len(written), _KEPT_DIGITS), max(len(written) - _KEPT_DIGITS, 0)
        return f"(?<fraction>[0-9]{{{1 if is_alone else kept},{kept}}})0{{{0 if is_alone else zeros},{zeros}}}"
    if written in _NAMED_MONTHS:
        return f"(?<month>(?i:{_NAMED_MONTHS[written]}))"
    if part in _PATTERN:
        return f"(?<{part}>{_PATTERN[part]})"
    least = 1 if is_alone and part in _MAY_LACK_ZERO else _DIGITS[part]
    return f"(?<{part}>[0-9]{{{least},{_DIGITS[part]}}})"


def _quoted(part: str, written: str) -> str:
    return written if part or not re.search("[A-Za-z']", written) else "'" + written.replace("'", "''") + "'"
