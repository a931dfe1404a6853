"""What becomes of parcels: from one day to the next some are split, merged, numbered anew or surveyed anew.

Only of parcels under the wards of today. The cadastre declares the parents of what was merged or split into new
numbers; what went from a parcel that kept its number, and what was numbered anew, only the ground shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from simulate.people import REFORM

KEY = ["ward", "ward_valid_from", "sheet_no", "parcel_no"]
LINEAGE = {
    **dict.fromkeys([f"{side}_{name}" for side in ("old", "new") for name in KEY], pl.String),
    **dict.fromkeys(["old_ward_valid_from", "new_ward_valid_from", "changed_on"], pl.Date),
    **dict.fromkeys(["kind", "known_by"], pl.String),
}
_OF_EACH = 4  # parcels, or pairs of neighbours, of each kind of change, a day
_HIGHEST = 500  # number of a parcel on a sheet, before the changes
Row = dict[str, Any]


def neighbours(rows: pl.DataFrame) -> pl.DataFrame:
    """A cadastre in which some parcels lie side by side: the first ones, two by two, are halves of what one was."""
    listed = rows.to_dicts()
    of_today = [row for row in listed if row["ward_valid_from"] == REFORM]
    for one, other in _pairs(of_today):
        left, right = _halves(one["geometry"])
        other["ward"] = one["ward"]
        for row, shape in ((one, left), (other, right)):
            row.update(geometry=shape, area_m2=_area(shape))
    return pl.DataFrame(listed, schema=rows.schema)


def changed(rows: pl.DataFrame, number: int, day: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The cadastre a day later, and what came of what.

    Args:
        rows: of the day before.
        number: of the day, from 2 on.
        day: the day itself.

    Returns:
        The cadastre; and `LINEAGE`, a row an old parcel and one that came of it.
    """
    listed = rows.to_dicts()
    of_today = [row for row in listed if row["ward_valid_from"] == REFORM and row["status"] == "1"]
    numbers = iter(range(_HIGHEST + 1 + 100 * (number - 2), _HIGHEST + 1 + 100 * (number - 1)))
    merged = [*_pairs(of_today)] if number == 2 else []
    others = of_today[2 * _OF_EACH + 4 * _OF_EACH * (number - 2) :]
    split, cut, renumbered, redrawn = (others[_OF_EACH * k : _OF_EACH * (k + 1)] for k in range(4))
    came: list[tuple[Row, Row, str, str]] = []
    gone: list[Row] = []

    def new(of: Row, shape: str, parents: list[Row]) -> Row:
        named = ";".join(f"{p['ward']}/{p['sheet_no']}/{p['parcel_no']}" for p in parents) or None
        return of | {
            "parcel_no": str(next(numbers)), "geometry": shape, "area_m2": _area(shape), "mapped_on": day,
            "parents": named,
        }  # fmt: skip

    for one, other in merged:
        if _are_neighbours(one["geometry"], other["geometry"]):
            both = new(one, _around(one["geometry"], other["geometry"]), [one, other])
            came += [(one, both, "merged", "both"), (other, both, "merged", "both")]
            gone += [one, other]
    for one in split:
        came += [(one, new(one, shape, [one]), "split", "both") for shape in _halves(one["geometry"])]
        gone.append(one)
    for one in cut:
        kept, away = _halves(one["geometry"])
        rest = one | {"geometry": kept, "area_m2": _area(kept)}
        came += [(one, rest, "split", "ground"), (one, new(one, away, []), "split", "ground")]
        gone.append(one)
    for one in renumbered:
        came.append((one, new(one, one["geometry"], []), "renumbered", "ground"))
        gone.append(one)
    for one in redrawn:
        left, low, right, high = _corners(one["geometry"])
        came.append((one, one | {"geometry": _rectangle(left + 0.5, low, right + 0.5, high)}, "redrawn", "ground"))
        gone.append(one)
    kept_rows = [row for row in listed if not any(row is one for one in gone)]
    born = list({tuple(row[name] for name in KEY): row for _, row, _, _ in came}.values())
    lineage = [
        {**{f"old_{name}": old[name] for name in KEY}, **{f"new_{name}": young[name] for name in KEY},
         "changed_on": day, "kind": kind, "known_by": known_by}
        for old, young, kind, known_by in came
    ]  # fmt: skip
    return pl.DataFrame(kept_rows + born, schema=rows.schema), pl.DataFrame(lineage, schema=LINEAGE)


def _pairs(rows: list[Row]) -> Iterator[tuple[Row, Row]]:
    first = rows[: 2 * _OF_EACH]
    return zip(first[::2], first[1::2], strict=False)


def _corners(wkt: str) -> tuple[float, float, float, float]:
    left, low, _, _, right, high = map(float, re.findall(r"[\d.]+", wkt)[:6])
    return left, low, right, high


def _rectangle(left: float, low: float, right: float, high: float) -> str:
    a, b, c, d = (f"{number:.1f}".removesuffix(".0") for number in (left, right, low, high))
    return f"POLYGON (({a} {c}, {b} {c}, {b} {d}, {a} {d}, {a} {c}))"


def _halves(wkt: str) -> tuple[str, str]:
    """The western half and the eastern one, along a line in half metres."""
    left, low, right, high = _corners(wkt)
    middle = round(left + right) / 2
    return _rectangle(left, low, middle, high), _rectangle(middle, low, right, high)


def _are_neighbours(west: str, east: str) -> bool:
    (_, low, right, high), (left, low_east, _, high_east) = _corners(west), _corners(east)
    return (right, low, high) == (left, low_east, high_east)


def _around(west: str, east: str) -> str:
    (left, low, _, high), (_, _, right, _) = _corners(west), _corners(east)
    return _rectangle(left, low, right, high)


def _area(wkt: str) -> Decimal:
    left, low, right, high = _corners(wkt)
    return Decimal(int((right - left) * (high - low) * 10)) / 10
