"""The table `ops.delivery`, as queries speak of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from etl.delivery.entry import COLUMNS
from etl.delivery.messages import Stop
from etl.delivery.state import State
from etl.warehouse.ops import ledger_tables

NOTHING_SAID = dict.fromkeys(("rule", "message_vi", "message_en", "held_at"))


def delivery_table() -> sa.Table:
    """The table."""
    return ledger_tables()["delivery"]


def entry_columns() -> list[sa.Column[Any]]:
    """The columns of which a `LedgerEntry` is made, in its order."""
    return [delivery_table().c[name] for name in COLUMNS]


@cache
def select_entries() -> sa.Select[Any]:
    """A query for ledger entries: of all deliveries, until it is narrowed."""
    return sa.select(*entry_columns())


def is_delivery(dataset: str, delivery_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """The conditions by which one delivery is found."""
    c = delivery_table().c
    return c.dataset == dataset, c.delivery_id == delivery_id


def stands(state: State) -> sa.ColumnElement[bool]:
    """Whether a delivery is in a state; said as a constant, by which PostgreSQL knows its index of these."""
    return delivery_table().c.state == sa.literal_column(f"'{state}'")


def latest_first() -> tuple[sa.ColumnElement[Any], ...]:
    """The order of time, backward."""
    c = delivery_table().c
    return c.as_of.desc(), c.revision.desc(), c.word.desc(), c.sha256.desc()


def said_of(stop: Stop) -> dict[str, str]:
    """The columns that say why a delivery was held or rejected; `NOTHING_SAID` empties them."""
    return {"rule": stop.rule, "message_vi": stop.message.vi, "message_en": stop.message.en}
