"""What came of expectations on rows: counts as Great Expectations gives them, and the positions of failing rows.

The values that failed are personal data: no finding holds one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import polars as pl

from etl import datatypes
from etl.contract import Contract, ContractError, Severity, Text
from etl.delivery.columns import RECEIVED, ROW
from etl.delivery.messages import wording
from etl.delivery.problems import NO_PROBLEMS, problems
from etl.validate.conditions import ColumnsMatchSet
from etl.validate.expected import Expectation
from etl.validate.own_conditions import Understood
from etl.validate.rows import Rows

Positions: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
# What is kept of a result, of which Great Expectations makes more.
KEPT = (
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
    "observed_value",
)
NOWHERE: Positions = np.array([], dtype=np.int64)


class JudgeError(ContractError):
    """An expectation that could not be evaluated: a fault of the suite, not of the data."""


@dataclass(frozen=True)
class Finding:
    """The answer to one expectation.

    Attributes:
        expectation: what was asked.
        success: the verdict, `mostly` considered.
        result: what Great Expectations stores of it: counts and percentages, or the value that was observed.
        positions: of the failing rows in the judged frame; none where it is about the table as a whole.
    """

    expectation: Expectation
    success: bool
    result: Mapping[str, Any]
    positions: Positions

    @classmethod
    def counted(cls, expectation: Expectation, count: int, judged: int, failing: Positions | int) -> Self:
        """The answer on rows.

        Args:
            expectation: what was asked.
            count: rows that it was asked of.
            judged: of these, the ones that do not lack what it looks at.
            failing: of these, the positions of those that fail, or how many do.
        """
        failed, positions = (failing, NOWHERE) if isinstance(failing, int) else (len(failing), failing)
        result: dict[str, Any] = {
            "element_count": count,
            "unexpected_count": failed,
            "unexpected_percent": failed / judged * 100 if judged else None,
        }
        if expectation.condition is not None and expectation.condition.skips_missing:
            missing = count - judged
            result |= {"missing_count": missing, "missing_percent": missing / count * 100 if count else None}
        success = not judged or (judged - failed) / judged >= expectation.mostly
        return cls(expectation, success, result, positions)

    @property
    def rule(self) -> str:
        """Identifier of the rule."""
        return self.expectation.meta["rule"]

    @property
    def is_of_table(self) -> bool:
        """Whether it is about the table as a whole, and no row fails."""
        return "unexpected_count" not in self.result

    @property
    def column(self) -> str | None:
        """Contract name of the (first) column that it is about, or None."""
        return next(iter(self.expectation.columns), None) or self.expectation.kwargs.get("of")

    @property
    def severity(self) -> Severity:
        """What its failing rows suffer."""
        return self.expectation.severity

    @property
    def evaluated(self) -> int:
        """Rows that it was asked of."""
        return int(self.result.get("element_count") or 0)

    @property
    def failed(self) -> int:
        """Rows that failed."""
        return int(self.result.get("unexpected_count") or 0)

    @property
    def text(self) -> Text:
        """What people are told."""
        return self.expectation.text


def judge(rows: Rows, expectations: Sequence[Expectation]) -> list[Finding]:
    """The answers on some rows, in the order of the expectations, all of which have conditions.

    Raises:
        JudgeError: if an expectation could not be evaluated.
    """
    try:
        return _judged(rows, expectations)
    except MemoryError:  # the machine's fault, not the suite's
        raise
    except Exception:  # its text may quote values
        pass
    return [_judged_alone(rows, expectation) for expectation in expectations]


def _judged_alone(rows: Rows, expectation: Expectation) -> Finding:
    try:
        (finding,) = _judged(rows, [expectation])
    except MemoryError:
        raise
    except Exception as error:  # so it is not the cause of the one below
        fault = type(error).__name__
    else:
        return finding
    raise unevaluated(expectation, rows.contract, fault)


def unevaluated(expectation: Expectation, contract: Contract, fault: str) -> JudgeError:
    """What is told of an expectation that could not be evaluated."""
    rule, path = expectation.meta.get("rule"), contract.path.with_suffix(".json")
    return JudgeError(path, f"expectation {rule!r} ({expectation.type}) cannot be evaluated: {fault}")


def _judged(rows: Rows, expectations: Sequence[Expectation]) -> list[Finding]:
    of_rows = {
        str(number): e.condition
        for number, e in enumerate(expectations)
        if e.condition and not isinstance(e.condition, ColumnsMatchSet)
    }
    fails = rows.frame.select(condition.fails(rows).alias(name) for name, condition in of_rows.items())
    asked = {condition.counted: condition.counts for condition in of_rows.values()}
    said = rows.frame.select(counts.alias(str(number)) for number, counts in enumerate(asked.values()))
    counts = dict(zip(asked, said.row(0) if asked else (), strict=True))  # a column set is no question on rows
    found = []
    for number, expectation in enumerate(expectations):
        if isinstance(expectation.condition, ColumnsMatchSet):
            there = sorted(rows.frame.columns)
            found.append(Finding(expectation, expectation.condition.is_met(there), {"observed_value": there}, NOWHERE))
        else:
            failing = np.flatnonzero(fails[str(number)].to_numpy())
            count = counts[of_rows[str(number)].counted]
            found.append(Finding.counted(expectation, count["asked"], count["judged"], failing))
    return found


def merged(parts: Sequence[Sequence[Finding]]) -> list[Finding]:
    """The answers on all rows from those on some of them each.

    Args:
        parts: findings on the same row-wise expectations, in the same order; one part at least.

    Returns:
        Findings without positions.
    """
    return [_merged(findings) for findings in zip(*parts, strict=True)]


def _merged(parts: Sequence[Finding]) -> Finding:
    if parts[0].is_of_table:
        return replace(parts[0], success=all(part.success for part in parts))
    count, failed, missing = (
        sum(part.result.get(name) or 0 for part in parts)
        for name in ("element_count", "unexpected_count", "missing_count")
    )
    return Finding.counted(parts[0].expectation, count, count - missing, failed)


def found_problems(
    rows: pl.DataFrame, findings: Sequence[Finding], extracted: pl.DataFrame, contract: Contract
) -> pl.DataFrame:
    """Problems of the rows that failed.

    Args:
        rows: raw rows, which were judged.
        findings: on these.
        extracted: the problems that the extract station found in them.
        contract: the dataset's.
    """
    found = [failures(rows, finding, contract) for finding in findings if finding.failed]
    if not found:
        return NO_PROBLEMS
    # A cell that could not be typed is null in `rows`: "required" would accuse it a second time. One that was sent back
    # is not accused twice either; but a text that was only flagged must still pass the rules.
    typed = [column.name for column in contract.columns if column.type != "string"]
    settled = extracted.filter((pl.col("severity") == "critical") | pl.col("column").is_in(typed))
    return pl.concat(found).join(settled, on=[ROW, "column"], how="anti", nulls_equal=True)


def failures(rows: pl.DataFrame, finding: Finding, contract: Contract) -> pl.DataFrame:
    """Problems of the rows that failed one expectation."""
    if not len(finding.positions):
        return NO_PROBLEMS
    failing = rows[finding.positions]
    named = next((n for n in (f"{RECEIVED}{finding.column}", finding.column) if n in rows.columns), None)
    value = pl.col(named) if named else pl.lit(None, pl.String)
    cells = failing.select(ROW, value.cast(pl.String).alias("value"))
    about = finding.expectation.about
    if finding.column is None or not isinstance(finding.expectation.condition, Understood):
        return problems(cells, finding.column, finding.rule, finding.text, about, finding.severity)
    column = contract.column(finding.column)
    found = []
    for (rule,), part in cells.with_columns(datatypes.reasons(failing, column)).group_by("rule", maintain_order=True):
        told = wording(str(rule)) if rule else about
        text = told.fill(column=column.label, example=column.example) if rule else finding.text
        found.append(problems(part, column.name, str(rule or finding.rule), text, told, finding.severity))
    return pl.concat(found)
