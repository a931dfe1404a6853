"""The second law: the warehouse is a function of the set of deliveries, not of their order.

Files of three tiny datasets, one a mode, are sent in any order and some twice, through all stations into PostgreSQL.
What is there at the end is compared with a model that reads the files in the order of their names, row by row.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.pipeline import Pipeline
from etl.settings import EXPECTATIONS

MODES = ("snapshot", "changes", "append")
DAYS = [date(2026, 3, day) for day in (1, 2, 3, 4)]
Row = tuple[str, int, str]  # key, value, change
Sent = tuple[date, int, tuple[Row, ...]]  # as_of, revision, rows


def contract(mode: str) -> dict[str, Any]:
    document = yaml.safe_load((Path(__file__).parent / "schools" / "schools.yaml").read_text("utf-8"))
    (table,) = document["schema"]
    by_name = {p["name"]: p for p in table["properties"]}
    columns = [by_name["school_code"], by_name["pupils"]]
    if mode == "changes":
        change = by_name["name"] | {"name": "change", "physicalName": "thay_doi", "examples": ["T"]}
        change["customProperties"] = [
            {"property": "semanticType", "value": "code"},
            {"property": "codeList", "value": "change_type"},
            {"property": "role", "value": "change"},
        ]
        columns.append(change)
    document["id"], document["name"] = f"law.{mode}", f"Thử {mode}\nTrial {mode}\n"
    table["name"], table["physicalName"], table["properties"] = mode, f"people.law_{mode}", columns
    for custom in document["customProperties"]:
        if custom["property"] == "deliveryMode":
            custom["value"] = mode
    return document


@pytest.fixture(scope="module")
def law(tmp_path_factory: pytest.TempPathFactory, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    folder = tmp_path_factory.mktemp("law") / "expectations"
    (folder / "law").mkdir(parents=True)
    shutil.copy(EXPECTATIONS / "great_expectations.yml", folder)
    shutil.copytree(EXPECTATIONS / "plugins", folder / "plugins")
    for mode in MODES:
        (folder / "law" / f"{mode}.yaml").write_text(yaml.safe_dump(contract(mode), allow_unicode=True), "utf-8")
        suite = {"name": f"law.{mode}", "id": str(uuid4()), "expectations": [], "meta": {}}
        (folder / "law" / f"{mode}.json").write_text(json.dumps(suite), "utf-8")
    return new_pipeline(folder)


def content(mode: str, sent: Sent) -> bytes:
    header = "ma_truong,so_hoc_sinh" + (",thay_doi" if mode == "changes" else "")
    lines = [f"{key},{value}" + (f",{change}" if mode == "changes" else "") for key, value, change in sent[2]]
    return "\r\n".join([header, *lines, ""]).encode()


def name(sent: Sent) -> str:
    return f"law_{sent[0]}" + (f"_r{sent[1]}" if sent[1] > 1 else "") + ".csv"


def model(mode: str, files: list[Sent]) -> set[tuple[str, int, date, date | None]]:
    """What must be there: read the files in the order of time, day by day, one record after the other."""
    by_day: dict[date, dict[str, int | None]] = {}
    for as_of, _, rows in sorted(files, key=lambda f: f[:2]):
        said = {key: None if change == "X" and mode == "changes" else value for key, value, change in rows}
        # A later revision of a snapshot replaces it; of changes and events, it has the last word on what it names.
        by_day[as_of] = said if mode == "snapshot" else by_day.get(as_of, {}) | said
    now: dict[str, tuple[int, date]] = {}
    versions: set[tuple[str, int, date, date | None]] = set()
    for as_of in sorted(by_day):
        said = by_day[as_of]
        ended = {key for key in now if key not in said} if mode == "snapshot" else set()
        for key in {*said, *ended}:
            value = said.get(key)
            if key in now and now[key][0] != value:
                old, since = now.pop(key)
                versions.add((key, old, since, as_of))
            if value is not None and key not in now:
                now[key] = (value, as_of)
    return versions | {(key, value, since, None) for key, (value, since) in now.items()}


def rows_of(mode: str) -> st.SearchStrategy[tuple[Row, ...]]:
    row = st.tuples(
        st.sampled_from(["79000001", "79000002", "79000003"]), st.integers(1, 3), st.sampled_from(["T", "S", "X"])
    )
    return st.lists(row, min_size=1, max_size=3, unique_by=lambda r: r[0]).map(tuple)


def deliveries(mode: str) -> st.SearchStrategy[list[Sent]]:
    sent = st.tuples(st.sampled_from(DAYS), st.integers(1, 2), rows_of(mode))
    return st.lists(sent, min_size=1, max_size=5, unique_by=lambda f: f[:2])


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_of_arrival_ends_in_the_same_table(
    mode: str, law: Pipeline, send: Callable[..., dict[str, Any]], data: st.DataObject
) -> None:
    files = data.draw(deliveries(mode))
    arriving = data.draw(st.permutations(files + data.draw(st.lists(st.sampled_from(files), max_size=2))))
    with law.engine.begin() as connection:
        connection.exec_driver_sql(
            f"TRUNCATE people.law_{mode}, ops.delivery, ops.problem, ops.validation, ops.arrival"
        )
    for zone in ("landing", "raw", "validated", "staging"):
        shutil.rmtree(Path(law.storage.root) / zone, ignore_errors=True)

    for file in arriving:
        entry = send(law, f"law/{mode}", name(file), content(mode, file))
        assert entry["state"] == "loaded", entry["message_en"]

    with law.engine.connect() as connection:
        table = connection.exec_driver_sql(f"SELECT school_code, pupils, valid_from, valid_to FROM people.law_{mode}")
        assert {tuple(row) for row in table} == model(mode, files)
