"""The stations that need no database, in their order: the pipeline and `citydw check` walk them in this one way.

Heavy imports wait until the station that needs them runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from etl.contract import Contract
from etl.delivery import Delivery, State, Stop
from etl.settings import DEFAULT_LIMITS, Limits
from etl.storage import Storage, read_json

Station = Literal["extract", "validate", "normalize"]
STATIONS: tuple[Station, ...] = get_args(Station)
_BEHIND: dict[Station, State] = {"extract": "extracted", "validate": "validated", "normalize": "normalized"}
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
        limits: what the file may ask of us.
    """
    try:
        report = _run(station, storage, delivery, contract, gx_home, declared or {}, limits)
    except Stop as stop:
        is_judged = station == "validate"  # it publishes before it holds
        return Result(
            stop.state, read_json(storage.folder("validated", delivery) / "report.json") if is_judged else {}, stop
        )
    return Result(_BEHIND[station], report)


def _run(
    station: Station,
    storage: Storage,
    delivery: Delivery,
    contract: Contract,
    gx_home: str,
    declared: Mapping[str, Any],
    limits: Limits,
) -> dict[str, Any]:
    match station:
        case "extract":
            import polars as pl

            from etl.declared import Declared
            from etl.extract import extract

            report = extract(storage, delivery, contract, limits)
            rows = pl.scan_parquet(str(storage.folder("raw", delivery) / "rows.parquet"))
            Declared.of(dict(declared)).check(delivery, rows, report["rows_in"], contract)
            return report
        case "validate":
            from etl.validate import validate

            return validate(storage, delivery, contract, gx_home)
        case "normalize":
            from etl.normalize import normalize

            return normalize(storage, delivery, contract)
