"""Civil registry: births, deaths and marriages."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from simulate.delivery import SEQUENCE, Defect, Form
from simulate.dirt import CHANGE as CHANGE_WORDS
from simulate.dirt import ETHNICITY, NATIONALITY, SEX, Dirt
from simulate.people import OLD_FROM, REFORM, names, personal_ids, wards
from simulate.truth import CHANGE

_CAUSES = ["I21.9", "I64", "J18.9", "C34.9", "E11.9", "N18.9", "R54"]
_RATE = 0.004  # of each kind of defect, a row


def registrations(rng: np.random.Generator, n: int, day: date, first: int) -> pl.DataFrame:
    """The part that all registrations share: number, book, ward and day.

    Most are of `day`; some are entered late: of early 2025, when other wards existed, and a few of 2024, whose
    units the warehouse cannot tell.
    """
    new, old = wards()
    kind = rng.choice(3, n, p=[0.9, 0.07, 0.03])
    days = np.full(n, np.datetime64(day))
    days[kind == 1] = np.datetime64("2025-01-02") + rng.integers(0, 170, (kind == 1).sum())
    days[kind == 2] = np.datetime64("2024-02-01") + rng.integers(0, 300, (kind == 2).sum())
    code = np.where(kind == 0, rng.choice(new["code"].to_numpy(), n), rng.choice(old["code"].to_numpy(), n))
    year = days.astype("datetime64[Y]").astype(int) + 1970
    number = pl.Series(np.arange(first, first + n))
    return pl.DataFrame(
        {
            "record_no": pl.select(number.cast(pl.String) + "/" + pl.Series(year).cast(pl.String)).to_series(),
            "book_no": "01/" + pl.Series(year).cast(pl.String),
            "registration_ward": pl.Series(code, dtype=pl.String),
            "registration_ward_valid_from": pl.Series(
                np.where(kind == 0, np.datetime64(REFORM), np.datetime64(OLD_FROM))
            ),
            "registration_ward_status": pl.Series(
                np.array(["exact", "exact", "ambiguous"], dtype=object)[kind], dtype=pl.String
            ),
            "registration_date": pl.Series(days),
        }
    ).with_columns(pl.col("registration_date", "registration_ward_valid_from").cast(pl.Date))


def births(rng: np.random.Generator, people: pl.DataFrame, n: int, day: date, first: int) -> pl.DataFrame:
    """`n` new births on a day, of mothers and fathers among the people."""
    adult = people.filter(pl.col("birth").is_between(date(day.year - 45, 1, 1), date(day.year - 20, 1, 1)))
    mothers = _draw(rng, adult.filter(pl.col("sex") == "2"), n)
    fathers = _draw(rng, adult.filter(pl.col("sex") == "1"), n)
    sex = rng.choice(np.array(["1", "2"], dtype=object), n)
    reg = registrations(rng, n, day, first)
    born = reg.select(
        pl.col("registration_date") - pl.duration(days=pl.lit(pl.Series("d", rng.integers(1, 30, n))))
    ).to_series()
    surname = fathers["name"].str.split(" ").list.first().to_numpy()
    pid = personal_ids(rng, sex, born.dt.year().to_numpy(), people.height + first)
    has_pid = rng.random(n) < 0.8
    home, ward, start, status = _hometowns(rng, n, reg["registration_date"])
    return reg.with_columns(
        pl.Series("page_no", rng.integers(1, 200, n)),
        pl.Series("full_name", names(rng, sex, surname), dtype=pl.String),
        born.alias("birth_date"),
        pl.lit("D").alias("birth_date_precision"),
        pl.Series("sex", sex, dtype=pl.String),
        fathers["ethnicity"],
        pl.lit("000").alias("nationality"),
        pl.lit("Bệnh viện Từ Dũ").alias("birth_place"),
        home.alias("hometown"),
        ward.alias("hometown_ward"),
        start.alias("hometown_ward_valid_from"),
        status.alias("hometown_ward_status"),
        pl.Series("personal_id", [i if has else None for i, has in zip(pid, has_pid, strict=True)], dtype=pl.String),
        mothers["name"].alias("mother_name"),
        mothers["pid"].alias("mother_id"),
        fathers["name"].alias("father_name"),
        fathers["pid"].alias("father_id"),
        pl.Series("registration_kind", rng.choice(["1", "2", "3"], n, p=[0.9, 0.08, 0.02])),
    )


def _hometowns(
    rng: np.random.Generator, n: int, period: pl.Series
) -> tuple[pl.Series, pl.Series, pl.Series, pl.Series]:
    """Home towns as written, and the ward that can be told from each: text, code, valid_from, status."""
    new, old = wards()
    rows: list[tuple[str, str | None, date | None, str]] = []
    for day, kind, a, b in zip(
        period,
        rng.choice(5, n, p=[0.5, 0.2, 0.1, 0.1, 0.1]),
        rng.integers(0, new.height, n),
        rng.integers(0, old.height, n),
        strict=True,
    ):
        name, (code, old_name, district) = new.row(a)[1], old.row(b)
        if kind == 0 and day >= REFORM:
            rows.append((f"{name}, Thành phố Hồ Chí Minh", new.row(a)[0], REFORM, "exact"))
        elif kind == 1:
            rows.append((f"{old_name}, {district}, TP. Hồ Chí Minh", code, OLD_FROM, "exact"))
        elif kind == 2:
            short = old_name.replace("Phường ", "P. ").replace("Thị trấn ", "TT. ").replace("Xã ", "X. ")
            short += ", " + district.replace("Quận ", "Q. ").replace("Huyện ", "H. ").replace("Thành phố ", "TP. ")
            rows.append((f"{short}, TP.HCM", code, OLD_FROM, "exact"))
        elif kind == 3 and day < REFORM:
            rows.append(("Phường 14, Thành phố Hồ Chí Minh", None, None, "ambiguous"))
        else:
            rows.append(("Xã Nghĩa Đô, Huyện Bảo Yên, Tỉnh Lào Cai", None, None, "unknown"))
    text, ward, start, status = zip(*rows, strict=True) if rows else ((), (), (), ())
    return (
        pl.Series(text, dtype=pl.String),
        pl.Series(ward, dtype=pl.String),
        pl.Series(start, dtype=pl.Date),
        pl.Series(status, dtype=pl.String),
    )


def deaths(rng: np.random.Generator, dying: pl.DataFrame, day: date, first: int) -> pl.DataFrame:
    """Deaths of given people, registered on a day."""
    n = dying.height
    reg = registrations(rng, n, day, first)
    hours = pl.lit(pl.Series("h", rng.integers(1, 48, n)))
    return reg.with_columns(
        dying["name"].alias("full_name"),
        dying["birth"].alias("birth_date"),
        dying["birth_precision"].alias("birth_date_precision"),
        dying["sex"],
        dying["ethnicity"],
        pl.lit("000").alias("nationality"),
        dying["pid"].alias("personal_id"),
        (pl.col("registration_date").cast(pl.Datetime("us")) - pl.duration(hours=hours)).alias("death_at"),
        pl.lit("Bệnh viện Chợ Rẫy").alias("death_place"),
        pl.Series("cause", rng.choice(_CAUSES, n)),
        pl.Series("paper_kind", rng.choice(["0", "1", "2", "5"], n, p=[0.1, 0.7, 0.1, 0.1])),
    ).sort("registration_ward", "record_no")


def marriages(rng: np.random.Generator, people: pl.DataFrame, n: int, day: date, first: int) -> pl.DataFrame:
    """`n` marriages registered on a day."""
    adult = people.filter(pl.col("birth").is_between(date(day.year - 50, 1, 1), date(day.year - 22, 1, 1)))
    made = registrations(rng, n, day, first)
    for role, sex in (("husband", "1"), ("wife", "2")):
        who = _draw(rng, adult.filter(pl.col("sex") == sex), n)
        made = made.with_columns(
            who["name"].alias(f"{role}_name"),
            who["birth"].alias(f"{role}_birth_date"),
            who["birth_precision"].alias(f"{role}_birth_date_precision"),
            who["ethnicity"].alias(f"{role}_ethnicity"),
            pl.lit("000").alias(f"{role}_nationality"),
            who["pid"].alias(f"{role}_id"),
        )
    return made.with_columns(
        pl.Series("marriage_kind", rng.choice(["1", "2"], n, p=[0.85, 0.15])), pl.lit("1").alias("status")
    )


def _draw(rng: np.random.Generator, people: pl.DataFrame, n: int) -> pl.DataFrame:
    return people[rng.integers(0, people.height, n)]


def _registration(rows: pl.DataFrame, dirt: Dirt) -> list[pl.Series]:
    return [
        dirt.code(rows[CHANGE], CHANGE_WORDS).alias("change_type"),
        rows[SEQUENCE].dt.strftime("%d/%m/%Y %H:%M:%S").alias("changed_at"),
        rows["record_no"],
        rows["book_no"],
        rows["registration_ward"],
        rows["registration_date"].dt.strftime("%d/%m/%Y").alias("registration_date"),
    ]


_COMMON = (
    Defect("missing_required", "record_no", _RATE, lambda _: None),
    Defect("impossible_date", "registration_date", _RATE, lambda _: "31/02/2026"),
    Defect("unknown_ward", "registration_ward", _RATE, lambda _: "99999"),
    Defect("malformed_record_no", "record_no", _RATE, lambda _: "so 12"),
)
_LINES = (
    Defect("too_many_cells", None, _RATE),
    Defect("too_few_cells", None, _RATE),
    Defect("unclosed_quote", None, _RATE),
)
_HEADERS = {
    "change_type": "loai_thay_doi", "changed_at": "thoi_diem", "record_no": "so", "book_no": "quyen_so",
}  # fmt: skip


def births_form(rng: np.random.Generator) -> Form:
    """CSV in UTF-8 with a byte order mark."""
    dirt = Dirt(rng)

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame(
            [
                *_registration(rows, dirt),
                rows["page_no"].cast(pl.String),
                dirt.name(rows["full_name"]),
                dirt.partial_date(rows["birth_date"], rows["birth_date_precision"], "form"),
                dirt.code(rows["sex"], SEX),
                dirt.code(rows["ethnicity"], ETHNICITY),
                dirt.code(rows["nationality"], NATIONALITY),
                rows["birth_place"],
                rows["hometown"],
                dirt.personal_id(rows["personal_id"]),
                dirt.name(rows["mother_name"]),
                dirt.personal_id(rows["mother_id"]),
                dirt.name(rows["father_name"]),
                dirt.personal_id(rows["father_id"]),
                rows["registration_kind"],
            ]
        )

    headers = {
        **_HEADERS, "page_no": "trang_so", "registration_ward": "noi_dang_ky", "registration_date": "ngay_dang_ky",
        "full_name": "ho_ten", "birth_date": "ngay_sinh", "sex": "gioi_tinh", "ethnicity": "dan_toc",
        "nationality": "quoc_tich",
        "birth_place": "noi_sinh", "hometown": "que_quan", "personal_id": "so_dinh_danh", "mother_name": "ho_ten_me",
        "mother_id": "so_dinh_danh_me", "father_name": "ho_ten_cha", "father_id": "so_dinh_danh_cha",
        "registration_kind": "loai_dang_ky",
    }  # fmt: skip
    own = (
        Defect("short_personal_id", "mother_id", _RATE, lambda v: str(v).replace(" ", "")[:11]),
        Defect("unknown_code", "sex", _RATE, lambda _: "X"),
        Defect("impossible_birth_date", "birth_date", _RATE, lambda _: "30/02/2026"),
        Defect("digit_in_name", "full_name", _RATE, lambda v: f"{v} 2"),
        Defect("not_a_number", "page_no", _RATE, lambda _: "abc"),
    )
    return Form("csv", headers, render, (*_COMMON, *_LINES, *own), encoding="utf-8-sig")


def deaths_form(rng: np.random.Generator) -> Form:
    """The office's Excel sheet."""
    dirt = Dirt(rng)

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame(
            [
                *_registration(rows, dirt),
                dirt.name(rows["full_name"]),
                dirt.partial_date(rows["birth_date"], rows["birth_date_precision"], "form"),
                dirt.code(rows["sex"], SEX),
                dirt.code(rows["ethnicity"], ETHNICITY),
                dirt.code(rows["nationality"], NATIONALITY),
                dirt.personal_id(rows["personal_id"]),
                rows["death_at"].dt.strftime("%d/%m/%Y %H:%M:%S"),
                rows["death_place"],
                dirt.icd10(rows["cause"]),
                rows["paper_kind"],
            ]
        )

    headers = {
        "change_type": "Loại thay đổi", "changed_at": "Thời điểm", "record_no": "Số", "book_no": "Quyển số",
        "registration_ward": "Nơi đăng ký", "registration_date": "Ngày đăng ký", "full_name": "Họ và tên",
        "birth_date": "Ngày sinh",
        "sex": "Giới tính", "ethnicity": "Dân tộc", "nationality": "Quốc tịch", "personal_id": "Số định danh",
        "death_at": "Thời điểm chết", "death_place": "Nơi chết", "cause": "Nguyên nhân (ICD-10)",
        "paper_kind": "Loại giấy tờ",
    }  # fmt: skip
    own = (
        Defect("malformed_icd", "cause", _RATE, lambda _: "đau tim"),
        Defect("registered_before_death", "registration_date", _RATE, lambda _: "01/01/2020"),
        Defect("unknown_code", "paper_kind", _RATE, lambda _: "9"),
    )
    common = tuple(d for d in _COMMON if d.kind != "unknown_ward")  # its cell may be merged with others
    titles = ("SỞ TƯ PHÁP THÀNH PHỐ HỒ CHÍ MINH", "DANH SÁCH ĐĂNG KÝ KHAI TỬ", "(kèm theo công văn)")
    return Form("xlsx", headers, render, (*common, *own), titles=titles, merged="registration_ward")


def marriages_form(rng: np.random.Generator) -> Form:
    """CSV in TCVN3, from software of the last century."""
    dirt = Dirt(rng)

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        spouses = []
        for role in ("husband", "wife"):
            spouses += [
                dirt.name(rows[f"{role}_name"], unicode_forms=False),
                dirt.partial_date(rows[f"{role}_birth_date"], rows[f"{role}_birth_date_precision"], "form"),
                rows[f"{role}_ethnicity"],
                rows[f"{role}_nationality"],
                dirt.personal_id(rows[f"{role}_id"]),
            ]
        return pl.DataFrame([*_registration(rows, dirt), *spouses, rows["marriage_kind"], rows["status"]])

    headers = {**_HEADERS, "registration_ward": "noi_dang_ky", "registration_date": "ngay_dang_ky"}
    for role, suffix in (("husband", "chong"), ("wife", "vo")):
        headers |= {
            f"{role}_name": f"ho_ten_{suffix}", f"{role}_birth_date": f"ngay_sinh_{suffix}",
            f"{role}_ethnicity": f"dan_toc_{suffix}", f"{role}_nationality": f"quoc_tich_{suffix}",
            f"{role}_id": f"so_dinh_danh_{suffix}",
        }  # fmt: skip
    headers |= {"marriage_kind": "loai_ket_hon", "status": "tinh_trang"}
    own = (
        Defect("unknown_code", "status", _RATE, lambda _: "7"),
        Defect("missing_name", "wife_name", _RATE, lambda _: None),
    )
    return Form("csv", headers, render, (*_COMMON, *_LINES, *own), encoding="tcvn3")
