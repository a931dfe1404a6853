"""What lies where: a table of which shapes of one query share ground with which of another, and how much.

A file of `derived/overlaps/` declares it in YAML: two queries, and below which limit a share is a sliver, as two
surveys of one line leave them. It is computed here, by GEOS, on every server alike; docs/decisions/place.md says why.
A mart then joins rows by the table, and needs no geometry.

Sizes are square metres of a surface, metres of a line, and the number of points, in the city's coordinate reference
system (of one in degrees, on the ellipsoid). Two shapes share what has the dimension of the lesser of them: parcels
that touch along a line share nothing, a line shares metres with a parcel. What is no valid shape shares nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from etl.contract import Text, yaml_text
from etl.contract.city import city, told
from etl.datatypes import geometry
from etl.warehouse.copy import copy_rows
from etl.warehouse.names import literal

_LOT = 20_000  # shapes of the left that are in memory at a time
_HELD = 100_000  # shapes of the right that are in memory at a time
_DECIMALS = 2  # of a size; what is nothing then is left out
_SURFACE = 2  # its dimension
_PAIR = "left_place bigint, right_place bigint, left_size float8, right_size float8, shared float8, is_sliver boolean"
MEASURED = {  # the columns beside those that name rows
    "left_size": Text("Diện tích (m²) hoặc chiều dài (m) của hình thứ nhất", "Size of the first shape, m² or m"),
    "right_size": Text("Diện tích (m²) hoặc chiều dài (m) của hình thứ hai", "Size of the second shape, m² or m"),
    "shared": Text("Phần chung của hai hình, m² hoặc m", "What both share, m² or m"),
    "is_sliver": Text("Phần chung nhỏ hơn giới hạn đã nêu", "Whether they share less than the declared limit"),
}
_shapely: Any = shapely  # it has no type annotations yet


class Sliver(BaseModel):
    """Below what two surfaces share a sliver only.

    Attributes:
        square_metres: that they share.
        share: of the smaller one, from 0 to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    square_metres: float = Field(ge=0)
    share: float = Field(ge=0, le=1)


class Declared(BaseModel):
    """What a file says.

    Attributes:
        vi: what the table is.
        en: the same in English.
        left: a query with a column `geometry`; the others name a row. It may give any number of rows.
        right: the same of what is looked up, with other names.
        keeps_alone: whether a row of the left that shares nothing is in the table too, with nothing on the right.
        sliver: the limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vi: str
    en: str
    left: str
    right: str
    keeps_alone: bool = False
    sliver: Sliver


class OverlapError(ValueError):
    """A file that cannot be used; the text names it and says why."""


@dataclass(frozen=True)
class Overlap:
    """One file of `derived/overlaps/`: a table of shapes that share ground.

    Attributes:
        path: the file, named by schema and name of the table.
        text: what it says.
    """

    path: Path
    text: str

    @property
    def exact(self) -> str:
        """Schema and name of the table."""
        return self.path.stem

    @property
    def known_as(self) -> str:
        """In `ops.mart`."""
        return self.path.stem

    @property
    def statement(self) -> str:
        """What it is made by, its comments aside."""
        return re.sub("(?m)^ *#.*", "", self.text)

    @property
    def made_of(self) -> str:
        """What changes when the file does, or the system that sizes are measured in."""
        return hashlib.sha256(f"{city().crs}\n{self.text}".encode()).hexdigest()

    @cached_property
    def declared(self) -> Declared:
        """What the file says.

        Raises:
            OverlapError: if that is not understood.
        """
        try:
            return Declared.model_validate(yaml_text.parse(self.text))
        except ValidationError as error:
            first = error.errors()[0]
            raise OverlapError(f"{self.path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
        except ValueError as error:
            raise OverlapError(f"{self.path}: {error}") from None


def drop_views(connection: sa.Connection, names: Iterable[str]) -> None:
    """Drop materialized views that are made anew, one after the other."""
    for name in names:
        connection.execute(sa.text(f"DROP MATERIALIZED VIEW IF EXISTS {name}"))


def refresh(connection: sa.Connection, overlap: Overlap, before: str | None, readers: Iterable[str]) -> str:
    """Bring a table up to date, in the connection's transaction; one whose shapes did not change is left as it is.

    Args:
        connection: to a migrated database.
        overlap: what to make.
        before: what was returned the last time; None if it was never made.
        readers: the views that read it, the last one first; they go where it is made anew.

    Returns:
        What it was made of: the file's words, and the shapes.

    Raises:
        OverlapError: if the file is not understood.
    """
    declared = overlap.declared
    queries = {"left_side": declared.left, "right_side": declared.right}
    made_of = ":".join([overlap.made_of, *(_digest(connection, query) for query in queries.values())])
    is_there = connection.execute(sa.text("SELECT to_regclass(:name)"), {"name": overlap.exact}).scalar() is not None
    if is_there and before == made_of:
        return made_of
    for side, query in queries.items():
        _execute(
            connection, f"CREATE TEMPORARY TABLE {side} AS SELECT row_number() OVER () AS place, q.* FROM ({query}) q"
        )
        _execute(connection, f"ANALYZE {side}")
    if not is_there or (before or "").partition(":")[0] != overlap.made_of:
        drop_views(connection, readers)
        _make(connection, overlap)
    _execute(connection, f"CREATE TEMPORARY TABLE pair ({_PAIR})")
    for pairs in _pairs(connection, declared):
        copy_rows(connection, "pair", [pairs])
    _execute(connection, "ANALYZE pair")
    _fill(connection, overlap.exact)
    _execute(connection, f"ANALYZE {overlap.exact}")  # else what reads it next is planned for an empty table
    for name in ("pair", *queries):
        _execute(connection, f"DROP TABLE {name}")
    return made_of


def _execute(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%"))


def _digest(connection: sa.Connection, query: str) -> str:
    """What changes when a row of a query does, whichever order they come in."""
    said = f"SELECT count(*) || '+' || coalesce(sum(hashtextextended(q::text, 0)), 0) FROM ({query}) q"
    return str(connection.exec_driver_sql(said.replace("%", "%%")).scalar())


def _columns(connection: sa.Connection, side: str) -> list[str]:
    """What names a row of a side."""
    names = [column["name"] for column in sa.inspect(connection).get_columns(side)]
    return [f'"{name}"' for name in names if name not in ("place", "geometry")]


def _make(connection: sa.Connection, overlap: Overlap) -> None:
    """Make the empty table anew."""
    table, columns = overlap.exact, [*_columns(connection, "left_side"), *_columns(connection, "right_side")]
    _execute(connection, f"DROP TABLE IF EXISTS {table}")
    _execute(
        connection,
        f"CREATE TABLE {table} AS SELECT {', '.join(columns)}, 0::float8 AS left_size, 0::float8 AS right_size,"
        " 0::float8 AS shared, false AS is_sliver FROM left_side, right_side WHERE false",
    )
    _execute(connection, f"CREATE INDEX ON {table} ({', '.join(_columns(connection, 'left_side'))})")
    said = literal(told(Text(overlap.declared.vi, overlap.declared.en)))
    connection.exec_driver_sql(f"COMMENT ON TABLE {table} IS {said}")
    for name, text in MEASURED.items():
        connection.exec_driver_sql(f"COMMENT ON COLUMN {table}.{name} IS {literal(told(text))}")


def _fill(connection: sa.Connection, table: str) -> None:
    """Put the pairs in the table's place, with what names their rows; then the rows of the left that are in no pair."""
    left, right = ([f"{side}.{name}" for name in _columns(connection, side)] for side in ("left_side", "right_side"))
    measured = ["pair.left_size", "pair.right_size", "pair.shared", "pair.is_sliver"]
    into = f"INSERT INTO {table} SELECT"
    of_left = "FROM pair JOIN left_side ON left_side.place = pair.left_place"
    _execute(connection, f"DELETE FROM {table}")
    _execute(
        connection,
        f"{into} {', '.join([*left, *right, *measured])} {of_left}"
        " JOIN right_side ON right_side.place = pair.right_place",
    )
    _execute(
        connection,
        f"{into} {', '.join([*left, *['NULL'] * len(right), *measured])} {of_left} WHERE pair.right_place IS NULL"
        " AND NOT EXISTS (SELECT FROM pair p WHERE p.left_place = pair.left_place AND p.right_place IS NOT NULL)",
    )


@dataclass(frozen=True)
class _Shapes:
    """Some rows of a side: their places in it, and their shapes; None where there is no valid one."""

    places: np.ndarray[Any, Any]
    shapes: np.ndarray[Any, Any]

    @cached_property
    def dimensions(self) -> np.ndarray[Any, Any]:
        """0 of points, 1 of lines, 2 of surfaces, below of what is nothing."""
        return np.asarray(_shapely.get_dimensions(self.shapes))

    @cached_property
    def sizes(self) -> np.ndarray[Any, Any]:
        """Of each, by its own dimension."""
        return geometry.sizes(self.shapes, self.dimensions)

    @cached_property
    def tree(self) -> Any:
        """To find them by place; they are prepared for many questions each."""
        _shapely.prepare(self.shapes)
        return _shapely.STRtree(self.shapes)


def _read(connection: sa.Connection, side: str, lot: int) -> Iterator[_Shapes]:
    """The shapes of a side, some at a time; one lot at least."""
    query = sa.text(f"SELECT place, geometry FROM {side}")
    rows = connection.execute(query, execution_options={"yield_per": lot})
    is_empty = True
    for part in rows.partitions(lot):
        places, wkt = zip(*part, strict=True)
        shapes = geometry.parsed(pl.Series(wkt, dtype=pl.String))
        shapes[~_shapely.is_valid(shapes)] = None
        is_empty = False
        yield _Shapes(np.array(places), shapes)
    if is_empty:
        yield _Shapes(np.empty(0, dtype=np.int64), np.empty(0, dtype=object))


def _pairs(connection: sa.Connection, declared: Declared) -> Iterator[pl.DataFrame]:
    """All pairs that share something, some at a time; first of each row of the left a line of its own, if it is kept.

    The shapes of the right are held in a tree, up to a number; where there are more, the left is read once for each
    such lot. So memory does not grow with either side.
    """
    for number, right in enumerate(_read(connection, "right_side", _HELD)):
        if not len(right.places) and not declared.keeps_alone:
            return
        for left in _read(connection, "left_side", _LOT):
            if declared.keeps_alone and not number:
                yield _frame(left.places, None, left.sizes, None, None, None)
            yield _of_lots(left, right, declared.sliver)


def _of_lots(left: _Shapes, right: _Shapes, sliver: Sliver) -> pl.DataFrame:
    one, other = right.tree.query(left.shapes, predicate="intersects")
    both = left.shapes[one]
    partly = ~_shapely.covers(right.shapes[other], both)  # most parcels lie within one zone: nothing is to be cut
    both[partly] = _shapely.intersection(both[partly], right.shapes[other[partly]])
    lesser = np.minimum(left.dimensions[one], right.dimensions[other])
    shared = geometry.sizes(both, lesser)
    smaller = np.minimum(left.sizes[one], right.sizes[other])
    is_sliver = (lesser == _SURFACE) & ((shared < sliver.square_metres) | (shared < sliver.share * smaller))
    made = _frame(left.places[one], right.places[other], left.sizes[one], right.sizes[other], shared, is_sliver)
    return made.filter(pl.col("shared") > 0)


def _frame(*columns: Any) -> pl.DataFrame:
    length = len(columns[0])
    types = [pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.Float64, pl.Boolean]
    names = ["left_place", "right_place", "left_size", "right_size", "shared", "is_sliver"]
    series = [
        pl.Series(name, [None] * length if column is None else column, dtype=kind, strict=False, nan_to_null=True)
        for name, kind, column in zip(names, types, columns, strict=True)
    ]
    return pl.DataFrame(series).with_columns(pl.col(pl.Float64).round(_DECIMALS))
