"""Money, business, land and governance of a simulated city: what the warehouse holds is what is true, to the cell."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest
from lxml import html
from polars.testing import assert_frame_equal

from etl import site
from etl.pipeline.pipeline import Pipeline
from etl.settings import PROJECT
from etl.warehouse.mart import all_marts
from simulate import business_group, land_group, write_city
from simulate.business_answers import ANSWERS
from simulate.business_marts import budget_month, business_entity, business_ward_month, investment_month, scorecard
from simulate.land_answers import ANSWERS as OF_LAND
from simulate.land_marts import Cadastre, land_parcel_today, land_ward_year, parcel_lineage, parcel_links
from simulate.marts import Told
from tests.city import (
    assert_mart_shows_what_it_may,
    assert_rejected_is_planted,
    assert_rows_are_accounted_for,
    assert_table_is_true,
    file_names,
    loaded_city,
    on_list,
    query,
    true_today,
)

DATASETS = [sender.dataset for sender in (*business_group.SENDERS, *land_group.SENDERS)]
START, DAYS = date(2026, 3, 31), 2  # a month and a quarter end among them
LAST_DAY = START + timedelta(days=DAYS - 1)
BESIDE = [  # of which the questions are, too
    "land.permits", "tax.taxpayers", "tax.declarations", "police.residents", "insurance.contributions",
    "education.pupils", "land.parcels", "justice.violations", "health.records", "health.visits",
    "social.assistance",
]  # fmt: skip


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=4_000, days=DAYS, seed=11, start=START, is_whole=True)
    return out


@pytest.fixture(scope="module")
def loaded(city: Path, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return loaded_city(city, new_pipeline(), DATASETS + BESIDE)


def test_every_delivery_is_loaded_and_its_rows_are_accounted_for(city: Path, loaded: Pipeline) -> None:
    assert_rows_are_accounted_for(city, loaded, DATASETS)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_history_table_equals_the_truth_row_by_row_and_column_by_column(
    city: Path, loaded: Pipeline, dataset: str
) -> None:
    contract = loaded.contracts[dataset]
    assert_table_is_true(city, loaded, f"{contract.schema}.{contract.table}")


def test_the_rejected_rows_are_exactly_the_planted_defects_and_each_names_its_column(
    city: Path, loaded: Pipeline
) -> None:
    assert_rejected_is_planted(city, loaded)


# What is odd in the city itself, and true: not every house is accepted, not every station calibrated, ...
ODD = {
    "done_is_accepted", "calibrated_in_time", "hour_of_45_minutes", "drift_of_zero", "assessed_within_a_year",
    "restored_within_a_year", "level_has_a_decision", "restored_in_time", "in_use_within_the_year",
}  # fmt: skip


def test_nothing_is_warned_of_but_planted_mistakes_and_what_is_odd_in_the_city(city: Path, loaded: Pipeline) -> None:
    planted = pl.read_parquet(city / "truth" / "defects.parquet").select("file", "row")
    warned = query(
        loaded,
        "SELECT dataset, dataset || '/' || delivery_id AS file, row_no AS row, rule FROM ops.problem "
        "WHERE severity = 'warning' AND row_no IS NOT NULL",
    ).with_columns(pl.col("file").replace(file_names(loaded)))
    others = warned.filter(pl.col("dataset").is_in(DATASETS)).join(planted, on=["file", "row"], how="anti")
    assert set(others["rule"]) == ODD


def test_what_several_agencies_together_show_to_be_wrong_is_found(city: Path, loaded: Pipeline) -> None:
    paid, projects = true_today(city, "business.disbursements"), true_today(city, "business.projects")
    unknown = paid.join(projects, on="project_code", how="anti")
    assert unknown.height > 0
    assert on_list(loaded, "disbursed_without_project", "project_code") == set(unknown.select("project_code").rows())
    booked = true_today(city, "business.budget_vouchers").filter(pl.col("project_code").is_not_null())
    booked = booked.group_by("project_code", report_month=pl.col("posted_on").dt.month_start()).agg(
        pl.col("amount").sum()
    )
    both = paid.join(booked, on=["project_code", "report_month"], how="left").filter(
        pl.col("paid_month") != pl.col("amount").fill_null(0)
    )
    assert 0 < both.height < paid.height / 10
    assert on_list(loaded, "paid_unlike_vouchers", "project_code", "report_month") == set(
        both.select("project_code", "report_month").rows()
    )
    running = true_today(city, "business.enterprises").filter(
        pl.col("status").ne_missing("CD"), pl.col("registered_on") < LAST_DAY - timedelta(days=7)
    )
    untaxed = running.join(
        true_today(city, "business.taxpayers"), left_on="enterprise_code", right_on="tax_code", how="anti"
    )
    assert untaxed.height > 0
    assert on_list(loaded, "enterprises_on_no_tax_list", "enterprise_code") == set(
        untaxed.select("enterprise_code").rows()
    )
    works = true_today(city, "land.works").filter(pl.col("permit_no").is_not_null())
    unpermitted = works.join(true_today(city, "land.permits"), on=["authority", "permit_no"], how="anti")
    assert 0 < unpermitted.height < works.height
    assert on_list(loaded, "works_without_permit", "work_code") == set(unpermitted.select("work_code").rows())
    hours = true_today(city, "land.measurements").select(
        "station_code", "measured_at", "averaging", "parameter", "measured_value"
    )
    at = ["station_code", "measured_at", "averaging"]
    fine, dust = (hours.filter(pl.col("parameter") == name) for name in ("PM2.5", "PM10"))
    both = fine.join(dust, on=at).cast({"measured_value": pl.Float64, "measured_value_right": pl.Float64})
    odd = both.filter(pl.col("measured_value") > pl.col("measured_value_right") * 1.1)
    assert odd.height > 0
    assert on_list(loaded, "fine_dust_above_dust", *at) == set(odd.select(at).rows())


PARCEL = ["ward", "ward_valid_from", "sheet_no", "parcel_no"]
OLD_AND_NEW = [f"{side}_{name}" for side in ("old", "new") for name in PARCEL]


@pytest.fixture(scope="module")
def cadastre(city: Path) -> Cadastre:
    return Cadastre(Told(city / "truth", {*DATASETS, *BESIDE}))


@pytest.mark.parametrize(
    ("table", "truth_of", "key"),
    [
        ("land.parcel_lineage", parcel_lineage, [*OLD_AND_NEW, "changed_on"]),
        ("land.parcel_links", parcel_links, ["kind", "paper", *PARCEL]),
        ("exact.land_parcel_today", land_parcel_today, PARCEL),
        ("exact.land_ward_year", land_ward_year, ["ward", "ward_valid_from", "year"]),
    ],
)
def test_what_is_said_of_the_land_is_true(
    loaded: Pipeline, cadastre: Cadastre, table: str, truth_of: Callable[[Cadastre], pl.DataFrame], key: list[str]
) -> None:
    true, said = truth_of(cadastre), query(loaded, f"SELECT * FROM {table}")
    if "zones" in said.columns:
        zones = [[f"{zone['zone']} {zone['m2']:.1f}" for zone in its or []] for its in said["zones"].to_list()]
        said = said.with_columns(zones=pl.Series([";".join(its) or None for its in zones]))
    assert true.height > 20 and not set(true.columns) - set(said.columns)
    measured = cs.numeric() | cs.by_dtype(pl.Null)
    true, said = (rows.select(true.columns).with_columns(measured.cast(pl.Float64)).sort(key) for rows in (true, said))
    assert_frame_equal(said, true, check_dtypes=False, abs_tol=0.06)


def test_analysts_see_of_a_wards_land_what_they_may(loaded: Pipeline) -> None:
    (mart,) = (mart for mart in all_marts() if mart.name == "land_ward_year")
    assert_mart_shows_what_it_may(loaded, mart)


def test_analysts_see_of_a_parcel_nothing_of_persons(loaded: Pipeline) -> None:
    shown = set(query(loaded, "SELECT * FROM mart.land_parcel_today LIMIT 1").columns)
    assert "zones" in shown and not {
        name for name in shown if "owner" in name or "holder" in name or "violation" in name
    }
    assert query(loaded, "SELECT sum(_holders)::int FROM exact.land_parcel_today").item() > 300


def test_the_city_has_every_kind_of_change_of_a_parcel_and_every_grade_of_a_link(cadastre: Cadastre) -> None:
    assert set(parcel_lineage(cadastre)["kind"]) == {"split", "merged", "renumbered", "redrawn"}
    assert set(parcel_links(cadastre)["grade"]) == {"key", "lineage", "spatial", "none"}


@pytest.mark.parametrize(
    "truth_of",
    [business_entity, business_ward_month, budget_month, investment_month, scorecard],
    ids=lambda of: of.__name__,
)
def test_a_mart_equals_the_truth(city: Path, loaded: Pipeline, truth_of: Callable[[Told], pl.DataFrame]) -> None:
    truth = truth_of(Told(city / "truth", DATASETS + BESIDE))
    found = query(loaded, f"SELECT * FROM exact.{truth_of.__name__}")
    if truth_of is scorecard:
        assert set(found["measure"]) == set(truth["measure"])
    found = found.select(truth.columns).cast(dict(truth.schema))
    assert_frame_equal(found.sort(found.columns), truth.sort(truth.columns))


def test_analysts_learn_of_no_owner_and_no_amount_of_few_taxpayers(city: Path, loaded: Pipeline) -> None:
    shown = query(loaded, "SELECT * FROM mart.business_entity")
    owners = {
        *true_today(city, "business.households")["owner_id"],
        *true_today(city, "business.taxpayers")["representative_id"],
    }
    told = {value for column in shown.select(cs.string()) for value in column.drop_nulls()}
    assert len(owners) > 200 and not told & owners
    households = shown.filter(pl.col("kind") == "HKD")
    hidden = [
        "code",
        "tax_status",
        "is_taxed",
        "insured_workers",
        "is_declaring",
        "is_booked",
        "is_active",
        "capital_band",
    ]
    assert households.height > 100 and households[hidden].null_count().row(0) == (households.height,) * len(hidden)
    firms = shown.filter(pl.col("kind") == "DN")
    assert firms["code"].null_count() == 0 and firms["is_active"].null_count() == 0
    keys = " AND ".join(f"e.{k} IS NOT DISTINCT FROM m.{k}" for k in ("ward", "section_2025", "kind", "month"))
    cells = query(
        loaded,
        "SELECT e.taxpayers, e._largest_share AS share, m.revenue_vnd IS NULL AS is_hidden, m.living"
        f" FROM exact.business_ward_month e JOIN mart.business_ward_month m ON {keys}",
    )
    is_few = pl.col("taxpayers").is_between(1, 2) | ((pl.col("taxpayers") > 0) & (pl.col("share") > 0.8))
    assert cells.filter(is_few).height > 10 and cells.filter(is_few)["is_hidden"].all()
    assert cells["living"].null_count() == 0


def test_a_vice_chair_reads_how_the_goals_stand_and_what_is_missing(city: Path, loaded: Pipeline) -> None:
    page = html.parse(str(Path(site.build(loaded.storage, loaded.contracts, loaded.ledger)).parent / "scorecard.html"))
    said = {card.get("id"): card for card in page.xpath("//article")}
    true = scorecard(Told(city / "truth", DATASETS + BESIDE)).to_dicts()
    assert {"-".join(filter(None, (row["measure"], row["period"]))) for row in true} == set(said)
    for row in true:
        card = said["-".join(filter(None, (row["measure"], row["period"])))]
        (value,) = card.xpath(".//p[starts-with(@class, 'value')]")
        if row["value"] is None:
            assert "chưa có dữ liệu" in value.text_content() and "chưa nhận sổ sáng kiến" in card.text_content()
            continue
        (number,) = re.findall(r"^[0-9]+(?:,[0-9])?", value.text_content().strip())
        shown = float(number.replace(",", "."))
        assert shown == pytest.approx(row["value"], abs=0.06)
        counted = [int(data.get("value")) for data in card.xpath(".//ul[@class='parts']//data")]
        assert counted == [n for n in (row["numerator"], row["denominator"], row["claimed"]) if n is not None]
        lists = [details.xpath(".//li") for details in card.xpath(".//details")]
        if row["measure"] not in ("G1b", "G1c", "G1d", "G2a", "G2b", "G2c"):  # of persons, or listed elsewhere
            listed = [row["denominator"] - row["numerator"], row["numerator"]]
            assert [len(items) for items in lists] == [n for n in listed if n]
    names = (
        true_today(city, "governance.databases")["name"].to_list()
        + true_today(city, "business.projects")["name"].to_list()
    )
    told = page.getroot().text_content()
    assert not [name for name in names if name in told], "what senders wrote is not for all"


QUESTIONS = re.findall(
    r"^### (.+?)\n.*?^```sql\n(.+?);\n```",
    (PROJECT / "docs/questions-business-land.md").read_text("utf-8"),
    re.M | re.S,
)


def numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """Whatever numbers are made of, to a decimal, in one order."""
    rows = rows.with_columns(cs.numeric().cast(pl.Float64).round(1)).select(sorted(rows.columns))
    return rows.sort(rows.columns)


def test_every_answer_is_to_a_question() -> None:
    assert len(QUESTIONS) > 40 and {*ANSWERS, *OF_LAND} <= {title for title, _ in QUESTIONS}


@pytest.mark.parametrize(("title", "sql"), QUESTIONS, ids=[title for title, _ in QUESTIONS])
def test_a_question_is_answered_by_its_query(
    city: Path, loaded: Pipeline, cadastre: Cadastre, title: str, sql: str
) -> None:
    answer = query(loaded, sql)
    assert answer.height > 0
    if title in ANSWERS:
        true = ANSWERS[title](lambda table: true_today(city, table))
    elif title in OF_LAND:
        true = OF_LAND[title](cadastre)
    else:
        return
    assert_frame_equal(numbers(answer), numbers(true), check_dtypes=False, abs_tol=0.11)
