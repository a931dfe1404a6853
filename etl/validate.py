"""Validate: which rows of a delivery are good, and whether the delivery as a whole may go on.

Reads `raw/`; writes `validated/`: the numbers of the accepted rows, every problem found, GX's results, and the verdict.

Rules come first, each judged on all rows, so that a sender hears of everything that is wrong at once. Among the rows
that passed, one that repeats another in every column is a duplicate; one that only shares its key is a contradiction,
and all rows of that key are rejected.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from etl import expectation_store, judge, semantic
from etl.contract import Contract
from etl.delivery import PROBLEM, RECEIVED, ROW, Delivery, Stop, problems, rejected_rows
from etl.storage import Storage, write_json, write_parquet

HOLD_MINIMUM = (
    20  # failing rows below which no share of them holds a delivery: three rows of eight are three rejections
)


def validate(
    storage: Storage, delivery: Delivery, contract: Contract, gx_home: str, is_waived: bool = False
) -> dict[str, Any]:
    """Judge one delivery and publish `validated/.../accepted.parquet`, `problems.parquet` and `report.json`.

    Args:
        storage: the data root.
        delivery: whose raw rows are judged.
        contract: the dataset's.
        gx_home: folder for GX's validation results and Data Docs.
        is_waived: the suite's own expectations only warn, for a person has accepted the delivery.

    Returns:
        The report: counts of rows, and `findings`, one for each expectation, without any value of the data.

    Raises:
        Stop: if so much is wrong that a person must decide.
    """
    raw = storage.folder("raw", delivery)
    rows = pl.read_parquet(str(raw / "rows.parquet"))
    extracted = pl.read_parquet(str(raw / "problems.parquet"))
    accepted, found, findings, result = validate_rows(rows, extracted, contract, gx_home, is_waived)
    expectation_store.publish(result, delivery, contract, gx_home)

    rows_in = rows.height + extracted.filter(~pl.col(ROW).is_in(rows[ROW].implode())).height
    rejected = rejected_rows(found).len()
    report = {
        "rows_in": rows_in,
        "rejected": rejected,
        "duplicates": rows_in - rejected - accepted.len(),
        "accepted": accepted.len(),
        "findings": [
            {
                "rule": f.rule,
                "expectation": f.expectation,
                "column": f.column,
                "severity": f.severity,
                "success": f.success,
                "evaluated": f.evaluated,
                "failed": f.failed,
            }
            for f in findings
        ],
    }
    folder = storage.folder("validated", delivery)
    write_parquet(folder / "accepted.parquet", accepted.to_frame())
    write_parquet(folder / "problems.parquet", found)
    write_json(folder / "report.json", report)
    _hold_if_too_bad(findings, rejected, rows_in, contract)
    return report


def validate_rows(
    rows: pl.DataFrame, extracted: pl.DataFrame, contract: Contract, gx_home: str, is_waived: bool = False
) -> tuple[pl.Series, pl.DataFrame, list[judge.Finding], Any]:
    """Judge typed rows.

    Args:
        rows: as `raw/` holds them.
        extracted: problems that the extract station found in them (PROBLEM schema).
        contract: the dataset's.
        gx_home: folder for GX's validation results and Data Docs.
        is_waived: the suite's own expectations only warn.

    Returns:
        Numbers of the accepted rows; all problems, those of extract included; GX's findings; GX's result.
    """
    typed = rows.select(ROW, *(c.name for c in contract.columns))
    findings, result = judge.judge(typed, judge.suite_of(contract, gx_home, is_waived), contract)
    judged = [_problems(rows, f) for f in findings]
    # A cell that could not be typed is null in `rows`: "required" would accuse it a second time.
    news = pl.concat(judged).join(extracted, on=[ROW, "column"], how="anti", nulls_equal=True)
    found = pl.concat([extracted, news])

    good = typed.filter(~pl.col(ROW).is_in(rejected_rows(found).implode()))
    unique, key_findings = _unique(good, contract)
    found = pl.concat([found, *(_problems(rows.join(unique.select(ROW), on=ROW, how="semi"), f) for f in key_findings)])
    accepted = unique.filter(~pl.col(ROW).is_in(rejected_rows(found).implode()))[ROW]
    return accepted, found.sort(ROW, maintain_order=True).match_to_schema(PROBLEM), [*findings, *key_findings], result


def _problems(rows: pl.DataFrame, finding: judge.Finding) -> pl.DataFrame:
    if finding.positions is None or not len(finding.positions):
        return pl.DataFrame(schema=PROBLEM)
    failing = rows[finding.positions]
    named = next((n for n in (f"{RECEIVED}{finding.column}", finding.column) if n in rows.columns), None)
    value = pl.col(named) if named else pl.lit(None, pl.String)
    failing = failing.select(ROW, value.cast(pl.String).alias("value"))
    return problems(failing, finding.column, finding.rule, finding.text, finding.about, finding.severity)


def _unique(good: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, list[judge.Finding]]:
    """The good rows without duplicates, and GX's findings on the uniqueness of their keys, in the same order."""
    sequence = contract.column_with_role("sequence")
    names = [o.name for c in contract.key for o in semantic.outputs(c) if o.in_key]
    keys = pl.concat([semantic.standardise(good, c) for c in contract.key], how="horizontal").select(names)
    if sequence:  # within one file of changes the same record may change twice, but not twice at once
        keys = keys.with_columns(good[sequence.name])
    repeated = keys.is_duplicated()
    if repeated.any():
        again = good.filter(repeated)
        whole = pl.concat([semantic.standardise(again, c) for c in contract.columns], how="horizontal")
        later = again.filter(~whole.select(pl.struct(pl.all()).is_first_distinct()).to_series())[ROW]
        keep = ~good[ROW].is_in(later.implode())
        good, keys = good.filter(keep), keys.filter(keep)
    if good.is_empty():
        return good, []
    return good, judge.unique_keys(keys, contract)


def _hold_if_too_bad(findings: list[judge.Finding], rejected: int, rows_in: int, contract: Contract) -> None:
    for f in findings:
        if f.severity != "critical" or f.success:
            continue
        if f.positions is None or f.failed >= HOLD_MINIMUM:
            share = f"{f.failed / f.evaluated:.0%}" if f.evaluated else "100%"
            raise Stop("held", "too_many_rejected", share=share, detail=f"{f.text.vi} / {f.text.en}")
    if rejected >= HOLD_MINIMUM and rejected > contract.max_rejected * rows_in:
        raise Stop("held", "too_many_rejected", share=f"{rejected / rows_in:.0%}", detail="")
