"""Files that would hurt: each ends in a sentence, in bounded memory, and others go on."""

from __future__ import annotations

import io
import json
import os
import resource
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from etl.contract import load_all
from etl.delivery import ROW
from etl.extract import extract_bytes
from etl.pipeline import Pipeline
from etl.receive import complete_files

Send = Callable[..., dict[str, Any]]
GIB = 1 << 30


@pytest.fixture(scope="module")
def shared(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


def births(day: Path) -> list[str]:
    return next((day / "civil" / "births").iterdir()).read_text("utf-8-sig").splitlines()


def as_file(lines: list[str]) -> bytes:
    return ("\ufeff" + "\r\n".join([*lines, ""])).encode()


def zipped(name: str, content: bytes | Iterator[bytes]) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        for part in [content] if isinstance(content, bytes) else content:
            member.write(part)
    return out.getvalue()


def zip_bomb(_: Path) -> bytes:
    return zipped("declarations.csv", (bytes(1 << 20) for _ in range(1200)))


def zip_that_lies(_: Path) -> bytes:
    """Its directory says that it unpacks to one byte."""
    bomb = bytearray(zipped("declarations.csv", (bytes(1 << 20) for _ in range(1100))))
    at = bomb.rindex(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = (1).to_bytes(4, "little")
    return bytes(bomb)


def climbing_zip(day: Path) -> bytes:
    whole = next((day / "tax" / "declarations").iterdir())
    with zipfile.ZipFile(whole) as archive:
        return zipped("../../../etc/cron.d/declarations.csv", archive.read(archive.namelist()[0]))


def laughs(_: Path) -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE x [<!ENTITY l0 "lol">{entities}]><CHITIEU><HO_TEN a="&l11;">&l11;</HO_TEN></CHITIEU>'.encode()


def quadratic_blowup(_: Path) -> bytes:
    return f'<!DOCTYPE x [<!ENTITY a "{"x" * 100_000}">]><CHITIEU>{"&a;" * 100_000}</CHITIEU>'.encode()


def external_entity(_: Path) -> bytes:
    return b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><CHITIEU><HO_TEN>&a;</HO_TEN></CHITIEU>'


def deep_xml(_: Path) -> bytes:
    return b"<a>" * 100_000 + b"</a>" * 100_000


def workbook(change: Callable[[Any, Any], None]) -> Callable[[Path], bytes]:
    def make(day: Path) -> bytes:
        book = openpyxl.load_workbook(next((day / "civil" / "deaths").iterdir()))
        change(book, book.active)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    return make


def with_macros(day: Path) -> bytes:
    content = io.BytesIO(next((day / "civil" / "deaths").iterdir()).read_bytes())
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"Sub Auto_Open()")
    return content.getvalue()


def packed_workbook(day: Path) -> bytes:
    content = io.BytesIO(next((day / "civil" / "deaths").iterdir()).read_bytes())
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media/a.bin", "w") as member:
        for _ in range(1500):
            member.write(bytes(1 << 20))
    return content.getvalue()


def wide_csv(_: Path) -> bytes:
    names = ",".join(f"c{n}" for n in range(100_000))
    return f"{names}\n{names}\n".encode()


def long_line(_: Path) -> bytes:
    return b"so_dang_ky,ho_ten\n" + b"x" * (20 << 20)


def long_json_line(_: Path) -> bytes:
    return b'{"permit_no": "' + b"x" * (20 << 20) + b'"}\n'


def mixed_encodings(day: Path) -> bytes:
    lines = births(day)
    return as_file(lines[:3]) + "\r\n".join(lines[3:]).encode("cp1258", "replace")


def invalid_utf8(day: Path) -> bytes:
    whole = as_file(births(day))
    at = whole.index(b"\n", len(whole) // 2)
    return whole[:at] + b"\xff\xfe" + whole[at:]


def with_nul(day: Path) -> bytes:
    lines = births(day)
    return as_file([*lines, lines[-1].replace(",", ",\0", 1)])


def deep_json(_: Path) -> bytes:
    return b"[" * 100_000 + b"]" * 100_000 + b"\n" + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n"


def deep_geojson(_: Path) -> bytes:
    return b'{"features":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


CLASSES: dict[str, tuple[str, str, Callable[[Path], bytes], str, str]] = {
    "a zip bomb": ("tax/declarations", "declarations_2026-05-01.zip", zip_bomb, "rejected", "bung ra quá lớn"),
    "a zip that lies about its size": (
        "tax/declarations", "declarations_2026-05-02.zip", zip_that_lies, "rejected", "ZIP"),
    "a zip path that climbs out": (
        "tax/declarations", "declarations_2026-05-03.zip", climbing_zip, "rejected", "chỉ ra ngoài tệp nén"),
    "a bomb of XML entities": ("health/visits", "visits_2026-05-01.xml", laughs, "rejected", "XML"),
    "a quadratic bomb": ("health/visits", "visits_2026-05-02.xml", quadratic_blowup, "rejected", "XML"),
    "an external entity": ("health/visits", "visits_2026-05-03.xml", external_entity, "rejected", "XML"),
    "XML 100,000 deep": ("health/visits", "visits_2026-05-04.xml", deep_xml, "rejected", "XML"),
    "Excel with macros": ("civil/deaths", "deaths_2026-05-01.xlsm", with_macros, "rejected", "macro"),
    "an Excel bomb": ("civil/deaths", "deaths_2026-05-02.xlsx", packed_workbook, "rejected", "bung ra quá lớn"),
    "Excel with one cell far away": (
        "civil/deaths", "deaths_2026-05-03.xlsx",
        workbook(lambda _, sheet: sheet.cell(1_048_576, 16_384, "x")), "rejected", "16,384 cột"),
    "Excel with a formula that was never computed": (
        "civil/deaths", "deaths_2026-05-04.xlsx",
        workbook(lambda _, sheet: sheet.cell(12, 3, "=1+1")), "held", "Ô C12 có công thức"),
    "100,000 columns": ("civil/births", "births_2026-05-01.csv", wide_csv, "rejected", "100,000 cột"),
    "a line without an end": ("civil/births", "births_2026-05-02.csv", long_line, "rejected", "dòng dài hơn"),
    "a JSON line without an end": (
        "land/permits", "permits_2026-05-01.ndjson", long_json_line, "rejected", "dòng dài hơn"),
    "two encodings in one file": ("civil/births", "births_2026-05-03.csv", mixed_encodings, "held", "bảng mã"),
    "invalid UTF-8 in the middle": ("civil/births", "births_2026-05-04.csv", invalid_utf8, "held", "bảng mã"),
    "a NUL byte": ("civil/births", "births_2026-05-05.csv", with_nul, "held", "NUL"),
    "JSON 100,000 deep": ("land/permits", "permits_2026-05-02.ndjson", deep_json, "rejected", "JSON"),
    "GeoJSON 100,000 deep": ("land/parcels", "parcels_2026-05-01.geojson", deep_geojson, "rejected", "GeoJSON"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CLASSES)
def test_a_hostile_file_ends_in_a_sentence(kind: str, shared: Pipeline, send: Send, clean_day: Path) -> None:
    folder, name, make, state, hint = CLASSES[kind]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    entry = send(shared, folder, name, make(clean_day))
    assert entry["state"] == state
    assert hint in entry["message_vi"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < max(GIB, before * 1024 + (64 << 20))
    good = next((clean_day / folder).iterdir())
    assert send(shared, folder, good.name, good.read_bytes())["state"] == "loaded"


EXTRACT = """
import resource, sys
from pathlib import Path
from upath import UPath
from etl.contract import load_all
from etl.delivery import Stop
from etl.extract import extract
from etl.receive import land
from etl.storage import Storage
storage = Storage(UPath(sys.argv[1]))
delivery = land(storage, UPath(sys.argv[2]), tuple(sys.argv[3].split("."))).delivery
try:
    extract(storage, delivery, load_all()[sys.argv[3]])
except Stop as stop:
    print(stop.rule)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize(
    ("size", "rule"), [(GIB - 1, "line_too_long"), (GIB + 1, "file_too_large")], ids=["1 GB line", "too large a file"]
)
def test_a_line_of_a_gigabyte_costs_no_gigabyte(size: int, rule: str, tmp_path: Path) -> None:
    file = tmp_path / "births_2026-05-09.csv"
    with file.open("wb") as stream:  # sparse: a gigabyte of zeros that lies on no disk
        stream.truncate(size)
    done = subprocess.run(
        [sys.executable, "-c", EXTRACT, str(tmp_path / "data"), str(file), "civil.births"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    said, peak = done.stdout.split()
    assert said == rule
    assert int(peak) * 1024 < GIB


def test_one_bad_cell_costs_its_own_row_only(clean_day: Path) -> None:
    contract = load_all()["tax.declarations"]
    with zipfile.ZipFile(next((clean_day / "tax" / "declarations").iterdir())) as archive:
        header, first, *_ = archive.read(archive.namelist()[0]).decode("utf-8-sig").splitlines()
    cells, names = first.split(";"), header.split(";")

    def row(**changed: str) -> str:
        return ";".join(changed.get(name, cell) for name, cell in zip(names, cells, strict=True))

    numbers = ["1" + "0" * 400, "NaN", "Infinity", "-inf", "1e400", "0x10", "١٢٣"]
    days = ["31/02/2026", "01/01/0001", "00/00/0000", "29/02/2025", "1/13/2026", "99/99/9999"]
    bad = [row(so_thue_phai_nop=number) for number in numbers] + [row(ngay_nop=day) for day in days]
    bad += [header, "x" * 1_000_001 + first, "a;b"]
    text = "\n".join([header, row(so_to_khai="A1"), *bad, row(so_to_khai="A2")])
    rows, found, rows_in = extract_bytes(zipped("d.csv", text.encode()), contract)
    assert rows_in == len(bad) + 2
    wrong = set(found.filter(found["severity"] == "critical")[ROW])
    assert wrong == set(range(3, 3 + len(bad)))
    assert {rows_in + 1, 2} <= set(rows[ROW])
    assert {"repeated_header", "cell_too_long", "ragged_row", "type_date"} <= set(found["rule"])
    assert max(len(value or "") for value in found["value"]) < 10_000


NESTED = "GEOMETRYCOLLECTION(" * 40_000 + "POINT(0 0)" + ")" * 40_000


@pytest.mark.parametrize(
    "wkt",
    [
        "POLYGON((600000 1190000, 600010 1190010, 600010 1190000, 600000 1190010, 600000 1190000))",
        "POLYGON((nan nan, 1 1, 1e400 1, nan nan))",
        "POLYGON EMPTY",
        NESTED,
        "POLYGON((((((",
        "'; DROP TABLE land.parcels; --",
    ],
    ids=["crosses itself", "no numbers", "empty", "40,000 deep", "broken", "SQL"],
)
def test_a_hopeless_geometry_rejects_its_parcel(shared: Pipeline, send: Send, clean_day: Path, wkt: str) -> None:
    collection = json.loads(next((clean_day / "land" / "parcels").iterdir()).read_text("utf-8"))
    collection["features"] = collection["features"][:30]
    collection["features"][3]["geometry"] = wkt
    content = json.dumps(collection).encode()
    entry = send(shared, "land/parcels", f"parcels_2026-06-{1 + len(wkt) % 27:02}.geojson", content)
    assert (entry["state"], entry["rejected"]) == ("loaded", 1)


@pytest.mark.parametrize("name", ["'; DROP TABLE people.births; --", '=HYPERLINK("http://x","y")', "@SUM(A1)", "+84"])
def test_a_name_that_is_code_is_no_name(shared: Pipeline, send: Send, clean_day: Path, name: str) -> None:
    lines = births(clean_day)
    at = lines[0].split(",").index("ho_ten")
    cells = lines[1].split(",")
    cells[at] = '"' + name.replace('"', '""') + '"'
    entry = send(
        shared, "civil/births", f"births_2026-07-{1 + len(name) % 30:02}.csv", as_file([lines[0], ",".join(cells)])
    )
    assert (entry["state"], entry["rejected"]) == ("loaded", 1)


def test_links_and_devices_in_the_inbox_are_never_opened(pipeline: Pipeline, tmp_path: Path, clean_day: Path) -> None:
    folder = Path(pipeline.storage.inbox) / "civil" / "births"
    folder.mkdir(parents=True)
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    (folder / "births_2026-03-01.csv").symlink_to(secret)
    (folder / "births_2026-03-02.csv").symlink_to("/dev/zero")
    (folder / "births_2026-03-03.csv").symlink_to(folder / "births_2026-03-03.csv")
    (Path(pipeline.storage.inbox) / "tax").symlink_to(clean_day / "tax")
    os.mkfifo(folder / "births_2026-03-04.csv")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(folder / "births_2026-03-05.csv"))
    assert complete_files(pipeline.storage, 0) == []
    assert pipeline.receive_inbox() == []
    listener.close()


@pytest.mark.parametrize(
    "name",
    [
        "births_2026-03-02\n.csv",
        "births_2026-03-02.. ..csv",
        "births_2026-03-02 \u202egnp.csv",
        "births_2026-03-02_" + "ờ" * 70 + ".csv",
        "births_2026-03-02_\udcff\udcfe.csv",
        "births_2026-03-02_%s%n{0}$(reboot)`id`.csv",
    ],
)
def test_a_strange_file_name_is_received_and_shown_safely(
    pipeline: Pipeline, send: Send, clean_day: Path, name: str
) -> None:
    entry = send(pipeline, "civil/births", name, as_file(births(clean_day)))
    assert entry["state"] == "loaded"
    assert entry["file_name"].isprintable()
    delivery = pipeline.storage.delivery("civil", "births", entry["delivery_id"])
    assert entry["file_name"] in (pipeline.storage.folder("outbox", delivery) / "receipt.txt").read_text("utf-8")
    assert pipeline.receive_inbox() == []
