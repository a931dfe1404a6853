"""Comparisons of several datasets: what their lists declare, and how many records each has found."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from etl.contract import Text
from etl.delivery.entry import Reconciled
from etl.warehouse.ledger import Ledger


@dataclass(frozen=True)
class Reconciliation:
    """What a list says to those who can mend what it finds.

    Attributes:
        mends: the dataset whose agency can.
        vi: what is wrong and what to do, with `{found}` for the number of records.
        en: the same in English.
    """

    mends: str
    vi: str
    en: str

    def __post_init__(self) -> None:
        if not all("{found}" in text for text in (self.vi, self.en)):
            raise ValueError("vi and en must have {found}")


def count(connection: sa.Connection, name: str, view: str, says: Reconciliation) -> None:
    """Write down how many records a reconciliation has found.

    Args:
        connection: in whose transaction the list was made.
        name: of the list.
        view: schema and name of the view that holds it.
        says: what its file declares.
    """
    connection.execute(
        sa.text(
            f"INSERT INTO ops.reconciliation (name, dataset, vi, en, found)"
            f" SELECT :name, :mends, :vi, :en, count(*) FROM {view}"
            " ON CONFLICT (name) DO UPDATE SET dataset = excluded.dataset, vi = excluded.vi, en = excluded.en,"
            " found = excluded.found, refreshed_at = now()"
        ),
        {"name": name, "mends": says.mends, "vi": says.vi, "en": says.en},
    )


def found_of_each(ledger: Ledger) -> dict[str, list[Reconciled]]:
    """What reconciliations have found, if anything, by the dataset whose agency can mend it."""
    query = sa.text("SELECT dataset, name, found, vi, en FROM ops.reconciliation WHERE found > 0 ORDER BY name")
    made: dict[str, list[Reconciled]] = {}
    with ledger.connected() as connection:
        for dataset, name, found, vi, en in connection.execute(query):
            text = Text(*(said.replace("{found}", str(found)) for said in (vi, en)))  # other braces are a text's
            made.setdefault(dataset, []).append(Reconciled(name, found, text))
    return made
