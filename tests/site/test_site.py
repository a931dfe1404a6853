"""The pages for all: everybody finds what the agencies send and what it means, and nobody's data."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import polars as pl
import pytest
import sqlalchemy as sa
from lxml import html
from upath import UPath

from etl.contract import load_all
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive
from etl.receipt import FACTS, PAGE
from etl.settings import SQL
from etl.site import build
from etl.site.lineage import LineageError, Source, marts
from etl.warehouse.marts import refresh
from tests.receipt.test_receipt_page import WIDTHS

PERSONAL = ("person_name", "personal_id", "tax_code", "bhxh", "bhyt", "phone", "address")
SECRET_NAME, SECRET_ID = "Trần Thị Bích Ngọc Yến", "079312345678"  # planted where no contract looks


def read_csv(day: Path) -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(next((day / "civil/births").iterdir()).read_text("utf-8-sig")))
    return header, [row for row in rows if len(row) == len(header)]


def as_csv(header: list[str], rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return ("\ufeff" + out.getvalue()).encode()


@pytest.fixture(scope="module")
def town(new_pipeline: Callable[..., Pipeline], clean_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """One day of all agencies, and births that are held, rejected, accepted on review, withdrawn and undated."""
    pipeline = new_pipeline()
    folder = tmp_path_factory.mktemp("sent")

    def send(name: str, content: bytes) -> tuple[str, str]:
        (folder / name).write_bytes(content)
        return walked(UPath(folder / name), ("civil", "births"))

    def walked(file: UPath, dataset: tuple[str, str] | None = None) -> tuple[str, str]:
        received = receive(pipeline, file, dataset)
        if not received.is_final:
            for _ in pipeline.walk(received.dataset, received.delivery_id):
                pass
        return received.dataset, received.delivery_id

    for file in sorted(path for path in clean_day.rglob("*") if path.is_file()):
        walked(UPath(file))
    header, rows = read_csv(clean_day)
    page = header.index("trang_so")
    doubtful = [[*row[:page], "0", *row[page + 1 :]] for row in rows * 12]
    for number, row in enumerate(doubtful):
        row[header.index("loai_thay_doi")], row[header.index("so")] = "T", f"{number + 5001}/2026"
    send("births_2026-03-09.csv", as_csv(header, doubtful))
    new_column = [*header, SECRET_NAME]
    send(f"births_2026-03-10_{SECRET_ID}.csv", as_csv(new_column, [[*row, SECRET_ID] for row in rows]))
    send("births_2026-03-11.csv", as_csv([SECRET_NAME, SECRET_NAME, *rows[0][2:]], rows[1:]))
    send("births_2026-03-12.csv", b"")
    send(f"births_{SECRET_ID}.csv", as_csv(header, rows))
    accepted = send(
        "births_2026-03-13.csv", as_csv(header, [*doubtful, [*doubtful[0][:5], SECRET_NAME, *doubtful[0][6:]]])
    )
    outcome = pipeline.decide(*accepted, "accept", "Lan", f"{SECRET_NAME} has called")
    for _ in pipeline.walk(*accepted, "receipt" if outcome.stopped else "normalize"):
        pass
    pipeline.withdraw(*send("births_2026-03-14.csv", as_csv(header, rows[:9])), f"{SECRET_NAME} asks for it")
    refused = send("births_2026-03-15.csv", as_csv(header[:4], [row[:4] for row in rows]))
    pipeline.decide(*refused, "reject", "Lan", f"{SECRET_NAME} will send another")
    pipeline.run_station("receipt", *refused)
    refresh(pipeline.engine)
    build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    return pipeline


@pytest.fixture(scope="module")
def site(town: Pipeline) -> Path:
    return Path(town.storage.site)


def files(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*") if path.is_file())


def words(element: Any) -> str:
    return " ".join(element.text_content().split())


def parsed(page: Path) -> Any:
    return html.fromstring(page.read_text("utf-8"))


def test_the_town_has_seen_everything(town: Pipeline) -> None:
    births = {str(e.as_of): (e.state, e.rule) for e in town.ledger.all("civil.births")}
    assert births == {
        "2026-03-02": ("loaded", None),
        "2026-03-09": ("held", "too_many_rejected"),
        "2026-03-10": ("loaded", None),
        "2026-03-11": ("held", births["2026-03-11"][1]),
        "2026-03-12": ("rejected", "empty_file"),
        "2026-03-13": ("loaded", None),
        "2026-03-14": ("withdrawn", "withdrawn"),
        "2026-03-15": ("rejected", "rejected_on_review"),
        "None": ("rejected", "no_period_in_name"),
    }
    assert births["2026-03-11"][1] in ("unclear_column", "missing_column", "renamed_column", "no_header")


def test_every_link_leads_somewhere(site: Path) -> None:
    ids = {path: set(parsed(path).xpath("//@id")) for path in files(site) if path.suffix == ".html"}
    assert len(ids) > 50
    for path in ids:
        for link in parsed(path).xpath("//a/@href | //link/@href | //script/@src"):
            address, fragment = urldefrag(link)
            if address.startswith(("mailto:", "data:")):
                continue
            target = (path.parent / address).resolve() if address else path
            assert target.is_file(), f"{path}: {link}"
            assert not fragment or fragment in ids[target], f"{path}: {link}"


def test_nobodys_data_is_on_it(town: Pipeline, site: Path, clean_day: Path) -> None:
    written = {SECRET_NAME, SECRET_ID}
    for contract in town.contracts.values():
        columns = [column for column in contract.columns if column.semantic_type in PERSONAL]
        for rows in (town.storage.root / "raw" / contract.agency / contract.dataset).rglob("rows.parquet"):
            raw = pl.read_parquet(str(rows))
            for column in columns:
                for name in {f"received.{column.name}", column.name} & set(raw.columns):
                    values = raw[name].drop_nulls().cast(pl.String)
                    parts = values.str.split(column.separator).explode() if column.separator else values
                    written |= set(parts.str.strip_chars()) - {column.example}
        for truth in (clean_day.parents[1] / "truth" / "tables").glob(f"{contract.schema}.{contract.table}.parquet"):
            made = pl.read_parquet(truth)
            for column in columns:
                written |= set(made[column.name].drop_nulls()) - {column.example}
    wanted = sorted(value for value in written if len(value) >= 6)
    assert len(wanted) > 2_000
    read = pl.Series([path.read_text("utf-8") for path in files(site)])
    found = read.str.extract_many(wanted).explode().drop_nulls().unique()
    examples = " ".join(column.example for contract in town.contracts.values() for column in contract.columns)
    assert [value for value in found if value not in examples] == []
    assert not read.str.contains("(Lan", literal=True).any(), "who decided is told to the agency alone"


def test_what_it_says_of_a_delivery(town: Pipeline, site: Path) -> None:
    page = parsed(site / "civil/births/index.html")
    (table,) = page.xpath("//table[caption[@id='recent']]")
    lines = {words(row.find("td")): row for row in table.xpath(".//tbody/tr")}
    assert list(lines) == [f"{day:02}/03/2026" for day in (15, 14, 13, 12, 11, 10, 9, 2)]
    first = lines["02/03/2026"]
    entry = town.ledger.all("civil.births")[0]
    counts = [int(cell.get("value")) for cell in first.xpath(".//data")]
    assert counts == [getattr(entry, name) for name in ("rows_in", "inserted", "changed", "rejected")]
    assert "Tạm giữ" in words(lines["09/03/2026"]) and "Đã rút lại" in words(lines["14/03/2026"])
    assert all(len(row.xpath(".//a[contains(@href, 'receipt.html')]")) == 1 for row in lines.values())
    undated = parsed(site / "civil/births/undated.html")
    assert "Không nhận" in words(undated) and undated.xpath("//a[contains(@href, 'receipt.html')]")
    charts = page.xpath("//*[local-name()='svg' and @role='img']")
    assert len(charts) == 2
    assert all(
        "8 lần giao" in chart.get("aria-label") and "8 deliveries" in chart.get("aria-label") for chart in charts
    )


def test_a_receipt_for_all_says_what_became_of_the_file_and_quotes_nobody(site: Path) -> None:
    (held,) = (site / "civil/births").glob("20260309-*")
    (accepted,) = (site / "civil/births").glob("20260313-*")
    (new_column,) = (site / "civil/births").glob("20260310-*")
    told = words(parsed(held / PAGE))
    assert "Quá nhiều dòng sai (…)" in told and "Tạm giữ" in told
    assert "Trang số" in told, "the problems are told"
    assert "đã được chấp nhận sau khi xem xét" in words(parsed(accepted / PAGE))
    assert "Tệp có cột chưa có trong thỏa thuận: …" in words(parsed(new_column / PAGE))
    facts = json.loads((new_column / FACTS).read_text("utf-8"))
    assert facts["file_name"] == facts["delivery"]
    assert not list(site.rglob("*.xlsx")) and "rejected.xlsx" not in (held / PAGE).read_text("utf-8")


def test_the_index_says_how_every_dataset_stands(town: Pipeline, site: Path) -> None:
    page = parsed(site / "index.html")
    cards = page.xpath("//article")
    assert len(cards) == len(town.contracts)
    (births,) = [card for card in cards if "civil.births" in words(card)]
    said = words(births)
    assert "Đăng ký khai sinh" in said and "Birth registrations" in said
    assert "2 chờ quyết định" in said
    assert "Không nhận" in said, "the state of the last period"
    assert "Kỳ mới nhất trong kho" in said and "last period in the warehouse" in said and "13/03/2026" in said
    assert re.search(r"trễ \d+ (ngày|giờ)", said) or datetime.now(UTC).date() < date(2026, 3, 15)


def test_the_dictionary_tells_all_that_the_contract_says_of_a_column(town: Pipeline, site: Path) -> None:
    page = parsed(site / "dictionary.html")
    rows = page.xpath("//tbody/tr[@data-item]")
    columns = [column for contract in town.contracts.values() for column in contract.columns]
    assert len(rows) == len(columns)
    for row, column in zip(rows, columns, strict=True):
        said = words(row)
        for part in (column.label, column.source_name, column.description.vi, column.description.en, column.example):
            assert " ".join(part.split()) in said
    (ward,) = parsed(site / "civil/births/index.html").xpath("//tr[@id='registration_ward']")
    said = words(ward)
    assert "bắt buộc" in said and "khóa 1" in said and "Dữ liệu cá nhân cơ bản" in said
    assert "registration_ward_valid_from date" in said
    assert ward.xpath(".//a[@href='../../marts.html#population_events_by_ward_month']")
    (ethnicity,) = parsed(site / "civil/births/index.html").xpath("//tr[@id='ethnicity']")
    assert "Dữ liệu cá nhân nhạy cảm" in words(ethnicity)
    assert ethnicity.xpath(".//a[@href='../../codes/ethnicity.html']")
    assert "Kinh" in words(parsed(site / "codes/ethnicity.html"))


def test_lineage_goes_through_joins_unions_and_subqueries() -> None:
    made = {mart.name: mart for mart in marts(load_all().values())}
    assert set(made) == {path.stem.rpartition(".")[2] for path in SQL.rglob("*/*.*")}
    zones = {column.name: column.sources for column in made["parcel_zones"].columns}
    assert zones["shared"] == (Source("land.parcels", "geometry"), Source("land.zones", "geometry"))
    today = {column.name: column.sources for column in made["land_parcel_today"].columns}
    assert Source("land.parcel_zones", "shared") in today["main_percent"]
    permits = {column.name: column.sources for column in made["permits_by_ward"].columns}
    assert permits["ward_name"] == (Source("ref.ward", "name"),)
    assert permits["days_to_grant_mean"] == (Source("land.permits", "filed_on"), Source("land.permits", "granted_on"))
    assert permits["permits"] == ()
    events = {column.name: column.sources for column in made["population_events_by_ward_month"].columns}
    tables = ("people.births", "people.deaths", "people.marriages")
    assert events["month"] == tuple(Source(table, "registration_date") for table in tables)
    unmatched = made["permits_unmatched"]
    assert {Source("land.permits", "owner_id"), Source("land.parcels", "owner_ids")} <= set(unmatched.only_reads)
    assert unmatched.text.vi.startswith("Mỗi dòng: một giấy phép") and unmatched.text.en.startswith("One row a")


def test_a_picture_shows_which_datasets_each_mart_and_list_is_made_of(site: Path) -> None:
    page = parsed(site / "marts.html")
    drawn = {
        words(group): len(group.xpath("./*[local-name()='path']"))
        for group in page.xpath("//*[local-name()='svg']/*[local-name()='g']")
    }
    files = [*SQL.glob("*/*.sql"), *SQL.glob("derived/*/*.yaml")]
    of_no_dataset = {"ward_now"}  # of a list of units alone
    assert set(drawn) == {path.stem.rpartition(".")[2] for path in files} - of_no_dataset
    assert (drawn["works_without_permit"], drawn["budget_month"], drawn["population_events_by_ward_month"]) == (2, 2, 3)
    assert (drawn["parcel_zones"], drawn["parcel_links"]) == (2, 3), "by way of what they are derived from"
    (section,) = page.xpath("//section[@aria-labelledby='works_without_permit']")
    said = section.xpath("./p[contains(., 'Dùng')]/a/@href")
    assert said == ["construction/works/index.html", "land/permits/index.html"]


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1", "CREATE MATERIALIZED VIEW x AS SELECT nothing FROM people.births_current", "CREATE MATERIALIZED ("],
)
def test_a_marts_file_that_is_not_understood_is_named(tmp_path: Path, sql: str) -> None:
    (tmp_path / "marts").mkdir()
    (tmp_path / "marts" / "strange.sql").write_text(sql)
    with pytest.raises(LineageError, match=r"strange\.sql: .+"):
        marts(load_all().values(), tmp_path)


def stamps(site: Path, *but: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in files(site) if path.name not in but}


def test_what_has_not_changed_is_not_made_again(town: Pipeline, site: Path) -> None:
    before = stamps(site)
    build(town.storage, town.contracts, town.ledger)
    changed = {path for path, stamp in stamps(site).items() if before[path] != stamp}
    assert site / "civil/births/index.html" in changed
    assert {path.name for path in changed} == {"index.html"}, "they say when they were made"
    entry = town.ledger.all("civil.births")[0]
    town.run_station("receipt", "civil.births", entry.delivery_id)
    build(town.storage, town.contracts, town.ledger)
    now = stamps(site, "index.html", "parts.html")
    again = {path.relative_to(site) for path, stamp in now.items() if before[path] != stamp}
    births = Path("civil/births")
    receipt = births / entry.delivery_id
    month = f"{entry.as_of:%Y-%m}"
    memory = {births / f".made_from.{month}.json", births / ".pages.json"}
    assert again == {receipt / PAGE, receipt / FACTS, births / f"{month}.html", *memory}


def test_a_receipt_of_an_older_version_is_not_linked_and_the_table_says_so(pipeline: Pipeline, clean_day: Path) -> None:
    (file,) = (clean_day / "civil/deaths").iterdir()
    received = receive(pipeline, UPath(file))
    name = (received.dataset, received.delivery_id)
    for _ in pipeline.walk(*name):
        pass
    facts = Path(pipeline.storage.folder("outbox", received.delivery)) / FACTS
    told = facts.read_text("utf-8")
    facts.write_text(json.dumps({"format": 1, "state": "loaded"}))
    page = Path(build(pipeline.storage, pipeline.contracts, pipeline.ledger)).parent / "civil/deaths/index.html"
    assert "phiên bản cũ, không hiển thị được" in words(parsed(page)) and not parsed(page).xpath(
        "//td//a[contains(@href, 'receipt')]"
    )
    facts.write_text(told, "utf-8")
    pipeline.run_station("receipt", *name)
    build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    assert parsed(page).xpath("//td//a[contains(@href, 'receipt')]")


def test_a_site_without_deliveries_is_a_dictionary(pipeline: Pipeline) -> None:
    first = Path(build(pipeline.storage, pipeline.contracts, pipeline.ledger))
    assert "chưa có" in words(parsed(first))
    assert "Chưa có lần giao nào" in words(parsed(first.parent / "land/parcels/index.html"))
    scorecard = first.parent / "scorecard.html"
    assert "Chưa có số liệu" in words(parsed(scorecard))
    refresh(pipeline.engine)
    build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    cards = parsed(scorecard).xpath("//article")
    assert len(cards) > 12
    for card in cards:
        (value,) = card.xpath(".//p[starts-with(@class, 'value')]")
        assert words(value) == "chưa có dữ liệu · no data" or words(value) == "chưa có dữ liệu no data", words(value)
        assert "Chưa tính được vì" in words(card) and not card.xpath(".//data | .//*[local-name()='svg']")


def test_a_thousand_deliveries_are_paged_by_month(pipeline: Pipeline) -> None:
    with pipeline.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ops.delivery (dataset, delivery_id, as_of, revision, sha256, size_bytes, file_name, state,"
                " rows_in, rejected, duplicates, inserted, changed, unchanged, superseded)"
                " SELECT 'civil.births', to_char(day, 'YYYYMMDD') || '-r1-' || left(md5(day::text), 12), day, 1,"
                " md5(day::text), 1, 'births.csv', 'loaded', 100, 1, 0, 99, 0, 0, 0"
                " FROM generate_series(date '2024-01-01', date '2026-09-26', interval '1 day') day"
            )
        )
    first = Path(build(pipeline.storage, pipeline.contracts, pipeline.ledger))
    page = parsed(first.parent / "civil/births/index.html")
    assert len(page.xpath("//table[caption[@id='recent']]/tbody/tr")) == 100
    assert len(page.xpath("//dl[@class='months']//a")) == 33
    assert len(parsed(first.parent / "civil/births/2024-02.html").xpath("//tbody/tr")) == 29


PAGES = ("index.html", "dictionary.html", "civil/births/index.html", "civil/births/2026-03.html", "marts.html",
         "scorecard.html", "codes/index.html", "codes/sex.html")  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_in_a_browser(browser: Any, site: Path, page: str, width: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": WIDTHS[width], "height": 800})
    tab = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((site / page).as_uri())
    assert said == []
    assert all(url.startswith((site.as_uri(), "data:")) for url in asked), "nothing from elsewhere"
    assert tab.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width], "nothing sticks out"
    faults = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(f["id"], f["nodes"][0]["html"]) for f in faults if f["impact"] in ("serious", "critical")] == []
    context.close()


def test_it_is_readable_without_javascript(browser: Any, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((site / "index.html").as_uri())
    assert not tab.locator("input").is_visible()
    tab.get_by_role("link", name="Đăng ký khai sinh").first.click()
    assert tab.get_by_role("heading", level=1).inner_text() == "Đăng ký khai sinh"
    assert tab.get_by_text("Số định danh của mẹ").first.is_visible()
    tab.get_by_role("link", name=re.compile("receipt 20260309")).click()
    assert "Phiếu tiếp nhận" in tab.get_by_role("heading", level=1).inner_text()
    tab.get_by_role("link", name=re.compile("^←")).click()
    assert tab.get_by_role("heading", level=1).inner_text() == "Đăng ký khai sinh"
    context.close()


def test_search_finds_columns_without_marks_and_capitals(browser: Any, site: Path) -> None:
    tab = browser.new_page()
    tab.goto((site / "dictionary.html").as_uri())
    rows = tab.locator("tr[data-item]:visible")
    everything = rows.count()
    search = tab.get_by_role("searchbox")
    search.fill("SO DINH danh cua me")
    found = rows.all_inner_texts()
    assert len(found) < 5 and any("mother_id" in row for row in found)
    assert tab.get_by_role("status").inner_text() == f"{len(found)} cột · {len(found)} columns"
    search.fill("khai sinh ngay")
    assert 0 < rows.count() < everything
    assert any("Đăng ký khai sinh" in table for table in tab.locator("tbody:visible").all_inner_texts())
    search.fill("không có cột nào như thế")
    assert rows.count() == 0
    search.fill("")
    assert rows.count() == everything
    tab.goto((site / "index.html").as_uri())
    tab.get_by_role("searchbox").fill("ma so thue")
    cards = tab.locator("article:visible")
    assert 0 < cards.count() < len(load_all())
    tab.get_by_role("link", name="Mã số thuế").first.click()
    assert "#" in tab.url and tab.locator("tr:target").inner_text().startswith("Mã số thuế")
    tab.close()
