"""A delivery's profile: some numbers by which it can be compared with those before it.

No cell's value is among them: what is counted are codes of the city's lists and districts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

from etl.contract import Measure


class Number(TypedDict):
    """One number of a profile.

    Attributes:
        measure: `rows`: how many there are. `nulls`: the share of rows without a value. `share`: the share of rows
            with a code, or in a district. `amount`: mean and quantiles. `age`: quantiles of the days from a date to
            the delivery's period. `changed`: the share of rows that the snapshot before did not have exactly so.
            `ended`: the share of the records of the snapshot before that this one lacks.
        of: the column; empty if it is about whole rows.
        item: the code, the district, or which of several numbers it is.
        value: the number.
        error: how far it would stray by chance if the rows were drawn at random (a standard error).
        rows: on which it was measured.
    """

    measure: Measure
    of: str
    item: str
    value: float
    error: float
    rows: int


@dataclass(frozen=True)
class Profile:
    """The numbers of one delivery.

    Attributes:
        delivery_id: whose.
        as_of: its period.
        part: what tells it from other deliveries of the same period, None if nothing does.
        rows: in the delivery.
        numbers: see `Number`.
    """

    delivery_id: str
    as_of: date | None
    part: str | None
    rows: int
    numbers: list[Number]


@dataclass(frozen=True)
class Earlier:
    """What lay before a delivery in time.

    Attributes:
        profiles: gives the profiles of the accepted deliveries of a part, at most so many; the oldest first.
        word: gives the id of the last file of the same period that is in the table; None if there is none.
    """

    profiles: Callable[[str | None, int], Sequence[Profile]]
    word: Callable[[], str | None]
