"""Land: the cadastre and construction permits."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from pyproj import Transformer

from simulate.delivery import SEQUENCE, Defect, Form
from simulate.dirt import CHANGE as CHANGE_WORDS
from simulate.dirt import Dirt
from simulate.people import OLD_FROM, REFORM, STREETS, new_of_old, wards
from simulate.truth import CHANGE

_WARD_PLACES = Path(__file__).resolve().parent.parent / "expectations" / "units" / "ward_place.csv"
_RATE = 0.002  # of each kind of defect, a row


def parcels(rng: np.random.Generator, people: pl.DataFrame, n: int, first: int) -> pl.DataFrame:
    """`n` parcels with owners among the people; a tenth was mapped in early 2025, when other wards existed."""
    new, old = wards()
    is_old = rng.random(n) < 0.1
    ward = np.where(is_old, rng.choice(old["code"].to_numpy(), n), rng.choice(new["code"].to_numpy(), n))
    mapped = np.where(
        is_old,
        np.datetime64("2025-01-05") + rng.integers(0, 150, n),
        np.datetime64("2025-07-05") + rng.integers(0, 200, n),
    )
    owners = people[rng.integers(0, people.height, n)]["pid"].to_numpy()
    second = people[rng.integers(0, people.height, n)]["pid"].to_numpy()
    joint = (rng.random(n) < 0.2) & (owners != second)
    x, y = places(rng, ward, is_old)
    width, depth = rng.integers(8, 40, n) / 2, rng.integers(16, 60, n) / 2
    use = rng.choice(["ODT", "ONT", "CLN", "LUC", "TMD", "SKC"], n, p=[0.6, 0.15, 0.1, 0.07, 0.05, 0.03])
    serial = np.arange(first, first + n)
    return pl.DataFrame(
        {
            "ward": pl.Series(ward, dtype=pl.String),
            "ward_valid_from": pl.Series(np.where(is_old, np.datetime64(OLD_FROM), np.datetime64(REFORM))).cast(
                pl.Date
            ),
            "ward_status": pl.Series(["exact"] * n),
            "sheet_no": pl.Series(serial // 500 + 1).cast(pl.String),
            "parcel_no": pl.Series(serial % 500 + 1).cast(pl.String),
            "mapped_on": pl.Series(mapped).cast(pl.Date),
            "area_m2": (
                pl.Series((width * depth * 10).astype(int)).cast(pl.Decimal(12, 0)).cast(pl.Decimal(14, 1)) / 10
            ).cast(pl.Decimal(12, 1)),
            "land_use": pl.Series(use),
            "certificate_no": pl.select(pl.lit("AA") + pl.Series(serial).cast(pl.String).str.zfill(8)).to_series(),
            "owner_ids": pl.Series(np.where(joint, owners + ";" + second, owners), dtype=pl.String),
            "parents": pl.Series([None] * n, dtype=pl.String),
            "origin": pl.Series(rng.choice(["CNQ-CTT", "DG-CTT", "NCQ"], n)),
            "term_until": pl.Series(
                np.where(rng.random(n) < 0.1, np.datetime64("2055-12-31"), np.datetime64("NaT"))
            ).cast(pl.Date),
            "status": pl.Series(["1"] * n),
            "geometry": rectangles(x, y, width, depth),
        }
    )


@cache
def squares() -> pl.DataFrame:
    """The square around the middle of each ward in which its parcels lie: code, east, north, half its side (metres)."""
    listed = pl.read_csv(_WARD_PLACES, schema_overrides={"code": pl.String})
    east, north = Transformer.from_crs(4326, 9210, always_xy=True).transform(listed["lon"], listed["lat"])
    half = np.sqrt(listed["area_km2"].to_numpy() * 1e6) / 3
    return pl.DataFrame({"code": listed["code"], "east": east, "north": north, "half": half})


def places(rng: np.random.Generator, ward: np.ndarray, is_old: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A corner within each ward, east and north in metres to the half; an old ward lies where one it went to lies."""
    code = pl.DataFrame({"code": ward, "is_old": is_old}).join(
        new_of_old(), on="code", how="left", maintain_order="left"
    )
    new = code.select(pl.when("is_old").then("new").otherwise("code").alias("code"))
    east, north, half = new.join(squares(), on="code", how="left", maintain_order="left").drop("code").get_columns()
    away = (half.to_numpy() * (rng.integers(0, size, len(ward)) / size * 2 - 1) for size in (80_000, 100_000))
    x, y = (np.round(2 * (centre.to_numpy() + by)) / 2 for centre, by in zip((east, north), away, strict=True))
    return x, y


def written(numbers: np.ndarray) -> pl.Series:
    """Coordinates in half metres, trailing zeros away."""
    return pl.Series(numbers).cast(pl.String).str.strip_suffix(".0")


def rectangles(x: np.ndarray, y: np.ndarray, width: np.ndarray, depth: np.ndarray) -> pl.Series:
    """WKT of rectangles, from their lower left corner on."""
    a, b, c, d = written(x), written(x + width), written(y), written(y + depth)
    return pl.select(
        pl.format("POLYGON (({} {}, {} {}, {} {}, {} {}, {} {}))", a, c, b, c, b, d, a, d, a, c)
    ).to_series()


def a_day_later(rng: np.random.Generator, rows: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """The cadastre a day later: some merged away, some with another owner or use, some new."""
    rows = rows.filter(pl.Series(rng.random(rows.height)) > 0.002)
    chance = pl.Series(rng.random(rows.height))
    rows = rows.with_columns(
        pl.when(chance < 0.006).then(pl.lit("079180000321")).otherwise(pl.col("owner_ids")).alias("owner_ids"),
        pl.when(chance > 0.997).then(pl.lit("2")).otherwise(pl.col("status")).alias("status"),
    )
    return pl.concat([rows, fresh])


def permits(
    rng: np.random.Generator, people: pl.DataFrame, lots: pl.DataFrame, n: int, day: date, first: int
) -> pl.DataFrame:
    """`n` permits granted on a day; most on a parcel of the cadastre by its owner, some on none that it knows."""
    known = lots.filter(pl.col("ward_valid_from") == REFORM)
    lot = known[rng.integers(0, known.height, n)]
    owner_id = lot["owner_ids"].str.split(";").list.first()
    owner = pl.DataFrame({"pid": owner_id}).join(people, on="pid", how="left", maintain_order="left")
    stranger = people[rng.integers(0, people.height, n)]
    use_stranger = owner["name"].is_null() | pl.Series(rng.random(n) < 0.1)
    missing = pl.Series(rng.random(n) < 0.05)
    floors = rng.integers(1, 9, n)
    area = rng.integers(400, 6000, n)
    filed = np.datetime64(day) - rng.integers(3, 40, n)
    house = pl.Series(rng.integers(1, 900, n)).cast(pl.String)
    street = pl.Series(np.array(STREETS, dtype=object)[rng.integers(0, len(STREETS), n)], dtype=pl.String)
    ward_name = lot["ward"].replace_strict(*wards()[0].select("code", "name").get_columns())

    def either(column: str) -> pl.Series:
        return pl.select(pl.when(use_stranger).then(stranger[column]).otherwise(owner[column])).to_series()

    return pl.DataFrame(
        {
            "authority": pl.Series(rng.choice(["SXD", "BQLKCN", "UBND"], n, p=[0.4, 0.1, 0.5])),
            "permit_no": pl.Series(np.arange(first, first + n)).cast(pl.String) + "/GPXD",
            "owner_name": either("name"),
            "owner_id": either("pid"),
            "owner_phone": either("phone"),
            "parcel_ward": lot["ward"],
            "parcel_ward_valid_from": pl.Series([REFORM] * n),
            "parcel_ward_status": pl.Series(["exact"] * n),
            "parcel_sheet_no": lot["sheet_no"],
            "parcel_no": pl.select(pl.when(missing).then(pl.lit("99999")).otherwise(lot["parcel_no"])).to_series(),
            "address": pl.select(house + " " + street + ", " + ward_name + ", Thành phố Hồ Chí Minh").to_series(),
            "address_ward": lot["ward"],
            "address_ward_valid_from": pl.Series([REFORM] * n),
            "address_ward_status": pl.Series(["exact"] * n),
            "floors": pl.Series(floors),
            "floor_area_m2": (pl.Series(area).cast(pl.Decimal(12, 0)).cast(pl.Decimal(14, 1)) / 10).cast(
                pl.Decimal(12, 1)
            ),
            "height_m": pl.Series(floors * 36)
            .cast(pl.Decimal(6, 0))
            .cast(pl.Decimal(8, 1))
            .__truediv__(10)
            .cast(pl.Decimal(6, 1)),
            "filed_on": pl.Series(filed).cast(pl.Date),
            "granted_on": pl.Series([day] * n),
            "expires_on": pl.Series([date(day.year + 1, day.month, min(day.day, 28))] * n),
        }
    )


def parcels_form(rng: np.random.Generator) -> Form:
    """GeoJSON in EPSG:9210."""
    dirt = Dirt(rng)

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(
            rows["area_m2"].cast(pl.String),
            rows["mapped_on"].dt.strftime("%Y-%m-%d"),
            rows["term_until"].dt.strftime("%Y-%m-%d"),
            dirt.personal_id(rows["owner_ids"]),
        )

    headers = {
        "ward": "ma_xa", "sheet_no": "so_to", "parcel_no": "so_thua", "mapped_on": "ngay_do_dac",
        "area_m2": "dien_tich",
        "land_use": "muc_dich", "certificate_no": "so_giay_cn", "owner_ids": "chu_su_dung", "parents": "thua_goc",
        "origin": "nguon_goc",
        "term_until": "thoi_han", "status": "tinh_trang", "geometry": "geometry",
    }  # fmt: skip
    defects = (
        Defect("self_crossing", "geometry", _RATE, _bow_tie),
        Defect("missing_required", "sheet_no", _RATE, lambda _: None),
        Defect("impossible_date", "mapped_on", _RATE, lambda _: "2026-02-30"),
        Defect("unknown_ward", "ward", _RATE, lambda _: "99999"),
        Defect("unknown_code", "land_use", _RATE, lambda _: "ZZZ"),
        Defect("negative_area", "area_m2", _RATE, lambda v: f"-{v}"),
        Defect("short_personal_id", "owner_ids", _RATE, lambda _: "07918000032"),
    )
    return Form("geojson", headers, render, defects, conflict=("land_use", "NTS"), numbers=frozenset({"area_m2"}))


def _bow_tie(wkt: str | None) -> str:
    """The rectangle with two corners exchanged, so that its sides cross."""
    a, b, c, d, e = str(wkt)[10:-2].split(", ")
    return f"POLYGON (({a}, {c}, {b}, {d}, {e}))"


def permits_form(rng: np.random.Generator) -> Form:
    """NDJSON with nested owner and parcel."""
    dirt = Dirt(rng)

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(
            dirt.code(rows[CHANGE], CHANGE_WORDS).alias("change_type"),
            rows[SEQUENCE].dt.strftime("%Y-%m-%dT%H:%M:%S").alias("changed_at"),
            dirt.name(rows["owner_name"]),
            dirt.personal_id(rows["owner_id"]),
            dirt.phone(rows["owner_phone"]),
            *(rows[name].cast(pl.String) for name in ("floors", "floor_area_m2", "height_m")),
            *(rows[name].dt.strftime("%Y-%m-%d") for name in ("filed_on", "granted_on", "expires_on")),
        )

    headers = {
        "change_type": "thay_doi.loai", "changed_at": "thay_doi.luc", "authority": "co_quan.ma", "permit_no": "so_gp",
        "owner_name": "chu_dau_tu.ho_ten", "owner_id": "chu_dau_tu.so_dinh_danh",
        "owner_phone": "chu_dau_tu.dien_thoai",
        "parcel_ward": "thua_dat.ma_xa", "parcel_sheet_no": "thua_dat.so_to", "parcel_no": "thua_dat.so_thua",
        "address": "cong_trinh.dia_chi", "floors": "cong_trinh.so_tang", "floor_area_m2": "cong_trinh.dien_tich_san",
        "height_m": "cong_trinh.chieu_cao", "filed_on": "ngay_nop", "granted_on": "ngay_cap",
        "expires_on": "ngay_het_han",
    }  # fmt: skip
    defects = (
        Defect("broken_json", None, _RATE),
        Defect("missing_required", "owner_name", _RATE, lambda _: None),
        Defect("granted_before_filed", "granted_on", _RATE, lambda _: "2020-01-01"),
        Defect("too_many_floors", "floors", _RATE, lambda _: "400"),
        Defect("unknown_code", "authority", _RATE, lambda _: "ABC"),
        Defect("short_personal_id", "owner_id", _RATE, lambda v: str(v).replace(" ", "")[:11]),
        Defect("malformed_permit_no", "permit_no", _RATE, lambda _: "so 5"),
        Defect("malformed_phone", "owner_phone", _RATE, lambda _: "khong", effect="flagged"),
    )
    numbers = frozenset({"floors", "floor_area_m2", "height_m"})
    return Form("ndjson", headers, render, defects, numbers=numbers)
