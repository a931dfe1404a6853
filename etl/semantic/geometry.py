"""Geometry: WKT in the city's one coordinate reference system, valid, flat, to the millimetre, a polygon in one form.

EPSG:9210 is VN-2000 / TM-3 with the central meridian 105°45', which the city's cadastre uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from etl.contract import Column
from etl.semantic.output import SemanticType, one_text

CITY_CRS = 9210
_DECIMALS = 3
_DEEPEST = 50  # collections within collections
# Where the city lies, in metres of its CRS (left, bottom, right, top), with some kilometres of room around: the
# mainland with its coast, and Côn Đảo. It is nowhere else said where the city is.
_CITY = ((540_000.0, 1_120_000.0, 715_000.0, 1_290_000.0), (565_000.0, 935_000.0, 640_000.0, 995_000.0))
_POLYGONS = (3, 6)  # shapely's numbers of Polygon and MultiPolygon
_shapely: Any = shapely  # it has no type annotations yet


def is_map_crs(epsg: int) -> bool:
    """Whether this is the code of a coordinate reference system for places on a map; some are of heights only."""
    try:
        crs = CRS.from_epsg(epsg)
    except CRSError:
        return False
    return bool(crs.is_geographic or crs.is_projected)


def to_city_crs(shapes: np.ndarray[Any, Any], epsg: int) -> np.ndarray[Any, Any]:
    """Shapes in another coordinate reference system, brought into the city's.

    Args:
        shapes: shapely geometries or None; coordinates as x, y (easting or longitude first).
        epsg: the system that they are in.
    """
    if epsg == CITY_CRS:
        return shapes
    transformer = Transformer.from_crs(epsg, CITY_CRS, always_xy=True)

    def transform(x: Any, y: Any, *heights: Any) -> tuple[Any, ...]:
        return (*transformer.transform(x, y), *heights)

    return np.asarray(_shapely.transform(shapes, transform, include_z=None, interleaved=False))


def swapped(shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Shapes with x and y in each other's place."""
    return np.asarray(_shapely.transform(shapes, lambda points: points[:, ::-1]))


def in_city(shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each shape (in the city's CRS) lies in the city; what is nothing or empty lies nowhere."""
    left, bottom, right, top = _shapely.bounds(shapes).T
    boxes = [(left >= a) & (bottom >= b) & (right <= c) & (top <= d) for a, b, c, d in _CITY]
    return np.asarray(np.logical_or.reduce(boxes))


def canonical(shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Shapes with each polygon in one way to write it: no point twice in a row, counterclockwise from its leftmost
    corner (the lowest of several), parts and holes in GEOS' order. Lines keep their direction."""
    made = shapes.copy()
    is_polygon = np.isin(_shapely.get_type_id(shapes), _POLYGONS)
    made[is_polygon] = _shapely.orient_polygons(
        _shapely.normalize(_shapely.remove_repeated_points(shapes[is_polygon]))
    )
    return made


def areas(wkt: pl.Series) -> pl.Series:
    """The area of each geometry in the city's CRS, in square metres; null where there is no valid one."""
    shapes = _parsed(wkt)
    known = _shapely.is_valid(shapes)
    return pl.Series(wkt.name, np.where(known, _shapely.area(shapes), np.nan), nan_to_null=True)


def _parsed(wkt: pl.Series) -> np.ndarray[Any, Any]:
    # GEOS follows collections within collections until the stack ends, and the process with it.
    nested = wkt.str.count_matches("(?i)collection") > _DEEPEST
    flat = pl.select(pl.when(~nested).then(wkt)).to_series()
    return np.asarray(_shapely.from_wkt(np.array(flat.to_list(), dtype=object), on_invalid="ignore"))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    # Rounded before it is judged: rounding may make a sliver cross itself. Heights are not kept.
    rounded = _shapely.transform(_parsed(frame[column.name]), lambda points: points.round(_DECIMALS))
    shapes = canonical(rounded)
    shapes[~(_shapely.is_valid(shapes) & in_city(shapes))] = None
    wkt = _shapely.to_wkt(shapes, rounding_precision=_DECIMALS)
    return pl.DataFrame({column.name: pl.Series(wkt.tolist(), dtype=pl.String)})


TYPE = SemanticType(one_text, _standardise)
