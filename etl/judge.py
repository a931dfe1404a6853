"""Great Expectations, the judge of content: suites, what follows from the contract, and its answer as our findings.

Importing Great Expectations takes seconds, so only the station that validates imports this module.

What GX returns carries the values that failed; they are personal data. Only positions leave this module: values are
stripped before a result is stored or rendered.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from html import escape
from typing import Any, ClassVar, TypeAlias, cast

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.column_map_metrics.column_values_between import ColumnValuesBetween
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)
from great_expectations.expectations.registry import get_metric_provider
from great_expectations.expectations.row_conditions import Column as RowsWhere
from great_expectations.validator.validation_statistics import calc_validation_statistics
from great_expectations.validator.validator import Validator

from etl import expectation_store, semantic, suite
from etl.contract import GEOMETRY_TYPES, Column, Contract, ContractError, Severity, Text
from etl.delivery import ROW, Wording, wording
from etl.profile import Measure
from etl.semantic.dates import possible_days
from etl.semantic.geometry import areas

logging.getLogger("great_expectations").setLevel(logging.ERROR)  # its warnings quote values

# Semantic types that take every value of their column's type: there is nothing to expect of them.
_ALWAYS_UNDERSTOOD = {"text", "date", "money", "number", "address"}
# COMPLETE gives the positions of all failing rows; naming index columns or asking for the query costs 20 times more.
_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "return_unexpected_index_query": False,
    "partial_unexpected_count": 0,
    "exclude_unexpected_values": True,
}
_DELETES = "_deletes"  # 1 if a row says that a record is no more, 0 if not
_MOST_CHARACTERS = 1 << 30  # in a value, where a contract does not say it
_KEPT = (
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
    "observed_value",
)
Result: TypeAlias = ExpectationValidationResult
_OF_ROWS = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
# Of those, the ones whose answer on a row depends on other rows.
_ACROSS_ROWS = (
    gxe.ExpectColumnValuesToBeUnique,
    gxe.ExpectCompoundColumnsToBeUnique,
    gxe.ExpectColumnValueZScoresToBeLessThan,
    gxe.ExpectColumnValuesToBeOfType,
    gxe.ExpectColumnValuesToBeInTypeList,
)


class _ValuesBetween(ColumnValuesBetween):  # type: ignore[misc]
    """GX's own, which compares numpy's numbers as whole columns, but Arrow's one by one."""

    condition_metric_name = "column_values.between"

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,
        column: pd.Series[Any],
        min_value: Any = None,
        max_value: Any = None,
        strict_min: bool | None = None,
        strict_max: bool | None = None,
        **kwargs: object,
    ) -> pd.Series[bool]:
        bounds = (min_value, max_value, strict_min, strict_max)
        if isinstance(column.dtype, pd.ArrowDtype) and _is_number(column.dtype.pyarrow_dtype):
            holds: pd.Series[bool] = cls._pandas_vectorized(column, *bounds)
        else:
            holds = inspect.unwrap(ColumnValuesBetween._pandas)(cls, column, *bounds, **kwargs)
        return holds


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


class _RowCondition(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether a polars SQL condition holds for each row; what is null is not judged."""

    condition_metric_name = "citydw.row_condition"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("condition",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, condition: str, **_: object) -> pd.Series[bool]:
        holds = _to_polars(column_list).select(pl.sql_expr(condition)).to_series().fill_null(True)
        return pd.Series(holds.to_numpy(), index=column_list.index)


class ExpectRowCondition(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect a condition over several columns of a row, in polars SQL, for what no core expectation can say."""

    condition: str
    ignore_row_if: str = "all_values_are_missing"
    map_metric: ClassVar[str] = "citydw.row_condition"
    success_keys: ClassVar[tuple[str, ...]] = ("condition", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "condition")


class _DaysInOrder(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether one day can lie before another, or not too far from it; what is not known is not judged."""

    condition_metric_name = "citydw.days_in_order"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("slack", "at_most")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, slack: int, at_most: int | None, **_: object) -> pd.Series[bool]:
        earlier, later = (possible_days(days) for days in _to_polars(column_list).iter_columns())
        holds = (earlier["first"] - later["last"]).dt.total_days() <= slack
        if at_most is not None:
            holds &= (later["first"] - earlier["last"]).dt.total_days() <= at_most
        return pd.Series(holds.fill_null(True).to_numpy(), index=column_list.index)


class ExpectDaysInOrder(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect the day in the first column to lie not after that in the second, as far as both are known.

    A column may be of dates, of times, or of dates that are known in part; `_as_of` is the delivery's period.
    """

    slack: int = 0  # days that it may lie behind all the same
    at_most: int | None = None  # days that it may lie before at most
    ignore_row_if: str = "never"  # a missing day is no fault; to leave its row out, GX copies all columns
    map_metric: ClassVar[str] = "citydw.days_in_order"
    success_keys: ClassVar[tuple[str, ...]] = ("slack", "at_most", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "slack", "at_most")


class _Understood(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether a column's semantic type understands each value."""

    condition_metric_name = "citydw.understood"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("contract", "semantic_type")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, contract: str, **_: object) -> pd.Series[bool]:
        column = _CONTRACTS[contract].column(column_list.columns[0])
        return pd.Series(semantic.understood(_to_polars(column_list), column).to_numpy(), index=column_list.index)


class ExpectColumnValuesToBeUnderstood(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect each value of the first column to be one that its semantic type can bring into the standard form.

    The second column of `column_list` is the date that says which period's code list applies, or the row's number.
    """

    contract: str
    semantic_type: str
    ignore_row_if: str = "never"  # a missing value is understood; to leave its row out, GX copies all columns
    map_metric: ClassVar[str] = "citydw.understood"
    success_keys: ClassVar[tuple[str, ...]] = ("contract", "semantic_type", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "semantic_type")


class _AreaAgrees(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether a stated area is about that of a geometry; what is null or no geometry is not judged."""

    condition_metric_name = "citydw.area_agrees"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("times", "slack")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, times: float, slack: float, **_: object) -> pd.Series[bool]:
        area, geometry = _to_polars(column_list)
        stated, measured = area.cast(pl.Float64), areas(geometry)
        apart = (measured - stated).abs() > slack
        holds = ~(apart & ((measured > stated * times) | (stated > measured * times)))
        return pd.Series(holds.fill_null(True).to_numpy(), index=column_list.index)


class ExpectAreaToAgree(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect the area in the first column, in square metres, to be about that of the second column's geometry."""

    times: float  # how many times the smaller of the two the larger may be
    slack: float = 1.0  # square metres that they may lie apart in any case
    ignore_row_if: str = "never"  # a missing one is no fault; to leave its row out, GX copies all columns
    map_metric: ClassVar[str] = "citydw.area_agrees"
    success_keys: ClassVar[tuple[str, ...]] = ("times", "slack", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "times", "slack")


class ExpectLikeThePast(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect a measure of a delivery's profile to lie where it lay in the accepted deliveries before it.

    It is judged on a frame of numbers with their bounds; see `etl.past`, which reckons them.
    """

    measure: Measure
    of: str = ""  # the column, where the measure is of one
    last: int = 28  # deliveries that are looked back on
    slack: float = 0.0  # how far outside it may lie: of a share and of days so much, of another number such a part
    most: float | None = None  # a bound of its own in place of the past
    column_list: list[str] = ["value", "least", "most"]  # noqa: RUF012
    condition: str = "value BETWEEN least AND most"
    ignore_row_if: str = "all_values_are_missing"
    map_metric: ClassVar[str] = "citydw.row_condition"
    success_keys: ClassVar[tuple[str, ...]] = ("condition", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "condition")


# Those whose condition needs nothing but its columns: all that the suites use and `tests/test_judge.py` compares.
_OF_COLUMNS_ALONE = (
    gxe.ExpectTableColumnsToMatchSet,
    gxe.ExpectColumnValuesToNotBeNull,
    gxe.ExpectColumnValuesToBeBetween,
    gxe.ExpectColumnValuesToMatchRegex,
    gxe.ExpectColumnPairValuesAToBeGreaterThanB,
    gxe.ExpectColumnValuesToBeUnique,
    gxe.ExpectCompoundColumnsToBeUnique,
    ExpectRowCondition,
    ExpectDaysInOrder,
    ExpectColumnValuesToBeUnderstood,
    ExpectAreaToAgree,
    ExpectLikeThePast,
)


class Configuration(ExpectationConfiguration):  # type: ignore[misc]
    """What is expected, as GX takes it. It is not changed any more: what GX makes of it again and again is kept."""

    @classmethod
    def of(cls, expectation: gxe.Expectation, text: Text, is_waived: bool = False) -> Configuration:
        """Of an expectation, as it will be judged and shown.

        Args:
            expectation: with meta that says its rule and wording.
            text: what Data Docs say in place of GX's own sentence.
            is_waived: it only warns, whatever its severity.
        """
        its = expectation.configuration
        severity = "warning" if is_waived else its.severity
        said = escape(f"{text.vi} / {text.en}", quote=False)  # Data Docs take it for HTML
        return cls(its.type, its.kwargs, its.meta, its.notes, description=said, severity=severity, id=its.id)

    def to_domain_obj(self) -> gxe.Expectation:
        """The expectation; GX asks for it six times a judgement."""
        return self._domain_obj

    def to_json_dict(self) -> dict[str, Any]:
        """What GX's store keeps of it."""
        return self._json_dict

    @cached_property
    def _domain_obj(self) -> gxe.Expectation:
        return super().to_domain_obj()

    @cached_property
    def _json_dict(self) -> dict[str, Any]:
        made: dict[str, Any] = super().to_json_dict()
        return made


@dataclass(frozen=True)
class Finding:
    """GX's answer to one expectation.

    Attributes:
        rule: identifier of the rule, from the expectation's meta.
        expectation: GX's name of the expectation's type.
        column: contract name of the (first) column that it is about, or None.
        is_of_meaning: whether it asks if the column's semantic type understands its values.
        severity: what its failing rows suffer.
        success: GX's own verdict, `mostly` considered.
        evaluated: rows judged.
        failed: rows that failed.
        positions: of the failing rows in the judged frame; None where the expectation is about the table as a whole.
        text: what people are told.
        about: dimension and responsibility.
    """

    rule: str
    expectation: str
    column: str | None
    is_of_meaning: bool
    severity: Severity
    success: bool
    evaluated: int
    failed: int
    positions: np.ndarray[Any, np.dtype[np.int64]] | None
    text: Text
    about: Wording


class JudgeError(ContractError):
    """An expectation that could not be evaluated: a fault of the suite, not of the data."""


@cache
def suite_of(
    contract: Contract, home: str, is_waived: bool = False, *, with_bare_deletions: bool = False
) -> Sequence[Configuration]:
    """What is expected of rows: the suite beside the contract, with what follows from the contract added in memory.

    Args:
        contract: the dataset's.
        home: folder for GX's validation results and Data Docs.
        is_waived: the suite's own expectations only warn; what follows from the contract still rejects.
        with_bare_deletions: of the rows that only delete a record (see `with_deletions`) nothing is required but what
            names it. To ask so takes longer.

    Raises:
        ContractError: if the suite would not be judged as it is written.
    """
    derived = [Configuration.of(e, _text(e.meta)) for e in _derived(contract, with_bare_deletions)]
    if with_bare_deletions:
        return [*derived, *suite_of(contract, home, is_waived)[len(derived) :]]
    declared = suite.check(contract)
    known = expectation_store.suite(contract, home).expectations
    if len(known) != declared:
        left_out = f"of {declared} expectations Great Expectations takes {len(known)}"
        raise ContractError(contract.path.with_suffix(".json"), left_out)
    own = [Configuration.of(e, _text(e.meta), is_waived) for e in known if not isinstance(e, ExpectLikeThePast)]
    try:
        judge(suite.sample(contract), own, contract)
    except JudgeError as error:
        raise ContractError(error.path, f"{error.findings[0]}; see whether it suits its column's type") from error
    return [*derived, *own]


def like_the_past(contract: Contract, home: str) -> list[ExpectLikeThePast]:
    """What the suite expects of a delivery in comparison with those before it."""
    own = expectation_store.suite(contract, home).expectations
    return [expectation for expectation in own if isinstance(expectation, ExpectLikeThePast)]


def is_rowwise(expectation: Configuration) -> bool:
    """Whether the answer is the same when rows are judged some at a time."""
    kind = expectation.to_domain_obj()
    if isinstance(kind, gxe.ExpectTableColumnsToMatchSet):
        return True  # all rows have the same columns
    return isinstance(kind, _OF_ROWS) and not isinstance(kind, _ACROSS_ROWS)


def _columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    """The columns that an expectation looks at; none if it is about the table."""
    named = [kwargs.get(name) for name in ("column", "column_A", "column_B")]
    return [name for name in [*named, *(kwargs.get("column_list") or [])] if name]


def judge(frame: pl.DataFrame, expectations: Sequence[Configuration], contract: Contract) -> list[Result]:
    """GX's answers on one frame, in the order of the expectations.

    Args:
        frame: the columns that the expectations look at.
        expectations: what to judge.
        contract: the dataset's.

    Returns:
        Results with the positions of the failing rows; they hold no value of the data.

    Raises:
        JudgeError: if an expectation could not be evaluated.
    """
    _CONTRACTS[contract.id] = contract
    engine = PandasExecutionEngine()
    # A batch of GX's own would first hash every cell for a fingerprint, which takes longer than all the rest.
    engine.load_batch_data("delivery", frame.to_pandas(use_pyarrow_extension_array=True))
    try:
        return [_judged(engine, expectation, contract) for expectation in expectations]
    finally:  # the two hold each other, and the frame with them until the garbage collector comes by
        engine.batch_manager.batch_data_cache.clear()


def _judged(engine: PandasExecutionEngine, expectation: Configuration, contract: Contract) -> Result:
    try:
        kind = expectation.to_domain_obj()
        if isinstance(kind, _OF_COLUMNS_ALONE):
            answer = kind._validate(_metrics(engine, kind), {"result_format": _RESULT_FORMAT}, engine)
            return Result(expectation_config=expectation, success=answer["success"], result=answer["result"])
        (result,) = Validator(execution_engine=engine, data_context=_context()).graph_validate(
            configurations=[expectation], runtime_configuration={"result_format": _RESULT_FORMAT}
        )
    except MemoryError:  # the machine's fault, not the suite's
        raise
    except Exception as error:  # its text may quote values, so it is not the cause of the one below
        fault = type(error).__name__
    else:
        return cast("Result", result)
    rule = expectation.meta.get("rule")
    path = contract.path.with_suffix(".json")
    raise JudgeError(path, f"expectation {rule!r} ({expectation.type}) cannot be evaluated: {fault}")


def _metrics(engine: PandasExecutionEngine, kind: gxe.Expectation) -> dict[str, Any]:
    """What an expectation needs to know, computed by GX's own function for its condition.

    GX itself plans a graph of a dozen metrics for each expectation; on a small file that takes five times as long as
    all the rest of judging it.
    """
    columns = engine.get_domain_records({}).columns.tolist()
    if isinstance(kind, gxe.ExpectTableColumnsToMatchSet):
        return {"table.columns": columns}

    def taken(names: Sequence[str]) -> dict[str, Any]:
        return {name: getattr(kind, name) for name in names if hasattr(kind, name)}

    provider, condition = get_metric_provider(f"{kind.map_metric}.condition", engine)
    domain, values = taken(provider.condition_domain_keys), taken(provider.condition_value_keys)
    # GX reads through the names of all columns for each expectation: it is shown only those that this one is about.
    shown = [name for name in _columns_of(domain) if name in columns]
    fails, _, _ = condition(provider, engine, domain, values, {"table.columns": shown}, {})
    count = len(engine.get_domain_records(taken(("row_condition", "condition_parser"))))
    return {
        "table.row_count": count,
        "column_values.nonnull.unexpected_count": count - len(fails),
        f"{kind.map_metric}.filtered_row_count": len(fails),
        f"{kind.map_metric}.unexpected_count": int(fails.sum()),  # where it asks for nulls, in place of the one above
        f"{kind.map_metric}.unexpected_index_list": fails.index[fails].tolist(),
    }


def merged(parts: Sequence[Sequence[Result]]) -> list[Result]:
    """The answers on all rows from those on some of them each.

    Args:
        parts: results of the same row-wise expectations, in the same order; one part at least.

    Returns:
        Results without positions.
    """
    return [_merged(results) for results in zip(*parts, strict=True)]


def _merged(results: Sequence[Result]) -> Result:
    whole = Result(
        success=all(r.success for r in results),
        expectation_config=results[0].expectation_config,
        result={key: value for key, value in results[0].result.items() if key in _KEPT},
        meta=results[0].meta,
        exception_info=results[0].exception_info,
    )
    if "unexpected_count" not in whole.result:
        return whole

    def total(name: str) -> int:
        return sum(r.result.get(name) or 0 for r in results)

    count, failed, missing = total("element_count"), total("unexpected_count"), total("missing_count")
    judged = count - missing
    whole.result |= {
        "element_count": count,
        "unexpected_count": failed,
        "unexpected_percent": failed / judged * 100 if judged else None,
    }
    if "missing_count" in whole.result:
        whole.result |= {"missing_count": missing, "missing_percent": missing / count * 100 if count else None}
    mostly = whole.expectation_config.kwargs.get("mostly", 1.0)
    whole.success = not judged or (judged - failed) / judged >= mostly  # as GX says it
    return whole


def suite_result(results: Sequence[Result], contract: Contract) -> ExpectationSuiteValidationResult:
    """What GX stores and renders of all answers; free of values and positions."""
    for result in results:
        result.result = {key: value for key, value in result.result.items() if key in _KEPT}
    statistics = calc_validation_statistics(list(results))
    return ExpectationSuiteValidationResult(
        success=statistics.success,
        results=list(results),
        suite_name=contract.id,
        statistics={
            "evaluated_expectations": statistics.evaluated_expectations,
            "successful_expectations": statistics.successful_expectations,
            "unsuccessful_expectations": statistics.unsuccessful_expectations,
            "success_percent": statistics.success_percent,
        },
        meta={},
    )


def unique_keys(keys: pl.DataFrame, count: int, contract: Contract) -> Finding:
    """Judge that the standard keys of a delivery's rows are unique.

    Args:
        keys: the standard key columns of all rows whose key could occur twice.
        count: of all rows; those that `keys` lacks are known to be unique.
        contract: the dataset's.
    """
    labels = ", ".join(c.label for c in contract.key)
    about = {"severity": "critical", "meta": _meta("unique_key", columns=labels)}
    unique = (
        gxe.ExpectCompoundColumnsToBeUnique(column_list=keys.columns, **about)
        if keys.width > 1
        else gxe.ExpectColumnValuesToBeUnique(column=keys.columns[0], **about)
    )
    expected = Configuration.of(unique, _text(unique.meta))
    if keys.is_empty():  # nothing to ask
        result = Result(success=True, expectation_config=expected, result={"element_count": 0, "unexpected_count": 0})
    else:
        (result,) = judge(keys, [expected], contract)
    found = finding(result)
    return replace(found, evaluated=count, success=found.failed <= contract.max_rejected * count)


_CONTRACTS: dict[str, Contract] = {}  # those being judged; a metric is given the id only


@cache
def _context() -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context


def _to_polars(frame: pd.DataFrame) -> pl.DataFrame:
    """Columns that pandas holds as Arrow's; `pl.from_pandas` takes six times as long for a small frame."""
    return pl.DataFrame({name: pa.array(frame[name]) for name in frame.columns})


def with_deletions(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame | None:
    """Typed rows with _DELETES; None if none of them deletes a record without all that is required of others."""
    required = [c.name for c in contract.columns if c.required and c not in contract.naming]
    deletes = semantic.deletes(frame, contract)
    if (
        not deletes.any()
        or not frame.filter(deletes).select(pl.any_horizontal(pl.col(required).is_null().any())).item()
    ):
        return None
    return frame.with_columns(deletes.cast(pl.Int8).alias(_DELETES))


def _derived(contract: Contract, with_bare_deletions: bool) -> list[gxe.Expectation]:
    mostly = 1 - contract.max_rejected
    expectations: list[gxe.Expectation] = [
        gxe.ExpectTableColumnsToMatchSet(
            column_set=[c.name for c in contract.columns],
            exact_match=False,
            severity="critical",
            meta=_meta("missing_column", columns=", ".join(c.label for c in contract.columns)),
        )
    ]
    for column in contract.columns:
        if column.required:
            is_of_all = not with_bare_deletions or column in contract.naming
            of_some = {} if is_of_all else {"row_condition": RowsWhere(_DELETES) == 0}
            about = {"severity": "critical", "meta": _column_meta("required", column)}
            expectations.append(
                gxe.ExpectColumnValuesToNotBeNull(column=column.name, mostly=mostly, **of_some, **about)
            )
        if column.semantic_type not in _ALWAYS_UNDERSTOOD:
            rule = f"semantic_{column.semantic_type}"
            if column.semantic_type == "code":
                rule = "unknown_code" if column.on_invalid == "reject" else "unlisted_code"
            expectations.append(
                ExpectColumnValuesToBeUnderstood(
                    column_list=[column.name, column.period_column or ROW],  # GX wants two columns
                    contract=contract.id,
                    semantic_type=column.semantic_type,
                    mostly=mostly,
                    severity="critical" if column.on_invalid == "reject" else "warning",
                    meta=_column_meta(rule, column),
                )
            )
        if column.semantic_type == "geometry":
            expectations += _of_shapes(column, mostly)
        expectations += _of_bounds(column, mostly)
    return expectations


def _of_bounds(column: Column, mostly: float) -> Iterator[gxe.Expectation]:
    """What ODCS's logicalTypeOptions say of a column's values."""
    bounds = column.bounds
    about = {"mostly": mostly, "severity": "critical" if column.on_invalid == "reject" else "warning"}
    if "minLength" in bounds or "maxLength" in bounds:
        least, most = bounds.get("minLength", 0), bounds.get("maxLength", _MOST_CHARACTERS)
        yield ExpectRowCondition(
            column_list=[column.name, ROW],  # GX wants two columns
            condition=f'LENGTH("{column.name}") BETWEEN {least} AND {most}',
            meta=_meta("length", column=column.label, least=least, most=most, example=column.example),
            **about,
        )
    if "pattern" in bounds:
        meta = _column_meta("pattern", column)
        yield gxe.ExpectColumnValuesToMatchRegex(column=column.name, regex=bounds["pattern"], meta=meta, **about)
    if "minimum" in bounds or "maximum" in bounds:
        least, most = bounds.get("minimum"), bounds.get("maximum")
        said = " … ".join("" if bound is None else f"{bound:g}" for bound in (least, most))
        meta = _meta("range", column=column.label, expected=said)
        yield gxe.ExpectColumnValuesToBeBetween(column=column.name, min_value=least, max_value=most, meta=meta, **about)


def _of_shapes(column: Column, mostly: float) -> Iterator[gxe.Expectation]:
    """What the first word of WKT says of a geometry: its kind, and whether it has heights."""
    if column.geometry_types:
        others = {*GEOMETRY_TYPES, "GeometryCollection", "LinearRing"} - {*column.geometry_types}
        yield ExpectRowCondition(
            column_list=[column.name, ROW],  # GX wants two columns
            condition=rf"NOT REGEXP_LIKE({column.name}, '(?i)^({'|'.join(sorted(others))})')",
            mostly=mostly,
            severity="critical" if column.on_invalid == "reject" else "warning",
            meta=_meta("geometry_kind", column=column.label, expected=", ".join(column.geometry_types)),
        )
    yield ExpectRowCondition(
        column_list=[column.name, ROW],
        condition=rf"NOT REGEXP_LIKE({column.name}, '(?i)^[a-z]+ *(Z|M|ZM) *(\(|E)')",
        severity="warning",
        meta=_meta("geometry_height", column=column.label),
    )


def _column_meta(rule: str, column: Column) -> dict[str, str]:
    return _meta(rule, column=column.label, example=column.example, expected=column.example)


def _meta(rule: str, **details: object) -> dict[str, str]:
    about = wording(rule)
    text = about.fill(**details)
    return {
        "rule": rule,
        "vi": text.vi,
        "en": text.en,
        "dimension": about.dimension,
        "responsible": about.responsible,
    }


def finding(result: Result) -> Finding:
    """GX's answer to one expectation, as the stations take it."""
    config = result.expectation_config
    meta = config.meta
    positions = result.result.get("unexpected_index_list")
    is_map = "unexpected_count" in result.result
    return Finding(
        rule=meta["rule"],
        expectation=config.type,
        column=next(iter(_columns_of(config.kwargs)), None),
        is_of_meaning=isinstance(config.to_domain_obj(), ExpectColumnValuesToBeUnderstood),
        severity="critical" if config.severity == "critical" else "warning",
        success=bool(result.success),
        evaluated=int(result.result.get("element_count") or 0),
        failed=int(result.result.get("unexpected_count") or 0),
        positions=np.array(positions or [], dtype=np.int64) if is_map else None,
        text=_text(meta),
        about=about(config),
    )


def _text(meta: Mapping[str, str]) -> Text:
    return Text(meta["vi"], meta["en"])


def about(expectation: Configuration | gxe.Expectation) -> Wording:
    """What a rule tells people, from its expectation's meta."""
    return Wording(**{name: expectation.meta[name] for name in ("vi", "en", "dimension", "responsible")})
