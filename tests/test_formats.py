"""Files in the formats of ordinary extracts, each by a contract alone, beside what an independent reading makes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.contract import Contract, ContractError
from etl.contract.expansion import dictionary
from etl.contract.reading import contract_of
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import extract_bytes
from etl.settings import EXPECTATIONS

FORMATS = Path(__file__).parent / "formats"
SHARED = dictionary(EXPECTATIONS)


def contract(columns: Mapping[str, Any], **source: Any) -> Contract:
    """A contract of such columns: by the name in the file, the logical type or all that is said of one; the first is
    the key."""
    properties = []
    for number, (sent, said) in enumerate(columns.items()):
        about = {"logicalType": said} if isinstance(said, str) else dict(said)
        custom = [{"property": name, "value": value} for name, value in about.pop("custom", {}).items()]
        properties.append(
            {"name": f"c{number}", "physicalName": sent, "description": "Cột. / Column.", "examples": ["1"]}
            | about
            | ({"primaryKey": True, "primaryKeyPosition": 1} if number == 0 else {})
            | ({"customProperties": custom} if custom else {})
        )
    raw = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "a.b",
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
        "schema": [{"name": "b", "physicalName": "people.b", "properties": properties}],
    }
    return contract_of(raw, Path("a/b.yaml"), SHARED)


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
