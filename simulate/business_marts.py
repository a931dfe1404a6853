"""What the marts of money and the scorecard must say of a city: counted from the truth of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from simulate.administration import units
from simulate.land_marts import Cadastre, land_parcel_today
from simulate.marts import Told, carried, with_record
from simulate.people import wards

c = pl.col
_WARD = ["ward", "ward_valid_from"]
_SECTIONS = {"14": "C", "41": "F", "46": "G", "47": "G", "56": "I", "62": "K", "68": "M", "73": "N", "96": "T"}
_ENDED = ("62010", "68100", "96310")  # trades of 2018 that 2025 has no number for
_PARTED = (*_ENDED, "56101")  # each of them became several of 2025, in one section
_KEPT = "73100"  # is by the official table the same
_VSIC_2025 = date(2025, 11, 15)
_OVER = ("CD", "CDN", "TH", "THT")
_IN_CITY = "TTDL_TP"
# When the next file must have come after the last one: in two periods of so many months, and in days.
_DUE = {"planning.zones": (2, 10), "environment.stations": (2, 5), **dict.fromkeys(
    ("land.parcels", "land.permits", "construction.works"), (0, 2)
)}  # fmt: skip


def _month(column: str) -> pl.Expr:
    return c(column).dt.month_start()


def _last(told: Told, dataset: str) -> date:
    """The period of the last file of a dataset."""
    files = pl.read_parquet(told.truth / "deliveries.parquet")
    return files.filter(c("file").str.starts_with(dataset.replace(".", "/") + "/"))["as_of"].max()  # type: ignore[return-value]


def _end_of(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _industries(rows: pl.DataFrame) -> pl.DataFrame:
    """With what the industry is called in 2025, how sure that is, and its section."""
    is_ended, is_new = c("industry").is_in(_ENDED), c("vsic_version") == "2025"
    is_unknown = (is_ended & is_new) | c("industry").is_null()
    grade = (
        pl.when(is_unknown).then(pl.lit("unknown")).when(is_new).then(pl.lit("own"))
        .when(c("industry").is_in(_PARTED)).then(pl.lit("several"))
        .when(c("industry") == _KEPT).then(pl.lit("bridge")).otherwise(pl.lit("same_number"))
    )  # fmt: skip
    section = c("industry").str.head(2).replace_strict(_SECTIONS, return_dtype=pl.String)
    return rows.with_columns(industry_grade=grade).with_columns(
        industry_2025=pl.when(c("industry_grade").is_in(["own", "bridge"])).then("industry"),
        section_2025=pl.when(~is_unknown).then(section),
    )


def _enterprises(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        *_WARD, "registered_on", "vsic_version", "status", "valid_from", "valid_to", code="enterprise_code",
        kind=pl.when(c("parent_code").is_null()).then(pl.lit("DN")).otherwise(pl.lit("DV")), industry="main_industry",
        ended_on="dissolved_on", capital="charter_capital",
    )  # fmt: skip


def _households(rows: pl.DataFrame) -> pl.DataFrame:
    version = pl.when(c("registered_on") >= _VSIC_2025).then(pl.lit("2025")).otherwise(pl.lit("2018"))
    return rows.select(
        *_WARD, "registered_on", "status", "ended_on", "capital", "valid_from", "valid_to", code="household_code",
        kind=pl.lit("HKD"), industry="main_industry", vsic_version=version,
    )  # fmt: skip


def business_entity(told: Told) -> pl.DataFrame:
    """The mart of that name, without the names of wards and sections."""
    payers = told.now("business.taxpayers")
    taxed = payers.filter(c("taxpayer_type") != "3").select(
        "registered_on", "vsic_version", ward="address_ward", ward_valid_from="address_ward_valid_from",
        status=pl.lit(None, pl.String), code="tax_code", industry="vsic_code", ended_on="closed_on",
        capital="registered_capital",
        kind=pl.when(c("taxpayer_type") == "2").then(pl.lit("HKD")).when(c("tax_code").str.len_chars() > 10)
        .then(pl.lit("DV")).otherwise(pl.lit("DN")),
    )  # fmt: skip
    parts = [
        _enterprises(told.now("business.enterprises")),
        _households(told.now("business.households")),
        taxed,
    ]
    rows = pl.concat(parts, how="diagonal_relaxed").unique("code", keep="first", maintain_order=True)
    rows = carried(_industries(rows.drop("valid_from", "valid_to")))
    paid = told.now("contributions").filter(c("entry_kind") == "BT")
    paid = paid.filter(c("contribution_month") == c("contribution_month").max())
    workers = paid.group_by(code="employer_tax_code").agg(workers=c("personal_id").n_unique().cast(pl.Int64))
    declared = told.now("business.declarations").group_by(code="tax_code").agg(declared=c("declared_on").max())
    booked = told.now("business.budget_vouchers").filter(c("direction") == "T", c("tax_code").is_not_null())
    booked = booked.group_by(code="tax_code").agg(booked=c("posted_on").max())
    for known in (workers, declared, booked, payers.select(code="tax_code", tax_status="status")):
        rows = rows.join(known, on="code", how="left", maintain_order="left")
    n, year = c("workers").fill_null(0), timedelta(days=365)
    sizes = pl.when(n == 0).then(pl.lit("0")).when(n < 10).then(pl.lit("1-9")).when(n < 50).then(pl.lit("10-49"))
    capitals = pl.when(c("capital") < 10**9).then(pl.lit("< 1")).when(c("capital") < 10**10).then(pl.lit("1-10"))
    return rows.with_columns(
        is_registered=c("status").is_not_null() & ~c("status").is_in(_OVER).fill_null(False),
        is_taxed=(c("tax_status") == "00").fill_null(False),
        insured_workers=sizes.when(n < 200).then(pl.lit("50-199")).otherwise(pl.lit("200+")),
        is_insuring=n > 0,
        is_declaring=(c("declared") > _last(told, "tax.declarations") - year).fill_null(False),
        is_booked=(c("booked") > _last(told, "budget.vouchers") - year).fill_null(False),
        capital_band=pl.when(c("capital").is_not_null()).then(
            capitals.when(c("capital") < 10**11).then(pl.lit("10-100")).otherwise(pl.lit("100+"))
        ),
    ).select(
        "kind", *_WARD, "registered_on", "ended_on", "is_registered", "tax_status", "is_taxed", "insured_workers",
        "is_insuring", "is_declaring", "is_booked", "capital_band", "industry", "vsic_version", "industry_grade",
        "industry_2025", "section_2025", _code="code", registration_status="status",
        code=pl.when(c("kind") != "HKD").then("code"),
        is_active=c("is_insuring") | c("is_declaring") | c("is_booked"),
        state_on=pl.lit(max(_last(told, f"business.{name}") for name in ("enterprises", "households"))),
        inputs_lacking=pl.lit(None, pl.String),
    )  # fmt: skip


def business_ward_month(told: Told) -> pl.DataFrame:
    """The mart of that name, without the names of wards and sections."""
    history = [_enterprises(told.ever("business.enterprises")), _households(told.ever("business.households"))]
    rows = carried(_industries(pl.concat(history, how="diagonal_relaxed"))).sort("code", "valid_from")
    rows = rows.with_columns(before=c("status").shift().over("kind", "code"))
    last, names = rows.unique("code", keep="last", maintain_order=True), [*_WARD, "section_2025", "kind"]
    lacks = {  # days of which the first and last file tell
        name: told.spans[name] for name in ("budget.vouchers", "business.enterprises", "business.households",
                                            "justice.violations", "tax.declarations")
    }  # fmt: skip
    begins, until = lacks["business.enterprises"]
    insured = told.spans["insurance.contributions"]
    lacks["insurance.contributions"] = (insured[0].replace(day=1), insured[1])
    made = []
    month = begins.replace(day=1)
    while month <= until:
        day = min(_end_of(month), until)
        is_so = (c("valid_from") <= day) & (c("valid_to").is_null() | (c("valid_to") > day))
        is_last = c("valid_to").is_null()
        counts = {
            "living": is_so & (c("registered_on") <= day) & ~c("status").is_in(_OVER),
            "suspended": is_so & (c("status") == "TN"),
            "born": is_last & c("registered_on").is_between(month, day),
            "ended": is_last & c("ended_on").is_between(month, day),
            "came_back": c("valid_from").is_between(month, day) & (c("status") == "HD") & (c("before") == "TN"),
        }
        counted = rows.group_by(names).agg(**{name: is_it.fill_null(False).sum() for name, is_it in counts.items()})
        counted = counted.filter(pl.any_horizontal(c(name) > 0 for name in counts))
        said = _said_of_month(told, month).join(last.select("code", *names), on="code", how="left")
        sums = said.group_by(names).agg(
            c("revenue", "due", "paid", "booked", "fines", "workers", "wages").sum(), taxpayers=c("due").count()
        )
        both = counted.join(sums, on=names, how="full", coalesce=True, nulls_equal=True)
        late = [name for name, (first, end) in sorted(lacks.items()) if end < day or first > month]
        made.append(
            both.with_columns(month=pl.lit(month), state_on=pl.lit(day), inputs_lacking=pl.lit(";".join(late) or None))
        )
        month = _end_of(month) + timedelta(days=1)
    table = pl.concat(made, how="diagonal_relaxed")
    money = {"revenue_vnd": "revenue", "tax_due_vnd": "due", "tax_paid_vnd": "paid", "booked_vnd": "booked",
             "fines_vnd": "fines", "insured_workers": "workers", "wage_fund_vnd": "wages"}  # fmt: skip
    table = table.with_columns(c(counted.columns[-5:]).fill_null(0), c("taxpayers").fill_null(0))
    table = table.with_columns(c(old).fill_null(0).alias(new) for new, old in money.items())
    return table.select(
        *names, "month", "state_on", "inputs_lacking", "living", "suspended", "born", "ended", "came_back",
        "insured_workers", "wage_fund_vnd", "taxpayers", "revenue_vnd", "tax_due_vnd", "tax_paid_vnd", "booked_vnd",
        "fines_vnd", tax_owed_vnd=c("tax_due_vnd") - c("tax_paid_vnd"),
    )  # fmt: skip


def _said_of_month(told: Told, month: date) -> pl.DataFrame:
    """What agencies say of a business in a month, a row each: code, and what they say."""
    declared = told.now("business.declarations").filter(_month("declared_on") == month)
    declared = declared.group_by(code="tax_code").agg(
        revenue=c("revenue").sum(), due=c("tax_due").sum(), paid=c("tax_paid").sum()
    )
    booked = told.now("business.budget_vouchers").filter(
        _month("posted_on") == month, c("direction") == "T", c("tax_code").is_not_null()
    )
    fined = told.now("violations").filter(
        _month("decision_date") == month, c("tax_code").is_not_null(), c("fine").is_not_null()
    )
    paid = told.now("contributions").filter(c("entry_kind") == "BT", c("contribution_month") == month)
    tables = (
        booked.group_by(code="tax_code").agg(booked=c("amount").sum()),
        fined.group_by(code="tax_code").agg(fines=c("fine").sum()),
        paid.group_by(code="employer_tax_code").agg(
            workers=c("personal_id").n_unique().cast(pl.Int64), wages=c("wage_base").sum()
        ),
    )
    for table in tables:
        declared = declared.join(table, on="code", how="full", coalesce=True)
    return declared


def budget_month(told: Told) -> pl.DataFrame:
    """The mart of that name."""
    line = ["fiscal_year", "budget_level", "chapter", "category", "direction", "item"]
    given = told.now("business.budget_estimates").select(
        *line, "amount", "estimate_kind", month=pl.max_horizontal(
            _month("decision_date"), pl.date(c("fiscal_year").cast(pl.Int32), 1, 1)
        ),
    )  # fmt: skip
    posted = told.now("business.budget_vouchers").rename({"sub_item": "item"})
    posted = posted.select(*line, "amount", "entry_kind", month=_month("posted_on"))
    days = pl.read_parquet(told.truth / "deliveries.parquet").filter(c("file").str.starts_with("budget/vouchers/"))
    told_on, until = days["as_of"].unique(), _last(told, "budget.vouchers")
    made = []
    for (year,), lines in pl.concat([given.select(line), posted.select(line)]).unique().group_by("fiscal_year"):
        regular = [date(int(str(year)), month, 1) for month in range(1, 13)] + [date(int(str(year)) + 1, 1, 1)]
        of_year = posted.filter(c("fiscal_year") == year)
        months = sorted({*(month for month in regular if month <= until), *of_year["month"]})
        for month in months:
            so_far = [m for m in months if m <= month]
            is_due = c("month") <= month
            kinds = {
                name: c("amount").filter(is_due & (c("estimate_kind") == kind)).sum()
                for name, kind in (("estimate_vnd", "DN"), ("supplement_vnd", "BS"), ("cut_vnd", "DC"))
            }
            in_month = c("month") == month
            moves = {
                "amount": c("amount").filter(in_month).sum(),
                "advance": c("amount").filter(in_month & (c("entry_kind") == "TU")).sum(),
                "vouchers": in_month.sum().cast(pl.Int64),
                "so_far_vnd": c("amount").filter(is_due).sum(),
            }
            rows = lines
            for table in (given.group_by(line).agg(**kinds), posted.group_by(line).agg(**moves)):
                rows = rows.join(table, on=line, how="left", nulls_equal=True)
            made.append(
                rows.with_columns(
                    month=pl.lit(month),
                    state_on=pl.lit(min(_end_of(month), until)),
                    days_told=pl.lit(sum(day.replace(day=1) == month for day in told_on)),
                    days_due=pl.lit(_end_of(month).day),
                    year_days_told=pl.lit(sum(day.replace(day=1) in so_far for day in told_on)),
                    year_days_due=pl.lit(sum(_end_of(m).day for m in so_far)),
                )
            )
    numbers = ["estimate_vnd", "supplement_vnd", "cut_vnd", "amount", "advance", "vouchers", "so_far_vnd"]
    table = pl.concat(made).with_columns(c(numbers).fill_null(0))
    is_known, spends = (c("days_told") > 0) | (c("vouchers") > 0), c("direction") == "C"
    return table.select(
        *line, "month", "state_on", "estimate_vnd", "supplement_vnd", "cut_vnd", "so_far_vnd", "vouchers",
        "days_told", "days_due", "year_days_told", "year_days_due",
        collected_vnd=pl.when(is_known & ~spends).then("amount"),
        spent_vnd=pl.when(is_known & spends).then("amount"),
        advance_vnd=pl.when(is_known & spends).then("advance"),
        is_transfer=spends & c("item").is_in(["7301", "7304"]),
        inputs_lacking=pl.lit(None, pl.String),
    )  # fmt: skip


def investment_month(told: Told) -> pl.DataFrame:
    """The mart of that name, without the rates."""
    key = ["project_code", "plan_year", "plan_kind", "month"]
    reports = told.now("business.disbursements").rename({"report_month": "month"})
    sums = {"plan_pm_vnd": "plan_pm", "plan_council_vnd": "plan_council", "supplement_vnd": "supplement",
            "paid_vnd": "paid_month", "so_far_vnd": "paid_cumulative"}  # fmt: skip
    advance = {"advance_vnd": "advance", "advance_recovered_vnd": "advance_recovered"}
    said = c("obstacle").drop_nulls().unique().sort().str.join("; ")
    rows = reports.group_by(key).agg(
        *(c(old).sum().alias(new) for new, old in sums.items()),
        *(pl.when(c(old).count() > 0).then(c(old).sum()).alias(new) for new, old in advance.items()),
        obstacle=pl.when(c("obstacle").count() > 0).then(said),
        is_reported=pl.lit(True),
    )
    history, missing = told.ever("business.projects"), []
    for month in rows["month"].unique():
        day = _end_of(month)
        is_so = (c("valid_from") <= day) & (c("valid_to").is_null() | (c("valid_to") > day))
        planned = history.filter(is_so & c("plan_of_year").is_not_null())
        there = rows.filter(c("month") == month, c("plan_kind") == "KH")
        missing.append(
            planned.join(there, on="project_code", how="anti").select(
                "project_code", plan_year=pl.lit(str(month.year)), plan_kind=pl.lit("KH"), month=pl.lit(month),
                is_reported=pl.lit(False),
            )
        )  # fmt: skip
    rows = pl.concat([rows, *missing], how="diagonal_relaxed")
    booked = told.now("business.budget_vouchers").filter(c("project_code").is_not_null(), c("direction") == "C")
    booked = booked.group_by("project_code", month=_month("posted_on")).agg(booked_vnd=c("amount").sum())
    known = told.now("business.projects").select("project_code", "owner_name", "status", is_known=pl.lit(True))
    rows = rows.join(booked, on=["project_code", "month"], how="left").join(known, on="project_code", how="left")
    classes = pl.coalesce(
        pl.when(c("obstacle").str.contains(word)).then(pl.lit(name))
        for word, name in (("mặt bằng", "MB"), ("thiết kế", "TK"), ("nghiệm thu", "NT"), (".", "KHAC"))
    )
    return rows.select(
        *key, *sums, *advance, "is_reported", "obstacle", "owner_name", "status",
        is_known=c("is_known").fill_null(False), booked_vnd=c("booked_vnd").fill_null(0), obstacle_class=classes,
    )  # fmt: skip


def scorecard(told: Told) -> pl.DataFrame:
    """The mart of that name: measure, period, numerator, denominator, claimed, value and how many are missing."""
    rows: list[tuple[object, ...]] = []

    def add(measure: str, day: date, numerator: int, denominator: int, claimed: int | None = None) -> None:
        rows.append((measure, f"{day:%Y-%m}", numerator, denominator, claimed))

    databases = told.now("governance.databases").filter(c("status") == "HD")
    day = _last(told, "governance.databases")
    ours = databases.filter(c("data_group") == "3")
    given = [text.split(";") if text else [] for text in ours["datasets"]]
    in_time = sum(bool(of) and all(name in told.spans and not _is_late(told, name) for name in of) for of in given)
    add("G1a", day, in_time, ours.height, int((ours["has_contract"] == "1").sum()))
    permits = told.now("land.permits")
    parcel = {f"parcel_{name}": name for name in (*_WARD, "sheet_no")} | {"parcel_no": "parcel_no"}
    linked = permits.join(told.now("land.parcels"), left_on=list(parcel), right_on=list(parcel.values()), how="semi")
    add("G1b", _last(told, "land.permits"), linked.height, permits.height)
    parcels = land_parcel_today(Cadastre(told))
    add("G1c", _last(told, "land.parcels"), parcels.filter(c("zone_grade") != "none").height, parcels.height)
    people = told.now("residents").filter(c("residence_kind").is_in(["TT", "TTR"]))["personal_id"].unique()
    seen = with_record(told, date.max)["pid"].unique()
    add("G2a", _last(told, "police.residents"), int(people.is_in(seen.implode()).sum()), len(people))
    day = _last(told, "social.assistance")
    cases = told.now("assistance").filter(c("from_month") <= day, (c("until_month") > day).fill_null(True))
    residents = told.now("residents")["personal_id"]
    valid = cases.filter(c("decision_no").is_not_null(), c("personal_id").is_in(residents.implode()))
    add("G2b", day, valid.height, cases.height, int(cases["personal_id"].count()))
    registered = {
        *told.now("business.enterprises").filter(~c("status").is_in(["CD", "THT"]))["enterprise_code"],
        *told.now("business.households").filter(~c("status").is_in(["CD", "CDN", "TH"]))["household_code"],
    }
    taxed = {*told.now("business.taxpayers").filter(c("taxpayer_type") != "3", c("status") == "00")["tax_code"]}
    add("G2c", _last(told, "tax.taxpayers"), len(registered & taxed), len(registered | taxed))
    rows += _of_parts(told)
    for measure, is_there, says in _of_databases(_last(told, "governance.databases")):
        city = databases.filter(c("tier") == "TP")
        claimed = None if says is None else int(city.select(says.fill_null(False).sum()).item())
        rows.append(
            (measure, f"{_last(told, 'governance.databases'):%Y-%m}",
             int(city.select(is_there.fill_null(False).sum()).item()), city.height, claimed)
        )  # fmt: skip
    rows += _of_agencies(told)
    table = pl.DataFrame(rows, ["measure", "period", "numerator", "denominator", "claimed"], orient="row")
    table = table.with_columns(value=(100 * c("numerator") / c("denominator")).round(1))
    ages = sorted((_today() - _last(told, name)).days for of in given for name in of if name in told.spans)
    old = pl.DataFrame({"measure": ["G1d"], "value": [float(ages[(len(ages) - 1) // 2])]})
    return pl.concat([table, old], how="diagonal")


def _today() -> date:
    return datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()


def _is_late(told: Told, dataset: str) -> bool:
    """Whether the next file of a dataset on land and urban matters should have come before today."""
    months, days = _DUE.get(dataset, (0, 3))
    due = _last(told, dataset)
    for _ in range(months):
        last_of_next = _end_of(_end_of(due) + timedelta(days=1))
        due = last_of_next.replace(day=min(due.day, last_of_next.day))
    return due + timedelta(days=days) < _today()


def _of_databases(day: date) -> Sequence[tuple[str, pl.Expr, pl.Expr | None]]:
    """Of the measures of goal 4: what a database must be, and what its owner says."""
    is_here, a_year_ago = c("hosting_place") == _IN_CITY, day.replace(year=day.year - 1)
    is_tried = (c("assessed_on") > a_year_ago) & (c("restore_tested_on") > a_year_ago)
    is_secured = c("level_decision").is_not_null() & is_tried
    return (
        ("G4a", is_here & c("moved_on").is_not_null(), is_here),
        ("G4n", c("hosting_place").is_in([_IN_CITY, "TTDLQG"]), None),
        ("G4b", is_here & c("moved_on").is_not_null() & is_secured, is_here & c("security_level").is_not_null()),
    )


def _of_parts(told: Told) -> list[tuple[object, ...]]:
    """The measures of communes, months and projects."""
    day = _last(told, "business.households")
    files = pl.read_parquet(told.truth / "deliveries.parquet").filter(
        c("file").str.starts_with("business/households/"), c("as_of").is_between(day.replace(day=1), day)
    )
    said = told.ever("business.households").filter(
        c("opened_by").is_in(files["file"].implode()) | c("closed_by").is_in(files["file"].implode())
    )
    today = carried(said.select(*_WARD)).filter(c("ward").is_in(wards()[0]["code"].implode()))
    made: list[tuple[object, ...]] = [
        ("G2d", f"{day:%Y-%m}", today.filter(c("ward_valid_from") >= date(2025, 7, 1))["ward"].n_unique(),
         wards()[0].height, None),
    ]  # fmt: skip
    day = _last(told, "budget.vouchers")
    made.append(("G2e", str(day.year), 0, (day + timedelta(days=1)).month - 1, None))
    planned = told.now("business.projects").filter(c("plan_of_year").is_not_null())
    paid = told.now("business.disbursements")
    month = paid["report_month"].max()
    assert isinstance(month, date)
    reported = planned.join(paid.filter(c("report_month") == month), on="project_code", how="semi")
    made.append(("G2f", f"{month:%Y-%m}", reported.height, planned.height, None))
    return made


def _of_agencies(told: Told) -> list[tuple[object, ...]]:
    """The measures of goal 3, of each period of which a register speaks; of the first half of 2025 none does."""
    last, made = _last(told, "governance.initiatives"), list[tuple[object, ...]]()
    for year in (2025, last.year):
        first = date(2025, 7, 1) if year == 2025 else date(year, 1, 1)
        day = min(date(year, 12, 31), last)
        rows = told.on("governance.initiatives", day)
        used = rows.filter(c("in_use_on").is_between(first, day), c("evidence").is_not_null())
        says = rows.filter(c("status").is_in(["VH", "HT"]))["agency_code"].n_unique()
        name, agencies = ("2025-H2" if year == 2025 else str(year)), used["agency_code"].n_unique()
        ours = used.filter(
            c("datasets").map_elements(lambda text: any(n in told.spans for n in text.split(";")), pl.Boolean)
        )
        claimed = used.filter(c("from_warehouse") == "1")["agency_code"].n_unique()
        made += [("G3a", name, agencies, units().height, says),
                 ("G3b", name, ours["agency_code"].n_unique(), agencies, claimed)]  # fmt: skip
    return made + [(measure, "2025-H1", None, None, None) for measure in ("G3a", "G3b")]
