"""Marts: made from their files, and kept up to date while analysts go on reading.

A mart is first made exact, in schema `exact`, and from there copied into schema `mart` without the cells that would
tell of single persons, see `etl.warehouse.shown`. Analysts read `mart` alone. A list of `quality/` stands in its own
schema; how many records one that is a reconciliation found is written into `ops.reconciliation`, from where whoever can
mend them hears of it; it stops no delivery.

One is made again only if something that it is made of has changed, see `etl.warehouse.inputs`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psycopg
import sqlalchemy as sa

from etl.warehouse import reconciliation as reconciliations
from etl.warehouse.inputs import Inputs
from etl.warehouse.mart import Mart, all_marts, all_overlaps, in_order
from etl.warehouse.ops import lock
from etl.warehouse.overlaps import Overlap, drop_views
from etl.warehouse.overlaps import refresh as refresh_overlap
from etl.warehouse.shown import make_table, show

log = logging.getLogger(__name__)
_TRIES = 60  # to replace what is being read
_TRY_SECONDS = 1
_READERS = {"link": "citydw_linkage"}  # who may see who is who; all else the reader reads


class MartIsRead(Exception):
    """A mart whose definition has changed is being read for too long."""


class Refreshed(NamedTuple):
    """A mart that is up to date.

    Attributes:
        name: schema and name, as its readers know it.
        number: which one of all it is, from 1.
        of: how many there are.
        has_changed: False if it is made of what it was made of before, and was left as it is.
        seconds: that it took.
    """

    name: str
    number: int
    of: int
    has_changed: bool
    seconds: float


def refresh(engine: sa.Engine, *, anew: bool = False) -> list[str]:
    """Bring every mart up to date, as `each_refreshed` does; gives their names."""
    return [mart.name for mart in each_refreshed(engine, anew=anew)]


def each_refreshed(engine: sa.Engine, *, anew: bool = False) -> Iterator[Refreshed]:
    """Bring every mart up to date, each in one transaction, while readers go on reading.

    One whose file has changed is made anew. That waits for its readers, for a short time and again, so that no other
    reader waits behind it. One of a table that is not there, as when its contract is wrong, is left and logged.

    Args:
        engine: of a migrated database.
        anew: also what nothing has changed for, as after somebody has written to a table by hand.

    Raises:
        MartError: if a file does not declare what must be hidden, or marts read each other.
        MartIsRead: if a reader of one that has changed does not end.
        OverlapError: if a file that says which shapes share ground is not understood.
    """
    marts = all_marts()
    with engine.connect() as connection:
        inputs = Inputs(connection)
    steps = in_order([*marts, *all_overlaps()])
    for number, (one, readers) in enumerate(steps, start=1):
        started = time.perf_counter()
        try:
            has_changed = _refresh(engine, one, readers, inputs, anew)
        except sa.exc.ProgrammingError as error:
            if not isinstance(error.orig, psycopg.errors.UndefinedTable):
                raise
            log.warning("mart %s is left as it is: %s", one.path.stem, str(error.orig).splitlines()[0])
        else:
            yield Refreshed(_told(one), number, len(steps), has_changed, time.perf_counter() - started)
    with engine.begin() as connection:
        connection.execute(
            sa.text("DELETE FROM ops.reconciliation WHERE name <> ALL (:names)"), {"names": [m.name for m in marts]}
        )


def _told(one: Mart | Overlap) -> str:
    return f"mart.{one.name}" if isinstance(one, Mart) and one.is_for_analysts else one.exact


def _refresh(engine: sa.Engine, one: Mart | Overlap, readers: Sequence[str], inputs: Inputs, anew: bool) -> bool:
    """Bring one up to date; gives whether anything had changed for it."""
    with engine.begin() as connection:
        lock(connection, "citydw.marts")
        version = inputs.version(connection, one.made_of, one.statement)
        before = _before(connection, one)
        is_made = (
            before is not None and before.made_of.partition(":")[0] == one.made_of
        )  # an overlap's names shapes too
        is_same = before is not None and is_made and before.version == version and not anew
        if isinstance(one, Overlap):
            made_of = before.made_of if before else None
            if not is_same:
                made_of = refresh_overlap(connection, one, made_of, readers)
            inputs.knows(one.exact, made_of or "")  # its shapes are what others read of it
        else:
            made_of = one.made_of
            if not is_same:
                _bring_up(connection, one, readers, is_made=is_made)
            inputs.knows(one.exact, version)
        _grant(connection, one)
        if not is_same:
            _write_down(connection, one.known_as, made_of or "", version)
    return not is_same


class _Before(NamedTuple):
    made_of: str
    version: str | None


def _before(connection: sa.Connection, one: Mart | Overlap) -> _Before | None:
    """What it was made of; None if it is not there."""
    found = connection.execute(
        sa.text("SELECT made_of, version FROM ops.mart WHERE name = :name AND to_regclass(:exact) IS NOT NULL"),
        {"name": one.known_as, "exact": one.exact},
    ).first()
    return _Before(*found) if found else None


def _write_down(connection: sa.Connection, name: str, made_of: str, version: str) -> None:
    connection.execute(
        sa.text(
            "INSERT INTO ops.mart (name, made_of, version) VALUES (:name, :made_of, :version)"
            " ON CONFLICT (name) DO UPDATE SET made_of = :made_of, version = :version, refreshed_at = now()"
        ),
        {"name": name, "made_of": made_of, "version": version},
    )


def _bring_up(connection: sa.Connection, mart: Mart, readers: Sequence[str], *, is_made: bool) -> None:
    if is_made:
        connection.execute(sa.text(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {mart.exact}"))
    else:
        _make(connection, mart, readers)
    connection.execute(sa.text(f"ANALYZE {mart.exact}"))  # for what reads it next
    if mart.is_for_analysts:
        show(connection, mart)
    if mart.reconciliation:
        reconciliations.count(connection, mart.name, mart.exact, mart.reconciliation)


def _grant(connection: sa.Connection, one: Mart | Overlap) -> None:
    """Let its readers read, also where nothing has changed: a backup has no privileges."""
    reader = _READERS.get(one.exact.partition(".")[0], "citydw_reader")
    connection.execute(sa.text(f"GRANT SELECT ON {one.exact} TO {reader}"))
    if isinstance(one, Mart) and one.is_for_analysts:
        connection.execute(sa.text(f"GRANT SELECT ON mart.{one.name} TO citydw_analyst, citydw_reader"))


def _make(connection: sa.Connection, mart: Mart, readers: Sequence[str]) -> None:
    """Make a mart aside, and put it in the place of the one before; what reads that goes, and is made after it."""
    connection.execute(sa.text("CREATE SCHEMA mart_aside"))
    connection.execute(sa.text("SET LOCAL search_path TO mart_aside"))  # the files name no schema for the mart
    connection.exec_driver_sql(mart.sql.replace("%", "%%"))
    for _ in range(_TRIES):
        try:
            with connection.begin_nested():
                connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_TRY_SECONDS}s'"))
                connection.execute(sa.text(f"DROP {_kind(connection, f'mart.{mart.name}')} IF EXISTS mart.{mart.name}"))
                drop_views(connection, [*readers, mart.exact])
                connection.execute(sa.text(f"ALTER MATERIALIZED VIEW {mart.name} SET SCHEMA {mart.schema}"))
        except sa.exc.OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            time.sleep(_TRY_SECONDS)  # those who wait behind us read meanwhile
        else:
            connection.execute(sa.text("DROP SCHEMA mart_aside"))
            if mart.is_for_analysts:
                make_table(connection, mart)
            return
    raise MartIsRead(
        f"{mart.name} has changed and cannot be replaced, for somebody's transaction still reads it. "
        "See pg_stat_activity for whose, let it end, and run `citydw marts` again."
    )


def _kind(connection: sa.Connection, name: str) -> str:
    """What a name in schema `mart` is of: before cells were hidden, marts were views."""
    kind = connection.execute(
        sa.text("SELECT relkind FROM pg_class WHERE oid = to_regclass(:name)"), {"name": name}
    ).scalar()
    return "MATERIALIZED VIEW" if kind == "m" else "TABLE"
