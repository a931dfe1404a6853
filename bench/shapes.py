"""Shapes to measure with: a city of parcels, and the zones of a plan over it, both without gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import shapely

_LOT = 100_000  # rows at a time
_WEST, _SOUTH = 560_000, 1_160_000  # of the city's corner, in metres of its coordinate reference system
_PARCEL = 10  # metres of a parcel's side, in the mean
_CROOKED = 0.2  # of a side: how far a corner lies from where a grid has it, at most
_CORNERS = 12  # of a zone's side: its line is that of streets and canals
_SINCE = date(2026, 3, 1)
_shapely: Any = shapely  # it has no type annotations yet


def parcels(count: int) -> Iterator[pl.DataFrame]:
    """Rows of `land.parcels`, some at a time: crooked quadrangles of some 100 m2."""
    across = int(count**0.5)
    uses = np.array(["ODT", "ONT", "CLN", "TMD"])
    for first, shapes in _quadrangles(across, across * _PARCEL, seed=1):
        number = pl.int_range(first, first + len(shapes), eager=True)
        yield pl.DataFrame(
            {
                "sheet_no": (number // 500 + 1).cast(pl.String),
                "parcel_no": (number % 500 + 1).cast(pl.String),
                "land_use": pl.Series(uses[number.to_numpy() % len(uses)]),
                "geometry": _wkt(shapes),
            }
        ).with_columns(
            ward=pl.lit("26743"),
            ward_valid_from=pl.lit(date(2025, 7, 1)),
            mapped_on=pl.lit(_SINCE),
            area_m2=pl.lit("100.0").cast(pl.Decimal(12, 1)),
            status=pl.lit("1"),
            valid_from=pl.lit(_SINCE),
            opened_by=pl.lit("bench"),
        )


def zones(count: int, of_parcels: int) -> Iterator[pl.DataFrame]:
    """Rows of `land.zones` over so many parcels, some at a time: with four dozen corners each."""
    width = int(of_parcels**0.5) * _PARCEL
    functions = np.array(["NO", "HH", "GD", "CX", "GT"])
    across = int(count**0.5)
    for first, shapes in _quadrangles(across, width, seed=2):
        number = pl.int_range(first, first + len(shapes), eager=True)
        lined = _shapely.segmentize(shapes, width / across / _CORNERS)
        yield pl.DataFrame(
            {
                "object_code": number.cast(pl.String),
                "land_function": pl.Series(functions[number.to_numpy() % len(functions)]),
                "geometry": _wkt(lined),
            }
        ).with_columns(
            plan_record=pl.lit("79QPK01260001"),
            layer=pl.lit("ChucNangSuDungDat_A"),
            phase=pl.lit("QHDH"),
            plan_level=pl.lit("2"),
            max_floors=pl.lit(5, pl.Int64),
            approved_on=pl.lit(date(2025, 8, 1)),
            valid_from=pl.lit(_SINCE),
            opened_by=pl.lit("bench"),
        )


def _quadrangles(across: int, width: float, seed: int) -> Iterator[tuple[int, Any]]:
    """Some at a time, with the number of the first."""
    side = width / across
    lines = np.linspace(0, width, across + 1)
    corners = np.stack(np.meshgrid(lines + _WEST, lines + _SOUTH), axis=-1)
    away = np.random.default_rng(seed).uniform(-_CROOKED * side, _CROOKED * side, corners.shape)
    corners[1:-1, 1:-1] += away[1:-1, 1:-1]
    rows = max(_LOT // across, 1)
    for first in range(0, across, rows):
        block = corners[first : first + rows + 1]
        rings = [block[:-1, :-1], block[:-1, 1:], block[1:, 1:], block[1:, :-1], block[:-1, :-1]]
        yield first * across, _shapely.polygons(np.stack(rings, axis=2).reshape(-1, len(rings), 2))


def _wkt(shapes: Any) -> pl.Series:
    return pl.Series(_shapely.to_wkt(shapes, rounding_precision=3).tolist(), dtype=pl.String)
