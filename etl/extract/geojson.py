"""GeoJSON: one feature a record; properties are columns, the geometry becomes WKT in the city's one CRS."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import shapely

from etl.contract import Contract, Source
from etl.delivery import Stop
from etl.extract.bounded import check_rows
from etl.extract.json_text import TooDeep, parser
from etl.extract.ndjson import flatten
from etl.extract.table import Table, text_rows
from etl.extract.text import decode
from etl.semantic.geometry import CITY_CRS, is_map_crs, to_city_crs
from etl.settings import DEFAULT_LIMITS, Limits

_GEOMETRY, _PROPERTIES = "geometry", "properties"
_WGS84 = 4326  # what GeoJSON means where it names no CRS (RFC 7946)


class _Number(float):
    """A JSON number that remembers how it was written, so that no digit of an amount is lost."""

    def __new__(cls, text: str) -> _Number:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut a FeatureCollection into cells; the row number is the feature's place in it.

    Raises:
        Stop: if this is no FeatureCollection, or names a CRS that is not an EPSG code.
    """
    try:
        parse = parser(limits, parse_float=_Number, parse_int=_integer)
        collection = parse(decode(content, source.encoding))
        features = [
            {**feature, _PROPERTIES: {**(feature.get(_PROPERTIES) or {})}} for feature in collection["features"]
        ]
    except TooDeep:
        raise Stop("rejected", "nested_too_deep", limit=limits.depth) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Stop("rejected", "unreadable_geojson", detail=type(error).__name__) from None
    check_rows(len(features), limits)
    separators = {c.source_name: c.separator or ";" for c in contract.columns}
    records = [flatten(_as_written(feature[_PROPERTIES]), separators) for feature in features]
    for record, wkt in zip(records, _wkt(features, _epsg(collection)), strict=True):
        record[_GEOMETRY] = wkt
    columns = list(dict.fromkeys(name for record in records for name in record))
    return Table(text_rows(list(range(1, len(records) + 1)), records, columns, limits), may_omit_columns=True)


def _integer(text: str) -> _Number | int:
    return int(text) if len(text) < 16 else _Number(text)


def _as_written(value: Any) -> Any:
    match value:
        case dict():
            return {key: _as_written(item) for key, item in value.items()}
        case list():
            return [_as_written(item) for item in value]
        case _Number():
            return value.text
        case _:
            return value


def _epsg(collection: dict[str, Any]) -> int:
    match collection.get("crs"):
        case None:
            return _WGS84
        case {"properties": {"name": str(name)}} if name.endswith("CRS84"):
            return _WGS84
        case {"properties": {"name": str(name)}} if code := re.search(r"EPSG:+(\d{4,6})$", name):
            if is_map_crs(int(code[1])):
                return int(code[1])
    raise Stop("held", "unreadable_geojson", detail="crs")


def _wkt(features: list[dict[str, Any]], epsg: int) -> list[str | None]:
    """Each geometry as WKT in the city's CRS; what is no geometry stays its own JSON text, to be rejected later."""
    texts = [json.dumps(f.get(_GEOMETRY)) if f.get(_GEOMETRY) else None for f in features]
    shapes = shapely.from_geojson(np.array(texts, dtype=object), on_invalid="ignore")
    if epsg != CITY_CRS:
        shapes = to_city_crs(shapes, epsg)
    made = shapely.to_wkt(shapes, rounding_precision=3)
    return [wkt if wkt is not None else text for wkt, text in zip(made, texts, strict=True)]
