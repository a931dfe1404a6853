"""What people decided on deliveries that were held."""

from __future__ import annotations

import sqlalchemy as sa

from etl.contract import Choice, Text
from etl.delivery.entry import COLUMNS, Decision, LedgerEntry, Unfinished
from etl.delivery.messages import Stop, loggable
from etl.delivery.model import Delivery
from etl.delivery.state import State
from etl.warehouse.delivery_table import NOTHING_SAID, delivery_table, entry_columns, is_delivery, said_of
from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import ledger_tables

REJECTED_ON_REVIEW = "rejected_on_review"  # the rule of a delivery that was held and then rejected by a person


def decided(ledger: Ledger, delivery: Delivery, choice: Choice, by: str, reason: str) -> None:
    """Record a decision on a delivery that is held, or was rejected on review.

    A rejected one is at its end; an accepted one stands before the validate station, which knows the decision.

    Raises:
        LookupError: if the delivery is neither, for somebody was quicker.
    """
    c = delivery_table().c
    where = (
        *is_delivery(delivery.contract_id, delivery.id),
        (c.state == State.HELD) | ((c.state == State.REJECTED) & (c.rule == REJECTED_ON_REVIEW)),
    )
    table = ledger_tables()["decision"]
    with ledger.connected() as connection:
        query = sa.select(c.rule, c.message_vi, c.message_en).where(*where).with_for_update()
        held = connection.execute(query).one_or_none()
        if held is None:
            raise LookupError(f"{delivery.contract_id}/{delivery.id} waits for no decision.")
        row = {"dataset": delivery.contract_id, "delivery_id": delivery.id, "rule": held.rule}
        connection.execute(table.insert().values(**row, decided_by=by, choice=choice, reason=reason))
        if choice == "reject":
            stop = rejection(by, reason, loggable(held.rule, Text(held.message_vi, held.message_en)))
            said = said_of(stop) | {"state": State.REJECTED, "held_at": None}
        else:
            said = NOTHING_SAID | {"state": State.EXTRACTED}
        connection.execute(delivery_table().update().where(*where).values(**said))


def decision(ledger: Ledger, delivery: Delivery) -> Decision | None:
    """The decision that stands on a delivery; None if there is none."""
    table = ledger_tables()["decision"]
    where = (table.c.dataset == delivery.contract_id, table.c.delivery_id == delivery.id)
    query = table.select().where(*where).order_by(table.c.decision_id.desc()).limit(1)
    with ledger.connected() as connection:
        row = connection.execute(query).first()
    return Decision(row.choice, row.decided_by, row.reason, row.decided_at) if row else None


def unfinished(ledger: Ledger, dataset: str | None = None, delivery_id: str | None = None) -> list[Unfinished]:
    """Deliveries on which a decision stands of which no receipt has told since, in the order of the decisions.

    Args:
        ledger: of all deliveries.
        dataset: agency.dataset; all by default.
        delivery_id: within it; all by default.
    """
    c, d = delivery_table().c, ledger_tables()["decision"].c
    asked = [c.dataset == dataset] if dataset else []
    asked += [c.delivery_id == delivery_id] if delivery_id else []
    later = d.dataset.table.alias()
    is_last = ~sa.exists().where(
        later.c.dataset == d.dataset, later.c.delivery_id == d.delivery_id, later.c.decision_id > d.decision_id
    )
    query = (
        sa.select(*entry_columns(), d.choice, d.decided_by, d.reason, d.decided_at)
        .join_from(d.dataset.table, delivery_table(), (d.dataset == c.dataset) & (d.delivery_id == c.delivery_id))
        .where(*asked, is_last, c.state.not_in((State.HELD, State.WITHDRAWN)))
        .where(c.receipt_at.is_(None) | (c.receipt_at < d.decided_at))
        .order_by(d.decision_id)
    )
    with ledger.connected() as connection:
        rows = connection.execute(query).all()
    return [Unfinished(LedgerEntry.of_row(row[: len(COLUMNS)]), Decision(*row[len(COLUMNS) :])) for row in rows]


def rejection(by: str, reason: str, held_for: Text) -> Stop:
    """What is said of a held delivery that a person rejects.

    Args:
        by: who.
        reason: why; the agency reads it.
        held_for: why the delivery was held; others than the sender read it.
    """
    return Stop("rejected", REJECTED_ON_REVIEW, by=by, reason=reason, held=held_for)
