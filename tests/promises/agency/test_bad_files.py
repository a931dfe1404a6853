"""Files that cannot be loaded: each ends held or rejected with one sentence, landing keeps it, and others go on."""

from __future__ import annotations

import csv
import html
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.extract.text import decode
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
from simulate.encodings import encode

Send = Callable[..., Any]


def births(day: Path) -> list[list[str]]:
    text = next((day / "civil" / "births").iterdir()).read_text("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def as_csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return ("\ufeff" + out.getvalue()).encode()


def without_a_column(day: Path) -> bytes:
    rows = births(day)
    at = rows[0].index("ngay_dang_ky")
    return as_csv([row[:at] + row[at + 1 :] for row in rows])


def with_a_column_twice(day: Path) -> bytes:
    return as_csv([[*row, row[4]] for row in births(day)])


def truncated_zip(day: Path) -> bytes:
    whole = next((day / "tax" / "declarations").iterdir()).read_bytes()
    return whole[: len(whole) // 2]


def zip_of_two(day: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "y")
    return out.getvalue()


def zip_with_a_broken_member(day: Path) -> bytes:
    whole = bytearray(next((day / "tax" / "declarations").iterdir()).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 20] = bytes(20)
    return bytes(whole)


def excel_without_a_header(day: Path) -> bytes:
    import openpyxl

    out, book = io.BytesIO(), openpyxl.Workbook()
    book.active.append(["Sở Tư pháp"])
    book.save(out)
    return out.getvalue()


def last_claim_cut_off(day: Path) -> bytes:
    whole = next((day / "health" / "visits").iterdir()).read_bytes()
    return whole[: len(whole) * 9 // 10]


BAD = {
    "a column is missing": ("civil/births", "births_2026-04-01.csv", without_a_column, "held", "ngay_dang_ky"),
    "a column twice": ("civil/births", "births_2026-04-03.csv", with_a_column_twice, "held", "trùng tên"),
    "an empty file": ("civil/births", "births_2026-04-04.csv", lambda _: b"", "rejected", "không có dữ liệu"),
    "a snapshot of the header only": (
        "tax/taxpayers",
        "taxpayers_2026-04-05.csv",
        lambda day: next((day / "tax" / "taxpayers").iterdir()).read_bytes().splitlines(keepends=True)[0],
        "held",
        "mọi bản ghi trong kho sẽ bị coi là đã chấm dứt",
    ),
    "no date in the name": (
        "civil/births",
        "births.csv",
        lambda day: as_csv(births(day)),
        "rejected",
        "“births.csv” không cho biết kỳ",
    ),
    "a date that is none": (
        "civil/births",
        "births_2026-02-30.csv",
        lambda day: as_csv(births(day)),
        "rejected",
        "một ngày không có thật",
    ),
    "a folder that is no dataset": (
        "civil/adoptions",
        "adoptions_2026-04-01.csv",
        lambda _: b"a\n1\n",
        "rejected",
        "“civil.adoptions” không phải",
    ),
    "not the declared encoding": (
        "civil/births",
        "births_2026-04-06.csv",
        lambda day: as_csv(births(day)).decode("utf-8-sig").encode("utf-16"),
        "held",
        "bảng mã",
    ),
    "Unicode where TCVN3 is declared": (
        "civil/marriages",
        "marriages_2026-04-06.csv",
        lambda day: as_csv(births(day)),
        "held",
        "TCVN3",
    ),
    "Windows-1258 where TCVN3 is declared": (
        "civil/marriages",
        "marriages_2026-04-07.csv",
        lambda day: encode(decode(next((day / "civil" / "marriages").iterdir()).read_bytes(), "tcvn3"), "cp1258"),
        "held",
        "TCVN3",
    ),
    "TCVN3 where Windows-1258 is declared": (
        "tax/taxpayers",
        "taxpayers_2026-04-07.csv",
        lambda day: encode(decode(next((day / "tax" / "taxpayers").iterdir()).read_bytes(), "cp1258"), "tcvn3"),
        "held",
        "Windows-1258",
    ),
    "a ZIP cut short": ("tax/declarations", "declarations_2026-04-01.zip", truncated_zip, "rejected", "ZIP"),
    "a ZIP of two files": ("tax/declarations", "declarations_2026-04-02.zip", zip_of_two, "rejected", "đúng một tệp"),
    "a ZIP with a damaged member": (
        "tax/declarations",
        "declarations_2026-04-03.zip",
        zip_with_a_broken_member,
        "rejected",
        "ZIP",
    ),
    "an Excel that is none": (
        "civil/deaths",
        "deaths_2026-04-01.xlsx",
        lambda _: b"PK\x03\x04 no workbook",
        "rejected",
        "Excel",
    ),
    "an Excel without a header": (
        "civil/deaths",
        "deaths_2026-04-02.xlsx",
        excel_without_a_header,
        "held",
        "thiếu cột",
    ),
    "XML cut short": ("health/visits", "visits_2026-04-01.xml", last_claim_cut_off, "rejected", "XML"),
    "XML with a DOCTYPE": (
        "health/visits",
        "visits_2026-04-02.xml",
        lambda _: b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        "rejected",
        "XML",
    ),
    "text where JSON is declared": (
        "land/permits",
        "permits_2026-04-01.ndjson",
        lambda _: b"xin chao\n",
        "rejected",
        "JSON",
    ),
    "JSON that is no FeatureCollection": (
        "land/parcels",
        "parcels_2026-04-01.geojson",
        lambda _: json.dumps({"type": "Feature"}).encode(),
        "rejected",
        "GeoJSON",
    ),
}


@pytest.fixture(scope="module")
def shared(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_ends_with_a_sentence_and_stays_in_landing(
    kind: str, shared: Pipeline, send: Send, clean_day: Path
) -> None:
    folder, name, make, state, hint = BAD[kind]
    content = make(clean_day)
    entry = send(shared, folder, name, content)
    assert entry.state == state
    assert hint in entry.message_vi
    assert entry.message_en and "\n" not in entry.message_vi

    delivery = shared.storage.delivery(*entry.dataset.split("."), entry.delivery_id)
    assert shared.storage.content(delivery).read_bytes() == content
    outbox = shared.storage.folder("outbox", delivery)
    assert entry.message_vi in html.unescape((outbox / "receipt.html").read_text("utf-8"))
    assert json.loads((outbox / "receipt.json").read_text("utf-8"))["message"]["en"] == entry.message_en
    assert receive_inbox(shared) == []


def test_other_deliveries_go_on(pipeline: Pipeline, send: Send, clean_day: Path) -> None:
    assert send(pipeline, "civil/births", "births_2026-03-01.csv", b"").state == "rejected"
    good = next((clean_day / "civil" / "births").iterdir())
    assert send(pipeline, "civil/births", good.name, good.read_bytes()).state == "loaded"


def test_a_file_that_is_mostly_wrong_is_held_with_its_worst_rule(
    pipeline: Pipeline, send: Send, clean_day: Path
) -> None:
    rows = [*births(clean_day)[:1], *(row for row in births(clean_day)[1:] for _ in range(3))]
    at, number = rows[0].index("gioi_tinh"), rows[0].index("so")
    for count, row in enumerate(rows[1:]):
        row = rows[count + 1] = list(row)
        row[at], row[number] = "không rõ ràng", f"{count + 1}/2026"
    entry = send(pipeline, "civil/births", "births_2026-04-01.csv", as_csv(rows))
    assert (entry.state, entry.rule) == ("held", "too_many_rejected")
    assert "Giới tính" in entry.message_vi
    assert "không rõ ràng" not in entry.message_vi, "a sentence about the file quotes no cell"


def test_the_same_bytes_again_are_recorded_and_not_loaded_again(
    pipeline: Pipeline, send: Send, clean_day: Path
) -> None:
    file = next((clean_day / "civil" / "births").iterdir())
    first = send(pipeline, "civil/births", file.name, file.read_bytes())
    again = send(pipeline, "civil/births", file.name, file.read_bytes())
    assert again.delivery_id == first.delivery_id
    assert again.loaded_at == first.loaded_at
    with pipeline.engine.connect() as connection:
        arrivals = connection.exec_driver_sql("SELECT is_new FROM ops.arrival ORDER BY arrival_id").scalars().all()
    assert arrivals == [True, False]


def test_a_nul_character_in_json_is_shown_and_loses_nothing_else(
    pipeline: Pipeline, send: Send, clean_day: Path
) -> None:
    lines = next((clean_day / "land" / "permits").iterdir()).read_text("utf-8").splitlines()
    record = json.loads(lines[0])
    record["ngay_nop"] = "2026\x0001"
    entry = send(
        pipeline, "land/permits", "permits_2026-03-09.ndjson", "\n".join([json.dumps(record), *lines[1:]]).encode()
    )
    assert entry.state == "loaded"
    with pipeline.engine.connect() as connection:
        value = connection.exec_driver_sql(
            "SELECT value FROM ops.problem WHERE rule = 'control_character' AND row_no = 1"
        ).scalar_one()
    assert value == "2026\\x0001"
