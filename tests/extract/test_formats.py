"""Files in the formats of ordinary extracts, each by a contract alone, beside what an independent reading makes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import re
import sqlite3
import time
import zipfile
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import openpyxl
import openpyxl.worksheet.table
import pandas
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import etl
from etl.contract import ENDINGS, Contract, ContractError, Format
from etl.contract.expansion import dictionary
from etl.contract.reading import contract_of
from etl.delivery import batches
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import extract_bytes
from etl.extract.encodings import bytes_of
from etl.pipeline.recognise import datasets
from etl.settings import DEFAULT_LIMITS, EXPECTATIONS, PROJECT
from tests import TESTS

FORMATS = TESTS / "formats"
SHARED = dictionary(EXPECTATIONS)


def contract(columns: Mapping[str, Any], **source: Any) -> Contract:
    """A contract of such columns; the first is the key."""
    return contract_of(document(columns, source), Path("a/b.yaml"), SHARED)


def document(columns: Mapping[str, Any], source: dict[str, Any], *, dataset: str = "a.b", key: int = 1) -> Any:
    """What a contract's file says of columns: by the name in the file, the logical type or all that is said of one.

    The first columns, so many, are the key.
    """
    properties = []
    for number, (sent, said) in enumerate(columns.items()):
        about = {"logicalType": said} if isinstance(said, str) else dict(said)
        custom = [{"property": name, "value": value} for name, value in about.pop("custom", {}).items()]
        properties.append(
            {"name": f"c{number}", "physicalName": sent, "description": "Cột. / Column.", "examples": ["1"]}
            | about
            | ({"primaryKey": True, "primaryKeyPosition": number + 1} if number < key else {})
            | ({"customProperties": custom} if custom else {})
        )
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": dataset,
        "name": "Bảng / Table",
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": "Mỗi dòng là một bản ghi. / One row is one record."},
        "support": [{"channel": "Phòng", "url": "mailto:a@example.gov.vn"}],
        "slaProperties": [{"property": "frequency", "value": 1, "unit": "d"}],
        "customProperties": [
            {"property": "agencyTitle", "value": "Sở / Department"},
            {"property": "deliveryMode", "value": "snapshot"},
            {"property": "source", "value": source},
        ],
        "schema": [{"name": "b", "physicalName": f"people.{dataset.partition('.')[2]}", "properties": properties}],
    }


def values(content: bytes | str, of: Contract) -> tuple[list[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """The rows of a file, each with its number, and the rules that speak, each with its row."""
    data = content if isinstance(content, bytes) else (FORMATS / content).read_bytes()
    rows, problems, rows_in = extract_bytes(data, of)
    critical = problems.filter(pl.col(ROW).is_not_null(), ~pl.col(ROW).is_in(rows[ROW].implode()))
    assert rows_in == rows.height + critical[ROW].n_unique()
    return rows.select(ROW, *(c.name for c in of.columns)).rows(), {*problems.select(ROW, "rule").rows()}


def told(content: bytes | str, of: Contract, rule: str) -> str:
    data = content if isinstance(content, bytes) else (FORMATS / content).read_bytes()
    _, problems, _ = extract_bytes(data, of)
    return str(problems.filter(rule=rule)["vi"].item())


def stopped(content: bytes | str, of: Contract) -> Stop:
    with pytest.raises(Stop) as stop:
        values(content, of)
    assert stop.value.message.vi and stop.value.message.en
    return stop.value


REPORT = {"mã": "string", "Tên đơn vị": "string", "Dân số": "integer"}


def test_a_header_is_found_by_its_line_and_may_hold_line_ends() -> None:
    rows, said = values("report.csv", contract(REPORT, format="csv", header=3, footer=2))
    with (FORMATS / "report.csv").open(encoding="utf-8", newline="") as file:
        lines = [*csv.reader(file)]
    expected = [(cells[0], cells[1], int(cells[2])) for cells in lines[4:6]]
    assert [row[1:] for row in rows][1:] == expected
    assert (None, "footer") in said


def test_the_header_is_found_by_names_that_hold_line_ends() -> None:
    rows, said = values("report.csv", contract(REPORT, format="csv", footer="Tổng|Nguồn"))
    assert [row[:2] for row in rows] == [(5, "(1)"), (6, "001"), (7, "002")]
    assert {rule for _, rule in said} == {"other_dialect", "footer", "type_integer"}


def test_a_file_without_a_header_is_read_by_the_order_of_the_columns() -> None:
    of = contract(
        {"mã": "string", "tên": "string", "diện tích": "number"},
        format="csv", header="none", delimiter=";", numbers="vietnamese",
    )  # fmt: skip
    rows, said = values("no_header.csv", of)
    with (FORMATS / "no_header.csv").open(encoding="utf-8", newline="") as file:
        lines = [*csv.reader(file, delimiter=";")]
    assert [(a, b or "", str(c or "").rstrip("0").rstrip(".")) for _, a, b, c in rows] == [
        (a, b, c.replace(",", ".")) for a, b, c in lines
    ]
    assert [row[0] for row in rows] == [1, 2, 3]
    assert not said


def test_a_header_that_comes_where_none_is_agreed_names_the_columns() -> None:
    of = contract({"mã": "string", "tên": "string"}, format="csv", header="none")
    rows, said = values("tên,mã\nBến Thành,001\n".encode(), of)
    assert rows == [(2, "001", "Bến Thành")]
    assert said == {(None, "header_came")}


def test_two_lines_of_names_are_read_as_one() -> None:
    of = contract({"Mã": "string", "Dân số Nam": "integer", "Dân số Nữ": "integer"}, format="csv", header=[2, 3])
    rows, said = values("Bảng 1\nMã,Dân số,\n,Nam,Nữ\n001,3,4\n".encode(), of)
    assert rows == [(4, "001", 3, 4)]
    assert not said


def test_a_record_is_never_taken_for_a_line_of_the_footer() -> None:
    stop = stopped(b"a,b\n1,x\n2,y\n", contract({"a": "string", "b": "string"}, format="csv", footer=1))
    assert (stop.state, stop.rule) == ("held", "record_in_footer")
    rows, _ = values(b"a,b\n1,x\n2,y\n", contract({"a": "string", "b": "string"}, format="csv", footer="Note"))
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ({"format": "csv", "header": 0}, "header is 0"),
        ({"format": "csv", "header": [3, 2]}, "header is [3, 2]"),
        ({"format": "csv", "header": "first"}, "header is 'first'"),
        ({"format": "csv", "footer": -1}, "footer is -1"),
        ({"format": "csv", "footer": "("}, "footer is '('"),
        ({"format": "ndjson", "header": 1}, "header is for format csv"),
    ],
)
def test_what_a_source_cannot_be_is_said(source: dict[str, Any], place: str) -> None:
    with pytest.raises(ContractError, match=r".") as error:
        contract({"a": "string"}, **source)
    assert place in " ".join(error.value.findings)


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(
                name.replace("__", "/").replace("_csv", ".csv").replace("_txt", ".txt").replace("_pdf", ".pdf"), content
            )
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "source"),
    [(b"a,b\n1,x\n", {"format": "csv"}), (b'{"a": "1", "b": "x"}\n', {"format": "ndjson"})],
)
def test_a_file_packed_by_gzip_is_read(content: bytes, source: dict[str, Any]) -> None:
    of = contract({"a": "string", "b": "string"}, **source)
    assert values(gzip.compress(content), of) == values(content, of)


def test_gzip_that_is_damaged_or_a_bomb_is_refused() -> None:
    of = contract({"a": "string"}, format="csv")
    packed = gzip.compress(b"a\n" + b"".join(b"%d\n" % n for n in range(50_000)))
    assert "GZ" in stopped(packed[:-200], of).message.vi
    started = time.process_time()
    assert stopped(gzip.compress(bytes(300 << 20)), of).rule in ("unpacks_to_too_much", "line_too_long")
    assert time.process_time() - started < 60  # not a matter of speed: it ends


DISTRICTS = zipped(d__q1_csv=b'id,name\n1,A\n2,"B\n', d__q2_csv=b"name,id\nC,3\n\nD,4\n", readme_pdf=b"...")


def test_the_parts_in_a_zip_are_one_delivery() -> None:
    of = contract({"id": "string", "name": "string", "@member": "string"}, format="csv", archive="parts")
    rows, said = values(DISTRICTS, of)
    assert rows == [(2, "1", "A", "d/q1.csv"), (5, "3", "C", "d/q2.csv"), (7, "4", "D", "d/q2.csv")]
    assert said == {(3, "unclosed_quote"), (None, "parts_read"), (None, "members_not_read")}
    assert "d/q1.csv: 1-3; d/q2.csv: 4-7" in told(DISTRICTS, of, "parts_read")
    assert "readme.pdf" in told(DISTRICTS, of, "members_not_read")


def test_a_part_that_lacks_a_column_is_named() -> None:
    of = contract({"id": "string", "name": "string"}, format="csv", archive="parts")
    bad = zipped(q1_csv=b"id,name\n1,A\n", q2_csv=b"code,name\n1,A\n")
    assert stopped(bad, of).message.en.startswith("q2.csv: ")
    with_more = zipped(q1_csv=b"id,name,more\n1,A,x\n", q2_csv=b"more,id,name\ny,2,B\n", q3_csv=b"id,name\n3,C\n",
                       readme_pdf=b"...")  # fmt: skip
    rows, _, _ = extract_bytes(with_more, of)
    assert rows["unknown.more"].to_list() == ["x", "y", None]
    unlike = zipped(q1_csv=b"id,name\n1,A\n", q2_csv=b"id,name,more\n1,A,x\n")
    assert stopped(unlike, of).rule == "unlike_parts"
    assert stopped(zipped(a_pdf=b"a", b_pdf=b"b"), of).rule == "unreadable_zip"
    of = contract({"id": "string", "name": "string"}, format="csv", archive="parts", member="q*.csv")
    assert len(values(zipped(q1_csv=b"id,name\n1,A\n", codes_csv=b"code\n1\n"), of)[0]) == 1


def test_one_member_of_a_zip_is_read_by_its_name() -> None:
    feed = zipped(stops_txt=b"stop_id,lat\nS1,10.5\n", routes_txt=b"route_id\nR1\n")
    of = contract({"stop_id": "string", "lat": "string"}, format="csv", archive="zip", member="stops.txt")
    assert values(feed, of) == ([(2, "S1", "10.5")], set())
    of = contract({"stop_id": "string"}, format="csv", archive="zip", member="trips.txt")
    assert "stops.txt, routes.txt" in stopped(feed, of).message.vi


NUMERIC = {"logicalType": "number", "physicalType": "numeric(38,6)"}


def test_records_of_a_json_document_are_found_by_their_path() -> None:
    of = contract(
        {
            "id": "string",
            "buyer.name": "string",
            "tags": {"logicalType": "string", "custom": {"separator": ";"}},
            "amount": NUMERIC,
        },
        format="json",
        records="data",
    )
    rows, said = values("orders.json", of)
    text = (FORMATS / "orders.json").read_text(encoding="utf-8")
    data = json.loads(text, parse_float=Decimal)["data"]
    assert [row[:3] for row in rows] == [
        (n, d["id"], (d.get("buyer") or {}).get("name")) for n, d in enumerate(data, 1)
    ]
    assert [row[3:] for row in rows] == [
        ("lúa;gạo", data[0]["amount"]),
        (None, data[1]["amount"]),
        ('["a;b"]', data[2]["amount"]),
        (None, None),
    ]
    assert said == {(3, "separator_in_item"), (None, "outside_records"), (None, "new_column")}
    assert "generated" in told("orders.json", of, "outside_records")
    assert "lines" in told("orders.json", of, "new_column") and "buyer.tax" in told("orders.json", of, "new_column")


def test_a_child_list_is_a_table_of_its_own_by_a_contract_that_reads_the_same_file() -> None:
    columns = {"^.id": "string", "no": "integer", "item": "string", "qty": NUMERIC, "^.buyer.name": "string"}
    rows, said = values("orders.json", contract(columns, format="json", records="data[*].lines[*]"))
    data = json.loads((FORMATS / "orders.json").read_text(encoding="utf-8"), parse_float=Decimal)["data"]
    expected = [
        (
            d["id"],
            line["no"],
            line.get("item"),
            line.get("qty") and Decimal(line["qty"]),
            (d.get("buyer") or {}).get("name"),
        )
        for d in data
        for line in (d["lines"] if isinstance(d["lines"], list) else [d["lines"]])  # one alone needs no list
        if isinstance(line, dict)
    ]
    assert [row[1:] for row in rows] == expected
    assert said == {(4, "no_record"), (None, "outside_records")}
    outside = told("orders.json", contract(columns, format="json", records="$.data[*].lines"), "outside_records")
    assert all(name in outside for name in ("^.tags (2)", "^.amount (2)", "^.^.generated (1)"))


def test_a_list_of_objects_can_be_one_cell_by_a_field_of_each() -> None:
    of = contract(
        {"id": "string", "lines[*].item": {"logicalType": "string", "custom": {"separator": "|"}}},
        format="ndjson",
    )
    content = (
        b'{"id": "1", "lines": [{"item": "a"}, {"item": "b", "no": 2}]}\n{"id": "2", "lines": [{"item": "a|b"}]}\n'
    )
    rows, said = values(content, of)
    assert [row[1:] for row in rows] == [("1", "a|b"), ("2", '["a|b"]')]
    assert said == {(2, "separator_in_item"), (None, "new_column")}


def test_lists_within_lines_of_ndjson_are_records() -> None:
    of = contract({"^.id": "string", "no": "integer"}, format="ndjson", records="lines")
    content = b'{"id": "1", "lines": [{"no": 1}, {"no": 2}]}\n{"id": \n{"id": "3"}\n{"id": "4", "lines": [{"no": 1}]}\n'
    rows, said = values(content, of)
    assert rows == [(1, "1", 1), (2, "1", 2), (4, "4", 1)]
    assert said == {(3, "broken_json")}


@pytest.mark.parametrize(
    ("content", "records", "rule"),
    [
        (b'{"data": [{"a": "1"}]}', None, "no_records"),
        (b'{"data": [{"a": "1"}]}', "data.items", "no_records"),
        (b'[{"a": "1"}, {"a"', None, "unreadable_json_document"),
        (b"[" * 100_000, None, "nested_too_deep"),
        (b"[" + b'{"a":' * 200 + b"1" + b"}" * 200 + b"]", None, "nested_too_deep"),
        (("[{" + ",".join(f'"k{n}": 1' for n in range(1000)) + "}]").encode(), None, "too_many_columns"),
    ],
)
def test_json_that_is_not_as_agreed_or_hostile_is_refused(content: bytes, records: str | None, rule: str) -> None:
    of = contract({"a": "string"}, format="json", **({"records": records} if records else {}))
    assert stopped(content, of).rule == rule


def test_elements_that_come_twice_and_nest_are_never_put_together() -> None:
    of = contract({"id": "string", "phone/no": "string", "phone/ext": "string"}, format="xml", record="r")
    twice = b"<a><r><id>1</id><phone><no>1</no></phone><phone><ext>2</ext></phone></r></a>"
    _, said = values(twice, of)
    assert said == {(1, "field_twice")}


def test_xml_is_read_with_its_attributes_namespaces_nested_elements_and_lists() -> None:
    of = contract(
        {
            "@id": "string",
            "owner/name": "string",
            "owner/phone": {"logicalType": "string", "custom": {"separator": ";"}},
            "p:area": "string",
            "p:area/@unit": "string",
            "@p:state": "string",
            "^/@code": "string",
            "^/title": "string",
        },
        format="xml",
        record="p:permit",
        namespaces={"p": "http://example.org/permits", "": "http://example.org/base"},
    )
    rows, said = values("permits.xml", of)
    root = ElementTree.parse(FORMATS / "permits.xml").getroot()
    p, base = "{http://example.org/permits}", "{http://example.org/base}"
    first = root[0][0]
    assert rows == [
        (
            1,
            first.get("id"),
            first.findtext(f"{base}owner/{base}name"),
            ";".join(phone.text or "" for phone in first.iter(f"{base}phone")),
            first.findtext(f"{p}area"),
            first[1].get("unit"),
            first.get(f"{p}state"),
            root[0].get("code"),
            root[0].findtext(f"{base}title"),
        ),
        (2, "8", "Lê Bình", "1;2 | 3", "7!", None, None, "Q1", "Quận 1"),
        (3, "9", None, None, None, None, None, "Q3", None),
    ]
    assert said == {(2, "separator_in_item"), (2, "not_one_value"), (None, "outside_records"), (None, "new_column")}
    assert "seal" in told("permits.xml", of, "outside_records")
    assert "title" not in told("permits.xml", of, "outside_records")
    assert "owner/name/@{http://www.w3.org/XML/1998/namespace}lang" in told("permits.xml", of, "new_column")
    assert "remark/by" in told("permits.xml", of, "new_column")


FIXED = {
    "id": {"logicalType": "string", "custom": {"position": "1-10"}},
    "name": {"logicalType": "string", "custom": {"position": "11-34"}},
    "capital": {"logicalType": "integer", "custom": {"position": "36-43"}},
    "ngay": {
        "logicalType": "date",
        "logicalTypeOptions": {"format": "ddMMyyyy"},
        "examples": ["02032026"],
        "custom": {"position": "44-51"},
    },
}


@pytest.mark.parametrize("encoding", ["utf-8", "tcvn3", "utf-16"])
def test_columns_of_fixed_width_are_cut_by_their_places(encoding: str) -> None:
    text = (FORMATS / "register.txt").read_text(encoding="utf-8")
    content = bytes_of(text, encoding) if encoding == "tcvn3" else text.encode(encoding)
    assert content
    of = contract(FIXED, format="fixed_width", encoding=encoding, header=1, footer=1)
    rows, said = values(content, of)
    frame = pandas.read_fwf(
        io.StringIO(text), colspecs=[(0, 10), (10, 34), (35, 43), (43, 51)], names=[*FIXED], dtype=str, skiprows=1
    )
    expected = [
        (id, None if pandas.isna(name) else name, int(capital), datetime.strptime(on, "%d%m%Y").date())
        for id, name, capital, on in frame.drop(index=[2, 4]).itertuples(index=False)
    ]
    assert [row[1:] for row in rows] == expected
    assert [row[0] for row in rows] == [2, 3, 5]
    assert said == {(4, "short_line"), (None, "footer"), (None, "between_columns")}
    assert "35-35" in told(content, of, "between_columns")


@pytest.mark.parametrize("positions", [("1-5", "5-9"), ("3-9", "1-4"), ("1-", "5-9")])
def test_columns_that_overlap_are_a_fault_of_the_contract(positions: tuple[str, str]) -> None:
    columns = {
        name: {"logicalType": "string", "custom": {"position": at}} for name, at in zip("ab", positions, strict=True)
    }
    with pytest.raises(ContractError, match=r"overlaps that of c[01], .*each place in a line"):
        contract(columns, format="fixed_width")


def test_a_column_of_xml_whose_prefix_no_namespace_has_is_a_fault_of_the_contract() -> None:
    columns = {"@id": "string", "{http://x}a": "string", "p:a/b": "string", "p:a/@q:b": "string"}
    with pytest.raises(ContractError) as error:
        contract(columns, format="xml", record="p:row", namespaces={"p": "http://x"})
    (finding,) = error.value.findings
    assert "column c3" in finding and "prefix 'q'" in finding


def test_a_letter_that_is_two_bytes_takes_two_places_where_the_encoding_says_so() -> None:
    names = ["Nguyễn Thị Ánh Tuyết", "Trần Văn B"]
    lines = [b"%010d" % n + (bytes_of(name, "cp1258") or b"").ljust(24) + b" " for n, name in enumerate(names)]
    columns = {name: FIXED[name] for name in ("id", "name")}
    rows, said = values(b"\n".join(lines), contract(columns, format="fixed_width", encoding="cp1258"))
    assert [row[2] for row in rows] == names
    assert not said


def test_places_can_be_counted_in_bytes() -> None:
    columns = {
        "id": {"logicalType": "string", "custom": {"position": "1-2"}},
        "name": {"logicalType": "string", "custom": {"position": "3-8"}},
        "rest": {"logicalType": "string", "custom": {"position": "9-"}},
    }
    content = "01Hồ   x\n02Hạnh y\n03abcdeệ\n04abc\n05abcdef\n".encode()
    rows, said = values(content, contract(columns, format="fixed_width", positions="bytes"))
    lines = content.splitlines()
    assert rows == [
        (n + 1, *(cell.decode().strip() or None for cell in (lines[n][:2], lines[n][2:8], lines[n][8:])))
        for n in (0, 1, 4)
    ]
    assert said == {(3, "torn_letter"), (4, "short_line")}


def workbook(*sheets: tuple[str, list[list[object]]], merged: tuple[str, ...] = (), table: str | None = None) -> bytes:
    book = openpyxl.Workbook()
    del book[book.sheetnames[0]]
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        for area in merged:
            sheet.merge_cells(area)
        if table:
            sheet.add_table(openpyxl.worksheet.table.Table(displayName="tblSchools", ref=table))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def cells(content: bytes, sheet: str, area: str) -> list[tuple[object, ...]]:
    """Cells as openpyxl reads them, which the pipeline does not use."""
    return [tuple(c.value for c in row) for row in openpyxl.load_workbook(io.BytesIO(content))[sheet][area]]


COVER: tuple[str, list[list[object]]] = ("Bìa", [["Báo cáo năm 2025"], ["mã", "tên"], ["(ví dụ)", "(ví dụ)"]])
TABLES: list[list[object]] = [
    ["BẢNG 1"],
    [],
    [None, "mã", "tên", None, "mã", "số"],
    [None, "01", "A", None, "91", 5],
    [None, "02", "B", None, "92", 6],
    [None, "Ghi chú: đã duyệt", None],
]
CODE_NAME = {"mã": "string", "tên": "string"}


def test_a_sheet_is_read_by_its_name_and_a_table_by_its_range() -> None:
    content = workbook(COVER, ("Dữ liệu", TABLES))
    assert stopped(content, contract(CODE_NAME, format="excel")).rule in ("several_sheets", "unclear_column")
    of = contract(CODE_NAME, format="excel", sheet="Dữ liệu", range="B3:C5")
    rows, said = values(content, of)
    assert [row[1:] for row in rows] == cells(content, "Dữ liệu", "B4:C5")
    assert [row[0] for row in rows] == [4, 5]
    assert said == {(None, "outside_range"), (None, "sheets_not_read")}
    of = contract({"mã": "string", "số": "integer"}, format="excel", sheet="Dữ liệu", range="E3:F")
    rows, _ = values(content, of)
    assert [row[1:] for row in rows] == cells(content, "Dữ liệu", "E4:F5")
    assert "Bìa, Dữ liệu" in stopped(content, contract(CODE_NAME, format="excel", sheet="Khác")).message.vi


def test_a_named_table_is_read_where_it_lies() -> None:
    content = workbook(("Dữ liệu", TABLES), table="B3:C5")
    rows, said = values(content, contract(CODE_NAME, format="excel", range="tblSchools"))
    assert [row[1:] for row in rows] == cells(content, "Dữ liệu", "B4:C5")
    assert said == {(None, "outside_range")}
    assert stopped(content, contract(CODE_NAME, format="excel", range="other")).rule == "no_sheet"


def test_all_sheets_of_equal_columns_are_one_delivery() -> None:
    content = workbook(
        COVER,
        ("Quận 1", [["mã", "tên"], ["01", "A"], [None, None], ["02", "B"]]),
        ("Quận 3", [["DANH SÁCH"], ["tên", "mã"], ["C", "03"]]),
        ("Ghi chú", [["không có gì"]]),
    )
    of = contract({**CODE_NAME, "@sheet": "string"}, format="excel", sheets="all")
    rows, said = values(content, of)
    assert rows == [
        (3, "(ví dụ)", "(ví dụ)", "Bìa"),
        (5, "01", "A", "Quận 1"),
        (7, "02", "B", "Quận 1"),
        (10, "03", "C", "Quận 3"),
    ]
    assert said == {(None, "parts_read"), (None, "sheets_not_read")}
    assert "Bìa: 1-3; Quận 1: 4-7; Quận 3: 8-10" in told(content, of, "parts_read")
    assert "Ghi chú" in told(content, of, "sheets_not_read")


def test_a_header_of_two_merged_rows_is_read_as_one() -> None:
    rows: list[list[object]] = [
        ["Biểu 5"],
        ["Mã", "Dân số", None, "Ghi chú"],
        [None, "Nam", "Nữ", None],
        ["01", 3, 4, "x"],
    ]
    content = workbook(("S", rows), merged=("A2:A3", "B2:C2", "D2:D3"))
    columns = {"Mã": "string", "Dân số Nam": "integer", "Dân số Nữ": "integer", "Ghi chú": "string"}
    read, said = values(content, contract(columns, format="excel", header=[2, 3]))
    assert [row[1:] for row in read] == cells(content, "S", "A4:D4")
    assert not said


def test_a_sheet_without_names_is_read_by_the_order_of_the_columns() -> None:
    content = workbook(("S", [[], [None, "01", "A"], [None, "02", "B"]]))
    rows, said = values(content, contract(CODE_NAME, format="excel", header="none"))
    assert rows == [(2, "01", "A"), (3, "02", "B")]
    assert not said


WARD: dict[str, Any] = {
    "ma": "string",
    "ten": "string",
    "dien_tich": NUMERIC,
    "geom": {"logicalType": "string", "custom": {"datatype": "geometry"}},
}


def test_a_layer_of_a_geopackage_is_read() -> None:
    """GDAL wrote the file (pyogrio), and read from it what is expected here."""
    rows, said = values("wards.gpkg", contract(WARD, format="geopackage", layer="phuong"))
    assert [row[:4] for row in rows] == [
        (1, "26740", "Bến Nghé", Decimal("1.25")),
        (2, "26743", "Bến Thành", Decimal("0.1")),
    ]
    to_city = pyproj.Transformer.from_crs(4326, 9210, always_xy=True)
    for row, west in zip(rows, (106.69, 106.70), strict=True):
        sent = shapely.box(west, 10.77, west + 0.01, 10.78)
        expected = shapely.transform(sent, to_city.transform, interleaved=False)
        assert shapely.hausdorff_distance(shapely.from_wkt(row[4]), expected) < 0.01
    assert said == {(None, "layers_not_read"), (None, "new_column")}
    assert "fid" in told("wards.gpkg", contract(WARD, format="geopackage", layer="phuong"), "new_column")
    assert stopped("wards.gpkg", contract(WARD, format="geopackage")).rule == "no_layer"


def damaged(*statements: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize((FORMATS / "wards.gpkg").read_bytes())
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        return connection.serialize()


def test_a_hostile_geopackage_ends_in_a_sentence() -> None:
    of = contract({"ma": "string"}, format="geopackage", layer="phuong")
    endless = (
        "CREATE VIEW phuong AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS ma FROM n"
    )
    computed = "CREATE TABLE phuong (ma TEXT, x AS (zeroblob(900000000)))"
    away = "ALTER TABLE phuong RENAME TO other"
    assert stopped(damaged(away, endless), of).rule == "no_layer"
    refused = stopped(damaged(away, computed, "INSERT INTO phuong (ma) VALUES ('1')"), of)
    assert refused.rule == "unreadable_geopackage"
    whole = (FORMATS / "wards.gpkg").read_bytes()
    for content in (whole[:30_000], b"SQLite format 3\0" + bytes(90_000), b"PK", whole[:4096] * 20):
        assert stopped(content, of).rule == "unreadable_geopackage"


def test_a_geopackage_that_a_program_had_open_is_read_and_said() -> None:
    whole = (FORMATS / "wards.gpkg").read_bytes()
    of = contract({"ma": "string"}, format="geopackage", layer="phuong")
    rows, said = values(whole[:18] + b"\2\2" + whole[20:], of)
    assert len(rows) == 2 and (None, "geopackage_open") in said


def parquet(**columns: pa.Array) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def test_parquet_is_read_with_its_types() -> None:
    moment = datetime(2026, 3, 2, 10, 11, 12)
    content = parquet(
        id=pa.array(["01", "02", "03"]),
        count=pa.array([1, -5, None], pa.int32()),
        price=pa.array([Decimal("12345678901234.50"), Decimal("0.10"), None], pa.decimal128(18, 2)),
        share=pa.array([0.1, 1e-7, 3.0]),
        day=pa.array([moment.date(), None, moment.date()]),
        at=pa.array([moment, moment, moment.replace(microsecond=5)], pa.timestamp("us")),
        instant=pa.array([moment, None, moment], pa.timestamp("ms", "Asia/Ho_Chi_Minh")),
        owner=pa.array([{"name": "An", "age": 3}, None, {"name": "Bình", "age": None}]),
        tags=pa.array([["a", "b"], [], ["c;d"]]),
        text=pa.array([1.5, None, 2.0]),
        state=pa.array(["x", "y", "x"]).dictionary_encode(),
    )
    dates = {"logicalType": "date", "logicalTypeOptions": {"format": "dd/MM/yyyy"}}
    columns: dict[str, Any] = {
        "id": "string",
        "count": "integer",
        "price": NUMERIC,
        "share": {"logicalType": "number", "physicalType": "numeric(20,10)"},
        "day": dates,
        "at": {"logicalType": "timestamp", "logicalTypeOptions": {"format": "dd/MM/yyyy HH:mm:ss"}},
        "instant": {"logicalType": "timestamp", "logicalTypeOptions": {"format": "yyyy-MM-dd'T'HH:mm:ssXXX"}},
        "owner.name": "string",
        "tags": {"logicalType": "string", "custom": {"separator": ";"}},
        "text": "string",
        "state": "string",
    }
    rows, said = values(content, contract(columns, format="parquet", numbers="vietnamese"))
    frame = pq.read_table(io.BytesIO(content)).to_pylist()
    expected = [
        (r["id"], r["count"], r["price"], Decimal(repr(r["share"])), r["day"], None if r["at"].microsecond else r["at"])
        for r in frame
    ]
    assert [row[1:7] for row in rows] == expected
    assert [row[7] for row in rows] == [r["instant"] for r in frame]
    assert [row[8] for row in rows] == ["An", None, "Bình"]
    assert [row[9] for row in rows] == ["a;b", None, '["c;d"]']
    assert [row[11] for row in rows] == ["x", "y", "x"]
    assert said == {
        (3, "type_timestamp"), (3, "separator_in_item"), (1, "not_text"), (3, "not_text"), (None, "new_column")
    }  # fmt: skip


def test_a_hostile_parquet_file_ends_in_a_sentence() -> None:
    of = contract({"id": "string"}, format="parquet")
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * (1 << 20)]))
    assert stopped(parquet(id=long), of).rule == "unpacks_to_too_much"
    zeros = pa.array(range(0), pa.int64())
    assert stopped(parquet(**{f"c{n}": zeros for n in range(600)}), of).rule == "too_many_columns"
    whole = parquet(id=pa.array(["1"] * 1000))
    for content in (whole[:-20], b"PAR1" + bytes(100) + b"PAR1", whole[:100] + bytes(50) + whole[150:]):
        assert stopped(content, of).rule == "unreadable_parquet"


YEARLY: dict[str, Any] = {"ma": "string", "nam": "integer", "so_luong": "integer"}
UNPIVOT = {"columns": r"so_luong_(\d{4})", "names": ["nam"], "values": ["so_luong"]}


def test_columns_found_by_a_pattern_become_rows() -> None:
    years = range(1720, 2020)
    lines = [["ma", "ten", *(f"so_luong_{year}" for year in years)]]
    lines += [[f"0{n}", f"Tên {n}", *("" if year % 7 == 0 else str(n * year) for year in years)] for n in range(1, 4)]
    lines[3][5] = "x"
    content = "\n".join(",".join(cells) for cells in lines).encode()
    of = contract(YEARLY, format="csv", unpivot=UNPIVOT)
    rows, said = values(content, of)
    wide = pandas.read_csv(io.BytesIO(content), dtype=str).melt(id_vars=["ma", "ten"]).dropna()
    long = {(ma, int(name[-4:]), None if value == "x" else int(value)) for ma, _, name, value in wide.itertuples(False)}
    assert {row[1:] for row in rows} == long
    assert len(rows) == len(long)
    assert rows[0] == (2001, "01", 1720, 1720) and rows[-1] == (4300, "03", 2019, 6057)
    assert said == {(4004, "type_integer"), (None, "columns_as_rows"), (None, "new_column")}
    assert "5001" in told(content, of, "columns_as_rows")


def test_several_values_a_year_become_one_row() -> None:
    of = contract(
        {"ma": "string", "nam": "integer", "nam_gioi": "integer", "nu": "integer"},
        format="excel",
        unpivot={"columns": r"(nam_gioi|nu) (\d{4})", "names": [".value", "nam"], "values": ["nam_gioi", "nu"]},
    )
    content = workbook(("S", [["ma", "nam_gioi 2019", "nu 2019", "nu 2020"], ["01", 1, 2, 3], ["02", None, None, 4]]))
    book = openpyxl.load_workbook(io.BytesIO(content))
    book["S"]["D3"].number_format = "0%"
    out = io.BytesIO()
    book.save(out)
    rows, said = values(out.getvalue(), of)
    assert rows == [(21, "01", 2019, 1, 2), (22, "01", 2020, None, 3), (32, "02", 2020, None, 4)]
    assert said == {(None, "columns_as_rows"), (32, "excel_percent")}


def test_a_share_shown_in_percent_is_read_as_the_contract_says() -> None:
    book = openpyxl.Workbook()
    for row in (["ma", "ty_le"], ["01", 0.101], ["02", -0.07], ["03", "12,5%"]):
        book.active.append(row)
    for cell in ("B2", "B3"):
        book.active[cell].number_format = "0%"
    out = io.BytesIO()
    book.save(out)

    def read(**numbers: str) -> tuple[list[tuple[Any, ...]], set[tuple[Any, ...]]]:
        share = NUMERIC | {"custom": {"numbers": {"decimal": ",", **numbers}}}
        return values(out.getvalue(), contract({"ma": "string", "ty_le": share}, format="excel"))

    assert read()[1] == {(2, "excel_percent"), (3, "excel_percent"), (4, "type_number")}
    for said, shares in (("keep", ("10.1", "-7", "12.5")), ("divide", ("0.101", "-0.07", "0.125"))):
        rows, found = read(percent=said)
        assert ([row[2] for row in rows], found) == ([Decimal(share) for share in shares], set())


def test_a_file_without_such_columns_lacks_them() -> None:
    required = YEARLY | {"so_luong": {"logicalType": "integer", "required": True}}
    for columns in (YEARLY, required):
        stop = stopped(b"ma,ten\n1,A\n", contract(columns, format="csv", unpivot=UNPIVOT))
        assert (stop.state, stop.rule) == ("held", "no_columns_as_rows")
    assert "so_luong_(" in stop.message.vi and "“ten”" in stop.message.en
    rows, _ = values(b"ma,nam,so_luong\n1,2024,7\n", contract(required, format="csv", unpivot=UNPIVOT))
    assert rows == [(2, "1", 2024, 7)]  # it has come as rows


def test_numbers_and_days_are_names_of_columns_as_excel_shows_them() -> None:
    book = openpyxl.Workbook()
    book.active.append(["ma", 2024, datetime(2025, 3, 1), datetime(2025, 4, 1), datetime(2025, 5, 1)])
    for cell, code in (("C1", "mm/yyyy"), ("D1", "d.m.yy"), ("E1", "[$-42A]dd mmmm yyyy")):
        book.active[cell].number_format = code
    book.active.append(["01", 5, 6, 7, 8])
    out = io.BytesIO()
    book.save(out)
    columns = {"ma": "string", "2024": "integer", "03/2025": "integer", "1.4.25": "integer", "01/05/2025": "integer"}
    assert values(out.getvalue(), contract(columns, format="excel")) == ([(2, "01", 5, 6, 7, 8)], set())
    of = contract(YEARLY, format="excel", unpivot=UNPIVOT | {"columns": r"(20\d{2})"})
    rows, said = values(workbook(("S", [["ma", 2023, 2024], ["01", 5, 6]])), of)
    assert (rows, said) == ([(21, "01", 2023, 5), (22, "01", 2024, 6)], {(None, "columns_as_rows")})


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"columns": r"so_luong_\d{4}"}, "0 groups"),
        ({"values": ["so_luong", "ma"]}, ".value"),
        ({"names": ["year"]}, "'year'"),
        ({"columns": "("}, "columns is '('"),
    ],
)
def test_what_unpivot_cannot_be_is_said(said: dict[str, Any], place: str) -> None:
    with pytest.raises(ContractError, match=r".") as error:
        contract(YEARLY, format="csv", unpivot=UNPIVOT | said)
    assert place in " ".join(error.value.findings)


@pytest.mark.parametrize("rows_at_once", [3, 1 << 17])
def test_a_wide_table_is_the_same_whatever_is_read_at_once(monkeypatch: pytest.MonkeyPatch, rows_at_once: int) -> None:
    monkeypatch.setattr(batches, "ROWS", rows_at_once)
    rows: list[list[object]] = [["ma", "so_luong_2019", "so_luong_2020"], *([f"{n:03}", n, -n] for n in range(1, 9))]
    of = contract({**YEARLY, "@sheet": "string"}, format="excel", sheets="all", unpivot=UNPIVOT)
    made, said = values(workbook(("A", rows), ("B", rows)), of)
    expected = [
        (f"{n:03}", year, n * sign, s) for s in "AB" for n in range(1, 9) for year, sign in ((2019, 1), (2020, -1))
    ]
    assert [row[1:] for row in made] == expected
    assert len({row[0] for row in made}) == len(made)
    assert said == {(None, "parts_read"), (None, "columns_as_rows")}


def test_a_wide_table_that_becomes_too_many_rows_is_refused() -> None:
    of = contract(YEARLY, format="csv", unpivot=UNPIVOT)
    content = b"ma,so_luong_2019,so_luong_2020\n" + b"1,2,3\n" * 60
    with pytest.raises(Stop) as stop:
        extract_bytes(content, of, replace(DEFAULT_LIMITS, rows=100))
    assert stop.value.rule == "too_many_rows"


PEOPLE: dict[str, Any] = {
    "id": {"logicalType": "string", "required": True},
    "name": {"logicalType": "string", "required": True},
    "born": {"logicalType": "date", "logicalTypeOptions": {"format": "dd/MM/yyyy"}},
    "height": NUMERIC,
}
BORN = datetime(1990, 2, 14)
AS_CSV = "id,name,born,height\n01,Nguyễn An,14/02/1990,1.65\n".encode()
AS_EXCEL = workbook(("S", [["id", "name", "born", "height"], ["01", "Nguyễn An", BORN, 1.65]]))
AS_LIST = '[{"id": "01", "name": "Nguyễn An", "born": "14/02/1990", "height": 1.65}]'.encode()
AS_XML = (
    "<people><p><id>01</id><name>Nguyễn An</name><born>14/02/1990</born><height>1.65</height></p></people>".encode()
)
AS_PARQUET = parquet(
    id=pa.array(["01"]), name=pa.array(["Nguyễn An"]), born=pa.array([BORN.date()]), height=pa.array([1.65])
)


@pytest.mark.parametrize(
    "source",
    [{"format": "csv"}, {"format": "excel"}, {"format": "ndjson"}, {"format": "csv", "archive": "zip"}],
    ids=str,
)
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (AS_CSV, "CSV"),
        (AS_EXCEL, "Excel"),
        (AS_LIST, "JSON"),
        (AS_LIST.strip(b"[]"), "NDJSON"),
        (AS_XML, "XML"),
        (AS_PARQUET, "Parquet"),
        (zipped(a_csv=AS_CSV), "CSV, ZIP"),
        (gzip.compress(AS_CSV), "CSV"),
    ],
    ids=("CSV", "Excel", "JSON", "NDJSON", "XML", "Parquet", "ZIP", "gzip"),
)
def test_a_delivery_in_another_format_is_read_if_its_columns_agree(
    source: dict[str, Any], content: bytes, found: str
) -> None:
    of = contract(PEOPLE, **source)
    rows, said = values(content, of)
    assert [row[1:] for row in rows] == [("01", "Nguyễn An", BORN.date(), Decimal("1.65"))]
    agreed = {"csv": "CSV", "excel": "Excel", "ndjson": "NDJSON"}[source["format"]] + (", ZIP" * ("archive" in source))
    assert said == ({(None, "other_format")} if found != agreed else set())
    if found != agreed:
        assert agreed in told(content, of, "other_format") and found in told(content, of, "other_format")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (workbook(("S", [["code", "title"], ["1", "x"]])), "unreadable_text"),
        (b'[{"code": "1"}]', "unreadable_text"),
        (b"<a><b><code>1</code></b></a>", "unreadable_text"),
        (b'{"id": "1"', "no_header"),
    ],
    ids=("Excel", "JSON", "XML", "cut JSON"),
)
def test_a_delivery_in_another_format_and_of_other_columns_is_refused(content: bytes, rule: str) -> None:
    stop = stopped(content, contract(PEOPLE, format="csv"))
    assert (stop.state, stop.rule) in (("rejected", rule), ("held", rule))


def test_the_examples_of_the_guide_are_right() -> None:
    guide = (PROJECT / "docs" / "how-to" / "formats.md").read_text(encoding="utf-8")
    sources = [
        yaml.safe_load(line)
        for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("{")
    ]
    assert {source["format"] for source in sources} == {*get_args(Format)}
    for source in sources:
        made = source.get("unpivot", {})
        columns = {name: "string" for name in ("id", *made.get("names", []), *made.get("values", [])) if name[0] != "."}
        if source["format"] == "fixed_width":
            columns = {"id": {"logicalType": "string", "custom": {"position": "1-2"}}}  # type: ignore[dict-item]
        contract(columns, **source)


def test_every_format_has_its_words_on_receipts_and_pages() -> None:
    templates = Path(etl.__file__).parent / "templates"
    for page, words in (("receipt.yaml", "row_word"), ("site.yaml", "format")):
        said = yaml.safe_load((templates / page).read_text(encoding="utf-8"))[words]
        assert {*get_args(Format)} <= {*said}, page
    assert {*get_args(Format)} <= {*ENDINGS}


def test_a_packed_file_is_known_by_the_names_in_it(tmp_path: Path) -> None:
    of = contract(PEOPLE, format="csv")
    file = tmp_path / "people.csv.gz"
    file.write_bytes(gzip.compress(AS_CSV))
    assert datasets(file, [of], DEFAULT_LIMITS) == [of]
    file.write_bytes(gzip.compress(AS_CSV)[:12])
    assert datasets(file, [of], DEFAULT_LIMITS) == []


# What a text may be in each of the formats; not what each of them writes in a way of its own (ends, line ends).
TEXT = st.text("abcXYZ019ăêĐợ;,|\"'<&>{}[]:.-_ ", max_size=12).map(str.strip)
RECORDS = st.lists(
    st.tuples(TEXT, st.none() | st.integers(-(10**9), 10**9), st.none() | st.dates(date(1950, 1, 1), date(2026, 1, 1))),
    min_size=1,
    max_size=8,
)


def written(records: list[tuple[str, Any, Any, Any]], source_format: str) -> bytes:
    """Records by the format's own writer."""
    names = ["id", "text", "n", "day"]
    shown = [(i, t, n, d and d.strftime("%d/%m/%Y")) for i, t, n, d in records]
    match source_format:
        case "csv":
            out = io.StringIO()
            csv.writer(out, quoting=csv.QUOTE_ALL).writerows(
                [names, *(["" if c is None else c for c in r] for r in shown)]
            )
            return out.getvalue().encode()
        case "fixed_width":
            return "".join(f"{i:4}{t:12}{'' if n is None else n:>11}{d or '':10}\n" for i, t, n, d in shown).encode()
        case "json":
            return json.dumps([dict(zip(names, r, strict=True)) for r in shown]).encode()
        case "ndjson":
            return "\n".join(json.dumps(dict(zip(names, r, strict=True)), ensure_ascii=False) for r in shown).encode()
        case "xml":
            root = ElementTree.Element("rows")
            for record in shown:
                element = ElementTree.SubElement(root, "row")
                for name, cell in zip(names, record, strict=True):
                    ElementTree.SubElement(element, name).text = None if cell is None else str(cell)
            return ElementTree.tostring(root, "utf-8")
        case "excel":
            return workbook(("S", [names, *[[c if c != "" else None for c in r] for r in records]]))
        case _:
            i, t, n, d = zip(*records, strict=True)
            return parquet(id=pa.array(i), text=pa.array(t), n=pa.array(n, pa.int64()), day=pa.array(d, pa.date32()))


@settings(max_examples=30, deadline=None)
@given(RECORDS)
def test_the_same_records_are_the_same_in_every_format(made: list[tuple[Any, ...]]) -> None:
    records = [(f"k{at}", *record) for at, record in enumerate(made)]
    expected = [(key, text or None, n, day) for key, text, n, day in records]
    columns: dict[str, Any] = {
        "id": {"logicalType": "string", "custom": {"position": "1-4"}},
        "text": {"logicalType": "string", "custom": {"position": "5-16"}},
        "n": {"logicalType": "integer", "custom": {"position": "17-27"}},
        "day": {
            "logicalType": "date",
            "logicalTypeOptions": {"format": "dd/MM/yyyy"},
            "custom": {"position": "28-37"},
        },
    }
    for name in ("csv", "fixed_width", "json", "ndjson", "xml", "excel", "parquet"):
        said: dict[str, Any] = {"format": name} | ({"record": "row"} if name == "xml" else {})
        fields = columns if name == "fixed_width" else {n: {**c, "custom": {}} for n, c in columns.items()}
        rows, _ = values(written(records, name), contract(fields, **said))
        assert [row[1:] for row in rows] == expected, name


WHOLE: dict[str, tuple[bytes | str, Contract]] = {
    "csv": (AS_CSV * 3, contract(PEOPLE, format="csv")),
    "report": ("report.csv", contract(REPORT, format="csv", header=3, footer=2)),
    "no header": ("no_header.csv", contract({**CODE_NAME, "số": "string"}, format="csv", header="none", delimiter=";")),
    "fixed width": ("register.txt", contract(FIXED, format="fixed_width", header=1, footer=1)),
    "json": ("orders.json", contract({"^.id": "string", "no": "integer"}, format="json", records="data[*].lines[*]")),
    "xml": ("permits.xml", contract({"id": "string", "^/@code": "string"}, format="xml", record="p:permit",
                                    namespaces={"p": "http://example.org/permits"})),
    "geopackage": ("wards.gpkg", contract(WARD, format="geopackage", layer="phuong")),
    "parquet": (AS_PARQUET, contract(PEOPLE, format="parquet")),
    "parts": (DISTRICTS, contract({"id": "string", "@member": "string"}, format="csv", archive="parts")),
    "gzip": (gzip.compress(AS_CSV), contract(PEOPLE, format="csv")),
    "range": (workbook(("S", TABLES), table="B3:C5"), contract(CODE_NAME, format="excel", range="tblSchools")),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_a_damaged_file_ends_in_a_sentence_or_each_row_is_accounted_for(kind: str) -> None:
    whole, of = WHOLE[kind]
    content = whole if isinstance(whole, bytes) else (FORMATS / whole).read_bytes()
    chance = random.Random(kind)
    for _ in range(40):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 2, 8])):
            size = len(damaged)
            at = chance.randrange(size + 1) if chance.random() < 0.7 else max(0, size - chance.randrange(1, 600))
            match chance.randrange(3):
                case 0:
                    damaged[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    del damaged[at : at + chance.choice([1, 8, 100])]
                case _:
                    damaged[at:at] = chance.choice([b'"', b"<", b"{", b"[", b"\n", b";", b"\0", b"\xff"])
        with suppress(Stop):
            values(bytes(damaged), of)  # checks that each row is accounted for
