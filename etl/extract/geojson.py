"""GeoJSON: one feature a record; its properties are columns, and so are, as `@id`, what stands beside them.

The geometry becomes WKT in the city's one CRS where the contract has a column for it; else it stays as it was sent.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import polars as pl
import shapely

from etl.contract import Column, Contract, Source, Text
from etl.contract.city import city
from etl.datatypes.geometry import canonical, decimals, in_city, is_map_crs, rough_accuracy, swapped, to_city_crs
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract.bounded import check_rows
from etl.extract.flat_geojson import columns
from etl.extract.json_text import TooDeep, Twice, parser, written
from etl.extract.record import Records
from etl.extract.table import Table, broken_lines, on_the_file
from etl.extract.text import decode
from etl.settings import DEFAULT_LIMITS, Limits

_GEOMETRY, _PROPERTIES = "geometry", "properties"
_OWN = ("type", "bbox", _GEOMETRY, _PROPERTIES)  # of a feature; its box says nothing that the geometry does not
_OF_THE_FILE = ("type", "bbox", "crs", "features", "name")
_WGS84 = 4326  # what GeoJSON means where it names no CRS (RFC 7946)
_NO_JSON = Text("không phải JSON đúng", "it is not valid JSON")
_NO_FEATURES = Text("không có danh sách features", "it has no list of features")
_NO_EPSG = Text("hệ tọa độ crs không phải một mã EPSG", "its crs is not an EPSG code")


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut a FeatureCollection into cells; the row number is the feature's place in it.

    Raises:
        Stop: if this is no FeatureCollection, names a CRS that is not an EPSG code, or most of it lies elsewhere in
            that CRS and in the city by another reading.
    """
    text = decode(content, source.encoding)
    table = _flat(text, contract, limits)
    return table if table is not None else parsed(text, contract, limits)


def _flat(text: str, contract: Contract, limits: Limits) -> Table | None:
    """The same of a file whose features are all alike and without a fault; None of any other."""
    found, column = columns(text, limits), _column(contract)
    cells = Records(contract).plain(found.properties) if found else None
    if found is None or cells is None or column is None or not {ROW, _GEOMETRY}.isdisjoint(cells):
        return None
    shapes = shapely.from_geojson(np.array(found.geometries, dtype=object), on_invalid="ignore")
    if shapely.is_missing(shapes).any() or len(shapes) > limits.rows or len(cells) >= limits.columns:
        return None
    crs = parser(limits)(found.crs) if found.crs else None
    wkt = texts_of(shapes, {"crs": crs}, column)
    numbers = pl.int_range(1, len(shapes) + 1, eager=True, dtype=pl.Int64).alias(ROW)
    texts = [pl.Series(name, values, pl.String) for name, values in {**cells, _GEOMETRY: wkt}.items()]
    return Table(pl.DataFrame([numbers, *texts]), said_of_crs({"crs": crs}, column))


def parsed(text: str, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """The same of any file's text.

    Raises:
        Stop: as `read` does.
    """
    try:
        collection = parser(limits)(text)
    except TooDeep:
        raise Stop("rejected", "nested_too_deep", limit=limits.depth) from None
    except ValueError:
        raise Stop("rejected", "unreadable_geojson", detail=_NO_JSON) from None
    features = collection.get("features") if isinstance(collection, dict) else None
    if not isinstance(features, list):
        raise Stop("rejected", "unreadable_geojson", detail=_NO_FEATURES)
    check_rows(len(features), limits)
    is_feature = [
        isinstance(f, dict) and isinstance(f.get(_PROPERTIES), dict | None)
        for f in features  # null: it has none
    ]
    geometries = [f.get(_GEOMETRY) if good else None for f, good in zip(features, is_feature, strict=True)]
    records = Records(contract)
    lost: tuple[list[int], list[str]] = ([], [])
    in_columns = zip(features, is_feature, _as_text(geometries, collection, contract), strict=True)
    for number, (feature, good, geometry) in enumerate(in_columns, start=1):
        if good:
            beside = {f"@{name}": value for name, value in feature.items() if name not in _OWN}
            records.put_json(number, beside, feature.get(_PROPERTIES) or {}, geometry)
        else:
            lost[0].append(number)
            lost[1].append(written(feature))
    said = [broken_lines("not_a_feature", *lost), said_of_crs(collection, _column(contract))]
    if others := [name[:60] for name in collection if name not in _OF_THE_FILE]:
        said.append(on_the_file("outside_records", names=", ".join(others[:20])))
    return records.table(said, limits)


def _as_text(geometries: list[Any], collection: dict[str, Any], contract: Contract) -> list[dict[str, Any]]:
    """What each feature's geometry adds to its record."""
    column = _column(contract)
    if column is None:
        return [{_GEOMETRY: written(g)} if g is not None else {} for g in geometries]
    texts = [json.dumps(g) if isinstance(g, dict) and not _says_twice(g) else None for g in geometries]
    shapes = shapely.from_geojson(np.array(texts, dtype=object), on_invalid="ignore")
    # What is no geometry stays as it was sent, to be sent back.
    return [
        {_GEOMETRY: wkt if wkt is not None else written(g) if isinstance(g, dict) else g}
        for wkt, g in zip(texts_of(shapes, collection, column), geometries, strict=True)
    ]


def _column(contract: Contract) -> Column | None:
    """The contract's for geometries."""
    return next((column for column in contract.columns if column.source_name == _GEOMETRY), None)


def texts_of(shapes: Any, collection: dict[str, Any], column: Column) -> Any:
    """The shapes as text; in the city's CRS where the column is of boundaries.

    Args:
        shapes: an array of them.
        collection: may name their CRS, as GeoJSON does.
        column: the contract's.

    Raises:
        Stop: see `read`.
    """
    if column.semantic_type != "geometry":
        return shapely.to_wkt(shapes, rounding_precision=-1)
    return shapely.to_wkt(_in_city(shapes, collection), rounding_precision=decimals())


def said_of_crs(collection: dict[str, Any], column: Column | None) -> pl.DataFrame:
    """A warning on the file, if its shapes came into the city's CRS less exactly than could be.

    Args:
        collection: may name their CRS, as GeoJSON does.
        column: the contract's for geometries.
    """
    epsg = _epsg(collection) if column and column.semantic_type == "geometry" else city().crs
    metres = rough_accuracy(epsg)
    if metres is None:
        return on_the_file()
    return on_the_file(
        "rough_coordinates",
        crs=f"EPSG:{epsg}",
        city=f"EPSG:{city().crs}",
        metres=f"{metres:g}" if metres >= 0 else "?",
    )


def _says_twice(geometry: dict[str, Any]) -> bool:
    return any(isinstance(value, Twice) for value in geometry.values())


def _in_city(shapes: Any, collection: dict[str, Any]) -> Any:
    """The shapes in the city's CRS, each polygon in its one way to be written.

    Raises:
        Stop: see `read`.
    """
    epsg = _epsg(collection)
    made = to_city_crs(shapes, epsg)
    if not _mostly_in_city(made):
        named = f"EPSG:{epsg}" if collection.get("crs") else "WGS 84"
        if _mostly_in_city(to_city_crs(swapped(shapes), epsg)):
            raise Stop("held", "swapped_coordinates", crs=named)
        if _mostly_in_city(shapes):
            raise Stop("held", "other_crs", crs=named, city=f"EPSG:{city().crs}")
    return canonical(made)


def _mostly_in_city(shapes: Any) -> bool:
    count = np.count_nonzero(~(shapely.is_missing(shapes) | shapely.is_empty(shapes)))
    return bool(2 * np.count_nonzero(in_city(shapes)) >= count)


def _epsg(collection: dict[str, Any]) -> int:
    match collection.get("crs"):
        case None:
            return _WGS84
        case {"properties": {"name": str(name)}} if name.endswith("CRS84"):
            return _WGS84
        case {"properties": {"name": str(name)}} if code := re.search(r"EPSG:+(\d{4,6})$", name):
            if is_map_crs(int(code[1])):
                return int(code[1])
    raise Stop("held", "unreadable_geojson", detail=_NO_EPSG)
