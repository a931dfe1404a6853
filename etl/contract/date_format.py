"""How a contract says that dates and times are written: the patterns of the JDK's DateTimeFormatter, as ODCS has them.

Known letters: `yyyy` year; `yy` its last two digits; `MM`, `dd`, `HH`, `hh` with `a` (AM and PM, or SA and CH), `mm`,
`ss`, `SSS` (one to six digits of a second's fraction); `X` or `Z` an offset from UTC. Other letters stand in
apostrophes, as in `'T'`; a `'Z'` so written is the Z of ISO 8601: the time is UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache

_MOMENT = datetime(2026, 3, 21, 14, 5)  # of examples
_PIECE = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z']+)")
# What a run of letters means. A number of two digits may lack its zero where no other number stands next to it.
_MEANING = {
    "yyyy": "year", "uuuu": "year", "yy": "short_year", "uu": "short_year",
    "MM": "month", "M": "month", "dd": "day", "d": "day",
    "HH": "hour", "H": "hour", "hh": "hour_of_half", "h": "hour_of_half", "mm": "minute", "ss": "second",
    "a": "half", "X": "offset", "XX": "offset", "XXX": "offset", "Z": "offset", "ZZZZZ": "offset",
} | {"S" * digits: "fraction" for digits in range(1, 7)}  # fmt: skip
_DIGITS = {"year": 4, "short_year": 2, "month": 2, "day": 2, "hour": 2, "hour_of_half": 2, "minute": 2, "second": 2}
_MAY_LACK_ZERO = {"month", "day", "hour", "hour_of_half"}
_STRFTIME = {
    "year": "%Y", "short_year": "%y", "month": "%m", "day": "%d", "hour": "%H", "hour_of_half": "%I", "minute": "%M",
    "second": "%S", "half": "%p",
}  # fmt: skip
_PATTERN = {"half": "(?i:AM|PM|SA|CH)", "offset": "Z|[+-](?:0[0-9]|1[0-8])(?::?[0-5][0-9])?"}


@dataclass(frozen=True)
class DateFormat:
    """One notation of dates or times.

    Attributes:
        text: the pattern, as in `dd/MM/yyyy`.
        pattern: a regular expression of what is so written, with a named group for each of `parts`.
        parts: what is written, in its order: year or short_year, month, day, hour or hour_of_half, minute, second,
            fraction, half, offset.
        is_utc: a literal Z says so.
        strftime: the pattern for `datetime.strftime`, of a moment to the second whose offset nobody knows.
        example: a moment so written.
        swapped: the pattern with day and month exchanged, where people do write the one for the other: before the year.
    """

    text: str
    pattern: str
    parts: tuple[str, ...]
    is_utc: bool
    strftime: str
    example: str
    swapped: str | None

    @property
    def is_instant(self) -> bool:
        """Whether what is so written is the same moment wherever it is read."""
        return self.is_utc or "offset" in self.parts


@cache
def date_format(text: str) -> DateFormat:
    """Read a pattern.

    Raises:
        ValueError: if it holds letters without a meaning, or does not say the whole day; the text says the mend.
    """
    pieces = list(_pieces(text))
    parts = tuple(part for part, _ in pieces if part)
    twice = sorted({part for part in parts if parts.count(part) > 1})
    if twice:
        raise ValueError(f"format {text!r} says the {twice[0]} twice")
    if not {"month", "day"} <= set(parts) or not {"year", "short_year"} & set(parts):
        raise ValueError(f"format {text!r} lacks year, month or day; a date known in part is of datatype partial_date")
    if ("hour_of_half" in parts) != ("half" in parts) or {"hour", "hour_of_half"} <= set(parts):
        raise ValueError(f"format {text!r}: hh and a (AM, PM) go together, and without HH")
    pattern = ""
    for at, (part, written) in enumerate(pieces):
        beside = [p for p, _ in (*pieces[max(at - 1, 0) : at], *pieces[at + 1 : at + 2])]
        pattern += _expected(part, written, is_alone=not any(p in _DIGITS or p == "fraction" for p in beside))
    year = next(part for part in parts if part in ("year", "short_year"))
    exchange = {"month": "day", "day": "month"}
    runs = dict(pieces)
    swapped = [runs[exchange[part]] if part in exchange else _quoted(part, written) for part, written in pieces]
    stamped = [(part, "0" * len(written) if part == "fraction" else written) for part, written in pieces]
    strftime = "".join(_STRFTIME.get(part) or written.replace("%", "%%") for part, written in stamped)
    shown = "".join(_STRFTIME.get(part) or ("Z" if part == "offset" else w.replace("%", "%%")) for part, w in stamped)
    return DateFormat(
        text=text,
        pattern=f"^{pattern}$",
        parts=parts,
        is_utc="offset" not in parts and any(not part and written.endswith("Z") for part, written in pieces),
        strftime=strftime,
        example=_MOMENT.strftime(shown),
        swapped="".join(swapped) if max(parts.index("day"), parts.index("month")) < parts.index(year) else None,
    )


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
            known = "yyyy, yy, MM, dd, HH, hh, mm, ss, S, a, X"
            raise ValueError(f"format {text!r}: {piece[0]} is none of {known}; what stands for itself is quoted: 'T'")


def _expected(part: str, written: str, *, is_alone: bool) -> str:
    if not part:
        return re.escape(written).replace("\\ ", " ")
    if part == "fraction":
        return f"(?<fraction>[0-9]{{1,{len(written)}}})" if is_alone else f"(?<fraction>[0-9]{{{len(written)}}})"
    if part in _PATTERN:
        return f"(?<{part}>{_PATTERN[part]})"
    least = 1 if is_alone and part in _MAY_LACK_ZERO else _DIGITS[part]
    return f"(?<{part}>[0-9]{{{least},{_DIGITS[part]}}})"


def _quoted(part: str, written: str) -> str:
    return written if part or not re.search("[A-Za-z']", written) else "'" + written.replace("'", "''") + "'"
