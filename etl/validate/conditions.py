"""What is expected of rows, as polars expressions: each type of expectation that is judged without Great Expectations.

A condition's fields are the kwargs of the Great Expectations type of the same name, and it answers as that does; the
tests compare the two. All conditions on some rows are one select. What several of them need, as the standard form of a
column, is made once; see `Rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, reduce
from operator import and_, or_
from typing import ClassVar, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from etl.validate.rows import Rows

DELETES = "_deletes"  # 1 if a row says that a record is no more, 0 if not
Types = Mapping[str, pl.DataType]  # of the columns that an expectation may look at
Name = Field(min_length=1, strict=True)
ALL = pl.repeat(True, pl.len(), dtype=pl.Boolean)


class Condition(BaseModel):
    """What is expected of each row.

    Attributes:
        mostly: the share of the judged rows that must meet it for the expectation to succeed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ClassVar[str]  # Great Expectations' name
    is_rowwise: ClassVar[bool] = True  # whether the answer on a row depends on no other row
    skips_missing: ClassVar[bool] = True  # whether Great Expectations says how many rows it left out
    mostly: float = Field(default=1.0, ge=0, le=1)

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it looks at; the first is the one that it is about."""
        raise NotImplementedError

    def suits(self, types: Types) -> bool:
        """Whether it can be judged here on columns of such types, and is then judged as Great Expectations does."""
        return all(name in types for name in self.columns)

    def asked(self) -> pl.Expr:
        """Of which rows it is asked."""
        return ALL

    def judged(self) -> pl.Expr:
        """Which of them it judges: others lack what it looks at."""
        return ALL

    def holds(self, rows: Rows) -> pl.Expr:
        """Whether each row meets it; null where that cannot be told, which is no fault."""
        raise NotImplementedError

    @cached_property
    def is_judged(self) -> pl.Expr:
        """Whether it is asked of each row, and judges it."""
        asked, judged = self.asked(), self.judged()
        return judged if asked is ALL else asked & judged

    def fails(self, rows: Rows) -> pl.Expr:
        """Whether each row is judged and does not meet it, as far as that can be told."""
        return (self.is_judged & ~self.holds(rows)).fill_null(False)

    @cached_property
    def counts(self) -> pl.Expr:
        """One struct: how many rows are `asked`, and how many of them are `judged`."""
        return pl.struct(asked=self.asked().sum(), judged=self.is_judged.sum())

    @cached_property
    def counted(self) -> bytes:
        """What `counts` asks: the same of those that ask the same."""
        return self.counts.meta.serialize()


class OfColumn(Condition):
    """What is expected of the values of a column."""

    column: str = Name

    @property
    def columns(self) -> Sequence[str]:
        return [self.column]

    def judged(self) -> pl.Expr:
        return pl.col(self.column).is_not_null()


class OfSeveral(Condition):
    """What is expected of the values of some columns together."""

    column_list: list[str] = Field(min_length=2)
    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = "all_values_are_missing"

    @property
    def columns(self) -> Sequence[str]:
        return self.column_list

    def judged(self) -> pl.Expr:
        return judged_rows(self.columns, self.ignore_row_if)


def judged_rows(columns: Sequence[str], ignore_row_if: str) -> pl.Expr:
    """The rows that are left by `ignore_row_if`."""
    there = [pl.col(name).is_not_null() for name in columns]
    match ignore_row_if:
        case "either_value_is_missing" | "any_value_is_missing":
            return reduce(and_, there)
        case "both_values_are_missing" | "all_values_are_missing":
            return reduce(or_, there)
    return ALL


class ColumnsMatchSet(Condition):
    """The table has some columns, and others only if that is allowed. It is about no row."""

    type = "expect_table_columns_to_match_set"
    column_set: list[str]
    exact_match: bool | None = True

    @property
    def columns(self) -> Sequence[str]:
        return []

    def is_met(self, there: Sequence[str]) -> bool:
        """Whether columns are as they should be."""
        return set(there) == set(self.column_set) if self.exact_match else set(there) >= set(self.column_set)
