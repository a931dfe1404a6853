"""Problems: what is wrong with which row, in one shape for ledger, receipt and check."""

from __future__ import annotations

import polars as pl

from etl.contract import Severity, Text
from etl.delivery.columns import ROW
from etl.delivery.messages import Wording
from etl.delivery.model import Delivery
from etl.delivery.storage import Storage

MISREAD, READS = "misread_text", " → "  # a rule, and what parts a text as sent from what it would read

# A problem is one row of this shape everywhere: ledger, receipt, check.
PROBLEM = pl.Schema(
    {
        ROW: pl.Int64(),
        "column": pl.String(),
        "value": pl.String(),
        "rule": pl.String(),
        "severity": pl.String(),
        "dimension": pl.String(),
        "responsible": pl.String(),
        "vi": pl.String(),
        "en": pl.String(),
    }
)
NO_PROBLEMS = pl.DataFrame(schema=PROBLEM)


def problems(
    rows: pl.DataFrame, column: str | None, rule: str, text: Text, about: Wording, severity: Severity = "critical"
) -> pl.DataFrame:
    """Problems of one rule.

    Args:
        rows: the failing rows: ROW and `value`, what the sender wrote (null if there is nothing to show).
        column: contract name of the column, or None where the whole row is meant.
        rule: identifier of the rule.
        text: what people are told.
        about: dimension and responsibility of the rule.
        severity: critical rejects the row, warning flags it.

    Returns:
        A frame of the PROBLEM schema, in the order of `rows`.
    """
    return rows.select(
        pl.col(ROW),
        pl.lit(column, pl.String).alias("column"),
        pl.col("value").cast(pl.String).str.replace_all("\0", "␀", literal=True),  # PostgreSQL takes no NUL
        pl.lit(rule).alias("rule"),
        pl.lit(severity).alias("severity"),
        pl.lit(about.dimension).alias("dimension"),
        pl.lit(about.responsible).alias("responsible"),
        pl.lit(text.vi).alias("vi"),
        pl.lit(text.en).alias("en"),
    )


def found_in(storage: Storage, delivery: Delivery) -> pl.DataFrame:
    """What the stations have found in a delivery so far, of the PROBLEM schema; the last one has the last word."""
    for zone in ("validated", "raw"):
        path = storage.folder(zone, delivery) / "problems.parquet"
        if path.exists():
            return pl.read_parquet(str(path))
    return NO_PROBLEMS


def rejected_rows(found: pl.DataFrame) -> pl.Series:
    """The numbers of the rows that a frame of problems rejects, each once."""
    return found.filter(pl.col("severity") == "critical")[ROW].unique()
