"""What is true of the questions in docs/questions-business-land.md: worked out from the truth of the tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
import shapely

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


def _zoned(now: Now) -> pl.DataFrame:
    """Parcels beside the zones in which their middle lies."""
    shapes: Any = shapely
    parcels, zones = now("land.parcels"), now("land.zones")
    left, bottom, right, top = shapes.bounds(shapes.from_wkt(parcels["geometry"].to_numpy())).T
    middles = shapes.points((left + right) / 2, (bottom + top) / 2)
    at, zone = shapes.STRtree(shapes.from_wkt(zones["geometry"].to_numpy())).query(middles, predicate="covered_by")
    of = zones[zone].select("plan_record", "object_code", "land_function", "max_floors", "max_density")
    found: pl.DataFrame = parcels[at].select(*WARD, "sheet_no", "parcel_no").hstack(of)
    return found


def _businesses_by_plan(now: Now, table: str, name: str, percent: str, is_meant: pl.Expr) -> pl.DataFrame:
    """Those that run, by ward, beside the share of the ward's parcels in zones that are meant for something."""
    planned = _zoned(now).group_by(WARD).agg(parcels=pl.len(), meant=is_meant.fill_null(False).sum())
    rows = now(table).filter(c("status") == "HD").group_by(WARD).agg(pl.len().alias(name)).join(planned, on=WARD)
    return rows.select(*WARD, name, "parcels", (100 * c("meant") / c("parcels")).round(1).alias(percent))


def _unplanned(now: Now) -> pl.DataFrame:
    needs = {"071": "GD", "072": "GD", "073": "GD", "074": "GD", "132": "YT", "161": "VH", "292": "GT", "311": "HTKT"}
    there = _zoned(now).filter(c("ward_valid_from") >= date(2025, 7, 1))
    rows = now("business.projects").filter(c("status").is_in(["CT", "CB", "TH"]), c("field").is_in(list(needs)))
    rows = rows.select("project_code", "field", land_function=c("field").replace(needs), ward=c("wards").str.split(";"))
    rows = rows.explode("ward").with_columns(c("ward").str.strip_chars()).join(there, on="ward", how="semi")
    return rows.join(there, on=["ward", "land_function"], how="anti")


def _far_from_air(now: Now) -> pl.DataFrame:
    shapes: Any = shapely
    stations = now("land.monitoring_stations").filter(
        c("medium") == "KK", c("started_on") <= TODAY, (c("stopped_on") > TODAY).fill_null(True)
    )
    parcels = now("land.parcels").filter(c("geometry").is_not_null())
    left, bottom, right, top = shapes.bounds(shapes.from_wkt(parcels["geometry"].to_numpy())).T
    middles = parcels.select(WARD).with_columns(x=pl.Series((left + right) / 2), y=pl.Series((bottom + top) / 2))
    middles = middles.group_by(WARD).agg(c("x", "y").mean())
    places = shapes.multipoints(shapes.from_wkt(stations["geometry"].drop_nulls().to_numpy()))
    km = pl.Series(shapes.distance(shapes.points(middles["x"], middles["y"]), places) / 1000)
    return middles.select(*WARD, km=km).filter(c("km") > 5)


def _known_days(now: Now) -> pl.DataFrame:
    """The days of the air stations of which enough is known: station_code, day and the mean of fine dust."""
    hours = now("land.measurements").filter(
        c("parameter") == "PM2.5", c("averaging") == "1h", c("measure_status") == "00",
        c("valid_minutes").fill_null(60) >= 45, c("measured_value").is_not_null(),
    )  # fmt: skip
    days = hours.group_by("station_code", day=c("measured_at").dt.date()).agg(
        mean=c("measured_value").cast(pl.Float64).mean(), hours=pl.len()
    )
    return days.filter(c("hours") >= 18)


def _dusty(now: Now) -> pl.DataFrame:
    days = _known_days(now)
    return days.group_by("station_code", year=c("day").dt.year()).agg(days=pl.len(), above=(c("mean") > 45).sum())


def _breathing(now: Now) -> pl.DataFrame:
    stations = now("land.monitoring_stations").select("station_code", *WARD)
    days = _known_days(now).join(stations, on="station_code").group_by(*WARD, "day").agg(above=(c("mean") > 45).any())
    grown = c("ngay_sinh").dt.offset_by("16y") <= c("ngay_vao").dt.date()
    visits = now("people.visits").filter(c("ma_benh_chinh").str.starts_with("J"), ~grown)
    visits = visits.select(
        seen=c("ngay_vao").dt.date(), is_asthma=c("ma_benh_chinh").str.head(3).is_in(["J45", "J46"]),
        ward="maxa_cu_tru", ward_valid_from="maxa_cu_tru_valid_from",
    )  # fmt: skip
    made = []
    for later in range(4):
        rows = days.with_columns(seen=c("day") + timedelta(days=later))
        of = visits.group_by(*WARD, "seen").agg(breathing=pl.len(), asthma=c("is_asthma").sum())
        rows = rows.join(of, on=[*WARD, "seen"], how="left").with_columns(days_later=pl.lit(later))
        made.append(
            rows.group_by("above", "days_later").agg(c("breathing", "asthma").fill_null(0).sum(), ward_days=pl.len())
        )
    return pl.concat(made)


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
    "Enterprises by ward, beside how much of the ward's land is planned for housing": lambda now: _businesses_by_plan(
        now, "business.enterprises", "enterprises", "percent_housing", c("land_function") == "NO"
    ),
    "Household businesses by ward, beside how much of the ward's land is planned for no trade": lambda now: (
        _businesses_by_plan(
            now, "business.households", "households", "percent_no_trade",
            ~c("land_function").is_in(["CC", "HH", "SX", "TMDV"]),
        )
    ),
    "Projects in wards whose plans have no zone for what they build": _unplanned,
    "Children's visits for diseases of breathing on the days after one above the limit, and after others":
        _breathing,
    "Wards more than five kilometres from any air station": _far_from_air,
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
