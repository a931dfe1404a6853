"""What a sender declares of a file, in a manifest beside it, and whether the file keeps to it.

`births_2026-03-02.csv.manifest.json` may hold any of:
`{"as_of": "2026-03-02", "revision": 1, "sha256": "…", "rows": 812, "totals": {"so_tien": 1234567.89}}`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from etl.contract import Contract
from etl.delivery import Delivery, Stop

# What a sender mends by sending the same bytes with a right manifest.
RULES = ("unreadable_manifest", "declared_sha256", "declared_rows", "declared_total")


@dataclass(frozen=True)
class Declared:
    """A sender's manifest.

    Attributes:
        as_of: the period; None leaves it to the file's name.
        revision: of the period; None leaves it to the file's name.
        sha256: of the file's bytes, in hexadecimal.
        rows: records in the file, good or bad.
        totals: control totals: the sum of a numeric column over all rows, by the column's name in the file.
    """

    as_of: date | None = None
    revision: int | None = None
    sha256: str | None = None
    rows: int | None = None
    totals: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Declared:
        """The manifest that a JSON object holds.

        Raises:
            Stop: if it holds anything else; what is not understood is not ignored.
        """
        unknown = sorted(fields.keys() - cls.__dataclass_fields__.keys())
        if unknown:
            raise Stop("held", "unreadable_manifest", detail=unknown[0][:60])
        name = ""
        try:
            values: dict[str, Any] = {}
            for name, read in (
                ("as_of", date.fromisoformat),
                ("revision", _whole),
                ("sha256", str.lower),
                ("rows", _whole),
                ("totals", lambda totals: {str(column): Decimal(str(total)) for column, total in totals.items()}),
            ):
                if fields.get(name) is not None:
                    values[name] = read(fields[name])
        except (ValueError, TypeError, AttributeError, InvalidOperation):
            raise Stop("held", "unreadable_manifest", detail=name) from None
        return cls(**values)

    def check(self, delivery: Delivery, rows: pl.LazyFrame, rows_in: int, contract: Contract) -> None:
        """Compare the file with what was declared of it.

        Args:
            delivery: the file.
            rows: its typed rows, as `raw/` holds them.
            rows_in: records that the file holds, broken ones included.
            contract: says under which name a column is sent.

        Raises:
            Stop: where they differ.
        """
        if self.sha256 not in (None, delivery.sha256):
            raise Stop("held", "declared_sha256")
        if self.rows not in (None, rows_in):
            raise Stop("held", "declared_rows", declared=self.rows, found=rows_in)
        numeric = {c.source_name: c for c in contract.columns if c.type in ("integer", "number")}
        for name, total in self.totals.items():
            if name not in numeric:
                raise Stop("held", "unreadable_manifest", detail=name[:60])
            found = rows.select(pl.col(numeric[name].name).sum()).collect().item()
            if Decimal(str(found)) != total:
                raise Stop("held", "declared_total", column=numeric[name].label, declared=total, found=found)


def _whole(value: int | str) -> int:
    if isinstance(value, bool) or int(value) < 0:
        raise ValueError
    return int(value)
