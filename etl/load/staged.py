"""What deliveries said, from their staged rows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from upath import UPath

from etl.contract import Contract
from etl.datatypes import in_part, part_columns
from etl.delivery.columns import AS_OF
from etl.delivery.model import Delivery, Place
from etl.delivery.publish import read_json
from etl.delivery.storage import Storage
from etl.load import history
from etl.warehouse.tables import content_columns, key_columns


def staged_assertions(
    storage: Storage, contract: Contract, order: Sequence[Place], keys: pl.DataFrame | None = None
) -> pl.DataFrame:
    """What deliveries said, from staging, as `etl.load.history.versions` takes it.

    Args:
        storage: the data root.
        contract: the dataset's.
        order: the deliveries, in the order of time; at least one.
        keys: the records to look for; by default all.
    """
    key = key_columns(contract)
    parts = []
    for position, place in enumerate(order):
        frame = scan(storage, contract, place)
        if keys is not None:
            frame = frame.join(keys.lazy(), on=key, how="semi", nulls_equal=True)
        said = history.last_of_each(history.assertions(frame.collect()), key)
        where = {AS_OF: place.as_of, history.POSITION: position, history.DELIVERY: place.delivery_id}
        parts.append(said.with_columns(pl.lit(value).alias(name) for name, value in where.items()))
    said = history.in_sequence(pl.concat(parts, how="diagonal_relaxed"), key)
    new = [name for name in content_columns(contract) if name not in said.columns]  # since all of them were staged
    said = said.with_columns(pl.lit(None).alias(name) for name in new)
    return said.with_columns(in_part(part_columns(contract))) if contract.mode == "snapshot" else said


def counted(storage: Storage, delivery: Delivery, effects: dict[str, int]) -> dict[str, int]:
    """What the ledger holds of a loaded delivery.

    Args:
        storage: holds the delivery's staging.
        delivery: whose counts they are.
        effects: inserted, changed, unchanged and ended; what is none of the first three was superseded.
    """
    staged = read_json(storage.folder("staging", delivery) / "report.json")
    superseded = staged["rows"] - effects["inserted"] - effects["changed"] - effects["unchanged"]
    of_the_file = {name: staged[name] for name in ("rows_in", "rejected", "duplicates")}
    return of_the_file | effects | {"superseded": superseded}


def snapshots(storage: Storage, contract: Contract, order: Sequence[Place]) -> list[history.Snapshot] | None:
    """The deliveries as `etl.load.history.versions` takes them, if each is a snapshot."""
    if contract.mode != "snapshot":
        return None
    return [
        history.Snapshot(place.as_of, position, place.delivery_id, parts_of(storage, contract, place))
        for position, place in enumerate(order)
    ]


def parts_of(storage: Storage, contract: Contract, place: Place) -> frozenset[str]:
    """The parts that a snapshot speaks for: those that occur in it, or the whole."""
    columns = part_columns(contract)
    if place.corrects:
        return frozenset()
    if not columns:
        return frozenset([""])
    found = scan(storage, contract, place).select(in_part(columns)).unique().collect()
    return frozenset(found.to_series())


def staged_rows(storage: Storage, contract: Contract, place: Place) -> UPath:
    """The file of a delivery's staged rows."""
    about = (place.as_of, place.revision, place.sha256, 0, "", place.corrects, place.correction, place.word)
    delivery = Delivery(contract.agency, contract.dataset, *about)
    return storage.folder("staging", delivery) / "rows.parquet"


def scan(storage: Storage, contract: Contract, place: Place) -> pl.LazyFrame:
    """A delivery's staged rows, not yet read."""
    return pl.scan_parquet(str(staged_rows(storage, contract, place)))
