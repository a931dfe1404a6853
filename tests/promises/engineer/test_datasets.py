"""A small delivery of each dataset through the stations: right rows, and one for each fault of real extracts.

`tests/datasets/<agency>.<dataset>/` holds the file and `expected.yaml`, which says what becomes of each of its rows, by
the number that the sender knows it by, also of other tables that are read from the file. All go into one database.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.delivery.entry import LedgerEntry
from etl.pipeline.pipeline import Pipeline
from etl.warehouse import marts
from etl.warehouse.tables import table_name
from tests import TESTS

SAMPLES = sorted(path for path in (TESTS / "datasets").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def city(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


@pytest.mark.parametrize("folder", SAMPLES, ids=lambda path: path.name)
def test_each_row_becomes_what_is_said_of_it(folder: Path, city: Pipeline, send: Callable[..., Any]) -> None:
    said = yaml.safe_load((folder / "expected.yaml").read_text("utf-8"))
    file = next(path for path in folder.iterdir() if path.suffix not in (".yaml", ".json"))
    if (manifest := file.with_name(f"{file.name}.manifest.json")).exists():
        inbox = Path(city.storage.inbox) / folder.name.replace(".", "/")
        inbox.mkdir(parents=True)
        shutil.copy(manifest, inbox)
    entry = send(city, folder.name.replace(".", "/"), file.name, file.read_bytes())
    for dataset, of_table in {folder.name: said, **said.get("tables", {})}.items():
        as_said(city, city.ledger.get(dataset, entry.delivery_id), of_table)


def as_said(city: Pipeline, entry: LedgerEntry, said: dict[str, Any]) -> None:
    assert entry.state == "loaded", entry.message_en
    with city.engine.connect() as connection:
        problems = connection.exec_driver_sql(
            "SELECT row_no, rule, column_name, severity FROM ops.problem WHERE dataset = %s AND delivery_id = %s",
            (entry.dataset, entry.delivery_id),
        ).all()
        table = table_name(city.contracts[entry.dataset])
        stored = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
    found: dict[int | None, dict[str, str]] = {}
    for row, rule, column, _ in problems:
        found.setdefault(row, {})[rule] = column
    assert sorted(found.pop(None, {})) == sorted(said.get("file", []))
    rows = said["rows"]
    assert found == {row: its["by"] for row, its in rows.items() if "by" in its}
    rejected = {row for row, _, _, severity in problems if severity == "critical"}
    assert rejected == {row for row, its in rows.items() if its["is"] == "rejected"}
    assert (entry.rows_in, entry.rejected) == (len(rows), len(rejected))
    assert stored == sum(its["is"] == "accepted" for its in rows.values())


def test_a_line_of_a_claim_that_was_sent_back_is_told_of(city: Pipeline, send: Callable[..., Any]) -> None:
    file = next((TESTS / "datasets" / "health.claims").glob("*.xml"))
    send(city, "health/claims", file.name, file.read_bytes())
    marts.refresh(city.engine)
    with city.engine.connect() as connection:
        lines = connection.exec_driver_sql("SELECT kind, ma_lk FROM quality.claim_lines_without_claim").all()
    assert lines == [("XML2", "HS2026001233")], "its claim is in the file, and was sent back"


def test_vouchers_without_their_total_are_held(pipeline: Pipeline, send: Callable[..., Any]) -> None:
    file = next((TESTS / "datasets" / "budget.vouchers").glob("*.zip"))
    entry = send(pipeline, "budget/vouchers", file.name, file.read_bytes())
    assert (entry.state, entry.rule) == ("held", "undeclared_total")
    assert "so_tien" in entry.message_en
