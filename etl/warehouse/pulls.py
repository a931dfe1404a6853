"""What the ledger knows of pulls: where the next one begins, and whether a source is to be left alone for now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from etl.delivery.pull import Pull
from etl.delivery.state import State
from etl.warehouse.ops import ledger_tables

End = Literal["delivered", "nothing", "same", "failed"]
_NOT_TAKEN = (State.REJECTED, State.WITHDRAWN)  # a watermark does not move past these
_MOST_FAILURES = 5  # one after the other, from which a source is left alone for a while
_LEFT_ALONE = timedelta(minutes=30)


@dataclass(frozen=True)
class Bound:
    """Where the next pull of a dataset begins.

    Attributes:
        since: the watermark; None: at the beginning.
        whole_at: when all of it was last pulled; None: never.
        waits_for: deliveries that are held; and those that were rejected or withdrawn, whose rows are pulled again.
    """

    since: str | None
    whole_at: datetime | None
    waits_for: tuple[tuple[str, State], ...]


@dataclass(frozen=True)
class Failing:
    """A source that could not be read for some time.

    Attributes:
        dataset: that was to be pulled.
        source: the name of the connection.
        count: how many pulls have failed in a row.
        since: when the first of them began.
        fault: why the last of them failed, in a word.
    """

    dataset: str
    source: str
    count: int
    since: datetime
    fault: str


def record(
    connection: sa.Connection,
    pull: Pull,
    state: End,
    delivery_id: str | None = None,
    fault: str | None = None,
    message: str | None = None,
) -> None:
    """Write a pull down, as part of a transaction of the caller's; a second time changes nothing."""
    row = {
        "pull_id": pull.pull_id,
        "dataset": pull.dataset,
        "source": pull.source,
        "seen_at": pull.seen_at,
        "state": state,
        "delivery_id": delivery_id,
        "watermark_from": pull.since,
        "watermark_to": pull.until,
        "rows": pull.rows,
        "bytes": pull.size,
        "seconds": round(pull.seconds, 3),
        "tries": pull.tries,
        "fault": fault,
        "message": message,
    }
    connection.execute(insert(ledger_tables()["pull"]).values(row).on_conflict_do_nothing())


def bound(connection: sa.Connection, dataset: str) -> Bound:
    """Where the next pull of a dataset begins.

    The watermark moves over pulls that join on to each other and whose deliveries were not turned away. What was turned
    away is asked for again with all that came behind it, most of which is unchanged then.
    """
    p, d = ledger_tables()["pull"], ledger_tables()["delivery"]
    joined = p.join(d, (d.c.dataset == p.c.dataset) & (d.c.delivery_id == p.c.delivery_id))
    mine = (p.c.dataset == dataset, p.c.watermark_to.is_not(None))
    is_taken = d.c.state.not_in(_NOT_TAKEN)
    last_whole = (
        sa.select(sa.func.max(p.c.seen_at)).select_from(joined).where(*mine, p.c.watermark_from.is_(None), is_taken)
    )
    whole_at = connection.execute(last_whole).scalar()
    query = sa.select(p.c.watermark_from, p.c.watermark_to, p.c.delivery_id, d.c.state).select_from(joined)
    if whole_at:
        query = query.where(p.c.seen_at >= whole_at)
    reached: list[str | None] = [None]
    waits_for: list[tuple[str, State, int]] = []  # and how far the watermark had come then
    for since, until, delivery_id, state in connection.execute(query.where(*mine).order_by(p.c.seen_at)):
        if state in (State.HELD, *_NOT_TAKEN):
            waits_for.append((delivery_id, State(state), len(reached) - 1))
        if state not in _NOT_TAKEN and since in reached:  # it also holds what others held that were turned away
            waits_for = [each for each in waits_for if each[1] is State.HELD or each[2] < reached.index(since)]
            reached.append(until)
    return Bound(reached[-1], whole_at, tuple((delivery_id, state) for delivery_id, state, _ in waits_for))


def taken(connection: sa.Connection, dataset: str) -> frozenset[str]:
    """What the remote files are known by that landing has."""
    p = ledger_tables()["pull"].c
    query = sa.select(p.watermark_to).where(p.dataset == dataset, p.state.in_(("delivered", "same")))
    return frozenset(known for known in connection.execute(query).scalars() if known is not None)


def delivered(connection: sa.Connection, dataset: str) -> frozenset[str]:
    """The deliveries that were pulled."""
    p = ledger_tables()["pull"].c
    query = sa.select(p.delivery_id).where(p.dataset == dataset, p.state == "delivered")
    return frozenset(connection.execute(query).scalars())


def last_of_period(connection: sa.Connection, dataset: str, as_of: date | None) -> str | None:
    """The SHA-256 of the last word on a period, if it was pulled; whatever became of it, corrections aside."""
    d, p = ledger_tables()["delivery"].c, ledger_tables()["pull"].c
    last = (
        sa.select(d.delivery_id, d.sha256)
        .where(d.dataset == dataset, d.as_of == as_of, d.corrects.is_(None))
        .order_by(d.revision.desc(), d.word.desc(), d.sha256.desc())
        .limit(1)
    )
    found = connection.execute(last).first()
    if found is None:
        return None
    was_pulled = sa.select(sa.exists().where(p.dataset == dataset, p.delivery_id == found.delivery_id))
    return str(found.sha256) if connection.execute(was_pulled).scalar() else None


def since_last_whole(connection: sa.Connection, dataset: str) -> list[str]:
    """The deliveries that were pulled since the last whole pull, that one included, in the order of their views."""
    p, d = ledger_tables()["pull"], ledger_tables()["delivery"]
    joined = p.join(d, (d.c.dataset == p.c.dataset) & (d.c.delivery_id == p.c.delivery_id))
    query = sa.select(p.c.delivery_id).select_from(joined).where(p.c.dataset == dataset, d.c.state.not_in(_NOT_TAKEN))
    if whole_at := bound(connection, dataset).whole_at:
        query = query.where(p.c.seen_at >= whole_at)
    return list(connection.execute(query.order_by(p.c.seen_at)).scalars())


def last_delivery(connection: sa.Connection, dataset: str) -> str | None:
    """The last delivery of a dataset that was pulled; a mended workbook may have become one of another table."""
    p, d = ledger_tables()["pull"], ledger_tables()["delivery"]
    joined = p.join(d, (d.c.dataset == p.c.dataset) & (d.c.delivery_id == p.c.delivery_id))
    query = sa.select(p.c.delivery_id).select_from(joined).where(p.c.dataset == dataset, p.c.state == "delivered")
    return connection.execute(query.order_by(p.c.seen_at.desc()).limit(1)).scalar()


def failures(connection: sa.Connection, dataset: str) -> tuple[int, datetime | None]:
    """How many pulls have failed since the last that did not, and when the last of them began."""
    p = ledger_tables()["pull"].c
    went_well = sa.select(sa.func.max(p.seen_at)).where(p.dataset == dataset, p.state != "failed").scalar_subquery()
    since = sa.or_(went_well.is_(None), p.seen_at > went_well)
    query = sa.select(sa.func.count(), sa.func.max(p.seen_at)).where(p.dataset == dataset, p.state == "failed", since)
    count, last = connection.execute(query).one()
    return count, last


def failing(connection: sa.Connection, least: int) -> list[Failing]:
    """The datasets whose last pulls have failed, at least so many in a row."""
    query = sa.text(
        "SELECT f.dataset, max(f.source) AS source, count(*) AS count, min(f.seen_at) AS since,"
        " (array_agg(f.fault ORDER BY f.seen_at DESC))[1] AS fault FROM ops.pull f WHERE f.state = 'failed'"
        " AND f.seen_at > coalesce((SELECT max(w.seen_at) FROM ops.pull w"
        "  WHERE w.dataset = f.dataset AND w.state <> 'failed'), '-infinity')"
        " GROUP BY f.dataset HAVING count(*) >= :least ORDER BY f.dataset"
    )
    return [Failing(*row) for row in connection.execute(query, {"least": least})]


def left_alone_until(count: int, last: datetime | None) -> datetime | None:
    """Until when a source is left alone that has failed so often, the last time at that moment; None: it is not."""
    return last + _LEFT_ALONE if last and count >= _MOST_FAILURES else None


def last_pulls(connection: sa.Connection) -> dict[str, sa.Row[Any]]:
    """The last pull of each dataset that did not fail, by the dataset."""
    p = ledger_tables()["pull"].c
    query = sa.select(ledger_tables()["pull"]).distinct(p.dataset).where(p.state != "failed")
    return {row.dataset: row for row in connection.execute(query.order_by(p.dataset, p.seen_at.desc()))}
