"""Deliveries that wait: for a worker, or for a person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from etl.delivery.entry import Found, Waiting
from etl.delivery.messages import WRONG_CONTRACT
from etl.delivery.state import UNDERWAY, State
from etl.warehouse.delivery_table import delivery_table, stands
from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import ledger_tables


def waiting_deliveries(ledger: Ledger, dataset: str | None = None) -> list[Waiting]:
    """Deliveries that have never come to their end, or wait for a person; what waits for us is left out.

    Args:
        ledger: of all deliveries.
        dataset: agency.dataset; all by default.
    """
    c, w = delivery_table().c, ledger_tables()["waiting"].c

    def last(table: str, column: str) -> sa.ScalarSelect[datetime]:
        of = ledger_tables()[table].c
        mine = (of.dataset == c.dataset, of.delivery_id == c.delivery_id)
        return sa.select(sa.func.max(of[column])).where(*mine).scalar_subquery()

    happened = (last("arrival", "arrived_at"), last("decision", "decided_at"), last("withdrawal", "decided_at"))
    since = sa.func.greatest(c.received_at, c.held_at, c.loaded_at, *happened).label("since")
    query = sa.select(c.dataset, c.delivery_id, c.state, since, w.found, w.found_at).select_from(delivery_table())
    query = query.outerjoin(w.found.table, (w.dataset == c.dataset) & (w.delivery_id == c.delivery_id))
    on_its_way = sa.or_(*map(stands, UNDERWAY)) & c.loaded_at.is_(None)
    untold = c.receipt_at.is_(None) & c.state.in_([state for state in State if state.is_final])
    for_a_person = stands(State.HELD) & (c.rule != WRONG_CONTRACT)
    query = query.where(on_its_way | untold | for_a_person).order_by(c.dataset, "since")
    if dataset:
        query = query.where(c.dataset == dataset)
    with ledger.connected() as connection:
        rows = connection.execute(query).all()
    return [Waiting(row.dataset, row.delivery_id, State(row.state), row.since, row.found, row.found_at) for row in rows]


def found_waiting(ledger: Ledger, deliveries: Iterable[Waiting], found: Found) -> None:
    """Record that Airflow has no run of these deliveries, and what was done about it."""
    rows = [{"dataset": w.dataset, "delivery_id": w.delivery_id, "found": found} for w in deliveries]
    if not rows:
        return
    new = insert(ledger_tables()["waiting"]).values([{**row, "found_at": sa.func.now()} for row in rows])
    anew = {"found": new.excluded.found, "found_at": new.excluded.found_at}
    with ledger.connected() as connection:
        connection.execute(new.on_conflict_do_update(index_elements=["dataset", "delivery_id"], set_=anew))
