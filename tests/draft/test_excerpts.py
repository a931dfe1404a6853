"""Small files in the manner of public ones are drafted, edited in a few lines, loaded and read by another library."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from etl.contract import load
from etl.draft import draft
from etl.pipeline.pipeline import Pipeline
from etl.settings import DEFAULT_LIMITS, EXPECTATIONS
from tests import TESTS

EXCERPTS = TESTS / "excerpts"
MOST_EDITS = 19


def of_csv(name: str, encoding: str = "utf-8", delimiter: str = ",") -> list[dict[str, str]]:
    with (EXCERPTS / name).open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def german(text: str) -> Decimal:
    return Decimal(text.replace(".", "").replace(",", "."))


def grants() -> list[tuple[Any, ...]]:
    return [
        (
            row["Zuwendungsempfänger"],
            row["Bezirk"],
            datetime.strptime(row["Bescheid vom"], "%d.%m.%Y").date(),
            german(row["Betrag EUR"]),
            german(row["Anteil %"]),
        )
        for row in of_csv("grants_2024-12-31.csv", "utf-8-sig", ";")
    ]


def associations() -> list[tuple[Any, ...]]:
    return [
        (
            row["IČO"],
            row["Název spolku"],
            row["Obec"],
            datetime.strptime(row["Zapsáno"], "%d.%m.%Y").date(),
            int(row["Členů"]),
        )
        for row in of_csv("associations_2025-01-01.csv", "cp1250", ";")
    ]


def requests() -> list[tuple[Any, ...]]:
    return [
        (
            row["request_id"],
            datetime.fromisoformat(row["opened_at"]).astimezone(UTC),
            None if row["closed_at"] == "N/A" else datetime.fromisoformat(row["closed_at"]).astimezone(UTC),
            row["category"],
            Decimal(row["latitude"]),
            Decimal(row["longitude"]),
            int(row["council_district"]),
        )
        for row in of_csv("requests_2025-04-01.csv")
    ]


def survey() -> list[tuple[Any, ...]]:
    def read(name: str, text: str) -> Any:
        if name == "respondent":
            return text
        if name == "Interview date":
            return date.fromisoformat(text)
        return (Decimal if name == "Weight" else int)(text) if text else None

    return [tuple(read(name, text) for name, text in row.items()) for row in of_csv("survey_2023-12-31.csv")]


def residents() -> list[tuple[Any, ...]]:
    with (EXCERPTS / "residents_2023-12-31.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row and row[0].isdecimal()]
    return [(code, name, int(men), int(women)) for code, name, men, women in rows]


def prices() -> list[tuple[Any, ...]]:
    with (EXCERPTS / "prices_2024-09-30.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return [
        (
            row[0],
            int(row[1]),
            datetime.fromisoformat(row[2]),
            *row[3:5],
            row[5] == "Y",
            row[6],
            int(row[7]),
            row[8] or None,
            *row[9:],
        )
        for row in rows
    ]


def permits() -> list[tuple[Any, ...]]:
    document = json.loads((EXCERPTS / "permits_2025-12-01.json").read_text(), parse_float=Decimal)
    return [
        (
            row["permit"]["number"],
            row["permit"]["type"],
            datetime.strptime(row["permit"]["issued"], "%m/%d/%Y").date(),
            row["site"]["address"],
            row["site"]["location"]["lat"],
            row["site"]["location"]["lon"],
            Decimal(row["valuation"]),
            row["is_commercial"],
            ";".join(one["name"] for one in row["contractors"]),
            ";".join(one["licence"] for one in row["contractors"]),
            ";".join(row["tags"]) or None,
        )
        for row in document["result"]["records"]
    ]


def stations() -> list[tuple[Any, ...]]:
    lines = (EXCERPTS / "stations_2025-06-30.txt").read_text().splitlines()
    parts = [(line[:11], *(Decimal(part) for part in line[11:37].split()), line[37:41], line[42:]) for line in lines]
    return [(*part[:4], part[4].strip() or None, part[5]) for part in parts]


def schools() -> list[tuple[Any, ...]]:
    sheet = openpyxl.load_workbook(EXCERPTS / "schools_2024-09-05.xlsx")["Table 1"]
    return [
        (*row[:3], row[3].date(), row[4], Decimal(str(row[5])), row[6] == "yes")
        for row in sheet.iter_rows(min_row=4, values_only=True)
        if row[1]
    ]


def trees() -> list[tuple[Any, ...]]:
    with sqlite3.connect(EXCERPTS / "trees_2025-05-01.gpkg") as file:
        rows = file.execute("SELECT fid, tree_no, species, planted_on, height_m, trunk_cm, geom FROM trees").fetchall()
    return [
        (
            *row[:3],
            date.fromisoformat(row[3]) if row[3] else None,
            Decimal(str(row[4])),
            row[5],
            "POINT ({:.0f} {:.0f})".format(*struct.unpack("<dd", row[6][-16:])),
        )
        for row in rows
    ]


def edited(contract: Path, edits: Path) -> int:
    """Put a person's edits into a drafted contract; gives their number."""
    text = contract.read_text(encoding="utf-8")
    lines = edits.read_text(encoding="utf-8").splitlines() if edits.exists() else []
    for old, new in zip(lines[::2], lines[1::2], strict=True):
        assert old.startswith("- ") and new.startswith("+ "), (old, new)
        assert text.count(old[2:]) == 1, f"{old[2:]!r} stands {text.count(old[2:])} times in the draft"
        text = text.replace(old[2:], new[2:])
    contract.write_text(text, encoding="utf-8")
    return len(lines) // 2


def stored(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


@pytest.mark.parametrize(
    ("file_name", "read"),
    [
        ("grants_2024-12-31.csv", grants),
        ("associations_2025-01-01.csv", associations),
        ("requests_2025-04-01.csv", requests),
        ("survey_2023-12-31.csv", survey),
        ("residents_2023-12-31.csv", residents),
        ("prices_2024-09-30.csv", prices),
        ("permits_2025-12-01.json", permits),
        ("stations_2025-06-30.txt", stations),
        ("schools_2024-09-05.xlsx", schools),
        ("trees_2025-05-01.gpkg", trees),
    ],
)
def test_an_unknown_file_is_in_the_warehouse_after_a_few_edits(
    file_name: str,
    read: Callable[[], list[tuple[Any, ...]]],
    tmp_path: Path,
    new_pipeline: Callable[..., Pipeline],
    send: Callable[..., Any],
) -> None:
    for shared in ("elements.yaml", "agencies.yaml"):
        shutil.copy(EXPECTATIONS / shared, tmp_path)
    file = EXCERPTS / file_name
    dataset = file_name.partition("_")[0]
    made = draft([file], f"open_data.{dataset}", DEFAULT_LIMITS, folder=tmp_path)
    assert edited(made.contract.path, EXCERPTS / f"{dataset}.edits") <= MOST_EDITS

    contract = load(made.contract.path)
    pipeline = new_pipeline(tmp_path)
    entry = send(pipeline, f"open_data/{dataset}", file_name, file.read_bytes())
    assert entry.state == "loaded", entry.message_en
    expected = read()
    assert (entry.rows_in, entry.rejected) == (len(expected), 0)
    columns = ", ".join(column.name for column in contract.content)
    with pipeline.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT {columns} FROM {contract.schema}.{contract.table}").all()
    assert sorted(tuple(map(stored, row)) for row in rows) == sorted(expected)
