"""A place is a ward of a period: the same code or name means another area after 1 July 2025."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from etl.datatypes import ward
from etl.datatypes.geometry import to_city_crs
from etl.datatypes.ward_place import is_far

from .columns import standard

EARLIER, OLD, NEW = date(2024, 6, 1), date(2025, 3, 1), date(2025, 7, 1)
OLD_FROM, NEW_FROM = date(2025, 1, 1), date(2025, 7, 1)


def test_one_code_is_three_wards_in_three_periods() -> None:
    made = standard("ward", ["26929"] * 4, [EARLIER, OLD, NEW, None])
    old = ("26929", OLD_FROM)
    assert made == [(*old, "ambiguous"), (*old, "exact"), ("26929", NEW_FROM, "exact"), (*old, "ambiguous")]
    names = ward.units().filter(pl.col("code") == "26929")
    assert names["name"].to_list() == ["Phường 14", "Phường Bình Thạnh"]
    assert names["district"].to_list() == ["Quận Bình Thạnh", None]


def test_the_seven_wards_with_two_codes_are_one_unit_each() -> None:
    pairs = ["26935/26929", "26959/26953", "27067/27076", "27217/27226", "27223/27232", "27361/27367", "27379/27373"]
    for alias, code in (pair.split("/") for pair in pairs):
        assert standard("ward", [alias, code], [OLD, OLD]) == [(code, OLD_FROM, "exact")] * 2
        assert standard("ward", [alias], [NEW]) == [(None, None, None)]


@given(
    st.lists(st.tuples(st.sampled_from(["26929", "26935", "00001", None]), st.sampled_from([EARLIER, OLD, NEW, None])))
)
def test_each_row_has_the_unit_that_it_would_have_alone(rows: list[tuple[str | None, date | None]]) -> None:
    codes, days = [code for code, _ in rows], [day for _, day in rows]
    assert standard("ward", codes, days) == [made for row in rows for made in standard("ward", [row[0]], [row[1]])]


def test_a_code_must_exist_in_its_period() -> None:
    ended = sorted(set(ward.links()["old_code"]) - set(ward.links()["new_code"]))[0]
    nothing = (None, None, None)
    assert standard("ward", [ended, "00001", "2692", None], [NEW, OLD, OLD, OLD]) == [nothing] * 4
    assert standard("ward", [ended], [date(2025, 6, 30)]) == [(ended, OLD_FROM, "exact")]


def test_the_units_and_links_are_those_of_the_reform() -> None:
    units, links = ward.units(), ward.links()
    assert dict(units["valid_from"].value_counts().iter_rows()) == {OLD_FROM: 441, NEW_FROM: 168}
    assert units.select("code", "valid_from").is_unique().all()
    kinds = units.filter(pl.col("valid_from") == NEW_FROM)["kind"].value_counts()
    assert dict(kinds.iter_rows()) == {"Phường": 113, "Xã": 54, "Đặc khu": 1}
    assert links.group_by("old_code").agg(pl.len() == pl.col("targets").first())["len"].all()
    assert dict(links.unique("old_code")["targets"].value_counts().iter_rows()) == {1: 394, 2: 43, 3: 4}
    of_some = ("valid_to", "district", "district_code", "former_district")
    assert units.drop(of_some).null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize(
    ("address", "period", "expected"),
    [
        ("12 Lê Lợi, P. Bến Nghé, Q.1, TP.HCM", NEW, ("26740", OLD_FROM, "exact")),
        ("P14, Q. Bình Thạnh", NEW, ("26929", OLD_FROM, "exact")),
        ("Phường 14 - Bình Thạnh - TP HCM", OLD, ("26929", OLD_FROM, "exact")),
        ("Phường Sài Gòn, Thành phố Hồ Chí Minh", NEW, ("26740", NEW_FROM, "exact")),
        ("Phường Bình Hoà, Bình Dương", NEW, ("25987", NEW_FROM, "exact")),
        ("Ấp 3, Xã Thạnh An", NEW, ("27676", NEW_FROM, "exact")),
        ("TT. Cần Thạnh, H. Cần Giờ", OLD, ("27664", OLD_FROM, "exact")),
        ("X. Long Sơn, Bà Rịa - Vũng Tàu", NEW, ("26545", NEW_FROM, "exact")),
        ("Phường 01, Quận 03", OLD, ("27160", OLD_FROM, "exact")),
        ("Phường Thảo Điền", OLD, ("27088", OLD_FROM, "exact")),
        ("Phường 14", OLD, (None, None, "ambiguous")),
        ("Phường An Phú", None, (None, None, "ambiguous")),  # without a date it may be of either scheme
        ("Phường 14", NEW, (None, None, "unknown")),
        ("Phường Tân Bình, Hải Dương", NEW, (None, None, "unknown")),
        ("Phường 14, Quận 10, Thành phố Vũng Tàu", OLD, (None, None, "unknown")),
        ("Phường Bến Nghé, Quận 3", OLD, (None, None, "unknown")),
        ("Đường số 1", OLD, (None, None, "unknown")),
    ],
)
def test_an_address_names_a_ward_or_says_that_it_does_not(
    address: str, period: date | None, expected: tuple[str | None, date | None, str]
) -> None:
    assert standard("address", [address], [period]) == [(address, *expected)]


def test_every_unit_is_found_by_its_own_address() -> None:
    units = ward.units()
    places = [", ".join(filter(None, row)) for row in units.select("name", "district", "province").iter_rows()]
    made = standard("address", list(places), [NEW] * len(places))
    assert [row[1:] for row in made] == [(*row, "exact") for row in units.select("code", "valid_from").iter_rows()]


def test_addresses_keep_their_order_and_their_gaps() -> None:
    made = standard("address", ["Phường Sài Gòn", None, "  nhà\u00a0 số 1 ", "Phường Sài Gòn"])
    found = ("Phường Sài Gòn", "26740", NEW_FROM, "exact")
    assert made == [found, (None,) * 4, ("nhà số 1", None, None, "unknown"), found]


def test_a_geometry_is_valid_rounded_and_in_the_city() -> None:
    square = "POLYGON ((600000 1190000, 600010.12345 1190000, 600010 1190010, 600000 1190000))"
    made = "POLYGON ((600000 1190000, 600010.123 1190000, 600010 1190010, 600000 1190000))"
    crossing = "POLYGON ((600000 1190000, 600010 1190010, 600010 1190000, 600000 1190010, 600000 1190000))"
    sliver = "POLYGON ((600000 1190000, 600010 1190000, 600010 1190000.0001, 600000 1190000))"
    swapped = "POINT (1190000 600000)"
    endless = "GEOMETRYCOLLECTION (" * 50_000 + "POINT (600000 1190000)" + ")" * 50_000
    nowhere = [endless, "POLYGON EMPTY", "POINT (NaN NaN)", "POINT (106.7 10.8)"]
    wrong = [crossing, sliver, swapped, *nowhere, '{"type": "Point"}', "x"]
    assert standard("geometry", [square, made, None, *wrong]) == [made, made, None] + [None] * len(wrong)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=7),
    st.integers(0, 6),
    st.booleans(),
    st.lists(st.integers(1, 2), min_size=7, max_size=7),
)
def test_a_polygon_is_one_value_however_it_is_written(
    points: list[tuple[int, int]], start: int, backwards: bool, times: list[int]
) -> None:
    def wkt(ring: list[tuple[int, int]]) -> str:
        return f"POLYGON (({', '.join(f'{600_000 + x} {1_190_000 + y}' for x, y in [*ring, ring[0]])}))"

    at = start % len(points)
    other = [*points[at:], *points[:at]]
    other = [point for point, n in zip(other[::-1] if backwards else other, times, strict=False) for _ in range(n)]
    one, same = standard("geometry", [wkt(points), wkt(other)])
    assert [one, one] == [same, *standard("geometry", [one])]
    if one:
        made = shapely.from_wkt(one)
        assert made.equals(shapely.from_wkt(wkt(points))) and made.exterior.is_ccw


def test_a_shape_that_no_library_reads_is_not_understood_and_harms_no_other() -> None:
    square = "POLYGON ((600000 1190000, 600010 1190000, 600010 1190010, 600000 1190000))"
    odd = [
        "CIRCULARSTRING (600000 1190000, 600010 1190000, 600010 1190010)",
        "TIN EMPTY",
        "POLYGON ((1 1, 1 1, 1 1, 1 1))",
    ]
    assert standard("geometry", [*odd, square]) == [None] * len(odd) + [square]
    high = "POLYGON Z ((600000 1190000 4.5, 600010 1190000 4.5, 600010 1190010 4.5, 600000 1190000 4.5))"
    assert standard("geometry", [high, high.replace("Z", "M")]) == [square, square]


def test_coordinates_of_the_world_become_those_of_the_city() -> None:
    shapes = np.array([shapely.Point(106.7, 10.78), None], dtype=object)
    point, nothing = to_city_crs(shapes, 4326)
    assert nothing is None
    assert (point.x, point.y) == pytest.approx((603_700, 1_192_000), abs=1000)
    assert to_city_crs(np.array([point]), 9210)[0].equals_exact(point, 0.001)
    with ThreadPoolExecutor(1) as another:
        assert another.submit(to_city_crs, shapes, 4326).result()[0] == point, "the way is known from this thread"


def test_a_place_is_far_from_its_ward_only_if_both_are_known_and_far_apart() -> None:
    new, old = date(2025, 7, 1), date(2025, 1, 1)
    ben_thanh, con_dao = "POINT (602966 1191274)", "POINT (595990 961000)"
    cases = [
        ("26743", new, ben_thanh, False),
        ("26743", old, ben_thanh, False),  # an old ward lies where the wards lie that it went to
        ("26743", new, con_dao, True),
        ("26732", new, con_dao, False),  # an island 190 km from all others
        ("26732", new, ben_thanh, True),
        ("99999", new, ben_thanh, None),
        (None, None, ben_thanh, None),
        ("26743", new, None, None),
        ("26743", new, "POINT EMPTY", None),
        ("26743", new, "no geometry", None),
    ]
    units = pl.DataFrame([case[:2] for case in cases], schema={"code": pl.String, "since": pl.Date}, orient="row")
    assert is_far(units, pl.Series([case[2] for case in cases])).to_list() == [case[3] for case in cases]
