"""Which notices were sent, and by which way.

A notice is its dataset, event, and what it is about.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import ledger_tables

Notice = tuple[str, str, str]


def last_told(ledger: Ledger, way: str, event: str) -> datetime | None:
    """When a notice of that kind was last sent that way; None if none ever was."""
    t = ledger_tables()["notification"].c
    with ledger.connected() as connection:
        return connection.execute(sa.select(sa.func.max(t.sent_at)).where(t.way == way, t.event == event)).scalar()


def told(ledger: Ledger, way: str, notices: Iterable[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Those of some notices, one at least, that were sent that way.

    A notice is its dataset, event, and what it is about.
    """
    query = sa.text(
        "SELECT dataset, event, about FROM ops.notification"
        " JOIN unnest(CAST(:datasets AS text[]), CAST(:events AS text[]), CAST(:abouts AS text[]))"
        " AS asked (dataset, event, about) USING (dataset, event, about) WHERE way = :way"
    )
    datasets, events, abouts = map(list, zip(*notices, strict=True))
    asked = {"datasets": datasets, "events": events, "abouts": abouts, "way": way}
    with ledger.connected() as connection:
        return {(dataset, event, about) for dataset, event, about in connection.execute(query, asked)}


def tell(ledger: Ledger, way: str, notices: Iterable[tuple[str, str, str]]) -> None:
    """Record that notices were sent that way."""
    rows = [{"dataset": dataset, "event": event, "about": about, "way": way} for dataset, event, about in notices]
    with ledger.connected() as connection:
        connection.execute(insert(ledger_tables()["notification"]).on_conflict_do_nothing(), rows)
