"""All rows of `raw/` judged by what is expected of them: batch by batch where an answer depends on one row alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from upath import UPath

from etl.contract import Contract
from etl.delivery import batches
from etl.delivery.columns import AS_OF, ROW
from etl.delivery.model import Delivery
from etl.delivery.problems import rejected_rows
from etl.validate.conditions import DELETES
from etl.validate.expected import Expectation
from etl.validate.findings import Finding, found_problems, judge, merged
from etl.validate.profile import Counts, counted, total
from etl.validate.rows import Rows
from etl.validate.suite import expected
from etl.validate.uniqueness import keys


@dataclass(frozen=True)
class Judged:
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


def judge_rows(path: UPath, extracted: pl.DataFrame, delivery: Delivery, contract: Contract, is_waived: bool) -> Judged:
    """Judge all rows of `raw/`: batch by batch where the answer on a row does not depend on others."""
    expectations = expected(contract, is_waived)
    rowwise = [e for e in expectations if e.is_rowwise]
    with_deletions = [e for e in expected(contract, is_waived, with_bare_deletions=True) if e.is_rowwise]
    as_of = pl.lit(delivery.as_of, pl.Date).alias(AS_OF)  # some rules are about it
    dated = (rows.with_columns(as_of) for rows in batches.read(path))
    parts = list(batches.each(lambda rows: _judge_batch(rows, extracted, rowwise, with_deletions, contract), dated))
    whole = Judged(
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
    return Judged([*whole.findings, *findings], pl.concat([whole.problems, found]), good, whole.counts)


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
    """What was found in a batch; as `Judged`, but for the counts, which are not yet put together."""

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
