"""GeoPackage: a layer of features, or a table without any, in an SQLite database; a column of it is one of the file.

SQLite is read from memory, and may do nothing but read tables: a file can hold views, generated columns and damaged
pages that would otherwise compute, or never end. SQLite and shapely are here anyway; GDAL, which reads the format too,
would bring its two hundred other formats.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import polars as pl
import shapely

from etl.contract import Column, Contract, Source
from etl.delivery.messages import Stop
from etl.extract.bounded import bomb, check_columns, check_rows
from etl.extract.geojson import said_of_crs, texts_of
from etl.extract.json_text import Number
from etl.extract.record import Records
from etl.extract.table import Table, on_the_file
from etl.settings import DEFAULT_LIMITS, Limits

_BEGINS = b"SQLite format 3\0"
_JOURNAL = slice(18, 20)  # of the file's head: how changes are written
_WITH_LOG, _WITHOUT_LOG = b"\2\2", b"\1\1"
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
_STEPS = 1_000_000  # of SQLite's machine, after which it is asked whether it may go on
_MOST_STEPS = 1_000  # times that it may
_KIND = 6  # of a column's description: 0 for one that is stored
_AT_ONCE = 10_000  # rows
_ENVELOPES = (0, 32, 48, 48, 64)  # bytes of the box in a geometry's head, by its kind
_NAMED = 20


def layers(content: bytes) -> list[str]:
    """The layers and tables of a GeoPackage.

    Raises:
        Stop: if this is none that can be read.
    """
    with _opened(content) as connection:
        return _layers(connection)


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Read a layer; the row number is the place of the row by the layer's own order.

    Raises:
        Stop: if this is no GeoPackage that can be read within the limits, the layer is not there, its coordinate system
            is none of the EPSG, or most of it lies elsewhere.
    """
    with _opened(content) as connection:
        layer, others = _layer(connection, source.layer)
        table = _read(connection, layer, contract, limits)
    said = [table.problems]
    if others:
        said.append(on_the_file("layers_not_read", read=layer, layers=", ".join(n[:60] for n in others[:_NAMED])))
    if content[_JOURNAL] == _WITH_LOG:
        said.append(on_the_file("geopackage_open"))
    return Table(table.rows, pl.concat(said), doubts=table.doubts)


@contextmanager
def _opened(content: bytes) -> Iterator[sqlite3.Connection]:
    """A file's database, in memory and confined.

    Raises:
        Stop: if it is none, or what is done with it fails.
    """
    if not content.startswith(_BEGINS):
        raise Stop("rejected", "unreadable_geopackage")
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(content[: _JOURNAL.start] + _WITHOUT_LOG + content[_JOURNAL.stop :])
            _confine(connection, len(content))
            yield connection
    except (sqlite3.Error, UnicodeDecodeError, OverflowError):
        raise Stop("rejected", "unreadable_geopackage") from None


def _confine(connection: sqlite3.Connection, size: int) -> None:
    """Let a connection read tables only; no value is longer than the file."""
    steps = iter(range(_MOST_STEPS))

    def may(action: int, about: str | None, *_: str | None) -> int:
        is_fine = action in _ALLOWED or (action == sqlite3.SQLITE_PRAGMA and about == "table_xinfo")
        return sqlite3.SQLITE_OK if is_fine else sqlite3.SQLITE_DENY

    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, size)
    connection.set_progress_handler(lambda: next(steps, None) is None, _STEPS)
    connection.set_authorizer(may)


def _layers(connection: sqlite3.Connection) -> list[str]:
    contents = connection.execute("SELECT table_name FROM gpkg_contents ORDER BY table_name").fetchall()
    stored = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    tables = {name for name, sql in stored if not str(sql).upper().startswith("CREATE VIRTUAL")}  # nor views
    return [layer for (layer,) in contents if layer in tables]


def _layer(connection: sqlite3.Connection, name: str | None) -> tuple[str, list[str]]:
    """The layer that is to be read, and the others."""
    layers = _layers(connection)
    if name is None and len(layers) == 1:
        (name,) = layers
    if name is None or name not in layers:
        found = ", ".join(layer[:60] for layer in layers[:_NAMED]) or "—"
        raise Stop("held", "no_layer", name=name or "?", found=found)
    return name, [layer for layer in layers if layer != name]


def _read(connection: sqlite3.Connection, layer: str, contract: Contract, limits: Limits) -> Table:
    geometries = dict(connection.execute("SELECT table_name, column_name FROM gpkg_geometry_columns"))
    if any(column[_KIND] for column in connection.execute(f"PRAGMA table_xinfo({_quoted(layer)})")):
        raise Stop("rejected", "unreadable_geopackage")  # a column that is computed
    cursor = connection.execute(f"SELECT * FROM {_quoted(layer)}")
    names = [description[0] for description in cursor.description]
    check_columns(len(names), limits)
    columns = {c.source_name: c for c in contract.columns}
    records = Records(contract)
    shapes: list[Any] = []
    geometry = geometries.get(layer)
    size = 0
    for count, row in enumerate(_rows(cursor), start=1):
        check_rows(count, limits)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > limits.unpacked_bytes:
            raise bomb(limits.unpacked_bytes)
        cells = {n: _cell(value, columns.get(n)) for n, value in zip(names, row, strict=True) if n != geometry}
        shapes.append(row[names.index(geometry)] if geometry in names else None)
        records.put_json(count, cells)
    table = records.table([], limits)
    column = columns.get(geometry or "")
    if geometry in names and column:
        crs = _crs(connection, layer) if column.semantic_type == "geometry" else None
        table = _with_geometry(table, shapes, column, crs)
    elif geometry in names:
        text = pl.Series(geometry, [str(shape) if shape else None for shape in _shapes(shapes)], pl.String)
        table = Table(table.rows.with_columns(text), table.problems, doubts=table.doubts)
    return table


def _rows(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(_AT_ONCE):
        yield from rows


def _cell(value: Any, column: Column | None) -> Any:
    """A value as JSON would have it; a whole number is a text where the contract wants one, for it has all digits."""
    match value:
        case int() if column and column.type == "string":
            return str(value)
        case float():
            return Number(repr(value))
        case bytes():
            return value.hex()
        case _:
            return value


def _with_geometry(table: Table, sent: list[Any], column: Column, crs: dict[str, Any] | None) -> Table:
    shapes = _shapes(sent)
    texts = texts_of(shapes, {"crs": crs}, column)
    # What is no geometry stays as it was sent, to be sent back.
    made = [
        text if text is not None else blob.hex()[:1000] if isinstance(blob, bytes) else blob and str(blob)
        for text, blob in zip(texts, sent, strict=True)
    ]
    cells = pl.Series(column.source_name, made, pl.String)
    said = pl.concat([table.problems, said_of_crs({"crs": crs}, column)])
    return Table(table.rows.with_columns(cells), said, doubts=table.doubts)


def _shapes(sent: list[Any]) -> Any:
    return shapely.from_wkb(np.array([_wkb(blob) for blob in sent], dtype=object), on_invalid="ignore")


def _wkb(blob: Any) -> bytes | None:
    """The geometry in a cell, without the head that a GeoPackage puts before it."""
    if not isinstance(blob, bytes) or not blob.startswith(b"GP") or len(blob) < 8:
        return None
    kind = blob[3] >> 1 & 7
    return blob[8 + _ENVELOPES[kind] :] if kind < len(_ENVELOPES) else None


def _crs(connection: sqlite3.Connection, layer: str) -> dict[str, Any]:
    """The layer's coordinate system as GeoJSON names one."""
    found = connection.execute(
        "SELECT s.organization, s.organization_coordsys_id FROM gpkg_geometry_columns g"
        " JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id WHERE g.table_name = ?",
        [layer],
    ).fetchone()
    organization, code = found or ("", 0)
    if str(organization).upper() != "EPSG":
        raise Stop("held", "no_crs", layer=layer)
    return {"properties": {"name": f"EPSG:{code}"}}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
