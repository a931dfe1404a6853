"""The ledger: where every delivery stands, in schema `ops`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from etl.contract import Choice, Text
from etl.delivery.columns import ROW
from etl.delivery.entry import COLUMNS, Decision, Found, LedgerEntry, Part, Reconciled, Unfinished, Waiting
from etl.delivery.messages import MANIFEST_RULES, WRONG_CONTRACT, Stop, loggable, wording
from etl.delivery.model import Delivery, Place
from etl.delivery.profile import Profile
from etl.delivery.pull import Pull
from etl.delivery.state import UNDERWAY, State
from etl.warehouse.copy import copy_rows
from etl.warehouse.ops import COUNTS, ledger_tables
from etl.warehouse.pulls import Failing, failing, record

Moment = int | float | Decimal
Spent = Mapping[str, float]  # seconds by station
_NEVER = -(2**63)  # before every moment
_NO_COUNTS = dict.fromkeys(("rows_in", *COUNTS, "ended"))
_NOTHING_SAID = dict.fromkeys(("rule", "message_vi", "message_en", "held_at"))
REJECTED_ON_REVIEW = "rejected_on_review"  # the rule of a delivery that was held and then rejected by a person


class Ledger:
    """Reads and writes `ops`; each method is one transaction, or a part of the one that it is told to be in.

    What is asked for one delivery costs the same after fifty thousand others: it is found by an index.
    """

    def __init__(self, engine: sa.Engine, connection: sa.Connection | None = None) -> None:
        self.engine = engine
        self._connection = connection
        self._delivery = ledger_tables()["delivery"]
        self._entry = [self._delivery.c[name] for name in COLUMNS]

    def within(self, connection: sa.Connection) -> Ledger:
        """The ledger, as part of a transaction of the caller's."""
        return Ledger(self.engine, connection)

    @contextmanager
    def transaction(self) -> Iterator[Ledger]:
        """The ledger, all that is asked or told of it in this block being one transaction."""
        with self._connected() as connection:
            yield self.within(connection)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
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
        with self.transaction() as ledger, ledger._connected() as connection:
            new = insert(self._delivery).values(row).on_conflict_do_nothing().returning(*self._entry)
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
                held = (*self._is(delivery.contract_id, delivery.id), self._delivery.c.state == State.HELD)
                for_its_manifest = self._delivery.c.rule.in_(MANIFEST_RULES)
                connection.execute(self._delivery.update().where(*held, for_its_manifest).values(state=State.RECEIVED))
            return ledger.get(delivery.contract_id, delivery.id), False

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
        return next(iter(self._entries(self._select().where(*self._is(dataset, delivery_id)))), None)

    def all(self, dataset: str | None = None) -> list[LedgerEntry]:
        """All deliveries, by dataset and place in time. It reads the ledger whole: no station asks for this."""
        query = self._select().order_by("dataset", "as_of", "revision", "word", "sha256")
        return self._entries(query.where(self._delivery.c.dataset == dataset) if dataset else query)

    def in_state(self, state: State) -> list[LedgerEntry]:
        """The deliveries in a state that is not the last one, by dataset and place in time."""
        return self._entries(self._select().where(self._stands(state)).order_by("dataset", "as_of", "revision", "word"))

    def newest(self, dataset: str, count: int) -> list[LedgerEntry]:
        """The last deliveries of a dataset by period, corrections among them, the oldest first."""
        c = self._delivery.c
        query = self._select().where(c.dataset == dataset, c.as_of.is_not(None))
        return self._entries(query.order_by(*self._latest_first()).limit(count))[::-1]

    def newest_of_each(self, count: int) -> dict[str, list[LedgerEntry]]:
        """The last deliveries of each dataset by period, corrections aside, the oldest first."""
        c, schedule = self._delivery.c, ledger_tables()["schedule"]
        mine = self._select().where(c.dataset == schedule.c.dataset, c.as_of.is_not(None), c.corrects.is_(None))
        last = mine.order_by(*self._latest_first()).limit(count).lateral()
        found: dict[str, list[LedgerEntry]] = {}
        for entry in self._entries(sa.select(last).join_from(schedule, last, sa.true())):
            found.setdefault(entry.dataset, []).insert(0, entry)
        return found

    def held_of_each(self) -> dict[str, int]:
        """How many deliveries of each dataset are held; datasets without one are left out."""
        c = self._delivery.c
        query = sa.select(c.dataset, sa.func.count().label("held")).where(self._stands(State.HELD)).group_by(c.dataset)
        with self._connected() as connection:
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
        query = self._select().where(*where).order_by(*self._latest_first()).limit(count)
        with self.transaction() as ledger, ledger._connected() as connection:
            there = connection.execute(sa.select(sa.func.count()).where(*where)).scalar_one()
            return ledger._entries(query)[::-1], there

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
        with self._connected() as connection:
            found = connection.execute(query).all()
        return [first for first, _ in found], max((at for _, at in found if at), default=None)

    def standing(self) -> tuple[datetime | None, int]:
        """When the last receipt was written, and how many deliveries are on their way to theirs."""
        c = self._delivery.c
        is_on_its_way = sa.or_(*map(self._stands, UNDERWAY), c.receipt_at.is_(None))
        with self._connected() as connection:
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
        with self._connected() as connection:
            return connection.execute(query).scalar() or {}

    def corrections(self, dataset: str, delivery_id: str) -> list[LedgerEntry]:
        """The corrections of a delivery, in the order of time."""
        c = self._delivery.c
        query = self._select().where(c.dataset == dataset, c.corrects == delivery_id)
        return self._entries(query.order_by(c.correction, c.word, c.sha256))

    def before(self, delivery: Delivery, count: int) -> list[LedgerEntry]:
        """The last judged deliveries of the dataset before this one in time, the oldest first."""
        query = self._before(self._select(), delivery, count).where(self._delivery.c.rejected.is_not(None))
        return self._entries(query)[::-1]

    def word_before(self, delivery: Delivery) -> str | None:
        """The id of the last file in the table of the delivery's period before it in time; corrections are none."""
        c = self._delivery.c
        query = self._before(sa.select(c.delivery_id), delivery, 1)
        query = query.where(c.as_of == delivery.as_of, c.loaded_at.is_not(None))
        with self._connected() as connection:
            return connection.execute(query).scalar()

    def profiles_before(self, delivery: Delivery, part: str | None, count: int) -> list[Profile]:
        """The profiles of the last deliveries before this one in time that are in the table, the oldest first.

        Args:
            delivery: this one.
            part: theirs.
            count: at most so many.
        """
        c, p = self._delivery.c, ledger_tables()["profile"].c
        query = sa.select(p.delivery_id, c.as_of, p.part, p.rows, p.numbers).join(
            self._delivery, (p.dataset == c.dataset) & (p.delivery_id == c.delivery_id)
        )
        query = self._before(query, delivery, count).where(c.loaded_at.is_not(None), p.part == part)
        with self._connected() as connection:
            return [Profile(*row) for row in connection.execute(query)][::-1]

    def words(self, delivery: Delivery) -> list[LedgerEntry]:
        """The files of the delivery's period that are in the table, in the order of time.

        Corrections aside; and where they are parts of a whole, those that share a part with this one.
        """
        c = self._delivery.c
        mine = sa.select(c.parts).where(*self._is(delivery.contract_id, delivery.id)).scalar_subquery()
        query = self._select().where(
            c.dataset == delivery.contract_id,
            c.as_of == delivery.as_of,
            c.corrects.is_(None),
            c.loaded_at.is_not(None),
            sa.func.coalesce(c.parts.overlap(mine), sa.true()),
        )
        return self._entries(query.order_by(c.revision, c.word, c.sha256))

    def has_loaded(self, dataset: str) -> bool:
        """Whether any delivery is in the dataset's table."""
        c = self._delivery.c
        query = sa.select(sa.true()).where(c.dataset == dataset, c.loaded_at.is_not(None)).limit(1)
        with self._connected() as connection:
            return connection.execute(query).first() is not None

    def loaded(self, dataset: str, since: date = date.min) -> list[Place]:
        """Deliveries that are in the dataset's table, in the order of time.

        One that walks again is among them, whatever its state: its rows stay until it is loaded anew.

        Args:
            dataset: agency.dataset.
            since: the first period that is looked for.
        """
        return self._places(dataset, self._delivery.c.as_of >= since)

    def loaded_of_period_before(self, dataset: str, period: date) -> list[Place]:
        """Deliveries in the dataset's table of the last period before one, in the order of time."""
        c = self._delivery.c
        in_table = (c.dataset == dataset, c.loaded_at.is_not(None), c.as_of < period)
        return self._places(dataset, c.as_of == sa.select(sa.func.max(c.as_of)).where(*in_table).scalar_subquery())

    def unmeasured(self, dataset: str) -> list[Place]:
        """Deliveries in the dataset's table of whose last change the ledger does not know."""
        return self._places(dataset, self._delivery.c.last_change.is_(None))

    def measured(self, dataset: str, place: Place, last: Moment | None) -> None:
        """Record the last change that a delivery holds, as a number; None if it holds none."""
        values = {"last_change": _NEVER if last is None else last}
        with self._connected() as connection:
            connection.execute(self._delivery.update().where(*self._is(dataset, place.delivery_id)).values(values))

    def changed_after(self, dataset: str, moment: Moment) -> list[Place]:
        """Deliveries in the dataset's table that hold a change after a moment, among those that were measured."""
        return self._places(dataset, self._delivery.c.last_change > moment)

    def _places(self, dataset: str, *where: sa.ColumnElement[bool]) -> list[Place]:
        """Deliveries that are in the dataset's table, in the order of time."""
        c = self._delivery.c
        query = sa.select(
            c.delivery_id, c.as_of, c.revision, c.sha256, c.corrects, sa.func.coalesce(c.correction, 0), c.word
        ).where(c.dataset == dataset, c.loaded_at.is_not(None), *where)
        with self._connected() as connection:
            return sorted((Place(*row) for row in connection.execute(query)), key=lambda place: place.when)

    def passed(self, delivery: Delivery, state: State, spent: Spent, **values: Any) -> None:
        """Record that a station is behind the delivery, what it counted, and the seconds that it took."""
        # The first station forgets what an earlier walk counted, and the last one before load what its staging held.
        counts: dict[str, Any] = {State.EXTRACTED: _NO_COUNTS, State.NORMALIZED: {"last_change": None}}.get(state, {})
        self._turn(delivery, spent, **(counts | _NOTHING_SAID | values), state=state)

    def stopped(self, delivery: Delivery, stop: Stop, spent: Spent, **values: Any) -> None:
        """Record that the delivery is held or rejected, why, and the seconds that the station took."""
        held_at = sa.func.now() if stop.state == State.HELD else None
        self._turn(delivery, spent, **(_NO_COUNTS | _said(stop) | values), state=stop.state, held_at=held_at)

    def received_again(self, delivery: Delivery) -> None:
        """Record that a delivery that was refused when it came may walk now."""
        self._turn(delivery, {}, **_NOTHING_SAID, state=State.RECEIVED)

    def decided(self, delivery: Delivery, choice: Choice, by: str, reason: str) -> None:
        """Record a decision on a delivery that is held, or was rejected on review.

        A rejected one is at its end; an accepted one stands before the validate station, which knows the decision.

        Raises:
            LookupError: if the delivery is neither, for somebody was quicker.
        """
        c = self._delivery.c
        where = (
            *self._is(delivery.contract_id, delivery.id),
            (c.state == State.HELD) | ((c.state == State.REJECTED) & (c.rule == REJECTED_ON_REVIEW)),
        )
        table = ledger_tables()["decision"]
        with self._connected() as connection:
            query = sa.select(c.rule, c.message_vi, c.message_en).where(*where).with_for_update()
            held = connection.execute(query).one_or_none()
            if held is None:
                raise LookupError(f"{delivery.contract_id}/{delivery.id} waits for no decision.")
            row = {"dataset": delivery.contract_id, "delivery_id": delivery.id, "rule": held.rule}
            connection.execute(table.insert().values(**row, decided_by=by, choice=choice, reason=reason))
            if choice == "reject":
                stop = rejection(by, reason, loggable(held.rule, Text(held.message_vi, held.message_en)))
                said = _said(stop) | {"state": State.REJECTED, "held_at": None}
            else:
                said = _NOTHING_SAID | {"state": State.EXTRACTED}
            connection.execute(self._delivery.update().where(*where).values(**said))

    def decision(self, delivery: Delivery) -> Decision | None:
        """The decision that stands on a delivery; None if there is none."""
        table = ledger_tables()["decision"]
        where = (table.c.dataset == delivery.contract_id, table.c.delivery_id == delivery.id)
        query = table.select().where(*where).order_by(table.c.decision_id.desc()).limit(1)
        with self._connected() as connection:
            row = connection.execute(query).first()
        return Decision(row.choice, row.decided_by, row.reason, row.decided_at) if row else None

    def unfinished(self, dataset: str | None = None, delivery_id: str | None = None) -> list[Unfinished]:
        """Deliveries on which a decision stands of which no receipt has told since, in the order of the decisions.

        Args:
            dataset: agency.dataset; all by default.
            delivery_id: within it; all by default.
        """
        c, d = self._delivery.c, ledger_tables()["decision"].c
        asked = [c.dataset == dataset] if dataset else []
        asked += [c.delivery_id == delivery_id] if delivery_id else []
        later = d.dataset.table.alias()
        is_last = ~sa.exists().where(
            later.c.dataset == d.dataset, later.c.delivery_id == d.delivery_id, later.c.decision_id > d.decision_id
        )
        query = (
            sa.select(*self._entry, d.choice, d.decided_by, d.reason, d.decided_at)
            .join_from(d.dataset.table, self._delivery, (d.dataset == c.dataset) & (d.delivery_id == c.delivery_id))
            .where(*asked, is_last, c.state.not_in((State.HELD, State.WITHDRAWN)))
            .where(c.receipt_at.is_(None) | (c.receipt_at < d.decided_at))
            .order_by(d.decision_id)
        )
        with self._connected() as connection:
            rows = connection.execute(query).all()
        return [Unfinished(LedgerEntry.of_row(row[: len(COLUMNS)]), Decision(*row[len(COLUMNS) :])) for row in rows]

    def waiting(self, dataset: str | None = None) -> list[Waiting]:
        """Deliveries that have never come to their end, or wait for a person; what waits for us is left out.

        Args:
            dataset: agency.dataset; all by default.
        """
        c, w = self._delivery.c, ledger_tables()["waiting"].c

        def last(table: str, column: str) -> sa.ScalarSelect[datetime]:
            of = ledger_tables()[table].c
            mine = (of.dataset == c.dataset, of.delivery_id == c.delivery_id)
            return sa.select(sa.func.max(of[column])).where(*mine).scalar_subquery()

        happened = (last("arrival", "arrived_at"), last("decision", "decided_at"), last("withdrawal", "decided_at"))
        since = sa.func.greatest(c.received_at, c.held_at, c.loaded_at, *happened).label("since")
        query = sa.select(c.dataset, c.delivery_id, c.state, since, w.found, w.found_at).select_from(self._delivery)
        query = query.outerjoin(w.found.table, (w.dataset == c.dataset) & (w.delivery_id == c.delivery_id))
        on_its_way = sa.or_(*map(self._stands, UNDERWAY)) & c.loaded_at.is_(None)
        untold = c.receipt_at.is_(None) & c.state.in_([state for state in State if state.is_final])
        for_a_person = self._stands(State.HELD) & (c.rule != WRONG_CONTRACT)
        query = query.where(on_its_way | untold | for_a_person).order_by(c.dataset, "since")
        if dataset:
            query = query.where(c.dataset == dataset)
        with self._connected() as connection:
            rows = connection.execute(query).all()
        return [
            Waiting(row.dataset, row.delivery_id, State(row.state), row.since, row.found, row.found_at) for row in rows
        ]

    def found_waiting(self, deliveries: Iterable[Waiting], found: Found) -> None:
        """Record that Airflow has no run of these deliveries, and what was done about it."""
        rows = [{"dataset": w.dataset, "delivery_id": w.delivery_id, "found": found} for w in deliveries]
        if not rows:
            return
        new = insert(ledger_tables()["waiting"]).values([{**row, "found_at": sa.func.now()} for row in rows])
        anew = {"found": new.excluded.found, "found_at": new.excluded.found_at}
        with self._connected() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["dataset", "delivery_id"], set_=anew))

    def merged(self, delivery: Delivery, counts: Mapping[str, int], spent: Spent) -> None:
        """Record, within the transaction that loads it, that the delivery is in its table."""
        loaded = {"state": State.LOADED, "loaded_at": datetime.now(UTC), **_NOTHING_SAID}
        decision = self.decision(delivery)
        if decision and decision.choice != "reject":
            # It is in the table although it was held: whoever reads of it must know.
            text = wording(f"decided_{decision.choice}").fill(
                by=decision.by, at=f"{decision.at:%Y-%m-%d}", reason=decision.reason
            )
            loaded |= {"message_vi": text.vi, "message_en": text.en}
        self._update(delivery, spent, **loaded, **counts)

    def withdrawn(self, delivery: Delivery, reason: str) -> None:
        """Record, within the transaction that takes its rows out of the table, that the delivery is withdrawn."""
        said = _said(Stop("rejected", "withdrawn", reason=reason))
        self._update(delivery, {}, **(_NO_COUNTS | said), state=State.WITHDRAWN, loaded_at=None)
        self._log_withdrawal(delivery, reason, is_withdrawn=True)

    def reinstated(self, delivery: Delivery, reason: str) -> None:
        """Record that the delivery's withdrawal is withdrawn; it may walk again."""
        with self.transaction() as ledger:
            ledger._update(delivery, {}, **_NOTHING_SAID, state=State.RECEIVED)
            ledger._log_withdrawal(delivery, reason, is_withdrawn=False)

    def receipted(self, delivery: Delivery, spent: Spent) -> None:
        """Record that the delivery's receipt is in the outbox."""
        self._update(delivery, spent, receipt_at=sa.func.now())

    def _update(self, delivery: Delivery, spent: Spent, **values: Any) -> None:
        """Set columns of the delivery's row, and add the seconds that stations took."""
        self._set(self._is(delivery.contract_id, delivery.id), spent, values)

    def _set(self, where: Iterable[sa.ColumnElement[bool]], spent: Spent, values: dict[str, Any]) -> None:
        if spent:
            values = values | {"timings": self._delivery.c.timings.op("||")(sa.cast(_rounded(spent), JSONB))}
        with self._connected() as connection:
            connection.execute(self._delivery.update().where(*where).values(**values))

    def late_by(self, delivery: Delivery) -> timedelta | None:
        """How long after it was due the delivery came; None if it came in time."""
        query = sa.text("SELECT late_by FROM ops.punctuality WHERE (dataset, delivery_id) = (:dataset, :id)")
        with self._connected() as connection:
            return connection.execute(query, {"dataset": delivery.contract_id, "id": delivery.id}).scalar()

    def freshness(self) -> list[dict[str, Any]]:
        """The rows of `ops.freshness`, the latest dataset first."""
        query = sa.text("SELECT * FROM ops.freshness ORDER BY late_by DESC NULLS LAST, dataset")
        with self._connected() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def parts(self, dataset: str | None = None) -> dict[str, list[Part]]:
        """The parts that are expected of each dataset that comes in parts, or of one; the latest part first."""
        query = sa.text(
            "SELECT dataset, part, name, last_period_loaded, due_at, late_by FROM ops.part_freshness"
            " WHERE dataset = coalesce(:dataset, dataset) ORDER BY late_by DESC NULLS LAST, part"
        )
        made: dict[str, list[Part]] = {}
        with self._connected() as connection:
            for name, *row in connection.execute(query, {"dataset": dataset}):
                made.setdefault(name, []).append(Part(*row))
        return made

    def reconciliations(self) -> dict[str, list[Reconciled]]:
        """What reconciliations have found, if anything, by the dataset whose agency can mend it."""
        query = sa.text("SELECT dataset, name, found, vi, en FROM ops.reconciliation WHERE found > 0 ORDER BY name")
        made: dict[str, list[Reconciled]] = {}
        with self._connected() as connection:
            for dataset, name, found, vi, en in connection.execute(query):
                text = Text(*(said.replace("{found}", str(found)) for said in (vi, en)))  # other braces are a text's
                made.setdefault(dataset, []).append(Reconciled(name, found, text))
        return made

    def failing_sources(self, least: int) -> list[Failing]:
        """The datasets whose last pulls have failed, at least so many in a row."""
        with self._connected() as connection:
            return failing(connection, least)

    def sent_back_since(self, moment: datetime) -> list[LedgerEntry]:
        """The deliveries whose agency has heard since that rows or all of it were sent back, in that order."""
        c = self._delivery.c
        query = self._select().where(c.receipt_at > moment, (c.state == State.REJECTED) | (c.rejected > 0))
        return self._entries(query.order_by(c.receipt_at))

    def last_told(self, way: str, event: str) -> datetime | None:
        """When a notice of that kind was last sent that way; None if none ever was."""
        t = ledger_tables()["notification"].c
        with self._connected() as connection:
            return connection.execute(sa.select(sa.func.max(t.sent_at)).where(t.way == way, t.event == event)).scalar()

    def told(self, way: str, notices: Iterable[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
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
        with self._connected() as connection:
            return {(dataset, event, about) for dataset, event, about in connection.execute(query, asked)}

    def tell(self, way: str, notices: Iterable[tuple[str, str, str]]) -> None:
        """Record that notices were sent that way."""
        rows = [{"dataset": dataset, "event": event, "about": about, "way": way} for dataset, event, about in notices]
        with self._connected() as connection:
            connection.execute(insert(ledger_tables()["notification"]).on_conflict_do_nothing(), rows)

    def found(self, delivery: Delivery, problems: pl.DataFrame, report: Mapping[str, Any]) -> None:
        """Replace the delivery's problems, validation results and profile.

        Args:
            delivery: whose they are.
            problems: of the PROBLEM schema.
            report: of the validate station.
        """
        named = {"dataset": delivery.contract_id, "delivery_id": delivery.id}
        findings: list[dict[str, Any]] = report["findings"]
        problem, validation, profile = (ledger_tables()[name] for name in ("problem", "validation", "profile"))
        with self._connected() as connection:
            for table in (problem, validation, profile):
                where = (table.c.dataset == named["dataset"], table.c.delivery_id == named["delivery_id"])
                connection.execute(table.delete().where(*where))
            if problems.height:
                rows = problems.rename({ROW: "row_no", "column": "column_name"})
                columns = [pl.lit(value).alias(name) for name, value in named.items()]
                copy_rows(connection, "ops.problem", [rows.select(*columns, pl.all())])
            if findings:
                rows_of = [{**named, "column_name": f["column"], **f} for f in findings]
                connection.execute(
                    validation.insert(), [{k: v for k, v in r.items() if k != "column"} for r in rows_of]
                )
            if measured := report["profile"]:
                about = {name: measured[name] for name in ("part", "rows", "numbers")}
                connection.execute(profile.insert().values(**named, **about))

    def count_problems(self, delivery: Delivery) -> int:
        """How many problems the ledger holds of the delivery."""
        problem = ledger_tables()["problem"]
        where = (problem.c.dataset == delivery.contract_id, problem.c.delivery_id == delivery.id)
        with self._connected() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(problem).where(*where)).scalar_one()

    def _before(self, query: sa.Select[Any], delivery: Delivery, count: int) -> sa.Select[Any]:
        """The rows of a query that are of deliveries before this one in time and no corrections, the latest first."""
        c = self._delivery.c
        mine = (delivery.as_of, delivery.revision, delivery.word, delivery.sha256)
        earlier = sa.tuple_(c.as_of, c.revision, c.word, c.sha256) < sa.tuple_(*map(sa.literal, mine))
        return (
            query.where(c.dataset == delivery.contract_id, c.corrects.is_(None), earlier)
            .order_by(*self._latest_first())
            .limit(count)
        )

    def _turn(self, delivery: Delivery, spent: Spent, **values: Any) -> None:
        """Set columns, unless the delivery was withdrawn while a station worked on it."""
        is_there = self._delivery.c.state != State.WITHDRAWN
        self._set((*self._is(delivery.contract_id, delivery.id), is_there), spent, values)

    def _log_withdrawal(self, delivery: Delivery, reason: str, is_withdrawn: bool) -> None:
        row = {"dataset": delivery.contract_id, "delivery_id": delivery.id}
        table = ledger_tables()["withdrawal"]
        with self._connected() as connection:
            connection.execute(table.insert().values(**row, reason=reason, is_withdrawn=is_withdrawn))

    def _select(self) -> sa.Select[Any]:
        return sa.select(*self._entry)

    def _entries(self, query: sa.Select[Any]) -> list[LedgerEntry]:
        with self._connected() as connection:
            return [LedgerEntry.of_row(row) for row in connection.execute(query)]

    def _latest_first(self) -> tuple[sa.ColumnElement[Any], ...]:
        c = self._delivery.c
        return c.as_of.desc(), c.revision.desc(), c.word.desc(), c.sha256.desc()

    def _stands(self, state: State) -> sa.ColumnElement[bool]:
        """Whether a delivery is in a state; said as a constant, by which PostgreSQL knows its index of these."""
        return self._delivery.c.state == sa.literal_column(f"'{state}'")

    def _is(self, dataset: str, delivery_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return self._delivery.c.dataset == dataset, self._delivery.c.delivery_id == delivery_id


def rejection(by: str, reason: str, held_for: Text) -> Stop:
    """What is said of a held delivery that a person rejects.

    Args:
        by: who.
        reason: why; the agency reads it.
        held_for: why the delivery was held; others than the sender read it.
    """
    return Stop("rejected", REJECTED_ON_REVIEW, by=by, reason=reason, held=held_for)


def _rounded(spent: Spent) -> dict[str, float]:
    return {station: round(seconds, 3) for station, seconds in spent.items()}


def _said(stop: Stop) -> dict[str, str]:
    return {"rule": stop.rule, "message_vi": stop.message.vi, "message_en": stop.message.en}
