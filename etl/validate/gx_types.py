"""The city's own types of expectation as Great Expectations takes them, so that it can run the suites that it opens.

Importing this registers them. They are judged by the conditions of the same names.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
import polars as pl
import pyarrow as pa
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import MulticolumnMapMetricProvider
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)

from etl.contract import Contract, Measure, load_all
from etl.validate import own_conditions as own
from etl.validate.conditions import Condition
from etl.validate.rows import Rows

_DOMAIN = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
_NO_CONTRACT: Any = None  # of conditions that need none


def _holds(condition: Condition, frame: pd.DataFrame, contract: Contract = _NO_CONTRACT) -> pd.Series[bool]:
    """Whether our own condition holds for each row that Great Expectations gives."""
    rows = Rows(pl.DataFrame({name: pa.array(frame[name]) for name in frame.columns}), contract)
    holds = rows.frame.select(condition.holds(rows).fill_null(True)).to_series()
    return pd.Series(holds.to_numpy(), index=frame.index)


class _RowCondition(MulticolumnMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "citydw.row_condition"
    condition_domain_keys = _DOMAIN
    condition_value_keys = ("condition",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, condition: str, **_: object) -> pd.Series[bool]:
        return _holds(own.RowCondition(column_list=[*column_list], condition=condition), column_list)


class ExpectRowCondition(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect a condition over several columns of a row, in polars SQL, for what no core expectation can say."""

    condition: str
    ignore_row_if: str = "all_values_are_missing"
    map_metric: ClassVar[str] = "citydw.row_condition"
    success_keys: ClassVar[tuple[str, ...]] = ("condition", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "condition")


class _DaysInOrder(MulticolumnMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "citydw.days_in_order"
    condition_domain_keys = _DOMAIN
    condition_value_keys = ("slack", "at_most")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, slack: int, at_most: int | None, **_: object) -> pd.Series[bool]:
        return _holds(own.DaysInOrder(column_list=[*column_list], slack=slack, at_most=at_most), column_list)


class ExpectDaysInOrder(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect the day in the first column to lie not after that in the second, as far as both are known."""

    slack: int = 0
    at_most: int | None = None
    ignore_row_if: str = "never"
    map_metric: ClassVar[str] = "citydw.days_in_order"
    success_keys: ClassVar[tuple[str, ...]] = ("slack", "at_most", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "slack", "at_most")


class _Understood(MulticolumnMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "citydw.understood"
    condition_domain_keys = _DOMAIN
    condition_value_keys = ("contract", "semantic_type")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, contract: str, semantic_type: str, **_: object) -> pd.Series[bool]:
        of = own.Understood(column_list=[*column_list], contract=contract, semantic_type=semantic_type)
        return _holds(of, column_list, load_all()[contract])


class ExpectColumnValuesToBeUnderstood(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect each value of the first column to be one that its semantic type can bring into the standard form."""

    contract: str
    semantic_type: str
    ignore_row_if: str = "never"
    map_metric: ClassVar[str] = "citydw.understood"
    success_keys: ClassVar[tuple[str, ...]] = ("contract", "semantic_type", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "semantic_type")


class _AreaAgrees(MulticolumnMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "citydw.area_agrees"
    condition_domain_keys = _DOMAIN
    condition_value_keys = ("times", "slack")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, times: float, slack: float, **_: object) -> pd.Series[bool]:
        return _holds(own.AreaAgrees(column_list=[*column_list], times=times, slack=slack), column_list)


class ExpectAreaToAgree(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect the area in the first column, in square metres, to be about that of the second column's geometry."""

    times: float
    slack: float = 1.0
    ignore_row_if: str = "never"
    map_metric: ClassVar[str] = "citydw.area_agrees"
    success_keys: ClassVar[tuple[str, ...]] = ("times", "slack", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "times", "slack")


class _NearWard(MulticolumnMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "citydw.near_ward"
    condition_domain_keys = _DOMAIN
    condition_value_keys = ()

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **_: object) -> pd.Series[bool]:
        return _holds(own.NearWard(column_list=[*column_list]), column_list)


class ExpectGeometryNearWard(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect the geometry in the second column not to lie far from the ward in the first, as of the day in a third."""

    ignore_row_if: str = "never"
    map_metric: ClassVar[str] = "citydw.near_ward"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly",)
    args_keys: ClassVar[tuple[str, ...]] = ("column_list",)


class ExpectLikeThePast(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect a measure of a delivery's profile to lie where it lay in the accepted deliveries before it.

    It follows from a contract's `baselines` and stands in no suite; without it Great Expectations shows no result.
    """

    measure: Measure
    of: str = ""
    last: int = 28
    slack: float = 0.0
    most: float | None = None
    column_list: list[str] = ["value", "least", "most"]  # noqa: RUF012
    condition: str = "value BETWEEN least AND most"
    ignore_row_if: str = "all_values_are_missing"
    map_metric: ClassVar[str] = "citydw.row_condition"
    success_keys: ClassVar[tuple[str, ...]] = ("condition", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "condition")
