"""The types of expectation that a suite may hold: those that look at values and run nothing.

Left out are also those whose answer holds values of the rows, for it is shown on pages.
"""

from __future__ import annotations

from collections.abc import Mapping

from etl.validate.conditions import Condition
from etl.validate.core_conditions import (
    Between,
    InSet,
    LengthsBetween,
    LengthsEqual,
    MatchRegex,
    MatchRegexList,
    NotInSet,
    NotMatchRegex,
    NotMatchRegexList,
    NotNull,
    Null,
    PairEqual,
    PairGreater,
    Unique,
    UniqueTogether,
)
from etl.validate.own_conditions import AreaAgrees, DaysInOrder, NearWard, RowCondition

# Those that are judged without Great Expectations, unless a column's type does not suit.
KINDS: Mapping[str, type[Condition]] = {
    kind.type: kind
    for kind in (
        AreaAgrees, Between, DaysInOrder, InSet, LengthsBetween, LengthsEqual, MatchRegex, MatchRegexList,
        NearWard, NotInSet, NotMatchRegex, NotMatchRegexList, NotNull, Null, PairEqual, PairGreater, RowCondition,
        Unique, UniqueTogether,
    )
}  # fmt: skip
# Those that Great Expectations judges, and the kwargs that they may have.
_OTHERS = (
    "expect_column_mean_to_be_between",
    "expect_column_median_to_be_between",
    "expect_column_pair_values_to_be_in_set",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_stdev_to_be_between",
    "expect_column_sum_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_value_z_scores_to_be_less_than",
    "expect_column_values_to_match_strftime_format",
    "expect_multicolumn_sum_to_equal",
    "expect_multicolumn_values_to_be_equal",
    "expect_select_column_values_to_be_unique_within_record",
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
)
KWARGS = (
    "column", "column_A", "column_B", "column_list", "double_sided", "ignore_row_if", "max_value", "min_value",
    "mostly", "strftime_format", "strict_max", "strict_min", "sum_total", "threshold", "value", "value_pairs_set",
)  # fmt: skip
TYPES = sorted({*KINDS, *_OTHERS})
