"""Marts: what analysts query, made from `marts/`, and lists for those who mend data, from `quality/`.

Beside them `derived/` holds tables that stand in the schemas of the data: what several marts are made of, and what
shows single persons across agencies, in `link`, to those who may see who is who. One is made by SQL as a mart is, or
says by YAML, in `derived/overlaps/`, which shapes share ground, see `etl.warehouse.overlaps`. What another one reads is
made before it. The folders are the deployment's own; those of Ho Chi Minh City stand in `sql/`.

A list that finds what several datasets together show to be wrong is a reconciliation: its first comment says so. How
many records it found is written into `ops.reconciliation`, from where whoever can mend them hears of it; it stops no
delivery.

A mart is first made exact, in schema `exact`, and from there copied into schema `mart` without the cells that would
tell of single persons; its file declares them in its first comment, see `etl.warehouse.disclosure.Cells`. Analysts
read `mart` alone.
"""

from __future__ import annotations

import graphlib
import hashlib
import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import psycopg
import sqlalchemy as sa

from etl.contract import Text, yaml_text
from etl.contract.city import told
from etl.contract.names import NAME, OF_NAMES
from etl.settings import MARTS
from etl.warehouse import reconciliation as reconciliations
from etl.warehouse.copy import copy_rows
from etl.warehouse.disclosure import Cells, hidden
from etl.warehouse.names import literal, named
from etl.warehouse.ops import lock
from etl.warehouse.overlaps import Overlap, drop_views
from etl.warehouse.overlaps import refresh as refresh_overlap
from etl.warehouse.reconciliation import Reconciliation

log = logging.getLogger(__name__)
MARK = "mark"  # the column that says c (confidential) where a row of a mart hides something
_TRIES = 60  # to replace what is being read
_TRY_SECONDS = 1
_DECLARED = re.compile(r"\A((?:--.*\n)+)")
_EXACT = {"marts": "exact", "quality": "quality"}  # folder: schema; in the other one a file's name says it
_DERIVED, _OVERLAPS = "derived", "derived/overlaps"
FOLDERS = (*_EXACT, _DERIVED)  # of a deployment, below `MARTS`
_READERS = {"link": "citydw_linkage"}  # who may see who is who; all else the reader reads


class MartError(ValueError):
    """A mart's file that cannot be used; the text names it and says why."""


class MartIsRead(Exception):
    """A mart whose definition has changed is being read for too long."""


@dataclass(frozen=True)
class Mart:
    """One file of SQL in `marts/`, `quality/` or `derived/`: a materialized view, its index and its comments.

    Attributes:
        path: the file.
        sql: what it holds.
    """

    path: Path
    sql: str

    @property
    def name(self) -> str:
        """Of the view."""
        return self.path.stem.rpartition(".")[2]

    @property
    def is_for_analysts(self) -> bool:
        """Whether it is a mart that tells of no single persons or records."""
        return self.path.parent.name == "marts"

    @property
    def schema(self) -> str:
        """Of the view."""
        return self.exact.partition(".")[0]

    @property
    def exact(self) -> str:
        """Schema and name of the view."""
        schema = _EXACT.get(self.path.parent.name)
        return f"{schema}.{self.name}" if schema else self.path.stem

    @property
    def known_as(self) -> str:
        """In `ops.mart`."""
        return self.path.stem

    @property
    def made_of(self) -> str:
        """What changes when the file does."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @cached_property
    def cells(self) -> list[Cells]:
        """What must not show single persons; nothing where the file says that it is of none, as `cells: []`.

        Raises:
            MartError: if the file does not declare it.
        """
        try:
            return [Cells(**cells) for cells in self._declared["cells"]]
        except (TypeError, KeyError, ValueError) as error:
            raise MartError(
                f"{self.path}: its first comment must declare `cells`, as `cells: []` where it tells of no "
                f"persons; see etl/warehouse/disclosure.py ({type(error).__name__})."
            ) from None

    @cached_property
    def reconciliation(self) -> Reconciliation | None:
        """What its file declares; None if it is no reconciliation.

        Raises:
            MartError: if the file declares it otherwise than the lists beside it do.
        """
        try:
            declared = self._declared
            said = declared.get("reconciliation") if isinstance(declared, dict) else None
            return None if said is None else Reconciliation(**said)
        except (KeyError, TypeError, ValueError) as error:
            raise MartError(
                f"{self.path}: `reconciliation` in its first comment must have mends, and vi and en with {{found}} for "
                f"the number of records ({type(error).__name__})."
            ) from None

    @property
    def _declared(self) -> Any:
        if self.path.parent.name == _DERIVED:
            return None  # nobody is shown it, and nobody hears of it
        return yaml_text.parse(re.sub(r"(?m)^-- ?", "", "".join(_DECLARED.findall(self.sql))))


def all_marts() -> list[Mart]:
    """All files of SQL, those for analysts first.

    Raises:
        MartError: if one's name can be none of a view.
    """
    return [Mart(path, path.read_text(encoding="utf-8")) for path in _paths(FOLDERS, "*.sql")]


def all_overlaps() -> list[Overlap]:
    """All files that say which shapes share ground.

    Raises:
        MartError: if one's name can be none of a table.
    """
    return [Overlap(path, path.read_text(encoding="utf-8")) for path in _paths((_OVERLAPS,), "*.yaml")]


def _paths(folders: Iterable[str], pattern: str) -> list[Path]:
    paths = [path for folder in folders for path in sorted((MARTS / folder).glob(pattern))]
    for path in paths:
        *schema, name = path.stem.split(".")
        has_schema = path.parent.name not in _EXACT
        if len(schema) != has_schema or not all(map(NAME.fullmatch, (*schema, name))):
            wanted = "its schema, a dot and its name" if has_schema else "its name"
            raise MartError(f"{path}: a mart's file is called as {wanted}; a name must be {OF_NAMES}.")
    return paths


class _Step(NamedTuple):
    """Something to make, and the views that read it, the last one first."""

    one: Mart | Overlap
    readers: list[str]


def _in_order(found: Mapping[str, Mart | Overlap]) -> list[_Step]:
    """Each after those that it reads.

    Args:
        found: by schema and name.

    Raises:
        MartError: if two read each other.
    """
    statements = {
        name: re.sub("--.*", "", one.sql) if isinstance(one, Mart) else one.text for name, one in found.items()
    }
    reads = {
        name: {other for other in found if other != name and re.search(rf"\b{re.escape(other)}\b", statement)}
        for name, statement in statements.items()
    }
    try:
        order = [*graphlib.TopologicalSorter(reads).static_order()]
    except graphlib.CycleError as error:
        raise MartError(f"{' and '.join(error.args[1][1:])} read each other: none can be made first.") from None
    for name in order:
        reads[name] = reads[name].union(*(reads[other] for other in reads[name]))
    return [_Step(found[name], [other for other in reversed(order) if name in reads[other]]) for name in order]


def refresh(engine: sa.Engine) -> list[str]:
    """Bring every mart up to date, each in one transaction, while readers go on reading.

    One whose file has changed is made anew. That waits for its readers, for a short time and again, so that no other
    reader waits behind it. One of a table that is not there, as when its contract is wrong, is left and logged.

    Returns:
        What was brought up to date, schema and name.

    Raises:
        MartError: if a file does not declare what must be hidden, or marts read each other.
        MartIsRead: if a reader of one that has changed does not end.
        OverlapError: if a file that says which shapes share ground is not understood.
    """
    names, marts = list[str](), all_marts()
    for one, readers in _in_order({m.exact: m for m in marts} | {o.table: o for o in all_overlaps()}):
        try:
            if isinstance(one, Overlap):
                _refresh_overlap(engine, one, readers)
            else:
                _refresh(engine, one, readers)
        except sa.exc.ProgrammingError as error:
            if not isinstance(error.orig, psycopg.errors.UndefinedTable):
                raise
            log.warning("mart %s is left as it is: %s", one.path.stem, str(error.orig).splitlines()[0])
        else:
            names.append(_told(one))
    with engine.begin() as connection:
        connection.execute(
            sa.text("DELETE FROM ops.reconciliation WHERE name <> ALL (:names)"), {"names": [m.name for m in marts]}
        )
    return names


def _told(one: Mart | Overlap) -> str:
    if isinstance(one, Overlap):
        return one.table
    return f"mart.{one.name}" if one.is_for_analysts else one.exact


def _refresh_overlap(engine: sa.Engine, overlap: Overlap, readers: Sequence[str]) -> None:
    with engine.begin() as connection:
        lock(connection, "citydw.marts")
        said = sa.text("SELECT made_of FROM ops.mart WHERE name = :name")
        before = connection.execute(said, {"name": overlap.table}).scalar()
        _write_down(connection, overlap.table, refresh_overlap(connection, overlap, before, readers))
        connection.execute(sa.text(f"GRANT SELECT ON {overlap.table} TO citydw_reader"))


def _write_down(connection: sa.Connection, name: str, made_of: str) -> None:
    connection.execute(
        sa.text(
            "INSERT INTO ops.mart (name, made_of) VALUES (:name, :made_of)"
            " ON CONFLICT (name) DO UPDATE SET made_of = :made_of, refreshed_at = now()"
        ),
        {"name": name, "made_of": made_of},
    )


def _refresh(engine: sa.Engine, mart: Mart, readers: Sequence[str]) -> None:
    with engine.begin() as connection:
        lock(connection, "citydw.marts")
        if _is_made(connection, mart):
            connection.execute(sa.text(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {mart.exact}"))
        else:
            _make(connection, mart, readers)
        connection.execute(sa.text(f"ANALYZE {mart.exact}"))  # for what reads it next
        reader = _READERS.get(mart.schema, "citydw_reader")
        connection.execute(sa.text(f"GRANT SELECT ON {mart.exact} TO {reader}"))  # a backup has no privileges
        if mart.is_for_analysts:
            connection.execute(sa.text(f"GRANT SELECT ON mart.{mart.name} TO citydw_analyst, citydw_reader"))
            _show(connection, mart)
        if mart.reconciliation:
            reconciliations.count(connection, mart.name, mart.exact, mart.reconciliation)
        _write_down(connection, mart.known_as, mart.made_of)


def _is_made(connection: sa.Connection, mart: Mart) -> bool:
    """Whether the mart is there and its file has not changed since it was made."""
    found = connection.execute(
        sa.text("SELECT FROM ops.mart WHERE name = :name AND made_of = :made_of AND to_regclass(:exact) IS NOT NULL"),
        {"name": mart.known_as, "made_of": mart.made_of, "exact": mart.exact},
    )
    return found.first() is not None


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
                _make_table(connection, mart)
            return
    raise MartIsRead(
        f"{mart.name} has changed and cannot be replaced, for somebody's transaction still reads it. "
        "See pg_stat_activity for whose, let it end, and run `citydw marts` again."
    )


def _make_table(connection: sa.Connection, mart: Mart) -> None:
    """Make the empty table that analysts read."""
    table = f"mart.{mart.name}"
    connection.execute(sa.text(f"CREATE TABLE {table} (LIKE {mart.exact} INCLUDING COMMENTS)"))
    for name in _columns(connection, mart):
        if name.startswith("_"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {named(name)}")
    connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {MARK} text"))
    said = connection.execute(sa.text(f"SELECT obj_description('{mart.exact}'::regclass)")).scalar() or ""
    connection.exec_driver_sql(f"COMMENT ON TABLE {table} IS {literal(said)}")
    connection.exec_driver_sql(f"COMMENT ON COLUMN {table}.{MARK} IS {literal(told(_MARK_SAYS))}")


def _kind(connection: sa.Connection, name: str) -> str:
    """What a name in schema `mart` is of: before cells were hidden, marts were views."""
    kind = connection.execute(
        sa.text("SELECT relkind FROM pg_class WHERE oid = to_regclass(:name)"), {"name": name}
    ).scalar()
    return "MATERIALIZED VIEW" if kind == "m" else "TABLE"


def _show(connection: sa.Connection, mart: Mart) -> None:
    """Copy what may be shown of a mart into schema `mart`; nothing here waits for its readers."""
    table = f"mart.{mart.name}"
    shown = [name for name in _columns(connection, mart) if not name.startswith("_")]
    connection.execute(sa.text(f"DELETE FROM {table}"))
    if not mart.cells:
        columns = ", ".join(map(named, shown))
        connection.execute(sa.text(f"INSERT INTO {table} SELECT {columns}, NULL FROM {mart.exact}"))
        return
    flags = _hide(connection, mart)
    # What is built on persons whom nobody has counted is not known either.
    by_column = {
        name: f"{flag} OR {named(cells.persons)} IS NULL"
        for flag, cells in zip(flags, mart.cells, strict=True)
        for name in cells.columns
    }
    values = [f"CASE WHEN {by_column[n]} THEN NULL ELSE {named(n)} END" if n in by_column else named(n) for n in shown]
    connection.execute(
        sa.text(
            f"INSERT INTO {table} SELECT {', '.join(values)}, CASE WHEN {' OR '.join(flags)} THEN 'c' END"
            f" FROM {mart.exact} e JOIN hiding h ON h.place = e.ctid::text"
        )
    )
    connection.execute(sa.text("DROP TABLE hiding"))


def _hide(connection: sa.Connection, mart: Mart) -> list[str]:
    """Make a temporary table, `hiding`, of the cells that a row may not show; gives a column for each kind of cells."""
    counted = {name for cells in mart.cells for margin in cells.margins for name in margin}
    counted |= {name for cells in mart.cells for name in (cells.persons, cells.share) if name}
    select = ", ".join(["ctid::text AS place", *map(named, sorted(counted))])
    rows = pl.read_database(f"SELECT {select} FROM {mart.exact}", connection, infer_schema_length=None)
    flags = [hidden(rows, cells).alias(f"hides_{number}") for number, cells in enumerate(mart.cells)]
    connection.execute(
        sa.text(
            "CREATE TEMPORARY TABLE hiding ("
            + ", ".join(["place text PRIMARY KEY", *(f"{flag.name} boolean NOT NULL" for flag in flags)])
            + ") ON COMMIT DROP"
        )
    )
    copy_rows(connection, "hiding", [pl.DataFrame([rows["place"], *flags])])
    return [flag.name for flag in flags]


_MARK_SAYS = Text(
    "c: có ô để trống vì dựng trên quá ít người, hoặc để không tính ngược được ô như vậy",
    "c: something is empty, for it is built on too few persons or would give such a cell away",
)


def _columns(connection: sa.Connection, mart: Mart) -> list[str]:
    """Of the exact view, in its order."""
    found = connection.execute(
        sa.text(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0"
            " AND NOT attisdropped ORDER BY attnum"
        ),
        {"name": mart.exact},
    )
    return list(found.scalars())
