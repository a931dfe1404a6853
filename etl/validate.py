"""Validate: which rows of a delivery are good, and whether the delivery as a whole may go on.

Reads `raw/`; writes `validated/`: the numbers of the accepted rows, every problem found, GX's results, and the verdict.

Rules come first, each judged on all rows, so that a sender hears of everything that is wrong at once. Among the rows
that passed, one that repeats another in every column is a duplicate; one that only shares its key is a contradiction,
and all rows of that key are rejected.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import compress
from typing import Any

import polars as pl
from upath import UPath

from etl import batches, expectation_store, judge, past, semantic
from etl.contract import Contract, Text
from etl.delivery import (
    AS_OF,
    HOLD_MINIMUM,
    PROBLEM,
    RECEIVED,
    ROW,
    Delivery,
    Stop,
    problems,
    rejected_rows,
    wording,
)
from etl.profile import Earlier
from etl.storage import Storage, read_json, write_json, write_parquet


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
    judged = _judge_rows(raw / "rows.parquet", extracted, delivery, contract, gx_home, is_waived)
    accepted, key_problems, key_findings = _unique(raw / "rows.parquet", judged.good, contract)
    compared = past.NOTHING
    if earlier:
        keys = judged.good.filter(pl.col(ROW).is_in(accepted.implode()))["key"]
        compared = past.compare(storage, delivery, contract, keys, earlier, gx_home, is_waived)
    results = [*judged.results, *compared.results]
    findings = [*map(judge.finding, judged.results), *key_findings, *compared.findings]
    expectation_store.publish(judge.suite_result(results, contract), delivery, contract, gx_home)

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
                "expectation": f.expectation,
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
        results: GX's answers.
        problems: PROBLEM schema; without those that the extract station found.
        good: ROW of the rows that no rule rejects, and `key`, a hash of their standard key.
    """

    results: list[judge.Result]
    problems: pl.DataFrame
    good: pl.DataFrame


def _judge_rows(
    path: UPath, extracted: pl.DataFrame, delivery: Delivery, contract: Contract, gx_home: str, is_waived: bool
) -> _Judged:
    """Judge all rows of `raw/`: batch by batch where the answer on a row does not depend on others."""
    expectations = judge.suite_of(contract, gx_home, is_waived)
    are_rowwise = [judge.is_rowwise(e) for e in expectations]
    suites = (expectations, judge.suite_of(contract, gx_home, is_waived, with_bare_deletions=True))
    rowwise, with_deletions = (list(compress(suite, are_rowwise)) for suite in suites)
    as_of = pl.lit(delivery.as_of, pl.Date).alias(AS_OF)  # some rules are about it
    dated = (rows.with_columns(as_of) for rows in batches.read(path))
    parts = list(batches.each(lambda rows: _judge_batch(rows, extracted, rowwise, with_deletions, contract), dated))
    whole = _Judged(
        judge.merged([part.results for part in parts]),
        pl.concat([part.problems for part in parts]),
        pl.concat([part.good for part in parts]),
    )
    if all(are_rowwise):
        return whole
    rows = pl.concat(batches.read(path)).with_columns(as_of)
    across = [e for e, is_rowwise in zip(expectations, are_rowwise, strict=True) if not is_rowwise]
    results = judge.judge(rows, across, contract)
    found = _problems(rows, results, extracted, contract)
    good = whole.good.filter(~pl.col(ROW).is_in(rejected_rows(found).implode()))
    return _Judged([*whole.results, *results], pl.concat([whole.problems, found]), good)


def _judge_batch(
    rows: pl.DataFrame,
    extracted: pl.DataFrame,
    expectations: list[judge.Configuration],
    with_deletions: list[judge.Configuration],
    contract: Contract,
) -> _Judged:
    extracted = extracted.filter(pl.col(ROW).is_between(rows[ROW].min(), rows[ROW].max()))
    typed = rows.select(ROW, AS_OF, *(c.name for c in contract.columns))
    deleting = judge.with_deletions(typed, contract)
    if deleting is None:
        results = judge.judge(typed, expectations, contract)
    else:
        results = judge.judge(deleting, with_deletions, contract)
    found = _problems(rows, results, extracted, contract)
    rejected = rejected_rows(pl.concat([extracted, found]))
    good = typed.filter(~pl.col(ROW).is_in(rejected.implode()))
    keys = pl.DataFrame([good[ROW], _keys(good, contract).hash_rows().alias("key")])
    return _Judged(judge.merged([results]), found, keys)


def _problems(
    rows: pl.DataFrame, results: list[judge.Result], extracted: pl.DataFrame, contract: Contract
) -> pl.DataFrame:
    """Problems of the rows that failed."""
    found = [_failures(rows, finding, contract) for finding in map(judge.finding, results) if finding.failed]
    if not found:
        return pl.DataFrame(schema=PROBLEM)
    # A cell that could not be typed is null in `rows`: "required" would accuse it a second time. One that was sent back
    # is not accused twice either; but a text that was only flagged must still pass the rules.
    typed = [column.name for column in contract.columns if column.type != "string"]
    settled = extracted.filter((pl.col("severity") == "critical") | pl.col("column").is_in(typed))
    return pl.concat(found).join(settled, on=[ROW, "column"], how="anti", nulls_equal=True)


def _failures(rows: pl.DataFrame, finding: judge.Finding, contract: Contract) -> pl.DataFrame:
    if finding.positions is None or not len(finding.positions):
        return pl.DataFrame(schema=PROBLEM)
    failing = rows[finding.positions]
    named = next((n for n in (f"{RECEIVED}{finding.column}", finding.column) if n in rows.columns), None)
    value = pl.col(named) if named else pl.lit(None, pl.String)
    cells = failing.select(ROW, value.cast(pl.String).alias("value"))
    if finding.column is None or not finding.is_of_meaning:
        return problems(cells, finding.column, finding.rule, finding.text, finding.about, finding.severity)
    column = contract.column(finding.column)
    found = []
    for (rule,), part in cells.with_columns(semantic.reasons(failing, column)).group_by("rule", maintain_order=True):
        about = wording(str(rule)) if rule else finding.about
        text = about.fill(column=column.label, example=column.example) if rule else finding.text
        found.append(problems(part, column.name, str(rule or finding.rule), text, about, finding.severity))
    return pl.concat(found)


def _key_names(contract: Contract) -> list[str]:
    names = [o.name for c in contract.key for o in semantic.outputs(c) if o.in_key]
    # Within one file of changes the same record may change twice, but not twice at once.
    sequence = contract.column_with_role("sequence")
    return [*names, sequence.name] if sequence else names


def _keys(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The standard key of each row."""
    made = [semantic.standardise(rows, c) for c in contract.key]
    if sequence := contract.column_with_role("sequence"):
        made.append(rows.select(sequence.name))
    return pl.concat(made, how="horizontal").select(_key_names(contract))


def _unique(path: UPath, good: pl.DataFrame, contract: Contract) -> tuple[pl.Series, pl.DataFrame, list[judge.Finding]]:
    """Tell duplicates and contradictions among the good rows.

    Args:
        path: all rows.
        good: ROW and `key` of the good ones.
        contract: the dataset's.

    Returns:
        Numbers of the accepted rows, in their order; the problems of contradictory ones; and GX's finding on them.
    """
    if good.is_empty():
        return good[ROW], pl.DataFrame(schema=PROBLEM), []
    ordered = good["key"].sort()  # takes far less memory than a hash table of millions of hashes
    twice = ordered.filter(ordered == ordered.shift(1)).unique()
    if twice.is_empty():
        found = judge.unique_keys(pl.DataFrame(schema=_key_names(contract)), good.height, contract)
        return good[ROW], pl.DataFrame(schema=PROBLEM), [found]
    again = good.filter(pl.col("key").is_in(twice.implode()))[ROW]
    rows = pl.scan_parquet(str(path)).filter(pl.col(ROW).is_in(again.implode())).collect(engine="streaming")
    whole = pl.concat([semantic.standardise(rows, c) for c in contract.columns], how="horizontal")
    is_first = whole.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    later, rows = rows.filter(~is_first)[ROW], rows.filter(is_first)
    found = judge.unique_keys(_keys(rows, contract), good.height - len(later), contract)
    contradicting = _failures(rows, found, contract)
    gone = pl.concat([later, rejected_rows(contradicting)])
    return good[ROW].filter(~good[ROW].is_in(gone.implode())), contradicting, [found]


def _hold_if_too_bad(
    findings: list[judge.Finding], found: pl.DataFrame, rejected: int, rows_in: int, contract: Contract
) -> None:
    """Hold a delivery of which too much is wrong; what is named is what is wrong in the most rows."""
    failed = [f for f in findings if f.severity == "critical" and not f.success]
    about_the_table = next((f for f in failed if f.positions is None), None)
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


def _hold_if_unlike_the_past(compared: past.Compared) -> None:
    if compared.renamed:
        raise Stop("held", "renamed_column", columns=compared.renamed)
    if reasons := compared.reasons:
        detail = Text(" ".join(reason.vi for reason in reasons), " ".join(reason.en for reason in reasons))
        raise Stop("held", "unlike_the_past", detail=detail)
