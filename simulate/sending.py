"""What an agency sends: the frame that every dataset of the people's agencies fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from simulate.events import Events
from simulate.extract import Wrong


@dataclass(frozen=True)
class Sending:
    """One file.

    Attributes:
        as_of: the period in its name.
        day: on which it is dropped.
        rows: under the names of the contract's columns, as `simulate.extract.standard` takes them.
        part: what the name says beside, where several files make a period.
    """

    as_of: date
    day: date
    rows: pl.DataFrame
    part: str = ""


@dataclass(frozen=True)
class Sender:
    """A dataset of an agency: the small declaration beside its contract.

    Attributes:
        dataset: agency.dataset.
        sendings: its files, one after the other.
        wrong: what goes wrong in them.
        conflict: a column and a value in which two rows of one key differ; none where a file holds changes.
        titles: above an Excel table.
    """

    dataset: str
    sendings: Callable[[Events], Iterator[Sending]]
    wrong: tuple[Wrong, ...]
    conflict: tuple[str, str] | None = None
    titles: tuple[str, ...] = ()


def ends_of_months(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """The months' last days and when their files are dropped: the month before the first day, then each that ends."""
    yield days[0].replace(day=1) - timedelta(days=1), days[0]
    yield from ((day, day) for day in days if (day + timedelta(days=1)).day == 1)
