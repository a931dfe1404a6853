"""The period and the revision that a file's name says; where a name can be read in two ways, it says nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

# `2026-03-02`, `02-03-2026` (in Vietnam the day comes first), `20260302`. Each is looked for wherever it may begin, so
# that one which overlaps another (`01-02-2026-03-04`) is seen as a second reading.
_FORMS = (
    (re.compile(r"(?<!\d)(?=(\d{4}([-_. ])\d\d\2\d\d)(?!\d))", re.ASCII), "%Y%m%d"),
    (re.compile(r"(?<!\d)(?=(\d\d([-_. ])\d\d\2\d{4})(?!\d))", re.ASCII), "%d%m%Y"),
    (re.compile(r"(?<!\d)(?=((?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])())(?!\d))", re.ASCII), "%Y%m%d"),
)
_YEARS = range(1990, 2100)  # no city's registers were handed over as files before
# Behind a day: `-15-00`, `_15h00`, `T00-19-59`, `T001959`.
_TIME = re.compile(
    r"[-_ T](?P<hour>[01]\d|2[0-3])(?P<by>[-:h_. ])(?P<minute>[0-5]\d)(?:(?P=by)(?P<second>[0-5]\d))?(?!(?P=by)?\d)"
    r"(?P<utc>Z(?![^\W_]))?",
    re.IGNORECASE,
)
_DIGITS = re.compile(
    r"T(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d)?(?!\d)(?P<utc>Z(?![^\W_]))?", re.IGNORECASE
)
_STAMP = re.compile(r"[-_ ](?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d)(?!\d)(?P<utc>Z(?![^\W_]))?")
_REVISION = re.compile(
    r"(?<![^\W\d_])(?:r|l[aâầ]n[-_ .]?)([0-9]+)(?![^\W_])", re.IGNORECASE
)  # _r2, (R02), -lan2, lần 2
MOST_REVISIONS = 9_999
_MOST_REVISIONS_OF_A_TIME = 99
_BEHIND_UTC = timedelta(hours=7)  # what the city's clocks show more


class UnclearName(ValueError):
    """A name that can be read in more than one way, or says what cannot be.

    Attributes:
        rule: whose wording tells the sender.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


@dataclass(frozen=True)
class _Day:
    """A place in a name that looks like a day; `days` are those that it may be, none if there is no such day."""

    start: int
    end: int
    days: frozenset[date]
    time: str | None  # HHMMSS


def period_of(file_name: str, as_of: date | None = None, revision: int | None = None) -> tuple[date | None, int]:
    """The period and revision of a file, from its name as far as its sender does not state them elsewhere.

    A time of day behind the date orders the files of that day: it is carried in front of the revision, as
    1HHMMSS and two digits. So a later time is a later word, any of them is later than a word without a time, and names
    without one are read as ever. `(1)` and `- Copy` only say that there is another file of that name: no revision.

    Args:
        file_name: the name.
        as_of: the period that the sender states elsewhere; the name's own then does not count.
        revision: the same of the revision.

    Returns:
        The period, None where the name holds no date; and the revision, 1 where nothing says any.

    Raises:
        UnclearName: if the name can be read in more than one way, or says a day or a revision that cannot be.
    """
    name = unicodedata.normalize("NFKC", file_name)
    found = sorted(_days(name), key=lambda day: day.start)
    if as_of is None:
        if len(frozenset().union(*(day.days for day in found))) > 1 or len({day.time for day in found} - {None}) > 1:
            raise UnclearName("several_periods_in_name")
        if not all(day.days for day in found):
            raise UnclearName("impossible_period")
        as_of = next(iter(found[0].days)) if found else None
    time = next((day.time for day in found if day.time and as_of in day.days), None)
    if revision is None:
        revision = _revision(_without(name, found))
    if time is None:
        return as_of, revision or 1
    if revision and revision > _MOST_REVISIONS_OF_A_TIME:
        raise UnclearName("unclear_revision")
    return as_of, int(f"1{time}{revision or 0:02}")


def days_in(file_name: str) -> frozenset[date]:
    """All days that a file's name may speak of; none if it speaks of no real one."""
    return frozenset().union(*(day.days for day in _days(unicodedata.normalize("NFKC", file_name))))


def revision_in(file_name: str) -> int | None:
    """The revision that a file's name states by itself; None if it states none.

    Raises:
        UnclearName: if it states several, or one that cannot be.
    """
    name = unicodedata.normalize("NFKC", file_name)
    return _revision(_without(name, sorted(_days(name), key=lambda day: day.start)))


def is_possible(day: date) -> bool:
    """Whether a file may be of a day at all."""
    return day.year in _YEARS


def word_of(revision: int) -> tuple[str | None, int]:
    """The time of day that a revision of `period_of` carries, None if it carries none, and the revision without it."""
    if revision <= MOST_REVISIONS:
        return None, revision
    clock, number = divmod(revision, 100)
    hours, minutes, seconds = (str(clock)[at : at + 2] for at in (1, 3, 5))
    return f"{hours}:{minutes}:{seconds}", number or 1


def _days(name: str) -> Iterator[_Day]:
    for pattern, form in _FORMS:
        for found in pattern.finditer(name):
            start, end = found.span(1)
            time = _time(name, end, found[2])
            try:
                day = datetime.strptime(re.sub("[^0-9]", "", found[1]), form).date()
            except ValueError:
                day = date.min
            days = {day} if is_possible(day) else set()
            if time and time["utc"]:
                clock = datetime.combine(day, datetime.strptime(_clock(time), "%H%M%S").time())
                days |= {(clock + _BEHIND_UTC).date()} if days else set()
            yield _Day(start, time.end() if time else end, frozenset(days), _clock(time) if time else None)


def _time(name: str, start: int, separator: str) -> re.Match[str] | None:
    """The time of day behind a day; `_10_12` is one only behind a day that is written with `_` too."""
    found = _TIME.match(name, start)
    if found and found["by"] in {"-", ":", "h", "H", separator}:
        return found
    return _DIGITS.match(name, start) or (None if separator else _STAMP.match(name, start))


def _clock(time: re.Match[str]) -> str:
    return time["hour"] + time["minute"] + (time["second"] or "00")


def _without(name: str, days: list[_Day]) -> str:
    """The name with a bar in the place of each day."""
    for day in reversed(days):
        name = f"{name[: day.start]}|{name[day.end :]}"
    return name


def _revision(text: str) -> int | None:
    stated = {number.lstrip("0") for number in _REVISION.findall(text)}
    if not stated:
        return None
    if len(stated) > 1 or not (number := stated.pop()) or len(number) > len(str(MOST_REVISIONS)):
        raise UnclearName("unclear_revision")
    return int(number)
