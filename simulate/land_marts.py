"""What the land marts must say of a city: all its parcels and zones are rectangles, so their sides say what they share.

Which parcel came of which is what the simulated cadastre did (`simulate.cadastre`), of the parcels that were accepted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from simulate.cadastre import KEY
from simulate.marts import Told, carried
from simulate.people import REFORM

_TODAY = ["land.parcels", "land.permits", "planning.zones", "construction.works", "justice.violations"]
_OF_YEAR = ["land.parcels", "land.permits", "planning.zones", "construction.works", "budget.vouchers"]
_GROUPS = {"ODT": "O", "ONT": "O", "CLN": "NN", "LUC": "NN", "NTS": "NN", "TMD": "PNN", "SKC": "PNN"}
_AGREES = {
    "ODT": ["NO", "HH"], "ONT": ["NO", "HH"], "CLN": ["NN"], "LUC": ["NN"], "NTS": ["NN"],
    "TMD": ["TMDV", "HH", "CC"], "SKC": ["SX"],
}  # fmt: skip
_GRADES = ["key", "lineage", "spatial"]
Key = tuple[Any, ...]
Row = dict[str, Any]


def _box(wkt: str) -> tuple[float, float, float, float]:
    """West, south, east and north."""
    x0, y0, _, _, x1, y1 = map(float, re.findall(r"[\d.]+", wkt)[:6])
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _shared(one: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Square metres that a rectangle shares with each of others."""
    width = np.minimum(one[2], others[:, 2]) - np.maximum(one[0], others[:, 0])
    depth = np.minimum(one[3], others[:, 3]) - np.maximum(one[1], others[:, 1])
    return np.asarray(np.clip(width, 0, None) * np.clip(depth, 0, None))


def _size(box: np.ndarray[Any, Any]) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _key(row: Row, names: list[str] = KEY) -> Key:
    return tuple(row[name] for name in names)


@dataclass(frozen=True)
class Cadastre:
    """What was told of parcels, and what came of each.

    Attributes:
        told: what the agencies have told.
    """

    told: Told

    @cached_property
    def versions(self) -> dict[Key, list[Row]]:
        """Of each key, the first one first."""
        found = defaultdict(list)
        for row in self.told.ever("land.parcels").sort("valid_from").to_dicts():
            found[_key(row)].append(row)
        return found

    @cached_property
    def now(self) -> dict[Key, Row]:
        """Parcels of today."""
        return {key: rows[-1] for key, rows in self.versions.items() if rows[-1]["valid_to"] is None}

    def _end(self, key: Key, since: date) -> date | None:
        """The first day after another one on which the bounds under a number are no more."""
        for row in self.versions[key]:
            goes_on = any(
                n["valid_from"] == row["valid_to"] and n["geometry"] == row["geometry"] for n in self.versions[key]
            )
            if row["valid_to"] and row["valid_to"] > since and not goes_on:
                return row["valid_to"]  # type: ignore[no-any-return]
        return None

    @cached_property
    def lineage(self) -> dict[tuple[Key, date], list[tuple[Key, float, Row]]]:
        """By old parcel and day: the parcels that came of it, their shares of it, and what was done."""
        found = defaultdict(list)
        for row in pl.read_parquet(self.told.truth / "world" / "parcel_lineage.parquet").to_dicts():
            old, new = (_key(row, [f"{side}_{name}" for name in KEY]) for side in ("old", "new"))
            before = [v for v in self.versions[old] if v["valid_to"] == row["changed_on"]]
            after = [v for v in self.versions[new] if v["valid_from"] == row["changed_on"]]
            if before and after:
                a, b = (np.array(_box(versions[0]["geometry"])) for versions in (before, after))
                share = _shared(a, b[None])[0] / _size(a)
                found[old, row["changed_on"]].append((new, float(share), row))
        return found

    def came_of(self, key: Key, day: date) -> Iterator[tuple[Key, bool, float]]:
        """The parcels of today that the one is which bore a number on a day; whether by that number alone; shares."""
        for first in self.versions.get(key, []):
            ended = first["valid_to"] and first["valid_to"] <= day
            if min(first["valid_from"], first["mapped_on"]) <= day and not ended:
                yield from self._follow(key, max(day, first["valid_from"]), True, 1.0)
                return

    def _follow(self, key: Key, since: date, is_by_key: bool, share: float) -> Iterator[tuple[Key, bool, float]]:
        end = self._end(key, since)
        if end is None:
            if key in self.now:
                yield key, is_by_key, share
            return
        for new, part, row in self.lineage.get((key, end), []):
            yield from self._follow(new, end, is_by_key and row["kind"] == "redrawn", share * part)

    def standing_on(self, wkt: str) -> list[Key]:
        """The parcels on which a point lies."""
        x, y = map(float, re.findall(r"[\d.]+", wkt))
        left, low, right, high = self._boxes.T
        found = np.flatnonzero((left <= x) & (x <= right) & (low <= y) & (y <= high))
        return [list(self.now)[at] for at in found]

    @cached_property
    def _boxes(self) -> np.ndarray[Any, Any]:
        return np.array([_box(row["geometry"]) for row in self.now.values()])

    @cached_property
    def papers(self) -> list[Row]:
        """Permits and works, with their parcels of today: kind, paper, parcel (a key, or None), grade, share."""
        permits = self.told.now("land.permits").to_dicts()
        filed = {(p["authority"], p["permit_no"]): p["filed_on"] for p in permits}
        of = ["parcel_ward", "parcel_ward_valid_from", "parcel_sheet_no", "parcel_no"]
        works = self.told.now("land.works").to_dicts()
        places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for w in works:
            places[w["authority"], w["permit_no"]] += [w["geometry"]] if w["geometry"] else []
        named = [
            ("permit", f"{p['authority']} {p['permit_no']}", [_key(p, of)], p["filed_on"],
             places[p["authority"], p["permit_no"]])
            for p in permits
        ]  # fmt: skip
        for w in works:
            numbers = (w["parcels"] or "").replace(" ", "").split(";")
            keys = [(w["ward"], w["ward_valid_from"], w["sheet_no"], number) for number in numbers]
            day = w["started_on"] or filed.get((w["authority"], w["permit_no"])) or w["valid_from"]
            named.append(("work", w["work_code"], keys, day, [w["geometry"]] if w["geometry"] else []))
        made = []
        for kind, paper, keys, day, stands in named:
            found = [each for key in keys for each in self.came_of(key, day)]
            rows: list[tuple[tuple[Any, ...] | None, str, float | None]]
            rows = [(key, "key" if by_key else "lineage", share) for key, by_key, share in found]
            under = {key for place in stands for key in self.standing_on(place)}
            if not rows and len(under) == 1:
                rows = [(key, "spatial", 1.0) for key in under]
            made += [
                {"kind": kind, "paper": paper, "parcel": key, "grade": grade, "share": share}
                for key, grade, share in rows or [(None, "none", None)]
            ]
        return made


def parcel_lineage(cadastre: Cadastre) -> pl.DataFrame:
    """The table of that name, without the new one's share."""
    rows = [
        row | {"share_of_old": share} for links in cadastre.lineage.values() for _, share, row in links
    ]  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def parcel_links(cadastre: Cadastre) -> pl.DataFrame:
    """The table of that name."""
    rows = [
        {name: paper[name] for name in ("kind", "paper", "grade", "share")}
        | dict(zip(KEY, paper["parcel"] or [None] * 4, strict=True))
        for paper in cadastre.papers
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _lacking(told: Told, datasets: list[str]) -> str | None:
    return ";".join(sorted(name for name in datasets if name not in told.spans)) or None


def planned(cadastre: Cadastre) -> Iterator[tuple[Key, Row]]:
    """Of each parcel: the zones that it lies in, the largest part first, and what follows of them."""
    zones = cadastre.told.now("land.zones").to_dicts()
    boxes = np.array([_box(zone["geometry"]) for zone in zones])
    sizes = np.array([_size(box) for box in boxes])
    for key, row in cadastre.now.items():
        box = np.array(_box(row["geometry"]))
        size, shared = _size(box), _shared(box, boxes)
        is_sliver = (shared > 0) & ((shared < 1) | (shared < 0.01 * np.minimum(size, sizes)))
        parts = [(float(shared[at]), zones[at]) for at in np.flatnonzero((shared > 0) & ~is_sliver)]
        parts.sort(key=lambda part: (-part[0], part[1]["plan_record"], part[1]["object_code"]))
        yield key, {"size": size, "parts": parts, "slivers": int(is_sliver.sum())}


def land_parcel_today(cadastre: Cadastre) -> pl.DataFrame:
    """The mart of that name, without what it copies of the parcel."""
    told = cadastre.told
    permits = {f"{p['authority']} {p['permit_no']}": p for p in told.now("land.permits").to_dicts()}
    works = {w["work_code"]: w for w in told.now("land.works").to_dicts()}
    on = defaultdict[Key, list[Row]](list)
    for paper in cadastre.papers:
        if paper["parcel"]:
            on[paper["parcel"]].append(paper)
    today = carried(pl.DataFrame([dict(zip(KEY, key, strict=True)) for key in cadastre.now]))
    made = []
    for (key, its_plan), unit in zip(planned(cadastre), today.to_dicts(), strict=True):
        row, parts, size = cadastre.now[key], its_plan["parts"], its_plan["size"]
        main = parts[0][1] if parts else None
        its = [permits[paper["paper"]] | paper for paper in on[key] if paper["kind"] == "permit"]
        its.sort(key=lambda p: (p["granted_on"] is not None, p["granted_on"], p["filed_on"]), reverse=True)
        built = [works[paper["paper"]] | paper for paper in on[key] if paper["kind"] == "work"]
        is_known = unit["ward_valid_from"] == REFORM
        made.append(
            dict(zip(KEY, key, strict=True))
            | {
                "ward_today": unit["ward"] if is_known else None,
                "inputs_lacking": _lacking(told, _TODAY),
                "shape_m2": size,
                "land_use_group": _GROUPS[row["land_use"]],
                "zones": ";".join(f"{zone['object_code']} {m2:.1f}" for m2, zone in parts) or None,
                "slivers": its_plan["slivers"],
                "plan_level": main and main["plan_level"],
                "planned_percent": 100 * sum(m2 for m2, _ in parts) / size if parts else None,
                "roads_percent": _percent(parts, "GT", size),
                "greens_percent": _percent(parts, "CX", size),
                "main_zone": main and main["object_code"],
                "main_function": main and main["land_function"],
                "main_percent": 100 * parts[0][0] / size if parts else None,
                "max_floors": main and main["max_floors"],
                "planned_differs": main and main["land_function"] not in _AGREES[row["land_use"]],
                "permits": len(its),
                "permit_granted_on": its[0]["granted_on"] if its else None,
                "permit_floors": its[0]["floors"] if its else None,
                "permits_against_plan": sum(is_against(p, main) for p in its),
                "works": len(built),
                "works_accepted": sum(w["accepted_on"] is not None for w in built),
                "works_floors": max((w["floors"] for w in built), default=None),
                "projects": len({w["project_code"] for w in built} - {None}),
                "zone_grade": "spatial" if parts else "none",
                "permit_grade": _weakest(its),
                "work_grade": _weakest(built),
                "_holders": len(row["owner_ids"].split(";")) if row["owner_ids"] else 0,
            }
        )
    return pl.DataFrame(made, infer_schema_length=None)


def _percent(parts: list[tuple[float, Row]], function: str, size: float) -> float | None:
    return 100 * sum(m2 for m2, zone in parts if zone["land_function"] == function) / size if parts else None


def is_against(permit: Row, main: Row | None) -> bool:
    """Whether a permit is for more floors than a zone allows, or stands where a road or a green is planned."""
    if main is None:
        return False
    return main["land_function"] in ("CX", "GT") or (main["max_floors"] or 1_000) < permit["floors"]


def _weakest(papers: list[Row]) -> str | None:
    return max((paper["grade"] for paper in papers), key=_GRADES.index, default=None)


def _of_plans(name: str) -> bool:
    return name.startswith(("planned_", "public_"))


def land_ward_year(cadastre: Cadastre) -> pl.DataFrame:
    """The mart of that name; of one year, for a city is of a few days."""
    told = cadastre.told
    year = told.spans["land.parcels"][1].year
    cells: dict[Key, Row] = defaultdict(lambda: defaultdict(float))

    def wards(rows: list[Row], ward: str = "ward") -> Iterator[tuple[Row, Row]]:
        units = carried(pl.DataFrame(rows, infer_schema_length=None).select(ward, f"{ward}_valid_from"), ward)
        for row, unit in zip(rows, units.to_dicts(), strict=True):
            yield row, cells[unit["ward"], unit["ward_valid_from"]]

    plans = dict(planned(cadastre))
    for row, cell in wards(list(cadastre.now.values())):
        its = plans[_key(row)]
        cell["parcels"] += 1
        cell["area_m2"] += float(row["area_m2"])
        group = {"NN": "agricultural_m2", "O": "residential_m2", "PNN": "other_m2"}[_GROUPS[row["land_use"]]]
        cell[group] += float(row["area_m2"])
        cell["_size"] += its["size"]
        cell["_planned"] += min(
            sum(m2 for m2, _ in its["parts"]), its["size"]
        )  # plans of two wards lie over each other
        for m2, zone in its["parts"]:
            kinds = {"GD": "schools", "CX": "greens", "GT": "roads", "NO": "housing", "HH": "housing"}
            if kind := kinds.get(zone["land_function"]):
                cell[f"planned_{kind}_m2"] += m2
            if zone["land_function"] in ("GD", "CX") and _GROUPS[row["land_use"]] == "O":
                cell["public_still_residential_m2"] += m2
    on = {paper["paper"]: paper["parcel"] for paper in cadastre.papers if paper["kind"] == "permit"}
    days = defaultdict[Key, list[int]](list)
    for p, cell in wards(told.now("land.permits").to_dicts(), "parcel_ward"):
        is_granted = p["granted_on"] is not None and p["granted_on"].year == year
        if p["filed_on"].year != year and not is_granted:
            continue
        parcel = on[f"{p['authority']} {p['permit_no']}"]
        parts = plans[parcel]["parts"] if parcel else []
        cell["_permits"] += 1
        cell["permits_filed"] += p["filed_on"].year == year
        cell["permits_granted"] += is_granted
        cell["floor_area_granted_m2"] += float(p["floor_area_m2"]) if is_granted else 0
        cell["permits_linked"] += parcel is not None
        cell["permits_against_plan"] += is_against(p, parts[0][1] if parts else None)
        if is_granted:
            days[id(cell),].append((p["granted_on"] - p["filed_on"]).days)
    accepted = [w for w in told.now("land.works").to_dicts() if w["accepted_on"] and w["accepted_on"].year == year]
    for w, cell in wards(accepted):
        cell["works_accepted"] += 1
        cell["floor_area_accepted_m2"] += float(w["floor_area_m2"] or 0)
    fees = told.now("business.budget_vouchers").filter(
        pl.col("direction") == "T", pl.col("sub_item").is_between(pl.lit("1400"), pl.lit("1449")),
        pl.col("ward").is_not_null(), pl.col("posted_on").dt.year() == year,
    )  # fmt: skip
    for v, cell in wards(fees.to_dicts()) if fees.height else []:
        cell["land_revenue"] += v["amount"]
    names = sorted({name for cell in cells.values() for name in cell if not name.startswith("_")})
    return pl.DataFrame(
        [
            {
                "ward": ward,
                "ward_valid_from": since,
                "year": date(year, 1, 1),
                "inputs_lacking": _lacking(told, _OF_YEAR),
            }
            | {name: None if _of_plans(name) and not cell["_size"] else cell.get(name, 0.0) for name in names}
            | {
                "planned_percent": 100 * cell["_planned"] / cell["_size"] if cell["_size"] else None,
                "days_to_grant_median": float(np.median(days[id(cell),])) if days[id(cell),] else None,
            }
            for (ward, since), cell in list(cells.items())
        ],
        infer_schema_length=None,
    )
