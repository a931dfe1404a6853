"""Great Expectations' core types of expectation, as far as they are judged without it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from functools import reduce
from operator import and_, or_
from typing import Any, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from etl.datatypes.output import by_distinct
from etl.validate.conditions import ALL, DELETES, Condition, Name, OfColumn, OfSeveral, Types, judged_rows
from etl.validate.rows import Rows

UNLESS_DELETED = {"column": {"name": DELETES}, "operator": "==", "parameter": 0, "type": "comparison"}  # as GX has it
_DIGITS = 38  # of the numbers that are compared
_EXACT = Context(prec=_DIGITS)
_WIDE = 1e18  # a bound from which on Great Expectations compares


class NotNull(OfColumn):
    """A cell is filled in."""

    type = "expect_column_values_to_not_be_null"
    skips_missing = False

    def judged(self) -> pl.Expr:
        return ALL

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.col(self.column).is_not_null()


class NotNullUnlessDeleted(NotNull):
    """A cell is filled in, but in rows that only say that a record is no more: see UNLESS_DELETED."""

    row_condition: dict[str, Any]

    def asked(self) -> pl.Expr:
        return pl.col(DELETES) == 0


class Null(OfColumn):
    """A cell is empty."""

    type = "expect_column_values_to_be_null"
    skips_missing = False

    def judged(self) -> pl.Expr:
        return ALL

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.col(self.column).is_null()


class _Bounded(OfColumn):
    strict_min: bool = False
    strict_max: bool = False

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        least, most = self.bounds
        if least is None and most is None:
            raise ValueError("min_value and max_value cannot both be missing")
        if least is not None and most is not None and not least <= most:
            raise ValueError("min_value cannot be greater than max_value")
        return self

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Least and most."""
        raise NotImplementedError

    def _within(self, value: pl.Expr, bound: Callable[[float, str], pl.Expr]) -> pl.Expr:
        """Whether values lie within the bounds.

        Args:
            value: numbers.
            bound: gives a bound as a number of their kind, rounded in a direction of `decimal`.
        """
        least, most = self.bounds
        found = []
        if least is not None:
            found.append(value > bound(least, ROUND_FLOOR) if self.strict_min else value >= bound(least, ROUND_CEILING))
        if most is not None:
            found.append(value < bound(most, ROUND_CEILING) if self.strict_max else value <= bound(most, ROUND_FLOOR))
        return reduce(and_, found)


class Between(_Bounded):
    """A number lies between two bounds, which are taken as they are written: 0.1 is a tenth."""

    type = "expect_column_values_to_be_between"
    min_value: float | None = None
    max_value: float | None = None

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        return self.min_value, self.max_value

    def suits(self, types: Types) -> bool:
        is_small = all(bound is None or abs(bound) < _WIDE for bound in self.bounds)
        return super().suits(types) and types[self.column].is_numeric() and is_small

    def holds(self, rows: Rows) -> pl.Expr:
        kind, value = rows.frame.schema[self.column], pl.col(self.column)
        if kind.is_float():
            return value.is_not_nan() & self._within(value, lambda bound, _: pl.lit(bound))
        scale = kind.scale if isinstance(kind, pl.Decimal) else 0
        exact = pl.Decimal(_DIGITS, scale)

        def bound(number: float, rounding: str) -> pl.Expr:
            written = Decimal(repr(number)).quantize(Decimal(1).scaleb(-scale), rounding, _EXACT)
            return pl.lit(written, exact)

        return self._within(value.cast(exact), bound)


class LengthsBetween(_Bounded):
    """A text has between so many and so many characters."""

    type = "expect_column_value_lengths_to_be_between"
    min_value: int | None = None
    max_value: int | None = None

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        return self.min_value, self.max_value

    def suits(self, types: Types) -> bool:
        return super().suits(types) and types[self.column] == pl.String

    def holds(self, rows: Rows) -> pl.Expr:
        return self._within(pl.col(self.column).str.len_chars(), lambda bound, _: pl.lit(bound))


class LengthsEqual(OfColumn):
    """A text has so many characters."""

    type = "expect_column_value_lengths_to_equal"
    value: int

    def suits(self, types: Types) -> bool:
        return super().suits(types) and types[self.column] == pl.String

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.col(self.column).str.len_chars() == self.value


class _OfPatterns(OfColumn):
    def suits(self, types: Types) -> bool:
        return super().suits(types) and types[self.column] == pl.String

    def _matches(self, rows: Rows, patterns: Sequence[str], together: Callable[[Any, Any], Any]) -> pl.Expr:
        """Whether a text has any, or all, of some patterns, by Python's rules: others' differ in `$` and in classes."""
        found = (pl.lit(_found(rows.frame[self.column], pattern)) for pattern in patterns)
        return reduce(together, found)


def _found(values: pl.Series, pattern: str) -> pl.Series:
    search = re.compile(pattern).search

    def of_distinct(texts: pl.Series) -> pl.Series:
        return pl.Series([search(text) is not None for text in texts.to_list()], dtype=pl.Boolean)

    return by_distinct(values, of_distinct)


class MatchRegex(_OfPatterns):
    """A text has a pattern."""

    type = "expect_column_values_to_match_regex"
    regex: str

    def holds(self, rows: Rows) -> pl.Expr:
        return self._matches(rows, [self.regex], and_)


class NotMatchRegex(_OfPatterns):
    """A text does not have a pattern."""

    type = "expect_column_values_to_not_match_regex"
    regex: str

    def holds(self, rows: Rows) -> pl.Expr:
        return ~self._matches(rows, [self.regex], and_)


class MatchRegexList(_OfPatterns):
    """A text has any, or all, of some patterns."""

    type = "expect_column_values_to_match_regex_list"
    regex_list: list[str] = Field(min_length=1)
    match_on: Literal["any", "all"] = "any"

    def holds(self, rows: Rows) -> pl.Expr:
        return self._matches(rows, self.regex_list, or_ if self.match_on == "any" else and_)


class NotMatchRegexList(_OfPatterns):
    """A text has none of some patterns."""

    type = "expect_column_values_to_not_match_regex_list"
    regex_list: list[str] = Field(min_length=1)

    def holds(self, rows: Rows) -> pl.Expr:
        return ~self._matches(rows, self.regex_list, or_)


class _OfSet(OfColumn):
    value_set: list[str] | list[int] = Field(min_length=1)

    def suits(self, types: Types) -> bool:
        kind = str if self.column in types and types[self.column] == pl.String else int
        is_alike = all(type(value) is kind for value in self.value_set)
        return super().suits(types) and is_alike and (kind is str or types[self.column].is_integer())

    def _is_in(self) -> pl.Expr:
        return pl.col(self.column).is_in(self.value_set)


class InSet(_OfSet):
    """A value is one of a list."""

    type = "expect_column_values_to_be_in_set"

    def holds(self, rows: Rows) -> pl.Expr:
        return self._is_in()


class NotInSet(_OfSet):
    """A value is none of a list."""

    type = "expect_column_values_to_not_be_in_set"

    def holds(self, rows: Rows) -> pl.Expr:
        return ~self._is_in()


class _OfPair(Condition):
    column_A: str = Name
    column_B: str = Name
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"] = "both_values_are_missing"

    @property
    def columns(self) -> Sequence[str]:
        return [self.column_A, self.column_B]

    def suits(self, types: Types) -> bool:
        return super().suits(types) and types[self.column_A] == types[self.column_B]

    def judged(self) -> pl.Expr:
        return judged_rows(self.columns, self.ignore_row_if)


class PairGreater(_OfPair):
    """A value is greater than another one of its row."""

    type = "expect_column_pair_values_a_to_be_greater_than_b"
    or_equal: bool | None = False

    def holds(self, rows: Rows) -> pl.Expr:
        a, b = pl.col(self.column_A), pl.col(self.column_B)
        return a >= b if self.or_equal else a > b


class PairEqual(_OfPair):
    """A value is equal to another one of its row."""

    type = "expect_column_pair_values_to_be_equal"

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.col(self.column_A) == pl.col(self.column_B)


class Unique(OfColumn):
    """No other row has the value."""

    type = "expect_column_values_to_be_unique"
    is_rowwise = False

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.col(self.column).is_unique()


class UniqueTogether(OfSeveral):
    """No other row has the same values in some columns."""

    type = "expect_compound_columns_to_be_unique"
    is_rowwise = False

    def holds(self, rows: Rows) -> pl.Expr:
        return pl.struct(self.column_list).is_unique()
