"""The way of a delivery: which station follows which, and what the ledger hears of it.

The same methods serve `citydw run` and Airflow. How a file becomes a delivery is said in `etl.pipeline.reception`.
Stations meet in files, so each can be run again; heavy imports wait until the station that needs them runs.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import sqlalchemy as sa

from etl.contract import Choice, Contract, Contracts, Text, load_all
from etl.contract.city import said
from etl.delivery.messages import WRONG_CONTRACT, Stop, loggable
from etl.delivery.model import Delivery
from etl.delivery.state import UNDERWAY, State
from etl.delivery.storage import Storage
from etl.pipeline import lint, stations
from etl.receive.identity import Identities, identities
from etl.receive.refusal import is_refused
from etl.settings import EXPECTATIONS, Settings
from etl.warehouse import address

if TYPE_CHECKING:
    from etl.delivery.entry import Decision, LedgerEntry
    from etl.pipeline.correction import Workbooks
    from etl.warehouse.ledger import Ledger

log = logging.getLogger(__name__)

Station = Literal["extract", "validate", "normalize", "load", "receipt"]
STATIONS: tuple[Station, ...] = get_args(Station)
_NEXT: dict[State, Station] = dict(zip(UNDERWAY, STATIONS, strict=False))  # behind what is at rest: only the receipt


@dataclass(frozen=True)
class Outcome:
    """What a station said of a delivery."""

    state: State
    message: Text | None = None  # may quote the file; see `etl.delivery.loggable`
    counts: dict[str, int] = field(default_factory=dict)
    rule: str | None = None

    @property
    def stopped(self) -> bool:
        """Held, rejected or withdrawn: only the receipt follows."""
        return self.state.is_stopped


@dataclass(frozen=True)
class _Clock:
    """How long a station has been at work on a delivery."""

    station: Station
    started: float = field(default_factory=time.perf_counter)

    @property
    def spent(self) -> dict[str, float]:
        """The seconds until now, as the ledger takes them."""
        return {self.station: time.perf_counter() - self.started}


@dataclass(frozen=True)
class _Known:
    """What a station must know of a delivery before it begins, asked for at once; no more than that."""

    entry: LedgerEntry
    decision: Decision | None
    declared: dict[str, Any]


@dataclass(frozen=True)
class Pipeline:
    """The stations, with the places and the ledger that they work on."""

    settings: Settings
    contracts: Contracts
    identities: Identities = field(default_factory=dict)  # of the agencies that must prove who they are

    @classmethod
    def from_environment(cls) -> Pipeline:
        """The pipeline that the environment's settings describe, of the datasets whose contract is right.

        What this process writes from now on is its own.
        """
        os.umask(0o077)
        return cls(Settings.from_environment(), lint.sound(load_all()), identities(EXPECTATIONS / "agencies.yaml"))

    @cached_property
    def storage(self) -> Storage:
        """The data root."""
        return Storage(self.settings.data)

    @cached_property
    def engine(self) -> sa.Engine:
        """The warehouse; the embedded server is started where no other is set."""
        return sa.create_engine(address.warehouse_url(self.settings), pool_pre_ping=True, hide_parameters=True)

    @cached_property
    def ledger(self) -> Ledger:
        """Where every delivery stands."""
        from etl.warehouse.ledger import Ledger

        return Ledger(self.engine)

    @property
    def workbooks(self) -> Workbooks:
        """The workbooks of rejected rows that may come back."""
        from etl.pipeline.correction import Workbooks

        return Workbooks(self.storage, self.ledger, self.settings.key)

    def withdraw(self, dataset: str, delivery_id: str, reason: str) -> Outcome:
        """Take a delivery and its corrections out of their table, as their agency asks, and write the receipts.

        One that was refused when it came is in no table, and stays what it is: taking it back would let it in.
        """
        from etl.load import withdraw

        entry = self.ledger.get(dataset, delivery_id)
        if is_refused(entry):
            return Outcome(entry.state, entry.message, rule=entry.rule)
        delivery = self._delivery(dataset, delivery_id)
        withdraw(self.ledger, self.storage, delivery, self.contracts[dataset], reason)
        for entry in self.ledger.corrections(dataset, delivery_id):
            self.run_station("receipt", dataset, entry.delivery_id)
        return self.run_station("receipt", dataset, delivery_id)

    def reinstate(self, dataset: str, delivery_id: str, reason: str) -> Iterator[tuple[Station, Outcome]]:
        """Take a withdrawal back: the delivery walks through all stations again."""
        delivery = self._delivery(dataset, delivery_id)
        if self.ledger.get(dataset, delivery_id).state is State.WITHDRAWN:
            self.ledger.reinstated(delivery, reason)
            yield from self.walk(dataset, delivery_id)

    def decide(self, dataset: str, delivery_id: str, choice: Choice, by: str, reason: str) -> Outcome:
        """Record a decision on a held delivery; one that is accepted is judged anew, with the decision in mind.

        Afterwards the delivery must go on, see `walk_on`. A decision that was recorded and then not carried out is not
        recorded twice: the same choice goes on from there.

        Args:
            dataset: agency.dataset.
            delivery_id: of a delivery that is held, or was rejected on review.
            choice: see `etl.operate.hold`.
            by: who decides.
            reason: why; the agency reads it.

        Raises:
            Undecidable: if it waits for no decision, or cannot be accepted, or the reason is none.
        """
        from etl.operate.hold import check, check_reason
        from etl.warehouse.decisions import decided, unfinished

        delivery = self._delivery(dataset, delivery_id)
        with self._alone(dataset, delivery_id):
            left = next(iter(unfinished(self.ledger, dataset, delivery_id)), None)
            if left is None or left.decision.choice != choice:
                check(self.ledger.get(dataset, delivery_id), choice, left)
                decided(self.ledger, delivery, choice, by, check_reason(reason))
            if choice != "reject":
                return self.run_station("validate", dataset, delivery_id)
            return Outcome(State.REJECTED, self.ledger.get(dataset, delivery_id).message)

    def decide_by_default(self, dataset: str, delivery_id: str) -> Outcome:
        """Decide what the contract says for a delivery on which nobody decided in time."""
        from etl.operate.hold import HeldDelivery

        hold = HeldDelivery(self.ledger.get(dataset, delivery_id), self.contracts[dataset])
        reason = said(f"không ai quyết định trong {hold.days:g} ngày", f"nobody decided within {hold.days:g} days")
        return self.decide(dataset, delivery_id, hold.default, "timeout", reason)

    def run_station(self, station: Station, dataset: str, delivery_id: str) -> Outcome:
        """Walk one delivery through one station and tell the ledger.

        Raises:
            Exception: faults of ours or of the machine, never of the data; running the station again is safe.
        """
        from etl.warehouse.decisions import decision

        delivery = self._delivery(dataset, delivery_id)
        clock = _Clock(station)
        if station == "receipt":
            return self._receipt(delivery, clock)
        if station == "load" and dataset not in self.contracts.wrong:
            return self._load(delivery, self.contracts[dataset])
        with self.ledger.transaction() as ledger:
            known = _Known(
                ledger.get(dataset, delivery_id),
                decision(ledger, delivery) if station == "validate" else None,
                ledger.declared(delivery) if station != "normalize" else {},
            )
        if known.entry.state is State.WITHDRAWN:
            return Outcome(State.WITHDRAWN)
        if is_refused(known.entry):
            return Outcome(State.REJECTED, known.entry.message, rule=known.entry.rule)
        if dataset in self.contracts.wrong or station == "load":
            return self._stopped(delivery, Stop("held", WRONG_CONTRACT), clock)
        return self._data_station(station, delivery, self.contracts[dataset], known, clock)

    def walk(self, dataset: str, delivery_id: str, first: Station = STATIONS[0]) -> Iterator[tuple[Station, Outcome]]:
        """Walk a delivery through the stations from `first` on, in this process; says after each what came of it.

        Whoever else walks it, or decides on it, is waited for.
        """
        with self._alone(dataset, delivery_id):
            yield from self._walk(dataset, delivery_id, first)

    def walk_on(self, dataset: str, delivery_id: str) -> Iterator[tuple[Station, Outcome]]:
        """Walk a delivery on from where the ledger says it is: behind a decision, or where somebody was stopped.

        Whoever else walks it is waited for. What that one has done is not done again but for the receipt, so that this
        always ends with what the ledger says in the end.
        """
        with self._alone(dataset, delivery_id):
            state = self.ledger.get(dataset, delivery_id).state
            yield from self._walk(dataset, delivery_id, _NEXT.get(state, "receipt"))

    def backfill(self, dataset: str) -> Iterator[tuple[str, Outcome]]:
        """Walk all deliveries of a table through the stations again, and load them all at once.

        What today's contract holds or rejects keeps the rows that it had in the table.

        Yields:
            Each delivery's id with what came of it, before all are loaded.
        """
        from etl.operate.replay import replay
        from etl.warehouse.timeline import loaded

        in_table = [delivery_id for delivery_id, *_ in loaded(self.ledger, dataset)]
        for delivery_id in in_table:
            for station in STATIONS[: STATIONS.index("load")]:
                outcome = self.run_station(station, dataset, delivery_id)
                if outcome.stopped:
                    break
            yield delivery_id, outcome
        replay(self.ledger, self.storage, self.contracts[dataset], swap=True)
        for delivery_id in in_table:
            self.run_station("receipt", dataset, delivery_id)

    @contextmanager
    def _alone(self, dataset: str, delivery_id: str) -> Iterator[None]:
        """Wait until nobody else walks a delivery or decides on it; nobody else does in this block.

        Two that walked it at once would come to the same table. But the ledger would say what the slower one has done
        last, and go on to say so if that one were killed.
        """
        from etl.warehouse.ops import lock

        with self.engine.connect() as connection:  # rolled back in the end: no lock is kept for each delivery
            lock(connection, f"{dataset}/{delivery_id}")
            yield

    def _walk(self, dataset: str, delivery_id: str, first: Station) -> Iterator[tuple[Station, Outcome]]:
        for station in STATIONS[STATIONS.index(first) :]:
            outcome = self.run_station(station, dataset, delivery_id)
            yield station, outcome
            if outcome.stopped and station != "receipt":
                yield "receipt", self.run_station("receipt", dataset, delivery_id)
                return

    def _delivery(self, dataset: str, delivery_id: str) -> Delivery:
        agency, name = dataset.split(".", 1)
        return self.storage.delivery(agency, name, delivery_id)

    def _data_station(
        self, station: stations.Station, delivery: Delivery, contract: Contract, known: _Known, clock: _Clock
    ) -> Outcome:
        if station == "extract" and (stop := self._unreadable(delivery)):
            return self._stopped(delivery, stop, clock)
        from etl.delivery.problems import found_in
        from etl.delivery.profile import Earlier
        from etl.warehouse import problems
        from etl.warehouse.timeline import profiles_before, word_before

        of_ledger = (self.ledger, delivery)
        earlier = Earlier(partial(profiles_before, *of_ledger), partial(word_before, *of_ledger))
        result = stations.run(
            station,
            self.storage,
            delivery,
            contract,
            str(self.settings.gx_home),
            declared=known.declared,
            choice=known.decision.choice if known.decision else None,
            earlier=earlier,
            limits=self.settings.limits,
        )
        if unknown := result.report.get("unknown_columns"):
            log.warning(f"{contract.id}/{delivery.id}: {unknown} columns are not in the contract; see ops.problem")
        if result.stop and station == "extract":
            from etl.pipeline.recognise import add_right_folder

            add_right_folder(result.stop, self.storage, delivery, self.contracts.values(), self.settings.limits)
        found = found_in(self.storage, delivery) if station == "validate" and result.report else None
        with self.ledger.transaction() as ledger:
            if found is not None:
                problems.record(ledger, delivery, found, result.report)
            if result.stop:
                return _stopped(ledger, delivery, result.stop, clock, **result.counts)
            parts = {"parts": result.report["parts"]} if station == "normalize" else {}
            ledger.passed(delivery, result.state, clock.spent, **result.counts, **parts)
        return Outcome(result.state, counts=result.counts)

    def _unreadable(self, delivery: Delivery) -> Stop | None:
        """Why there is nothing to read: no bytes were taken, or its workbook is none of ours; None if there is."""
        from etl.receive.landing import unread

        stop = unread(self.storage, delivery)
        return self.workbooks.unfounded(delivery, delivery.corrects) if delivery.corrects and not stop else stop

    def _stopped(self, delivery: Delivery, stop: Stop, clock: _Clock) -> Outcome:
        with self.ledger.transaction() as ledger:
            return _stopped(ledger, delivery, stop, clock)

    def _load(self, delivery: Delivery, contract: Contract) -> Outcome:
        from etl.load import load

        counts = load(self.ledger, self.storage, delivery, contract)
        return Outcome(State.WITHDRAWN) if counts is None else Outcome(State.LOADED, counts=counts)

    def _receipt(self, delivery: Delivery, clock: _Clock) -> Outcome:
        entry = self._write_receipt(delivery, clock)
        if delivery.corrects and (corrected := self.ledger.find(delivery.contract_id, delivery.corrects)):
            self._write_receipt(corrected.delivery, None)  # it says what is mended now
        return Outcome(entry.state, entry.message, rule=entry.rule)

    def _write_receipt(self, delivery: Delivery, clock: _Clock | None) -> LedgerEntry:
        from etl.pipeline.receipt import write_receipt

        entry = write_receipt(self.ledger, self.storage, self.contracts, self.settings, delivery)
        self.ledger.receipted(delivery, clock.spent if clock else {})
        return entry


def _stopped(ledger: Ledger, delivery: Delivery, stop: Stop, clock: _Clock, **counts: int) -> Outcome:
    """Record, as part of a transaction, why a delivery stops; a hold that a person has rejected is a rejection."""
    from etl.warehouse.decisions import decision, rejection

    stands = decision(ledger, delivery) if stop.state is State.HELD else None
    if stands and stands.choice == "reject":
        stop = rejection(stands.by, stands.reason, loggable(stop.rule, stop.message))
    ledger.stopped(delivery, stop, clock.spent, **counts)
    return Outcome(stop.state, stop.message, rule=stop.rule)
