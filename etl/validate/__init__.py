"""Validate: which rows of a delivery are good, and whether the delivery as a whole may go on.

Reads `raw/`; writes `validated/`: the numbers of the accepted rows, every problem found, GX's results, and the verdict.

Rules come first, each judged on all rows, so that a sender hears of everything that is wrong at once. Among the rows
that passed, one that repeats another in every column is a duplicate; one that only shares its key is a contradiction,
and all rows of that key are rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl
from upath import UPath

from etl.contract import Contract, Text
from etl.delivery import batches
from etl.delivery.columns import AS_OF, ROW
from etl.delivery.messages import HOLD_MINIMUM, Stop
from etl.delivery.model import Delivery
from etl.delivery.problems import rejected_rows
from etl.delivery.profile import Earlier
from etl.delivery.publish import read_json, write_json, write_parquet
from etl.delivery.storage import Storage
from etl.validate import baseline, results
from etl.validate.conditions import DELETES
from etl.validate.expected import Expectation
from etl.validate.findings import Finding, found_problems, judge, merged
from etl.validate.profile import Counts, counted, total
from etl.validate.rows import Rows
from etl.validate.suite import expected
from etl.validate.uniqueness import keys, unique


def validate(
    storage: Storage,
    delivery: Delivery,
    contract: Contract,
    gx_home: str,
    is_waived: bool = False,
    earlier: Earlier | None = None,
) -> dict[str, Any]:
    """Judge one delivery and publish `validated/.../accepted.parquet`, `problems.parquet` and `report.json`.

    Args:
        storage: the data root.
        delivery: whose raw rows are judged.
        contract: the dataset's.
        gx_home: folder for GX's validation results and Data Docs.
        is_waived: the suite's own expectations only warn, for a person has accepted the delivery.
        earlier: the deliveries to compare it with; None if nobody knows of any.

    Returns:
        The report: counts of rows, `findings`, one for each expectation, and `profile`; without any value of the data.

    Raises:
        Stop: if so much is wrong that a person must decide.
    """
    raw = storage.folder("raw", delivery)
    extracted = pl.read_parquet(str(raw / "problems.parquet"))
    judged = _judge_rows(raw / "rows.parquet", extracted, delivery, contract, is_waived)
    accepted, key_problems, key_findings = unique(raw / "rows.parquet", judged.good, contract)
    compared = baseline.NOTHING
    if earlier:
        loaded = judged.good.filter(pl.col(ROW).is_in(accepted.implode()))["key"]
        compared = baseline.compare(storage, delivery, contract, loaded, judged.counts, earlier, is_waived)
    findings = [*judged.findings, *key_findings, *compared.findings]
    results.store([*judged.findings, *compared.findings], delivery, gx_home)

    found = pl.concat([extracted, judged.problems, key_problems, compared.problems]).sort(ROW, maintain_order=True)
    rows_in = read_json(raw / "report.json")["rows_in"]
    sent_back = rejected_rows(found)
    # A warning says that its row is loaded; of a row that is sent back it is told when the row comes again.
    found = found.filter((pl.col("severity") == "critical") | ~pl.col(ROW).is_in(sent_back.implode()).fill_null(False))
    rejected = sent_back.len()
    report = {
        "rows_in": rows_in,
        "rejected": rejected,
        "duplicates": rows_in - rejected - accepted.len(),
        "accepted": accepted.len(),
        "findings": [
            {
                "rule": f.rule,
                "expectation": f.expectation.type,
                "column": f.column,
                "severity": f.severity,
                "success": f.success,
                "evaluated": f.evaluated,
                "failed": f.failed,
            }
            for f in findings
        ],
        "profile": asdict(compared.profile) if compared.profile else None,
    }
    folder = storage.folder("validated", delivery)
    write_parquet(folder / "accepted.parquet", accepted.to_frame())
    write_parquet(folder / "problems.parquet", found)
    write_json(folder / "report.json", report)
    if not delivery.corrects:  # all rows of a correction were bad before: those still bad must not hold back the others
        _hold_if_too_bad(findings, found, rejected, rows_in, contract)
        if contract.mode == "snapshot" and accepted.is_empty():
            raise Stop("held", "empty_snapshot")
        if compared.other:
            raise Stop("held", "part_or_later_word", file=delivery.file_name, other=compared.other)
        _hold_if_unlike_the_past(compared)
    return report


@dataclass(frozen=True)
class _Judged:
    """What was found in some rows, or in all.

    Attributes:
        findings: the answers to what is expected of rows.
        problems: PROBLEM schema; without those that the extract station found.
        good: ROW of the rows that no rule rejects, and `key`, a hash of their standard key.
        counts: of codes and districts, as the comparison with the past asks for them.
    """

    findings: list[Finding]
    problems: pl.DataFrame
    good: pl.DataFrame
    counts: Counts


def _judge_rows(
    path: UPath, extracted: pl.DataFrame, delivery: Delivery, contract: Contract, is_waived: bool
) -> _Judged:
    """Judge all rows of `raw/`: batch by batch where the answer on a row does not depend on others."""
    expectations = expected(contract, is_waived)
    rowwise = [e for e in expectations if e.is_rowwise]
    with_deletions = [e for e in expected(contract, is_waived, with_bare_deletions=True) if e.is_rowwise]
    as_of = pl.lit(delivery.as_of, pl.Date).alias(AS_OF)  # some rules are about it
    dated = (rows.with_columns(as_of) for rows in batches.read(path))
    parts = list(batches.each(lambda rows: _judge_batch(rows, extracted, rowwise, with_deletions, contract), dated))
    whole = _Judged(
        merged([part.findings for part in parts]),
        pl.concat([part.problems for part in parts]),
        pl.concat([part.good for part in parts]),
        total([part.counts for part in parts]),
    )
    across = [e for e in expectations if not e.is_rowwise]
    if not across:
        return whole
    rows = pl.concat(batches.read(path)).with_columns(as_of)
    findings = _judge_across(Rows(rows, contract), across)
    found = found_problems(rows, findings, extracted, contract)
    good = whole.good.filter(~pl.col(ROW).is_in(rejected_rows(found).implode()))
    return _Judged([*whole.findings, *findings], pl.concat([whole.problems, found]), good, whole.counts)


def _judge_across(rows: Rows, expectations: Sequence[Expectation]) -> list[Finding]:
    """Judge what depends on more than a row, or what only Great Expectations knows."""
    found = []
    for expectation in expectations:
        if expectation.condition:
            found += judge(rows, [expectation])
        else:
            from etl.validate import gx  # takes seconds

            found.append(gx.judge(rows, expectation))
    return found


@dataclass(frozen=True)
class _Part:
    """What was found in a batch; as `_Judged`, but for the counts, which are not yet put together."""

    findings: list[Finding]
    problems: pl.DataFrame
    good: pl.DataFrame
    counts: dict[str, pl.DataFrame]


def _judge_batch(
    raw: pl.DataFrame,
    extracted: pl.DataFrame,
    expectations: Sequence[Expectation],
    with_deletions: Sequence[Expectation],
    contract: Contract,
) -> _Part:
    extracted = extracted.filter(pl.col(ROW).is_between(raw[ROW].min(), raw[ROW].max()))
    rows = Rows(raw.select(ROW, AS_OF, *(c.name for c in contract.columns)), contract)
    if _has_bare_deletions(rows):
        rows.frame = rows.frame.with_columns(rows.deletes().cast(pl.Int8).alias(DELETES))
        expectations = with_deletions
    findings = judge(rows, expectations)
    found = found_problems(raw, findings, extracted, contract)
    is_good = ~raw[ROW].is_in(rejected_rows(pl.concat([extracted, found])).implode())
    good = pl.DataFrame([raw[ROW], keys(rows).hash_rows().alias("key")]).filter(is_good)
    counts = counted(rows, dict.fromkeys(b.of for b in contract.baselines if b.measure == "share" and b.of))
    return _Part(merged([findings]), found, good, counts)


def _has_bare_deletions(rows: Rows) -> bool:
    """Whether a row deletes a record without all that is required of others."""
    required = [c.name for c in rows.contract.columns if c.required and c not in rows.contract.naming]
    deletes = rows.deletes()
    if not deletes.any():
        return False
    return bool(rows.frame.filter(deletes).select(pl.any_horizontal(pl.col(required).is_null().any())).item())


def _hold_if_too_bad(
    findings: list[Finding], found: pl.DataFrame, rejected: int, rows_in: int, contract: Contract
) -> None:
    """Hold a delivery of which too much is wrong; what is named is what is wrong in the most rows."""
    failed = [f for f in findings if f.severity == "critical" and not f.success]
    about_the_table = next((f for f in failed if f.is_of_table), None)
    if about_the_table:
        raise Stop("held", "too_many_rejected", share="100%", detail=about_the_table.text)
    if max((f.failed for f in failed), default=0) < HOLD_MINIMUM and (
        rejected < HOLD_MINIMUM or rejected <= contract.max_rejected * rows_in
    ):
        return
    critical = found.filter(pl.col("severity") == "critical")
    said = critical.group_by("rule", "column", "vi", "en", maintain_order=True).agg(
        pl.col(ROW).n_unique().alias("rows")
    )
    worst = said.sort("rows", descending=True, maintain_order=True).row(0, named=True)
    share = f"{worst['rows'] / rows_in:.0%}"
    raise Stop("held", "too_many_rejected", share=share, detail=Text(worst["vi"], worst["en"]))


def _hold_if_unlike_the_past(compared: baseline.Compared) -> None:
    if compared.renamed:
        raise Stop("held", "renamed_column", columns=compared.renamed)
    if reasons := compared.reasons:
        detail = Text(" ".join(reason.vi for reason in reasons), " ".join(reason.en for reason in reasons))
        raise Stop("held", "unlike_the_past", detail=detail)
