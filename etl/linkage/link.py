"""Bring the tables of `link` to what the warehouse's records say, in one transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import sqlalchemy as sa

from etl.contract import Contracts
from etl.delivery.storage import Storage
from etl.linkage import declared, evidence, memory, number, persons
from etl.linkage.number import PAIR, RECORD
from etl.linkage.persons import Linked, Probable
from etl.warehouse.copy import copy_rows
from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import lock_to_write


class Linking(NamedTuple):
    """What linking found.

    Attributes:
        persons: how many there are.
        records: how many by each reason.
        review: pairs that a person must decide.
        merged: persons who are another's since.
        split: persons some of whose records are another's since.
    """

    persons: int
    records: dict[str, int]
    review: int
    merged: int
    split: int


def link(ledger: Ledger, storage: Storage, contracts: Contracts, secret: bytes, *, learn: bool = False) -> Linking:
    """Say anew of every record whose it is.

    Args:
        ledger: of the deliveries.
        storage: holds what they said.
        contracts: of the datasets.
        secret: of the installation, for numbers.
        learn: learn anew how agencies write; by default this is done once, so that what was linked stays so.

    Raises:
        ContractError: if `linkage.yaml` cannot be used.
    """
    linkage = declared.read(contracts)
    with ledger.engine.begin() as connection:
        lock_to_write(connection, "citydw.link", "link.person", "link.person_record")
        records = evidence.records(ledger, storage, contracts, linkage)

        def compare(rows: pl.DataFrame) -> Probable:
            from etl.linkage import learning, probable  # a second

            model = None if learn else _model(connection, learning.made_of(linkage))
            if model is None:
                model = learning.learnt(rows, linkage)
                if model is None:
                    return persons.nothing_probable(rows)
                _keep(connection, learning.made_of(linkage), model)
            way = probable.way(linkage, model)
            found, compared = probable.found(rows, linkage, model, memory.read(storage.root, way))
            memory.write(storage.root, way, compared)
            return found

        linked = persons.linked(records, linkage, _decisions(connection), secret, compare)
        return _write(connection, linked)


def _model(connection: sa.Connection, made_of: str) -> dict[str, object] | None:
    query = sa.text("SELECT settings FROM link.model WHERE made_of = :made_of")
    found = connection.execute(query, {"made_of": made_of}).scalar()
    return None if found is None else json.loads(found)


def _keep(connection: sa.Connection, made_of: str, model: dict[str, object]) -> None:
    connection.execute(sa.text("DELETE FROM link.model"))
    query = sa.text("INSERT INTO link.model (made_of, settings) VALUES (:made_of, :settings)")
    connection.execute(query, {"made_of": made_of, "settings": json.dumps(model, ensure_ascii=False)})


def _decisions(connection: sa.Connection) -> pl.DataFrame:
    """The last word on each pair."""
    columns = ", ".join(PAIR)
    query = f"SELECT DISTINCT ON ({columns}) {columns}, is_same FROM link.decision ORDER BY {columns}, at DESC"
    rows = [tuple(row) for row in connection.execute(sa.text(query))]
    return pl.DataFrame(rows, dict.fromkeys(PAIR, pl.String) | {"is_same": pl.Boolean}, orient="row")


def _write(connection: sa.Connection, linked: Linked) -> Linking:
    """Put what was found in the place of what was there, and write down who became another."""
    everybody = linked.records.group_by("person").agg(
        pl.col("known_since").min(),
        records=pl.len().cast(pl.Int64),
        datasets=pl.col("dataset").n_unique().cast(pl.Int64),
    )
    before = _replace(connection, "link.person_record", RECORD, linked.records)
    _replace(connection, "link.person", ["person"], everybody)
    _replace(connection, "link.review", PAIR, linked.review)
    changes = number.changes(before.select(*RECORD, "person"), linked.records.select(*RECORD, "person"))
    copy_rows(connection, "link.change", [changes.with_columns(pl.col("records").cast(pl.Int64))])
    kinds = Counter(changes.unique("person")["kind"])
    reasons = dict(sorted(linked.records["reason"].value_counts().iter_rows()))
    return Linking(everybody.height, reasons, linked.review.height, kinds["merged"], kinds["split"])


def _replace(connection: sa.Connection, table: str, key: Sequence[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Bring a table to hold these rows, by removing and writing those alone that differ; gives what it held before.

    Args:
        connection: in whose transaction it happens.
        table: as SQL names it.
        key: its key.
        rows: with all columns of the table.
    """
    before = evidence.copied(connection.engine, f"SELECT {', '.join(rows.columns)} FROM {table}", rows.columns)
    before = before.with_columns(
        pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC") if kind.is_temporal() else pl.col(name).cast(kind)
        for name, kind in rows.schema.items()
    )
    gone = before.join(rows, on=rows.columns, how="anti").select(key)
    if not gone.is_empty():
        names = ", ".join(key)
        connection.exec_driver_sql(f"CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT {names} FROM {table} WHERE false")
        copy_rows(connection, "gone", [gone])
        same = " AND ".join(f"t.{name} = gone.{name}" for name in key)
        connection.exec_driver_sql(f"DELETE FROM {table} t USING gone WHERE {same}")
        connection.exec_driver_sql("DROP TABLE gone")
    copy_rows(connection, table, [rows.join(before, on=rows.columns, how="anti")])
    return before
