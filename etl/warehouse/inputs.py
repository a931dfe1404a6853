"""What a mart is made of: the version of all that its statement reads. Where that is what it was, so is the mart.

A history table changes in transactions that count themselves under its name and its dataset's (`ops.lock_to_write`);
so what the ledger says of a dataset's deliveries is as old as the count of the dataset, which the statement names. So
do the tables of persons. A function is known by its text and what that reads, another mart by its own version, and any
other table, as those of `ref`, by its rows.
"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa

from etl.warehouse.statement import is_of_today, names, texts

_CURRENT = "_current"  # a history table's view of today's rows
_DELIVERIES = "ops.delivery"
# Whether a name is a table's, and the text of the functions of that name: of most neither, for they are an alias's.
_WHAT_IS = sa.text(
    "SELECT name, to_regclass(name) IS NOT NULL, (SELECT string_agg(pg_get_functiondef(p.oid), '' ORDER BY p.oid)"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = split_part(name, '.', 1)"
    " AND p.proname = split_part(name, '.', 2) AND p.prokind = 'f') FROM unnest(CAST(:names AS text[])) name"
)


class Inputs:
    """The versions of what marts read, as they are when it is made; each is looked up once."""

    def __init__(self, connection: sa.Connection) -> None:
        """Read the counts.

        Args:
            connection: to a migrated database. What is made after this holds what was counted here, or more: then it
                is made once more than it must be, and never once less.
        """
        counts = connection.execute(sa.text("SELECT name, written FROM ops.lock WHERE written > 0"))
        self._counts = {name: str(written) for name, written in counts}
        self._marts: dict[str, str] = {}  # versions by name
        self._others: dict[str, str] = {}
        self._is: dict[str, tuple[bool, str | None]] = {}  # as `_WHAT_IS` says

    def knows(self, name: str, version: str) -> None:
        """Take note of the version of a mart that others may read."""
        self._marts[name] = version

    def version(self, connection: sa.Connection, made_of: str, statement: str) -> str:
        """What changes when a mart's file does, or something that its statement reads.

        Args:
            connection: to the database.
            made_of: what the file says.
            statement: without comments.
        """
        read = {"made_of": made_of} | self._read(connection, statement)
        return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()

    def _read(self, connection: sa.Connection, statement: str) -> dict[str, str]:
        named, datasets = names(statement), texts(statement)
        read = {name: self._marts[name] for name in named & self._marts.keys()}
        counted = {name.removesuffix(_CURRENT) for name in named | datasets} & self._counts.keys()
        if _DELIVERIES in named and not datasets:
            counted = {*self._counts}  # of whichever dataset
        read |= {name: self._counts[name] for name in counted}
        others = {n for n in named - read.keys() - {_DELIVERIES} if n.removesuffix(_CURRENT) not in counted}
        if unknown := others - self._is.keys():
            found = connection.execute(_WHAT_IS, {"names": [*unknown]})
            self._is |= {name: (is_table, functions) for name, is_table, functions in found}
        read |= {name: version for name in others if (version := self._other(connection, name))}
        if is_of_today(statement):
            read["today"] = str(connection.execute(sa.text("SELECT current_date")).scalar_one())
        return read

    def _other(self, connection: sa.Connection, name: str) -> str:
        """The version of a table or function that nobody counts; empty if it is neither, as a column of an alias."""
        if name not in self._others:
            self._others[name] = ""  # a function may name itself
            is_table, functions = self._is[name]
            if is_table:
                rows = f"SELECT count(*) || '+' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {name} t"
                self._others[name] = str(connection.exec_driver_sql(rows).scalar_one())
            elif functions:
                self._others[name] = self.version(connection, "", functions)
        return self._others[name]
