"""What lies where, what became of parcels, and the land marts: each trap with the shapes that would fall into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.pipeline.pipeline import Pipeline
from etl.warehouse import marts
from etl.warehouse.mart import MartError
from etl.warehouse.overlaps import Overlap, OverlapError
from tests.city import query

# Wards of today and of before: 25744 went into 25750 alone.
WARD, OLD_WARD = ("25750", "2025-07-01"), ("25744", "2025-01-01")
FIRST, SECOND, THIRD = "2026-01-15", "2026-02-15", "2026-03-15"
X, Y = 600_000, 1_190_000


def box(x: float, y: float, width: float, depth: float) -> str:
    """A ring, from its lower left corner on."""
    a, b, c, d = X + x, X + x + width, Y + y, Y + y + depth
    return f"({a} {c}, {b} {c}, {b} {d}, {a} {d}, {a} {c})"


def polygon(*rings: str) -> str:
    return f"POLYGON ({', '.join(rings)})"


def put(connection: sa.Connection, table: str, **row: Any) -> None:
    """One row of a history; what is not said is null."""
    said = {"opened_by": "-"} | row
    names, values = ", ".join(said), ", ".join(f":{name}" for name in said)
    connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({values})"), said)


def parcel(connection: sa.Connection, number: str, shape: str, since: str = FIRST, **said: Any) -> None:
    ward, ward_valid_from = said.pop("of", WARD)
    row = {"mapped_on": "2025-01-05", "area_m2": 100, "land_use": "ODT", "status": "1", "sheet_no": "1"} | said
    put(
        connection, "land.parcels", ward=ward, ward_valid_from=ward_valid_from, parcel_no=number, geometry=shape,
        valid_from=since, **row,
    )  # fmt: skip


def zone(connection: sa.Connection, code: str, shape: str, function: str = "NO", **said: Any) -> None:
    row = {"plan_level": "2", "phase": "QHDH", "plan_record": "79QPK01250001", "approved_on": "2025-01-01"} | said
    put(
        connection, "land.zones", layer="ChucNangSuDungDat_A", object_code=code, geometry=shape, land_function=function,
        valid_from=FIRST, **row,
    )  # fmt: skip


def permit(connection: sa.Connection, number: str, filed_on: str, parcel_no: str, **said: Any) -> None:
    row = {"granted_on": filed_on, "floors": 3, "floor_area_m2": 100, "parcel_sheet_no": "1"} | said
    put(
        connection, "land.permits", authority="UBND", permit_no=number, parcel_ward=WARD[0],
        parcel_ward_valid_from=WARD[1], parcel_no=parcel_no, filed_on=filed_on, valid_from=filed_on, **row,
    )  # fmt: skip


def work(connection: sa.Connection, code: str, **said: Any) -> None:
    put(
        connection, "land.works", work_code=code, ward=WARD[0], ward_valid_from=WARD[1], status="1", valid_from=SECOND,
        **said,
    )  # fmt: skip


def zones_along_the_street(connection: sa.Connection) -> None:
    """A zone for building and one of greens; what stands there, what has ended, and the general plan over all of it."""
    zone(connection, "A", polygon(box(0, 0, 105, 10)), max_floors=5)
    zone(connection, "B", polygon(box(105, 0, 100, 10)), "CX")
    zone(connection, "stands", polygon(box(0, 0, 300, 10)), "NN", phase="HT")
    zone(connection, "ended", polygon(box(0, 0, 300, 10)), "SX", ended_on="2026-01-01")
    zone(connection, "general", polygon(box(0, 0, 300, 10)), "DTR", plan_level="1")
    zone(connection, "ring", polygon(box(0, 100, 100, 100), box(20, 120, 60, 60)), "HH")
    zone(connection, "two", f"MULTIPOLYGON ({polygon(box(0, 300, 5, 10))[8:]}, {polygon(box(8, 300, 2, 10))[8:]})")


def parcels_along_the_street(connection: sa.Connection) -> None:
    """Each of 10 m x 10 m."""
    parcel(connection, "inside", polygon(box(0, 0, 10, 10)))
    parcel(connection, "between", polygon(box(100, 0, 10, 10)))
    parcel(connection, "green", polygon(box(150, 0, 10, 10)))
    parcel(connection, "sliver", polygon(box(95.05, 0, 10, 10)))
    parcel(connection, "touching", polygon(box(205, 0, 10, 10)))
    parcel(connection, "in the hole", polygon(box(30, 130, 10, 10)))
    parcel(connection, "half in the hole", polygon(box(15, 130, 10, 10)))
    parcel(connection, "of two parts", polygon(box(0, 300, 10, 10)))
    parcel(
        connection, "bow tie", f"POLYGON (({X} {Y}, {X + 10} {Y + 10}, {X + 10} {Y}, {X} {Y + 10}, {X} {Y}))"
    )  # fmt: skip


def parcels_that_change(connection: sa.Connection) -> None:
    """On a field where nothing is planned, each kind of change on a line of its own."""

    def until(number: str, x: float, y: float, width: float, ended: str = SECOND, **said: Any) -> None:
        parcel(connection, number, polygon(box(x, y, width, 10)), valid_to=ended, **said)

    def since(number: str, x: float, y: float, width: float, began: str = SECOND, **said: Any) -> None:
        parcel(connection, number, polygon(box(x, y, width, 10)), began, **said)

    until("10", 0, 1000, 30)  # split into three, and one of them has another number a month later
    until("11", 0, 1000, 12, THIRD, since=SECOND)
    since("12", 12, 1000, 9, parents="25750/1/10")
    since("13", 21, 1000, 9, parents="25750/1/10")
    since("14", 0, 1000, 12, THIRD)
    until("20", 0, 1020, 10)  # merged
    until("21", 10, 1020, 20)
    since("22", 0, 1020, 30, parents="25750/1/20;25750/1/21")
    until("30", 0, 1040, 10)  # another number, and its own is now another's
    since("31", 0, 1040, 10)
    since("30", 500, 1040, 10)
    until("40", 0, 1060, 20)  # a part went, and the number stayed
    since("40", 0, 1060, 15)
    since("41", 15, 1060, 5)
    until("50", 0, 1080, 10)  # surveyed anew, by a hand's breadth
    since("50", 0.1, 1080, 10)
    until("60", 0, 1100, 10)  # two became two others
    until("61", 10, 1100, 10)
    since("62", 0, 1100, 15)
    since("63", 15, 1100, 5)
    until("70", 0, 1120, 10)  # nothing came of it; what its neighbour's survey took is a sliver
    since("71", 9.9, 1120, 30)
    until("80", 0, 1140, 10)  # went elsewhere, as the cadastre says
    since("81", 500, 1140, 10, parents="25750/1/80")
    until("90", 0, 1160, 10)  # has another holder
    since("90", 0, 1160, 10)
    parcel(connection, "95", polygon(box(0, 1180, 10, 10)), of=OLD_WARD)
    parcel(connection, "98", polygon(box(0, 1220, 10, 10)), of=OLD_WARD)
    parcel(connection, "98", polygon(box(10, 1220, 10, 10)), of=(WARD[0], OLD_WARD[1]))
    parcel(connection, "96", polygon(box(0, 1200, 10, 10)))
    parcel(connection, "97", polygon(box(10, 1200, 10, 10)))


@pytest.fixture(scope="module")
def city(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    pipeline = new_pipeline()
    with pipeline.engine.begin() as connection:
        for dataset in ("land.parcels", "planning.zones", "land.permits", "budget.vouchers"):
            for as_of in (FIRST, THIRD):
                connection.exec_driver_sql(
                    "INSERT INTO ops.delivery (dataset, delivery_id, as_of, revision, sha256, size_bytes, file_name,"
                    " received_at, state, loaded_at, rows_in, rejected, duplicates, inserted, changed, unchanged,"
                    f" superseded, ended) VALUES ('{dataset}', '{as_of}', '{as_of}', 1, '{dataset}{as_of}', 1, 'f',"
                    " now(), 'loaded', now(), 0, 0, 0, 0, 0, 0, 0, 0)"
                )
        zones_along_the_street(connection)
        parcels_along_the_street(connection)
        parcels_that_change(connection)
        for number in ("10", "20", "30", "40", "50", "60", "70", "80", "90", "95", "98", "99"):
            permit(connection, f"before {number}", "2026-01-20", number)
        for number in ("30", "31", "40", "11", "10"):
            permit(connection, f"after {number}", "2026-02-20", number)
        permit(connection, "earlier 30", "2025-12-01", "30")  # before the first snapshot
        permit(connection, "too early 30", "2024-12-01", "30")  # and before it was mapped
        permit(connection, "mistyped", "2026-02-20", "9O")
        work(connection, "of it", authority="UBND", permit_no="mistyped", geometry=f"POINT ({X + 15} {Y + 1205})")
        permit(connection, "high", "2026-02-20", "inside", floors=6)
        permit(connection, "on greens", "2026-02-20", "green", floors=1)
        work(connection, "of permit", authority="UBND", permit_no="before 30", sheet_no="1", parcels="30; 20")
        work(connection, "in the middle", geometry=f"POINT ({X + 5} {Y + 1205})")
        work(connection, "on the line", geometry=f"POINT ({X + 10} {Y + 1205})")
        work(connection, "nowhere", geometry=f"POINT ({X + 5000} {Y + 1205})")
        for line, (item, ward, amount) in enumerate([("1401", WARD, 500), ("1449", OLD_WARD, 70), ("1001", WARD, 9)]):
            put(
                connection, "business.budget_vouchers", treasury_code="0111", voucher_no="1", voucher_date=SECOND,
                line_no=line, posted_on=SECOND, direction="T", sub_item=item, ward=ward[0], ward_valid_from=ward[1],
                amount=amount, valid_from=SECOND,
            )  # fmt: skip
    marts.refresh(pipeline.engine)
    return pipeline


def zones_of(city: Pipeline, number: str) -> dict[str, float]:
    (found,) = query(city, f"SELECT zones FROM mart.land_parcel_today WHERE parcel_no = '{number}'").rows()
    return {} if found[0] is None else {zone["zone"]: zone["m2"] for zone in found[0]}


@pytest.mark.parametrize(
    ("parcel_no", "zones"),
    [
        ("inside", {"A": 100, "general": 100}),
        ("between", {"general": 100, "A": 50, "B": 50}),
        ("sliver", {"general": 100, "A": 99.5}),
        ("touching", {"general": 100}),
        ("in the hole", {}),
        ("half in the hole", {"ring": 50}),
        ("of two parts", {"two": 70}),
        ("bow tie", {}),
    ],
)
def test_a_parcel_lies_in_a_zone_with_what_they_share(city: Pipeline, parcel_no: str, zones: dict[str, float]) -> None:
    assert zones_of(city, parcel_no) == zones


def test_the_most_detailed_plan_of_half_a_parcel_counts_and_slivers_are_said(city: Pipeline) -> None:
    columns = "parcel_no, plan_level, main_zone, planned_percent, greens_percent, slivers, planned_differs, zone_grade"
    rows = query(city, f"SELECT {columns} FROM mart.land_parcel_today").rows()
    found = {number: rest for number, *rest in rows}
    assert found["between"] == ["2", "A", 100, 50, 0, False, "spatial"]
    assert found["sliver"] == ["2", "A", 99.5, 0, 1, False, "spatial"]
    assert found["touching"] == ["1", "general", 100, 0, 0, True, "spatial"]
    assert found["in the hole"] == found["bow tie"] == [None, None, None, None, 0, None, "none"]


def test_a_parcel_leads_to_what_came_of_it_by_ground_and_by_word(city: Pipeline) -> None:
    rows = query(city, "SELECT old_parcel_no, new_parcel_no, kind, known_by, share_of_old FROM land.parcel_lineage")
    assert {(old, new): (kind, by, None if of is None else float(of)) for old, new, kind, by, of in rows.rows()} == {
        ("10", "11"): ("split", "ground", 0.4),
        ("10", "12"): ("split", "both", 0.3),
        ("10", "13"): ("split", "both", 0.3),
        ("11", "14"): ("renumbered", "ground", 1.0),
        ("20", "22"): ("merged", "both", 1.0),
        ("21", "22"): ("merged", "both", 1.0),
        ("30", "31"): ("renumbered", "ground", 1.0),
        ("40", "40"): ("split", "ground", 0.75),
        ("40", "41"): ("split", "ground", 0.25),
        ("50", "50"): ("redrawn", "ground", 0.99),
        ("60", "62"): ("rearranged", "ground", 1.0),
        ("61", "62"): ("rearranged", "ground", 0.5),
        ("61", "63"): ("rearranged", "ground", 0.5),
        ("80", "81"): ("renumbered", "declared", None),
    }


def links(city: Pipeline, kind: str) -> dict[str, set[tuple[str | None, str]]]:
    """By the paper, the parcels of today and how each was found."""
    found: dict[str, set[tuple[str | None, str]]] = {}
    sql = f"SELECT paper, parcel_no, grade FROM land.parcel_links WHERE kind = '{kind}'"
    for paper, number, grade in query(city, sql).rows():
        found.setdefault(paper.removeprefix("UBND "), set()).add((number, grade))
    return found


def test_a_permit_is_of_the_parcel_that_bore_the_number_on_its_day(city: Pipeline) -> None:
    assert links(city, "permit") == {
        "before 10": {("14", "lineage"), ("12", "lineage"), ("13", "lineage")},
        "before 20": {("22", "lineage")},
        "before 30": {("31", "lineage")},
        "earlier 30": {("31", "lineage")},
        "too early 30": {(None, "none")},
        "after 30": {("30", "key")},
        "after 31": {("31", "key")},
        "before 40": {("40", "lineage"), ("41", "lineage")},
        "after 40": {("40", "key")},
        "before 50": {("50", "key")},
        "before 60": {("62", "lineage")},
        "before 70": {(None, "none")},
        "before 80": {("81", "lineage")},
        "before 90": {("90", "key")},
        "before 95": {("95", "lineage")},
        "before 98": {(None, "none")},  # two wards that are one now each had that number
        "before 99": {(None, "none")},
        "after 11": {("14", "lineage")},
        "after 10": {(None, "none")},
        "mistyped": {("97", "spatial")},  # where its work stands
        "high": {("inside", "key")},
        "on greens": {("green", "key")},
    }


def test_a_work_is_of_its_parcels_else_of_the_one_that_it_stands_on(city: Pipeline) -> None:
    assert links(city, "work") == {
        "of permit": {("31", "lineage"), ("22", "lineage")},
        "of it": {("97", "spatial")},
        "in the middle": {("96", "spatial")},
        "on the line": {(None, "none")},
        "nowhere": {(None, "none")},
    }


def test_permits_are_counted_on_the_parcels_of_today_and_once_in_their_ward(city: Pipeline) -> None:
    rows = query(
        city, "SELECT parcel_no, permits, permit_grade, permits_against_plan, works FROM mart.land_parcel_today"
    )
    found = {number: rest for number, *rest in rows.rows()}
    assert found["31"] == [3, "lineage", 0, None]
    assert found["inside"] == [1, "key", 1, None]
    assert found["green"] == [1, "key", 1, None]
    (ward,) = query(city, "SELECT * FROM exact.land_ward_year").to_dicts()
    assert (ward["permits_filed"], ward["permits_linked"], ward["permits_against_plan"]) == (20, 16, 2)
    assert ward["land_revenue"] == 570, "of land-use fees, in the ward of today"
    assert ward["inputs_lacking"] == "construction.works" and ward["works_accepted"] is None, "nobody has told of these"


def test_nothing_is_computed_anew_until_a_shape_changes(city: Pipeline) -> None:
    made = "SELECT xmin FROM land.parcel_zones LIMIT 1"
    before = query(city, made).item()
    marts.refresh(city.engine)
    assert query(city, made).item() == before
    with city.engine.begin() as connection:
        parcel(connection, "late", polygon(box(50, 0, 10, 10)), THIRD)
    marts.refresh(city.engine)
    assert zones_of(city, "late") == {"A": 100, "general": 100}
    assert zones_of(city, "inside") == {"A": 100, "general": 100}


def test_shapes_that_come_some_at_a_time_give_the_same(city: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> list[list[str]]:
        names = ("parcel_zones", "parcel_changes")
        return [sorted(map(str, query(city, f"SELECT * FROM land.{name}").rows())) for name in names]

    before = found()
    monkeypatch.setattr("etl.warehouse.overlaps._LOT", 3)
    monkeypatch.setattr("etl.warehouse.overlaps._HELD", 2)
    with city.engine.begin() as connection:
        connection.exec_driver_sql(
            "DELETE FROM ops.mart; DELETE FROM land.parcel_zones; DELETE FROM land.parcel_changes"
        )
    marts.refresh(city.engine)
    assert all(before) and found() == before


def test_a_declaration_that_is_not_understood_is_named(tmp_path: Path) -> None:
    path = tmp_path / "land.parcel_zones.yaml"
    for said, why in (("vi: a", "en: Field required"), ("vi: a\nvi: b", "stands twice"), ("- a", "valid dictionary")):
        with pytest.raises(OverlapError, match=rf"land\.parcel_zones\.yaml: .*{why}"):
            Overlap(path, said).declared  # noqa: B018


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"derived/parcels.sql": ""}, r"parcels\.sql: .* its schema, a dot and its name"),
        ({"marts/land.parcels.sql": ""}, r"land\.parcels\.sql: .* as its name"),
        (
            {"derived/land.a.sql": "land.b", "derived/land.b.sql": "land.a"},
            r"land\.[ab] and land\.[ab] read each other",
        ),
    ],
)
def test_files_that_cannot_be_used_are_named_before_anything_is_made(
    city: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], why: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("etl.warehouse.mart.MARTS", tmp_path)
    with pytest.raises(MartError, match=why):
        marts.refresh(city.engine)
