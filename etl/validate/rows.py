"""Typed rows of a delivery, and what is derived of their columns, which several rules need."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar, cast

import polars as pl

from etl import datatypes
from etl.contract import Column, Contract
from etl.contract.city import city
from etl.datatypes.dates import as_outputs, partly_known, possible_days
from etl.datatypes.geometry import areas
from etl.datatypes.ward import units_of
from etl.datatypes.ward_place import is_far

Made = TypeVar("Made")


class Rows:
    """Typed rows of a delivery, and what is derived of their columns: each once."""

    def __init__(self, frame: pl.DataFrame, contract: Contract) -> None:
        self.frame = frame
        self.contract = contract
        self._derived: dict[tuple[str, str], object] = {}

    def standard(self, column: Column) -> pl.DataFrame:
        """A column's standard form; see `datatypes.standardise`."""
        if column.name in self._already_standard:
            return self.frame[column.name].to_frame()
        if column.semantic_type == "partial_date":
            return as_outputs(self._partly_known(column.name), column)
        return self._once("standard", column.name, lambda: datatypes.standardise(self.frame, column))

    @cached_property
    def _already_standard(self) -> frozenset[str]:
        there = [column for column in self.contract.columns if column.name in self.frame.columns]
        return datatypes.standard_already(self.frame, there)

    def days(self, name: str) -> pl.DataFrame:
        """Between which days each date of a column lies: `first` and `last`, null where nothing is known."""
        return self._once("days", name, lambda: self._days(name))

    def areas(self, name: str) -> pl.Series:
        """The area of each geometry of a column, in square metres; null where there is none."""
        return self._once("areas", name, lambda: areas(self.frame[name]))

    def far_from_ward(self, ward: str, geometry: str, day: str | None = None) -> pl.Series:
        """Whether each geometry of a column lies far from its ward; null where one of the two is not known."""
        period = self.frame[day].dt.date() if day else pl.repeat(None, self.frame.height, dtype=pl.Date, eager=True)
        return is_far(units_of(self.frame[ward], period, is_of_today=day is None), self.frame[geometry])

    def deletes(self) -> pl.Series:
        """Whether each row says that a record is no more, as only rows of changes do."""
        change = self.contract.column_with_role("change")
        if change is None:
            return pl.repeat(False, self.frame.height, dtype=pl.Boolean, eager=True)
        return (self.standard(change).to_series(0) == city().deletion).fill_null(False)

    def _days(self, name: str) -> pl.DataFrame:
        values = self.frame[name]
        if values.dtype == pl.String:
            return possible_days(*self._partly_known(name))
        return pl.DataFrame({"first": values.dt.date(), "last": values.dt.date()})

    def _partly_known(self, name: str) -> pl.DataFrame:
        return self._once("partly known", name, lambda: partly_known(self.frame[name]))

    def _once(self, kind: str, name: str, make: Callable[[], Made]) -> Made:
        if (kind, name) not in self._derived:
            self._derived[kind, name] = make()
        return cast("Made", self._derived[kind, name])
