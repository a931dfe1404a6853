"""Geometry: WKT in the city's one coordinate reference system, valid, flat, to the millimetre, a polygon in one form.

Which system that is and where the city lies in it, `city.yaml` says. In one of degrees the eighth decimal is some
millimetre.
"""

from __future__ import annotations

import warnings
from functools import cache, lru_cache
from typing import Any

import numpy as np
import polars as pl
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from pyproj.transformer import TransformerGroup

from etl.contract import Column
from etl.contract.city import city
from etl.datatypes.output import SemanticType, one_text

_CURVED = r"(?i)curve|circular|surface|triangle|\btin\b"
_DEEPEST = 50  # collections within collections
_POLYGONS = (3, 6)  # shapely's numbers of Polygon and MultiPolygon
_shapely: Any = shapely  # it has no type annotations yet


@cache
def is_in_degrees() -> bool:
    """Whether the city's coordinates are degrees."""
    return bool(CRS.from_epsg(city().crs).is_geographic)


def decimals() -> int:
    """Of the city's coordinates, to the millimetre."""
    return 8 if is_in_degrees() else 3


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
    if epsg == city().crs:
        return shapes
    transformer = _transformer(epsg, city().crs)

    def transform(x: Any, y: Any, *heights: Any) -> tuple[Any, ...]:
        return (*transformer.transform(x, y), *heights)

    return np.asarray(_shapely.transform(shapes, transform, include_z=None, interleaved=False))


@lru_cache(maxsize=8)  # a sender may name any of thousands of systems
def _transformer(epsg: int, to: int) -> Transformer:
    """To look for the best way takes a hundredth of a second; each thread has its own context in what is found."""
    return Transformer.from_crs(epsg, to, always_xy=True)


def rough_accuracy(epsg: int) -> float | None:
    """How exactly shapes are brought into the city's system where the best way is not at hand, for it needs a grid.

    Args:
        epsg: the system that they are in.

    Returns:
        Metres, below zero where nobody knows; None where the best way is taken.
    """
    return None if epsg == city().crs else _rough_accuracy(epsg, city().crs)


@cache
def _rough_accuracy(epsg: int, to: int) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the receipt says it
        ways = TransformerGroup(epsg, to, always_xy=True)
    if ways.best_available:
        return None
    return float(ways.transformers[0].accuracy) if ways.transformers else -1.0


def swapped(shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Shapes with x and y in each other's place."""
    return np.asarray(_shapely.transform(shapes, lambda points: points[:, ::-1]))


def in_city(shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each shape (in the city's CRS) lies in the city; what is nothing or empty lies nowhere."""
    left, bottom, right, top = _shapely.bounds(shapes).T
    bounds = city().bounds or [[-np.inf, -np.inf, np.inf, np.inf]]
    boxes = [(left >= a) & (bottom >= b) & (right <= c) & (top <= d) for a, b, c, d in bounds]
    return np.asarray(np.logical_or.reduce(boxes))


def canonical(shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Shapes with each polygon in one way to write it.

    No point stands twice in a row, a ring runs counterclockwise (a hole clockwise) from its leftmost corner, the lowest
    of several, and parts and holes stand in GEOS' order. Lines keep their direction; what is not valid stays as it is.
    """
    made = shapes.copy()
    odd = np.isin(_shapely.get_type_id(shapes), _POLYGONS)
    with np.errstate(invalid="ignore"):  # what is endless is no polygon
        odd[odd] = ~_is_canonical(shapes[odd])
    odd[odd] = _shapely.is_valid(shapes[odd])
    made[odd] = _shapely.orient_polygons(_shapely.normalize(_shapely.remove_repeated_points(shapes[odd])))
    return made


def _is_canonical(polygons: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether a polygon is canonical already, as most are: only of those with one ring is that seen."""
    points, of = _shapely.get_coordinates(polygons, return_index=True)
    is_start = np.diff(of, prepend=-1) > 0
    starts = np.flatnonzero(is_start)
    made = np.zeros(len(polygons), dtype=bool)
    if not len(starts):
        return made
    x, y = (points - np.repeat(points[starts], np.diff(starts, append=len(of)), axis=0)).T  # from where each begins
    begins = np.minimum.reduceat(np.where(x < 0, -1, np.where((x == 0) & (y < 0), -1, 0)), starts) == 0
    area = np.add.reduceat(np.where(is_start, 0.0, np.roll(x, 1) * y - x * np.roll(y, 1)), starts)
    repeats = np.add.reduceat(~is_start & (np.roll(x, 1) == x) & (np.roll(y, 1) == y), starts)
    made[of[starts]] = begins & (area > 0) & (repeats == 0)
    made &= (_shapely.get_num_interior_rings(polygons) == 0) & (_shapely.get_type_id(polygons) == _POLYGONS[0])
    return made


def areas(wkt: pl.Series) -> pl.Series:
    """The area of each geometry in square metres; null where there is no valid one.

    Args:
        wkt: in the city's CRS.
    """
    shapes = parsed(wkt)
    shapes[~_shapely.is_valid(shapes)] = None
    return pl.Series(wkt.name, sizes(shapes, np.full(len(shapes), 2)), pl.Float64, nan_to_null=True)


def sizes(shapes: np.ndarray[Any, Any], dimensions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How large shapes are on the ground: square metres, metres or the number of points; NaN of what is nothing.

    Args:
        shapes: in the city's CRS, or None.
        dimensions: as what each is measured: 2 a surface, 1 a line, 0 points. Of what has more parts, the others do not
            count; a line has no surface.
    """
    made = np.full(len(shapes), np.nan)
    measures = {0: _shapely.get_num_coordinates, 1: _lengths, 2: _surfaces}
    for dimension, measure in measures.items():
        which = (dimensions == dimension) & ~_shapely.is_missing(shapes)
        made[which] = measure(shapes[which])
    return made


def _surfaces(shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if not is_in_degrees():
        return np.asarray(_shapely.area(shapes))
    earth = CRS.from_epsg(city().crs).get_geod()
    return np.array([sum(abs(earth.geometry_area_perimeter(p)[0]) for p in _parts(s, 2)) for s in shapes], dtype=float)


def _lengths(shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if not is_in_degrees():
        return np.asarray(_shapely.length(shapes))
    earth = CRS.from_epsg(city().crs).get_geod()
    return np.array([sum(earth.geometry_length(p) for p in _parts(s, 1)) for s in shapes], dtype=float)


def _parts(shape: Any, dimension: int) -> list[Any]:
    return [part for part in _shapely.get_parts(shape) if _shapely.get_dimensions(part) == dimension]


def parsed(wkt: pl.Series) -> np.ndarray[Any, Any]:
    """Shapely geometries; None where the text is none."""
    # GEOS follows collections within collections until the stack ends, and the process with it; curves shapely refuses,
    # and the whole column with them.
    odd = (wkt.str.count_matches("(?i)collection") > _DEEPEST) | wkt.str.contains(_CURVED)
    flat = pl.select(pl.when(~odd).then(wkt)).to_series()
    return np.asarray(_shapely.from_wkt(np.array(flat.to_list(), dtype=object), on_invalid="ignore"))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    wkt = frame[column.name]
    shapes = parsed(wkt)
    # Rounded before it is judged: rounding may make a sliver cross itself. Heights are not kept.
    finer = rf"\.[0-9]{{{decimals() + 1}}}|[eE][+-]?[0-9]|[zZmM]"  # may hold more decimals, or heights
    rough = wkt.str.contains(finer).fill_null(False).to_numpy()
    shapes[rough] = _shapely.transform(_shapely.force_2d(shapes[rough]), lambda points: points.round(decimals()))
    shapes = canonical(shapes)
    shapes[~(_shapely.is_valid(shapes) & in_city(shapes))] = None
    made = _shapely.to_wkt(shapes, rounding_precision=decimals())
    return pl.DataFrame({column.name: pl.Series(made.tolist(), dtype=pl.String)})


TYPE = SemanticType(one_text, _standardise)
