"""A city elsewhere is a folder: its contracts, languages, time, districts and coordinates, and no Python.

The folder `elsewhere/` is a made-up city's on the North Sea, and what is sent to it stands in `elsewhere_sent/`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from pyproj import Transformer

from etl.contract.city import City, read
from etl.contract.messages import ContractError
from etl.settings import EXPECTATIONS, PROJECT
from etl.warehouse import embedded
from tests import TESTS, commands
from tests.dags.test_dags import READ

FOLDER, SENT = TESTS / "elsewhere", TESTS / "elsewhere_sent"
_VIETNAMESE = re.compile("[ĂăĐĨĩŨũƠơƯưẠ-ỹ]")
Run = Callable[..., str]


class Deployment:
    """A deployment's folder, home and database, and its command line."""

    def __init__(self, folder: Path, home: Path, database: str) -> None:
        self.home, self.database = home, database
        self.env = os.environ | {
            "CITYDW_EXPECTATIONS": str(folder),
            "CITYDW_HOME": str(home),
            "CITYDW_DATABASE_URL": database,
            "CITYDW_QUIET_SECONDS": "0",
            "COLUMNS": "400",
            "PYTHONPATH": str(PROJECT),
        }

    def run(self, *arguments: str, code: int = 0) -> str:
        done = commands.run(*arguments, env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(self.database)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.exec_driver_sql(query)]
        engine.dispose()
        return found

    def pages(self, pattern: str) -> str:
        (path,) = (self.home / "data").glob(pattern)
        return path.read_text("utf-8")


@pytest.fixture(scope="module")
def deployed(postgres: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Deployment]:
    def deploy(folder: Path, name: str) -> Deployment:
        engine = sa.create_engine(embedded.url(postgres, "postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return Deployment(folder, tmp_path_factory.mktemp(name), embedded.url(postgres, name))

    return deploy


@pytest.fixture(scope="module")
def elsewhere(deployed: Callable[[Path, str], Deployment], tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    sent = tmp_path_factory.mktemp("sent")
    for dataset, name in {
        "treasury/dogs": "dogs_2026-03-02.csv",
        "treasury/accounts": "accounts_2026-03-02.csv",
        "works/benches": "benches_2026-03-01.geojson",
    }.items():
        (sent / dataset).mkdir(parents=True)
        shutil.copy(SENT / name, sent / dataset)
    deployment = deployed(FOLDER, "elsewhere")
    said = deployment.run("run", str(sent))
    assert "3 of 3 files are loaded, 0 held or rejected, 0 with a fault." in said
    return deployment


def test_its_folder_is_in_order(elsewhere: Deployment) -> None:
    assert elsewhere.run("lint").strip() == "3 contracts and suites are in order."


def test_names_of_any_language_are_loaded_as_they_were_sent(elsewhere: Deployment) -> None:
    query = (
        "SELECT tag, keeper, phone, district, district_valid_from::text, tax::text, remark FROM finance.dogs ORDER BY 1"
    )
    assert elsewhere.rows(query) == [
        ("000417", "Jürgen van der Straße", "+4940428280", "2", "2008-01-01", "90.00", "zahlt jährlich – äöüß"),
        (
            "000418", "ŽOFIE ČERNÁ, geb. Dvořák (Praha 3)", "+420224001111", "2", "2020-01-01", "1090.50",
            "Příliš žluťoučký kůň",
        ),
        ("000419", "Te Ātiawa Māori Trust", None, "3", "2020-01-01", "90.00", "Ngā mihi nui"),
        ("000420", "王小明", None, "1", "2008-01-01", "90.00", "海滨城市 “狗”"),
    ]  # fmt: skip


def test_what_its_own_lists_and_suite_do_not_allow_is_sent_back(elsewhere: Deployment) -> None:
    query = "SELECT dataset, rule, row_no FROM ops.problem WHERE severity = 'critical' ORDER BY 1, 2"
    assert elsewhere.rows(query) == [
        ("treasury.dogs", "semantic_ward", 6),
        ("treasury.dogs", "tax_is_paid", 6),
        ("works.benches", "semantic_geometry", 2),
    ]


def test_its_own_code_ends_a_record_and_its_own_midnight_counts(elsewhere: Deployment) -> None:
    query = "SELECT account, changed_at AT TIME ZONE 'UTC', holder FROM finance.accounts_current"
    ((account, at, holder),) = elsewhere.rows(query)
    assert (account, str(at), holder) == ("A-1", "2026-03-01 22:30:00", "王小明")
    assert elsewhere.rows("SHOW timezone") == [("Europe/Berlin",)]
    # A period of a day ends at the city's midnight: 2 March and the two days of frequency and latency.
    ((due,),) = elsewhere.rows("SELECT due_at AT TIME ZONE 'UTC' FROM ops.punctuality WHERE dataset = 'treasury.dogs'")
    assert str(due) == "2026-03-03 23:00:00"


def test_places_are_in_its_coordinates(elsewhere: Deployment) -> None:
    x, y = Transformer.from_crs(4326, 25832, always_xy=True).transform(9.993682, 53.551086)
    query = "SELECT id, place FROM streets.benches ORDER BY 1"
    (first, place), (second, _) = elsewhere.rows(query)
    assert (first, second) == ("b1", "b3")
    assert [float(number) for number in re.findall(r"[0-9.]+", place)] == pytest.approx([x, y], abs=0.001)


def test_shapes_of_a_system_whose_grid_is_not_installed_come_with_a_warning(
    elsewhere: Deployment, tmp_path: Path
) -> None:
    benches = json.loads((SENT / "benches_2026-03-01.geojson").read_text("utf-8"))
    to_old = Transformer.from_crs(4326, 31467, always_xy=True)
    for feature in benches["features"]:
        feature["geometry"]["coordinates"] = to_old.transform(*feature["geometry"]["coordinates"])
    benches["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::31467"}}
    file = tmp_path / "benches_2026-03-02.geojson"
    for more in ({}, {"remark": "a"}):  # read by column, and by the parser
        file.write_text(json.dumps(benches | more), "utf-8")
        options = ("--dataset", "works.benches", "--out", str(tmp_path / "checked"))
        said = elsewhere.run("check", str(file), *options, code=1)
        assert re.findall(r"EPSG:31467 to EPSG:25832 within some (\d) m,", said) == ["3"], said


def test_its_own_mart_is_made_and_hides_small_cells(elsewhere: Deployment) -> None:
    assert len(elsewhere.rows("SELECT FROM mart.dogs_by_district WHERE mark = 'c'")) == 4
    assert elsewhere.rows("SELECT sum(dogs) FROM exact.dogs_by_district") == [(4,)]
    assert elsewhere.rows("SELECT name FROM ops.mart") == [("dogs_by_district",)]


def test_all_that_people_read_is_in_its_one_language(elsewhere: Deployment, tmp_path: Path) -> None:
    pages = {
        "receipt": elsewhere.pages("outbox/treasury/dogs/*/receipt.html"),
        "index": elsewhere.pages("site/index.html"),
        "dataset": elsewhere.pages("site/treasury/dogs/index.html"),
        "month": elsewhere.pages("site/treasury/dogs/2026-03.html"),
        "dictionary": elsewhere.pages("site/dictionary.html"),
        "codes": elsewhere.pages("site/codes/account_change.html"),
        "search": elsewhere.pages("site/search.js"),
        "marts": elsewhere.pages("site/marts.html"),
    }
    assert [name for name, page in pages.items() if _VIETNAMESE.search(page)] == []
    assert '<html lang="en">' in pages["receipt"]
    assert "Data receipt: Dog tax" in pages["receipt"]
    assert pages["receipt"].count("The tax of a dog is not less than nothing.") == 1
    assert pages["marts"].count("One row a district: dogs and their tax") == 1
    template = tmp_path / "dogs.xlsx"
    elsewhere.run("template", "treasury.dogs", "--out", str(template))
    (rejected,) = (elsewhere.home / "data/outbox/treasury/dogs").glob("*/rejected.xlsx")
    for workbook in (template, rejected):
        for sheet in openpyxl.load_workbook(workbook):
            cells = [sheet.title, *(str(cell) for row in sheet.iter_rows(values_only=True) for cell in row if cell)]
            assert not _VIETNAMESE.search(" ".join(cells)), workbook.name
    checked = elsewhere.run("check", str(SENT / "dogs_2026-03-02.csv"), "--out", str(tmp_path / "checked"), code=1)
    assert "! 1 of 5 rows would be sent back, the others accepted." in checked
    assert not _VIETNAMESE.search(checked)
    comments = "SELECT description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid WHERE c.relname = 'dogs'"
    assert ("One row a dog that tax is paid for.",) in elsewhere.rows(comments)
    assert not any(_VIETNAMESE.search(text) for (text,) in elsewhere.rows(comments))
    assert ("Taxes / fees",) in elsewhere.rows("SELECT obj_description('finance'::regnamespace)")


def test_a_mended_workbook_comes_back(elsewhere: Deployment, tmp_path: Path) -> None:
    (rejected,) = (elsewhere.home / "data/outbox/treasury/dogs").glob("*/rejected.xlsx")
    book = openpyxl.load_workbook(rejected)
    sheet = book.worksheets[0]
    (header,) = (row for row in sheet.iter_rows() if row[0].value == "Row in the file you sent")
    at = {cell.value: cell.column for cell in header}
    sheet.cell(header[0].row + 1, at["Bezirk"]).value = "1"
    sheet.cell(header[0].row + 1, at["Betrag"]).value = "90,00"
    mended = tmp_path / "treasury" / "dogs" / "mended.xlsx"
    mended.parent.mkdir(parents=True)
    book.save(mended)
    elsewhere.run("run", str(tmp_path))
    assert elsewhere.rows("SELECT district, tax::text FROM finance.dogs_current WHERE tag = '000421'") == [
        ("1", "90.00")
    ]


def test_its_dags_are_there(elsewhere: Deployment, tmp_path: Path) -> None:
    dags = PROJECT / "dags"
    settings = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(dags / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(dags), str(dags / "plugins")]),
    }
    command = [sys.executable, "-c", READ, str(dags)]
    done = subprocess.run(command, env=elsewhere.env | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    read_ = json.loads(done.stdout.splitlines()[-1])
    assert read_["errors"] == {}
    of_datasets = {"treasury_dogs", "treasury_accounts", "works_benches"}
    assert set(read_["dags"]) == of_datasets | {"receive", "reconcile", "marts", "notify"}


def test_what_init_writes_loads_its_first_file_by_the_commands_that_it_prints(
    deployed: Callable[[Path, str], Deployment], tmp_path: Path
) -> None:
    folder = tmp_path / "new city"
    deployment = deployed(folder, "new_city")
    said = deployment.run("init", str(folder))
    export, *lines = [line for line in said.splitlines() if line.startswith(("export ", "citydw "))]
    assert export == f"export CITYDW_EXPECTATIONS='{folder}'"
    env = {name: value for name, value in deployment.env.items() if name != "CITYDW_EXPECTATIONS"}
    exported = commands.typed(f'{export} && printf %s "$CITYDW_EXPECTATIONS"', env, tmp_path)
    env["CITYDW_EXPECTATIONS"] = exported.stdout
    output = ""
    for line in lines:
        done = commands.typed(line, env, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        output += done.stdout
    assert "1 contracts and suites are in order." in output
    assert deployment.rows("SELECT kind, trees FROM mart.trees_by_kind ORDER BY 1") == [
        ("Lime", 1),
        ("Oak", 1),
        ("Plane", 1),
    ]
    assert "There is something in it" in deployment.run("init", str(folder), code=2)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    def write(text: str) -> Path:
        path = tmp_path / "city.yaml"
        path.write_text(text, "utf-8")
        return path

    yield write


def test_a_folder_that_is_not_there_is_no_city(tmp_path: Path) -> None:
    said = Deployment(tmp_path / "nowhere", tmp_path / "home", "").run("lint", code=2)
    assert "there is no such folder; `citydw init` writes one" in " ".join(said.split())


def test_a_folder_without_the_file_is_nobodys_city(tmp_path: Path) -> None:
    made = read(tmp_path / "city.yaml")
    assert made == City()
    assert (made.languages, made.time_zone, made.crs, made.units, made.forms) == (["en"], "UTC", 4326, None, [])


def test_the_citys_own_file_is_right() -> None:
    assert read(EXPECTATIONS / "city.yaml").time_zone == "Asia/Ho_Chi_Minh"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timeZone: Europe/Hamburg", "timeZone is 'Europe/Hamburg', no time zone"),
        ("timezone: UTC", "unknown 'timezone'; did you mean 'timeZone'?"),
        ("languages: [de]", "not one of vi, en"),
        ("languages: []", "must name vi, en or both"),
        ("crs: 1", "no EPSG code of a coordinate reference system for maps"),
        ("crs: 5773", "no EPSG code of a coordinate reference system for maps"),  # heights
        ("bounds: [[3, 2, 1, 4]]", "must be [left, bottom, right, top]"),
        ("phoneRegion: Germany", "must be a country's two letters"),
        ("schemas: {ops: Mine}", "schemas: 'ops' is the warehouse's own"),
        ("schemas: {Finance: Mine}", "must be small letters"),
        ("units: {list: none.csv}", "units.list: there is no file 'none.csv'"),
        ("forms: [germany]", "not one of vietnam"),
        ("languages: [en]\nlanguages: [vi]", "'languages' stands twice"),
        ("- a", "it must hold names and what they are"),
    ],
)
def test_a_wrong_fact_is_told_in_a_sentence(written: Callable[[str], Path], text: str, said: str) -> None:
    with pytest.raises(ContractError) as caught:
        read(written(text))
    assert any(said in finding for finding in caught.value.findings), caught.value.findings


def test_all_that_is_wrong_is_told_at_once(written: Callable[[str], Path]) -> None:
    with pytest.raises(ContractError) as caught:
        read(written("timeZone: here\ncrs: 1\nbounds: [[1]]"))
    assert len(caught.value.findings) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"city.yaml": ("Europe/Berlin", "Berlin")}, "timeZone is 'Berlin'"),
        ({"units/district.csv": ("3,2020-01-01", "3,01.01.2020")}, "valid_from '01.01.2020' is no Date"),
        ({"units/district.csv": ("3,2020-01-01,,Neuland", "2,2020-01-01,,Neuland")}, "unit 2, 2020-01-01 stands twice"),
        ({"treasury/dogs.yaml": ("finance.dogs", "money.dogs")}, "the schemas are finance, streets: see city.yaml"),
        ({"treasury/dogs.yaml": ("value: phone", "value: personal_id")}, "'personal_id' is a form of vietnam"),
        ({"city.yaml": ("units:\n  list: units/district.csv\n", "")}, "datatype 'ward' needs administrative units"),
    ],
)
def test_lint_names_what_does_not_fit_the_city(change: dict[str, tuple[str, str]], said: str, tmp_path: Path) -> None:
    folder = tmp_path / "city"
    shutil.copytree(FOLDER, folder)
    for name, (before, after) in change.items():
        text = (folder / name).read_text("utf-8")
        assert before in text
        (folder / name).write_text(text.replace(before, after, 1), "utf-8")
    assert said in " ".join(Deployment(folder, tmp_path / "home", "").run("lint", code=1).split())


def test_lint_names_a_unit_whose_shares_are_not_one_together(tmp_path: Path) -> None:
    folder = tmp_path / "city"
    shutil.copytree(FOLDER, folder)
    facts, listed = folder / "city.yaml", "  list: units/district.csv\n"
    facts.write_text(facts.read_text("utf-8").replace(listed, f"{listed}  links: units/link.csv\n", 1), "utf-8")
    links = "old_code,old_valid_from,new_code,new_valid_from,targets,share\n{0},{1},2,0.5\n{0},{2},2,0.4\n"
    units = [line.rsplit(",", 2)[0] for line in (folder / "units/district.csv").read_text("utf-8").splitlines()[1:4]]
    (folder / "units/link.csv").write_text(links.format(*units), "utf-8")
    told = " ".join(Deployment(folder, tmp_path / "home", "").run("lint", code=1).split())
    assert f"unit {units[0].replace(',', ', ')} has shares that are not 1 together" in told


def test_lint_names_an_agency_without_a_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "city"
    shutil.copytree(FOLDER, folder)
    agencies = folder / "agencies.yaml"
    agencies.write_text(agencies.read_text("utf-8").replace("treasury:", "tresury:", 1), "utf-8")
    told = " ".join(Deployment(folder, tmp_path / "home", "").run("lint").split())
    assert "tresury has no dataset; did you mean 'treasury'?" in told
