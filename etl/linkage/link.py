"""Bring the tables of `link` to what the warehouse's records say, in one transaction."""

from __future__ import annotations

import json
from collections import Counter
from typing import NamedTuple

import polars as pl
import sqlalchemy as sa

from etl.contract import Contracts
from etl.delivery.storage import Storage
from etl.linkage import declared, evidence, number, persons
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
            from etl.linkage import probable  # a second

            model = None if learn else _model(connection, probable.made_of(linkage))
            if model is None:
                model = probable.learnt(rows, linkage)
                if model is None:
                    return persons.nothing_probable(rows)
                _keep(connection, probable.made_of(linkage), model)
            return probable.found(rows, linkage, model)

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
    columns = (*RECORD, "person")
    before = evidence.copied(connection.engine, f"SELECT {', '.join(columns)} FROM link.person_record", columns)
    changes = number.changes(before, linked.records.select(*RECORD, "person"))
    everybody = linked.records.group_by("person").agg(
        pl.col("known_since").min(),
        records=pl.len().cast(pl.Int64),
        datasets=pl.col("dataset").n_unique().cast(pl.Int64),
    )
    for table, content in (("person", everybody), ("person_record", linked.records), ("review", linked.review)):
        connection.execute(sa.text(f"DELETE FROM link.{table}"))
        copy_rows(connection, f"link.{table}", [content])
    copy_rows(connection, "link.change", [changes.with_columns(pl.col("records").cast(pl.Int64))])
    kinds = Counter(changes.unique("person")["kind"])
    reasons = dict(sorted(linked.records["reason"].value_counts().iter_rows()))
    return Linking(everybody.height, reasons, linked.review.height, kinds["merged"], kinds["split"])
