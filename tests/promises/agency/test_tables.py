"""One file of an agency that feeds several tables: each is a dataset, whose contract says whose files it reads."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from typer.testing import CliRunner
from upath import UPath

from etl import cli
from etl.connectors.connection import Connection
from etl.contract import Contract, load_all, read_all
from etl.contract.together import knowing_each_other
from etl.delivery.entry import LedgerEntry
from etl.delivery.state import State
from etl.delivery.storage import Storage
from etl.extract import extract_bytes
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import pull
from etl.pipeline.reception import catch_up, look_again, receive_inbox
from etl.pipeline.recognise import datasets
from etl.receipt import FACTS, WORKBOOK
from etl.receive.landing import land, land_table
from etl.settings import DEFAULT_LIMITS, EXPECTATIONS
from etl.warehouse.migrate import migrate
from tests import TESTS
from tests.city import audited
from tests.extract.test_formats import contract, document, workbook, zipped

Send = Callable[..., Any]
SUITE = {"id": "0b5f0a57-6a39-4c0e-8f55-6f3f5a1c9e01", "expectations": [], "meta": {}, "notes": None}
LINK = {"logicalType": "string", "custom": {"linkedTo": "id"}}
# Of each dataset its columns, how it is read, how many of its columns are its key, and what it is sent with.
TABLES: dict[str, tuple[dict[str, Any], dict[str, Any], int, str | None]] = {
    "people": ({"id": "string", "name": "string"}, {"format": "excel", "sheet": "Khách"}, 1, None),
    "orders": (
        {"order": "string", "id": LINK, "qty": "integer"},
        {"format": "excel", "sheet": "Đơn"},
        1,
        "shop.people",
    ),
    "bills": ({"id": "string", "buyer.name": "string"}, {"format": "json", "records": "data"}, 1, None),
    "lines": (
        {"^.id": LINK, "no": "integer", "item": "string"},
        {"format": "json", "records": "data[*].lines[*]"},
        2,
        "shop.bills",
    ),
    "permits": ({"no": "string", "owner": "string"}, {"format": "xml", "record": "permit"}, 1, None),
    "works": (
        {"^/^/no": "string", "kind": "string"},
        {"format": "xml", "record": "work"},
        2,
        "shop.permits",
    ),
}  # fmt: skip
BILLS = {
    "data": [
        {"id": "A1", "buyer": {"name": "An"}, "lines": [{"no": 1, "item": "Gạo"}, {"no": 2, "item": "Nếp"}]},
        {"id": "A2", "buyer": {"name": "Bích"}, "lines": []},
    ]
}
PERMITS = (
    "<all><permit><no>7</no><owner>An</owner><works><work><kind>house</kind></work><work><kind>wall</kind></work>"
    "</works></permit><permit><no>8</no><owner>Bích</owner><works/></permit></all>"
)


def write(folder: Path, **changed: dict[str, Any]) -> Path:
    """Contracts of the tables in a folder with what all share; `changed` adds to what some say of their dataset."""
    own = load_all().agencies
    shutil.copytree(EXPECTATIONS, folder, ignore=lambda at, names: own & {*names} if Path(at) == EXPECTATIONS else [])
    (folder / "shop").mkdir()
    for name, (columns, source, key, main) in TABLES.items():
        named = {
            sent: {"name": sent.strip("^./").replace(".", "_")}
            | ({"logicalType": said} if isinstance(said, str) else said)
            for sent, said in columns.items()
        }
        said = document(named, source, dataset=f"shop.{name}", key=key)
        custom = ({"sentWith": main} if main else {}) | changed.get(name, {})
        said["name"] = f"Bảng {name} / Table {name}"
        said["customProperties"] += [{"property": word, "value": value} for word, value in custom.items() if value]
        (folder / "shop" / f"{name}.yaml").write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")
        (folder / "shop" / f"{name}.json").write_text(json.dumps(SUITE | {"name": f"shop.{name}"}), "utf-8")
    return folder


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tables") / "expectations")


@pytest.fixture(scope="module")
def shop(new_pipeline: Callable[..., Pipeline], contracts: Path) -> Iterator[Pipeline]:
    pipeline = new_pipeline(contracts)
    yield pipeline
    assert audited(pipeline) == [], "both laws hold for all that was sent"


def book(orders: list[list[object]], *more: tuple[str, list[list[object]]]) -> bytes:
    people = [["id", "name"], ["A1", "An"], ["A2", "Bích"]]
    return workbook(("Khách", people), ("Đơn", [["order", "id", "qty"], *orders]), *more)


def rows(pipeline: Pipeline, query: str) -> list[tuple[Any, ...]]:
    with pipeline.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def notes(pipeline: Pipeline, entry: LedgerEntry) -> dict[str, str]:
    folder = Path(pipeline.storage.folder("outbox", entry.delivery))
    return {note["rule"]: note["text"]["en"] for note in json.loads((folder / FACTS).read_text("utf-8"))["notes"]}


def of(pipeline: Pipeline, dataset: str, entry: LedgerEntry) -> LedgerEntry:
    return pipeline.ledger.get(f"shop.{dataset}", entry.delivery_id)


def mended(content: bytes) -> bytes:
    """A workbook of rejected rows with 6 where an x was."""
    whole = openpyxl.load_workbook(io.BytesIO(content))
    (cell,) = [cell for row in whole.worksheets[0].iter_rows() for cell in row if cell.value == "x"]
    cell.value = 6
    saved = io.BytesIO()
    whole.save(saved)
    return saved.getvalue()


def test_two_sheets_of_a_workbook_are_two_tables_each_with_its_own_receipt_and_correction(
    shop: Pipeline, send: Send
) -> None:
    content = book([["1", "A1", 2], ["2", "A2", "x"], ["3", "A9", 1]], ("Ghi chú", [["xem"]]))
    people = send(shop, "shop/people", "people_2026-03-02.xlsx", content)
    orders = of(shop, "orders", people)
    assert [(e.state, e.rows_in, e.rejected) for e in (people, orders)] == [("loaded", 2, 0), ("loaded", 3, 2)]
    assert rows(shop, 'SELECT "order", id, qty FROM people.orders') == [("1", "A1", 2)]
    for entry, other in ((people, orders), (orders, people)):
        said = notes(shop, entry)
        assert other.name.replace(".", "/") in said["other_tables"]
        assert said["sheets_not_read"].endswith(": “Ghi chú”."), "the other table's sheet is read"
    assert "A9" not in str(notes(shop, orders))

    sent_back = Path(shop.storage.folder("outbox", orders.delivery)) / WORKBOOK
    again = send(shop, "shop/people", "mended.xlsx", mended(sent_back.read_bytes()))
    assert again.dataset == "shop.orders", "the folder is that of the file, and the rows are known again"
    assert (again.state, again.rows_in, again.rejected) == ("loaded", 2, 1), "the file has no A9 still"
    assert rows(shop, 'SELECT "order", qty FROM people.orders_current ORDER BY 1') == [("1", 2), ("2", 6)]


def test_a_child_list_of_json_and_elements_within_a_record_of_xml_are_tables_by_contract_alone(
    shop: Pipeline, send: Send
) -> None:
    bills = send(shop, "shop/bills", "bills_2026-03-02.json", json.dumps(BILLS).encode())
    permits = send(shop, "shop/permits", "permits_2026-03-02.xml", PERMITS.encode())
    for entry in (bills, of(shop, "lines", bills), permits, of(shop, "works", permits)):
        assert (entry.state, entry.rows_in, entry.rejected) == ("loaded", 2, 0), entry.message_en
        assert notes(shop, entry).keys() == {"other_tables"}, "nothing of the file is unknown"
    assert rows(shop, "SELECT id, buyer_name FROM people.bills ORDER BY 1") == [("A1", "An"), ("A2", "Bích")]
    assert rows(shop, "SELECT id, no, item FROM people.lines ORDER BY 2") == [("A1", 1, "Gạo"), ("A1", 2, "Nếp")]
    assert rows(shop, "SELECT no, owner FROM people.permits ORDER BY 1") == [("7", "An"), ("8", "Bích")]
    assert rows(shop, "SELECT no, kind FROM people.works ORDER BY 2") == [("7", "house"), ("7", "wall")]


@pytest.mark.parametrize(
    ("main", "other", "content", "expected"),
    [
        (
            contract({"id": "string", "at.city": "string"}, format="ndjson"),
            contract({"^.^.id": "string", "no": "integer"}, format="ndjson", records="at.lines"),
            b'{"id": "A", "at": {"city": "Hue", "lines": [{"no": 1}, {"no": 2}]}}\n{"id": "B"}\n',
            ([("A", "Hue"), ("B", None)], [("A", 1), ("A", 2)]),
        ),
        (
            contract({"id": "string", "name": "string"}, format="csv"),
            contract({"id": "string", "tax": "integer"}, format="csv"),
            b"id,name,tax\nA,An,7\n",
            ([("A", "An")], [("A", 7)]),
        ),
        (
            contract({"id": "string"}, format="csv", archive="zip", member="a.csv"),
            contract({"id": "string", "n": "integer"}, format="csv", delimiter=";", archive="zip", member="b.csv"),
            zipped(a_csv=b"id\nA\n", b_csv=b"id;n\nB;1\n"),
            ([("A",)], [("B", 1)]),
        ),
    ],
    ids=["lines within lines", "columns of one line", "files in an archive"],
)
def test_each_table_reads_its_own_and_leaves_the_rest_to_the_other(
    main: Contract, other: Contract, content: bytes, expected: tuple[list[Any], list[Any]]
) -> None:
    tables = knowing_each_other([main, replace(other, sent_with=main.id)])
    for table, rows_of_it in zip(tables, expected, strict=True):
        found, problems, _ = extract_bytes(content, table)
        assert found.select(c.name for c in table.columns).rows() == rows_of_it
        assert problems.is_empty(), problems["en"].to_list()


def test_what_no_table_of_the_file_reads_is_still_named(shop: Pipeline, send: Send) -> None:
    data = [{**BILLS["data"][0], "tax": 3, "lines": [{"no": 1, "item": "Gạo", "unit": "kg"}]}]
    bills = send(shop, "shop/bills", "bills_2026-03-03.json", json.dumps({"data": data, "of": "x"}).encode())
    said = [notes(shop, entry) for entry in (bills, of(shop, "lines", bills))]
    assert [s["new_column"].partition(": ")[2].partition(";")[0].strip(".") for s in said] or said
    assert "tax" in said[0]["new_column"] and "unit" in said[1]["new_column"]
    assert "unit" not in said[0]["new_column"]
    assert "^.tax" in said[1]["outside_records"] and "^.^.of" in said[1]["outside_records"]


def test_a_later_word_has_one_number_in_all_tables_and_a_withdrawal_is_of_one(shop: Pipeline, send: Send) -> None:
    for qty in (1, 2):
        people = send(shop, "shop/people", "people_2026-03-05.xlsx", book([["9", "A1", qty]]))
    assert people.word == of(shop, "orders", people).word == 2
    assert rows(shop, "SELECT qty FROM people.orders_current WHERE \"order\" = '9'") == [(2,)]
    shop.withdraw("shop.orders", people.delivery_id, "sent by mistake")
    assert of(shop, "people", people).state is State.LOADED
    assert rows(shop, "SELECT qty FROM people.orders_current WHERE \"order\" = '9'") == [(1,)]


def test_a_file_in_the_folder_of_another_of_its_tables_is_refused_and_comes_in_by_the_right_one(
    shop: Pipeline, send: Send
) -> None:
    content = book([["20", "A1", 1]])
    astray = send(shop, "shop/orders", "people_2026-03-06.xlsx", content)
    assert (astray.state, astray.rule) == ("rejected", "sent_with_another")
    assert "shop/people" in astray.message_en
    people = send(shop, "shop/people", "people_2026-03-06.xlsx", content)
    assert [e.state for e in (people, of(shop, "orders", people))] == ["loaded", "loaded"]


def test_a_manifest_counts_the_rows_of_the_main_table(shop: Pipeline, send: Send) -> None:
    content = book([["30", "A1", 1]])
    beside = Path(shop.storage.inbox) / "shop/people/people_2026-03-07.xlsx.manifest.json"
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(json.dumps({"rows": 2, "size": len(content)}))
    people = send(shop, "shop/people", "people_2026-03-07.xlsx", content)
    assert [e.state for e in (people, of(shop, "orders", people))] == ["loaded", "loaded"]


def test_a_file_without_a_byte_is_no_row_of_any_table(shop: Pipeline, send: Send) -> None:
    file = "permits_2026-03-10.xml"
    beside = Path(shop.storage.inbox) / f"shop/permits/{file}.manifest.json"
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(json.dumps({"rows": 0}))
    permits = send(shop, "shop/permits", file, b"")
    for entry in (permits, of(shop, "works", permits)):
        assert (entry.state, entry.rows_in, entry.rule) == ("held", 0, "empty_snapshot"), (
            "a whole list is never nothing"
        )


def test_one_table_that_cannot_be_read_stops_no_other(shop: Pipeline, send: Send) -> None:
    content = workbook(("Khách", [["id", "name"], ["A1", "An"]]))
    people = send(shop, "shop/people", "people_2026-03-08.xlsx", content)
    assert (people.state, of(shop, "orders", people).rule) == ("loaded", "no_sheet")


def test_what_was_received_of_half_a_file_is_withdrawn_from_all_tables(shop: Pipeline, send: Send) -> None:
    bills = send(shop, "shop/bills", "bills_2026-03-09.json", json.dumps(BILLS).encode())
    (moved,) = Path(shop.storage.processed).glob(f"shop/bills/{bills.delivery_id}_*")
    moved.write_bytes(moved.read_bytes() + b" ")
    look_again(shop)
    assert {of(shop, table, bills).state for table in ("bills", "lines")} == {State.WITHDRAWN}
    for received in receive_inbox(shop):
        for _ in shop.walk(received.dataset, received.delivery_id):
            pass
    assert {e.state for e in shop.ledger.all("shop.lines")} == {State.LOADED, State.WITHDRAWN}


def test_whoever_is_stopped_between_two_tables_finds_both_the_next_time(
    new_pipeline: Callable[..., Pipeline], contracts: Path, send: Send
) -> None:
    pipeline = new_pipeline(contracts)
    content = book([["1", "A1", 2]])
    in_the_way = Path(pipeline.storage.root) / "landing/shop/orders"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no folder")
    file = Path(pipeline.storage.inbox) / "shop/people/people_2026-03-02.xlsx"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert receive_inbox(pipeline) == []
    assert file.exists()
    assert pipeline.ledger.all() == [], "the main table is told last"
    in_the_way.unlink()
    people = send(pipeline, "shop/people", file.name, content)
    assert [e.state for e in (people, of(pipeline, "orders", people))] == ["loaded", "loaded"]
    assert audited(pipeline) == []


def test_a_table_whose_contract_comes_later_gets_the_earlier_files(
    new_pipeline: Callable[..., Pipeline], contracts: Path, tmp_path: Path, send: Send
) -> None:
    before = shutil.copytree(contracts, tmp_path / "expectations")
    for ending in ("yaml", "json"):
        (before / f"shop/orders.{ending}").unlink()
    pipeline = new_pipeline(before)
    people = send(pipeline, "shop/people", "people_2026-03-02.xlsx", book([["1", "A1", 2]]))
    refused = send(pipeline, "shop/people", "people.xlsx", book([["1", "A1", 3]]))
    assert refused.state == "rejected"
    now = Pipeline(pipeline.settings, load_all(contracts))
    migrate(now.engine, now.contracts.values())
    (finding,) = audited(now)
    assert (finding.delivery, "citydw catch-up shop.orders" in finding.text) == (people.name, True)
    (given,) = catch_up(now, "shop.orders")
    assert [outcome.state for _, outcome in now.walk(given.dataset, given.delivery_id)][-1] == "loaded"
    assert rows(now, 'SELECT "order", qty FROM people.orders') == [("1", 2)]
    assert audited(now) == [] == catch_up(now, "shop.orders")


def test_a_check_before_sending_looks_at_all_tables_of_the_file(
    tmp_path: Path, contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "people_2026-03-02.xlsx"
    file.write_bytes(book([["1", "A1", 2], ["2", "A9", 1]]))
    assert [c.id for c in datasets(file, load_all(contracts).values(), DEFAULT_LIMITS)] == ["shop.people"]
    claims = TESTS / "datasets/health.claims/claims_2026-03-02.xml"
    said = CliRunner().invoke(cli.app, ["check", str(claims), "--out", str(tmp_path / "out")])
    assert said.exit_code == 1, said.output
    assert all(f"(health.{table})" in said.output for table in ("claims", "claim_drugs", "claim_services"))
    assert "NGAYLAP (1), SOLUONGHOSO (1), MACSKCB (1)" in said.output, "what no table reads is named"
    for folder, rejected in (("", 2), ("claim_drugs", 2), ("claim_services", 3)):
        assert json.loads((tmp_path / "out" / folder / FACTS).read_text("utf-8"))["rejected"] == rejected
        assert (tmp_path / "out" / folder / WORKBOOK).exists()


@pytest.mark.parametrize(
    ("table", "said", "sentence"),
    [
        ("orders", {"sentWith": "shop.poeple"}, "there is no dataset 'shop.poeple'; did you mean 'shop.people'?"),
        ("people", {"sentWith": "shop.people"}, "sentWith names this dataset itself"),
        ("people", {"sentWith": "shop.orders"}, "shop.orders is itself sent with shop.people"),
        ("works", {"sentWith": "shop.bills"}, "a file of shop.bills is json, and not xml"),
        ("orders", {"sentWith": None}, "column id: linkedTo needs sentWith"),
        ("orders", {"controlTotals": ["qty"]}, "a manifest's totals are those of shop.people"),
        ("orders", {"sentWith": "orders"}, "must be agency.dataset"),
    ],
)
def test_tables_that_cannot_be_of_one_file_are_named(
    tmp_path: Path, table: str, said: dict[str, Any], sentence: str
) -> None:
    wrong = read_all(write(tmp_path / "expectations", **{table: said})).wrong
    assert sentence in " ".join(str(wrong[f"shop.{table}"]).split())
    assert not {f"shop.{name}" for name in ("bills", "lines", "permits")} & wrong.keys(), "others go on"


def test_a_link_to_a_column_that_the_main_table_lacks_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "expectations")
    path = folder / "shop/orders.yaml"
    path.write_text(path.read_text("utf-8").replace("value: id\n", "value: idd\n"), "utf-8")
    (wrong,) = read_all(folder).wrong.items()
    assert wrong[0] == "shop.orders" and "must be a string column of shop.people" in str(wrong[1])


def test_base64_that_is_none_or_hides_an_entity_stops_the_file(shop: Pipeline) -> None:
    from base64 import b64encode

    from etl.delivery.messages import Stop
    from etl.extract.xml_in_xml import unpacked

    hidden = b64encode(b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>')
    for inside, rule in ((b"abc", "unreadable_xml"), (b64encode(b"<a>"), "unreadable_xml"), (hidden, "xml_doctype")):
        with pytest.raises(Stop) as stop:
            unpacked(b"<all><doc>%b</doc></all>" % inside, "doc")
        assert stop.value.rule == rule
    letters = b64encode('<?xml version="1.0" encoding="utf-16"?><a>Bích</a>'.encode("utf-16"))
    assert unpacked(b"<all><doc>\n%b\n</doc></all>" % letters, "doc") == b"<all><doc><a>B&#237;ch</a></doc></all>"
    assert unpacked(b"<all><doc><a/></doc></all>", "doc") == b"<all><doc><a/></doc></all>"


@pytest.mark.parametrize("on", ["disk", "s3"])
def test_landing_has_the_bytes_under_each_table(on: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    root = UPath(tmp_path / "data") if on == "disk" else request.getfixturevalue("s3")() / "data"
    storage, file = Storage(root), tmp_path / "people_2026-03-02.xlsx"
    file.write_bytes(book([["1", "A1", 2]]))
    main = land(storage, UPath(file), ("shop", "people")).delivery
    for _ in range(2):  # a second time changes nothing
        delivery, declared = land_table(storage, main, {"rows": 2, "size": 7}, "orders")
    assert storage.delivery("shop", "orders", main.id) == delivery == replace(main, dataset="orders")
    assert declared == {"size": 7}
    assert storage.content(delivery).read_bytes() == file.read_bytes()
    if on == "disk":
        assert Path(storage.content(delivery)).samefile(storage.content(main)), "they take their room once"


def test_what_is_fetched_feeds_all_tables_and_all_receipts_go_back(
    new_pipeline: Callable[..., Pipeline],
    contracts: Path,
    tmp_path: Path,
    s3: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CITYDW_QUIET_SECONDS", "0.2")
    folder, ours = s3() / "out", shutil.copytree(contracts, tmp_path / "expectations")
    said = [{"property": "schedule", "value": "30 2 * * *"}, {"property": "receipts", "value": "outbox"}]
    server = {"server": "shop", "type": "s3", "location": str(folder), "endpointUrl": os.environ["AWS_ENDPOINT_URL"]}
    path = ours / "shop/people.yaml"
    fetched = yaml.safe_load(path.read_text("utf-8")) | {"servers": [server | {"customProperties": said}]}
    path.write_text(yaml.safe_dump(fetched, allow_unicode=True), "utf-8")
    pipeline = new_pipeline(ours)

    def account(name: str) -> Connection:
        return Connection(name, login="shop", password="secret", extra={"region_name": "us-east-1"})

    (folder / "people_2026-03-02.xlsx").write_bytes(book([["1", "A1", 2], ["2", "A1", "x"]]))
    brought = pull(pipeline, "shop.people", account)
    assert [received.dataset for received in brought.received] == ["shop.people", "shop.orders"]
    for received in brought.received:
        for _ in pipeline.walk(received.dataset, received.delivery_id):
            pass
    assert pull(pipeline, "shop.people", account).received == ()
    outbox = folder / "outbox" / brought.received[0].delivery_id
    assert (outbox / FACTS).exists() and not (outbox / WORKBOOK).exists()
    workbook_of_orders = outbox / "orders" / WORKBOOK
    (folder / "mended.xlsx").write_bytes(mended(workbook_of_orders.read_bytes()))
    (again,) = pull(pipeline, "shop.people", account).received
    for _ in pipeline.walk(again.dataset, again.delivery_id):
        pass
    assert rows(pipeline, 'SELECT "order", qty FROM people.orders_current ORDER BY 1') == [("1", 2), ("2", 6)]
    assert pull(pipeline, "shop.people", account).received == (), "what was taken as another table's is taken"
    assert audited(pipeline) == []
