"""Whether a delivery may go on, or is held: too much of it is wrong, or it is unlike those before it."""

from __future__ import annotations

import polars as pl

from etl.contract import Contract, Text
from etl.delivery.columns import ROW
from etl.delivery.messages import HOLD_MINIMUM, Stop
from etl.validate import baseline
from etl.validate.findings import Finding


def hold_if_too_bad(
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


def hold_if_unlike_the_past(compared: baseline.Compared) -> None:
    """Hold a delivery that lies outside what those before it were like, or whose columns seem to be renamed."""
    if compared.renamed:
        raise Stop("held", "renamed_column", columns=compared.renamed)
    if reasons := compared.reasons:
        detail = Text(" ".join(reason.vi for reason in reasons), " ".join(reason.en for reason in reasons))
        raise Stop("held", "unlike_the_past", detail=detail)
