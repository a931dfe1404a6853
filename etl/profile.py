"""A delivery's profile: some numbers by which it can be compared with those before it.

No cell's value is among them: what is counted are codes of the city's lists and districts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, TypedDict

import polars as pl
from upath import UPath

from etl import batches, semantic
from etl.contract import Column, Contract
from etl.delivery import RECEIVED, UNKNOWN, Delivery
from etl.semantic import ward
from etl.storage import Storage

Measure = Literal["rows", "nulls", "share", "amount", "age", "changed", "ended"]
SHARES: tuple[Measure, ...] = ("nulls", "share", "changed", "ended")  # of some rows: from 0 to 1
_MOSTLY = 0.8  # of the rows: a column that was filled in so many is missed when it holds nothing
_QUANTILES = {"amount": (0.25, 0.5, 0.75), "age": (0.1, 0.5)}


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
        part: what tells it from other deliveries of the same period, as in `etl.past`; None if nothing does.
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


def staged_keys(path: UPath, contract: Contract) -> pl.Series:
    """Hashes of the standard keys (`hash_rows`) of a delivery's staged rows."""
    names = [o.name for c in contract.key for o in semantic.outputs(c) if o.in_key]
    return pl.concat(lot.select(names).hash_rows() for lot in batches.read(path, names))


@dataclass(frozen=True)
class Sent:
    """What is measured: one delivery's typed rows, and the snapshot before it.

    Attributes:
        storage: the data root.
        delivery: whose rows.
        contract: the dataset's.
        keys: hashes of the standard keys (`hash_rows`) of the rows that would be loaded.
        previous: id of the last delivery of the dataset before this one that is in its table; None if there is none.
    """

    storage: Storage
    delivery: Delivery
    contract: Contract
    keys: pl.Series
    previous: str | None

    @property
    def path(self) -> UPath:
        """The typed rows."""
        return self.storage.folder("raw", self.delivery) / "rows.parquet"

    @cached_property
    def count(self) -> int:
        """The number of rows."""
        return int(pl.scan_parquet(str(self.path)).select(pl.len()).collect().item())

    def numbers(self, measure: Measure, of: str) -> Iterator[Number]:
        """What is asked; nothing where there is nothing to measure.

        Args:
            measure: see `Number`.
            of: the column, where the measure is of one.
        """
        match measure:
            case "rows":
                yield Number(
                    measure=measure, of=of, item="", value=self.count, error=math.sqrt(self.count), rows=self.count
                )
            case "nulls":
                yield from self._shares(measure, of, {"": self._column(of).null_count()})
            case "share":
                yield from self._shares(measure, of, self._items(of))
            case "amount":
                values = self._column(of).drop_nulls().cast(pl.Float64)
                yield from self._distribution(measure, of, values)
                if not values.is_empty():
                    mean, deviation = values.to_frame().select(pl.all().mean(), deviation=pl.all().std()).row(0)
                    error = (deviation or 0.0) / math.sqrt(len(values))
                    yield Number(measure=measure, of=of, item="mean", value=mean, error=error, rows=len(values))
            case "age":
                days = self.delivery.as_of - self._column(of).drop_nulls().cast(pl.Date)
                yield from self._distribution(measure, of, days.dt.total_days().cast(pl.Float64))
            case "changed":
                if before := self._previous("raw"):
                    yield from self._shares(measure, of, {"": self._unlike(before)})
            case "ended":
                if before := self._previous("staging"):
                    keys = staged_keys(before, self.contract)
                    gone = int((~keys.is_in(self.keys.implode())).sum())
                    yield from self._shares(measure, of, {"": gone}, len(keys))

    def renamed(self) -> tuple[list[str], list[Column]]:
        """What seems to be renamed since the delivery before; nothing where nothing both came and went.

        Returns:
            Unknown columns that it did not have, by the source's names; optional ones that were filled there and hold
            nothing here.
        """
        before = self._previous("raw")
        if before is None:
            return [], []
        known, now = (set(pl.read_parquet_schema(str(path))) for path in (before, self.path))
        optional = {RECEIVED + c.name if RECEIVED + c.name in now else c.name: c for c in self.contract.columns}
        optional = {name: c for name, c in optional.items() if not c.required and name in known}
        new = [name for name in now - known if name.startswith(UNKNOWN)]
        if not optional or not new:
            return [], []
        filled_then, filled_now = _filled(before, [*optional]), _filled(self.path, [*optional, *new])
        gone = [c for name, c in optional.items() if filled_then[name] >= _MOSTLY and not filled_now[name]]
        came = sorted(name.removeprefix(UNKNOWN) for name in new if filled_now[name])
        return (came, gone) if came and gone else ([], [])

    def _column(self, name: str) -> pl.Series:
        return pl.scan_parquet(str(self.path)).select(name).collect().to_series()

    def _shares(self, measure: Measure, of: str, counts: dict[str, int], whole: int | None = None) -> Iterator[Number]:
        whole = self.count if whole is None else whole
        for item, count in counts.items() if whole else ():
            share = count / whole
            error = math.sqrt(share * (1 - share) / whole)
            yield Number(measure=measure, of=of, item=item, value=share, error=error, rows=whole)

    def _items(self, of: str) -> dict[str, int]:
        """How often each code of a column occurs, or each district, if it is a column of wards."""
        column = self.contract.column(of)
        wanted = [of, *([column.period_column] if column.period_column else [])]
        found = []
        for lot in batches.read(self.path, wanted):
            made = semantic.standardise(lot, column)
            items = ward.districts_of(made) if column.semantic_type == "ward" else made.to_series(0)
            found.append(items.drop_nulls().alias("item").value_counts(name="count"))
        counts = pl.concat(found).group_by("item").agg(pl.col("count").sum()).sort("item")
        return dict(counts.iter_rows())

    def _distribution(self, measure: Measure, of: str, values: pl.Series) -> Iterator[Number]:
        if values.is_empty():
            return
        for q in _QUANTILES[measure]:
            # Between the quantiles one standard error of the share below and above lies about the quantile's own.
            beside = math.sqrt(q * (1 - q) / len(values))
            low, at, high = (values.quantile(min(max(p, 0.0), 1.0)) or 0.0 for p in (q - beside, q, q + beside))
            error = (high - low) / 2
            yield Number(measure=measure, of=of, item=f"q{q * 100:.0f}", value=at, error=error, rows=len(values))

    def _previous(self, zone: Literal["raw", "staging"]) -> UPath | None:
        """The rows of the delivery before in a zone, if they are still there."""
        if self.previous is None:
            return None
        delivery = self.storage.delivery(self.contract.agency, self.contract.dataset, self.previous)
        path = self.storage.folder(zone, delivery) / "rows.parquet"
        return path if path.exists() else None

    def _unlike(self, before: UPath) -> int:
        """The number of rows that another delivery did not have, by a hash of all columns as they were typed."""
        known = set(pl.read_parquet_schema(str(before)))
        columns = [c.name for c in self.contract.columns if c.name in known]

        def hashes(path: UPath) -> pl.Series:
            return pl.concat(lot.select(columns).hash_rows() for lot in batches.read(path, columns))

        return int((~hashes(self.path).is_in(hashes(before).implode())).sum())


def _filled(path: UPath, names: list[str]) -> dict[str, float]:
    """The share of rows in which each column holds something."""
    rows = pl.read_parquet(str(path), columns=names)
    return {name: rows[name].count() / max(rows.height, 1) for name in names}
