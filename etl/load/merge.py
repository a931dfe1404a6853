"""One delivery into its history table, or out of it, by the cheapest of the ways that end in the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import cached_property

import polars as pl
import sqlalchemy as sa

from etl.contract import Contract
from etl.datatypes import part_columns
from etl.delivery import batches
from etl.delivery.columns import AS_OF, PART, SEQUENCE
from etl.delivery.model import Delivery, Place
from etl.delivery.publish import read_json
from etl.delivery.storage import Storage
from etl.load import first, history
from etl.load.staged import counted, parts_of, scan, snapshots, staged_assertions, staged_rows
from etl.warehouse import timeline
from etl.warehouse.copy import copy_rows
from etl.warehouse.ledger import Ledger
from etl.warehouse.names import named
from etl.warehouse.tables import content_columns, key_columns, table_name
from etl.warehouse.timeline import Moment


class Loading:
    """One load, or its undoing, within one transaction.

    Attributes:
        has_filled: it was the first, so that the table lacks its indexes; see `etl.load.first`.
    """

    def __init__(
        self,
        connection: sa.Connection,
        ledger: Ledger,
        storage: Storage,
        delivery: Delivery,
        contract: Contract,
        is_reload: bool,
    ) -> None:
        self.connection = connection
        self.ledger = ledger
        self.storage = storage
        self.delivery = delivery
        self.contract = contract
        self.table = table_name(contract)
        self.key = key_columns(contract)
        self.content = content_columns(contract)
        about = (delivery.revision, delivery.sha256, delivery.corrects, delivery.correction, delivery.word)
        self.mine = Place(delivery.id, _period(delivery), *about)
        self.parts = part_columns(contract) if contract.mode == "snapshot" else []
        self.is_reload = is_reload
        self.has_filled = False

    @cached_property
    def order(self) -> list[Place]:
        """All deliveries in the table, this one at its place; after some years there are very many."""
        return sorted([*self._others(), self.mine], key=lambda place: place.when)

    @cached_property
    def place(self) -> int:
        """Its own among them."""
        return self.order.index(self.mine)

    def run(self) -> dict[str, int]:
        """Bring the delivery into its table; gives its counts, see `counted`."""
        if not self.is_reload and not timeline.has_loaded(self.ledger, self.contract.id):
            effects = self._fill()
        elif self._is_newest_word():
            effects = self._merge()
        else:
            effects = self._rebuild()
        return counted(self.storage, self.delivery, effects)

    def undo(self) -> None:
        """Give the table that would be there without the delivery."""
        self._replace(self._touched(), self._others())

    def _others(self, since: date = date.min) -> list[Place]:
        loaded = timeline.loaded(self.ledger, self.contract.id, since)
        return [place for place in loaded if place.delivery_id != self.delivery.id]

    def _lots(self) -> Iterator[pl.DataFrame]:
        """What the delivery says of each record, some at a time."""
        path = staged_rows(self.storage, self.contract, self.mine)
        if self.contract.mode == "changes":
            yield from history.last_words(batches.read(path), batches.read(path, self.key), self.key)
        else:  # validation lets each key pass once
            yield from map(history.assertions, batches.read(path))

    def _keys(self) -> pl.DataFrame:
        return pl.read_parquet(str(staged_rows(self.storage, self.contract, self.mine)), columns=self.key).unique()

    @cached_property
    def rivals(self) -> list[Place]:
        """The deliveries in the table of the same period or later ones."""
        return self._others(since=self.mine.as_of)

    @cached_property
    def last(self) -> list[Place]:
        """The deliveries in the table of the last period before this one's."""
        return timeline.loaded_of_period_before(self.ledger, self.contract.id, self.mine.as_of)

    @property
    def is_last_part(self) -> bool:
        """Whether it is a snapshot of some parts, and nothing comes after it in time."""
        is_of_parts = bool(self.parts) and not self.is_reload and self.mine.corrects is None
        return is_of_parts and all(place.when < self.mine.when for place in self.rivals)

    def _is_newest_word(self) -> bool:
        """Whether all else that is said of its records is older, so that their current rows are what it changes."""
        if self.is_reload:
            return False
        if self.contract.mode == "snapshot":
            return not self.rivals or self.is_last_part
        return not self._is_spoken_of_by(self.rivals) and not self._is_out_of_sequence()

    def _is_spoken_of_by(self, places: Sequence[Place]) -> bool:
        """Whether one of some deliveries speaks of a record that this one speaks of."""
        if not places:
            return False
        theirs = pl.concat([scan(self.storage, self.contract, place).select(self.key) for place in places])
        both = theirs.join(self._keys().lazy(), on=self.key, how="semi", nulls_equal=True)
        return not both.head(1).collect().is_empty()

    def _is_out_of_sequence(self) -> bool:
        """Whether another delivery holds a newer change to a record than one of this delivery's."""
        if self.contract.column_with_role("sequence") is None:
            return False
        for place in timeline.unmeasured(self.ledger, self.contract.id):
            last = _moment(scan(self.storage, self.contract, place), pl.Expr.max)
            timeline.measured(self.ledger, self.contract.id, place, last)
        names = [*self.key, SEQUENCE]
        mine = scan(self.storage, self.contract, self.mine).select(names)
        first = _moment(mine, pl.Expr.min)
        newer = [] if first is None else timeline.changed_after(self.ledger, self.contract.id, first)
        if not newer:
            return False
        theirs = pl.concat([scan(self.storage, self.contract, place).select(names) for place in newer])
        newest = theirs.group_by(self.key).agg(pl.col(SEQUENCE).max().alias("newest"))
        both = mine.join(newest, on=self.key, nulls_equal=True).filter(pl.col("newest") > pl.col(SEQUENCE))
        return not both.head(1).collect().is_empty()

    def _fill(self) -> dict[str, int]:
        """Write the first versions of all records into the empty table."""
        said = 0

        def versions() -> Iterator[pl.DataFrame]:
            nonlocal said
            for lot in self._lots():
                said += lot.height
                opened = (pl.lit(self.mine.as_of).alias("valid_from"), pl.lit(self.delivery.id).alias("opened_by"))
                yield lot.filter(~pl.col(history.DELETED)).select(*self.content, *opened)

        inserted = first.fill(self.connection, self.contract, versions())
        self.has_filled = True
        return {"inserted": inserted, "changed": 0, "unchanged": said - inserted, "ended": 0}

    def _merge(self) -> dict[str, int]:
        """Close and open versions by comparison with the current rows."""
        is_snapshot = self.contract.mode == "snapshot"
        is_of_parts = bool(self.parts) and not self._follows_the_same_parts()
        said = self._bring_in(self._lots() if is_of_parts or not is_snapshot else self._news())
        if is_of_parts:
            if self.rivals and self._has_rival_versions():
                self.connection.exec_driver_sql("DROP TABLE incoming")
                return self._rebuild()
            self._bring_in_endings()
        if is_snapshot:
            said = read_json(self.storage.folder("staging", self.delivery) / "report.json")["rows"]
        self.connection.exec_driver_sql("ANALYZE incoming")
        same = f"ROW({_names(self.content, 'h')}) IS NOT DISTINCT FROM ROW({_names(self.content, 'i')})"
        # A record's versions lie far apart. Only its last is looked at, and once: it is the current one if it is valid.
        closed, deleted, opened = self.connection.exec_driver_sql(
            f"WITH said AS MATERIALIZED ("
            f"  SELECT i.*, h._place, coalesce(h._is_current, false) AS _is_known,"
            f"         coalesce(h._is_same, false) AS _is_same"
            f"  FROM incoming i LEFT JOIN LATERAL ("
            f"    SELECT h.ctid AS _place, h.valid_to IS NULL AS _is_current, {same} AS _is_same FROM {self.table} h"
            f"    WHERE {self._same_key} ORDER BY h.valid_from DESC LIMIT 1"
            f"  ) h ON true"
            f"), closed AS ("
            f"  UPDATE {self.table} h SET valid_to = %(as_of)s, closed_by = %(id)s FROM said i"
            f"  WHERE h.ctid = i._place AND i._is_known AND (i.{history.DELETED} OR NOT i._is_same)"
            f"  RETURNING i.{history.DELETED} AS is_gone"
            f"), opened AS ("
            f"  INSERT INTO {self.table} ({_names(self.content)}, valid_from, opened_by)"
            f"  SELECT {_names(self.content, 'i')}, %(as_of)s, %(id)s FROM said i"
            f"  WHERE NOT i.{history.DELETED} AND NOT (i._is_known AND i._is_same) RETURNING 1"
            f") SELECT (SELECT count(*) FROM closed), (SELECT count(*) FROM closed WHERE is_gone),"
            f" (SELECT count(*) FROM opened)",
            {"as_of": self.mine.as_of, "id": self.delivery.id},
        ).one()
        inserted = opened - (closed - deleted)
        changed = closed - deleted if is_snapshot else closed  # what a snapshot lacks is no row of it
        return {"inserted": inserted, "changed": changed, "unchanged": said - inserted - changed, "ended": deleted}

    @property
    def _same_key(self) -> str:
        return " AND ".join(f"h.{named(c)} = i.{named(c)}" for c in self.key)

    def _bring_in(self, lots: Iterable[pl.DataFrame]) -> int:
        """Put assertions into the table `incoming`; gives how many there were."""
        self.connection.exec_driver_sql(
            f"CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {_names(self.content)}, false AS {history.DELETED}"
            f" FROM {self.table} WHERE false"
        )
        columns = [*self.content, history.DELETED]
        return copy_rows(self.connection, "incoming", (lot.select(columns) for lot in lots))

    def _bring_in_endings(self) -> None:
        """Add what the snapshot lacks of its parts."""
        self.connection.exec_driver_sql(
            f"INSERT INTO incoming ({_names(self.key)}, {history.DELETED})"
            f" SELECT {_names(self.key, 'h')}, true FROM {self.table} h WHERE h.valid_to IS NULL"
            f" AND {self._in_my_parts} AND NOT EXISTS (SELECT FROM incoming i WHERE {self._same_key})"
        )

    @property
    def _in_my_parts(self) -> str:
        return f"({_names(self.parts, 'h')}) IN (SELECT DISTINCT {_names(self.parts)} FROM incoming)"

    def _has_rival_versions(self) -> bool:
        """Whether a delivery of the same period began or ended a version of a record that is said or lacking here."""
        query = (
            f"SELECT EXISTS (SELECT FROM {self.table} h WHERE %(as_of)s IN (h.valid_from, h.valid_to)"
            f" AND ({self._in_my_parts} OR EXISTS (SELECT FROM incoming i WHERE {self._same_key})))"
        )
        return bool(self.connection.exec_driver_sql(query, {"as_of": self.mine.as_of}).scalar_one())

    def _news(self) -> Iterator[pl.DataFrame]:
        """What a snapshot says that the one before it did not: that is what the table's current rows say."""
        return history.news(self._lots, self._said_before, self.key, self.content)

    def _follows_the_same_parts(self) -> bool:
        """Whether the last period's snapshots are of this one's parts, so that these parts' rows are what they said.

        A correction may have moved a record to another part; then the rows themselves are compared.
        """
        if self.rivals or not self.last:
            return False
        mine = parts_of(self.storage, self.contract, self.mine)
        return all(parts_of(self.storage, self.contract, place) == mine for place in self.last)

    def _said_before(self) -> Iterator[pl.DataFrame]:
        """The last snapshot, some rows at a time, with what corrections made of it; where this one has no rivals."""
        last = self.last
        whole = max((at for at, place in enumerate(last) if place.corrects is None), default=0)
        if whole == len(last) - 1:
            yield from batches.read(staged_rows(self.storage, self.contract, last[whole]))
        else:
            yield history.last_of_each(staged_assertions(self.storage, self.contract, last[whole:]), self.key)

    def _rebuild(self) -> dict[str, int]:
        """Build the histories of the touched records anew, and count what this delivery did among the others."""
        places = snapshots(self.storage, self.contract, self.order)
        said = self._replace(self._touched(), self.order)
        effects = history.effects(said, self.key, self.content, places)
        mine = effects.filter(pl.col(history.POSITION) == self.place)
        later = said.filter(pl.col(history.POSITION) > self.place)
        if places is None:
            return history.count(mine.join(later, on=self.key, how="anti", nulls_equal=True))
        spoken_for = [part for place in places[self.place + 1 :] for part in place.parts]
        lacks = mine.filter(pl.col(history.EFFECT).is_null())  # by what comes later they still had ended
        lacks = lacks.join(later.filter(pl.col(AS_OF) == self.mine.as_of), on=self.key, how="anti")
        rows = mine.filter(pl.col(history.EFFECT).is_not_null() & ~pl.col(PART).is_in(spoken_for))
        return history.count(pl.concat([lacks, rows.join(later, on=self.key, how="anti", nulls_equal=True)]))

    def _touched(self) -> pl.DataFrame | None:
        """Keys of the records that the delivery speaks of, or spoke of when it was loaded before; None: of all."""
        is_whole = self.is_reload or not self.delivery.corrects
        if self.contract.mode == "snapshot" and is_whole and not self.is_last_part:
            return None
        mine = self._keys()
        return pl.concat([mine, self._keys_of_earlier_load(mine), self._keys_in_my_parts(mine)]).unique()

    def _replace(self, keys: pl.DataFrame | None, order: Sequence[Place]) -> pl.DataFrame:
        """Replace the histories of some records, or of all, by what staging says; gives the assertions."""
        if keys is None:
            self.connection.exec_driver_sql(f"DELETE FROM {self.table}")
        else:
            self.connection.exec_driver_sql(
                f"CREATE TEMP TABLE touched ON COMMIT DROP AS SELECT {_names(self.key)} FROM {self.table} WHERE false"
            )
            copy_rows(self.connection, "touched", [keys])
            same_key = " AND ".join(f"h.{named(c)} = t.{named(c)}" for c in self.key)
            self.connection.exec_driver_sql(f"DELETE FROM {self.table} h USING touched t WHERE {same_key}")
            self.connection.exec_driver_sql("DROP TABLE touched")
        if not order:
            return pl.DataFrame()
        said = staged_assertions(self.storage, self.contract, order, keys)
        made = history.versions(said, self.key, self.content, snapshots(self.storage, self.contract, order))
        copy_rows(self.connection, self.table, [made])
        return said

    def _keys_of_earlier_load(self, mine: pl.DataFrame) -> pl.DataFrame:
        if not self.is_reload:
            return mine.clear()
        rows = self.connection.exec_driver_sql(
            f"SELECT DISTINCT {_names(self.key)} FROM {self.table} WHERE opened_by = %(id)s OR closed_by = %(id)s",
            {"id": self.delivery.id},
        )
        return pl.DataFrame([tuple(r) for r in rows], schema=mine.schema, orient="row")

    def _keys_in_my_parts(self, mine: pl.DataFrame) -> pl.DataFrame:
        """Keys of the records of its parts that the delivery may end, or another one of its period has."""
        if not self.is_last_part:
            return mine.clear()
        parts = scan(self.storage, self.contract, self.mine).select(self.parts).unique().collect()
        self.connection.exec_driver_sql(
            f"CREATE TEMP TABLE parts ON COMMIT DROP AS SELECT {_names(self.parts)} FROM {self.table} WHERE false"
        )
        copy_rows(self.connection, "parts", [parts])
        rows = self.connection.exec_driver_sql(
            f"SELECT DISTINCT {_names(self.key)} FROM {self.table}"
            f" WHERE ({_names(self.parts)}) IN (SELECT * FROM parts) AND (valid_to IS NULL OR valid_to = %(as_of)s)",
            {"as_of": self.mine.as_of},
        )
        return pl.DataFrame([tuple(r) for r in rows], schema=mine.schema, orient="row")


def _moment(rows: pl.LazyFrame, which: Callable[[pl.Expr], pl.Expr]) -> Moment | None:
    """The first or last change in some staged rows as a number: of days and times, microseconds since 1970."""
    kind = rows.collect_schema().get(SEQUENCE)
    if kind is None:  # staged before the contract had a sequence
        return None
    found = which(pl.col(SEQUENCE))
    moment: Moment | None = rows.select(found.dt.epoch("us") if kind.is_temporal() else found).collect().item()
    return moment


def _period(delivery: Delivery) -> date:
    if delivery.as_of is None:
        raise ValueError(f"{delivery.id} has no period; receive should have held it.")
    return delivery.as_of


def _names(columns: list[str], alias: str | None = None) -> str:
    prefix = f"{alias}." if alias else ""
    return ", ".join(f"{prefix}{named(c)}" for c in columns)
