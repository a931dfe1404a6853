"""Geometry: WKT in the city's one coordinate reference system, valid, to the millimetre.

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
_BOUNDS = (400_000.0, 900_000.0, 800_000.0, 1_400_000.0)  # metres; the city with Côn Đảo, and room around it
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
    transformer = Transformer.from_crs(epsg, CITY_CRS, always_xy=True)
    return np.asarray(_shapely.transform(shapes, transformer.transform, interleaved=False))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    # GEOS follows collections within collections until the stack ends, and the process with it.
    nested = frame[column.name].str.count_matches("(?i)collection") > _DEEPEST
    flat = pl.select(pl.when(~nested).then(frame[column.name])).to_series()
    texts = np.array(flat.to_list(), dtype=object)
    parsed = _shapely.from_wkt(texts, on_invalid="ignore")
    # Rounded before it is judged: rounding may make a sliver cross itself.
    shapes = _shapely.transform(parsed, lambda points: points.round(_DECIMALS))
    left, bottom, right, top = _shapely.bounds(shapes).T
    inside = (left >= _BOUNDS[0]) & (bottom >= _BOUNDS[1]) & (right <= _BOUNDS[2]) & (top <= _BOUNDS[3])
    # Nothing and the empty shape have no bounds, so they are not inside.
    shapes[~(_shapely.is_valid(shapes) & inside)] = None
    wkt = _shapely.to_wkt(shapes, rounding_precision=_DECIMALS)
    return pl.DataFrame({column.name: pl.Series(wkt.tolist(), dtype=pl.String)})


TYPE = SemanticType(one_text, _standardise)
