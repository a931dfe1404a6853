"""One city behind all datasets: what one agency says of a person does not deny what another says."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import shapely

from simulate import write_city

START, DAYS = date(2026, 3, 16), 20


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=6_000, days=DAYS, seed=7, start=START, is_whole=True)
    return out


def table(city: Path, name: str) -> pl.DataFrame:
    """A history table as it must come; rows with a planted defect are not in it."""
    return pl.read_parquet(city / "truth" / "tables" / f"{name}.parquet")


def world(city: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(city / "truth" / "world" / f"{name}.parquet")


def rejected(city: Path, file: str) -> int:
    files = pl.read_parquet(city / "truth" / "deliveries.parquet")
    return int(files.filter(pl.col("file").str.starts_with(file))["rejected"].sum())


def test_a_household_has_one_head_and_a_person_one_household(city: Path) -> None:
    people = world(city, "people")
    heads = people.group_by("household").agg((pl.col("relation") == "CH").sum())
    assert set(heads["relation"]) == {1}
    assert people["pid"].is_unique().all()
    now = table(city, "people.residents").filter(pl.col("valid_to").is_null())
    lost = rejected(city, "police/residents") - rejected(city, f"police/residents/residents_{START}")  # changes
    assert now.height - now["personal_id"].n_unique() <= lost
    heads = now.group_by("household_no").agg((pl.col("relation_to_head") == "CH").sum())
    assert heads.filter(pl.col("relation_to_head") > 1).height <= lost


def test_a_birth_has_a_mother_and_soon_a_row_of_residence_in_her_household(city: Path) -> None:
    mothers = world(city, "people").select(mother="pid", mother_birth="birth", mother_sex="sex")
    born = world(city, "births").join(mothers, on="mother", how="left")
    age = born["birth"].dt.year() - born["mother_birth"].dt.year()
    assert set(born["mother_sex"]) == {"2"} and age.is_between(12, 50).all()
    residents = table(city, "people.residents").sort("valid_from").unique("personal_id", keep="first")
    registered = residents.filter(pl.col("change_reason") == "SINH")
    long_ago = born.filter(pl.col("day") < START + timedelta(days=DAYS - 10))
    both = long_ago.join(registered, left_on="pid", right_on="personal_id")
    assert 0.8 < both.height / long_ago.height < 1, "most, and not all: some are never told"
    assert (both["valid_from"] - both["day"]).max() <= timedelta(days=10)
    homes = world(city, "people").select(mother="pid", household="household").join(both, on="mother")
    moved = world(city, "moves").select(mother="pid")
    stayed = homes.join(moved, on="mother", how="anti")
    assert (stayed["household"] == stayed["household_no"]).all()


def test_nobody_acts_after_death(city: Path) -> None:
    dead = world(city, "deaths")["pid"]
    for name in ("people.violations", "people.contributions", "people.pupils"):
        assert not table(city, name)["personal_id"].is_in(dead.implode()).any(), name
    gone = table(city, "people.residents").filter(pl.col("personal_id").is_in(dead.implode()))
    assert gone["valid_to"].is_not_null().mean() > 0.7, "most of the dead are struck off in these weeks"
    assert gone["valid_to"].is_null().any(), "and some never"


def test_a_persons_cards_do_not_overlap_and_their_kind_is_that_of_the_person(city: Path) -> None:
    cards = table(city, "people.health_membership").filter(pl.col("valid_to").is_null())
    cards = cards.sort("personal_id", "card_from").with_columns(
        next=pl.col("card_from").shift(-1).over("personal_id", order_by="card_from")
    )
    followed = cards.filter(pl.col("next").is_not_null())
    assert followed.height > 0
    overlapping = followed.filter(pl.col("card_until") >= pl.col("next")).height  # whose end was a row with a defect
    assert overlapping <= followed.height * 0.05
    people = world(city, "people").select("pid", "age", "grade", "wage", "pension", "assistance")
    known = cards.join(people, left_on="personal_id", right_on="pid")
    of = {name: rows for (name,), rows in known.partition_by("object_code", as_dict=True).items()}
    assert of["TE"]["age"].max() <= 5
    assert of["HS"]["grade"].is_not_null().all()
    assert of["DN"]["wage"].is_not_null().all()
    assert of["HT"]["pension"].is_not_null().all()
    assert set(of["LH"]["assistance"]) == {"HTXH1"}


def test_who_works_in_a_month_has_contributions_of_it_from_an_enterprise_that_pays_tax(city: Path) -> None:
    workers = world(city, "people").filter(pl.col("wage").is_not_null())
    lost = world(city, "jobs_lost").select("pid", lost="day")
    workers = workers.join(lost, on="pid", how="left")
    paid = table(city, "people.contributions").filter(pl.col("entry_kind") == "BT")
    for month in (date(2026, 2, 1), date(2026, 3, 1)):
        of_month = paid.filter(pl.col("contribution_month") == month)
        employed = workers.filter(pl.col("lost").is_null() | (pl.col("lost") >= month))
        assert not set(of_month["personal_id"]) - set(employed["pid"])
        missing = employed.height - of_month["personal_id"].n_unique()
        assert missing <= rejected(city, "insurance/contributions")
    payers = table(city, "business.taxpayers")["tax_code"]
    unknown = paid.filter(~pl.col("employer_tax_code").is_in(payers.implode()))["employer_tax_code"].n_unique()
    assert unknown <= rejected(city, "tax/taxpayers")


def test_nobody_has_a_pension_and_a_social_pension(city: Path) -> None:
    pensions = table(city, "people.benefits").filter(pl.col("regime") == "HT")["personal_id"]
    cases = table(city, "people.assistance").filter(pl.col("benefit_kind") == "HTXH")
    assert cases.height > 0
    assert not cases["personal_id"].is_in(pensions.implode()).any()


def test_pupils_are_of_school_age_and_as_many_as_their_school_says(city: Path) -> None:
    pupils = table(city, "people.pupils").filter(pl.col("valid_to").is_null())
    assert pupils["personal_id"].is_unique().all()
    graded = pupils.filter(pl.col("grade").str.contains(r"^\d+$"))
    age = 2025 - graded["birth_date"].dt.year() - graded["grade"].cast(pl.Int32)
    assert age.is_between(4, 8).all()
    schools = table(city, "people.schools").filter(pl.col("valid_to").is_null())
    counted = pupils.group_by("school_code").agg(pl.len().cast(pl.Int64))
    both = schools.join(counted, on="school_code")
    assert both.height == schools.filter(pl.col("pupils") > 0).height
    assert ((both["pupils"] - both["len"]).abs() <= rejected(city, "education/pupils")).all()


def test_one_more_day_changes_no_earlier_file(city: Path, tmp_path: Path) -> None:
    write_city(tmp_path, people=6_000, days=2, seed=7, start=START, is_whole=True)
    drawn_day_by_day = ("civil", "health", "land", "tax")
    files = [f for f in (tmp_path / "days").rglob("*.*") if f.parts[-3] not in drawn_day_by_day]
    files = [f for f in files if f.suffix != ".xlsx"]  # they carry the hour of their making
    assert len({f.parts[-2] for f in files}) > 15
    for file in files:
        assert file.read_bytes() == (city / "days" / file.relative_to(tmp_path / "days")).read_bytes(), file.name


def test_what_the_treasury_takes_in_is_what_was_declared_and_fined(city: Path) -> None:
    booked = table(city, "business.budget_vouchers").filter(pl.col("direction") == "T")
    lost = rejected(city, "budget/vouchers")
    declared = world(city, "declarations").sort("day").unique("declaration_no", keep="last", maintain_order=True)
    taxes = booked.filter(pl.col("voucher_no").str.starts_with("NT-"))
    no = taxes["voucher_no"].str.strip_prefix("NT-")
    paid = taxes.with_columns(declaration_no=no).group_by("declaration_no").agg(pl.col("amount").sum())
    both = declared.join(paid, on="declaration_no", how="left")
    assert both.filter(pl.col("tax_paid") != pl.col("amount").fill_null(0)).height <= lost
    fines = table(city, "people.violations").filter(pl.col("paid_on").is_not_null(), pl.col("valid_to").is_null())
    of_fines = booked.filter(pl.col("sub_item") == "4254")
    assert abs(of_fines.height - fines.height) <= lost + rejected(city, "justice/violations")
    assert of_fines.height > 20


def test_what_is_paid_for_a_project_in_a_month_is_what_its_owner_reports(city: Path) -> None:
    vouchers = table(city, "business.budget_vouchers").filter(pl.col("project_code").is_not_null())
    booked = vouchers.group_by("project_code", report_month=pl.col("posted_on").dt.month_start()).agg(
        pl.col("amount").sum()
    )
    reported = table(city, "business.disbursements").filter(pl.col("report_month") < START.replace(day=1))
    both = reported.join(booked, on=["project_code", "report_month"], how="left")
    wrong = both.filter(pl.col("paid_month") != pl.col("amount").fill_null(0))
    assert both.height > 100 and wrong.height <= rejected(city, "budget/vouchers")
    projects = table(city, "business.projects")["project_code"]
    assert reported.filter(~pl.col("project_code").is_in(projects.implode())).height <= 2 * rejected(
        city, "investment/projects"
    )


def test_nobody_spends_more_than_the_decisions_gave(city: Path) -> None:
    given = table(city, "business.budget_estimates").group_by("unit_code", "item").agg(pl.col("amount").sum())
    spent = table(city, "business.budget_vouchers").filter(
        pl.col("direction") == "C", pl.col("project_code").is_null(), pl.col("amount") > 0
    )
    spent = spent.group_by("unit_code", item="sub_item").agg(spent=pl.col("amount").sum())
    both = spent.join(given, on=["unit_code", "item"], how="left")
    in_millions = pl.col("amount") < 1_000_000  # a mistake that loads, with a warning
    assert both.filter((pl.col("spent") > pl.col("amount")) & ~in_millions).height == 0
    assert both["amount"].null_count() <= rejected(city, "budget/estimates")


def test_enterprises_and_household_businesses_are_those_that_pay_tax_and_their_owners_live_here(city: Path) -> None:
    payers = world(city, "taxpayers")
    enterprises = table(city, "business.enterprises")
    assert set(enterprises["enterprise_code"]) <= set(payers["tax_code"])
    missing = payers.filter(pl.col("taxpayer_type") == "1").join(
        enterprises, left_on="tax_code", right_on="enterprise_code", how="anti"
    )
    assert missing.height <= rejected(city, "business/enterprises")
    people = world(city, "people")
    employed = people.group_by(enterprise_code="employer_tax_code").agg(pl.len().cast(pl.Int64))
    first = enterprises.sort("valid_from").unique("enterprise_code", keep="first")
    assert first.join(employed, on="enterprise_code").filter(pl.col("workers") != pl.col("len")).height == 0
    households = table(city, "business.households")
    assert households["owner_id"].is_in(people["pid"].implode()).all()
    since = households.filter(pl.col("registered_on") >= date(2025, 7, 1))
    assert (since["household_code"] == since["owner_id"]).all()
    older = households.filter(pl.col("registered_on") < date(2025, 7, 1))
    assert older.height > 0 and (older["household_code"].str.len_chars() == 10).all()
    became = households["became"].drop_nulls()
    assert became.len() > 0 and became.is_in(payers["tax_code"].implode()).all()
    dead = world(city, "deaths")["pid"]
    open_ = households.filter(pl.col("valid_to").is_null(), pl.col("status") == "HD")
    assert open_.filter(pl.col("owner_id").is_in(dead.implode())).height < dead.len() / 5


def test_a_work_has_a_permit_of_its_owner_or_belongs_to_a_project(city: Path) -> None:
    works = table(city, "land.works").unique("work_code", keep="first", maintain_order=True)
    permits = world(city, "permits").select("authority", "permit_no", "owner_id", "day")
    permitted = works.filter(pl.col("permit_no").is_not_null() & ~pl.col("permit_no").str.ends_with("-Q"))
    both = permitted.join(permits, on=["authority", "permit_no"], how="inner")
    assert both.height == permitted.height > 100
    assert (both["started_on"] > both["day"]).all() and (both["owner_id"] == both["owner_id_right"]).all()
    projects = world(city, "projects")
    of_projects = works.filter(pl.col("project_code").is_not_null())
    assert of_projects.height > 50 and not set(of_projects["project_code"]) - set(projects["project_code"])


def test_zones_lie_side_by_side_over_all_parcels_of_their_ward(city: Path) -> None:
    zones = table(city, "land.zones").filter(pl.col("valid_from") == pl.col("valid_from").min())
    shapes: Any = shapely
    areas = shapes.from_wkt(zones["geometry"].to_numpy())
    plans = zones["plan_record"].to_numpy()
    tree = shapes.STRtree(areas)
    one, other = tree.query(areas, predicate="overlaps")
    assert not (plans[one] == plans[other]).any(), "zones of one plan do not overlap"
    parcels = world(city, "parcels").filter(pl.col("ward_valid_from") == date(2025, 7, 1))
    lots = shapes.from_wkt(parcels["geometry"].to_numpy())
    covered = shapes.covered_by(lots, shapes.union_all(areas).buffer(0.01))
    lost = rejected(city, "planning/zones") / 2 / zones.height  # of the area, at most about
    assert covered.mean() > 1 - 4 * lost


def test_what_sanctions_take_of_a_licence_its_holder_has_no_more(city: Path) -> None:
    fined = table(city, "people.violations").filter(pl.col("points") > 0)
    fined = fined.filter(pl.col("decision_date") < START + timedelta(days=DAYS - 2)).unique("decision_no", keep="first")
    taken = fined.group_by("personal_id").agg(pl.col("points").sum().alias("taken"))
    held = table(city, "people.licences").filter(pl.col("valid_to").is_null(), pl.col("licence_class") == "A1")
    both = held.join(taken, on="personal_id").filter(pl.col("points_left") != 12 - pl.col("taken"))
    lost = rejected(city, "justice/violations") + rejected(city, "transport/licences") / 5
    assert held.join(taken, on="personal_id").height > 50 and both.height <= lost
    dead = world(city, "deaths")["pid"]
    alive = held.filter(pl.col("points_left") < 12)["personal_id"]
    assert not alive.is_in(dead.implode()).any() or alive.is_in(dead.implode()).sum() < dead.len() / 5


def test_owners_of_vehicles_live_here_or_pay_tax_and_stations_measure_what_is_in_their_list(city: Path) -> None:
    vehicles = table(city, "people.vehicles")
    assert set(vehicles["owner_id"].drop_nulls()) <= set(world(city, "people")["pid"])
    assert set(vehicles["owner_tax_code"].drop_nulls()) <= set(world(city, "taxpayers")["tax_code"])
    living = vehicles.filter(pl.col("valid_to").is_null())
    assert living["plate"].n_unique() >= living.height - rejected(city, "transport/vehicles")
    stations = table(city, "land.monitoring_stations").select("station_code", "parameters")
    hours = table(city, "land.measurements").filter(pl.col("parameter") != "ZZ9")
    known = hours.join(stations.unique("station_code"), on="station_code")
    listed = known["parameters"].str.split(";").list.contains(known["parameter"])
    assert listed.all() and known["station_code"].n_unique() >= 6
