"""Who governs the city: its departments and the committees of its communes, as budget and inventories name them."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl

from simulate.people import wards
from simulate.tax import with_check_digit

# Of each department its chapter in the budget index, its name, and the category of most of what it spends.
_DEPARTMENTS = (
    ("405", "Văn phòng Ủy ban nhân dân", "341"), ("411", "Sở Ngoại vụ", "341"),
    ("412", "Sở Nông nghiệp và Môi trường", "278"), ("414", "Sở Tư pháp", "341"), ("416", "Sở Công Thương", "321"),
    ("417", "Sở Khoa học và Công nghệ", "315"), ("418", "Sở Tài chính", "341"), ("419", "Sở Xây dựng", "292"),
    ("422", "Sở Giáo dục và Đào tạo", "074"), ("423", "Sở Y tế", "132"), ("428", "Sở Du lịch", "322"),
    ("429", "Sở Văn hóa - Thể thao", "161"), ("435", "Sở Nội vụ", "398"), ("437", "Thanh tra tỉnh", "341"),
    ("439", "Sở Quy hoạch - Kiến trúc", "332"), ("483", "Sở Dân tộc và Tôn giáo", "341"),
    ("505", "Ban quản lý khu công nghiệp", "309"),
)  # fmt: skip
_COMMITTEE = "830"  # chapter of the office of a commune's council and committee


@cache
def units() -> pl.DataFrame:
    """The units that have a budget.

    Columns: unit_code (7 digits), unit_name, budget_level (2 city, 4 commune), chapter, category, agency_code (of the
    exchange of documents), agency_kind (S department, X commune), unit_tax_code, and of a commune ward and ward_name.
    """
    new, _ = wards()
    departments = pl.DataFrame(_DEPARTMENTS, ["chapter", "unit_name", "category"], orient="row").with_columns(
        unit_code=pl.format("10{}00", "chapter"),
        budget_level=pl.lit("2"),
        agency_code=pl.format("H29.{}", pl.int_range(pl.len()) + 10),
        agency_kind=pl.lit("S"),
    )
    communes = new.select(
        chapter=pl.lit(_COMMITTEE),
        unit_name=pl.lit("Ủy ban nhân dân ") + pl.col("name"),
        category=pl.lit("341"),
        unit_code="11" + pl.col("code"),
        budget_level=pl.lit("4"),
        agency_code=pl.format("H29.{}", pl.int_range(pl.len()) + 101),
        agency_kind=pl.lit("X"),
        ward="code",
        ward_name="name",
    )
    rows = pl.concat([departments, communes], how="diagonal")
    codes = with_check_digit(1, np.arange(1_000_000, 1_000_000 + 2 * rows.height))
    return rows.with_columns(unit_tax_code=pl.Series(codes[: rows.height], dtype=pl.String))
