"""What a person must decide: pairs of records that may be of one person, side by side, and the decisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import sqlalchemy as sa

from etl.contract import Contracts
from etl.linkage import declared, evidence
from etl.linkage.declared import Linkage
from etl.linkage.number import PAIR, RECORD
from etl.warehouse.ledger import Ledger

if TYPE_CHECKING:
    from etl.linkage.explain import Weight

_Record = tuple[str, str, str]
SHOWN = ("personal_id", "name", "birth", "birth_precision", "sex", "ward", "address", "phone", "mother", "household")


class NoSuchPair(Exception):
    """A pair that is not to be decided; the text says what to do."""


class Pair(NamedTuple):
    """Two records that may be of one person.

    Attributes:
        name: of the pair, for `decide`.
        probability: that they are.
        records: of each dataset, role and key.
        said: for each field of SHOWN what both say; fields of which neither says anything are left out.
        weights: what each field that was compared speaks for or against.
    """

    name: str
    probability: float
    records: tuple[_Record, _Record]
    said: dict[str, tuple[str, str]]
    weights: list[Weight]


def pairs(ledger: Ledger, contracts: Contracts, count: int) -> list[Pair]:
    """What is to be decided, the likeliest first.

    Args:
        ledger: of the warehouse.
        contracts: of the datasets.
        count: pairs at most.
    """
    from etl.linkage.explain import weights  # DuckDB is not there for everybody

    linkage = declared.read(contracts)
    columns = ", ".join(PAIR)
    query = f"SELECT {columns}, probability FROM link.review ORDER BY probability DESC, {columns} LIMIT :n"
    with ledger.engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query), {"n": count})]
    tells = _tells(ledger, contracts, linkage, [record for row in found for record in (row[:3], row[3:6])])
    sides = [
        pl.DataFrame([row[at : at + 3] for row in found], dict.fromkeys(RECORD, pl.String), orient="row")
        .join(tells, on=list(RECORD), how="left", maintain_order="left")
        .rename(lambda name, side=side: f"{name}_{side}")  # type: ignore[misc]
        for at, side in ((0, "l"), (3, "r"))
    ]
    both = pl.concat(sides, how="horizontal")
    learnt = model(ledger)
    why = weights(both, linkage, learnt) if learnt else [[]] * len(found)
    shown = both.select(pl.all().cast(pl.String).fill_null("")).rows(named=True)
    made = []
    for row, told, its in zip(found, shown, why, strict=True):
        said = {field: (told[f"{field}_l"], told[f"{field}_r"]) for field in SHOWN}
        records = ((row[0], row[1], row[2]), (row[3], row[4], row[5]))
        made.append(Pair(_name(*records), row[6], records, {f: s for f, s in said.items() if any(s)}, its))
    return made


def model(ledger: Ledger) -> dict[str, Any] | None:
    """What was learnt of how agencies write; None if nothing was."""
    with ledger.engine.connect() as connection:
        settings = connection.execute(sa.text("SELECT settings FROM link.model")).scalar()
    return json.loads(settings) if settings else None


def _tells(ledger: Ledger, contracts: Contracts, linkage: Linkage, records: Sequence[tuple[str, ...]]) -> pl.DataFrame:
    """What each record says, a row each."""
    made = [pl.DataFrame(schema=dict.fromkeys(RECORD, pl.String))]
    for source in linkage.sources:
        keys = {key for dataset, role, key in records if (dataset, role) == (source.dataset, source.role)}
        if keys:
            rows = evidence.read(ledger.engine, contracts[source.dataset], source, sorted(keys))
            made.append(rows.with_columns(dataset=pl.lit(source.dataset), role=pl.lit(source.role)))
    return evidence.complete(pl.concat(made, how="diagonal"))


def _name(one: tuple[str, ...], other: tuple[str, ...]) -> str:
    return hashlib.sha256("\x1f".join((*one, *other)).encode()).hexdigest()[:10]


def decide(ledger: Ledger, name: str, *, is_same: bool, by: str, reason: str) -> None:
    """Keep what a person decided on a pair; linking takes it into account from the next time on.

    Raises:
        NoSuchPair: if there is none of that name.
    """
    columns = ", ".join(PAIR)
    with ledger.engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(f"SELECT {columns} FROM link.review"))]
        chosen = [row for row in found if _name(row[:3], row[3:]) == name]
        if not chosen:
            raise NoSuchPair(f"No pair {name!r} is to be decided: `citydw link review` lists those that are.")
        values = dict(zip(PAIR, chosen[0], strict=True)) | {"is_same": is_same, "decided_by": by, "reason": reason}
        connection.execute(
            sa.text(
                f"INSERT INTO link.decision ({columns}, is_same, decided_by, reason)"
                f" VALUES ({', '.join(f':{name}' for name in values)})"
            ),
            values,
        )
        where = " AND ".join(f"{name} = :{name}" for name in PAIR)
        connection.execute(sa.text(f"DELETE FROM link.review WHERE {where}"), values)
