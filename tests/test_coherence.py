"""One city behind all datasets: what one agency says of a person does not deny what another says."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

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
    agencies = ("police", "insurance", "education", "social", "justice")
    files = [f for f in (tmp_path / "days").rglob("*.*") if f.parts[-3] in agencies and f.suffix != ".xlsx"]
    assert len(files) > 8
    for file in files:
        assert file.read_bytes() == (city / "days" / file.relative_to(tmp_path / "days")).read_bytes(), file.name
