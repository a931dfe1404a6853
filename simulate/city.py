"""The city: day after day, what happens in it and which files its agencies drop."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from simulate import business_group, cadastre, civil, health, land, land_group, people_group, tax
from simulate.delivery import Form, changes, write
from simulate.events import events
from simulate.group import write_group
from simulate.output import Truth, put
from simulate.people import population
from simulate.truth import Dataset
from simulate.world import world

# What happens on one day, as a share of the inhabitants; more than in life, so that a small city shows everything.
_BIRTHS, _DEATHS, _MARRIAGES, _VISITS, _DECLARATIONS, _PERMITS = 0.003, 0.0015, 0.0015, 0.02, 0.012, 0.0015
_TAXPAYERS, _PARCELS = 0.12, 0.1  # of the inhabitants
_LATE = {"civil/births": (2, 4), "tax/taxpayers": (3, 5)}  # the file of this day is dropped on that day
_REVISED = ("land/permits", 2)  # the file of this day is sent again, corrected, a day later


@dataclass
class _Agency:
    """One dataset: how it is written, what was said so far, and the files."""

    name: str  # agency/dataset
    extension: str
    form: Form
    truth: Dataset
    registry: pl.DataFrame | None = None
    defects: list[dict[str, Any]] = field(default_factory=list)
    new: list[pl.DataFrame] = field(default_factory=list)  # the records that each day brought first
    lineage: list[pl.DataFrame] = field(default_factory=list)  # of parcels: what came of what, in a whole city


def write_city(
    out: Path, people: int, days: int, seed: int, start: date = date(2026, 3, 2), is_whole: bool = False
) -> None:
    """Simulate a city and write `out/days/<day>/<agency>/<dataset>/<file>` and `out/truth/`.

    Args:
        out: folder; what it held of an earlier city is overwritten.
        people: inhabitants.
        days: days of extracts.
        seed: the same seed gives the same city.
        start: the first day.
        is_whole: whether all other agencies send too: police, social insurance, schools, treasury and so on.

    The truth: `tables/<schema>.<table>.parquet` (histories; opened_by and closed_by are file names), `defects.parquet`
    (file, row, column, kind, effect) and `deliveries.parquet` (counts of each file for arrival in the order of time).
    Of a whole city also `world/<what>.parquet`: the people before the first day, and what happened to them.
    """
    rng = np.random.default_rng(seed)
    inhabitants = population(rng, people, start)
    agencies = _agencies(rng)
    for number in range(1, days + 1):
        _one_day(out, agencies, inhabitants, rng, number, days, start + timedelta(days=number - 1), is_whole)
    truth = Truth(out)
    for agency in agencies.values():
        truth.add(agency.truth, agency.defects)
    if is_whole:
        registered = {name.split("/")[1]: agency.new for name, agency in agencies.items()}
        enterprises = registered["taxpayers"][0].filter(pl.col("taxpayer_type") == "1")
        truth.know(
            "parcel_lineage", pl.concat([pl.DataFrame(schema=cadastre.LINEAGE), *agencies["land/parcels"].lineage])
        )
        happened = events(world(seed, inhabitants, enterprises, start), registered, enterprises, days)
        for group in (people_group, business_group, land_group):
            write_group(out, group.SENDERS, group.known(happened), happened, truth)
    truth.write()


def _agencies(rng: np.random.Generator) -> dict[str, _Agency]:
    registration = ["registration_ward", "registration_ward_valid_from", "book_no", "record_no"]
    parcel = ["ward", "ward_valid_from", "sheet_no", "parcel_no"]
    permit = ["authority", "permit_no"]
    listed = [
        _Agency("civil/births", "csv", civil.births_form(rng), Dataset("people.births", registration, False)),
        _Agency("civil/deaths", "xlsx", civil.deaths_form(rng), Dataset("people.deaths", registration, False)),
        _Agency("civil/marriages", "csv", civil.marriages_form(rng), Dataset("people.marriages", registration, False)),
        _Agency("health/visits", "xml", health.form(rng), Dataset("people.visits", ["ma_lk"], False)),
        _Agency("tax/taxpayers", "csv", tax.taxpayers_form(rng), Dataset("business.taxpayers", ["tax_code"], True)),
        _Agency(
            "tax/declarations",
            "zip",
            tax.declarations_form(rng),
            Dataset("business.declarations", ["declaration_no"], False),
        ),
        _Agency("land/parcels", "geojson", land.parcels_form(rng), Dataset("land.parcels", parcel, True)),
        _Agency("land/permits", "ndjson", land.permits_form(rng), Dataset("land.permits", permit, False)),
    ]
    return {agency.name: agency for agency in listed}


def _one_day(
    out: Path,
    agencies: dict[str, _Agency],
    people: pl.DataFrame,
    rng: np.random.Generator,
    number: int,
    days: int,
    day: date,
    is_whole: bool,
) -> None:
    n = people.height
    payers, lots = agencies["tax/taxpayers"], agencies["land/parcels"]
    if payers.registry is None or lots.registry is None:
        payers.registry = tax.taxpayers(rng, people, max(int(n * _TAXPAYERS), 20))
        payers.new.append(payers.registry)
        lots.registry = land.parcels(rng, people, max(int(n * _PARCELS), 20), 0)
        if is_whole:
            lots.registry = cadastre.neighbours(lots.registry)
        lots.new.append(lots.registry)
    else:
        fresh = tax.taxpayers(rng, people, max(int(n * _TAXPAYERS / 200), 2))
        known = payers.registry["tax_code"].implode()
        payers.new.append(fresh.filter(~pl.col("tax_code").is_in(known)))
        payers.registry = tax.a_day_later(rng, payers.registry, payers.new[-1], day)
        if is_whole:
            lots.registry, lineage = cadastre.changed(lots.registry, number, day)
            lots.lineage.append(lineage)
        lots.registry = land.a_day_later(
            rng, lots.registry, land.parcels(rng, people, max(int(n * _PARCELS / 300), 2), 1_000_000 * number)
        )

    first = 1 + (number - 1) * n  # of the numbers given out on this day
    new = {
        "civil/births": civil.births(rng, people, _some(n, _BIRTHS), day, first),
        "civil/deaths": civil.deaths(rng, _dying(people, number, _some(n, _DEATHS)), day, first),
        "civil/marriages": civil.marriages(rng, people, _some(n, _MARRIAGES), day, first),
        "land/permits": land.permits(rng, people, lots.registry, _some(n, _PERMITS), day, first),
    }
    for name, rows in new.items():
        agencies[name].new.append(rows)
        _drop(out, agencies[name], _with_changes(rng, agencies[name], rows, day), rng, number, days, day)
    if number > 1 and number - 1 == _REVISED[1]:
        agency = agencies[_REVISED[0]]
        revised = _yesterdays_revised(rng, agency, day - timedelta(days=1))
        _drop(out, agency, revised, rng, number, days, day - timedelta(days=1), revision=2)

    for name, registry in (("tax/taxpayers", payers.registry), ("land/parcels", lots.registry)):
        _drop(out, agencies[name], registry, rng, number, days, day)

    visits = agencies["health/visits"]
    seen = []
    for facility in health.FACILITIES:
        rows = health.visits(rng, people, _some(n, _VISITS / len(health.FACILITIES)), day, facility)
        seen.append(rows.select("so_cccd", "ma_lk"))
        if visits.registry is not None:
            before = visits.registry.filter(pl.col("ma_cskcb") == facility)
            rows = pl.concat([rows, health.correct(rng, before[:3]), before[3:5]])  # corrected, and merely sent again
        _drop(out, visits, rows, rng, number, days, day, suffix=f"_{facility}")
        kept = [] if visits.registry is None else [visits.registry.filter(pl.col("ma_cskcb") != facility)]
        visits.registry = pl.concat([*kept, rows[5:15]])
    visits.new.append(pl.concat(seen))
    forms = agencies["tax/declarations"]
    rows = tax.declarations(rng, payers.registry, _some(n, _DECLARATIONS), day)
    sent = rows if forms.registry is None else pl.concat([rows, tax.amend(forms.registry[:4]), forms.registry[4:6]])
    _drop(out, forms, sent, rng, number, days, day)
    forms.new.append(sent)
    forms.registry = rows[5:15]


def _some(n: int, rate: float) -> int:
    return max(int(n * rate), 12)


def _dying(people: pl.DataFrame, number: int, n: int) -> pl.DataFrame:
    """Each day others, the oldest first."""
    old = people.sort("birth", "pid")
    return old[(number - 1) * n % old.height :][:n]


def _with_changes(rng: np.random.Generator, agency: _Agency, new: pl.DataFrame, day: date) -> pl.DataFrame:
    """A day's new records, corrections and cancellations of earlier ones, and one new record corrected the same day."""
    earlier = agency.registry if agency.registry is not None else new[:0]
    picked = earlier[rng.permutation(earlier.height)[: max(earlier.height // 20, 3)]]
    third = picked.height // 3
    corrected, again, cancelled = _correct(agency, picked[:third]), picked[third : 2 * third], picked[2 * third :]
    at_once = _correct(agency, new[:2])
    rows = pl.concat(
        [
            changes(new, "T", day, rng),
            changes(pl.concat([corrected, again, at_once]), "S", day, rng).with_columns(
                pl.col("_sequence") + timedelta(hours=10)
            ),
            changes(cancelled, "X", day, rng),
        ]
    )
    gone = cancelled.select(agency.truth.key)
    agency.registry = pl.concat(
        [earlier.join(picked, on=agency.truth.key, how="anti"), corrected, again, at_once, new[2:]]
    )
    agency.registry = agency.registry.join(gone, on=agency.truth.key, how="anti")
    return rows


def _correct(agency: _Agency, rows: pl.DataFrame) -> pl.DataFrame:
    column, value = {
        "civil/births": ("birth_place", "Bệnh viện Hùng Vương"),
        "civil/deaths": ("death_place", "Tại nhà"),
        "civil/marriages": ("status", "2"),
        "land/permits": ("floors", 12),
    }[agency.name]
    return rows.with_columns(pl.lit(value, rows.schema[column]).alias(column))


def _yesterdays_revised(rng: np.random.Generator, agency: _Agency, yesterday: date) -> pl.DataFrame:
    """Yesterday's permits once more, with another number of floors, recorded in the night between the two days."""
    granted = agency.registry.filter(pl.col("granted_on") == yesterday) if agency.registry is not None else None
    if granted is None:
        raise ValueError("there is no yesterday on the first day")
    rows = granted[:15].with_columns(pl.lit(7, granted.schema["floors"]).alias("floors"))
    at_five = pl.lit(datetime.combine(yesterday, time(5)) + timedelta(days=1))
    return changes(rows, "S", yesterday, rng).with_columns(
        (at_five + pl.duration(seconds=pl.int_range(pl.len()))).cast(pl.Datetime("us")).alias("_sequence")
    )


def _drop(
    out: Path,
    agency: _Agency,
    rows: pl.DataFrame,
    rng: np.random.Generator,
    number: int,
    days: int,
    as_of: date,
    revision: int = 1,
    suffix: str = "",
) -> None:
    written = write(agency.form, rows, rng, at_least_one=number == 1 and suffix in ("", "_79024") and rows.height > 30)
    revised = f"_r{revision}" if revision > 1 else ""
    file_name = f"{agency.name.split('/')[1]}_{as_of.isoformat()}{revised}{suffix}.{agency.extension}"
    late_from, late_to = _LATE.get(agency.name, (0, 0))
    dropped_on = min(late_to, days) if number == late_from else number
    start = as_of - timedelta(days=number - (1 if revision == 1 else 2))
    folder = out / "days" / (start + timedelta(days=dropped_on - 1)).isoformat() / agency.name
    agency.defects += put(folder / file_name, written, agency.name, agency.truth, as_of, revision)
