"""Formats of ordinary extracts on their whole way, from the inbox into the table and back to the agency."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from etl.pipeline.pipeline import Pipeline
from tests.city import expectations_of
from tests.extract.test_formats import FIXED, FORMATS, NUMERIC, UNPIVOT, YEARLY, document, zipped

SUITE = {"id": "0b5f0a57-6a39-4c0e-8f55-6f3f5a1c9e00", "expectations": [], "meta": {}, "notes": None}
LINES = {"^.id": "string", "no": "integer", "item": "string", "qty": NUMERIC}
DATASETS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "yearly": (YEARLY, {"format": "csv", "header": 2, "footer": 1, "unpivot": UNPIVOT}, 2),
    "register": (FIXED, {"format": "fixed_width", "header": 1, "footer": 1}, 1),
    "lines": (LINES, {"format": "json", "records": "data[*].lines[*]"}, 2),
    "districts": ({"id": "string", "@member": "string"}, {"format": "csv", "archive": "parts"}, 1),
}


@pytest.fixture
def of_formats(tmp_path: Path, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    contracts = expectations_of(tmp_path / "expectations")
    folder = contracts / "formats"
    folder.mkdir()
    for name, (columns, source, key) in DATASETS.items():
        columns = {
            sent: {"name": sent.strip("^.@").replace(".", "_")}
            | ({"logicalType": said} if isinstance(said, str) else said)
            for sent, said in columns.items()
        }
        said = document(columns, source, dataset=f"formats.{name}", key=key)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(said, allow_unicode=True), encoding="utf-8")
        (folder / f"{name}.json").write_text(json.dumps(SUITE | {"name": f"formats.{name}"}), encoding="utf-8")
    return new_pipeline(contracts)


def rows(pipeline: Pipeline, query: str) -> list[tuple[Any, ...]]:
    with pipeline.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_files_of_any_format_are_loaded(of_formats: Pipeline, send: Callable[..., Any]) -> None:
    parts = zipped(q1_csv=b"id\n1\n", q2_csv=b"id\n2\n3\n")
    for dataset, name, content, counts in (
        ("register", "register_2026-03-02.dat", (FORMATS / "register.txt").read_bytes(), (4, 1, 3)),
        ("lines", "orders_2026-03-02.json", (FORMATS / "orders.json").read_bytes(), (5, 1, 4)),
        ("districts", "districts_2026-03-02.zip", parts, (3, 0, 3)),
    ):
        entry = send(of_formats, f"formats/{dataset}", name, content)
        assert entry.state == "loaded", entry.message_en
        assert (entry.rows_in, entry.rejected, entry.inserted) == counts
    assert rows(of_formats, "SELECT id, item, qty FROM people.lines ORDER BY id, no") == [
        ("A1", "Gạo; tẻ", 2.5),
        ("A1", "Nếp", 100),
        ("A3", None, 7),
        ("A4", None, None),
    ]
    assert rows(of_formats, "SELECT id, member FROM people.districts ORDER BY id") == [
        ("1", "q1.csv"),
        ("2", "q2.csv"),
        ("3", "q2.csv"),
    ]


def test_a_row_made_of_a_column_is_sent_back_and_comes_again(of_formats: Pipeline, send: Callable[..., Any]) -> None:
    content = "Bảng 1\nma,so_luong_2019,so_luong_2020\n01,5,x\n02,,7\nTổng,5,7\n".encode()
    entry = send(of_formats, "formats/yearly", "yearly_2026-03-02.csv", content)
    assert entry.state == "loaded", entry.message_en
    assert (entry.rows_in, entry.rejected, entry.inserted) == (3, 1, 2)
    delivery = of_formats.storage.delivery("formats", "yearly", entry.delivery_id)
    book = openpyxl.load_workbook(Path(of_formats.storage.folder("outbox", delivery)) / "rejected.xlsx")
    cells = [cell for row in book.worksheets[0].iter_rows() for cell in row if cell.value == "x"]
    assert len(cells) == 1
    cells[0].value = 6
    saved = io.BytesIO()
    book.save(saved)
    again = send(of_formats, "formats/yearly", "mended.xlsx", saved.getvalue())
    assert (again.state, again.rows_in, again.inserted) == ("loaded", 1, 1), again.message_en
    assert rows(of_formats, "SELECT ma, nam, so_luong FROM people.yearly_current ORDER BY ma, nam") == [
        ("01", 2019, 5),
        ("01", 2020, 6),
        ("02", 2020, 7),
    ]
