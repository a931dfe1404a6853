"""Tax: the register of taxpayers and their declarations."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from simulate.delivery import Defect, Form
from simulate.dirt import Dirt, vietnamese_number
from simulate.people import REFORM

_TRADES = ["47110", "56101", "62010", "41010", "46900", "14100", "96310", "68100", "73100"]
_COMPANIES = ["Hòa Bình", "Phương Đông", "Minh Phát", "Đại Thành", "Sao Mai", "Tân Tiến"]
_WEIGHTS = np.array([31, 29, 23, 19, 17, 13, 7, 5, 3])
_RATE = 0.0015  # of each kind of defect, a row


def enterprise_codes(rng: np.random.Generator, n: int) -> np.ndarray:
    """`n` different tax codes of ten digits with a right check digit."""
    serials = rng.choice(9_000_000, 2 * n + 50, replace=False) + 1_000_000
    return with_check_digit(3, serials)[:n]


def with_check_digit(first: int, serials: np.ndarray) -> np.ndarray:
    """Tax codes of ten digits: 0, the first digit, a serial number of seven and its check digit, where it has one."""
    digits = np.column_stack(
        [np.zeros_like(serials), np.full_like(serials, first), *(serials // 10**p % 10 for p in range(6, -1, -1))]
    )
    check = 10 - digits @ _WEIGHTS % 11
    good = check < 10  # of the others no code is ever issued
    return np.array(
        [f"0{first}{serial:07d}{c}" for serial, c in zip(serials[good], check[good], strict=True)], dtype=object
    )


def taxpayers(rng: np.random.Generator, people: pl.DataFrame, n: int) -> pl.DataFrame:
    """`n` taxpayers: enterprises and their branches, household businesses and individuals by personal id."""
    who = people.sample(n, seed=int(rng.integers(1 << 31)))
    kind = np.sort(rng.choice(np.array(["1", "2", "3"], dtype=object), n, p=[0.4, 0.4, 0.2]))
    company = kind == "1"
    codes = who["pid"].to_numpy().astype(object)
    count = int(company.sum())
    own = enterprise_codes(rng, count)
    branch = np.arange(count) % 20 == 1  # every twentieth is a branch of the one before it
    own[branch] = own[np.flatnonzero(branch) - 1] + "001"
    codes[company] = own
    registered = np.datetime64(REFORM) + rng.integers(0, 200, n)
    trade = np.array(_COMPANIES, dtype=object)[rng.integers(0, len(_COMPANIES), n)]
    names = np.where(company, "Công ty TNHH " + trade, "Hộ kinh doanh " + who["name"].to_numpy())
    capital = rng.integers(1, 5000, n) * 10_000_000
    return pl.DataFrame(
        {
            "tax_code": pl.Series(codes, dtype=pl.String),
            "name": pl.Series(names, dtype=pl.String),
            "taxpayer_type": pl.Series(kind, dtype=pl.String),
            "representative_name": who["name"],
            "representative_id": who["pid"],
            "vsic_code": pl.Series(rng.choice(_TRADES, n)),
            "vsic_version": pl.Series(rng.choice(["2018", "2025"], n)),
            "registered_capital": pl.Series(capital),
            "address": who["address"],
            "address_ward": who["ward"],
            "address_ward_valid_from": pl.Series([REFORM] * n),
            "address_ward_status": pl.Series(["exact"] * n),
            "phone": who["phone"],
            "status": pl.Series(["00"] * n),
            "registered_on": pl.Series(registered).cast(pl.Date),
            "closed_on": pl.Series([None] * n, dtype=pl.Date),
        }
    ).with_columns(pl.when(pl.col("taxpayer_type") == "1").then("registered_capital").alias("registered_capital"))


def a_day_later(rng: np.random.Generator, rows: pl.DataFrame, fresh: pl.DataFrame, day: date) -> pl.DataFrame:
    """The register a day later: some gone, some changed, some closed, some new."""
    chance = pl.Series(rng.random(rows.height))
    rows = rows.filter(chance > 0.003)
    chance = pl.Series(rng.random(rows.height))
    rows = rows.with_columns(
        pl.when(chance < 0.005).then(pl.lit("+84901112233")).otherwise(pl.col("phone")).alias("phone"),
        pl.when(chance > 0.996).then(pl.lit("01")).otherwise(pl.col("status")).alias("status"),
        pl.when(chance > 0.996).then(pl.lit(day)).otherwise(pl.col("closed_on")).alias("closed_on"),
    )
    return pl.concat([rows, fresh])


def declarations(rng: np.random.Generator, payers: pl.DataFrame, n: int, day: date) -> pl.DataFrame:
    """`n` declarations handed in on a day."""
    who = payers[rng.integers(0, payers.height, n)]
    due = rng.integers(10, 90_000, n) * 1000
    paid = np.where(rng.random(n) < 0.8, due, due // 2)
    cents = rng.integers(10**8, 10**12, n)
    return pl.DataFrame(
        {
            "declaration_no": pl.select(
                pl.lit(f"TK{day:%Y%m%d}") + pl.Series(np.arange(1, n + 1)).cast(pl.String).str.zfill(6)
            ).to_series(),
            "tax_code": who["tax_code"],
            "tax_period": pl.Series(rng.choice([f"{day.month:02d}/{day.year}", f"Q1/{day.year}"], n)),
            "tax_kind": pl.Series(rng.choice(["GTGT", "TNDN", "TNCN"], n)),
            "sub_item": pl.Series(rng.choice(["1701", "1052", "1001"], n)),
            "vsic_code": who["vsic_code"],
            "revenue": (pl.Series(cents).cast(pl.Decimal(18, 0)).cast(pl.Decimal(20, 2)) / 100).cast(pl.Decimal(18, 2)),
            "tax_due": pl.Series(due),
            "tax_paid": pl.Series(paid),
            "declared_on": pl.Series([day] * n),
        }
    )


def amend(rows: pl.DataFrame) -> pl.DataFrame:
    """The same declarations, paid in full."""
    return rows.with_columns((pl.col("tax_due") + 5000).alias("tax_due"), (pl.col("tax_due") + 5000).alias("tax_paid"))


def taxpayers_form(rng: np.random.Generator) -> Form:
    """CSV in Windows-1258, semicolons between the cells."""
    dirt = Dirt(rng)

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(
            dirt.tax_code(rows["tax_code"]),
            dirt.name(rows["representative_name"], unicode_forms=False),
            dirt.personal_id(rows["representative_id"]),
            rows["registered_capital"].cast(pl.String),
            dirt.phone(rows["phone"]),
            rows["registered_on"].dt.strftime("%d/%m/%Y"),
            rows["closed_on"].dt.strftime("%d/%m/%Y"),
        )

    headers = {
        "tax_code": "ma_so_thue", "name": "ten_nguoi_nop_thue", "taxpayer_type": "loai_nguoi_nop_thue",
        "representative_name": "nguoi_dai_dien", "representative_id": "so_giay_to", "vsic_code": "nganh_nghe",
        "vsic_version": "phien_ban_vsic", "registered_capital": "von_dieu_le", "address": "dia_chi",
        "phone": "dien_thoai",
        "status": "trang_thai", "registered_on": "ngay_cap", "closed_on": "ngay_dong",
    }  # fmt: skip
    defects = (
        Defect("wrong_check_digit", "tax_code", _RATE, lambda _: "0300000001"),
        Defect("missing_required", "name", _RATE, lambda _: None),
        Defect("impossible_date", "registered_on", _RATE, lambda _: "31/02/2026"),
        Defect("unknown_code", "status", _RATE, lambda _: "77"),
        Defect("negative_amount", "registered_capital", _RATE, lambda v: f"-{v}"),
        Defect("malformed_phone", "phone", _RATE, lambda _: "12345", effect="flagged"),
        Defect("too_many_cells", None, _RATE),
        Defect("too_few_cells", None, _RATE),
        Defect("unclosed_quote", None, _RATE),
    )
    return Form("csv", headers, render, defects, conflict=("name", "Tên khác"), encoding="cp1258", delimiter=";")


def declarations_form(rng: np.random.Generator) -> Form:
    """CSV in a ZIP, numbers as 1.234.567,89."""
    dirt = Dirt(rng)

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(
            dirt.tax_code(rows["tax_code"]),
            *(vietnamese_number(rows[name]).alias(name) for name in ("revenue", "tax_due", "tax_paid")),
            rows["declared_on"].dt.strftime("%d/%m/%Y"),
        )

    headers = {
        "declaration_no": "so_to_khai", "tax_code": "ma_so_thue", "tax_period": "ky_tinh_thue", "tax_kind": "sac_thue",
        "sub_item": "tieu_muc", "vsic_code": "nganh_nghe", "revenue": "doanh_thu", "tax_due": "so_thue_phai_nop",
        "tax_paid": "so_thue_da_nop", "declared_on": "ngay_nop",
    }  # fmt: skip
    defects = (
        Defect("wrong_check_digit", "tax_code", _RATE, lambda _: "0300000001"),
        Defect("half_a_group", "revenue", _RATE, lambda _: "12.5"),
        Defect("not_a_number", "tax_due", _RATE, lambda _: "abc"),
        Defect("negative_amount", "tax_paid", _RATE, lambda v: f"-{v}"),
        Defect("malformed_period", "tax_period", _RATE, lambda _: "13/2026"),
        Defect("unknown_code", "tax_kind", _RATE, lambda _: "XYZ"),
        Defect("impossible_date", "declared_on", _RATE, lambda _: "31/02/2026"),
        Defect("too_many_cells", None, _RATE),
        Defect("unclosed_quote", None, _RATE),
    )
    conflict = ("sub_item", "9999")
    return Form("zip", headers, render, defects, conflict, delimiter=";", member="tokhai.csv")
