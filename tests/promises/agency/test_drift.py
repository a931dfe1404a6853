"""Columns that come before the contract knows them: loaded without, kept, told, and filled in once it does."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from etl.contract import load_all
from etl.delivery.messages import Stop
from etl.extract import extract_bytes
from etl.operate.replay import replay
from etl.pipeline.pipeline import Pipeline
from etl.warehouse.migrate import migrate
from simulate import write_city
from tests.city import audited, expectations_of

Send = Callable[..., Any]
ADDED = {"tax.taxpayers": "phone", "civil.marriages": "wife_ethnicity", "health.visits": "dien_thoai"}  # one a mode


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("three days")
    write_city(out, people=2_000, days=3, seed=3)
    return sorted((out / "days").iterdir())


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expectations_of(tmp_path_factory.mktemp("today") / "expectations", *ADDED)


@pytest.fixture(scope="module")
def before(today: Path) -> Path:
    """The contracts as they were before somebody added a column to each of them."""
    folder = Path(shutil.copytree(today, today.with_name("before")))
    for dataset, column in ADDED.items():
        path = folder / (dataset.replace(".", "/") + ".yaml")
        contract = yaml.safe_load(path.read_text("utf-8"))
        (table,) = contract["schema"]
        table["properties"] = [p for p in table["properties"] if p["name"] != column]
        path.write_text(yaml.safe_dump(contract, allow_unicode=True), "utf-8")
    return folder


def send_all(pipeline: Pipeline, send: Send, days: list[Path], dataset: str) -> Iterator[dict[str, Any]]:
    for day in days:
        for file in sorted((day / dataset.replace(".", "/")).iterdir()):
            yield send(pipeline, dataset.replace(".", "/"), file.name, file.read_bytes())


@pytest.mark.parametrize("dataset", ADDED)
def test_a_new_column_is_kept_and_backfilled_as_if_it_had_always_been_known(
    dataset: str,
    before: Path,
    today: Path,
    days: list[Path],
    new_pipeline: Callable[..., Pipeline],
    send: Send,
    caplog: pytest.LogCaptureFixture,
) -> None:
    known_later, known_always = new_pipeline(before), new_pipeline(today)
    column = next(c for c in known_always.contracts[dataset].columns if c.name == ADDED[dataset])
    expected = list(send_all(known_always, send, days, dataset))
    for entry in send_all(known_later, send, days, dataset):
        assert entry.state == "loaded"
        assert list(problems(known_later, entry, "new_column")) == [(None, "warning", "data_center")]
        delivery = known_later.storage.delivery(*dataset.split("."), entry.delivery_id)
        raw = pl.read_parquet(str(known_later.storage.folder("raw", delivery) / "rows.parquet"))
        assert raw[f"unknown.{column.source_name}"].count() > 0
    assert "1 columns are not in the contract" in caplog.text
    assert column.source_name not in caplog.text, "what a file calls its columns may be personal data"

    now = Pipeline(known_later.settings, known_always.contracts)
    migrate(now.engine, now.contracts.values())
    assert replay(now.ledger, now.storage, now.contracts[dataset]).is_equal, "nothing is said of the column yet"
    assert {outcome.state for _, outcome in now.backfill(dataset)} == {"normalized"}
    assert table(now, dataset) == table(known_always, dataset)
    counts = ("state", "rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded", "ended")
    for entry in expected:
        again = now.ledger.get(dataset, entry.delivery_id)
        assert {c: getattr(again, c) for c in counts} == {c: getattr(entry, c) for c in counts}
        assert list(problems(now, entry, "new_column")) == []
    assert audited(now) == []


def test_a_delivery_that_the_new_contract_holds_keeps_its_rows(
    pipeline: Pipeline, send: Send, days: list[Path]
) -> None:
    entries = list(send_all(pipeline, send, days, "tax.taxpayers"))
    before = table(pipeline, "tax.taxpayers")
    content = pipeline.storage.content(pipeline.storage.delivery("tax", "taxpayers", entries[1].delivery_id))
    Path(content).chmod(0o644)
    Path(content).write_bytes(b"ma_so_thue\n1\n")
    assert [outcome.state for _, outcome in pipeline.backfill("tax.taxpayers")] == ["normalized", "held", "normalized"]
    assert table(pipeline, "tax.taxpayers") == before
    assert [entry.state for entry in pipeline.ledger.all()] == ["loaded", "held", "loaded"]


@pytest.mark.parametrize("name", ["*", "^.*$", "^n.*$", "received.so", "x" * 100_000, "=1+1", "a\0b"])
def test_whatever_a_column_is_called_it_is_kept_and_harms_no_other(clean_day: Path, name: str) -> None:
    contract = load_all()["land.permits"]
    lines = next((clean_day / "land" / "permits").iterdir()).read_text("utf-8").splitlines()
    expected, _, _ = extract_bytes("\n".join(lines).encode(), contract)
    with_it = "\n".join(json.dumps({**json.loads(line), name: "1"}) for line in lines).encode()
    rows, found, _ = extract_bytes(with_it, contract)
    assert rows[expected.columns].equals(expected)
    assert rows[f"unknown.{name}"].to_list() == ["1"] * len(lines)
    assert found.filter(pl.col("rule") == "new_column")["vi"].str.len_chars().item() < 400


def problems(pipeline: Pipeline, entry: dict[str, Any], rule: str) -> Iterator[tuple[Any, ...]]:
    with pipeline.engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT row_no, severity, responsible FROM ops.problem WHERE delivery_id = %(id)s AND rule = %(rule)s",
            {"id": entry.delivery_id, "rule": rule},
        )
        yield from map(tuple, found)


def table(pipeline: Pipeline, dataset: str) -> set[tuple[tuple[str, Any], ...]]:
    contract = pipeline.contracts[dataset]
    with pipeline.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT * FROM {contract.schema}.{contract.table}").mappings()
        return {tuple(sorted(row.items())) for row in rows}


def test_hundreds_of_unknown_columns_are_soon_told() -> None:
    chance = random.Random(1)
    names = ["".join(chance.choices("abcdefghiknoptu_", k=12)) for _ in range(480)]
    rows = (",".join(str(chance.randrange(10**6)) for _ in names) for _ in range(1_000))
    content, contract = "\n".join([",".join(names), *rows]).encode(), load_all()["civil.marriages"]
    began = time.process_time()
    with pytest.raises(Stop) as held:
        extract_bytes(content, contract)
    assert (held.value.state, held.value.rule) == ("held", "missing_column")
    # Each of them could be any of the missing ones. It takes 3 seconds of a core; to compare all with all took 30.
    assert time.process_time() - began < 15
