"""What is true of the questions in docs/questions-business-land.md: worked out from the truth of the tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import polars as pl

TODAY = date(2026, 4, 1)
WARD = ["ward", "ward_valid_from"]
Now = Callable[[str], pl.DataFrame]  # what holds of a table
Answer = Callable[[Now], pl.DataFrame]
c = pl.col


def _neither(now: Now) -> pl.DataFrame:
    old = now("business.enterprises").filter(c("status") == "HD", c("registered_on") <= TODAY - timedelta(days=180))
    for table, code in (("business.declarations", "tax_code"), ("people.contributions", "employer_tax_code")):
        old = old.join(now(table), left_on="enterprise_code", right_on=code, how="anti")
    return old.select("enterprise_code", "registered_on")


def _households(now: Now) -> pl.DataFrame:
    rows = now("business.households").filter(c("status") == "HD")
    known = c("household_code").is_in(now("business.taxpayers")["tax_code"].implode())
    return rows.group_by("main_industry", *WARD).agg(open=pl.len(), on_no_list=(~known).sum())


def _execution(now: Now) -> pl.DataFrame:
    given = now("business.budget_estimates").group_by("unit_code").agg(given=c("amount").sum())
    paid = now("business.budget_vouchers").filter(
        c("direction") == "C", c("project_code").is_null(), c("fiscal_year") == "2026"
    )
    spent = paid.group_by("unit_code", month=c("posted_on").dt.month_start()).agg(spent=c("amount").sum())
    percent = (100 * c("spent").cast(pl.Float64) / c("given")).round(3)
    return spent.join(given, on="unit_code").select("unit_code", "month", "spent", "given", percent=percent)


def _collected(now: Now) -> pl.DataFrame:
    rows = now("business.budget_vouchers")
    sums = {
        name: c("amount").filter(c("direction") == sign).sum() for name, sign in (("collected", "T"), ("spent", "C"))
    }
    return rows.group_by("chapter", month=c("posted_on").dt.month_start()).agg(**sums)


def _booked(now: Now) -> pl.DataFrame:
    declared = (
        now("business.declarations").group_by("sub_item").agg(declared=c("tax_due").sum(), paid=c("tax_paid").sum())
    )
    taxes = now("business.budget_vouchers").filter(c("collector").is_not_null())
    booked = taxes.group_by("sub_item").agg(booked=c("amount").sum())
    return declared.join(booked, on="sub_item", how="full", coalesce=True).with_columns(
        difference=c("booked") - c("paid")
    )


def _paid_nothing(now: Now) -> pl.DataFrame:
    rows = now("business.disbursements").filter(c("report_month") > date(2025, 12, 1))
    of = rows.group_by("project_code").agg(
        paid=(c("paid_month") > 0).sum(), why=c("obstacle").unique().sort().drop_nulls().str.join("; ")
    )
    return of.filter(c("paid") == 0).drop("paid")


def _left_over(now: Now) -> pl.DataFrame:
    rows = now("business.disbursements").filter(c("report_month") == date(2026, 3, 1))
    owners = now("business.projects").select("project_code", "owner_name")
    left = c("plan_council") + c("supplement") - c("paid_cumulative")
    return rows.join(owners, on="project_code").group_by("owner_name").agg(left_over=left.sum())


def _days_late(now: Now) -> pl.DataFrame:
    rows = now("business.projects").filter(c("due_on") < TODAY, c("completed_on").is_null())
    days = (TODAY - c("due_on")).dt.total_days().max()
    return rows.group_by("owner_name", "field").agg(projects=pl.len(), days_late=days)


def _above_permit(now: Now) -> pl.DataFrame:
    permits = now("land.permits").select("authority", "permit_no", permitted="floors", area="floor_area_m2")
    rows = now("land.works").join(permits, on=["authority", "permit_no"])
    is_more = (c("floors") > c("permitted")) | (c("floor_area_m2").cast(pl.Float64) > 1.05 * c("area").cast(pl.Float64))
    return rows.filter(is_more).select("work_code", "permitted", built="floors")


def _dusty(now: Now) -> pl.DataFrame:
    hours = now("land.measurements").filter(
        c("parameter") == "PM2.5", c("averaging") == "1h", c("measure_status") == "00",
        c("valid_minutes").fill_null(60) >= 45, c("measured_value").is_not_null(),
    )  # fmt: skip
    days = hours.group_by("station_code", day=c("measured_at").dt.date()).agg(
        mean=c("measured_value").cast(pl.Float64).mean(), hours=pl.len()
    )
    days = days.filter(c("hours") >= 18)
    return days.group_by("station_code", year=c("day").dt.year()).agg(days=pl.len(), above=(c("mean") > 45).sum())


def _blind(now: Now) -> pl.DataFrame:
    hours = now("land.measurements").filter(c("averaging") == "1h", c("measure_status") == "00")
    of = hours.group_by("station_code", "parameter", day=c("measured_at").dt.date())
    return of.agg(hours=c("measured_value").is_not_null().sum()).filter(c("hours") < 18)


def _late_roads(now: Now) -> pl.DataFrame:
    rows = now("land.road_works").with_columns(days=(c("restored_on") - c("to_date")).dt.total_days())
    return rows.filter(c("days") > 10).group_by("owner_name").agg(works=pl.len(), days=c("days").max())


def _secured(now: Now) -> pl.DataFrame:
    rows = now("governance.databases").filter(c("tier") == "TP", c("status") == "HD")
    here = c("hosting_place").fill_null("") == "TTDL_TP"
    is_tried = c("restore_tested_on") > TODAY - timedelta(days=366)
    secured = here & (c("security_level") >= "3") & c("level_decision").is_not_null() & is_tried
    return rows.group_by("owner_code").agg(databases=pl.len(), in_the_center=here.sum(), and_secured=secured.sum())


def _in_use(now: Now) -> pl.DataFrame:
    rows = now("governance.initiatives")
    agencies = pl.concat([now("governance.databases")["owner_code"], rows["agency_code"]]).n_unique()
    with_one = rows.filter(c("in_use_on").dt.year() == 2026)["agency_code"].n_unique()
    return pl.DataFrame({"with_one": [with_one], "agencies": [agencies], "percent": [100 * with_one / agencies]})


ANSWERS: dict[str, Answer] = {
    "Enterprises of half a year or more that neither declare tax nor insure anybody": _neither,
    "Open household businesses by trade and ward, and how many of them are on no tax list": _households,
    "What units have spent of what they were given, in percent, by month": _execution,
    "Units that ask for supplements, in how many years and how often": lambda now: (
        now("business.budget_estimates").filter(c("estimate_kind") == "BS").group_by("unit_code")
        .agg(years=c("fiscal_year").n_unique(), lines=pl.len(), added=c("amount").sum())
    ),
    "Collected and spent by month and chapter": _collected,
    "Tax declared, tax paid by the declarations, and tax booked by the treasury, by sub-item": _booked,
    "Projects that paid nothing for three months, and why": _paid_nothing,
    "Money of the year's plan that is not paid yet, by owner": _left_over,
    "Projects past their day, by owner and field": _days_late,
    "Works that are more than their permit": _above_permit,
    "Days above the limit of fine dust in force on that day, by station": _dusty,
    "Stations that were blind: less than three quarters of a day's hours": _blind,
    "Stations past their calibration": lambda now: (
        now("land.monitoring_stations").filter(c("calibration_due") < TODAY)
        .select("station_code", "calibration_due", days=(TODAY - c("calibration_due")).dt.total_days())
    ),
    "Trucks of more than twenty years": lambda now: (
        now("people.vehicles").filter(c("vehicle_type") == "OTO_TAI", c("made_in_year") < 2006)
        .group_by("made_in_year").agg(trucks=pl.len())
    ),
    "Cars with an inspection that is overdue, by ward": lambda now: (
        now("people.vehicles").filter(c("inspection_due") < TODAY).group_by(WARD).agg(cars=pl.len())
    ),
    "Licences that expire in the next quarter, by class": lambda now: (
        now("people.licences").filter(c("expires_on").is_between(TODAY, date(2026, 6, 30)))
        .group_by("licence_class").agg(licences=pl.len())
    ),
    "Points lost, by class": lambda now: (
        now("people.licences").group_by("licence_class")
        .agg(holders=(c("points_left") < 12).sum(), points=(12 - c("points_left")).sum())
    ),
    "Roads made whole more than ten days late, by owner": _late_roads,
    "Databases of the city in its data center and secured, by agency": _secured,
    "Databases that give the warehouse nothing, by owner": lambda now: (
        now("governance.databases").filter(c("has_contract") == "0").group_by("owner_code").agg(databases=pl.len())
    ),
    "Agencies with an initiative in use this year, of all that own a database or have registered one": _in_use,
}  # fmt: skip
