"""Validate: which rows of a delivery are good, and whether the delivery as a whole may go on.

Reads `raw/`; writes `validated/`: the numbers of the accepted rows, every problem found, GX's results, and the verdict.

Rules come first, each judged on all rows, so that a sender hears of everything that is wrong at once. Among the rows
that passed, one that repeats another in every column is a duplicate; one that only shares its key is a contradiction,
and all rows of that key are rejected.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from etl.contract import Contract
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.delivery.model import Delivery
from etl.delivery.problems import rejected_rows
from etl.delivery.profile import Earlier
from etl.delivery.publish import read_json, write_json, write_parquet
from etl.delivery.storage import Storage
from etl.validate import baseline, results
from etl.validate.judging import judge_rows
from etl.validate.uniqueness import unique
from etl.validate.verdict import hold_if_too_bad, hold_if_unlike_the_past


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
    judged = judge_rows(raw / "rows.parquet", extracted, delivery, contract, is_waived)
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
        hold_if_too_bad(findings, found, rejected, rows_in, contract)
        if contract.mode == "snapshot" and accepted.is_empty():
            raise Stop("held", "empty_snapshot")
        if compared.other:
            raise Stop("held", "part_or_later_word", file=delivery.file_name, other=compared.other)
        hold_if_unlike_the_past(compared)
    return report
