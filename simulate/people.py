"""The inhabitants: one population, in which every agency finds the same persons."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

REFORM = date(2025, 7, 1)
OLD_FROM = date(2025, 1, 1)
CROSSWALK = Path(__file__).resolve().parent / "ward_crosswalk.csv"

# Share of bearers in percent: a handful of surnames covers most people.
_SURNAMES = {
    "Nguyễn": 38.4, "Trần": 11.0, "Lê": 9.5, "Phạm": 7.0, "Huỳnh": 3.1, "Hoàng": 2.0, "Phan": 4.5, "Võ": 2.4, "Vũ": 1.5,
    "Đặng": 2.1, "Bùi": 2.0, "Đỗ": 1.4, "Hồ": 1.3, "Ngô": 1.3, "Dương": 1.0, "Lý": 0.5, "Đinh": 0.9, "Trương": 1.2,
    "Lâm": 0.8, "Mai": 0.7, "Tô": 0.5, "Hà": 0.6, "Châu": 0.4, "Quách": 0.3, "Thạch": 0.2, "Trịnh": 0.9, "Đoàn": 0.9,
    "Lương": 0.8, "Đào": 0.8, "Cao": 0.6, "Phùng": 0.6, "Lưu": 0.6, "Tạ": 0.4, "Tăng": 0.4, "Kiều": 0.3, "La": 0.3,
}  # fmt: skip
_MIDDLE = {
    "1": ["Văn", "Hữu", "Đức", "Minh", "Quốc", "Gia", "Thanh", "Công", "Xuân", "Anh"],
    "2": ["Thị", "Thị", "Thị", "Ngọc", "Thu", "Kim", "Mỹ", "Bích", "Thanh", "Phương"],
}
_GIVEN = {
    "1": ["An", "Bình", "Cường", "Dũng", "Hải", "Hùng", "Khoa", "Long", "Nam", "Phúc", "Quang", "Sơn", "Tài",
    "Thành", "Tuấn", "Việt",
          "Hòa", "Khỏe", "Ánh", "Đạt"],
    "2": ["Anh", "Chi", "Dung", "Giang", "Hà", "Hạnh", "Hoa", "Hòa", "Hương", "Lan", "Linh", "Mai", "Nga", "Oanh",
    "Phượng", "Quỳnh",
          "Thảo", "Thúy", "Trang", "Yến"],
}  # fmt: skip
STREETS = [
    "Lê Lợi",
    "Nguyễn Huệ",
    "Trần Hưng Đạo",
    "Cách Mạng Tháng Tám",
    "Điện Biên Phủ",
    "Hai Bà Trưng",
    "Nguyễn Trãi",
    "Lý Thường Kiệt",
]
_ETHNIC = (["01", "04", "05", "17"], [0.92, 0.06, 0.01, 0.01])


@cache
def wards() -> tuple[pl.DataFrame, pl.DataFrame]:
    """The units of today (code, name) and those of early 2025 (code, name, district) whose name tells."""
    rows = pl.read_csv(CROSSWALK, infer_schema=False)
    new = rows.select(code="new_ward_code", name="new_ward").unique(maintain_order=True)
    old = rows.filter(pl.col("old_ward_code").is_not_null() & (pl.col("old_province_code") == "79")).select(
        code="old_ward_code", name="old_ward", district="old_district"
    )
    return new, old.unique("code", maintain_order=True)


def new_of_old() -> pl.DataFrame:
    """A unit of today (new) in which each of early 2025 (code) went."""
    rows = pl.read_csv(CROSSWALK, infer_schema=False).filter(pl.col("old_ward_code").is_not_null())
    return rows.select(code="old_ward_code", new="new_ward_code").unique("code", keep="first", maintain_order=True)


def names(rng: np.random.Generator, sexes: np.ndarray, surnames: np.ndarray | None = None) -> np.ndarray:
    """Full names in the standard form.

    Args:
        rng: source of chance.
        sexes: '1' or '2' for each person.
        surnames: given ones, or None to draw them.
    """
    n = len(sexes)
    if surnames is None:
        weights = np.array(list(_SURNAMES.values()))
        surnames = rng.choice(np.array(list(_SURNAMES), dtype=object), n, p=weights / weights.sum())
    made = np.empty(n, dtype=object)
    for sex in "12":
        at = np.flatnonzero(sexes == sex)
        middle = np.array(_MIDDLE[sex], dtype=object)[rng.integers(0, len(_MIDDLE[sex]), len(at))]
        given = np.array(_GIVEN[sex], dtype=object)[rng.integers(0, len(_GIVEN[sex]), len(at))]
        made[at] = surnames[at] + " " + middle + " " + given
    return made


def personal_ids(rng: np.random.Generator, sexes: np.ndarray, years: np.ndarray, first: int) -> np.ndarray:
    """Twelve digits by Decree 137/2015: province of registration, century and sex, year, six more; each but once.

    Args:
        rng: source of chance.
        sexes: '1' or '2'.
        years: of birth.
        first: number of ids given out before.
    """
    province = rng.choice(
        np.array(["079", "074", "077", "082", "001", "038"], dtype=object),
        len(sexes),
        p=[0.7, 0.08, 0.06, 0.06, 0.05, 0.05],
    )
    century = ((years >= 2000) * 2 + (sexes == "2")).astype(str).astype(object)
    serial = (
        np.arange(first, first + len(sexes)) * 7919
    ) % 1_000_000  # 7919 is prime to it: no repetition within a million
    ids: np.ndarray = province + century + _digits(years % 100, 2) + _digits(serial, 6)
    return ids


def population(rng: np.random.Generator, n: int, today: date) -> pl.DataFrame:
    """`n` people: name, sex, birth (date), birth_precision, pid, ethnicity, ward, ward_name, address, phone, card."""
    sexes = rng.choice(np.array(["1", "2"], dtype=object), n)
    ages = rng.integers(0, 90 * 365, n)
    birth = np.datetime64(today) - ages.astype("timedelta64[D]")
    years = birth.astype("datetime64[Y]").astype(int) + 1970
    only_year = (years < 1965) & (rng.random(n) < 0.2)
    birth = np.where(only_year, birth.astype("datetime64[Y]").astype("datetime64[D]"), birth)
    new, _ = wards()
    ward = rng.integers(0, new.height, n)
    ward_name = new["name"].to_numpy()[ward]
    street = np.array(STREETS, dtype=object)[rng.integers(0, len(STREETS), n)]
    house = rng.integers(1, 900, n).astype(str).astype(object)
    prefixes = np.array(["90", "91", "93", "97", "98", "36", "77", "82", "58"], dtype=object)
    return pl.DataFrame(
        {
            "name": names(rng, sexes),
            "sex": sexes,
            "birth": birth,
            "birth_precision": np.where(only_year, "Y", "D"),
            "pid": personal_ids(rng, sexes, years, 0),
            "ethnicity": rng.choice(np.array(_ETHNIC[0], dtype=object), n, p=_ETHNIC[1]),
            "ward": new["code"].to_numpy()[ward],
            "ward_name": ward_name,
            "address": house + " " + street + ", " + ward_name + ", Thành phố Hồ Chí Minh",
            "phone": "+84" + prefixes[rng.integers(0, len(prefixes), n)] + _digits(rng.integers(0, 10_000_000, n), 7),
            "card": "DN479" + _digits((np.arange(n) * 7919) % 10_000_000_000, 10),
        }
    ).with_columns(pl.col("birth").cast(pl.Date))


def _digits(numbers: np.ndarray, width: int) -> np.ndarray:
    return np.char.zfill(numbers.astype(str), width).astype(object)
