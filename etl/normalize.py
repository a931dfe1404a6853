"""Normalize: accepted rows in the city's standard form, each column by its semantic type.

Reads `raw/` and `validated/`; writes `staging/`: ROW, the warehouse's columns, and for datasets of changes
`_change` and `_sequence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from etl import datatypes
from etl.contract import Contract
from etl.datatypes import whole_row
from etl.delivery import batches
from etl.delivery.columns import CHANGE, ROW, SEQUENCE
from etl.delivery.model import Delivery
from etl.delivery.publish import read_json, write_json
from etl.delivery.storage import Storage


def normalize(storage: Storage, delivery: Delivery, contract: Contract) -> dict[str, Any]:
    """Standardise one delivery's accepted rows and publish `staging/.../rows.parquet` and `report.json`."""
    validated = storage.folder("validated", delivery)
    accepted = pl.read_parquet(str(validated / "accepted.parquet"))[ROW]
    raw = batches.read(
        storage.folder("raw", delivery) / "rows.parquet", [ROW, *(column.name for column in contract.columns)]
    )
    folder = storage.folder("staging", delivery)
    count = 0
    parts: set[str] = set()
    with batches.writing(folder / "rows.parquet") as write:
        for staged in _staged(
            batches.each(lambda rows: normalize_rows(_among(rows, accepted), contract), raw), contract
        ):
            write(staged)
            count += staged.height
            parts.update(_parts(staged, contract))
    counts = read_json(validated / "report.json")
    report = {name: counts[name] for name in ("rows_in", "rejected", "duplicates")} | {"rows": count}
    report["parts"] = sorted(parts) if contract.part else None
    write_json(folder / "report.json", report)
    return report


def _staged(lots: Iterable[pl.DataFrame], contract: Contract) -> Iterator[pl.DataFrame]:
    """Some rows at a time in their order; where they have no key, each with which one of its equals it is."""
    if not contract.has_whole_row_key:
        yield from lots
        return
    copies = whole_row.Copies()
    yield from map(copies.numbered, lots)


def _parts(staged: pl.DataFrame, contract: Contract) -> pl.Series:
    """The parts that some rows are of; none where files are no parts of a whole."""
    columns = datatypes.part_columns(contract)
    return staged.select(datatypes.in_part(columns)).to_series().unique() if columns else pl.Series([], dtype=pl.String)


def _among(rows: pl.DataFrame, accepted: pl.Series) -> pl.DataFrame:
    """Those of some successive rows that were accepted; row numbers ascend."""
    if rows.is_empty():
        return rows
    near = accepted.filter(accepted.is_between(rows[ROW].first(), rows[ROW].last()))
    return rows.filter(pl.col(ROW).is_in(near.implode()))


def normalize_rows(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The standard form of typed, accepted rows; the order is kept. Where they have no key, with the row's hash."""
    content = datatypes.standardise_each(rows, contract.content)
    made = [rows.select(ROW), *content]
    if contract.has_whole_row_key:
        made.append(whole_row.hashes(pl.concat(content, how="horizontal")).to_frame())
    for role, name in (("change", CHANGE), ("sequence", SEQUENCE)):
        column = contract.column_with_role(role)
        if column:
            made.append(datatypes.standardise(rows, column).to_series(0).alias(name).to_frame())
    return pl.concat(made, how="horizontal")
