"""What a person must decide: pairs of records that may be of one person, side by side, and the decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import sqlalchemy as sa

from etl.contract import Contracts
from etl.linkage import declared, evidence
from etl.linkage.number import PAIR
from etl.warehouse.ledger import Ledger

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
    """

    name: str
    probability: float
    records: tuple[tuple[str, str, str], tuple[str, str, str]]
    said: dict[str, tuple[str, str]]


def pairs(ledger: Ledger, contracts: Contracts, count: int) -> list[Pair]:
    """What is to be decided, the likeliest first.

    Args:
        ledger: of the warehouse.
        contracts: of the datasets.
        count: pairs at most.
    """
    query = (
        f"SELECT {', '.join(PAIR)}, probability FROM link.review ORDER BY probability DESC, {', '.join(PAIR)} LIMIT :n"
    )
    with ledger.engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query), {"n": count})]
    both = [((row[0], row[1], row[2]), (row[3], row[4], row[5])) for row in found]
    tells = _tells(ledger, contracts, [record for pair in both for record in pair])
    made = []
    for (one, other), row in zip(both, found, strict=True):
        said = {field: (tells[one].get(field, ""), tells[other].get(field, "")) for field in SHOWN}
        made.append(Pair(_name(one, other), row[6], (one, other), {f: s for f, s in said.items() if any(s)}))
    return made


def _tells(
    ledger: Ledger, contracts: Contracts, records: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], dict[str, str]]:
    """What each record says, by field."""
    told: dict[tuple[str, str, str], dict[str, str]] = {record: {} for record in records}
    for source in declared.read(contracts).sources:
        keys = [key for dataset, role, key in records if (dataset, role) == (source.dataset, source.role)]
        if keys:
            rows = evidence.read(ledger.engine, contracts[source.dataset], source, keys)
            shown = [field for field in SHOWN if field in rows.columns]
            for row in rows.select("key", pl.col(shown).cast(pl.String).fill_null("")).iter_rows(named=True):
                told[source.dataset, source.role, row.pop("key")] = row
    return told


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
