"""Files that attack, and files beyond hope: each ends in a sentence, in bounded time and memory, and others go on.

Each file is a real one and walks through the real stations in a process of its own, whose peak memory is measured.
"""

from __future__ import annotations

import csv
import html
import io
import json
import logging
import os
import socket
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from etl.contract import load_all
from etl.delivery.messages import Stop
from etl.delivery.model import Delivery
from etl.delivery.period import period_of
from etl.extract import extract_bytes
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
from etl.settings import Limits
from simulate.encodings import encode
from tests import TESTS, commands

GIB = 1 << 30
UNPACKED = 1_100  # mebibytes: more than a file may have unpacked, and more than the memory it may take
SECONDS = 60  # most of it are imports and the copy to landing
Make = Callable[[Path, Path], None]  # the clean day's file, and where to write the hostile one
Row = dict[str, Any]

_WALK = """
import json, time
from pathlib import Path
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
started = time.perf_counter()
pipeline = Pipeline.from_environment()
for received in receive_inbox(pipeline):
    if not received.is_final:
        for _ in pipeline.walk(received.dataset, received.delivery_id):
            pass
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"bytes": int(peak.split()[1]) * 1024, "seconds": time.perf_counter() - started}))
"""


@dataclass(frozen=True)
class Hostile:
    """A file that attacks: where it is dropped, how it is made, and what its sender hears."""

    folder: str
    suffix: str
    make: Make
    state: str
    rule: str
    sentence: str  # words of it


def walk_alone(pipeline: Pipeline, **limits: int) -> dict[str, float]:
    """Receive and walk the inbox in a process of its own; gives its peak memory and its seconds."""
    environment = os.environ | {
        "CITYDW_HOME": str(pipeline.settings.home),
        "CITYDW_DATA": str(pipeline.settings.data),
        "CITYDW_DATABASE_URL": str(pipeline.settings.database_url),
        "CITYDW_QUIET_SECONDS": "0",
        **{f"CITYDW_MAX_{name.upper()}": str(limit) for name, limit in limits.items()},
    }
    done = commands.run(program=_WALK, env=environment, seconds=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    used: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return used


def drop(pipeline: Pipeline, folder: str, name: str, make: Callable[[Path], None]) -> Path:
    file = Path(pipeline.storage.inbox) / folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    make(file)
    return file


def problems_of(pipeline: Pipeline, entry: Row) -> list[tuple[int, str, str]]:
    with pipeline.engine.connect() as connection:
        query = "SELECT row_no, rule, vi FROM ops.problem WHERE dataset = %s AND delivery_id = %s ORDER BY 1, 2"
        return [tuple(row) for row in connection.exec_driver_sql(query, (entry.dataset, entry.delivery_id))]


def clean_file(day: Path, folder: str) -> Path:
    return min((day / folder).iterdir())


def page(pipeline: Pipeline, delivery: Delivery) -> str:
    return html.unescape((pipeline.storage.folder("outbox", delivery) / "receipt.html").read_text("utf-8"))


def lines_of(file: Path) -> list[str]:
    return file.read_text("utf-8-sig").splitlines()


# --- archives


def zip_bomb(_: Path, out: Path) -> None:
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("to_khai.csv", "w", force_zip64=True) as member,
    ):
        for _ in range(UNPACKED):
            member.write(b"0" * (1 << 20))


def zip_that_lies_about_its_size(_: Path, out: Path) -> None:
    """Every place that declares 200 MB says 1,000 bytes instead."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("to_khai.csv", b"0" * (200 << 20))
    out.write_bytes(whole.getvalue().replace((200 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))


def zip_that_climbs(name: str) -> Make:
    def make(_: Path, out: Path) -> None:
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(zipfile.ZipInfo(name), "a;b\n1;2\n")

    return make


def zip_of_a_link(_: Path, out: Path) -> None:
    link = zipfile.ZipInfo("to_khai.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "/etc/passwd")


# --- XML

_ENTITIES = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))


def xml(head: str, body: str) -> Make:
    text = f"<?xml version='1.0'?>{head}<a><TONG_HOP>{body}</TONG_HOP></a>"
    return lambda _, out: void(out.write_text(text, "utf-8"))


def void(_: object) -> None:
    """Forget what a call returned."""


def xml_without_records(_: Path, out: Path) -> None:
    with out.open("wb") as file:
        file.write(b"<a>")
        for _ in range(300):
            file.write(b"<b/>" * (1 << 18))
        file.write(b"</a>")


# --- Excel


def excel_with(change: Callable[[Any], None]) -> Make:
    def make(clean: Path, out: Path) -> None:
        book = openpyxl.load_workbook(clean)
        change(book.active)
        book.save(out)

    return make


def excel_with_macros(clean: Path, out: Path) -> None:
    out.write_bytes(clean.read_bytes())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0")


def excel_bomb(clean: Path, out: Path) -> None:
    with zipfile.ZipFile(clean) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for member in old.infolist():
            new.writestr(member, old.read(member))
        with new.open("xl/media/image1.png", "w", force_zip64=True) as media:
            for _ in range(UNPACKED):
                media.write(bytes(1 << 20))


def excel_of_one_text_many_times(clean: Path, out: Path) -> None:
    row = '<row><c t="s"><v>0</v></c></row>' * 100_000
    repack(
        clean,
        out,
        {
            "xl/sharedStrings.xml": f"<sst><si><t>{'x' * 30_000}</t></si></sst>",
            "xl/worksheets/sheet1.xml": f"<worksheet><sheetData>{row}</sheetData></worksheet>",
        },
    )


def excel_with_overlapping_merges(clean: Path, out: Path) -> None:
    with zipfile.ZipFile(clean) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    merges = '<mergeCells count="100000">' + '<mergeCell ref="A1:Z1048576"/>' * 100_000 + "</mergeCells>"
    repack(clean, out, {"xl/worksheets/sheet1.xml": sheet.replace("</sheetData>", f"</sheetData>{merges}", 1)})


def old_excel_with_a_cell_far_off(_: Path, out: Path) -> None:
    """The last cell, a number in row 19, is moved to the last row and column that the format can write."""
    book = (TESTS / "messy" / "horror" / "excel_properties.xls").read_bytes()
    cell = struct.pack("<HHHH", 0x27E, 10, 18, 0)
    assert book.count(cell) == 1
    out.write_bytes(book.replace(cell, struct.pack("<HHHH", 0x27E, 10, 65_535, 65_535)))


def repack(clean: Path, out: Path, parts: dict[str, str]) -> None:
    with zipfile.ZipFile(clean) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            if member.filename not in parts:
                new.writestr(member, old.read(member))
        for name, text in parts.items():
            new.writestr(name, text)


# --- text


def line_of_1_gb(clean: Path, out: Path) -> None:
    with out.open("wb") as file:
        file.write(clean.read_bytes().splitlines(keepends=True)[0])
        for _ in range(1000):
            file.write(b"x" * 1_000_000)


def bytes_inside(middle: bytes) -> Make:
    def make(clean: Path, out: Path) -> None:
        lines = clean.read_bytes().splitlines(keepends=True)
        out.write_bytes(b"".join([*lines[:5], lines[5].replace(b",", b"," + middle, 1), *lines[6:]]))

    return make


def columns_100_000(clean: Path, out: Path) -> None:
    lines = lines_of(clean)
    more = "," + ",".join(f"c{number}" for number in range(100_000))
    out.write_text("\n".join(line + more for line in lines[:3]), "utf-8")


def fields_100_000(_: Path, out: Path) -> None:
    """Each record has a field of its own: as a table, ten billion cells of nothing."""
    out.write_text("\n".join(json.dumps({f"c{number}": 1}) for number in range(100_000)), "utf-8")


def name_of_7_mb(_: Path, out: Path) -> None:
    out.write_text(" ".join(f"c{number}" for number in range(900_000)) + "\n1\n", "utf-8")


def quotes_that_never_close(clean: Path, out: Path) -> None:
    head, *rows = lines_of(clean)
    out.write_text("\n".join([head, *(row.replace(",", ',"', 1) for row in rows)] * 500), "utf-8")


def a_million_marks(clean: Path, out: Path) -> None:
    out.write_text(clean.read_text("utf-8-sig").replace("Trần", "Tra" + "\u0301\u0323" * 500_000, 1), "utf-8")


def nested_100_000_deep(_: Path, out: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    out.write_text(
        f'{{"type": "FeatureCollection", "features": [{{"properties": {{}}, "geometry": {deep}}}]}}', "utf-8"
    )


BIRTHS, DEATHS, VISITS, DECLARATIONS = "civil/births", "civil/deaths", "health/visits", "tax/declarations"
HOSTILE = {
    "zip bomb": Hostile(DECLARATIONS, ".zip", zip_bomb, "rejected", "unpacks_to_too_much", "bom nén"),
    "zip that lies": Hostile(
        DECLARATIONS, ".zip", zip_that_lies_about_its_size, "rejected", "unreadable_zip", "Không mở được tệp ZIP"
    ),
    "zip path up": Hostile(
        DECLARATIONS, ".zip", zip_that_climbs("../../etc/cron.d/x"), "rejected", "zip_path", "đường dẫn"
    ),
    "zip path absolute": Hostile(DECLARATIONS, ".zip", zip_that_climbs("/etc/x"), "rejected", "zip_path", "“/etc/x”"),
    "zip path of Windows": Hostile(
        DECLARATIONS, ".zip", zip_that_climbs("a\\..\\..\\x"), "rejected", "zip_path", "không an toàn"
    ),
    "zip of a link": Hostile(DECLARATIONS, ".zip", zip_of_a_link, "rejected", "zip_path", "liên kết"),
    "XML entity bomb": Hostile(
        VISITS,
        ".xml",
        xml(f'<!DOCTYPE a [<!ENTITY l0 "lol">{_ENTITIES}]>', "<X>&l11;</X>"),
        "rejected",
        "xml_doctype",
        "ENTITY",
    ),
    "XML external entity": Hostile(
        VISITS,
        ".xml",
        xml('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "<X>&x;</X>"),
        "rejected",
        "xml_doctype",
        "DOCTYPE",
    ),
    "XML 100,000 deep": Hostile(
        VISITS, ".xml", xml("", "<b>" * 100_000), "rejected", "nested_too_deep", "lồng nhau quá 256 lớp"
    ),
    "XML of 300 MB without a record": Hostile(
        VISITS, ".xml", xml_without_records, "rejected", "unreadable_xml", "TONG_HOP"
    ),
    "Excel with macros": Hostile(DEATHS, ".xlsx", excel_with_macros, "rejected", "excel_macros", "có macro"),
    "Excel bomb": Hostile(DEATHS, ".xlsx", excel_bomb, "rejected", "unpacks_to_too_much", "bom nén"),
    "Excel cell in the last column": Hostile(
        DEATHS,
        ".xlsx",
        excel_with(lambda sheet: void(sheet.cell(1, 16_384, "x"))),
        "rejected",
        "too_many_columns",
        "hơn 500 cột",
    ),
    "Excel cell in the last row": Hostile(
        DEATHS,
        ".xlsx",
        excel_with(lambda sheet: void(sheet.cell(1_048_576, 100, "x"))),
        "rejected",
        "mostly_empty",
        "ô trống",
    ),
    "Excel of one text 100,000 times": Hostile(
        DEATHS, ".xlsx", excel_of_one_text_many_times, "rejected", "unpacks_to_too_much", "giải ra hơn"
    ),
    "Excel with overlapping merges": Hostile(
        DEATHS, ".xlsx", excel_with_overlapping_merges, "rejected", "unreadable_excel", "ô gộp chồng lên nhau"
    ),
    "old Excel cell far off": Hostile(
        DEATHS, ".xls", old_excel_with_a_cell_far_off, "rejected", "too_many_columns", "hơn 500 cột"
    ),
    "a line of 1 GB": Hostile(BIRTHS, ".csv", line_of_1_gb, "rejected", "line_too_long", "Dòng 2 của tệp dài hơn 8 MB"),
    "NUL bytes": Hostile(BIRTHS, ".csv", bytes_inside(b"\0\0"), "held", "wrong_encoding", "NUL, dòng 6"),
    "invalid UTF-8": Hostile(BIRTHS, ".csv", bytes_inside(b"\xc3\x28"), "held", "wrong_encoding", "dòng 6"),
    "two encodings": Hostile(
        BIRTHS, ".csv", bytes_inside(encode("Trần Thị Ánh", "tcvn3")), "held", "wrong_encoding", "dòng 6"
    ),
    "100,000 columns": Hostile(BIRTHS, ".csv", columns_100_000, "rejected", "too_many_columns", "hơn 500 cột"),
    "100,000 fields": Hostile("land/permits", ".ndjson", fields_100_000, "rejected", "too_many_columns", "hơn 500 cột"),
    "a column's name of 7 MB": Hostile(BIRTHS, ".csv", name_of_7_mb, "held", "missing_column", "thiếu cột"),
    "quotes that never close": Hostile(
        BIRTHS, ".csv", quotes_that_never_close, "held", "too_many_rejected", "Quá nhiều dòng sai"
    ),
    "a letter with a million marks": Hostile(
        BIRTHS, ".csv", a_million_marks, "held", "marks_without_end", "dấu chồng nhau (dòng 2)"
    ),
    "GeoJSON 100,000 deep": Hostile(
        "land/parcels", ".geojson", nested_100_000_deep, "rejected", "nested_too_deep", "lồng nhau quá 100 lớp"
    ),
}


@pytest.fixture(scope="module")
def shared(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_ends_in_a_sentence_within_a_gibibyte(kind: str, shared: Pipeline, clean_day: Path) -> None:
    hostile = HOSTILE[kind]
    name = f"x_2026-05-{list(HOSTILE).index(kind) + 1:02}{hostile.suffix}"
    drop(shared, hostile.folder, name, lambda file: hostile.make(clean_file(clean_day, hostile.folder), file))
    used = walk_alone(shared)
    (entry,) = (e for e in shared.ledger.all(hostile.folder.replace("/", ".")) if e.file_name == name)
    assert (entry.state, entry.rule) == (hostile.state, hostile.rule)
    assert hostile.sentence in entry.message_vi
    assert entry.message_en and "\n" not in entry.message_vi
    assert used["bytes"] < GIB
    delivery = shared.storage.delivery(*entry.dataset.split("."), entry.delivery_id)
    assert entry.message_vi in page(shared, delivery)
    landing = Path(shared.storage.content(delivery))
    landing.chmod(0o644)
    landing.write_bytes(b"")  # some are of a gigabyte


def test_good_files_load_after_hostile_ones(shared: Pipeline, clean_day: Path) -> None:
    for folder in sorted({hostile.folder for hostile in HOSTILE.values()}):
        clean = clean_file(clean_day, folder)
        drop(shared, folder, clean.name, lambda file, clean=clean: void(file.write_bytes(clean.read_bytes())))
    walk_alone(shared)
    states = {e.file_name: e.state for e in shared.ledger.all() if not e.file_name.startswith("x_")}
    assert set(states.values()) == {"loaded"}
    assert len(states) == len({hostile.folder for hostile in HOSTILE.values()})


# --- what costs a row, not the file


def changed(row: list[str], header: list[str], **cells: str) -> list[str]:
    return [cells.get(name, cell) for name, cell in zip(header, row, strict=True)]


def test_hostile_lines_cost_their_own_row(pipeline: Pipeline, clean_day: Path) -> None:
    header, *rows = csv.reader(lines_of(clean_file(clean_day, BIRTHS)))
    good, bad = rows[8:], rows[:8]
    sql, formula = "Robert'); DROP TABLE people.births; --", '=HYPERLINK("http://x.vn","Xem")'
    hostile = [
        (changed(bad[0], header, ngay_dang_ky="31/02/2026"), ["type_date"]),
        (changed(bad[1], header, ngay_sinh="01/01/0001"), ["semantic_partial_date"]),
        (header, ["repeated_header"]),
        (bad[2][:-3], ["ragged_row"]),
        ([*bad[3], "x", "y"], ["ragged_row"]),
        (changed(bad[4], header, noi_sinh="x" * 40_000), ["cell_too_long"]),
        (changed(bad[5], header, so="9" * 3_000), ["cell_too_long"]),
        (changed(bad[6], header, ho_ten=sql), ["semantic_person_name"]),
        (changed(bad[7], header, noi_sinh=formula), []),
    ]
    text = io.StringIO()
    csv.writer(text).writerows([header, *(row for row, _ in hostile), *good])
    drop(pipeline, BIRTHS, "births_2026-05-01.csv", lambda file: void(file.write_text(text.getvalue(), "utf-8")))
    used = walk_alone(pipeline)
    assert used["bytes"] < GIB
    (entry,) = pipeline.ledger.all("civil.births")
    assert (entry.state, entry.rows_in) == ("loaded", len(hostile) + len(good))
    found = problems_of(pipeline, entry)
    for number, (_, rules) in enumerate(hostile, start=2):
        told = {rule for row, rule, _ in found if row == number}
        assert told >= set(rules) and bool(told) == bool(rules)
    assert "lặp lại" in next(vi for _, rule, vi in found if rule == "repeated_header")
    assert "dài hơn 32767 ký tự" in next(vi for row, _, vi in found if row == 7)
    with pipeline.engine.connect() as connection:
        (kept,) = connection.exec_driver_sql(
            "SELECT birth_place FROM people.births WHERE birth_place LIKE '=%%'"
        ).scalars()
    assert kept == formula


def test_numbers_out_of_range_cost_their_own_record(pipeline: Pipeline, clean_day: Path) -> None:
    head, *features, last = clean_file(clean_day, "land/parcels").read_text("utf-8").splitlines()
    area = json.loads(features[0].rstrip(","))["properties"]["dien_tich"]
    hostile = ["1e400", "1" + "0" * 400, "NaN", "Infinity", "-Infinity", '"=1+1"']
    for at, number in enumerate(hostile):
        feature = json.loads(features[at].rstrip(","))
        feature["properties"]["dien_tich"] = "HERE"
        features[at] = json.dumps(feature).replace('"HERE"', number) + ","
    bow_tie = json.loads(features[6].rstrip(","))
    x, y = bow_tie["geometry"]["coordinates"][0][0]
    bow_tie["geometry"]["coordinates"] = [[[x, y], [x + 9, y + 9], [x + 9, y], [x, y + 9], [x, y]]]
    endless = json.loads(features[7].rstrip(","))
    endless["geometry"]["coordinates"] = [[[x, y], [float("inf"), y], [float("nan"), y], [x, y]]]
    features[6:8] = [json.dumps(bow_tie) + ",", json.dumps(endless) + ","]
    text = "\n".join([head, *features, last])
    drop(pipeline, "land/parcels", "parcels_2026-05-01.geojson", lambda file: void(file.write_text(text, "utf-8")))
    assert walk_alone(pipeline)["bytes"] < GIB
    (entry,) = pipeline.ledger.all("land.parcels")
    assert area and entry.state == "loaded"
    rejected = {row: rule for row, rule, _ in problems_of(pipeline, entry) if row <= 8}
    assert rejected == (
        dict.fromkeys((1, 6), "type_number")
        | {2: "number_does_not_fit"}
        | dict.fromkeys((3, 4, 5), "no_json_number")
        | dict.fromkeys((7, 8), "semantic_geometry")
    )


def test_hostile_records_cost_their_own_line(pipeline: Pipeline, clean_day: Path) -> None:
    lines = lines_of(clean_file(clean_day, "land/permits"))
    hostile = {
        "[" * 100_000: "json_too_deep",
        '{"a":' * 100_000 + "1" + "}" * 100_000: "json_too_deep",
        '{"so_gp": "1", "so_gp": "2"}': "field_twice",
        '{"so_gp": "\\ud800"}': "broken_json",
        '["so_gp"]': "not_an_object",
    }
    text = "\n".join([*hostile, *lines])
    drop(pipeline, "land/permits", "permits_2026-05-01.ndjson", lambda file: void(file.write_text(text, "utf-8")))
    assert walk_alone(pipeline)["bytes"] < GIB
    (entry,) = pipeline.ledger.all("land.permits")
    assert (entry.state, entry.rows_in) == ("loaded", len(hostile) + len(lines))
    found = problems_of(pipeline, entry)
    for number, rule in enumerate(hostile.values(), start=1):
        assert rule in {r for row, r, _ in found if row == number}
    assert "lồng quá nhiều lớp" in next(vi for row, _, vi in found if row == 1)


def test_an_excel_formula_without_a_value_is_never_an_empty_cell(pipeline: Pipeline, clean_day: Path) -> None:
    def change(sheet: Any) -> None:
        header = next(r for r in range(1, 50) if sheet.cell(r, 3).value and sheet.cell(r, 5).value)
        sheet.cell(header + 1, 5).value = "=1+1"
        sheet.cell(header + 2, 5).value = "#REF!"  # openpyxl writes it as an error
        sheet.cell(header + 3, 5).data_type = "s"
        for row in range(header + 1, header + 60):  # formats without values, as far out as Excel goes
            for column in (16_383, 16_384):
                sheet.cell(row, column).number_format = "0.00"

    clean = clean_file(clean_day, DEATHS)
    drop(pipeline, DEATHS, "deaths_2026-05-01.xlsx", lambda file: excel_with(change)(clean, file))
    assert walk_alone(pipeline)["bytes"] < GIB
    (entry,) = pipeline.ledger.all("civil.deaths")
    assert entry.state == "loaded"
    formulas = [(rule, vi) for _, rule, vi in problems_of(pipeline, entry) if rule.startswith("formula")]
    assert [rule for rule, _ in formulas] == ["formula_not_computed", "formula_failed"]
    assert "công thức chưa có kết quả" in formulas[0][1]


# --- the inbox


def test_only_plain_files_are_taken_from_the_inbox(
    pipeline: Pipeline, clean_day: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clean = clean_file(clean_day, BIRTHS)
    folder = drop(pipeline, BIRTHS, clean.name, lambda file: void(file.write_bytes(clean.read_bytes()))).parent
    secret = tmp_path / "elsewhere" / "births" / "secret_2026-05-01.csv"
    secret.parent.mkdir(parents=True)
    secret.write_text("a\n1\n")
    (folder / "link_2026-05-01.csv").symlink_to(secret)
    (folder / "device_2026-05-01.csv").symlink_to("/dev/zero")
    (folder.parent / "linked folder").symlink_to(secret.parent, target_is_directory=True)
    os.mkfifo(folder / "pipe\n_2026-05-01.csv")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path must be short
        server.bind("socket_2026-05-01.csv")
        os.chdir(here)
        with caplog.at_level(logging.WARNING):
            (received,) = receive_inbox(pipeline)
    assert received.delivery.file_name == clean.name
    assert secret.exists()
    warned = [record.getMessage() for record in caplog.records if "plain file" in record.getMessage()]
    for name in ("link_2026", "device_2026", "linked folder", "pipe\\n_2026", "socket_2026"):
        assert sum(name in message for message in warned) == 1
    assert not any("\n" in message for message in warned)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("births\n2026-05-01\r\t.csv", "births\\n2026-05-01\\r\\t.csv"),
        ("..births..2026-05-01_.._.csv".lstrip("."), "births..2026-05-01_.._.csv"),
        ("\u202evsc.2026-05-01.csv", "\\u202evsc.2026-05-01.csv"),
        ("2026-05-01" + "ắ" * 80 + ".csv", "2026-05-01" + "ắ" * 80 + ".csv"),
        (os.fsdecode(b"khai_sinh_\xff\xfe_2026-05-01.csv"), "khai_sinh_\\udcff\\udcfe_2026-05-01.csv"),
        ("births_2026-05-01;rm -rf $HOME;'--.csv", "births_2026-05-01;rm -rf $HOME;'--.csv"),
    ],
    ids=["line breaks", "dots", "right to left", "255 bytes", "no Unicode", "a command"],
)
def test_a_strange_file_name_is_shown_escaped(
    pipeline: Pipeline, send: Callable[..., Row], clean_day: Path, name: str, told: str
) -> None:
    clean = clean_file(clean_day, BIRTHS)
    entry = send(pipeline, BIRTHS, name, clean.read_bytes())
    assert (entry.state, entry.file_name) == ("loaded", told)
    delivery = pipeline.storage.delivery("civil", "births", entry.delivery_id)
    assert f'<dd id="file">{told}</dd>' in page(pipeline, delivery)
    assert not any((Path(pipeline.storage.inbox) / BIRTHS).iterdir())
    (kept,) = (Path(pipeline.storage.processed) / BIRTHS).iterdir()
    assert kept.name.isprintable()


def test_a_name_of_4000_characters_is_read_and_told_in_short() -> None:
    name = "../" * 1_300 + "births_2026-05-01_r2.csv"
    assert period_of(name)[1] == 2
    delivery = Delivery("civil", "births", *period_of(name), sha256="0" * 64, size=1, file_name=name)
    assert delivery.id == "20260501-r2-000000000000"


# --- every limit is a setting


@pytest.mark.parametrize(
    ("folder", "limit", "rule"),
    [
        (BIRTHS, {"file_bytes": 1000}, "file_too_large"),
        (BIRTHS, {"record_bytes": 100}, "line_too_long"),
        (BIRTHS, {"rows": 5}, "too_many_rows"),
        (BIRTHS, {"columns": 5}, "too_many_columns"),
        (DEATHS, {"columns": 5}, "too_many_columns"),
        (DEATHS, {"empty_cells": 5}, "mostly_empty"),
        (DECLARATIONS, {"unpacked_bytes": 1000}, "unpacks_to_too_much"),
        (DEATHS, {"unpacked_bytes": 1000}, "unpacks_to_too_much"),
        (VISITS, {"rows": 5}, "too_many_rows"),
        (VISITS, {"columns": 5}, "too_many_columns"),
        ("land/parcels", {"depth": 4}, "nested_too_deep"),
        ("land/parcels", {"rows": 5}, "too_many_rows"),
    ],
)
def test_each_limit_is_a_setting(
    folder: str, limit: dict[str, int], rule: str, clean_day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limit.items():
        monkeypatch.setenv(f"CITYDW_MAX_{name.upper()}", str(value))
    contract = load_all()[folder.replace("/", ".")]
    with pytest.raises(Stop) as stop:
        extract_bytes(clean_file(clean_day, folder).read_bytes(), contract, Limits.from_environment())
    assert stop.value.rule == rule
