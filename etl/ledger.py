"""The ledger: where every delivery stands, in schema `ops`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from etl.contract import Choice, Text
from etl.delivery import ROW, Delivery, Place, State, Stop, loggable, wording
from etl.profile import Profile
from etl.receive.manifest import RULES
from etl.warehouse import COUNTS, copy_rows, ledger_tables

Moment = int | float | Decimal
_NEVER = -(2**63)  # before every moment
_NO_COUNTS = dict.fromkeys(("rows_in", *COUNTS, "ended"))
_NOTHING_SAID = dict.fromkeys(("rule", "message_vi", "message_en", "held_at"))
REJECTED_ON_REVIEW = "rejected_on_review"  # the rule of a delivery that was held and then rejected by a person


class Ledger:
    """Reads and writes `ops`; each method is one transaction unless it is given a connection."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._delivery = ledger_tables()["delivery"]

    def arrived(self, delivery: Delivery, declared: dict[str, Any] | None = None) -> bool:
        """Record that a file arrived, with the manifest that came with it; True if its bytes are new.

        A delivery that was held for its manifest goes on when the same bytes come with another.
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
            "state": "received",
        }
        with self.engine.begin() as connection:
            new = insert(self._delivery).values(row).on_conflict_do_nothing().returning(self._delivery.c.delivery_id)
            added = connection.execute(new).first() is not None
            connection.execute(
                ledger_tables()["arrival"]
                .insert()
                .values(
                    dataset=delivery.contract_id,
                    delivery_id=delivery.id,
                    file_name=delivery.file_name,
                    is_new=added,
                    declared=declared,
                )
            )
            if declared is not None:
                held = (*self._is(delivery.contract_id, delivery.id), self._delivery.c.state == "held")
                for_its_manifest = self._delivery.c.rule.in_(RULES)
                connection.execute(self._delivery.update().where(*held, for_its_manifest).values(state="received"))
        return added

    def get(self, dataset: str, delivery_id: str) -> dict[str, Any]:
        """The ledger's row of one delivery.

        Raises:
            LookupError: if there is none.
        """
        with self.engine.connect() as connection:
            row = connection.execute(self._delivery.select().where(*self._is(dataset, delivery_id))).mappings().first()
        if row is None:
            raise LookupError(f"The ledger knows no delivery {dataset}/{delivery_id}.")
        return dict(row)

    def knows(self, dataset: str, delivery_id: str) -> bool:
        """Whether there is such a delivery."""
        query = sa.select(sa.true()).where(*self._is(dataset, delivery_id))
        with self.engine.connect() as connection:
            return connection.execute(query).first() is not None

    def all(self, dataset: str | None = None) -> list[dict[str, Any]]:
        """The ledger's rows, by dataset and place in time."""
        query = self._delivery.select().order_by("dataset", "as_of", "revision", "word", "sha256")
        if dataset:
            query = query.where(self._delivery.c.dataset == dataset)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def last(self, count: int) -> list[dict[str, Any]]:
        """The last deliveries of each dataset by period, by dataset and place in time.

        Args:
            count: how many of each dataset at most, and as many again that are corrections or of no known period.

        Returns:
            The ledger's rows, each with `deliveries` and `held`: how many its dataset has in all.
        """
        c = self._delivery.c
        is_other = c.as_of.is_(None) | c.corrects.is_not(None)
        time = (c.as_of.desc(), c.revision.desc(), c.word.desc(), c.sha256.desc())
        ranked = sa.select(
            *c,
            sa.func.row_number().over(partition_by=(c.dataset, is_other), order_by=time).label("nth"),
            sa.func.count().over(partition_by=c.dataset).label("deliveries"),
            sa.func.count().filter(c.state == "held").over(partition_by=c.dataset).label("held"),
        ).subquery()
        query = (
            sa.select(ranked).where(ranked.c.nth <= count).order_by("dataset", "as_of", "revision", "word", "sha256")
        )
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def declared(self, delivery: Delivery) -> dict[str, Any]:
        """The last manifest that came with the delivery's bytes; empty if none did."""
        arrival = ledger_tables()["arrival"]
        c = arrival.c
        query = (
            sa.select(c.declared)
            .where(c.dataset == delivery.contract_id, c.delivery_id == delivery.id, c.declared.is_not(None))
            .order_by(c.arrival_id.desc())
        )
        with self.engine.connect() as connection:
            return connection.execute(query).scalar() or {}

    def corrections(self, dataset: str, delivery_id: str) -> list[dict[str, Any]]:
        """The rows of the corrections of a delivery, in the order of time."""
        c = self._delivery.c
        query = (
            self._delivery.select()
            .where(c.dataset == dataset, c.corrects == delivery_id)
            .order_by(c.correction, c.word, c.sha256)
        )
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def before(self, delivery: Delivery, count: int) -> list[dict[str, Any]]:
        """The rows of the last judged deliveries of the dataset before this one in time, the oldest first."""
        c = self._delivery.c
        query = self._before(self._delivery.select(), delivery, count).where(c.rejected.is_not(None))
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()][::-1]

    def word_before(self, delivery: Delivery) -> str | None:
        """The id of the last file in the table of the delivery's period before it in time; corrections are none."""
        c = self._delivery.c
        query = self._before(sa.select(c.delivery_id), delivery, 1)
        query = query.where(c.as_of == delivery.as_of, c.loaded_at.is_not(None))
        with self.engine.connect() as connection:
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
        with self.engine.connect() as connection:
            return [Profile(*row) for row in connection.execute(query)][::-1]

    def words(self, delivery: Delivery) -> list[dict[str, Any]]:
        """The rows of the files of the delivery's period that are in the table, in the order of time.

        Corrections aside; and where they are parts of a whole, those that share a part with this one.
        """
        c = self._delivery.c
        mine = sa.select(c.parts).where(*self._is(delivery.contract_id, delivery.id)).scalar_subquery()
        query = self._delivery.select().where(
            c.dataset == delivery.contract_id,
            c.as_of == delivery.as_of,
            c.corrects.is_(None),
            c.loaded_at.is_not(None),
            sa.func.coalesce(c.parts.overlap(mine), sa.true()),
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(c.revision, c.word, c.sha256)).mappings()
            return [dict(row) for row in rows]

    def has_loaded(self, connection: sa.Connection, dataset: str) -> bool:
        """Whether any delivery is in the dataset's table."""
        c = self._delivery.c
        query = sa.select(sa.true()).where(c.dataset == dataset, c.loaded_at.is_not(None)).limit(1)
        return connection.execute(query).first() is not None

    def loaded(self, connection: sa.Connection, dataset: str, since: date = date.min) -> list[Place]:
        """Deliveries that are in the dataset's table, in the order of time.

        One that walks again is among them, whatever its state: its rows stay until it is loaded anew.

        Args:
            connection: within whose transaction to look.
            dataset: agency.dataset.
            since: the first period that is looked for.
        """
        return self._places(connection, dataset, self._delivery.c.as_of >= since)

    def unmeasured(self, connection: sa.Connection, dataset: str) -> list[Place]:
        """Deliveries in the dataset's table of whose last change the ledger does not know."""
        return self._places(connection, dataset, self._delivery.c.last_change.is_(None))

    def measured(self, connection: sa.Connection, dataset: str, place: Place, last: Moment | None) -> None:
        """Record the last change that a delivery holds, as a number; None if it holds none."""
        values = {"last_change": _NEVER if last is None else last}
        connection.execute(self._delivery.update().where(*self._is(dataset, place.delivery_id)).values(values))

    def changed_after(self, connection: sa.Connection, dataset: str, moment: Moment) -> list[Place]:
        """Deliveries in the dataset's table that hold a change after a moment, among those that were measured."""
        return self._places(connection, dataset, self._delivery.c.last_change > moment)

    def _places(self, connection: sa.Connection, dataset: str, *where: sa.ColumnElement[bool]) -> list[Place]:
        """Deliveries that are in the dataset's table, in the order of time."""
        c = self._delivery.c
        query = sa.select(
            c.delivery_id, c.as_of, c.revision, c.sha256, c.corrects, sa.func.coalesce(c.correction, 0), c.word
        ).where(c.dataset == dataset, c.loaded_at.is_not(None), *where)
        return sorted((Place(*row) for row in connection.execute(query)), key=lambda place: place.when)

    def passed(self, delivery: Delivery, state: State, **values: Any) -> None:
        """Record that a station is behind the delivery, and what it counted."""
        # The first station forgets what an earlier walk counted, and the last one before load what its staging held.
        counts: dict[str, Any] = {"extracted": _NO_COUNTS, "normalized": {"last_change": None}}.get(state, {})
        self._turn(delivery, **(counts | _NOTHING_SAID | values), state=state)

    def stopped(self, delivery: Delivery, stop: Stop, **values: Any) -> None:
        """Record that the delivery is held or rejected, and why."""
        held_at = sa.func.now() if stop.state == "held" else None
        self._turn(delivery, **(_NO_COUNTS | _said(stop) | values), state=stop.state, held_at=held_at)

    def decided(self, delivery: Delivery, choice: Choice, by: str, reason: str) -> None:
        """Record a decision on a delivery that is held, or was rejected on review.

        A rejected one is at its end; an accepted one stands before the validate station, which knows the decision.

        Raises:
            LookupError: if the delivery is neither, for somebody was quicker.
        """
        c = self._delivery.c
        where = (
            *self._is(delivery.contract_id, delivery.id),
            (c.state == "held") | ((c.state == "rejected") & (c.rule == REJECTED_ON_REVIEW)),
        )
        table = ledger_tables()["decision"]
        with self.engine.begin() as connection:
            query = sa.select(c.rule, c.message_vi, c.message_en).where(*where).with_for_update()
            held = connection.execute(query).one_or_none()
            if held is None:
                raise LookupError(f"{delivery.contract_id}/{delivery.id} waits for no decision.")
            row = {"dataset": delivery.contract_id, "delivery_id": delivery.id, "rule": held.rule}
            said = {"decided_by": by, "choice": choice, "reason": reason}
            connection.execute(table.insert().values(**row, **said))
            if choice == "reject":
                stop = rejection(said, loggable(held.rule, Text(held.message_vi, held.message_en)))
                self.update(connection, delivery, **_said(stop), state="rejected", held_at=None)
            else:
                self.update(connection, delivery, **_NOTHING_SAID, state="extracted")

    def decision(self, delivery: Delivery) -> dict[str, Any] | None:
        """The decision that stands on a delivery, a row of `ops.decision`; None if there is none."""
        with self.engine.connect() as connection:
            return self._decision(connection, delivery)

    def unfinished(self, dataset: str | None = None, delivery_id: str | None = None) -> list[dict[str, Any]]:
        """Deliveries on which a decision stands of which no receipt has told since, in the order of the decisions.

        Args:
            dataset: agency.dataset; all by default.
            delivery_id: within it; all by default.

        Returns:
            The ledger's rows, each with `choice`, `decided_by` and `decided_at`.
        """
        c, d = self._delivery.c, ledger_tables()["decision"].c
        last = sa.select(sa.func.max(d.decision_id)).group_by(d.dataset, d.delivery_id)
        query = (
            sa.select(*c, d.choice, d.decided_by, d.decided_at)
            .join_from(d.dataset.table, self._delivery, (d.dataset == c.dataset) & (d.delivery_id == c.delivery_id))
            .where(d.decision_id.in_(last), c.state.not_in(("held", "withdrawn")))
            .where(c.receipt_at.is_(None) | (c.receipt_at < d.decided_at))
            .order_by(d.decision_id)
        )
        if dataset:
            query = query.where(c.dataset == dataset)
        if delivery_id:
            query = query.where(c.delivery_id == delivery_id)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def merged(self, connection: sa.Connection, delivery: Delivery, counts: dict[str, int]) -> None:
        """Record, within the transaction that loads it, that the delivery is in its table."""
        loaded = {"state": "loaded", "loaded_at": datetime.now(UTC), **_NOTHING_SAID}
        decision = self._decision(connection, delivery)
        if (
            decision and decision["choice"] != "reject"
        ):  # it is in the table although it was held: whoever reads of it must know
            by = {
                "by": decision["decided_by"],
                "at": f"{decision['decided_at']:%Y-%m-%d}",
                "reason": decision["reason"],
            }
            text = wording(f"decided_{decision['choice']}").fill(**by)
            loaded |= {"message_vi": text.vi, "message_en": text.en}
        self.update(connection, delivery, **loaded, **counts)

    def withdrawn(self, connection: sa.Connection, delivery: Delivery, reason: str) -> None:
        """Record, within a transaction of the caller's, that the delivery is withdrawn."""
        said = _said(Stop("rejected", "withdrawn", reason=reason))
        self.update(connection, delivery, **(_NO_COUNTS | said), state="withdrawn", loaded_at=None)
        self._log_withdrawal(connection, delivery, reason, is_withdrawn=True)

    def reinstated(self, delivery: Delivery, reason: str) -> None:
        """Record that the delivery's withdrawal is withdrawn; it may walk again."""
        with self.engine.begin() as connection:
            self.update(connection, delivery, **_NOTHING_SAID, state="received")
            self._log_withdrawal(connection, delivery, reason, is_withdrawn=False)

    def spent(self, delivery: Delivery, station: str, seconds: float) -> None:
        """Record how long a station took; nobody waits for the disk, for a power cut may cost that much."""
        with self.engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL synchronous_commit TO off"))
            timing = sa.func.jsonb_build_object(station, round(seconds, 3))
            self.update(connection, delivery, timings=self._delivery.c.timings.op("||")(timing))

    def update(self, connection: sa.Connection, delivery: Delivery, **values: Any) -> None:
        """Set columns of the delivery's row within a transaction of the caller's."""
        where = self._is(delivery.contract_id, delivery.id)
        connection.execute(self._delivery.update().where(*where).values(**values))

    def late_by(self, delivery: Delivery) -> timedelta | None:
        """How long after it was due the delivery came; None if it came in time."""
        query = sa.text("SELECT late_by FROM ops.punctuality WHERE (dataset, delivery_id) = (:dataset, :id)")
        with self.engine.connect() as connection:
            return connection.execute(query, {"dataset": delivery.contract_id, "id": delivery.id}).scalar()

    def freshness(self) -> list[dict[str, Any]]:
        """The rows of `ops.freshness`, the latest dataset first."""
        query = sa.text("SELECT * FROM ops.freshness ORDER BY late_by DESC NULLS LAST, dataset")
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def telling(self, dataset: str, event: str, about: str, way: str) -> Iterator[bool]:
        """Record that a notice is sent in this block, unless the block fails.

        Yields:
            Whether it had not been sent before.
        """
        row = {"dataset": dataset, "event": event, "about": about, "way": way}
        table = ledger_tables()["notification"]
        with self.engine.begin() as connection:
            new = insert(table).values(row).on_conflict_do_nothing().returning(table.c.way)
            yield connection.execute(new).first() is not None

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
        with self.engine.begin() as connection:
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
        with self.engine.connect() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(problem).where(*where)).scalar_one()

    def _before(self, query: sa.Select[Any], delivery: Delivery, count: int) -> sa.Select[Any]:
        """The rows of a query that are of deliveries before this one in time and no corrections, the latest first."""
        c = self._delivery.c
        mine = (delivery.as_of, delivery.revision, delivery.word, delivery.sha256)
        earlier = sa.tuple_(c.as_of, c.revision, c.word, c.sha256) < sa.tuple_(*map(sa.literal, mine))
        return (
            query.where(c.dataset == delivery.contract_id, c.corrects.is_(None), earlier)
            .order_by(c.as_of.desc(), c.revision.desc(), c.word.desc(), c.sha256.desc())
            .limit(count)
        )

    def _turn(self, delivery: Delivery, **values: Any) -> None:
        """Set columns, unless the delivery was withdrawn while a station worked on it."""
        where = (*self._is(delivery.contract_id, delivery.id), self._delivery.c.state != "withdrawn")
        with self.engine.begin() as connection:
            connection.execute(self._delivery.update().where(*where).values(**values))

    def _decision(self, connection: sa.Connection, delivery: Delivery) -> dict[str, Any] | None:
        table = ledger_tables()["decision"]
        where = (table.c.dataset == delivery.contract_id, table.c.delivery_id == delivery.id)
        query = table.select().where(*where).order_by(table.c.decision_id.desc()).limit(1)
        row = connection.execute(query).mappings().first()
        return dict(row) if row else None

    def _log_withdrawal(self, connection: sa.Connection, delivery: Delivery, reason: str, is_withdrawn: bool) -> None:
        row = {"dataset": delivery.contract_id, "delivery_id": delivery.id}
        table = ledger_tables()["withdrawal"]
        connection.execute(table.insert().values(**row, reason=reason, is_withdrawn=is_withdrawn))

    def _is(self, dataset: str, delivery_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return self._delivery.c.dataset == dataset, self._delivery.c.delivery_id == delivery_id


def rejection(decision: dict[str, Any], held_for: Text) -> Stop:
    """What is said of a held delivery that a person rejects.

    Args:
        decision: its `decided_by` and `reason`.
        held_for: why the delivery was held; others than the sender read it.
    """
    details = {"by": decision["decided_by"], "reason": decision["reason"]}
    return Stop("rejected", REJECTED_ON_REVIEW, **details, held=held_for)


def _said(stop: Stop) -> dict[str, str]:
    return {"rule": stop.rule, "message_vi": stop.message.vi, "message_en": stop.message.en}
