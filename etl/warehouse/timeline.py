"""Deliveries by their place in time: those before one, and those that are in a dataset's table.

What is asked for one delivery costs the same after fifty thousand others: it is found by an index.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from etl.delivery.entry import LedgerEntry
from etl.delivery.model import Delivery, Place
from etl.delivery.profile import Profile
from etl.warehouse.delivery_table import delivery_table, is_delivery, latest_first, select_entries
from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import ledger_tables

Moment = int | float | Decimal
_NEVER = -(2**63)  # before every moment


def before(ledger: Ledger, delivery: Delivery, count: int) -> list[LedgerEntry]:
    """The last judged deliveries of the dataset before this one in time, the oldest first."""
    query = _before(select_entries(), delivery, count).where(delivery_table().c.rejected.is_not(None))
    return ledger.entries(query)[::-1]


def word_before(ledger: Ledger, delivery: Delivery) -> str | None:
    """The id of the last file in the table of the delivery's period before it in time; corrections are none."""
    c = delivery_table().c
    query = _before(sa.select(c.delivery_id), delivery, 1)
    query = query.where(c.as_of == delivery.as_of, c.loaded_at.is_not(None))
    with ledger.connected() as connection:
        return connection.execute(query).scalar()


def profiles_before(ledger: Ledger, delivery: Delivery, part: str | None, count: int) -> list[Profile]:
    """The profiles of the last deliveries before this one in time that are in the table, the oldest first.

    Args:
        ledger: of all deliveries.
        delivery: this one.
        part: theirs.
        count: at most so many.
    """
    c, p = delivery_table().c, ledger_tables()["profile"].c
    query = sa.select(p.delivery_id, c.as_of, p.part, p.rows, p.numbers).join(
        delivery_table(), (p.dataset == c.dataset) & (p.delivery_id == c.delivery_id)
    )
    query = _before(query, delivery, count).where(c.loaded_at.is_not(None), p.part == part)
    with ledger.connected() as connection:
        return [Profile(*row) for row in connection.execute(query)][::-1]


def words(ledger: Ledger, delivery: Delivery) -> list[LedgerEntry]:
    """The files of the delivery's period that are in the table, in the order of time.

    Corrections aside; and where they are parts of a whole, those that share a part with this one.
    """
    c = delivery_table().c
    mine = sa.select(c.parts).where(*is_delivery(delivery.contract_id, delivery.id)).scalar_subquery()
    query = select_entries().where(
        c.dataset == delivery.contract_id,
        c.as_of == delivery.as_of,
        c.corrects.is_(None),
        c.loaded_at.is_not(None),
        sa.func.coalesce(c.parts.overlap(mine), sa.true()),
    )
    return ledger.entries(query.order_by(c.revision, c.word, c.sha256))


def has_loaded(ledger: Ledger, dataset: str) -> bool:
    """Whether any delivery is in the dataset's table."""
    c = delivery_table().c
    query = sa.select(sa.true()).where(c.dataset == dataset, c.loaded_at.is_not(None)).limit(1)
    with ledger.connected() as connection:
        return connection.execute(query).first() is not None


def loaded(ledger: Ledger, dataset: str, since: date = date.min) -> list[Place]:
    """Deliveries that are in the dataset's table, in the order of time.

    One that walks again is among them, whatever its state: its rows stay until it is loaded anew.

    Args:
        ledger: of all deliveries.
        dataset: agency.dataset.
        since: the first period that is looked for.
    """
    return _places(ledger, dataset, delivery_table().c.as_of >= since)


def loaded_of_period_before(ledger: Ledger, dataset: str, period: date) -> list[Place]:
    """Deliveries in the dataset's table of the last period before one, in the order of time."""
    c = delivery_table().c
    in_table = (c.dataset == dataset, c.loaded_at.is_not(None), c.as_of < period)
    return _places(ledger, dataset, c.as_of == sa.select(sa.func.max(c.as_of)).where(*in_table).scalar_subquery())


def unmeasured(ledger: Ledger, dataset: str) -> list[Place]:
    """Deliveries in the dataset's table of whose last change the ledger does not know."""
    return _places(ledger, dataset, delivery_table().c.last_change.is_(None))


def measured(ledger: Ledger, dataset: str, place: Place, last: Moment | None) -> None:
    """Record the last change that a delivery holds, as a number; None if it holds none."""
    values = {"last_change": _NEVER if last is None else last}
    with ledger.connected() as connection:
        connection.execute(delivery_table().update().where(*is_delivery(dataset, place.delivery_id)).values(values))


def changed_after(ledger: Ledger, dataset: str, moment: Moment) -> list[Place]:
    """Deliveries in the dataset's table that hold a change after a moment, among those that were measured."""
    return _places(ledger, dataset, delivery_table().c.last_change > moment)


def _before(query: sa.Select[Any], delivery: Delivery, count: int) -> sa.Select[Any]:
    """The rows of a query that are of deliveries before this one in time and no corrections, the latest first."""
    c = delivery_table().c
    mine = (delivery.as_of, delivery.revision, delivery.word, delivery.sha256)
    earlier = sa.tuple_(c.as_of, c.revision, c.word, c.sha256) < sa.tuple_(*map(sa.literal, mine))
    return (
        query.where(c.dataset == delivery.contract_id, c.corrects.is_(None), earlier)
        .order_by(*latest_first())
        .limit(count)
    )


def _places(ledger: Ledger, dataset: str, *where: sa.ColumnElement[bool]) -> list[Place]:
    """Deliveries that are in the dataset's table, in the order of time."""
    c = delivery_table().c
    query = sa.select(
        c.delivery_id, c.as_of, c.revision, c.sha256, c.corrects, sa.func.coalesce(c.correction, 0), c.word
    ).where(c.dataset == dataset, c.loaded_at.is_not(None), *where)
    with ledger.connected() as connection:
        return sorted((Place(*row) for row in connection.execute(query)), key=lambda place: place.when)
