"""The ledger: where every delivery stands, in schema `ops`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from etl.delivery.entry import Decision, LedgerEntry
from etl.delivery.messages import MANIFEST_RULES, Stop, wording
from etl.delivery.model import Delivery
from etl.delivery.pull import Pull
from etl.delivery.state import UNDERWAY, State
from etl.warehouse.delivery_table import (
    NOTHING_SAID,
    entry_columns,
    is_delivery,
    latest_first,
    said_of,
    select_entries,
    stands,
)
from etl.warehouse.ops import COUNTS, ledger_tables
from etl.warehouse.pulls import record

Spent = Mapping[str, float]  # seconds by station
_NO_COUNTS = dict.fromkeys(("rows_in", *COUNTS, "ended"))


class Ledger:
    """Reads and writes `ops`; each method is one transaction, or a part of the one that it is told to be in.

    What is asked for one delivery costs the same after fifty thousand others: it is found by an index.
    """

    def __init__(self, engine: sa.Engine, connection: sa.Connection | None = None) -> None:
        self.engine = engine
        self._connection = connection
        self._delivery = ledger_tables()["delivery"]

    def within(self, connection: sa.Connection) -> Ledger:
        """The ledger, as part of a transaction of the caller's."""
        return Ledger(self.engine, connection)

    @contextmanager
    def transaction(self) -> Iterator[Ledger]:
        """The ledger, all that is asked or told of it in this block being one transaction."""
        with self.connected() as connection:
            yield self.within(connection)

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """A connection within the transaction that the ledger is part of, or else within one of its own."""
        if self._connection is not None:
            yield self._connection
        else:
            with self.engine.begin() as connection:
                yield connection

    def arrived(
        self,
        delivery: Delivery,
        declared: dict[str, Any] | None = None,
        spent: Spent | None = None,
        pull: Pull | None = None,
    ) -> tuple[LedgerEntry, bool]:
        """Record that a file arrived, with the manifest that came with it and the seconds that receiving it took.

        One that was pulled moves its source's watermark in the same transaction.

        A delivery that was held for its manifest goes on when the same bytes come with another.

        Returns:
            What the ledger says of the delivery now, and whether its bytes are new.
        """
        row = {
            "dataset": delivery.contract_id,
            "delivery_id": delivery.id,
            "as_of": delivery.as_of,
            "revision": delivery.revision,
            "sha256": delivery.sha256,
            "size_bytes": delivery.size,
            "file_name": delivery.file_name,
            "corrects": delivery.corrects,
            "correction": delivery.correction or None,
            "word": delivery.word,
            "state": State.RECEIVED,
            "timings": _rounded(spent or {}),
        }
        with self.transaction() as ledger, ledger.connected() as connection:
            new = insert(self._delivery).values(row).on_conflict_do_nothing().returning(*entry_columns())
            added = connection.execute(new).first()
            connection.execute(
                ledger_tables()["arrival"]
                .insert()
                .values(
                    dataset=delivery.contract_id,
                    delivery_id=delivery.id,
                    file_name=delivery.file_name,
                    is_new=added is not None,
                    declared=declared,
                )
            )
            if pull is not None:
                record(connection, pull, "delivered", delivery_id=delivery.id)
            if added is not None:
                return LedgerEntry.of_row(added), True
            if declared is not None:
                held = (*is_delivery(delivery.contract_id, delivery.id), self._delivery.c.state == State.HELD)
                for_its_manifest = self._delivery.c.rule.in_(MANIFEST_RULES)
                connection.execute(self._delivery.update().where(*held, for_its_manifest).values(state=State.RECEIVED))
            return ledger.get(delivery.contract_id, delivery.id), False

    def entries(self, query: sa.Select[Any]) -> list[LedgerEntry]:
        """What the ledger says of the deliveries of a query that selects as `select_entries` does."""
        with self.connected() as connection:
            return [LedgerEntry.of_row(row) for row in connection.execute(query)]

    def get(self, dataset: str, delivery_id: str) -> LedgerEntry:
        """What the ledger says of one delivery.

        Raises:
            LookupError: if it knows none of that name.
        """
        entry = self.find(dataset, delivery_id)
        if entry is None:
            raise LookupError(f"The ledger knows no delivery {dataset}/{delivery_id}.")
        return entry

    def find(self, dataset: str, delivery_id: str) -> LedgerEntry | None:
        """What the ledger says of a delivery, if it knows it."""
        return next(iter(self.entries(select_entries().where(*is_delivery(dataset, delivery_id)))), None)

    def all(self, dataset: str | None = None) -> list[LedgerEntry]:
        """All deliveries, by dataset and place in time. It reads the ledger whole: no station asks for this."""
        query = select_entries().order_by("dataset", "as_of", "revision", "word", "sha256")
        return self.entries(query.where(self._delivery.c.dataset == dataset) if dataset else query)

    def in_state(self, state: State) -> list[LedgerEntry]:
        """The deliveries in a state that is not the last one, by dataset and place in time."""
        return self.entries(select_entries().where(stands(state)).order_by("dataset", "as_of", "revision", "word"))

    def newest(self, dataset: str, count: int) -> list[LedgerEntry]:
        """The last deliveries of a dataset by period, corrections among them, the oldest first."""
        c = self._delivery.c
        query = select_entries().where(c.dataset == dataset, c.as_of.is_not(None))
        return self.entries(query.order_by(*latest_first()).limit(count))[::-1]

    def newest_of_each(self, count: int) -> dict[str, list[LedgerEntry]]:
        """The last deliveries of each dataset by period, corrections aside, the oldest first."""
        c, schedule = self._delivery.c, ledger_tables()["schedule"]
        mine = select_entries().where(c.dataset == schedule.c.dataset, c.as_of.is_not(None), c.corrects.is_(None))
        last = mine.order_by(*latest_first()).limit(count).lateral()
        found: dict[str, list[LedgerEntry]] = {}
        for entry in self.entries(sa.select(last).join_from(schedule, last, sa.true())):
            found.setdefault(entry.dataset, []).insert(0, entry)
        return found

    def held_of_each(self) -> dict[str, int]:
        """How many deliveries of each dataset are held; datasets without one are left out."""
        c = self._delivery.c
        query = sa.select(c.dataset, sa.func.count().label("held")).where(stands(State.HELD)).group_by(c.dataset)
        with self.connected() as connection:
            return {row.dataset: row.held for row in connection.execute(query)}

    def of_month(self, dataset: str, month: date | None, count: int) -> tuple[list[LedgerEntry], int]:
        """The last deliveries that speak for one month.

        Args:
            dataset: agency.dataset.
            month: its first day; None: those of an unknown period.
            count: at most so many.

        Returns:
            The deliveries, in the order of time, and how many there are in all.
        """
        c = self._delivery.c
        where = [c.dataset == dataset, c.as_of.is_(None)]
        if month:
            where[1:] = [c.as_of >= month, c.as_of < (month + timedelta(days=31)).replace(day=1)]
        query = select_entries().where(*where).order_by(*latest_first()).limit(count)
        with self.transaction() as ledger, ledger.connected() as connection:
            there = connection.execute(sa.select(sa.func.count()).where(*where)).scalar_one()
            return ledger.entries(query)[::-1], there

    def months(self, dataset: str, since: datetime | None) -> tuple[list[date | None], datetime | None]:
        """The months that deliveries with news speak for, in the order of time, those of an unknown period last.

        Args:
            dataset: agency.dataset.
            since: news are receipts that were written later; None: every delivery is.

        Returns:
            First days of months, None for an unknown period; and when the last of these receipts was written.
        """
        c = self._delivery.c
        month = sa.cast(sa.func.date_trunc("month", c.as_of), sa.Date)
        query = sa.select(month, sa.func.max(c.receipt_at)).where(c.dataset == dataset).group_by(month).order_by(month)
        if since:
            query = query.where(c.receipt_at > since)
        with self.connected() as connection:
            found = connection.execute(query).all()
        return [first for first, _ in found], max((at for _, at in found if at), default=None)

    def standing(self) -> tuple[datetime | None, int]:
        """When the last receipt was written, and how many deliveries are on their way to theirs."""
        c = self._delivery.c
        is_on_its_way = sa.or_(*map(stands, UNDERWAY), c.receipt_at.is_(None))
        with self.connected() as connection:
            last = connection.execute(sa.select(sa.func.max(c.receipt_at))).scalar_one()
            on_their_way = connection.execute(sa.select(sa.func.count()).where(is_on_its_way)).scalar_one()
        return last, on_their_way

    def declared(self, delivery: Delivery) -> dict[str, Any]:
        """The last manifest that came with the delivery's bytes; empty if none did."""
        arrival = ledger_tables()["arrival"]
        c = arrival.c
        query = (
            sa.select(c.declared)
            .where(c.dataset == delivery.contract_id, c.delivery_id == delivery.id, c.declared.is_not(None))
            .order_by(c.arrival_id.desc())
        )
        with self.connected() as connection:
            return connection.execute(query).scalar() or {}

    def corrections(self, dataset: str, delivery_id: str) -> list[LedgerEntry]:
        """The corrections of a delivery, in the order of time."""
        c = self._delivery.c
        query = select_entries().where(c.dataset == dataset, c.corrects == delivery_id)
        return self.entries(query.order_by(c.correction, c.word, c.sha256))

    def passed(self, delivery: Delivery, state: State, spent: Spent, **values: Any) -> None:
        """Record that a station is behind the delivery, what it counted, and the seconds that it took."""
        # The first station forgets what an earlier walk counted, and the last one before load what its staging held.
        counts: dict[str, Any] = {State.EXTRACTED: _NO_COUNTS, State.NORMALIZED: {"last_change": None}}.get(state, {})
        self._turn(delivery, spent, **(counts | NOTHING_SAID | values), state=state)

    def stopped(self, delivery: Delivery, stop: Stop, spent: Spent, **values: Any) -> None:
        """Record that the delivery is held or rejected, why, and the seconds that the station took."""
        held_at = sa.func.now() if stop.state == State.HELD else None
        self._turn(delivery, spent, **(_NO_COUNTS | said_of(stop) | values), state=stop.state, held_at=held_at)

    def received_again(self, delivery: Delivery) -> None:
        """Record that a delivery that was refused when it came may walk now."""
        self._turn(delivery, {}, **NOTHING_SAID, state=State.RECEIVED)

    def merged(
        self, delivery: Delivery, counts: Mapping[str, int], spent: Spent, decision: Decision | None = None
    ) -> None:
        """Record, within the transaction that loads it, that the delivery is in its table.

        Args:
            delivery: the delivery.
            counts: what became of its rows.
            spent: the seconds that loading took.
            decision: what a person decided on it when it was held.
        """
        loaded = {"state": State.LOADED, "loaded_at": datetime.now(UTC), **NOTHING_SAID}
        if decision and decision.choice != "reject":
            # It is in the table although it was held: whoever reads of it must know.
            text = wording(f"decided_{decision.choice}").fill(
                by=decision.by, at=f"{decision.at:%Y-%m-%d}", reason=decision.reason
            )
            loaded |= {"message_vi": text.vi, "message_en": text.en}
        self._update(delivery, spent, **loaded, **counts)

    def withdrawn(self, delivery: Delivery, reason: str) -> None:
        """Record, within the transaction that takes its rows out of the table, that the delivery is withdrawn."""
        said = said_of(Stop("rejected", "withdrawn", reason=reason))
        self._update(delivery, {}, **(_NO_COUNTS | said), state=State.WITHDRAWN, loaded_at=None)
        self._log_withdrawal(delivery, reason, is_withdrawn=True)

    def reinstated(self, delivery: Delivery, reason: str) -> None:
        """Record that the delivery's withdrawal is withdrawn; it may walk again."""
        with self.transaction() as ledger:
            ledger._update(delivery, {}, **NOTHING_SAID, state=State.RECEIVED)
            ledger._log_withdrawal(delivery, reason, is_withdrawn=False)

    def spent(self, delivery: Delivery, spent: Spent) -> None:
        """Record seconds that were spent on the delivery behind a station."""
        self._update(delivery, spent)

    def receipted(self, delivery: Delivery, spent: Spent) -> None:
        """Record that the delivery's receipt is in the outbox."""
        self._update(delivery, spent, receipt_at=sa.func.now())

    def _update(self, delivery: Delivery, spent: Spent, **values: Any) -> None:
        """Set columns of the delivery's row, and add the seconds that stations took."""
        self._set(is_delivery(delivery.contract_id, delivery.id), spent, values)

    def _set(self, where: Iterable[sa.ColumnElement[bool]], spent: Spent, values: dict[str, Any]) -> None:
        if spent:
            values = values | {"timings": self._delivery.c.timings.op("||")(sa.cast(_rounded(spent), JSONB))}
        with self.connected() as connection:
            connection.execute(self._delivery.update().where(*where).values(**values))

    def sent_back_since(self, moment: datetime) -> list[LedgerEntry]:
        """The deliveries whose agency has heard since that rows or all of it were sent back, in that order."""
        c = self._delivery.c
        query = select_entries().where(c.receipt_at > moment, (c.state == State.REJECTED) | (c.rejected > 0))
        return self.entries(query.order_by(c.receipt_at))

    def _turn(self, delivery: Delivery, spent: Spent, **values: Any) -> None:
        """Set columns, unless the delivery was withdrawn while a station worked on it."""
        is_there = self._delivery.c.state != State.WITHDRAWN
        self._set((*is_delivery(delivery.contract_id, delivery.id), is_there), spent, values)

    def _log_withdrawal(self, delivery: Delivery, reason: str, is_withdrawn: bool) -> None:
        row = {"dataset": delivery.contract_id, "delivery_id": delivery.id}
        table = ledger_tables()["withdrawal"]
        with self.connected() as connection:
            connection.execute(table.insert().values(**row, reason=reason, is_withdrawn=is_withdrawn))


def _rounded(spent: Spent) -> dict[str, float]:
    return {station: round(seconds, 3) for station, seconds in spent.items()}
