"""GeoJSON whose features all have the same plain properties, as programs write it: read column by column.

It is read several times as fast as `etl.extract.geojson` does, which reads any. What could be read in two ways (a field
that stands twice, an escape, a number as text) is not decided here: of such a file nothing is said at all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from etl.settings import Limits

_KEYS_OF_FEATURE, _KEYS_OF_GEOMETRY = 3, 2
_NESTS = 10  # levels that such a file, its crs included, has at most
_OF_CRS = 20  # brackets in a crs, each of which may nest


class _Feature(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: str
    properties: dict[str, object]
    geometry: msgspec.Raw


class _Collection(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    features: list[_Feature]
    name: str | UnsetType = UNSET
    crs: msgspec.Raw | UnsetType = UNSET


# Numbers are bytes: Python's garbage collector would look again and again at all that holds objects of ours.
_DECODER = msgspec.json.Decoder(_Collection, float_hook=str.encode)


class Columns(NamedTuple):
    """A file of such features.

    Attributes:
        properties: of each feature, by the property's name; a number that is no int as it is written, in bytes.
        geometries: of each feature, as it is written.
        crs: as it is written; None if there is none.
    """

    properties: dict[str, list[Any]]
    geometries: list[str]
    crs: str | None


def columns(text: str, limits: Limits) -> Columns | None:
    """The features of a file; None unless all are alike and can be read in one way only.

    Args:
        text: the file.
        limits: what it may ask.
    """
    is_colon_apart = any(blank in text and f"{blank}:" in text for blank in " \t\r\n")
    if "\\" in text or is_colon_apart or limits.depth < _NESTS + _OF_CRS:
        return None
    try:
        collection = _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    features, crs = collection.features, None if collection.crs is UNSET else bytes(collection.crs).decode()
    if not features or (crs and crs.count("[") + crs.count("{") > _OF_CRS):
        return None
    names = [*features[0].properties]
    geometries = [bytes(feature.geometry).decode() for feature in features]
    of_features = len(features) * (_KEYS_OF_FEATURE + len(names) + _KEYS_OF_GEOMETRY)
    keys = 2 + (collection.name is not UNSET) + (crs is not None) + (crs or "").count('":') + of_features
    if (
        text.count('":') != keys  # a name that stands twice is counted twice here, and once in what was read
        or any(geometry.count('":') != _KEYS_OF_GEOMETRY for geometry in geometries)
        or any([*feature.properties] != names for feature in features)
    ):
        return None
    properties = {name: [feature.properties[name] for feature in features] for name in names}
    return Columns(properties, geometries, crs)
