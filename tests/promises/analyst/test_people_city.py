"""The people's agencies of a simulated city: what the warehouse holds is what is true, to the last cell."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from etl import cli, site
from etl.pipeline.pipeline import Pipeline
from etl.warehouse.freshness import parts as parts_of
from etl.warehouse.mart import all_marts
from simulate import write_city
from simulate.marts import Told, coverage_ward_quarter, people_ward_month, person_span
from simulate.people_group import SENDERS
from tests.city import (
    assert_mart_shows_what_it_may,
    assert_rejected_is_planted,
    assert_rows_are_accounted_for,
    assert_table_is_true,
    loaded_city,
    on_list,
    query,
    true_today,
    walk,
)

DATASETS = [sender.dataset for sender in SENDERS]
START, DAYS = date(2026, 3, 30), 3  # a month ends among them
LAST_DAY = START + timedelta(days=DAYS - 1)
SHARES = {
    "insured": "residents", "with_record": "residents", "at_school": "children_6_14", "aged_with_pension": "aged_75",
    "newborns_with_card": "newborns_due", "births_in_time": "births_due",
}  # fmt: skip
BESIDE = ["civil.births", "civil.deaths"]  # without which nobody could be asked about newborns and the dead


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


def test_what_several_agencies_together_show_to_be_wrong_is_found_person_by_person(
    city: Path, loaded: Pipeline
) -> None:
    residents = true_today(city, "people.residents")
    cards = true_today(city, "people.health_membership").filter(
        pl.col("card_until").is_null() | (pl.col("card_until") >= LAST_DAY)
    )
    uncovered = cards.join(residents, on="personal_id", how="anti")
    assert uncovered.height > 0
    assert on_list(loaded, "insured_without_residence", "card_no", "card_from") == set(
        uncovered.select("card_no", "card_from").rows()
    )
    permanent = residents.filter(pl.col("residence_kind") == "TT").group_by("household_no")
    heads = permanent.agg((pl.col("relation_to_head") == "CH").sum()).filter(pl.col("relation_to_head") != 1)
    assert on_list(loaded, "households_without_one_head", "household_no") == set(heads.select("household_no").rows())
    born = true_today(city, "people.births").filter(
        pl.col("registration_date") < LAST_DAY - timedelta(days=30), pl.col("personal_id").is_not_null()
    )
    missing = born.join(residents, on="personal_id", how="anti")
    assert on_list(loaded, "newborns_not_resident", "personal_id") == set(missing.select("personal_id").rows())
    deaths = true_today(city, "people.deaths").select("personal_id", died_on=pl.col("death_at").dt.date())
    lines = true_today(city, "people.benefits").filter(pl.col("line_kind") == "HT").join(deaths, on="personal_id")
    late = lines.filter(pl.col("pay_month") > pl.col("died_on") + timedelta(days=62))
    assert late.height > 0
    assert on_list(loaded, "benefits_after_death", "case_no", "pay_month") == set(
        late.select("case_no", "pay_month").rows()
    )


@pytest.mark.parametrize("truth_of", [people_ward_month, coverage_ward_quarter], ids=lambda of: of.__name__)
def test_a_mart_equals_the_truth_in_every_cell_and_shows_no_small_one(
    city: Path, loaded: Pipeline, truth_of: Callable[[Told], pl.DataFrame]
) -> None:
    truth = truth_of(Told(city / "truth", DATASETS + BESIDE))
    exact = query(loaded, f"SELECT * FROM exact.{truth_of.__name__}")
    found = exact.select(truth.columns).cast(dict(truth.schema))
    assert_frame_equal(found.sort(found.columns), truth.sort(truth.columns))
    for covered, of in SHARES.items() if truth_of is coverage_ward_quarter else ():
        for percent, part, whole in exact.select(f"{covered}_percent", covered, of).iter_rows():
            assert (percent is None) == (whole == 0)
            assert percent is None or abs(float(percent) - 100 * part / whole) < 0.051
    (mart,) = (mart for mart in all_marts() if mart.name == truth_of.__name__)
    assert_mart_shows_what_it_may(loaded, mart)


def test_each_persons_spans_are_those_of_the_truth(city: Path, loaded: Pipeline) -> None:
    truth = person_span(Told(city / "truth", DATASETS + BESIDE))
    found = query(loaded, "SELECT * FROM link.person_span", truth.schema).select(truth.columns)
    assert_frame_equal(found.sort("person", "since"), truth.sort("person", "since"))
    dead = truth.filter(~pl.col("alive"))
    registered_later = dead.join(true_today(city, "people.residents"), on="personal_id", how="semi")
    assert registered_later.height > 0, "the register of residents still has some who have died"
    assert truth.filter(pl.col("told_by") == "civil.births").height > 0
    assert truth.group_by("person").len().filter(pl.col("len") > 1).height > 0


def test_what_never_came_is_not_nothing_and_nobody_is_lost(loaded: Pipeline) -> None:
    (row,) = query(
        loaded,
        "SELECT count(married) AS married, count(visits) AS visits, count(births) AS births,"
        " min(inputs_lacking) AS lacking FROM exact.people_ward_month WHERE month = '2026-04-01'",
    ).rows()
    assert row[:2] == (0, 0) and row[2] > 0
    assert row[3] == "civil.marriages;health.visits"
    unknown = query(
        loaded,
        "SELECT sum(insured_by_work + insured_by_budget + insured_by_household) FROM exact.people_ward_month"
        " WHERE ward IS NULL",
    ).item()
    assert unknown > 0, "who is insured and no resident is in the row without a ward"


def test_of_each_ward_that_should_send_its_part_it_is_known_what_came_and_who_is_late(
    city: Path, tmp_path: Path, new_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = new_pipeline()
    today = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()
    in_time, late, *_ = sorted((city / "days").rglob("assistance_2026-02-28_*.xlsx"))
    sent = {}
    for file, day in ((late, today - timedelta(days=80)), (in_time, today - timedelta(days=10))):
        ward = file.stem.rpartition("_")[2]
        sent[file] = (ward, day)
        folder = tmp_path / "inbox" / "social" / "assistance"
        folder.mkdir(parents=True, exist_ok=True)
        walk(pipeline, [Path(shutil.copy(file, folder / f"assistance_{day}_{ward}.xlsx"))])
    (parts,) = parts_of(pipeline.ledger).values()
    assert len(parts) == 168
    by_ward = {part.part: part for part in parts}
    ward, day = sent[in_time]
    assert (by_ward[ward].last_period, by_ward[ward].late_by) == (day, None)
    ward, day = sent[late]
    found = by_ward[ward]
    assert found.last_period == day and found.late_by is not None and 10 < found.late_by.days < 20
    never = [part for part in parts if part.last_period is None]
    assert len(never) == len(parts) - 2 and all(part.late_by and part.late_by.days > 40 for part in never)
    page = (
        Path(str(site.build(pipeline.storage, pipeline.contracts, pipeline.ledger))).parent
        / "social/assistance/parts.html"
    ).read_text("utf-8")
    assert page.count("<tr>") == len(parts) + 1 and found.name in page
    assert f"{len(parts)} parts are expected, {len(parts) - 1} are late" in re.sub("<[^>]+>", "", page)
    monkeypatch.setattr(Pipeline, "from_environment", lambda: pipeline)
    printed = CliRunner().invoke(cli.app, ["freshness", "social.assistance"])
    assert f"{len(parts)} parts are expected: {len(parts) - 1} are late, {len(parts) - 2} never came." in printed.output
    assert CliRunner().invoke(cli.app, ["freshness", "civil.births"]).exit_code == 2


def test_files_of_several_parts_are_compared_with_their_like(city: Path, new_pipeline: Callable[..., Pipeline]) -> None:
    """As the schools' contract has it: a file holds the grades of one level, and there are three each time."""
    pipeline = new_pipeline()
    sent = min((city / "days").rglob("pupils_*.csv"))
    header, *lines = sent.read_text("utf-8-sig").splitlines()
    grade = header.split(",").index("khoi")
    levels = {"tieu_hoc": range(1, 6), "thcs": range(6, 10), "thpt": range(10, 13)}
    for day in ("2025-11-30", "2026-03-31", "2026-07-31"):
        for level, grades in levels.items():
            mine = [line for line in lines if line.split(",")[grade] in {f"{g:02}" for g in grades}]
            folder = sent.parent.parent.parent / "levels" / day / "education" / "pupils"
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"pupils_{day}_{level}.csv"
            file.write_text("\n".join([header, *mine]) + "\n", "utf-8-sig")
            walk(pipeline, [file])
    states = {entry.file_name: (entry.state, entry.message_en) for entry in pipeline.ledger.all("education.pupils")}
    assert len(states) == 9 and {state for state, _ in states.values()} == {"loaded"}, states
