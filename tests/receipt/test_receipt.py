"""The receipt: the agency hears what became of every row, what to mend and how; and a mended workbook sets it right."""

from __future__ import annotations

import ast
import io
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import openpyxl
import pytest
import yaml
from lxml import html
from upath import UPath

from etl.contract import load_all
from etl.delivery.correction import find_mark
from etl.delivery.model import Delivery
from etl.pipeline.pipeline import Pipeline
from etl.receipt import FACTS, PAGE, WORKBOOK
from etl.receipt.facts import schema
from etl.settings import EXPECTATIONS, PROJECT
from tests import TESTS
from tests.city import CONTRACTS, audited
from tests.contract.test_contracts import is_said_in_both

Send = Callable[..., Any]
Rows = list[tuple[Any, ...]]
HEADER = "ma_truong,ten_truong,ngay_thanh_lap,dien_thoai,so_hoc_sinh"
GOOD = "79000701,Trường THPT Lê Quý Đôn,05/09/1877,02839301234,1250"
BAD = {  # by line of the file: as sent, and mended
    3: ("1,Trường không mã,05/09/1995,,300", "79000702,Trường không mã,05/09/1995,,300"),
    4: ("79000703,=1+1,31/02/1995,,-5x", "79000703,=1+1,28/02/1995,,305"),
    5: ("79000704,,05/09/1995,,300", "79000704,Trường Hòa Bình,05/09/1995,,300"),
    6: ("79000705,Trường lệch cột,05/09/1995,,300,thừa", "79000705,Trường lệch cột,05/09/1995,,300"),
    7: ("79000706,@SUM(A1),05/09/1995,,ba trăm", "79000706,@SUM(A1),05/09/1995,,300"),
}


def text(*lines: str) -> bytes:
    return "\r\n".join([HEADER, *lines, ""]).encode("utf-8-sig")


SENT = text(GOOD, *(sent for sent, _ in BAD.values()), "79000708,Trường chưa có học sinh,,,0")
MENDED = text(GOOD, *(mended for _, mended in BAD.values()), "79000708,Trường chưa có học sinh,,,0")


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The city's datasets, and schools in each of the three modes."""
    folder = tmp_path_factory.mktemp("contracts") / "expectations"
    shutil.copytree(EXPECTATIONS, folder)
    suite = json.loads((TESTS / "schools" / "schools.json").read_text("utf-8"))
    for mode in ("snapshot", "changes", "append"):
        document = yaml.safe_load((TESTS / "schools" / "schools.yaml").read_text("utf-8"))
        (table,) = document["schema"]
        document["id"], table["physicalName"] = f"education.{mode}", f"people.schools_{mode}"
        for custom in document["customProperties"]:
            if custom["property"] == "deliveryMode":
                custom["value"] = mode
        if mode == "changes":
            table["properties"] += [
                column("change", "thay_doi", "T", datatype="code", codeList="change_type", role="change"),
                column("sequence", "thu_tu", "1", role="sequence") | {"logicalType": "integer"},
            ]
        (folder / "education").mkdir(exist_ok=True)
        (folder / "education" / f"{mode}.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
        named = suite | {"name": f"education.{mode}"}
        (folder / "education" / f"{mode}.json").write_text(json.dumps(named), "utf-8")
    return folder


def column(name: str, source_name: str, example: str, **custom: str) -> dict[str, Any]:
    return {
        "name": name,
        "physicalName": source_name,
        "businessName": source_name,
        "description": f"Cột {source_name}. / Column {name}.",
        "logicalType": "string",
        "required": True,
        "classification": "open",
        "examples": [example],
        "customProperties": [{"property": key, "value": value} for key, value in custom.items()],
    }


def changes(content: bytes) -> bytes:
    """The same rows for the dataset of changes: all new, in the order of the file."""
    lines = content.decode("utf-8-sig").splitlines()
    told = [f"{line},T,{number}" for number, line in enumerate(lines[1:], start=2)]
    return "\r\n".join([f"{lines[0]},thay_doi,thu_tu", *told, ""]).encode("utf-8-sig")


@pytest.fixture
def schools(new_pipeline: Callable[..., Pipeline], contracts: Path) -> Pipeline:
    return new_pipeline(contracts)


def outbox(pipeline: Pipeline, entry: dict[str, Any]) -> Path:
    return Path(pipeline.storage.folder("outbox", delivery_of(pipeline, entry)))


def delivery_of(pipeline: Pipeline, entry: dict[str, Any]) -> Delivery:
    return pipeline.storage.delivery(*entry.dataset.split("."), entry.delivery_id)


def facts(pipeline: Pipeline, entry: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((outbox(pipeline, entry) / FACTS).read_text("utf-8"))
    jsonschema.validate(told, schema())
    return told


def page(pipeline: Pipeline, entry: dict[str, Any]) -> Any:
    return html.fromstring((outbox(pipeline, entry) / PAGE).read_text("utf-8"))


def numbers(cells: Any) -> list[int]:
    return [int(cell.find(".//data").get("value")) for cell in cells]


def words(element: Any) -> str:
    return " ".join(element.text_content().split())


def table(pipeline: Pipeline, name: str) -> Rows:
    with pipeline.engine.connect() as connection:
        return sorted(map(tuple, connection.exec_driver_sql(f"SELECT * FROM {name}")), key=str)


def said(pipeline: Pipeline, mode: str) -> Rows:
    """What the table says, whoever said it."""
    columns = "school_code, name, opened_on, phone, pupils, valid_from, valid_to"
    with pipeline.engine.connect() as connection:
        query = f"SELECT {columns} FROM people.schools_{mode}"
        return sorted(map(tuple, connection.exec_driver_sql(query)), key=str)


def mend(workbook: Path, rows: dict[int, str], header: str = HEADER) -> bytes:
    """Mend rows of a workbook, by their number in the file that was sent, as a person would: cell by cell."""
    book = openpyxl.load_workbook(workbook)
    sheet = book.worksheets[0]
    head = next(row for row in sheet.iter_rows() if row[0].value and str(row[0].value).startswith("Dòng trong tệp"))
    at = {cell.value: cell.column for cell in head}
    for row in sheet.iter_rows(min_row=head[0].row + 1):
        line = rows.get(int(row[0].value))
        if line is not None:
            for name, value in zip(header.split(","), line.split(","), strict=True):
                cell = sheet.cell(row[0].row, at[name])
                if (cell.value or "") != value:
                    cell.value = value or None
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


# --- the page and what machines read


def test_the_page_accounts_for_every_row_and_says_what_to_mend(schools: Pipeline, send: Send) -> None:
    entry = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    assert (entry.state, entry.rows_in, entry.rejected) == ("loaded", 7, 5)
    read = page(schools, entry)
    assert read.get("lang") == "vi"
    verdict = words(read.get_element_by_id("verdict"))
    assert verdict.startswith("Đã nhận vào kho dữ liệu: 2 trong 7 dòng, 5 dòng cần sửa")
    counts = read.get_element_by_id("counts")
    assert sum(numbers(counts.xpath("tbody/tr/td"))) == 7 == numbers(counts.xpath("tfoot/tr/td"))[0]
    problems = {item.get("data-rule"): words(item) for item in read.xpath("//li[@data-rule]")}
    assert set(problems) == {
        "school_code_form", "type_date", "type_integer", "required", "ragged_row", "has_pupils",
    }  # fmt: skip
    assert "“Ngày thành lập” không phải là ngày có thật" in problems["type_date"]
    assert "Dòng trong tệp (line of the file): 4" in problems["type_date"]
    assert "Dòng trong tệp (line of the file): 4, 7" in problems["type_integer"]
    assert "Cơ quan sửa" in problems["type_date"]
    assert "Lưu ý, vẫn nhận" in problems["has_pupils"]
    assert "kehoach@example.gov.vn" in words(read)


def test_the_page_needs_nothing_else(schools: Pipeline, send: Send) -> None:
    entry = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    read = page(schools, entry)
    assert not read.xpath("//script | //link | //img | //iframe | //@onclick")
    assert set(read.xpath("//@href")) == {"rejected.xlsx", "receipt.json", "mailto:kehoach@example.gov.vn"}


def test_the_page_and_the_json_hold_no_value_of_a_cell(schools: Pipeline, send: Send) -> None:
    entry = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    for name in (PAGE, FACTS):
        written = (outbox(schools, entry) / name).read_text("utf-8")
        assert not [value for value in ("Hòa Bình,", "31/02/1995", "ba trăm", "lệch cột") if value in written]


def test_the_published_schema_is_what_the_receipt_follows() -> None:
    published = json.loads((PROJECT / "docs" / "receipt.schema.json").read_text("utf-8"))
    assert published == schema(), "write docs/receipt.schema.json anew from etl.receipt.facts.schema()"
    jsonschema.Draft202012Validator.check_schema(published)


def test_json_and_page_tell_the_same(schools: Pipeline, send: Send) -> None:
    entry = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    told = facts(schools, entry)
    assert sum(part["rows"] for part in told["parts"]) == told["rows_in"] == entry.rows_in
    by_rule = {p["rule"]: p for p in told["problems"]}
    assert by_rule["school_code_form"]["rows"] == [3]
    assert by_rule["school_code_form"]["example"] == "79000701"
    assert by_rule["type_integer"] | {"text": None} == {
        "rule": "type_integer", "severity": "critical", "dimension": "validity", "responsible": "agency",
        "column": "Số học sinh", "source_name": "so_hoc_sinh", "text": None, "example": "1250",
        "count": 2, "resolved": 0, "rows": [4, 7],
    }  # fmt: skip


def test_quality_is_compared_with_the_last_ten_deliveries(schools: Pipeline, send: Send) -> None:
    for day in range(1, 13):
        send(schools, "education/append", f"schools_2026-08-{day:02}.csv", text(GOOD, "1,x,,,1"))
    told = facts(schools, send(schools, "education/append", "schools_2026-09-01.csv", SENT))
    assert [past["as_of"] for past in told["history"]] == [f"2026-08-{day:02}" for day in range(3, 13)]
    assert {(past["rows_in"], past["rejected"]) for past in told["history"]} == {(2, 1)}


def test_a_receipt_comes_whatever_becomes_of_the_delivery(schools: Pipeline, send: Send) -> None:
    many_bad = text(*(f"7900{n:04},,05/09/1995,,300" for n in range(30)), *(f"7901{n:04},x,,,300" for n in range(30)))
    held = send(schools, "education/append", "schools_2026-09-02.csv", many_bad)
    told = facts(schools, held)
    assert (told["state"], told["may_correct"], told["workbook_rows"]) == ("held", False, 30)
    assert {part["name"]: part["rows"] for part in told["parts"]} == {"waiting": 30, "duplicates": 0, "rejected": 30}
    assert told["message"]["vi"] in words(page(schools, held))
    assert "gửi lại cả tệp" in words(page(schools, held))

    unread = facts(schools, send(schools, "education/append", "schools_2026-09-03.csv", b""))
    assert (unread["state"], unread["rows_in"], unread["parts"]) == ("rejected", None, [])
    nobody = facts(schools, send(schools, "education/nothing", "schools_2026-09-03.csv", SENT))
    assert (nobody["rule"], nobody["contact"]) == ("unknown_dataset", None)

    good = text(GOOD)
    entry = send(schools, "education/append", "schools_2026-09-04.csv", good)
    assert facts(schools, entry)["workbook_rows"] == 0
    assert not (outbox(schools, entry) / WORKBOOK).exists()
    again = send(schools, "education/append", "schools_2026-09-04.csv", good)
    assert facts(schools, again)["state"] == "loaded"
    schools.withdraw("education.append", entry.delivery_id, "nhầm tháng")
    assert "Đã rút lại" in words(page(schools, entry))


def test_a_file_name_that_is_html_is_shown_as_text(schools: Pipeline, send: Send) -> None:
    entry = send(schools, "education/append", "<b onmouseover=alert(1)>_2026-09-01.csv", SENT)
    assert page(schools, entry).get_element_by_id("file").text == "<b onmouseover=alert(1)>_2026-09-01.csv"


def test_every_rule_that_a_station_names_is_worded() -> None:
    rules = yaml.safe_load((EXPECTATIONS / "wording.yaml").read_text("utf-8"))
    named = set()
    for module in (PROJECT / "etl").rglob("*.py"):
        for call in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                place = {"Stop": 1, "wording": 0, "broken_lines": 0, "on_the_file": 0, "_meta": 0, "_column_meta": 0}
                at = place.get(call.func.id, len(call.args))
                if at < len(call.args) and isinstance(call.args[at], ast.Constant):
                    named.add(call.args[at].value)
    assert len(named) > 30
    assert named - set(rules) - {None} == set()
    for contract in load_all().values():
        for c in contract.columns:
            assert c.type == "string" or f"type_{c.type}" in rules
    for rule, about in rules.items():
        assert is_said_in_both(about["vi"], about["en"]), rule
        assert about["responsible"] in ("agency", "data_center"), rule


# --- the workbook


def test_the_workbook_holds_rejected_rows_as_sent_with_what_is_wrong(schools: Pipeline, send: Send) -> None:
    entry = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    book = openpyxl.load_workbook(outbox(schools, entry) / WORKBOOK)
    rows = list(book.worksheets[0].iter_rows())
    at = next(n for n, row in enumerate(rows) if "ma_truong" in [cell.value for cell in row])
    names = [cell.value for cell in rows[at]]
    assert names[-5:] == HEADER.split(",")
    by_row = {row[0].value: row for row in rows[at + 1 :]}
    assert sorted(by_row) == ["3", "4", "5", "6", "7"]
    assert [cell.value for cell in by_row["4"][-5:]] == ["79000703", "=1+1", "31/02/1995", None, "-5x"]
    assert [cell.value for cell in by_row["6"][-5:]] == [None] * 5
    assert BAD[6][0] in [cell.value for cell in by_row["6"]]
    assert {cell.data_type for row in by_row.values() for cell in row} <= {"s", "n"}, "no formula"
    assert {cell.number_format for row in by_row.values() for cell in row} == {"@"}
    faulty = [cell.fill.fgColor.rgb == "00FBD5C5" for cell in by_row["4"][-5:]]
    assert faulty == [False, False, True, False, True]
    wrong = by_row["4"][names.index("Lỗi / What is wrong")].value
    assert "không phải là ngày có thật" in wrong and "must be a whole number" in wrong
    assert "15/08/2025" in by_row["4"][names.index("Ví dụ đúng / A right value")].value or "05/09/1995" in (
        by_row["4"][names.index("Ví dụ đúng / A right value")].value
    )
    assert "ngay_thanh_lap (cột / column I)" in by_row["4"][names.index("Ô cần sửa / Cell to mend")].value
    assert names[8] == "ngay_thanh_lap"


def test_a_workbook_is_capped_and_the_page_says_so(schools: Pipeline, send: Send) -> None:
    from dataclasses import replace

    few = Pipeline(replace(schools.settings, workbook_rows=2), schools.contracts)
    entry = send(few, "education/append", "schools_2026-09-01.csv", SENT)
    assert facts(few, entry)["workbook_rows"] == 2
    assert "chỉ chứa 2 trong 5 dòng" in words(page(few, entry))
    first = send(few, "education/append", "sua.xlsx", mend(outbox(few, entry) / WORKBOOK, {3: BAD[3][1], 4: BAD[4][1]}))
    assert (first.state, first.rejected) == ("loaded", 0)
    book = openpyxl.load_workbook(outbox(few, entry) / WORKBOOK)
    assert [row[0].value for row in book.worksheets[0].iter_rows()][-2:] == ["5", "6"], "the next ones"


# --- corrections


@pytest.mark.parametrize("mode", ["snapshot", "changes", "append"])
def test_a_mended_workbook_sets_everything_right(
    new_pipeline: Callable[..., Pipeline], contracts: Path, send: Send, mode: str
) -> None:
    as_file = changes if mode == "changes" else bytes
    header = as_file(text()).decode("utf-8-sig").strip()
    schools, truth = new_pipeline(contracts), new_pipeline(contracts)
    original = send(schools, f"education/{mode}", "schools_2026-09-01.csv", as_file(SENT))
    assert original.rejected == 5
    lines = as_file(MENDED).decode("utf-8-sig").splitlines()
    mended = mend(outbox(schools, original) / WORKBOOK, {n: lines[n - 1] for n in BAD}, header)

    entry = send(schools, f"education/{mode}", WORKBOOK, mended)
    assert (entry.state, entry.rejected, entry.inserted) == ("loaded", 0, 5)
    assert entry.corrects == original.delivery_id
    assert entry.as_of == original.as_of

    send(truth, f"education/{mode}", "schools_2026-09-01.csv", as_file(MENDED))
    assert said(schools, mode) == said(truth, mode)
    assert {row[1] for row in said(schools, mode)} >= {"=1+1", "@SUM(A1)"}, "formulas come back as they were sent"
    assert audited(schools) == []

    told = facts(schools, original)
    assert (told["rejected"], told["resolved"], told["workbook_rows"]) == (5, 5, 0)
    assert [(c["delivery"], c["resolved"]) for c in told["corrections"]] == [(entry.delivery_id, 5)]
    read = page(schools, original)
    assert "Không còn dòng nào phải sửa." in words(read)
    assert f"../{entry.delivery_id}/receipt.html" in read.xpath("//@href")
    assert not (outbox(schools, original) / WORKBOOK).exists()
    counts = read.get_element_by_id("counts")
    assert sum(numbers(counts.xpath("tbody/tr/td"))) == 7, "what the file itself brought does not change"


def test_what_is_not_mended_yet_remains_and_does_not_hold_back_the_rest(schools: Pipeline, send: Send) -> None:
    lines = [f"790{n:05},Trường {n},31/02/1995,,300" for n in range(25)]
    good = [f"791{n:05},Trường {n},01/02/1995,,300" for n in range(175)]
    original = send(schools, "education/append", "schools_2026-09-01.csv", text(*lines, *good))
    assert (original.state, original.rejected) == ("loaded", 25)
    one = {2: lines[0].replace("31/02", "28/02")}
    first = send(schools, "education/append", "sua.xlsx", mend(outbox(schools, original) / WORKBOOK, one))
    assert (first.state, first.rows_in, first.rejected, first.inserted) == ("loaded", 25, 24, 1)
    told = facts(schools, original)
    assert (told["resolved"], told["workbook_rows"]) == (1, 24)
    (problem,) = told["problems"]
    assert (problem["count"], problem["resolved"], problem["rows"]) == (25, 1, list(range(3, 27)))
    assert "Còn 24 dòng cần sửa." in words(page(schools, original))

    rest = {n: lines[n - 2].replace("31/02", "28/02") for n in range(3, 27)}
    second = send(schools, "education/append", "sua.xlsx", mend(outbox(schools, first) / WORKBOOK, rest))
    assert (second.corrects, second.correction) == (original.delivery_id, 2)
    assert (second.rejected, second.inserted) == (0, 24)
    assert facts(schools, original)["resolved"] == 25
    assert audited(schools) == []


def test_a_correction_of_a_snapshot_ends_nothing_and_revives_what_only_seemed_to_end(
    schools: Pipeline, send: Send
) -> None:
    """A record whose row was sent back was missing from the snapshot: once mended, it never ended."""
    before = send(schools, "education/snapshot", "schools_2026-08-01.csv", text(GOOD, BAD[4][1], BAD[5][1]))
    original = send(schools, "education/snapshot", "schools_2026-09-01.csv", SENT)
    assert original.ended == 2
    workbook = outbox(schools, original) / WORKBOOK
    renamed = BAD[5][1].replace("Hòa Bình", "Hòa Bình 2")
    entry = send(schools, "education/snapshot", "sua.xlsx", mend(workbook, {4: BAD[4][1], 5: renamed}))
    assert (entry.state, entry.rejected, entry.ended) == ("loaded", 2, 0)  # one was left empty
    with schools.engine.connect() as connection:
        history = connection.exec_driver_sql(
            "SELECT school_code, valid_from, valid_to, opened_by, closed_by FROM people.schools_snapshot"
            " WHERE school_code IN ('79000703', '79000704') ORDER BY 1, 2"
        ).all()
    august, september = date(2026, 8, 1), date(2026, 9, 1)
    assert [tuple(row) for row in history] == [
        ("79000703", august, None, before.delivery_id, None),
        ("79000704", august, september, before.delivery_id, entry.delivery_id),  # which row replaced which
        ("79000704", september, None, entry.delivery_id, None),
    ]
    assert audited(schools) == []

    later = send(schools, "education/snapshot", "schools_2026-10-01.csv", text(GOOD))
    assert later.ended == 3
    assert audited(schools) == []


@pytest.mark.parametrize("mode", ["snapshot", "changes", "append"])
def test_it_does_not_matter_when_a_correction_comes(
    new_pipeline: Callable[..., Pipeline], contracts: Path, send: Send, mode: str
) -> None:
    """Before or behind later, earlier and repeated words, walked again, withdrawn and reinstated: the same table."""
    as_file = changes if mode == "changes" else bytes
    header = as_file(text()).decode("utf-8-sig").strip()
    folder = f"education/{mode}"
    files = {
        "early": ("schools_2026-08-01.csv", as_file(text(GOOD, BAD[3][1], BAD[5][1].replace("300", "200")))),
        "original": ("schools_2026-09-01.csv", as_file(SENT)),
        "again": ("schools_2026-09-01_r2.csv", as_file(text(GOOD.replace("1250", "1251"), BAD[4][1]))),
        "later": ("schools_2026-10-01.csv", as_file(text(GOOD, BAD[5][1].replace("300", "400")))),
    }
    lines = as_file(MENDED).decode("utf-8-sig").splitlines()
    orders = [
        ["early", "original", "correction", "later", "again"],
        ["original", "later", "correction", "early", "again"],
        ["original", "again", "early", "later", "correction"],
    ]
    without_again = {"early", "original", "correction", "later"}
    tables, tables_before, mended = [], [], b""
    key = b""
    for order in orders:
        pipeline = new_pipeline(contracts)
        if key:  # one installation, three times
            (pipeline.settings.home / "secret.key").write_bytes(key)
        key = pipeline.settings.key
        for number, step in enumerate(order, start=1):
            if step != "correction":
                entry = send(pipeline, folder, *files[step])
                if step == "original":
                    original = entry
            else:
                rows = {n: lines[n - 1] for n in BAD}
                mended = mended or mend(outbox(pipeline, original) / WORKBOOK, rows, header)
                entry = send(pipeline, folder, "sua.xlsx", mended)
                correction = entry
            assert entry.state == "loaded", entry
            assert audited(pipeline) == []
            if set(order[:number]) == without_again:
                tables_before.append(table(pipeline, f"people.schools_{mode}"))
        tables.append(table(pipeline, f"people.schools_{mode}"))
    assert tables[0] == tables[1] == tables[2]
    assert len(tables_before) == 2 and tables_before[0] == tables_before[1] != tables[0]
    for delivery in (original, correction):
        for _ in pipeline.walk(f"education.{mode}", delivery.delivery_id):
            pass
        assert table(pipeline, f"people.schools_{mode}") == tables[0]
    pipeline.withdraw(f"education.{mode}", correction.delivery_id, "nhầm")
    assert table(pipeline, f"people.schools_{mode}") != tables[0] or mode == "snapshot"
    assert facts(pipeline, original)["resolved"] == 0
    assert audited(pipeline) == []
    for _ in pipeline.reinstate(f"education.{mode}", correction.delivery_id, "không nhầm"):
        pass
    assert table(pipeline, f"people.schools_{mode}") == tables[0]
    assert audited(pipeline) == []


def test_of_rows_that_contradict_each_other_the_clerk_keeps_one(schools: Pipeline, send: Send) -> None:
    twice = ("79000709,Trường A,,,100", "79000709,Trường B,,,200")
    original = send(schools, "education/append", "schools_2026-09-01.csv", text(GOOD, *twice, HEADER))
    assert original.rejected == 3
    book = openpyxl.load_workbook(outbox(schools, original) / WORKBOOK)
    sheet = book.worksheets[0]
    for number in [cell.row for cell in sheet["A"] if cell.value in ("3", "5")][::-1]:
        sheet.delete_rows(number)
    saved = io.BytesIO()
    book.save(saved)
    entry = send(schools, "education/append", "sua.xlsx", saved.getvalue())
    assert (entry.rows_in, entry.inserted) == (1, 1)
    assert facts(schools, original)["resolved"] == 3
    assert "Không còn dòng nào phải sửa." in words(page(schools, original))


def test_a_change_that_is_mended_stays_in_its_place_within_the_file(schools: Pipeline, send: Send) -> None:
    header = HEADER + ",thay_doi,thu_tu"
    first = "79000709,Trường cũ,31/02/1995,,100,T,1"
    content = "\r\n".join([header, first, "79000709,Trường mới,01/02/1995,,200,S,2", ""]).encode("utf-8-sig")
    original = send(schools, "education/changes", "schools_2026-09-01.csv", content)
    assert original.rejected == 1
    mended = mend(outbox(schools, original) / WORKBOOK, {2: first.replace("31/02", "28/02")}, header)
    entry = send(schools, "education/changes", "sua.xlsx", mended)
    assert (entry.state, entry.rejected, entry.superseded) == ("loaded", 0, 1)
    assert [row[1] for row in said(schools, "changes")] == ["Trường mới"]
    assert audited(schools) == []


def test_a_withdrawn_delivery_takes_its_corrections_along(schools: Pipeline, send: Send) -> None:
    original = send(schools, "education/snapshot", "schools_2026-09-01.csv", SENT)
    mended = mend(outbox(schools, original) / WORKBOOK, {n: line for n, (_, line) in BAD.items()})
    entry = send(schools, "education/snapshot", "sua.xlsx", mended)
    schools.withdraw("education.snapshot", original.delivery_id, "nhầm tháng")
    assert said(schools, "snapshot") == []
    assert schools.ledger.get("education.snapshot", entry.delivery_id).state == "withdrawn"
    assert "Đã rút lại" in words(page(schools, entry))
    assert audited(schools) == []


def test_a_correction_of_what_is_not_there_is_held(schools: Pipeline, send: Send) -> None:
    original = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    mended = mend(outbox(schools, original) / WORKBOOK, {3: BAD[3][1]})
    stray = send(schools, "education/snapshot", "sua.xlsx", mended)
    assert (stray.state, stray.rule) == ("held", "correction_of_nothing")
    assert original.delivery_id in words(page(schools, stray))
    assert said(schools, "snapshot") == []
    schools.withdraw("education.append", original.delivery_id, "nhầm tháng")
    late = send(schools, "education/append", "sua.xlsx", mended)
    assert (late.state, late.rule) == ("held", "correction_of_nothing")


def forged(workbook: bytes, rename: Callable[[list[str]], list[str | None]]) -> bytes:
    """A workbook with its hidden sheets renamed, or removed."""
    book = openpyxl.load_workbook(io.BytesIO(workbook))
    hidden = book.worksheets[1:]
    for sheet, name in zip(hidden, rename([sheet.title for sheet in hidden]), strict=True):
        if name is None:
            book.remove(sheet)
        else:
            sheet.title = name
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


@pytest.mark.parametrize(
    "rename",
    [
        lambda names: [names[0], None],  # guessed: the id stands on every page
        lambda names: [names[0], "a" * 26],
        lambda names: [names[0].replace(" c1", " c2"), names[1]],
    ],
    ids=["without a seal", "with another seal", "with another number"],
)
def test_a_workbook_that_we_did_not_make_is_held(schools: Pipeline, send: Send, rename: Any) -> None:
    original = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    mended = mend(outbox(schools, original) / WORKBOOK, {n: line for n, (_, line) in BAD.items()})
    before = said(schools, "append")
    entry = send(schools, "education/append", "sua.xlsx", forged(mended, rename))
    assert (entry.state, entry.rule) == ("held", "correction_forged")
    assert said(schools, "append") == before


def test_a_workbook_of_another_installation_is_held(
    new_pipeline: Callable[..., Pipeline], contracts: Path, send: Send
) -> None:
    one, other = new_pipeline(contracts), new_pipeline(contracts)
    originals = [send(p, "education/append", "schools_2026-09-01.csv", SENT) for p in (one, other)]
    mended = mend(outbox(one, originals[0]) / WORKBOOK, {3: BAD[3][1]})
    assert send(other, "education/append", "sua.xlsx", mended).rule == "correction_forged"


def test_a_workbook_is_taken_once(schools: Pipeline, send: Send) -> None:
    original = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    workbook = outbox(schools, original) / WORKBOOK
    first = mend(workbook, {3: BAD[3][1]})
    second = mend(workbook, {3: BAD[3][1], 4: BAD[4][1]})
    assert send(schools, "education/append", "sua.xlsx", first).state == "loaded"
    entry = send(schools, "education/append", "sua.xlsx", second)
    assert (entry.state, entry.rule) == ("held", "correction_used")
    third = mend(outbox(schools, original) / WORKBOOK, {4: BAD[4][1]})  # the newest one
    assert send(schools, "education/append", "sua.xlsx", third).state == "loaded"


def test_a_correction_touches_only_what_was_sent_back(schools: Pipeline, send: Send) -> None:
    original = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    book = openpyxl.load_workbook(outbox(schools, original) / WORKBOOK)
    sheet = book.worksheets[0]
    good = GOOD.split(",")
    before = said(schools, "append")
    for number in ("2", "999", None, "3"):  # a row that was accepted, one that is not there, a new one, one twice
        sheet.append([number, *[None] * 5, good[0], "Đổi tên trường khác", *good[2:]])
    saved = io.BytesIO()
    book.save(saved)
    entry = send(schools, "education/append", "sua.xlsx", saved.getvalue())
    found = facts(schools, entry)["problems"]
    assert [p["count"] for p in found if p["rule"] == "not_sent_back"] == [4]
    assert said(schools, "append") == before


def test_looking_for_a_mark_takes_time_in_proportion(tmp_path: Path) -> None:
    def seconds(size: int) -> float:
        file = tmp_path / f"{size}.xlsx"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/workbook.xml", b"<workbook>" + b"<sheet " * (size // 7))
        started = time.process_time()
        assert find_mark(UPath(file)) is None
        return time.process_time() - started

    assert seconds(1 << 20) < 5  # it took nine minutes


def test_numbers_and_dates_that_excel_made_of_what_was_typed_are_understood(schools: Pipeline, send: Send) -> None:
    original = send(schools, "education/append", "schools_2026-09-01.csv", SENT)
    book = openpyxl.load_workbook(outbox(schools, original) / WORKBOOK)
    sheet = book.worksheets[0]
    names = [cell.value for cell in sheet[3]]
    (row,) = (r for r in sheet.iter_rows() if r[0].value == "4")
    row[names.index("ngay_thanh_lap")].value = date(1995, 2, 28)
    row[names.index("so_hoc_sinh")].value = 305
    saved = io.BytesIO()
    book.save(saved)
    entry = send(schools, "education/append", "sua.xlsx", saved.getvalue())
    assert (entry.inserted, entry.rejected) == (1, 3)
    assert ("79000703", "=1+1", date(1995, 2, 28), None, 305) in [row[:5] for row in said(schools, "append")]


def test_what_is_not_mended_comes_back_exactly_as_it_was_sent(pipeline: Pipeline, send: Send, clean_day: Path) -> None:
    """From every format and encoding to Excel and back: the same cells break the same rules."""

    def broken(entry: dict[str, Any]) -> list[Any]:
        """Problems of rows that were cut into cells."""
        query = f"SELECT rule, column_name, value FROM ops.problem WHERE delivery_id = '{entry.delivery_id}'"
        with pipeline.engine.connect() as connection:
            query += " AND severity = 'critical' AND column_name IS NOT NULL ORDER BY 1, 2, 3"
            return connection.exec_driver_sql(query).all()

    compared = set()
    for contract in CONTRACTS.values():
        folder = f"{contract.agency}/{contract.dataset}"
        for file in sorted((clean_day / folder).iterdir()):
            original = send(pipeline, folder, file.name, file.read_bytes())
            if original.rejected:
                unmended = (outbox(pipeline, original) / WORKBOOK).read_bytes()
                entry = send(pipeline, folder, WORKBOOK, unmended)
                assert (entry.state, entry.rejected) == ("loaded", entry.rows_in)
                assert broken(entry) == broken(original)
                compared.add(contract.source.format)
    assert len(compared) >= 3, compared
    assert audited(pipeline) == []
