"""The empty Excel file of a dataset: what a clerk fills in is read back, and Excel refuses what we would refuse."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet
from typer.testing import CliRunner

from etl.agency.template import write_template
from etl.cli import app
from etl.contract import Contract, load_all
from etl.datatypes.code import members
from etl.receipt import FACTS

CONTRACTS = load_all()


def opened(tmp_path: Path, contract: Contract) -> tuple[Path, Workbook]:
    path = tmp_path / f"{contract.dataset}_2026-03-02.xlsx"
    write_template(path, contract)
    return path, load_workbook(path)


def rules(sheet: Worksheet) -> dict[str, DataValidation]:
    """The rule of each column's cells, by the column's name."""
    found = {}
    for rule in sheet.data_validations.dataValidation:
        (cells,) = rule.sqref.ranges
        assert (cells.min_row, cells.max_row) == (2, 1_048_576)
        found[sheet.cell(1, cells.min_col).value] = rule
    return found


def column_of(sheet: Worksheet, name: str) -> str:
    return next(cell.column_letter for cell in sheet[1] if cell.value == name)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_every_column_of_every_dataset_is_there_explained_and_checked(contract: Contract, tmp_path: Path) -> None:
    _, book = opened(tmp_path, contract)
    data, guide, lists = book.worksheets
    names = [c.source_name for c in contract.columns]
    assert [cell.value for cell in data[1]] == names
    assert rules(data).keys() == set(names)
    explained = {row[0]: row for row in guide.iter_rows(values_only=True)}
    for column in contract.columns:
        comment = data[f"{column_of(data, column.source_name)}1"].comment.text
        for text in (column.label, column.description.vi, column.description.en, column.example):
            assert text in comment
            assert text in explained[column.source_name]
        if column.type == "string":
            assert data.column_dimensions[column_of(data, column.source_name)].number_format == "@"
    assert (lists.max_row > 1) == any(column.code_list for column in contract.columns)


def test_a_code_is_chosen_from_a_list(tmp_path: Path) -> None:
    contract = CONTRACTS["civil.deaths"]
    _, book = opened(tmp_path, contract)
    found = rules(book.worksheets[0])

    def offered(label: str) -> list[str]:
        sheet, cells = found[label].formula1.split("!")
        return [row[0].value for row in book[sheet.strip("'")][cells.replace("$", "")]]

    assert found["Dân tộc"].type == "list"
    assert offered("Dân tộc") == list(members("ethnicity"))
    assert {"26740", "25747"} <= set(offered("Nơi đăng ký"))
    assert found["Giới tính"].errorStyle == "stop"
    assert found["Quốc tịch"].errorStyle == "warning", "what is only flagged may be typed"
    assert (found["Ngày đăng ký"].type, found["Họ và tên"].type) == ("date", "textLength")
    _, book = opened(tmp_path, CONTRACTS["land.permits"])
    found = rules(book.worksheets[0])
    assert (found["cong_trinh.so_tang"].type, found["cong_trinh.dien_tich_san"].type) == ("whole", "decimal")
    _, book = opened(tmp_path, CONTRACTS["health.visits"])
    assert rules(book.worksheets[0])["MA_BENH_KT"].type == "textLength", "a cell may hold several codes"


def test_what_is_filled_in_is_read_as_it_was_meant(clean_day: Path, tmp_path: Path) -> None:
    """The rows of a file of deaths, typed into the template, where Excel makes dates of what looks like one."""
    contract = CONTRACTS["civil.deaths"]
    (sent,) = (clean_day / "civil" / "deaths").iterdir()
    rows = list(load_workbook(sent).worksheets[0].iter_rows(values_only=True))
    header_at = next(at for at, row in enumerate(rows) if "Họ và tên" in row)
    path, book = opened(tmp_path, contract)
    sheet = book.worksheets[0]
    types = {c.source_name: c for c in contract.columns}
    ward_at = rows[header_at].index("Nơi đăng ký")
    ward = None
    for number, row in enumerate(rows[header_at + 1 :], start=2):
        ward = row[ward_at] or ward  # one merged cell for several rows there
        for name, value in zip(rows[header_at], (*row[:ward_at], ward, *row[ward_at + 1 :]), strict=True):
            if name in types and value is not None:
                cell = sheet[f"{column_of(sheet, name)}{number}"]
                cell.number_format = sheet.column_dimensions[cell.column_letter].number_format
                cell.value = typed(value, types[name].type)
    book.save(path)
    runner = CliRunner()
    told = []
    for file in (sent, path):
        result = runner.invoke(app, ["check", str(file), "--out", str(tmp_path / "out")])
        assert "(civil.deaths)" in result.output
        assert result.exit_code in (0, 1), result.output
        told.append(json.loads((tmp_path / "out" / FACTS).read_text("utf-8")))
    assert told[1]["rows_in"] == told[0]["rows_in"] > 10
    assert told[1]["rejected"] == told[0]["rejected"]


def typed(value: object, kind: str) -> object:
    """What Excel makes of something that is typed into a cell of that format."""
    for notation in ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y"):
        try:
            return datetime.strptime(str(value), notation) if kind in ("date", "timestamp") else value
        except ValueError:
            continue
    return value


def test_for_a_csv_dataset_it_says_how_to_save_and_what_is_saved_is_good(clean_day: Path, tmp_path: Path) -> None:
    _, book = opened(tmp_path, CONTRACTS["civil.births"])
    sheet, guide, _ = book.worksheets
    assert any("CSV UTF-8" in str(row[0]) for row in guide.iter_rows(values_only=True))
    with (clean_day / "civil" / "births" / "births_2026-03-02.csv").open(encoding="utf-8-sig") as stream:
        for row in list(csv.DictReader(stream))[:8]:
            sheet.append([row[cell.value] for cell in sheet[1]])
    saved = tmp_path / "births_2026-03-02.csv"
    with saved.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows(sheet.iter_rows(values_only=True))
    result = CliRunner().invoke(app, ["check", str(saved)])
    assert result.exit_code == 0, result.output


def test_a_dataset_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["template", "civil.birth", "--out", str(tmp_path / "x.xlsx")])
    assert result.exit_code == 2
    assert "civil.births" in result.output + result.stderr
    assert not (tmp_path / "x.xlsx").exists()
