"""What was found in a delivery: its problems, validation results and profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa

from etl.delivery.columns import ROW
from etl.delivery.model import Delivery
from etl.warehouse.copy import copy_rows
from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import ledger_tables


def record(ledger: Ledger, delivery: Delivery, problems: pl.DataFrame, report: Mapping[str, Any]) -> None:
    """Replace the delivery's problems, validation results and profile.

    Args:
        ledger: of all deliveries.
        delivery: whose they are.
        problems: of the PROBLEM schema.
        report: of the validate station.
    """
    named = {"dataset": delivery.contract_id, "delivery_id": delivery.id}
    findings: list[dict[str, Any]] = report["findings"]
    problem, validation, profile = (ledger_tables()[name] for name in ("problem", "validation", "profile"))
    with ledger.connected() as connection:
        for table in (problem, validation, profile):
            where = (table.c.dataset == named["dataset"], table.c.delivery_id == named["delivery_id"])
            connection.execute(table.delete().where(*where))
        if problems.height:
            rows = problems.rename({ROW: "row_no", "column": "column_name"})
            columns = [pl.lit(value).alias(name) for name, value in named.items()]
            copy_rows(connection, "ops.problem", [rows.select(*columns, pl.all())])
        if findings:
            rows_of = [{**named, "column_name": f["column"], **f} for f in findings]
            connection.execute(validation.insert(), [{k: v for k, v in r.items() if k != "column"} for r in rows_of])
        if measured := report["profile"]:
            about = {name: measured[name] for name in ("part", "rows", "numbers")}
            connection.execute(profile.insert().values(**named, **about))


def count(ledger: Ledger, delivery: Delivery) -> int:
    """How many problems the ledger holds of the delivery."""
    problem = ledger_tables()["problem"]
    where = (problem.c.dataset == delivery.contract_id, problem.c.delivery_id == delivery.id)
    with ledger.connected() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(problem).where(*where)).scalar_one()
