"""Both laws over contracts that nobody wrote: types, notations, modes, keys and formats as they come.

Hypothesis makes contracts, rows and deliveries; these arrive in any order, some of them twice. What is in PostgreSQL at
the end is compared with a model that knows the values that were meant and reads the files in the order of their days.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import polars as pl
import pytest
import sqlalchemy as sa
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lxml import etree

from etl.contract.formats import ENDINGS
from etl.operate.replay import replay
from etl.pipeline.pipeline import Pipeline
from tests.contract.test_short_contract import write

DAYS = [date(2024, month, 1) for month in (1, 2, 3, 4)]
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Kind:
    """A type in one notation: what a contract says of it, and values as they are sent and as they are meant."""

    says: dict[str, Any]
    values: list[tuple[Any, Any]]  # as sent: text for every format, other than text for JSON alone
    custom: dict[str, Any] = field(default_factory=dict)
    may_be_key: bool = True


def dated(type_: str, format_: str, values: list[tuple[Any, Any]], pivot: int | None = None, **options: str) -> Kind:
    says = {"logicalType": type_, "logicalTypeOptions": {"format": format_, **options}}
    return Kind(says, values, {"pivot": pivot} if pivot else {})


NUMBER = {"logicalType": "number"}
ENGLISH = {"numbers": {"thousands": ",", "currency": ["$"]}}
GERMAN = {"numbers": {"decimal": ",", "thousands": "."}}
KINDS = [
    Kind({}, [("a", "a"), ("Ủy ban nhân dân", "Ủy ban nhân dân"), ("x, y", "x, y")]),
    Kind({"logicalType": "integer"}, [("0", 0), ("-7", -7), ("12.0", 12), (1234567, 1234567)]),
    Kind({"logicalType": "integer"}, [("1,234", 1234), ("$5", 5), (12, 12)], ENGLISH),
    Kind({"logicalType": "integer"}, [("-999", None), ("3", 3), ("n/a", None)], {"nullValues": ["-999", "n/a"]}, False),
    Kind({"logicalType": "integer"}, [("1500", 1_500_000), ("-2", -2000)],
         {"unit": {"received": "k", "stored": "1", "factor": 1000}}, False),
    Kind(NUMBER, [("12.50", Decimal("12.5")), ("0.000001", Decimal("0.000001")), (7.25, Decimal("7.25"))]),
    Kind(NUMBER | {"physicalType": "numeric(9,3)"}, [("1.234", Decimal("1.234")), ("10", Decimal(10))]),
    Kind(NUMBER, [("1.234,5", Decimal("1234.5")), ("12,5", Decimal("12.5"))], GERMAN),
    Kind(NUMBER | {"physicalType": "double precision"}, [("0.1", 0.1), ("1e-05", 1e-05), ("-3", -3.0)], {}, False),
    Kind({"logicalType": "boolean"}, [("yes", True), ("Không", False), (True, True), ("0", False)]),
    Kind({"logicalType": "boolean"}, [("X", True), ("-", False)], {"trueValues": ["X"], "falseValues": ["-"]}),
    dated("date", "dd/MM/yyyy", [("15/01/2024", date(2024, 1, 15)), ("5/3/1987", date(1987, 3, 5))]),
    dated("date", "MMM d, yy", [("Mar 5, 49", date(2049, 3, 5)), ("Dec 31, 50", date(1950, 12, 31))], pivot=1950),
    dated("date", "yyyy", [("1999", date(1999, 1, 1)), ("2024", date(2024, 1, 1))]),
    dated("timestamp", "M/d/yyyy h:mm a", [("3/25/2024 12:05 AM", datetime(2024, 3, 25, 0, 5))]),
    dated("timestamp", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
          [("2024-03-01T23:30:00.250Z", datetime(2024, 3, 1, 23, 30, 0, 250_000, UTC)),
           ("2024-10-27T02:30:00.000+01:00", datetime(2024, 10, 27, 1, 30, tzinfo=UTC))]),
    dated("timestamp", "dd.MM.yyyy HH:mm", [("31.07.2024 12:00", datetime(2024, 7, 31, 12, tzinfo=BERLIN))],
          defaultTimezone="Europe/Berlin"),
    dated("time", "HH:mm", [("07:05", time(7, 5)), ("23:59", time(23, 59))]),
    Kind({}, [("03/1950", date(1950, 3, 1)), ("1950", date(1950, 1, 1))], {"datatype": "partial_date"}, False),
]  # fmt: skip
Cells = list[list[Any]]


def as_csv(names: list[str], rows: Cells) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([names, *rows])
    return out.getvalue().encode()


def records(names: list[str], rows: Cells) -> list[dict[str, Any]]:
    return [{name: cell for name, cell in zip(names, row, strict=True) if cell is not None} for row in rows]


def as_ndjson(names: list[str], rows: Cells) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records(names, rows)).encode()


def as_json(names: list[str], rows: Cells) -> bytes:
    return json.dumps({"rows": records(names, rows)}, ensure_ascii=False).encode()


def as_xml(names: list[str], rows: Cells) -> bytes:
    root = etree.Element("rows")
    for record in records(names, rows):
        row = etree.SubElement(root, "row")
        for name, cell in record.items():
            etree.SubElement(row, name).text = cell
    made: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made


def as_workbook(names: list[str], rows: Cells) -> bytes:
    book, out = openpyxl.Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet()
    for row in [names, *rows]:
        sheet.append(row)
    book.save(out)
    return out.getvalue()


def as_parquet(names: list[str], rows: Cells) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row").write_parquet(out)
    return out.getvalue()


WRITTEN: dict[str, Callable[[list[str], Cells], bytes]] = {
    "csv": as_csv, "ndjson": as_ndjson, "json": as_json, "xml": as_xml, "excel": as_workbook, "parquet": as_parquet,
}  # fmt: skip
SAYS = {"json": {"records": "rows"}, "xml": {"record": "row", "root": "rows"}}
HAS_TYPES = ("json", "ndjson")
CHANGE = {"datatype": "code", "codeList": "change_type", "role": "change"}
Row = tuple[Any, ...]  # values as they are meant, the key's first; what the row does last, in mode changes


@dataclass(frozen=True)
class Dataset:
    """A contract that was made up, and its deliveries in the order in which they arrive."""

    mode: str
    format: str
    kinds: tuple[Kind, ...]
    keys: int  # how many of the columns are the key, from the first; none: the whole row
    files: tuple[tuple[date, int, tuple[tuple[tuple[Any, Any], ...], ...]], ...]  # day, revision, rows of cells
    arrivals: tuple[int, ...]

    def contract(self, table: str) -> str:
        columns = [
            {
                "name": f"c{at}", "physicalName": f"Cột_{at}", "primaryKey": at < self.keys, **kind.says,
                "customProperties": [{"property": name, "value": value} for name, value in kind.custom.items()],
            }
            for at, kind in enumerate(self.kinds)
        ]  # fmt: skip
        custom = {"deliveryMode": self.mode, "source": {"format": self.format, **SAYS.get(self.format, {})}}
        if not self.keys:
            custom["key"] = "whole_row"
        if self.mode == "changes":
            says = [{"property": name, "value": value} for name, value in CHANGE.items()]
            columns.append({"name": "change", "required": True, "customProperties": says})
        return yaml.safe_dump(
            {
                "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
                "schema": [{"physicalName": f"business.{table}", "properties": columns}],
            },
            allow_unicode=True,
        )

    def content(self, rows: tuple[tuple[tuple[Any, Any], ...], ...]) -> bytes:
        names = [f"Cột_{at}" for at in range(len(self.kinds))] + (["change"] if self.mode == "changes" else [])
        return WRITTEN[self.format](names, [[sent for sent, _ in row] for row in rows])

    def versions(self) -> Counter[Row]:
        """What must be there: each version's values, and from when to when."""
        now: dict[Row, Row] = {}
        since: dict[Row, date] = {}
        made: Counter[Row] = Counter()
        for day in sorted({day for day, _, _ in self.files}):
            before = dict(now)
            for _, _, rows in self._of(day):
                meant = [tuple(value for _, value in row) for row in rows]
                now = {} if self.mode == "snapshot" else now
                copies: Counter[Row] = Counter()
                for row in meant:
                    values, does = (row[:-1], row[-1]) if self.mode == "changes" else (row, "S")
                    copies[values] += 1
                    key = values[: self.keys] if self.keys else (*values, copies[values])
                    if does == "X":
                        now.pop(key, None)
                    else:
                        now[key] = values
            for key in before.keys() | now.keys():
                if before.get(key) != now.get(key):
                    if key in before:
                        made[(*before[key], since.pop(key), day)] += 1
                    if key in now:
                        since[key] = day
        return made + Counter((*values, since[key], None) for key, values in now.items())

    def _of(self, day: date) -> list[tuple[Any, ...]]:
        return sorted((file for file in self.files if file[0] == day), key=lambda file: file[1])


@st.composite
def datasets(draw: st.DrawFn, kind: Kind) -> Dataset:
    """Datasets that have a column of a kind, among others."""
    mode = draw(st.sampled_from(["snapshot", "changes", "append"]))
    format_ = draw(st.sampled_from([*WRITTEN]))
    keys = draw(st.sampled_from([1, 2] if mode == "changes" else [0, 1, 2]))
    of_key = [draw(st.sampled_from([known for known in KINDS if known.may_be_key])) for _ in range(keys)]
    kinds = (*of_key, kind, *(draw(st.sampled_from(KINDS)) for _ in range(draw(st.integers(0, 2)))))

    def cell(at: int) -> tuple[Any, Any]:
        known = [pair for pair in kinds[at].values if format_ in HAS_TYPES or isinstance(pair[0], str)]
        return draw(st.sampled_from(known if at < keys else [*known, (None, None)]))

    def file() -> tuple[tuple[tuple[Any, Any], ...], ...]:
        rows: dict[Any, tuple[tuple[Any, Any], ...]] = {}
        for number in range(draw(st.integers(1, 4))):
            row = tuple(cell(at) for at in range(len(kinds)))
            if all(value is None for _, value in row):  # a blank line is none
                continue
            if mode == "changes":
                does = draw(st.sampled_from("TSX"))
                # A deletion may name its record alone.
                row = (*row[:keys], *((None, None) for _ in row[keys:])) if does == "X" and draw(st.booleans()) else row
                row = (*row, (does, does))
            rows[tuple(value for _, value in row[:keys]) if keys else number] = row
        return tuple(rows.values())

    days = draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=3, unique=mode == "snapshot"))
    files = []
    for at, day in enumerate(days):
        if rows := file():
            files.append((day, 1 + days[:at].count(day), rows))
    order = draw(st.permutations(range(len(files))))
    again = draw(st.lists(st.sampled_from(range(len(files))), max_size=1)) if files else []
    return Dataset(mode, format_, kinds, keys, tuple(files), (*order, *again))


@pytest.mark.timeout(0)
# What fails is named whole; to make it smaller would take many minutes.
@settings(max_examples=3, phases=[Phase.generate], suppress_health_check=[*HealthCheck], print_blob=False)
@given(made=st.tuples(*(datasets(kind) for kind in KINDS)))
def test_any_contract_keeps_both_laws(
    tmp_path_factory: pytest.TempPathFactory,
    new_pipeline: Callable[..., Pipeline],
    send: Callable[..., Any],
    made: tuple[Dataset, ...],
) -> None:
    folder = tmp_path_factory.mktemp("generated")
    for at, dataset in enumerate(made):
        write(folder, f"law.d{at}", dataset.contract(f"d{at}"))
    pipeline = new_pipeline(folder)
    assert not pipeline.contracts.wrong
    for at, dataset in enumerate(made):
        for arrival in dataset.arrivals:
            day, revision, rows = dataset.files[arrival]
            name = f"d{at}_{day}" + (f"_r{revision}" if revision > 1 else "") + ENDINGS[dataset.format][0]
            entry = send(pipeline, f"law/d{at}", name, dataset.content(rows))
            assert entry.state == "loaded", (entry.message_en, dataset.contract(f"d{at}"))
            assert (entry.rows_in, entry.rejected, entry.duplicates) == (len(rows), 0, 0), dataset
        columns = ", ".join([*(f"c{number}" for number in range(len(dataset.kinds))), "valid_from", "valid_to"])
        with pipeline.engine.connect() as connection:
            found = connection.execute(sa.text(f"SELECT {columns} FROM business.d{at}")).all()
        assert Counter(map(tuple, found)) == dataset.versions(), dataset
        assert replay(pipeline.ledger, pipeline.storage, pipeline.contracts[f"law.d{at}"]).is_equal
