"""Where a ward lies: centre and area, from polygons of public maps. No official boundary: it tells what is far off."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
import shapely
from pyproj import Transformer

from etl.contract.city import city
from etl.datatypes.geometry import parsed
from etl.datatypes.ward import links, table, units

# A ward is no circle: one of the city's reaches up to three times as far as a circle of its area would.
_LONG = 3.0
_SLACK = 2_000.0  # metres more, for a border that was drawn roughly
_PLACES: dict[str, type[pl.DataType]] = {
    "code": pl.String,
    "lon": pl.Float64,
    "lat": pl.Float64,
    "area_km2": pl.Float64,
}
_shapely: Any = shapely  # it has no type annotations yet


def is_far(units: pl.DataFrame, wkt: pl.Series) -> pl.Series:
    """Whether a geometry lies far from its ward; null where the ward or the geometry is not known.

    A unit of before a reform lies where the wards lie that it became part of. Distances are in metres, so where the
    city's coordinates are degrees nothing is far.

    Args:
        units: code and the start of its validity, as the semantic type `ward` makes them.
        wkt: in the city's CRS.
    """
    point = _shapely.get_coordinates(_shapely.centroid(parsed(wkt)), return_index=True)
    places = pl.DataFrame({"row": point[1], "x": point[0][:, 0], "y": point[0][:, 1]}).with_columns(
        pl.col("row").cast(pl.UInt32)
    )
    named = units.select(pl.nth(0).alias("code"), pl.nth(1).alias("valid_from")).with_row_index("row")
    distances = named.join(places, on="row").join(_places(), on=["code", "valid_from"])
    apart = ((pl.col("x") - pl.col("ward_x")).pow(2) + (pl.col("y") - pl.col("ward_y")).pow(2)).sqrt()
    far = distances.group_by("row").agg((apart > pl.col("reach")).all().alias("far"))
    return named.select("row").join(far, on="row", how="left", maintain_order="left")["far"]


@cache
def _places() -> pl.DataFrame:
    """Each unit with the circles that it may lie in: code, valid_from, ward_x, ward_y, reach (metres, city's CRS)."""
    listed = city().units
    rows = table(listed.places if listed else None, _PLACES)
    x, y = Transformer.from_crs(4326, city().crs, always_xy=True).transform(rows["lon"], rows["lat"])
    radius = (rows["area_km2"].to_numpy() * 1e6 / np.pi) ** 0.5
    circles = pl.DataFrame({"code": rows["code"], "ward_x": x, "ward_y": y, "reach": radius * _LONG + _SLACK})
    today = units().filter(pl.col("valid_to").is_null()).select("code", "valid_from")
    new = circles.join(today, on="code", maintain_order="left")
    new = new.select("code", "valid_from", "ward_x", "ward_y", "reach")
    old = links().join(new, left_on=["new_code", "new_valid_from"], right_on=["code", "valid_from"])
    return pl.concat([new, old.select(*(pl.col(f"old_{n}").alias(n) for n in new.columns[:2]), *new.columns[2:])])
