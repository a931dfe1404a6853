"""Charts of a dataset's deliveries: the geometry; a template draws it and says in words what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from etl.delivery.entry import LedgerEntry
from etl.delivery.state import State
from etl.rendering import day, share

_LEAST_SHARE = 0.05  # the height of a chart of shares, at least: a flaw of a thousandth must not look like a disaster


@dataclass(frozen=True)
class Bar:
    """One delivery: its height in per cent of the chart's, what became of it, and both in words."""

    height: float
    state: Literal["loaded", "held", "stopped", "under way"]
    words: str


@dataclass(frozen=True)
class Chart:
    """Bars from the first period to the last.

    Attributes:
        bars: one a delivery.
        top: what a bar of full height means.
        first: the first period.
        last: the last period.
        most: the delivery with the most, in words.
        now: the last delivery, in words.
    """

    bars: tuple[Bar, ...]
    top: str
    first: str
    last: str
    most: str
    now: str


def of_rejected(entries: Sequence[LedgerEntry]) -> Chart | None:
    """The share of rows that was sent back, delivery by delivery; None if none has been judged yet."""
    shares = [(e.rejected or 0) / e.rows_in if e.rows_in else 0.0 for e in entries]
    words = [share(e.rejected or 0, e.rows_in) if e.rows_in else "–" for e in entries]
    top = max([_LEAST_SHARE, *shares])
    return _chart(entries, shares, words, top, f"{100 * top:.0f} %")


def of_rows(entries: Sequence[LedgerEntry]) -> Chart | None:
    """The rows of each delivery's file; None if none has been read yet."""
    rows = [float(e.rows_in or 0) for e in entries]
    words = [_grouped(e.rows_in) if e.rows_in is not None else "–" for e in entries]
    top = max([1.0, *rows])
    return _chart(entries, rows, words, top, _grouped(int(top)))


def _chart(
    entries: Sequence[LedgerEntry], values: Sequence[float], words: Sequence[str], top: float, said: str
) -> Chart | None:
    if not any(entry.rows_in is not None for entry in entries):
        return None
    days = [day(entry.as_of) if entry.as_of else "" for entry in entries]
    told = [f"{at}: {text}" for at, text in zip(days, words, strict=True)]
    bars = tuple(
        Bar(round(100 * value / top, 1), _state(entry), text)
        for entry, value, text in zip(entries, values, told, strict=True)
    )
    highest = max(range(len(values)), key=values.__getitem__)
    return Chart(bars, said, days[0], days[-1], told[highest], told[-1])


def _state(entry: LedgerEntry) -> Literal["loaded", "held", "stopped", "under way"]:
    match entry.state:
        case State.LOADED:
            return "loaded"
        case State.HELD:
            return "held"
        case State.REJECTED | State.WITHDRAWN:
            return "stopped"
        case _:
            return "under way"


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
