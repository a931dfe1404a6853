"""What is late: of deliveries, of datasets, and of the parts that are expected of one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from etl.delivery.entry import Part
from etl.delivery.model import Delivery
from etl.warehouse.ledger import Ledger


def late_by(ledger: Ledger, delivery: Delivery) -> timedelta | None:
    """How long after it was due the delivery came; None if it came in time."""
    query = sa.text("SELECT late_by FROM ops.punctuality WHERE (dataset, delivery_id) = (:dataset, :id)")
    with ledger.connected() as connection:
        return connection.execute(query, {"dataset": delivery.contract_id, "id": delivery.id}).scalar()


def freshness(ledger: Ledger) -> list[dict[str, Any]]:
    """The rows of `ops.freshness`, the latest dataset first."""
    query = sa.text("SELECT * FROM ops.freshness ORDER BY late_by DESC NULLS LAST, dataset")
    with ledger.connected() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def parts(ledger: Ledger, dataset: str | None = None) -> dict[str, list[Part]]:
    """The parts that are expected of each dataset that comes in parts, or of one; the latest part first."""
    query = sa.text(
        "SELECT dataset, part, name, last_period_loaded, due_at, late_by FROM ops.part_freshness"
        " WHERE dataset = coalesce(:dataset, dataset) ORDER BY late_by DESC NULLS LAST, part"
    )
    made: dict[str, list[Part]] = {}
    with ledger.connected() as connection:
        for name, *row in connection.execute(query, {"dataset": dataset}):
            made.setdefault(name, []).append(Part(*row))
    return made
