"""The city's own types of expectation, for what none of Great Expectations' core types can say.

Great Expectations knows them by `etl.validate.gx`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import polars as pl
from pydantic import Field

from etl.validate.conditions import Condition, OfSeveral
from etl.validate.rows import Rows

Ignore: TypeAlias = Literal["all_values_are_missing", "any_value_is_missing", "never"]


class RowCondition(OfSeveral):
    """A condition over several columns of a row, in polars SQL; see `etl.validate.grammar`."""

    type = "expect_row_condition"
    condition: str

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.sql_expr(self.condition)


class DaysInOrder(OfSeveral):
    """The day in the first column lies not after that in the second, as far as both are known.

    A column may be of dates, of times, or of dates that are known in part; `_as_of` is the delivery's period.

    Attributes:
        slack: days that it may lie behind all the same.
        at_most: days that it may lie before at most.
    """

    type = "expect_days_in_order"
    slack: int = 0
    at_most: int | None = None
    ignore_row_if: Ignore = "never"

    def holds(self, rows: Rows) -> pl.Expr:
        earlier, later = (rows.days(name) for name in self.column_list)
        holds = (earlier["first"] - later["last"]).dt.total_days() <= self.slack
        if self.at_most is not None:
            holds &= (later["first"] - earlier["last"]).dt.total_days() <= self.at_most
        return pl.lit(holds)


class Understood(OfSeveral):
    """The value of the first column is one that its semantic type can bring into the standard form.

    The second column of `column_list` is the date that says which period's code list applies, or the row's number.
    """

    type = "expect_column_values_to_be_understood"
    contract: str
    semantic_type: str
    ignore_row_if: Ignore = "never"

    def holds(self, rows: Rows) -> pl.Expr:
        made = rows.standard(rows.contract.column(self.column_list[0])).to_series(0)
        return pl.col(self.column_list[0]).is_null() | pl.lit(made).is_not_null()


class AreaAgrees(OfSeveral):
    """The area in the first column, in square metres, is about that of the second column's geometry.

    Attributes:
        times: how many times the smaller of the two the larger may be.
        slack: square metres that they may lie apart in any case.
    """

    type = "expect_area_to_agree"
    times: float
    slack: float = 1.0
    ignore_row_if: Ignore = "never"

    def holds(self, rows: Rows) -> pl.Expr:
        stated, measured = pl.col(self.column_list[0]).cast(pl.Float64), pl.lit(rows.areas(self.column_list[1]))
        is_apart = (measured - stated).abs() > self.slack
        return ~(is_apart & ((measured > stated * self.times) | (stated > measured * self.times)))


class NearWard(OfSeveral):
    """The geometry in the second column does not lie far from the ward in the first; see `semantic.ward_place`.

    A third column is the date that says which period's wards apply; without it those of today do.
    """

    type = "expect_geometry_near_ward"
    column_list: list[str] = Field(min_length=2, max_length=3)
    ignore_row_if: Ignore = "never"

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.lit(~rows.far_from_ward(*self.column_list))


class LikeThePast(Condition):
    """A number of a delivery's profile lies between its bounds; see `etl.validate.baseline`, which reckons them."""

    type = "expect_like_the_past"

    @property
    def columns(self) -> Sequence[str]:
        return []

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.col("value").is_between("least", "most")
