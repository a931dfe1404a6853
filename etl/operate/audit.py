"""Audit: whether the two laws hold, delivery by delivery, from landing to the warehouse.

What lies in a zone is counted anew from its files and compared with what the ledger says; each history table is
built anew from staging and compared with the live one. What was received or decided, and has not come to its end, is
named with what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
from upath import UPath

from etl.contract import Contract
from etl.delivery.columns import ROW
from etl.delivery.entry import LedgerEntry
from etl.delivery.model import Delivery
from etl.delivery.plain_files import digest_of
from etl.delivery.problems import rejected_rows
from etl.delivery.state import State
from etl.delivery.storage import Storage, Zone
from etl.operate.reconcile import GRACE, overdue
from etl.operate.replay import replay
from etl.operate.tables import lacking
from etl.receive.inbox import is_sidecar
from etl.warehouse import problems as kept_problems
from etl.warehouse.decisions import unfinished
from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import COUNTS
from etl.warehouse.waiting import waiting_deliveries


@dataclass(frozen=True)
class Discrepancy:
    """Something that is not as it must be.

    Attributes:
        delivery: `agency.dataset/delivery_id`.
        zone: processed, landing, raw, validated, staging, ledger or warehouse.
        text: the difference, in a sentence without any value of the data.
    """

    delivery: str
    zone: str
    text: str


def verify(ledger: Ledger, storage: Storage) -> Iterator[Discrepancy]:
    """Hash everything in landing again and compare it with the ledger, both ways; and what is kept of the files."""
    known = {}
    for entry in ledger.all():
        known[entry.name] = entry.sha256
        try:
            delivery = storage.delivery(*_names(entry.dataset), entry.delivery_id)
            found = digest_of(storage.content(delivery))
        except FileNotFoundError as error:
            yield Discrepancy(entry.name, "landing", f"{UPath(str(error.filename)).name} is missing")
            continue
        if found != entry.sha256:
            yield Discrepancy(entry.name, "landing", f"SHA-256 is {found}, the ledger says {entry.sha256}")
        if delivery.to_json() != entry.delivery.to_json():
            yield Discrepancy(entry.name, "landing", "manifest.json describes another delivery than the ledger")
    for manifest in sorted((storage.root / "landing").glob("*/*/*/manifest.json")):
        agency, dataset, delivery_id = manifest.parts[-4:-1]
        if f"{agency}.{dataset}/{delivery_id}" not in known:
            yield Discrepancy(f"{agency}.{dataset}/{delivery_id}", "ledger", "is in landing and unknown to the ledger")
    for file in sorted(storage.processed.glob("*/*/*")):
        name = f"{file.parent.parent.name}.{file.parent.name}/{file.name.split('_', 1)[0]}"
        if is_sidecar(file) or name not in known:
            continue
        try:
            if digest_of(file) == known[name]:
                continue
            text = f"the file has changed since it was received: {file.stat().st_size} bytes are there now"
        except OSError as error:
            text = f"what was received cannot be read, or is no plain file ({type(error).__name__})"
        yield Discrepancy(name, "processed", text)


def audit(ledger: Ledger, storage: Storage, contracts: Mapping[str, Contract]) -> Iterator[Discrepancy]:
    """Check every delivery against landing, raw, validated, staging and warehouse.

    Yields:
        What is off; nothing if both laws hold.
    """
    yield from verify(ledger, storage)
    now = datetime.now(UTC)
    decided = {(one.entry.dataset, one.entry.delivery_id): one for one in unfinished(ledger)}
    for one in decided.values():
        if now - one.decision.at >= GRACE:  # one that was decided a moment ago is just on its way
            text = f"{one.decision.by} decided {one.decision.choice}, and it has not come to its end: `citydw held`"
            yield Discrepancy(one.entry.name, "ledger", text)
    for waiting, why in overdue(waiting_deliveries(ledger), now):
        if (waiting.dataset, waiting.delivery_id) not in decided:
            yield Discrepancy(f"{waiting.dataset}/{waiting.delivery_id}", "ledger", why)
    for contract in contracts.values():
        for entry in lacking(ledger, storage, contract):
            text = f"is no delivery of {contract.id}, which is read from its file: `citydw catch-up {contract.id}`"
            yield Discrepancy(entry.name, "ledger", text)
    in_tables = [entry for entry in ledger.all() if entry.loaded_at is not None]
    for entry in in_tables:
        if entry.state is State.LOADED:  # one that walks again has new files in some zones and old ones in others
            yield from _zones(ledger, storage, entry)
    for dataset in sorted({entry.dataset for entry in in_tables}):
        if dataset in contracts:
            yield from _table(ledger, storage, contracts[dataset])
        else:
            yield Discrepancy(
                dataset, "warehouse", "not looked at, for its contract is missing or wrong: `citydw lint`"
            )


def _zones(ledger: Ledger, storage: Storage, entry: LedgerEntry) -> Iterator[Discrepancy]:
    delivery, name = entry.delivery, entry.name
    rows_in, rejected, duplicates = entry.rows_in or 0, entry.rejected or 0, entry.duplicates or 0
    try:
        rows = _read(storage, "raw", delivery, "rows")
        extracted = _read(storage, "raw", delivery, "problems")
        problems = _read(storage, "validated", delivery, "problems")
        accepted = _read(storage, "validated", delivery, "accepted")
        staged = _read(storage, "staging", delivery, "rows")
    except _Unreadable as error:
        yield Discrepancy(name, error.zone, str(error))
        return
    broken = extracted.filter(pl.col(ROW).is_not_null() & ~pl.col(ROW).is_in(rows[ROW].implode()))[ROW].n_unique()
    good = rows_in - rejected - duplicates
    for zone, what, found, expected in (
        ("raw", "rows and broken lines", rows.height + broken, rows_in),
        ("validated", "rejected rows", rejected_rows(problems).len(), rejected),
        ("validated", "accepted rows", accepted.height, good),
        ("staging", "rows", staged.height, good),
        ("staging", "accepted rows", staged.join(accepted, on=ROW, how="semi").height, good),
        ("ledger", "problems", kept_problems.count(ledger, delivery), problems.height),
        ("ledger", "rows in all counts together", sum(getattr(entry, c) for c in COUNTS), rows_in),
    ):
        if found != expected:
            yield Discrepancy(name, zone, f"{found} {what}, not {expected}")


def _table(ledger: Ledger, storage: Storage, contract: Contract) -> Iterator[Discrepancy]:
    table = f"{contract.schema}.{contract.table}"
    try:
        result = replay(ledger, storage, contract)
    except (OSError, pl.exceptions.PolarsError) as error:
        yield Discrepancy(contract.id, "staging", f"{table} cannot be built anew ({type(error).__name__})")
        return
    for delivery_id in result.unheard:
        text = f"not one of its rows is in {table}, though nothing superseded it"
        yield Discrepancy(f"{contract.id}/{delivery_id}", "warehouse", text)
    for delivery_id, count in result.missing.items():
        text = f"{table} lacks {count} versions that staging says it opened"
        yield Discrepancy(f"{contract.id}/{delivery_id}", "warehouse", text)
    for delivery_id, count in result.surplus.items():
        text = f"{table} has {count} versions under its name that staging does not say"
        yield Discrepancy(f"{contract.id}/{delivery_id}", "warehouse", text)


class _Unreadable(Exception):
    def __init__(self, zone: Zone, file: str, error: Exception) -> None:
        self.zone = zone
        super().__init__(f"{file} cannot be read ({type(error).__name__})")


def _read(storage: Storage, zone: Zone, delivery: Delivery, file: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(str(storage.folder(zone, delivery) / f"{file}.parquet"))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _Unreadable(zone, f"{file}.parquet", error) from None


def _names(dataset: str) -> tuple[str, str]:
    agency, name = dataset.split(".", 1)
    return agency, name
