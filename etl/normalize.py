"""Normalize: accepted rows in the city's standard form, each column by its semantic type.

Reads `raw/` and `validated/`; writes `staging/`: ROW, the warehouse's columns, and for datasets of changes
`_change` and `_sequence`.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from etl import semantic
from etl.contract import Contract
from etl.delivery import ROW, Delivery
from etl.history import CHANGE, SEQUENCE
from etl.storage import Storage, read_json, write_json, write_parquet


def normalize(storage: Storage, delivery: Delivery, contract: Contract) -> dict[str, Any]:
    """Standardise one delivery's accepted rows and publish `staging/.../rows.parquet` and `report.json`."""
    rows = pl.scan_parquet(str(storage.folder("raw", delivery) / "rows.parquet"))
    validated = storage.folder("validated", delivery)
    accepted = pl.scan_parquet(str(validated / "accepted.parquet"))
    staged = normalize_rows(rows.join(accepted, on=ROW, how="semi", maintain_order="left").collect(), contract)
    folder = storage.folder("staging", delivery)
    write_parquet(folder / "rows.parquet", staged)
    counts = read_json(validated / "report.json")
    report = {name: counts[name] for name in ("rows_in", "rejected", "duplicates")} | {"rows": staged.height}
    write_json(folder / "report.json", report)
    return report


def normalize_rows(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The standard form of typed, accepted rows; the order is kept."""
    made = [rows.select(ROW), *(semantic.standardise(rows, column) for column in contract.content)]
    for role, name in (("change", CHANGE), ("sequence", SEQUENCE)):
        column = contract.column_with_role(role)
        if column:
            made.append(semantic.standardise(rows, column).to_series(0).alias(name).to_frame())
    return pl.concat(made, how="horizontal")
