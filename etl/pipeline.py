"""The way of a delivery: which station follows which, and what the ledger hears of it.

The same functions serve `citydw run` and Airflow. Stations meet in files, so each can be run again; heavy imports
wait until the station that needs them runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import sqlalchemy as sa
from upath import UPath

from etl.contract import Contract, Text, load_all
from etl.delivery import Delivery, State, Stop
from etl.settings import Settings
from etl.storage import Storage

if TYPE_CHECKING:
    import polars as pl

    from etl.ledger import Ledger

_logger = logging.getLogger(__name__)
Station = Literal["extract", "validate", "normalize", "load", "receipt"]
STATIONS: tuple[Station, ...] = get_args(Station)
FINAL: tuple[State, ...] = ("loaded", "held", "rejected")


@dataclass(frozen=True)
class Received:
    """A file that has come to landing."""

    delivery: Delivery
    is_new: bool  # its bytes had not arrived before
    state: State

    @property
    def dataset(self) -> str:
        """The dataset's full name."""
        return self.delivery.contract_id

    @property
    def is_final(self) -> bool:
        """Whether there is nothing left to do: loaded, held or rejected."""
        return self.state in FINAL

    @property
    def delivery_id(self) -> str:
        """The delivery's id within its dataset."""
        return self.delivery.id


@dataclass(frozen=True)
class Outcome:
    """What a station said of a delivery."""

    state: State
    message: Text | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        """Held or rejected: only the receipt follows."""
        return self.state in ("held", "rejected")


@dataclass(frozen=True)
class Pipeline:
    """The stations, with the places and the ledger that they work on."""

    settings: Settings
    contracts: dict[str, Contract]

    @classmethod
    def from_environment(cls) -> Pipeline:
        """The pipeline that the environment's settings describe."""
        return cls(Settings.from_environment(), load_all())

    @cached_property
    def storage(self) -> Storage:
        """The data root."""
        return Storage(self.settings.data)

    @cached_property
    def engine(self) -> sa.Engine:
        """The warehouse; the embedded server is started where no other is set."""
        return sa.create_engine(self.settings.warehouse_url(), pool_pre_ping=True)

    @cached_property
    def ledger(self) -> Ledger:
        """Where every delivery stands."""
        from etl.ledger import Ledger

        return Ledger(self.engine)

    @property
    def data_docs(self) -> Path:
        """The page on which Great Expectations shows what it found."""
        return self.settings.gx_home / "data_docs" / "index.html"

    def receive_inbox(self) -> list[Received]:
        """Bring everything complete in the inbox to landing and the ledger."""
        from etl.receive import complete_files, no_files

        for path in no_files(self.storage):
            _logger.warning("Left alone in the inbox, for it is no plain file: %s", path)
        return [self.receive(file) for file in complete_files(self.storage)]

    def receive(self, file: UPath, dataset: tuple[str, str] | None = None) -> Received:
        """Bring one file to landing and the ledger.

        A delivery whose dataset or period nobody knows ends here: it is rejected and receipted at once.
        """
        from etl.receive import receive

        started = time.perf_counter()
        delivery, _ = receive(self.storage, file, dataset)
        is_new = self.ledger.arrived(delivery)
        if is_new:
            self.ledger.spent(delivery, "receive", time.perf_counter() - started)
        entry = self.ledger.get(delivery.contract_id, delivery.id)
        is_known = delivery.contract_id in self.contracts
        if entry["state"] == "received" and not (is_known and delivery.as_of):
            rule = "no_period_in_name" if is_known else "unknown_dataset"
            self.ledger.stopped(
                delivery, Stop("rejected", rule, file=delivery.file_name[:100], detail=delivery.contract_id)
            )
            self.run_station("receipt", delivery.contract_id, delivery.id)
            entry = self.ledger.get(delivery.contract_id, delivery.id)
        return Received(delivery, is_new, entry["state"])

    def run_station(self, station: Station, dataset: str, delivery_id: str) -> Outcome:
        """Walk one delivery through one station and tell the ledger.

        Raises:
            Exception: faults of ours or of the machine, never of the data; running the station again is safe.
        """
        agency, name = dataset.split(".", 1)
        delivery = self.storage.delivery(agency, name, delivery_id)
        with self._timed(delivery, station):
            if station == "receipt":
                return self._receipt(delivery)
            try:
                return self._data_station(station, delivery, self.contracts[dataset])
            except Stop as stop:
                report = self._report("validated", delivery) if station == "validate" else {}
                self.ledger.stopped(delivery, stop, **_counts(report))
                if report:
                    self.ledger.found(delivery, self._problems(delivery), report["findings"])
                return Outcome(stop.state, stop.message)

    def walk(self, dataset: str, delivery_id: str, first: Station = STATIONS[0]) -> Iterator[tuple[Station, Outcome]]:
        """Walk a delivery through the stations from `first` on, in this process; says after each what came of it."""
        for station in STATIONS[STATIONS.index(first) :]:
            outcome = self.run_station(station, dataset, delivery_id)
            yield station, outcome
            if outcome.stopped and station != "receipt":
                yield "receipt", self.run_station("receipt", dataset, delivery_id)
                return

    def migrate(self) -> list[str]:
        """Bring the warehouse's tables to what the contracts say; see `etl.warehouse.migrate`."""
        from etl import warehouse

        return warehouse.migrate(self.engine, self.contracts.values())

    def refresh_marts(self) -> list[str]:
        """Rebuild the marts; see `etl.warehouse.refresh_marts`."""
        from etl import warehouse

        return warehouse.refresh_marts(self.engine)

    def _data_station(self, station: Station, delivery: Delivery, contract: Contract) -> Outcome:
        if station == "extract":
            from etl.extract import extract

            report = extract(self.storage, delivery, contract, self.settings.limits)
            self.ledger.passed(delivery, "extracted", rows_in=report["rows_in"])
            return Outcome("extracted", counts={"rows_in": report["rows_in"]})
        if station == "validate":
            from etl.validate import validate

            report = validate(self.storage, delivery, contract, str(self.settings.gx_home))
            self.ledger.found(delivery, self._problems(delivery), report["findings"])
            self.ledger.passed(delivery, "validated", **_counts(report))
            return Outcome("validated", counts=_counts(report))
        if station == "normalize":
            from etl.normalize import normalize

            report = normalize(self.storage, delivery, contract)
            self.ledger.passed(delivery, "normalized")
            return Outcome("normalized", counts={"rows": report["rows"]})
        from etl.load import load

        return Outcome("loaded", counts=load(self.ledger, self.storage, delivery, contract))

    def _receipt(self, delivery: Delivery) -> Outcome:
        from etl.receipt import receipt

        entry = self.ledger.get(delivery.contract_id, delivery.id)
        receipt(self.storage, delivery, self.contracts.get(delivery.contract_id), entry, self._problems(delivery))
        with self.ledger.engine.begin() as connection:
            self.ledger.update(connection, delivery, receipt_at=sa.func.now())
        message = Text(entry["message_vi"], entry["message_en"]) if entry["message_vi"] else None
        return Outcome(entry["state"], message)

    def _problems(self, delivery: Delivery) -> pl.DataFrame:
        import polars as pl

        from etl.delivery import PROBLEM

        for zone in ("validated", "raw"):
            path = self.storage.folder(zone, delivery) / "problems.parquet"
            if path.exists():
                return pl.read_parquet(str(path))
        return pl.DataFrame(schema=PROBLEM)

    def _report(self, zone: Literal["validated"], delivery: Delivery) -> dict[str, Any]:
        from etl.storage import read_json

        return read_json(self.storage.folder(zone, delivery) / "report.json")

    @contextmanager
    def _timed(self, delivery: Delivery, station: Station) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.ledger.spent(delivery, station, time.perf_counter() - started)


def _counts(report: dict[str, Any]) -> dict[str, int]:
    return {name: report[name] for name in ("rows_in", "rejected", "duplicates") if name in report}
