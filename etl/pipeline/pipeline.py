"""The way of a delivery: which station follows which, and what the ledger hears of it.

The same functions serve `citydw run` and Airflow. Stations meet in files, so each can be run again; heavy imports
wait until the station that needs them runs.
"""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import sqlalchemy as sa
from upath import UPath

from etl.contract import Choice, Contract, ContractError, Contracts, Text, load_all
from etl.contract.city import said
from etl.delivery.display import printable
from etl.delivery.messages import WRONG_CONTRACT, Stop, loggable
from etl.delivery.model import Delivery
from etl.delivery.state import UNDERWAY, State
from etl.delivery.storage import Storage
from etl.pipeline import lint, stations
from etl.receive.identity import Identities, identities
from etl.settings import EXPECTATIONS, Settings
from etl.warehouse import address

if TYPE_CHECKING:
    import polars as pl

    from etl.delivery.correction import Mark
    from etl.delivery.entry import Decision, LedgerEntry
    from etl.delivery.pull import Pull
    from etl.linkage.link import Linking
    from etl.operate.audit import Finding
    from etl.operate.replay import Replay
    from etl.receive.landing import Landed
    from etl.warehouse.ledger import Ledger

log = logging.getLogger(__name__)

Station = Literal["extract", "validate", "normalize", "load", "receipt"]
STATIONS: tuple[Station, ...] = get_args(Station)
_NEXT: dict[State, Station] = dict(zip(UNDERWAY, STATIONS, strict=False))  # behind what is at rest: only the receipt
_HISTORY = 10  # earlier deliveries that a receipt compares with
_HALF = (
    "khi tiếp nhận, tệp còn đang được ghi; tệp đầy đủ được nhận thành lần giao khác"
    " / the file was still being written when it was received; the whole of it is a delivery of its own"
)


@dataclass(frozen=True)
class Received:
    """A file that has come to landing."""

    delivery: Delivery
    is_new: bool  # its bytes had not arrived before
    state: State
    beside: tuple[Received, ...] = ()  # the same file as that of the other tables that are read from it

    @property
    def dataset(self) -> str:
        """The dataset's full name."""
        return self.delivery.contract_id

    @property
    def tables(self) -> tuple[Received, ...]:
        """This and the deliveries of the other tables that are read from its file."""
        return self, *self.beside

    @property
    def is_final(self) -> bool:
        """Whether no station has anything left to do: loaded, held, rejected or withdrawn."""
        return self.state.is_at_rest

    @property
    def delivery_id(self) -> str:
        """The delivery's id within its dataset."""
        return self.delivery.id


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
    """What a station must know of a delivery before it begins, asked for at once."""

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
    def data_docs(self) -> Path:
        """The page on which Great Expectations shows what it found."""
        return self.settings.gx_home / "data_docs" / "index.html"

    def index_data_docs(self) -> None:
        """Bring Great Expectations' pages, and the list of them, up to date."""
        from etl.validate.results import render

        render(self.contracts.values(), self.settings.gx_home)

    def build_site(self, dataset: str | None = None) -> UPath:
        """Bring the pages for all up to date, of one dataset or of all, and give the first; see `etl.site`."""
        from etl import site
        from etl.warehouse.ops import lock
        from etl.warehouse.scorecard import scores

        with self.engine.begin() as connection:  # one builder at a time
            lock(connection, "citydw.site")
            return site.build(self.storage, self.contracts, self.ledger, scores(connection), dataset)

    def receive_inbox(self, seconds: float = inf) -> list[Received]:
        """Bring everything complete in the inbox to landing and the ledger; what cannot be received now stays.

        Args:
            seconds: after which no other file is begun; see `etl.receive.turns`.
        """
        from etl.receive.inbox import agency_of, found_in, newly_told
        from etl.receive.landing import NotReceived
        from etl.receive.turns import arriving

        self.look_again()
        if self.storage.inbox.exists():
            for line in newly_told(self.storage, found_in(self.storage.inbox)):
                log.warning("inbox: left alone: %s", line)
        received: list[Received] = []
        taken: Counter[str] = Counter()
        has_failed = False
        for file in arriving(self.storage, self.settings.quiet_seconds, seconds):
            agency = agency_of(file)
            if taken[agency] >= self.settings.limits.agency_bytes:
                log.warning("inbox: %s: %s has sent much; it waits for the next time", printable(file.name), agency)
                continue
            try:
                one = self.receive(file)
                received += one.tables
                taken[agency] += one.delivery.size
            except NotReceived as error:
                log.warning("inbox: %s", error)
            except OSError as error:  # whatever is wrong with one file, or with the disk, others may come through
                log.error("inbox: %s: %s", printable(file.name), error.strerror or type(error).__name__)
            except Exception as error:  # its text may quote the file
                has_failed = True
                log.error("inbox: %s: %s", printable(file.name), type(error).__name__)
        self.look_again()
        if has_failed:
            with self.engine.connect():  # a warehouse that is away is no file's fault: whoever called tries again
                pass
        return received

    def receive(
        self,
        file: UPath,
        dataset: tuple[str, str] | None = None,
        principal: str | None = None,
        pull: Pull | None = None,
    ) -> Received:
        """Bring one file to landing and the ledger.

        A delivery whose dataset or period nobody knows ends here: it is rejected and receipted at once. So does one
        whose bytes had come before, if nothing is left to do for it. One whose contract is wrong is held; once that is
        mended, it goes on when somebody walks it or it comes again.

        Args:
            file: the file.
            dataset: agency and dataset; by default the names of the two folders that the file lies in.
            principal: the account through which it came, as whoever hands it in has made sure.
            pull: how it was fetched from its agency's system, which proves whose it is; None if somebody has sent it.

        Raises:
            NotReceived: if the file cannot be read, changes while it is copied, or is somebody else's to receive.
        """
        from etl.delivery.storage import claimed
        from etl.receive.landing import NotReceived

        with ExitStack() as stack:
            try:
                is_ours = stack.enter_context(claimed(file, self.storage.inbox))
            except OSError as error:
                raise NotReceived(f"{printable(file.name)}: cannot be read ({type(error).__name__})") from None
            if not is_ours:
                raise NotReceived(f"{printable(file.name)}: somebody else receives it")
            return self._receive(file, dataset, principal, pull)

    def _receive(
        self, file: UPath, dataset: tuple[str, str] | None, principal: str | None, pull: Pull | None
    ) -> Received:
        from etl.receive.landing import NotReceived, folders, land

        started = time.perf_counter()
        agency, _ = dataset or folders(self.storage, file)
        identity = None if pull else self.identities.get(agency)
        if isinstance(identity, ContractError):
            raise NotReceived(f"{printable(file.name)}: waits, for {identity}")
        limits = self.settings.limits
        landed = land(self.storage, file, dataset, None, limits, identity, principal, pull, self._table_of)
        delivery = landed.delivery
        if landed.unread and self._is_final(delivery):
            raise NotReceived(f"{delivery.file_name}: stays unread; its sender was told why")
        spent = {"receive": time.perf_counter() - started}
        stop = self._refusal(landed)
        # The other tables first, and the file is put away last: after a crash between, it is received again.
        is_read = not delivery.corrects and (stop is None or stop.rule == WRONG_CONTRACT)
        beside = self.contracts.sent_with(delivery.contract_id) if is_read else []
        tables = [self._as_table(delivery, landed.declared, contract) for contract in beside]
        received = self._arrived(delivery, landed.declared, stop, spent, pull)
        is_whole = self._put_away(file, landed)
        if not is_whole:
            self._withdraw_half(delivery.contract_id, delivery.id)
        made = [self._now(one, is_whole) for one in (received, *tables)]
        return replace(made[0], beside=tuple(made[1:]))

    def _arrived(
        self,
        delivery: Delivery,
        declared: dict[str, Any] | None,
        stop: Stop | None = None,
        spent: dict[str, float] | None = None,
        pull: Pull | None = None,
    ) -> Received:
        """Tell the ledger of a delivery that is in landing, and why it goes no further, if it does not."""
        from etl.receive.refusal import REFUSALS

        entry, is_new = self.ledger.arrived(delivery, declared, spent, pull)
        # These bytes, under another name, or before there was such a dataset or its contract was right.
        was_refused = entry.rule in (*REFUSALS, WRONG_CONTRACT)
        state = entry.state
        if stop and (state is State.RECEIVED or was_refused):
            self._tell_right_folder(stop, delivery)
            self.ledger.stopped(delivery, stop, {})
            state = stop.state
        elif was_refused:
            self.ledger.received_again(delivery)
            state = State.RECEIVED
        return Received(delivery, is_new, state)

    def _as_table(self, main: Delivery, declared: dict[str, Any] | None, contract: Contract) -> Received:
        """Receive a file that is in landing as that of another table, too."""
        from etl.receive.landing import land_table

        return self._arrived(*land_table(self.storage, main, declared, contract.dataset))

    def _now(self, received: Received, is_whole: bool) -> Received:
        """What was received as it stands now; if nothing is left to do for it, with its receipt."""
        if not is_whole:
            state = self.ledger.get(received.dataset, received.delivery_id).state
            received = replace(received, state=state)
        if received.is_final:
            self.run_station("receipt", received.dataset, received.delivery_id)
        return received

    def _refusal(self, landed: Landed) -> Stop | None:
        """Why a file goes no further than to landing; None if it does."""
        from etl.receive.refusal import refusal

        dataset = landed.delivery.contract_id
        if dataset in self.contracts.wrong and landed.delivery.as_of:
            return Stop("held", WRONG_CONTRACT)
        return refusal(landed, self.contracts.get(dataset), is_dataset=dataset in self.contracts.wrong)

    def look_again(self) -> None:
        """See whether files that were received have changed since, for somebody still wrote to them.

        Half a file is no delivery: what was received of it is withdrawn, and the file goes back to the inbox, where it
        is received anew once it is whole.
        """
        from etl.receive.processed import changed, put_back

        for watched in changed(self.storage):
            name = f"{watched.agency}.{watched.dataset}"
            try:
                self._withdraw_half(name, watched.delivery_id)
                is_back = put_back(self.storage, watched)
            except Exception as error:  # one that cannot be put back keeps no other from being received
                log.error("processed: %s/%s: %s", name, watched.delivery_id, type(error).__name__)
                continue
            where = "it is in the inbox again" if is_back else "it waits, for its name in the inbox is taken"
            log.warning("processed: the file of %s/%s has changed since; %s", name, watched.delivery_id, where)

    def withdraw(self, dataset: str, delivery_id: str, reason: str) -> Outcome:
        """Take a delivery and its corrections out of their table, as their agency asks, and write the receipts."""
        from etl.load import withdraw

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

    def hold_page(self, dataset: str, delivery_id: str) -> str:
        """What a person must know to decide on a held delivery, in Markdown; personal data is masked."""
        from etl.operate.hold import COMPARED, Hold, page

        delivery = self._delivery(dataset, delivery_id)
        with self.ledger.transaction() as ledger:
            hold = Hold(ledger.get(dataset, delivery_id), self.contracts[dataset])
            before = ledger.before(delivery, COMPARED)
        return page(hold, self._problems(delivery), before)

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

        delivery = self._delivery(dataset, delivery_id)
        with self._alone(dataset, delivery_id):
            unfinished = next(iter(self.ledger.unfinished(dataset, delivery_id)), None)
            if unfinished is None or unfinished.decision.choice != choice:
                check(self.ledger.get(dataset, delivery_id), choice, unfinished)
                self.ledger.decided(delivery, choice, by, check_reason(reason))
            if choice != "reject":
                return self.run_station("validate", dataset, delivery_id)
            return Outcome(State.REJECTED, self.ledger.get(dataset, delivery_id).message)

    def decide_by_default(self, dataset: str, delivery_id: str) -> Outcome:
        """Decide what the contract says for a delivery on which nobody decided in time."""
        from etl.operate.hold import Hold

        hold = Hold(self.ledger.get(dataset, delivery_id), self.contracts[dataset])
        reason = said(f"không ai quyết định trong {hold.days:g} ngày", f"nobody decided within {hold.days:g} days")
        return self.decide(dataset, delivery_id, hold.default, "timeout", reason)

    def run_station(self, station: Station, dataset: str, delivery_id: str) -> Outcome:
        """Walk one delivery through one station and tell the ledger.

        Raises:
            Exception: faults of ours or of the machine, never of the data; running the station again is safe.
        """
        delivery = self._delivery(dataset, delivery_id)
        clock = _Clock(station)
        if station == "receipt":
            return self._receipt(delivery, clock)
        if station == "load" and dataset not in self.contracts.wrong:
            return self._load(delivery, self.contracts[dataset])
        with self.ledger.transaction() as ledger:
            known = _Known(ledger.get(dataset, delivery_id), ledger.decision(delivery), ledger.declared(delivery))
        if known.entry.state is State.WITHDRAWN:
            return Outcome(State.WITHDRAWN)
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

    def replay(self, dataset: str, swap: bool = False) -> Replay:
        """Build a history table anew and compare it with the live one; see `etl.operate.replay.replay`."""
        from etl.operate.replay import replay

        return replay(self.ledger, self.storage, self.contracts[dataset], swap)

    def backfill(self, dataset: str) -> Iterator[tuple[str, Outcome]]:
        """Walk all deliveries of a table through the stations again, and load them all at once.

        What today's contract holds or rejects keeps the rows that it had in the table.

        Yields:
            Each delivery's id with what came of it, before all are loaded.
        """
        with self.engine.connect() as connection:
            in_table = [delivery_id for delivery_id, *_ in self.ledger.within(connection).loaded(dataset)]
        for delivery_id in in_table:
            for station in STATIONS[: STATIONS.index("load")]:
                outcome = self.run_station(station, dataset, delivery_id)
                if outcome.stopped:
                    break
            yield delivery_id, outcome
        self.replay(dataset, swap=True)
        for delivery_id in in_table:
            self.run_station("receipt", dataset, delivery_id)

    def verify(self) -> Iterator[Finding]:
        """Hash landing again and compare it with the ledger; see `etl.operate.audit.verify`."""
        from etl.operate.audit import verify

        return verify(self.ledger, self.storage)

    def audit(self) -> Iterator[Finding]:
        """Check both laws for every delivery; see `etl.operate.audit.audit`."""
        from etl.operate.audit import audit

        return audit(self.ledger, self.storage, self.contracts)

    def catch_up(self, dataset: str) -> list[Received]:
        """Receive the earlier files that a table is read from and has not got, as before it had a contract."""
        from etl.operate.tables import lacking

        contract = self.contracts[dataset]
        files = [entry.delivery for entry in lacking(self.ledger, self.storage, contract)]
        return [self._as_table(main, self.ledger.declared(main), contract) for main in files]

    def backup(self, folder: Path) -> None:
        """Write the warehouse and the files that it speaks of into a new folder; see `etl.operate.backup`."""
        from etl.operate import backup

        backup.backup(address.warehouse_url(self.settings), self.settings.data, folder)

    def restore(self, folder: Path) -> None:
        """Bring a backup back into an empty installation; see `etl.operate.backup`."""
        from etl.operate import backup

        backup.restore(address.warehouse_url(self.settings), self.settings.data, folder)
        self.migrate()
        self.refresh_marts()

    def migrate(self) -> list[str]:
        """Bring the warehouse's tables to what the contracts say; see `etl.warehouse.migrate`."""
        from etl.warehouse.migrate import migrate

        return migrate(self.engine, self.contracts.values())

    def refresh_marts(self) -> list[str]:
        """Bring the marts up to date; see `etl.warehouse.marts.refresh`."""
        from etl.warehouse import marts

        return marts.refresh(self.engine)

    def link(self, *, learn: bool = False) -> Linking:
        """Say anew who is who across agencies; see `etl.linkage.link`."""
        from etl.linkage.link import link

        return link(self.ledger, self.storage, self.contracts, self.settings.key, learn=learn)

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

    def _put_away(self, file: UPath, landed: Landed) -> bool:
        """Take a file out of the inbox; False if it is not what was received of it any more."""
        from etl.delivery.storage import is_below
        from etl.receive.processed import move

        if landed.unread or not is_below(file, self.storage.inbox):  # one from elsewhere is its owner's
            return True
        try:
            return move(self.storage, file, landed.delivery, landed.stamp)
        except FileNotFoundError:  # its sender has taken it away
            return True
        except OSError as error:
            reason = error.strerror or type(error).__name__
            log.error("inbox: %s is received, but stays there: %s", landed.delivery.file_name, reason)
            return True

    def _is_final(self, delivery: Delivery) -> bool:
        entry = self.ledger.find(delivery.contract_id, delivery.id)
        return entry is not None and entry.state.is_at_rest

    def _withdraw_half(self, dataset: str, delivery_id: str) -> None:
        """Withdraw what was received of a file to which its writer has added since, of all tables in it."""
        for name in (dataset, *(contract.id for contract in self.contracts.sent_with(dataset))):
            entry = self.ledger.find(name, delivery_id)
            if name in self.contracts and entry and entry.state is not State.WITHDRAWN:
                self.withdraw(name, delivery_id, _HALF)

    def _data_station(
        self, station: stations.Station, delivery: Delivery, contract: Contract, known: _Known, clock: _Clock
    ) -> Outcome:
        if station == "extract" and (stop := self._unread(delivery)):
            return self._stopped(delivery, stop, clock)
        if station == "extract" and delivery.corrects and (unfounded := self._unfounded(delivery, delivery.corrects)):
            return self._stopped(delivery, unfounded, clock)
        from etl.delivery.profile import Earlier

        result = stations.run(
            station,
            self.storage,
            delivery,
            contract,
            str(self.settings.gx_home),
            declared=known.declared,
            choice=known.decision.choice if known.decision else None,
            earlier=Earlier(partial(self.ledger.profiles_before, delivery), partial(self.ledger.word_before, delivery)),
            limits=self.settings.limits,
        )
        if unknown := result.report.get("unknown_columns"):
            log.warning(f"{contract.id}/{delivery.id}: {unknown} columns are not in the contract; see ops.problem")
        if result.stop and station == "extract":
            self._tell_right_folder(result.stop, delivery)
        problems = self._problems(delivery) if station == "validate" and result.report else None
        with self.ledger.transaction() as ledger:
            if problems is not None:
                ledger.found(delivery, problems, result.report)
            if result.stop:
                return _stopped(ledger, delivery, result.stop, clock, **result.counts)
            parts = {"parts": result.report["parts"]} if station == "normalize" else {}
            ledger.passed(delivery, result.state, clock.spent, **result.counts, **parts)
        return Outcome(result.state, counts=result.counts)

    def _unread(self, delivery: Delivery) -> Stop | None:
        from etl.receive.landing import unread

        return unread(self.storage, delivery)

    def _tell_right_folder(self, stop: Stop, delivery: Delivery) -> None:
        """Add to why a file is not understood where it would be, if its columns tell."""
        from etl.pipeline.recognise import right_folder

        content = self.storage.content(delivery)
        if stop.rule == WRONG_CONTRACT or not isinstance(content, Path):
            return
        right = right_folder(content, delivery.contract_id, self.contracts.values(), self.settings.limits)
        if right:
            stop.message = Text(f"{stop.message.vi} {right.vi}", f"{stop.message.en} {right.en}")

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

    def _unfounded(self, correction: Delivery, corrects: str) -> Stop | None:
        """Why a workbook is not taken for one of ours that came back mended; None if it is one."""
        from etl.delivery.correction import find_mark

        if not self._is_in_table(correction.contract_id, corrects):
            return Stop("held", "correction_of_nothing", detail=corrects)
        if correction.word > 1:
            return Stop("held", "correction_used", detail=corrects)
        mark = find_mark(self.storage.content(correction))
        if mark is None or not self._is_sealed(mark, correction.contract_id):
            return Stop("held", "correction_forged", detail=corrects)
        return None

    def _is_sealed(self, mark: Mark, dataset: str) -> bool:
        """Whether a workbook is one of ours with rejected rows of a dataset."""
        from etl.delivery.correction import seal, sent_back

        if mark.seal is None or not self._is_in_table(dataset, mark.of):
            return False
        first = self._delivery(dataset, mark.of)
        ours = seal(self.settings.key, first, mark.number, sent_back(self.storage, first))
        return hmac.compare_digest(mark.seal, ours)

    def _table_of(self, mark: Mark, dataset: str) -> str:
        """The name of the dataset whose rows a mended workbook holds: that where it lies, or one of the same files."""
        contract = self.contracts.get(dataset)
        tables = [other.id for other in (contract.beside if contract else ()) if self._is_sealed(mark, other.id)]
        return (tables or [dataset])[0].partition(".")[2]

    def _is_in_table(self, dataset: str, delivery_id: str) -> bool:
        entry = self.ledger.find(dataset, delivery_id)
        return entry is not None and entry.loaded_at is not None

    def _write_receipt(self, delivery: Delivery, clock: _Clock | None) -> LedgerEntry:
        """Write a delivery's receipt as things stand now; gives what the ledger says of it."""
        from etl.receipt import receipt
        from etl.receipt.facts import Past

        with self.ledger.transaction() as ledger:
            entry = ledger.get(delivery.contract_id, delivery.id)
            late_by = ledger.late_by(delivery)
            of_same = ledger.corrections(delivery.contract_id, delivery.corrects or delivery.id)
            before = ledger.before(delivery, _HISTORY)
            words = ledger.words(delivery) if entry.state is State.LOADED and not delivery.corrects else []
            reconciled = ledger.reconciliations() if entry.state is State.LOADED else {}
            contract = self.contracts.get(delivery.contract_id)
            tables = [c for c in (contract.beside if contract else ()) if ledger.find(c.id, delivery.id)]
        receipt(
            self.storage,
            delivery,
            contract,
            entry,
            late_by=late_by,
            tables=tables,
            history=[
                Past(delivery=e.delivery_id, as_of=e.as_of, rows_in=e.rows_in or 0, rejected=e.rejected or 0)
                for e in before
            ],
            corrections=[each for each in of_same if each.corrects == delivery.id],
            words=words,
            reconciled=reconciled.get(delivery.contract_id, ()),
            workbook_number=1 + max((each.correction or 0 for each in of_same), default=0),
            key=self.settings.key,
            most_rows=self.settings.workbook_rows,
        )
        self.ledger.receipted(delivery, clock.spent if clock else {})
        return entry

    def _problems(self, delivery: Delivery) -> pl.DataFrame:
        import polars as pl

        from etl.delivery.problems import PROBLEM

        for zone in ("validated", "raw"):
            path = self.storage.folder(zone, delivery) / "problems.parquet"
            if path.exists():
                return pl.read_parquet(str(path))
        return pl.DataFrame(schema=PROBLEM)


def _stopped(ledger: Ledger, delivery: Delivery, stop: Stop, clock: _Clock, **counts: int) -> Outcome:
    """Record, as part of a transaction, why a delivery stops; a hold that a person has rejected is a rejection."""
    from etl.warehouse.ledger import rejection

    decision = ledger.decision(delivery) if stop.state is State.HELD else None
    if decision and decision.choice == "reject":
        stop = rejection(decision.by, decision.reason, loggable(stop.rule, stop.message))
    ledger.stopped(delivery, stop, clock.spent, **counts)
    return Outcome(stop.state, stop.message, rule=stop.rule)
