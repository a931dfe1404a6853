"""Health insurance claims: table XML1."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from simulate.delivery import Defect, Form
from simulate.dirt import ETHNICITY, NATIONALITY, SEX, Dirt
from simulate.people import REFORM

FACILITIES = ["79024", "79013", "79025"]
_DIAGNOSES = {
    "J18.9": "Viêm phổi", "I10": "Tăng huyết áp", "E11.9": "Đái tháo đường", "A09.0": "Tiêu chảy",
    "K29.7": "Viêm dạ dày",
    "M54.5": "Đau lưng", "J06.9": "Viêm hô hấp trên", "N39.0": "Nhiễm khuẩn tiết niệu",
}  # fmt: skip
_RATE = 0.0012  # of each kind of defect, a row
_AMOUNTS = [
    "t_thuoc",
    "t_vtyt",
    "t_tongchi_bv",
    "t_tongchi_bh",
    "t_bntt",
    "t_bncct",
    "t_bhtt",
    "t_nguonkhac",
    "t_bhtt_gdv",
]
_MOMENTS = ["ngay_vao", "ngay_vao_noi_tru", "ngay_ra", "ngay_ttoan"]
_PARTIAL = ["ngay_sinh", "ngay_mien_cct", "nam_nam_lien_tuc"]

FIELDS = """
    MA_LK STT MA_BN HO_TEN SO_CCCD NGAY_SINH GIOI_TINH NHOM_MAU MA_QUOCTICH MA_DANTOC MA_NGHE_NGHIEP DIA_CHI
    MATINH_CU_TRU MAHUYEN_CU_TRU MAXA_CU_TRU DIEN_THOAI MA_THE_BHYT MA_DKBD GT_THE_TU GT_THE_DEN NGAY_MIEN_CCT
    LY_DO_VV LY_DO_VNT MA_LY_DO_VNT CHAN_DOAN_VAO CHAN_DOAN_RV MA_BENH_CHINH MA_BENH_KT MA_BENH_YHCT MA_PTTT_QT
    MA_DOITUONG_KCB MA_NOI_DI MA_NOI_DEN MA_TAI_NAN NGAY_VAO NGAY_VAO_NOI_TRU NGAY_RA GIAY_CHUYEN_TUYEN SO_NGAY_DTRI
    PP_DIEU_TRI KET_QUA_DTRI MA_LOAI_RV GHI_CHU NGAY_TTOAN T_THUOC T_VTYT T_TONGCHI_BV T_TONGCHI_BH T_BNTT T_BNCCT
    T_BHTT T_NGUONKHAC T_BHTT_GDV NAM_QT THANG_QT MA_LOAI_KCB MA_KHOA MA_CSKCB MA_KHUVUC CAN_NANG CAN_NANG_CON
    NAM_NAM_LIEN_TUC NGAY_TAI_KHAM MA_HSBA MA_TTDV DU_PHONG
""".split()  # noqa: SIM905 - the 66 fields of table XML1, in the order of the regulation


def visits(rng: np.random.Generator, people: pl.DataFrame, n: int, day: date, facility: str) -> pl.DataFrame:
    """`n` visits that ended on a day at one facility."""
    who = people[rng.integers(0, people.height, n)]
    inpatient = rng.random(n) < 0.2
    stay = np.where(inpatient, rng.integers(1, 9, n), 0)
    end = np.datetime64(day, "m") + rng.integers(9 * 60, 17 * 60, n)
    arrival = end - stay.astype("timedelta64[D]") - rng.integers(30, 180, n)
    admitted = np.where(inpatient, arrival + 60, np.datetime64("NaT"))
    drugs, supplies = rng.integers(20, 900, n) * 1000, rng.integers(0, 200, n) * 1000
    insured = drugs + supplies + rng.integers(30, 3000, n) * 1000 * (1 + 3 * inpatient)
    own = rng.integers(0, 300, n) * 1000
    share = insured * rng.choice([0, 5, 20], n, p=[0.3, 0.2, 0.5]) // 100
    main = rng.choice(np.array(list(_DIAGNOSES), dtype=object), n)
    names = pl.Series(main).replace_strict(_DIAGNOSES)
    serial = pl.Series(np.arange(1, n + 1)).cast(pl.String).str.zfill(6)
    none = pl.Series([None] * n, dtype=pl.String)
    columns: dict[str, pl.Series | pl.Expr] = {name.lower(): none for name in FIELDS}
    columns |= {
        "ma_lk": pl.select(pl.lit(f"{facility}{day:%Y%m%d}") + serial).to_series(),
        "stt": pl.Series(np.arange(1, n + 1)),
        "ma_bn": pl.select(pl.lit("BN") + who["pid"].str.slice(3)).to_series(),
        "ho_ten": who["name"],
        "so_cccd": who["pid"],
        "ngay_sinh": who["birth"],
        "ngay_sinh_precision": who["birth_precision"],
        "gioi_tinh": who["sex"],
        "nhom_mau": pl.Series(
            rng.choice(np.array(["O", "A", "B", "AB", None], dtype=object), n).tolist(), dtype=pl.String
        ),
        "ma_quoctich": _same("000", n),
        "ma_dantoc": who["ethnicity"],
        "ma_nghe_nghiep": _same("00000", n),
        "dia_chi": who["address"],
        "dia_chi_ward": who["ward"],
        "dia_chi_ward_valid_from": _same(REFORM, n),
        "dia_chi_ward_status": _same("exact", n),
        "matinh_cu_tru": _same("79", n),
        "mahuyen_cu_tru": _same("000", n),
        "maxa_cu_tru": who["ward"],
        "maxa_cu_tru_valid_from": _same(REFORM, n),
        "maxa_cu_tru_status": _same("exact", n),
        "dien_thoai": who["phone"],
        "ma_the_bhyt": who["card"],
        "ma_dkbd": _same(facility, n),
        "gt_the_tu": _same(f"{day.year}0101", n),
        "gt_the_den": _same(f"{day.year}1231", n),
        "ngay_mien_cct": pl.Series([None] * n, dtype=pl.Date),
        "ngay_mien_cct_precision": none,
        "ly_do_vv": names,
        "chan_doan_vao": names,
        "chan_doan_rv": names,
        "ma_benh_chinh": pl.Series(main, dtype=pl.String),
        "ma_benh_kt": pl.Series(
            rng.choice(np.array([None, "I10", "I10;E11.9"], dtype=object), n, p=[0.6, 0.25, 0.15]).tolist(),
            dtype=pl.String,
        ),
        "ma_doituong_kcb": _same("1.1", n),
        "ngay_vao": _minutes(arrival),
        "ngay_vao_noi_tru": _minutes(admitted),
        "ngay_ra": _minutes(end),
        "so_ngay_dtri": pl.Series(np.where(inpatient, stay + 1, 0)),
        "ket_qua_dtri": pl.Series(rng.choice(["1", "2", "3"], n)),
        "ma_loai_rv": _same("1", n),
        "ngay_ttoan": _minutes(end + 20),
        "t_thuoc": pl.Series(drugs),
        "t_vtyt": pl.Series(supplies),
        "t_tongchi_bv": pl.Series(insured + own),
        "t_tongchi_bh": pl.Series(insured),
        "t_bntt": pl.Series(own),
        "t_bncct": pl.Series(share),
        "t_bhtt": pl.Series(insured - share),
        "t_nguonkhac": _same(0, n),
        "t_bhtt_gdv": _same(0, n),
        "nam_qt": _same(day.year, n),
        "thang_qt": _same(day.month, n),
        "ma_loai_kcb": pl.Series(np.where(inpatient, "03", "01"), dtype=pl.String),
        "ma_khoa": pl.Series(rng.choice(["K01", "K03", "K07"], n)),
        "ma_cskcb": _same(facility, n),
        "can_nang": pl.Series(rng.integers(300, 900, n)).cast(pl.Decimal(6, 0)).cast(pl.Decimal(6, 2)) / 10,
        "nam_nam_lien_tuc": _same(date(2025, 1, 1), n),
        "nam_nam_lien_tuc_precision": _same("D", n),
        "ma_hsba": pl.select(pl.lit("HS") + serial).to_series(),
    }
    return pl.DataFrame(columns).with_columns(pl.col("can_nang").cast(pl.Decimal(6, 2)))


def correct(rng: np.random.Generator, rows: pl.DataFrame) -> pl.DataFrame:
    """The same visits with other amounts."""
    more = pl.Series(rng.integers(1, 50, rows.height) * 1000)
    return rows.with_columns(pl.col(name) + more for name in ("t_thuoc", "t_tongchi_bh", "t_tongchi_bv", "t_bhtt"))


def form(rng: np.random.Generator) -> Form:
    """XML, many claims a file."""
    dirt = Dirt(rng)

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        cells = {name: rows[name] for name in (f.lower() for f in FIELDS)}
        cells |= {
            name: rows[name].cast(pl.String)
            for name in (*_AMOUNTS, "stt", "so_ngay_dtri", "nam_qt", "thang_qt", "can_nang")
        }
        cells |= {name: rows[name].dt.strftime("%Y%m%d%H%M") for name in _MOMENTS}
        cells |= {name: dirt.partial_date(rows[name], rows[f"{name}_precision"], "compact") for name in _PARTIAL}
        cells |= {
            "ho_ten": dirt.name(rows["ho_ten"]),
            "so_cccd": dirt.personal_id(rows["so_cccd"]),
            "gioi_tinh": dirt.code(rows["gioi_tinh"], SEX, 0.05),
            "ma_dantoc": dirt.code(rows["ma_dantoc"], ETHNICITY, 0.05),
            "ma_quoctich": dirt.code(rows["ma_quoctich"], NATIONALITY, 0.05),
            "dien_thoai": dirt.phone(rows["dien_thoai"]),
            "ma_benh_chinh": dirt.icd10(rows["ma_benh_chinh"]),
        }
        return pl.DataFrame(cells)

    defects = (
        Defect("missing_required", "ho_ten", _RATE, lambda _: None),
        Defect("impossible_date", "ngay_vao", _RATE, lambda _: "202602310800"),
        Defect("short_personal_id", "so_cccd", _RATE, lambda v: str(v).replace(" ", "")[:11]),
        Defect("unknown_code", "gioi_tinh", _RATE, lambda _: "X"),
        Defect("unknown_ward", "maxa_cu_tru", _RATE, lambda _: "99999"),
        Defect("malformed_icd", "ma_benh_chinh", _RATE, lambda _: "viêm"),
        Defect("malformed_card", "ma_the_bhyt", _RATE, lambda v: str(v)[:12]),
        Defect("negative_amount", "t_thuoc", _RATE, lambda v: f"-{v}"),
        Defect("claim_does_not_add_up", "t_bhtt", _RATE, lambda v: str(int(str(v)) + 1)),
        Defect("left_before_arrival", "ngay_ra", _RATE, lambda _: "202001010800"),
        Defect("not_a_number", "t_vtyt", _RATE, lambda _: "abc"),
        Defect("malformed_phone", "dien_thoai", _RATE, lambda _: "khong co", effect="flagged"),
    )
    headers = {name.lower(): name for name in FIELDS}
    conflict = ("ma_khoa", "K99")
    return Form("xml", headers, render, defects, conflict, root="DANH_SACH_TONG_HOP", record="TONG_HOP")


def _same(value: object, n: int) -> pl.Series:
    return pl.select(pl.repeat(value, n)).to_series() if isinstance(value, str | int | date) else pl.Series([value] * n)


def _minutes(moments: np.ndarray) -> pl.Series:
    return pl.Series(moments.astype("datetime64[us]"))
