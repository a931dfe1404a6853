"""A delivery's profile, measured; what it is says `etl.delivery.profile`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import polars as pl
from upath import UPath

from etl import datatypes
from etl.contract import Column, Contract, Measure
from etl.datatypes import ward, whole_row
from etl.delivery import batches
from etl.delivery.columns import RECEIVED, UNKNOWN
from etl.delivery.model import Delivery
from etl.delivery.profile import Number
from etl.delivery.storage import Storage
from etl.validate.rows import Rows

_MOSTLY = 0.8  # of the rows: a column that was filled in so many is missed when it holds nothing
_QUANTILES = {"amount": (0.25, 0.5, 0.75), "age": (0.1, 0.5)}


Counts: TypeAlias = Mapping[str, Mapping[str, int]]  # for a column: how often each code or district occurs


def counted(rows: Rows, names: Iterable[str]) -> dict[str, pl.DataFrame]:
    """How often each code occurs in some rows, or each district, if it is a column of wards.

    Args:
        rows: some of a delivery.
        names: columns of codes or wards.

    Returns:
        For each column `item` and `count`; to be put together by `total`.
    """
    return {name: _items(rows, rows.contract.column(name)) for name in names}


def _items(rows: Rows, column: Column) -> pl.DataFrame:
    made = rows.standard(column)
    items = ward.districts_of(made) if column.semantic_type == "ward" else made.to_series(0)
    return items.drop_nulls().alias("item").value_counts(name="count")


def total(parts: Sequence[Mapping[str, pl.DataFrame]]) -> Counts:
    """The counts of all rows from those of some of them each; one part at least."""
    return {
        name: dict(
            pl.concat(part[name] for part in parts).group_by("item").agg(pl.col("count").sum()).sort("item").iter_rows()
        )
        for name in parts[0]
    }


def staged_keys(path: UPath, contract: Contract) -> pl.Series:
    """Hashes of the standard keys (`hash_rows`) of a delivery's staged rows."""
    names = [o.name for o in datatypes.key_outputs(contract) if o.name != whole_row.COPY]
    return pl.concat(lot.select(names).hash_rows() for lot in batches.read(path, names))


@dataclass(frozen=True)
class Sent:
    """What is measured: one delivery's typed rows, and the snapshot before it.

    Attributes:
        storage: the data root.
        delivery: whose rows.
        contract: the dataset's.
        keys: hashes of the standard keys (`hash_rows`) of the rows that would be loaded.
        counts: of codes and districts.
        previous: id of the last delivery of the dataset before this one that is in its table; None if there is none.
    """

    storage: Storage
    delivery: Delivery
    contract: Contract
    keys: pl.Series
    counts: Counts
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
                yield from self._shares(measure, of, self.counts[of])
            case "amount":
                values = self._column(of).drop_nulls().cast(pl.Float64)
                yield from self._distribution(measure, of, values)
                if not values.is_empty():
                    mean, deviation = values.to_frame().select(pl.all().mean(), deviation=pl.all().std()).row(0)
                    error = (deviation or 0.0) / math.sqrt(len(values))
                    yield Number(measure=measure, of=of, item="mean", value=mean, error=error, rows=len(values))
            case "age":
                days = self.delivery.as_of - self._column(of).drop_nulls().dt.date()
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

    def _shares(
        self, measure: Measure, of: str, counts: Mapping[str, int], whole: int | None = None
    ) -> Iterator[Number]:
        whole = self.count if whole is None else whole
        for item, count in counts.items() if whole else ():
            share = count / whole
            error = math.sqrt(share * (1 - share) / whole)
            yield Number(measure=measure, of=of, item=item, value=share, error=error, rows=whole)

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
