"""The stations that need no database, in their order: the pipeline and `citydw check` walk them in this one way.

A contract is checked before the first thing is read by it, and a suite before the first row is judged by it. What is
wrong with one is told to the data center; the delivery waits, for nothing is wrong with it.

A file whose reading may take much memory is read in a process of its own, so that one that takes too much is rejected,
and nothing else dies of it. So is one in whose reading a process was ended before: a small file that breaks what reads
it does so once.

Heavy imports wait until the station that needs them runs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from etl.contract import Choice, Contract, ContractError, Text
from etl.delivery.messages import WRONG_CONTRACT, Stop
from etl.delivery.model import Delivery
from etl.delivery.publish import is_left_over, read_json
from etl.delivery.state import State
from etl.delivery.storage import Storage
from etl.pipeline import confined, lint
from etl.settings import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from etl.delivery.profile import Earlier

log = logging.getLogger(__name__)
Station = Literal["extract", "validate", "normalize"]
STATIONS: tuple[Station, ...] = get_args(Station)
_BEHIND: dict[Station, State] = {
    "extract": State.EXTRACTED,
    "validate": State.VALIDATED,
    "normalize": State.NORMALIZED,
}
_OF_MEMORY = 1 / 4  # the share of its limit that a file may take in our own process
_COUNTS = ("rows_in", "rejected", "duplicates")


@dataclass(frozen=True)
class Result:
    """What came of a delivery at a station.

    Attributes:
        state: where the delivery stands now.
        report: what the station published; empty if it stopped before that.
        stop: why the delivery goes no further; None if it does.
    """

    state: State
    report: Mapping[str, Any]
    stop: Stop | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Rows in the file, rejected ones and duplicates, as far as the station knows them."""
        return {name: self.report[name] for name in _COUNTS if name in self.report}


def run(
    station: Station,
    storage: Storage,
    delivery: Delivery,
    contract: Contract,
    gx_home: str,
    *,
    declared: Mapping[str, Any] | None = None,
    choice: Choice | None = None,
    earlier: Earlier | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Result:
    """Walk one delivery through one station.

    Args:
        station: which one.
        storage: the data root.
        delivery: in landing, and behind the stations before this one.
        contract: the dataset's.
        gx_home: folder for Great Expectations' results.
        declared: what the sender's manifest says of the file.
        choice: what a person decided on it when it was held.
        earlier: the deliveries to compare it with; None if nobody knows of any.
        limits: what the file may ask of us.
    """
    try:
        match station:
            case "extract":
                lint.check(contract)
                report = _extract(storage, delivery, contract, limits, is_said_empty=(declared or {}).get("rows") == 0)
            case "validate":
                report = _validate(storage, delivery, contract, gx_home, declared or {}, choice, earlier)
            case "normalize":
                from etl.normalize import normalize

                report = normalize(storage, delivery, contract)
    except ContractError as error:
        log.error("%s/%s is held: %s", contract.id, delivery.id, error)
        return Result(State.HELD, {}, Stop("held", WRONG_CONTRACT))
    except Stop as stop:
        is_judged = station == "validate"  # it publishes before it holds
        return Result(
            stop.state, read_json(storage.folder("validated", delivery) / "report.json") if is_judged else {}, stop
        )
    return Result(_BEHIND[station], report)


def _extract(
    storage: Storage, delivery: Delivery, contract: Contract, limits: Limits, *, is_said_empty: bool
) -> dict[str, Any]:
    """Read the file, in a process of its own if that may take much memory, or if a process ended in its midst."""
    from etl.extract import extract, memory_needed
    from etl.extract.bounded import too_much_memory

    needed = memory_needed(storage, delivery, contract)
    broke = bool(needed) and is_left_over(storage.folder("raw", delivery) / "rows.parquet")
    is_apart = broke or needed > limits.memory_bytes * _OF_MEMORY
    given = (storage, delivery, contract, limits)
    try:
        if is_apart and confined.IS_POSSIBLE:
            return confined.run(extract, *given, memory=limits.memory_bytes, is_said_empty=is_said_empty)
        return extract(*given, is_said_empty=is_said_empty)
    except MemoryError as error:
        log.error("%s/%s is rejected: %s", contract.id, delivery.id, error)
        raise too_much_memory(limits) from None


def _validate(
    storage: Storage,
    delivery: Delivery,
    contract: Contract,
    gx_home: str,
    declared: Mapping[str, Any],
    choice: Choice | None,
    earlier: Earlier | None,
) -> dict[str, Any]:
    """Judge manifest and rows; what holds the delivery is raised, unless a person has accepted it."""
    import polars as pl

    from etl.receive.manifest import Declared
    from etl.validate import validate

    def manifest() -> None:
        raw = storage.folder("raw", delivery)
        sent, count = pl.scan_parquet(str(raw / "rows.parquet")), read_json(raw / "report.json")["rows_in"]
        Declared.of(dict(declared)).check(delivery, storage.content(delivery), sent, count, contract)

    def rows() -> None:
        is_waived = choice == "accept"
        validate(storage, delivery, contract, gx_home, is_waived, earlier)

    holds = []
    for judge in (manifest, rows):  # both, for whoever accepts the delivery must know of both
        try:
            judge()
        except Stop as stop:
            holds.append(stop)
    if holds and choice not in ("accept", "accept-passing"):
        first = holds[0]
        first.message = Text(" ".join(h.message.vi for h in holds), " ".join(h.message.en for h in holds))
        raise first
    return read_json(storage.folder("validated", delivery) / "report.json")
