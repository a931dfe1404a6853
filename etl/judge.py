"""Great Expectations, the judge of content: suites, what follows from the contract, and its answer as our findings.

Importing Great Expectations takes seconds, so only the station that validates imports this module.

What GX returns carries the values that failed; they are personal data. Only positions leave this module: values are
stripped before a result is stored or rendered.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import polars as pl
from great_expectations.core.batch import Batch
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import MulticolumnMapMetricProvider
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)

from etl import expectation_store, semantic
from etl.contract import Column, Contract, Severity, Text
from etl.delivery import ROW, Wording, wording

logging.getLogger("great_expectations").setLevel(logging.ERROR)  # its warnings quote values

# Semantic types that take every value of their column's type: there is nothing to expect of them.
_ALWAYS_UNDERSTOOD = {"text", "date", "money", "number", "address"}
# COMPLETE gives the positions of all failing rows; naming index columns or asking for the query costs 20 times more.
_RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False, "partial_unexpected_count": 0}
_KEPT = (
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
    "observed_value",
)


class _RowCondition(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether a polars SQL condition holds for each row; what is null is not judged."""

    condition_metric_name = "citydw.row_condition"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("condition",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, condition: str, **_: object) -> pd.Series[bool]:
        holds = pl.from_pandas(column_list).select(pl.sql_expr(condition)).to_series().fill_null(True)
        return pd.Series(holds.to_numpy(), index=column_list.index)


class ExpectRowCondition(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect a condition over several columns of a row, in polars SQL, for what no core expectation can say."""

    condition: str
    ignore_row_if: str = "all_values_are_missing"
    map_metric: ClassVar[str] = "citydw.row_condition"
    success_keys: ClassVar[tuple[str, ...]] = ("condition", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "condition")


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
    ignore_row_if: str = "all_values_are_missing"
    map_metric: ClassVar[str] = "citydw.understood"
    success_keys: ClassVar[tuple[str, ...]] = ("contract", "semantic_type", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_list", "semantic_type")


@dataclass(frozen=True)
class Finding:
    """GX's answer to one expectation.

    Attributes:
        rule: identifier of the rule, from the expectation's meta.
        expectation: GX's name of the expectation's type.
        column: contract name of the (first) column that it is about, or None.
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
    severity: Severity
    success: bool
    evaluated: int
    failed: int
    positions: np.ndarray[Any, np.dtype[np.int64]] | None
    text: Text
    about: Wording


class JudgeError(RuntimeError):
    """An expectation that could not be evaluated: a fault of the suite, not of the data."""


def suite_of(contract: Contract, home: str, is_waived: bool = False) -> gx.ExpectationSuite:
    """The dataset's suite, which lies beside its contract, with what follows from the contract added in memory.

    Args:
        contract: the dataset's.
        home: folder for GX's validation results and Data Docs.
        is_waived: the suite's own expectations only warn; what follows from the contract still rejects.
    """
    suite = expectation_store.suite(contract, home)
    if is_waived:
        for expectation in suite.expectations:
            expectation.severity = "warning"
    expectations = [*_derived(contract), *suite.expectations]
    for expectation in expectations:  # Data Docs then say what the agency reads, not GX's own sentence
        expectation.description = f"{expectation.meta['vi']} / {expectation.meta['en']}"
    configurations = [e.configuration for e in expectations]
    return gx.ExpectationSuite(name=contract.id, expectations=configurations, meta=suite.meta)


def judge(frame: pl.DataFrame, suite: gx.ExpectationSuite, contract: Contract) -> tuple[list[Finding], Any]:
    """Validate one frame of typed rows.

    Args:
        frame: ROW and the contract's typed columns.
        suite: from `suite_of`.
        contract: the dataset's, for labels and examples.

    Returns:
        One finding an expectation, and GX's validation result without any value of the data.

    Raises:
        JudgeError: if an expectation could not be evaluated.
    """
    _CONTRACTS[contract.id] = contract
    result = _batch(frame).validate(suite, result_format=_RESULT_FORMAT)
    findings = [_finding(r, contract) for r in result.results]
    for r in result.results:
        r.result = {key: r.result[key] for key in _KEPT if key in r.result}
    return findings, result


def unique_keys(keys: pl.DataFrame, contract: Contract) -> list[Finding]:
    """Judge that the standard keys of a delivery's rows are unique.

    Args:
        keys: the standard key columns, one row a record.
        contract: the dataset's.
    """
    labels = ", ".join(c.label for c in contract.key)
    expected = (
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=keys.columns,
            mostly=1 - contract.max_rejected,
            severity="critical",
            meta=_meta("unique_key", columns=labels),
        )
        if keys.width > 1
        else gxe.ExpectColumnValuesToBeUnique(
            column=keys.columns[0],
            mostly=1 - contract.max_rejected,
            severity="critical",
            meta=_meta("unique_key", columns=labels),
        )
    )
    return judge(keys, gx.ExpectationSuite(name=f"{contract.id}.key", expectations=[expected]), contract)[0]


_CONTRACTS: dict[str, Contract] = {}  # those being judged; a metric is given the id only


@cache
def _batch_definition() -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("delivery")
    return source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")


def _batch(frame: pl.DataFrame) -> Batch:
    pandas = frame.to_pandas(use_pyarrow_extension_array=True)
    return _batch_definition().get_batch(batch_parameters={"dataframe": pandas})


def _to_polars(frame: pd.DataFrame) -> pl.DataFrame:
    return pl.from_pandas(frame)


def _derived(contract: Contract) -> list[gxe.Expectation]:
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
            expectations.append(
                gxe.ExpectColumnValuesToNotBeNull(
                    column=column.name, mostly=mostly, severity="critical", meta=_column_meta("required", column)
                )
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
    return expectations


def _column_meta(rule: str, column: Column) -> dict[str, str]:
    return _meta(rule, column=column.label, example=column.example, expected=column.example)


def _meta(rule: str, **details: str) -> dict[str, str]:
    about = wording(rule)
    text = about.fill(**details)
    return {
        "rule": rule,
        "vi": text.vi,
        "en": text.en,
        "dimension": about.dimension,
        "responsible": about.responsible,
    }


def _finding(r: Any, contract: Contract) -> Finding:
    config = r.expectation_config
    if r.exception_info.get("raised_exception"):
        raise JudgeError(f"{contract.id}: expectation {config.meta.get('rule')!r} ({config.type}) cannot be evaluated.")
    columns = config.kwargs.get("column_list") or [config.kwargs.get("column") or config.kwargs.get("column_A")]
    meta = config.meta
    positions = r.result.get("unexpected_index_list")
    failed = int(r.result.get("unexpected_count") or 0)
    is_map = "unexpected_count" in r.result
    responsible: Literal["agency", "data_center"] = meta["responsible"]
    return Finding(
        rule=meta["rule"],
        expectation=config.type,
        column=columns[0],
        severity="critical" if config.severity == "critical" else "warning",
        success=bool(r.success),
        evaluated=int(r.result.get("element_count") or 0),
        failed=failed,
        positions=np.array(positions or [], dtype=np.int64) if is_map else None,
        text=Text(meta["vi"], meta["en"]),
        about=Wording(vi=meta["vi"], en=meta["en"], dimension=meta["dimension"], responsible=responsible),
    )
