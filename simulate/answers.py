"""What is true of the questions that the city asks about its people: counted from the truth of the tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import polars as pl

from simulate.marts import Told, coverage_ward_quarter, years

_WARD = ["ward", "ward_valid_from"]
_DAY, _LAST_DAY, _MONTH = date(2026, 3, 31), date(2026, 4, 4), date(2026, 3, 1)
_HYPERTENSION = "I1[0-5]"


def _residents(told: Told, day: date | None = None, age_on: date = _DAY) -> pl.DataFrame:
    """Each resident once, with the age on a day."""
    rows = told.now("residents") if day is None else told.on("residents", day)
    rows = rows.filter(pl.col("residence_kind").is_in(["TT", "TTR"])).sort("residence_kind", descending=True)
    return rows.unique("personal_id", keep="first", maintain_order=True).with_columns(
        age=years("birth_date", pl.lit(age_on))
    )


def _count(rows: pl.DataFrame, *by: str, name: str) -> pl.DataFrame:
    return rows.group_by(*by).agg(pl.len().alias(name))


def _share(part: str, whole: str, of: int, name: str) -> pl.Expr:
    return (pl.col(part) * of / pl.when(pl.col(whole) > 0).then(whole)).alias(name)


def _both(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Two counts by ward beside each other."""
    both = one.join(other, on=_WARD, how="full", coalesce=True)
    return both.with_columns(pl.col(pl.UInt32, pl.Int64).fill_null(0))


def _residents_1(told: Told) -> pl.DataFrame:
    age = pl.col("age")
    band = (
        pl.when(age < 6)
        .then(pl.lit("00-05"))
        .when(age < 15)
        .then(pl.lit("06-14"))
        .when(age < 60)
        .then(pl.lit("15-59"))
        .when(age < 75)
        .then(pl.lit("60-74"))
        .otherwise(pl.lit("75+"))
    )
    rows = _residents(told, _DAY).with_columns(age_band=band)
    return _count(rows, *_WARD, "residence_kind", "age_band", name="persons")


def _residents_2(told: Told) -> pl.DataFrame:
    now, then = pl.col("age").is_between(6, 14), pl.col("age").is_between(3, 11)
    rows = _residents(told).group_by(_WARD).agg(children_now=now.sum(), children_then=then.sum())
    return rows.with_columns(gain=pl.col("children_then").cast(pl.Int64) - pl.col("children_now").cast(pl.Int64))


def _covered(told: Told) -> pl.DataFrame:
    rows = coverage_ward_quarter(told)
    return rows.filter(pl.col("quarter") == date(2026, 1, 1), pl.col("residents") > 0)


def _residents_3(told: Told) -> pl.DataFrame:
    rows = _covered(told).with_columns(uninsured=pl.col("residents") - pl.col("insured"))
    return rows.select(*_WARD, "residents", "uninsured", _share("uninsured", "residents", 100, "uninsured_percent"))


def _records_1(told: Told) -> pl.DataFrame:
    return _covered(told).select(
        *_WARD, "residents", "with_record", _share("with_record", "residents", 100, "with_record_percent")
    )


def _records_2(told: Told) -> pl.DataFrame:
    says = pl.any_horizontal(
        pl.col("chronic_conditions").str.contains(_HYPERTENSION).fill_null(False),
        (pl.col("systolic") >= 140).fill_null(False),
        (pl.col("diastolic") >= 90).fill_null(False),
    )
    ill = told.now("health_records").filter(says).select("personal_id")
    visits = told.now("visits").filter(
        pl.concat_str("ma_benh_chinh", "ma_benh_kt", separator=";", ignore_nulls=True).str.contains(_HYPERTENSION)
    )
    cared = visits["so_cccd"].drop_nulls().unique().to_list()
    rows = _residents(told).join(ill, on="personal_id", how="semi").with_columns(is_60=pl.col("age") >= 60)
    return rows.group_by(*_WARD, "is_60").agg(found=pl.len(), under_care=pl.col("personal_id").is_in(cared).sum())


def _records_3(told: Told) -> pl.DataFrame:
    pupils = told.now("pupils").filter(pl.col("status") == "1").select("school_code", "personal_id").unique()
    records = told.now("health_records").select("personal_id", "vaccine_doses", has_one=pl.lit(True))
    return (
        pupils.join(records, on="personal_id", how="left")
        .group_by("school_code")
        .agg(
            pupils=pl.len(),
            with_record=pl.col("has_one").fill_null(False).sum(),
            with_doses=pl.col("vaccine_doses").is_not_null().sum(),
        )
    )


def _schools_1(told: Told) -> pl.DataFrame:
    schools = told.now("schools").filter(pl.col("level") == "TH", pl.col("status") == "1")
    places = schools.group_by(_WARD).agg(places=pl.col("classes").sum() * 35)
    return _both(_count(_residents(told).filter(pl.col("age").is_between(3, 7)), *_WARD, name="children"), places)


def _schools_2(told: Told) -> pl.DataFrame:
    rows = told.now("schools").filter(pl.col("status") == "1", pl.col("classes") > 0)
    return rows.select("school_code", "level", "pupils", "classes", is_over=pl.col("pupils") > 45 * pl.col("classes"))


def _attending(told: Told) -> pl.DataFrame:
    return told.now("pupils").filter(pl.col("status") == "1")


def _pupils_1(told: Told) -> pl.DataFrame:
    children = _residents(told).filter(pl.col("birth_date").dt.year() == 2020)
    schools = told.now("schools").select("school_code", school="ward", school_from="ward_valid_from")
    first = _attending(told).filter(pl.col("grade") == "01").join(schools, on="school_code")
    first = first.with_columns(ward="school", ward_valid_from="school_from")
    return _both(_count(children, *_WARD, name="children"), _count(first, *_WARD, name="places"))


def _pupils_2(told: Told) -> pl.DataFrame:
    was, now = (
        told.on("pupils", day).filter(pl.col("status") == "1").select("pupil_code", "school_code")
        for day in (date(2026, 2, 28), _DAY)
    )
    rows = was.join(now.rename({"school_code": "now_at"}), on="pupil_code", how="left")
    rows = rows.filter(pl.col("now_at").ne_missing(pl.col("school_code"))).rename({"school_code": "left_school"})
    return _count(rows.with_columns(gone=pl.col("now_at").is_null()), "left_school", "now_at", "gone", name="pupils")


def _pupils_3(told: Told) -> pl.DataFrame:
    schools = told.now("schools").select("school_code", "level", school="ward", school_from="ward_valid_from")
    at_home = (pl.col("ward") == pl.col("school")) & (pl.col("ward_valid_from") == pl.col("school_from"))
    rows = _attending(told).join(schools, on="school_code")
    return rows.group_by("level").agg(pupils=pl.len(), in_home_ward=at_home.fill_null(False).sum())


def _assistance_1(told: Told) -> pl.DataFrame:
    rows = told.now("assistance").filter(
        pl.col("from_month") <= _MONTH, (pl.col("until_month") > _MONTH).fill_null(True)
    )
    return (
        rows.group_by(*_WARD, "group_code")
        .agg(persons=pl.col("personal_id").n_unique(), amount=pl.col("monthly_amount").sum())
        .with_columns(month=pl.lit(_MONTH))
    )


def _pensions(told: Told) -> pl.DataFrame:
    return told.now("benefits").filter(pl.col("regime") == "HT")


def _assistance_2(told: Told) -> pl.DataFrame:
    running = told.now("assistance").filter(pl.col("until_month").is_null())["personal_id"]
    paid = _pensions(told).filter(pl.col("line_kind") == "HT", pl.col("pay_month") == _MONTH)["personal_id"]
    has_one = pl.col("personal_id").is_in(pl.concat([running, paid]).drop_nulls().unique().to_list())
    rows = _residents(told).filter(pl.col("age") >= 75)
    return rows.group_by(_WARD).agg(aged_75=pl.len(), with_nothing=(~has_one).sum())


def _deaths(told: Told) -> pl.DataFrame:
    return told.now("deaths").group_by("personal_id").agg(died_on=pl.col("death_at").min().dt.date())


def _assistance_3(told: Told) -> pl.DataFrame:
    rows = told.now("assistance").join(_deaths(told), on="personal_id")
    cases = months = amount = 0
    for case in rows.iter_rows(named=True):
        first = max((case["died_on"].replace(day=1) + timedelta(days=32)).replace(day=1), case["from_month"])
        end = case["until_month"] or date(2026, 5, 1)
        paid = (end.year - first.year) * 12 + end.month - first.month
        if paid > 0:
            cases, months, amount = cases + 1, months + paid, amount + paid * int(case["monthly_amount"])
    return pl.DataFrame({"cases": [cases], "months": [months], "amount": [amount]})


def _valid_cards(told: Told) -> pl.DataFrame:
    until = pl.col("card_until")
    return told.now("health_membership").filter(pl.col("card_from") <= _LAST_DAY, (until >= _LAST_DAY).fill_null(True))


def _membership_1(told: Told) -> pl.DataFrame:
    cards = _valid_cards(told).group_by("personal_id").agg(pl.col("object_code").min())
    rows = _residents(told, age_on=_LAST_DAY).join(cards, on="personal_id", how="left")
    return _count(rows.with_columns(is_child=pl.col("age") < 18), *_WARD, "is_child", "object_code", name="persons")


def _membership_2(told: Told) -> pl.DataFrame:
    cards = told.now("health_membership")
    ended = cards.filter(pl.col("object_code") == "DN", pl.col("card_until").is_between(_MONTH, _LAST_DAY))
    ended = ended.join(_deaths(told), on="personal_id", how="anti").select("personal_id", "card_no", "card_until")
    later = cards.select("personal_id", next="card_no", starts="card_from", ends="card_until")
    follows = (
        ended.join(later, on="personal_id")
        .filter(
            pl.col("next") != pl.col("card_no"),
            pl.col("starts") <= pl.col("card_until") + timedelta(days=1),
            (pl.col("ends") > pl.col("card_until")).fill_null(True),
        )
        .select("card_no", "card_until")
        .unique()
    )
    return pl.DataFrame({"ended": [ended.height], "covered_again": [follows.height]})


def _membership_3(told: Told) -> pl.DataFrame:
    return (
        _valid_cards(told)
        .filter(pl.col("paid_by") == "NS")
        .group_by("object_code")
        .agg(cards=pl.len(), persons=pl.col("personal_id").n_unique(), with_amount=pl.col("contribution").count())
    )


def _paid(told: Told) -> pl.DataFrame:
    return told.now("contributions").filter(pl.col("entry_kind") == "BT")


def _contributions_1(told: Told) -> pl.DataFrame:
    trades = told.now("business.taxpayers").select("tax_code", division=pl.col("vsic_code").str.slice(0, 2))
    rows = _paid(told).join(trades, left_on="employer_tax_code", right_on="tax_code", how="left")
    by = ["contribution_month", "division", "employer_ward", "employer_ward_valid_from"]
    return rows.group_by(by).agg(workers=pl.col("personal_id").n_unique())


def _contributions_2(told: Told) -> pl.DataFrame:
    owed = _paid(told).filter(pl.col("paid") == "0").group_by("employer_code")
    owed_ = owed.agg(months_owed=pl.col("contribution_month").n_unique(), workers=pl.col("personal_id").n_unique())
    return owed_.group_by("months_owed").agg(employers=pl.len(), workers=pl.col("workers").sum())


def _contributions_3(told: Told) -> pl.DataFrame:
    at_floor = (pl.col("wage_base") <= 5_310_000).sum()
    rows = _paid(told).group_by("contribution_month").agg(workers=pl.len(), at_floor=at_floor)
    return rows.with_columns(_share("at_floor", "workers", 100, "percent"))


def _benefits_1(told: Told) -> pl.DataFrame:
    rows = _pensions(told).filter(pl.col("line_kind") == "HT", pl.col("pay_month") == _MONTH)
    return rows.group_by(_WARD).agg(
        pensioners=pl.col("case_no").n_unique(), mean_amount=pl.col("amount").cast(pl.Float64).mean()
    )


def _benefits_2(told: Told) -> pl.DataFrame:
    rows = _pensions(told).join(_deaths(told), on="personal_id").filter(pl.col("pay_month") > pl.col("died_on"))
    paid, back = (rows.filter(pl.col("line_kind") == kind)["amount"] for kind in ("HT", "TH"))
    return pl.DataFrame({"paid_lines": [paid.len()], "paid": [int(paid.sum())], "recovered": [-int(back.sum())]})


def _benefits_3(told: Told) -> pl.DataFrame:
    insured = _paid(told)["personal_id"].unique().to_list()
    births = told.now("births").filter(
        pl.col("mother_id").is_in(insured), pl.col("registration_date") >= date(2026, 1, 1)
    )
    births = births.group_by(month=pl.col("registration_date").dt.month_start()).agg(births=pl.len())
    lines = told.now("benefits").filter(pl.col("regime") == "TS").group_by(month="pay_month")
    both = births.join(lines.agg(maternity_lines=pl.len()), on="month", how="full", coalesce=True)
    return both.with_columns(pl.col("births", "maternity_lines").fill_null(0))


def _violations_1(told: Told) -> pl.DataFrame:
    decided = told.now("violations").filter(pl.col("violation_field") == "XD", pl.col("enforcement_state") != "HB")
    decided = decided.with_columns(ward="violation_ward", ward_valid_from="violation_ward_valid_from")
    permits = told.now("land.permits").with_columns(ward="parcel_ward", ward_valid_from="parcel_ward_valid_from")
    rows = _both(_count(decided, *_WARD, name="decisions"), _count(permits, *_WARD, name="permits"))
    return rows.with_columns(_share("decisions", "permits", 1000, "per_thousand"))


def _violations_2(told: Told) -> pl.DataFrame:
    fine, state = pl.col("fine"), pl.col("enforcement_state")
    return (
        told.now("violations")
        .group_by("violation_field")
        .agg(
            decisions=pl.len(),
            decided=fine.sum(),
            paid=fine.filter(state == "TH").sum(),
            written_off=fine.filter(state.is_in(["HB", "KTC"])).sum(),
        )
    )


def _violations_3(told: Told) -> pl.DataFrame:
    rows = told.now("violations").filter(pl.col("violation_field") == "MT", pl.col("offender_kind") == "T")
    return _count(_count(rows, "tax_code", name="sanctions"), "sanctions", name="enterprises")


# By the heading of the page; a percentage is not rounded.
ANSWERS: dict[str, Callable[[Told], pl.DataFrame]] = {
    "Residents 1": _residents_1,
    "Residents 2": _residents_2,
    "Residents 3": _residents_3,
    "Records 1": _records_1,
    "Records 2": _records_2,
    "Records 3": _records_3,
    "Schools 1": _schools_1,
    "Schools 2": _schools_2,
    "Pupils 1": _pupils_1,
    "Pupils 2": _pupils_2,
    "Pupils 3": _pupils_3,
    "Assistance 1": _assistance_1,
    "Assistance 2": _assistance_2,
    "Assistance 3": _assistance_3,
    "Membership 1": _membership_1,
    "Membership 2": _membership_2,
    "Membership 3": _membership_3,
    "Contributions 1": _contributions_1,
    "Contributions 2": _contributions_2,
    "Contributions 3": _contributions_3,
    "Benefits 1": _benefits_1,
    "Benefits 2": _benefits_2,
    "Benefits 3": _benefits_3,
    "Violations 1": _violations_1,
    "Violations 2": _violations_2,
    "Violations 3": _violations_3,
}
