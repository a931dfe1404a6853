"""Files that ask for more memory than there is: each is a rejected delivery with a receipt, and nothing else dies.

The workbooks are read in a process that may take 2 GiB: without a limit, a fault here would take the machine's memory.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.contract import load_all
from etl.delivery.model import Delivery
from etl.extract import extract_bytes
from etl.pipeline import confined
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
from tests import TESTS
from tests.extract.test_excel import HOUSEHOLDS

FAR = "IV1048576"  # 268 million cells, of fewer columns than are too many
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OLD = TESTS / "cases/excel/old-excel/excel/households/households_2026-03-01.xls"
_READ = """
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from etl.delivery.messages import Stop
from etl.extract import extract_bytes
from tests.extract.test_excel import HOUSEHOLDS
for path in map(Path, sys.argv[1:]):
    print(json.dumps([path.name, "begun"]), flush=True)
    try:
        said = f"{extract_bytes(path.read_bytes(), HOUSEHOLDS)[2]} rows"
    except Stop as stop:
        said = f"{stop.state}: {stop.rule}"
    print(json.dumps([path.name, said]), flush=True)
"""


def sheet(more: str = "", before: str = "", attributes: str = "") -> str:
    """A sheet with the header of the households, one record, and something more."""
    rows = ([column.source_name for column in HOUSEHOLDS.columns], [c.example for c in HOUSEHOLDS.columns])
    cells = "".join(
        f'<row r="{at}">' + "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts) + "</row>"
        for at, texts in enumerate(rows, start=1)
    )
    return f'{before}<worksheet xmlns="{MAIN}"{attributes}><sheetData>{cells}{more}</sheetData></worksheet>'


def relations(kind: str, targets: list[str]) -> str:
    each = (f'Id="rId{n}" Type="{_RELATION}/{kind}" Target="{target}"' for n, target in enumerate(targets, start=1))
    listed = "".join(f"<Relationship {attributes}/>" for attributes in each)
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def listing(ids: list[str]) -> str:
    sheets = "".join(f'<sheet name="S{n}" sheetId="{n}" r:id="{rid}"/>' for n, rid in enumerate(ids, start=1))
    return f'<workbook xmlns="{MAIN}" xmlns:r="{_RELATION}"><sheets>{sheets}</sheets></workbook>'


def book(
    *sheets: str | bytes, name: str = "worksheets/sheet{}.xml", more: dict[str, str] | None = None, times: int = 1
) -> bytes:
    """A workbook of these sheets, each named so many times."""
    targets = [name.format(at + 1) for at in range(len(sheets))]
    ids = [f"rId{at + 1}" for at in range(len(sheets))] * times
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": relations("officeDocument", ["xl/workbook.xml"]),
        "xl/workbook.xml": listing(ids),
        "xl/_rels/workbook.xml.rels": relations("worksheet", targets),
        **{f"xl/{target}": content for target, content in zip(targets, sheets, strict=True)},
        **(more or {}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return out.getvalue()


def other(folder: str, name: str) -> dict[str, str]:
    """A second workbook in another folder, at which the file's own beginning points."""
    return {
        "_rels/.rels": relations("officeDocument", [f"{folder}workbook.xml"]),
        f"{folder}workbook.xml": listing(["rId1"]),
        f"{folder}_rels/workbook.xml.rels": relations("worksheet", [f"{name}far.xml"]),
        f"{folder}{name}far.xml": sheet(FAR_CELL),
    }


def row(cell: str) -> str:
    return f'<row r="1048576">{cell}</row>'


def with_a_part_twice() -> bytes:
    out = io.BytesIO(book(sheet()))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/worksheets/sheet1.xml", sheet(row(f'<c r="{FAR}"><v>1</v></c>')))
    return out.getvalue()


def with_two_lists() -> bytes:
    """Two archives behind each other: the end says that the list is where the first one's is."""
    bomb, honest = book(sheet(row(f'<c r="{FAR}"><v>1</v></c>'))), book(sheet())
    first = struct.unpack_from("<L", bomb, len(bomb) - 6)[0]
    both = bytearray(bomb + honest)
    struct.pack_into("<L", both, len(both) - 6, first)
    return bytes(both)


def old(kind: int, body: bytes, at: int = 0) -> bytes:
    """An old workbook in which some bytes of the first record of a kind are others."""
    content = bytearray(OLD.read_bytes())
    place = 512  # of the stream, which lies in one piece
    stream = content.index(b"\x09\x08\x10\x00\x00\x06", place)
    while struct.unpack_from("<H", content, stream)[0] != kind:
        stream += 4 + struct.unpack_from("<H", content, stream + 2)[0]
    content[stream + 4 + at : stream + 4 + at + len(body)] = body
    return bytes(content)


MANY = b"[" + b'{"a":1},\n' * 400_000 + b"{}]"  # objects of next to nothing, in one document
FAR_CELL = row(f'<c r="{FAR}"><v>1</v></c>')
UTF_16 = '<?xml version="1.0" encoding="UTF-16"?>'
DTD = '<!DOCTYPE worksheet [<!ENTITY far "x">]>'
BOOKS: dict[str, Callable[[], bytes]] = {
    "a cell far off": lambda: book(sheet(FAR_CELL)),
    "in a part that is called .vml": lambda: book(sheet(FAR_CELL), name="worksheets/sheet{}.vml"),
    "in a part without an ending": lambda: book(sheet(FAR_CELL), name="data{}"),
    "in a part in capitals": lambda: book(sheet(FAR_CELL), name="Worksheets/SHEET{}.XML"),
    "behind a byte": lambda: book("\x01" + sheet(FAR_CELL)),
    "behind a form feed": lambda: book("\f" + sheet(FAR_CELL)),
    "behind words": lambda: book("words " + sheet(FAR_CELL)),
    "an empty text": lambda: book(sheet(row(f'<c r="{FAR}" t="str"><v></v></c>'))),
    "a formula of an empty text": lambda: book(sheet(row(f'<c r="{FAR}" t="str"><f>A1</f><v></v></c>'))),
    "an empty inline text": lambda: book(sheet(row(f'<c r="{FAR}" t="inlineStr"><is><t></t></is></c>'))),
    "an inline text without one": lambda: book(sheet(row(f'<c r="{FAR}" t="inlineStr"><is></is></c>'))),
    "an inline text that is not said to be one": lambda: book(sheet(row(f'<c r="{FAR}"><is><t>x</t></is></c>'))),
    "a shared text that is not there": lambda: book(sheet(row(f'<c r="{FAR}" t="s"><v>9</v></c>'))),
    "a fault": lambda: book(sheet(row(f'<c r="{FAR}" t="e"><v>#N/A</v></c>'))),
    "an empty value": lambda: book(sheet(row(f'<c r="{FAR}"><v/></c>'))),
    "a formula only": lambda: book(sheet(row(f'<c r="{FAR}"><f>A1</f></c>'))),
    "a cell of another prefix": lambda: book(sheet(row(f'<x:c xmlns:x="{MAIN}" r="{FAR}"><x:v>1</x:v></x:c>'))),
    "a cell in small letters": lambda: book(sheet(row(f'<c r="{FAR.lower()}"><v>1</v></c>'))),
    "a cell without a row": lambda: book(sheet(f'<c r="{FAR}"><v>1</v></c>')),
    "a row far off": lambda: book(sheet('<row r="1048576">' + "<c><v>1</v></c>" * 256 + "</row>")),
    "a row beyond all numbers": lambda: book(sheet('<row r="4294967297"><c><v>1</v></c></row>')),
    "another encoding": lambda: book((UTF_16 + sheet(FAR_CELL)).encode("utf-16")),
    "a document type": lambda: book(sheet(FAR_CELL, before=DTD)),
    "another workbook beside it": lambda: book(sheet(), more=other("other/", "worksheets/")),
    "texts that are said to be many": lambda: book(
        sheet(), more={"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}" count="4294967295" uniqueCount="4294967295"/>'}
    ),
    "a part by a roundabout way": lambda: book(sheet(FAR_CELL), name="x/../worksheets/sheet{}.xml"),
    "a part twice": with_a_part_twice,
    "two lists of parts": with_two_lists,
    "a sheet that is named often": lambda: book(sheet(row('<c r="P1048576"><v>1</v></c>')), times=60),
    "a workbook behind the mark of an old one": lambda: b"\xd0\xcf\x11\xe0" + book(sheet(FAR_CELL)),
    "an old one that says it is large": lambda: old(0x200, b"\xff\xff\xff\x7f", at=4),
    "an old one that says it is less than nothing": lambda: old(0x200, b"\xff\xff\x00\x00", at=0),
    "an old one whose sheet is elsewhere": lambda: old(0x85, struct.pack("<I", 40)),
}
HARMLESS: dict[str, Callable[[], bytes]] = {
    "an empty cell that only has a style": lambda: book(sheet(row(f'<c r="{FAR}" s="1"/>'))),
    "a sheet that says it is large": lambda: book(
        sheet().replace("<sheetData>", f'<dimension ref="A1:{FAR}"/><sheetData>')
    ),
    "another part than it seems": lambda: book(
        sheet(),
        name="xl/sheet{}.vml",
        more={"xl/sheet1.vml": "\f" + sheet(FAR_CELL)},
    ),
    "as it should be": lambda: book(sheet()),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What comes of each workbook, in one process with little memory."""
    folder = tmp_path_factory.mktemp("books")
    for name, make in (BOOKS | HARMLESS).items():
        (folder / name).write_bytes(make())
    files = [str(folder / name) for name in BOOKS | HARMLESS]
    done = subprocess.run([sys.executable, "-c", _READ, *files], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1], done.stderr[-500:])
    return dict(lines)


@pytest.mark.parametrize("name", BOOKS)
def test_a_workbook_that_asks_for_too_much_is_rejected(said: dict[str, str], name: str) -> None:
    assert said[name].startswith("rejected: "), said[name]


@pytest.mark.parametrize("name", HARMLESS)
def test_one_that_only_says_so_is_read(said: dict[str, str], name: str) -> None:
    assert said[name] == "1 rows"


# --- a process of its own

Send = Callable[..., Any]


def with_memory(pipeline: Pipeline, memory: int) -> Pipeline:
    """The same pipeline on a worker that has so much memory for a file."""
    limits = replace(pipeline.settings.limits, memory_bytes=memory)
    return Pipeline(replace(pipeline.settings, limits=limits), load_all())


def receipt(pipeline: Pipeline, entry: dict[str, Any]) -> dict[str, Any]:
    delivery: Delivery = pipeline.storage.delivery("land", "permits", entry.delivery_id)
    told: dict[str, Any] = json.loads((pipeline.storage.folder("outbox", delivery) / "receipt.json").read_text("utf-8"))
    return told


@pytest.fixture(scope="module")
def permits(clean_day: Path) -> Path:
    return next((clean_day / "land" / "permits").iterdir())


def test_a_file_that_takes_too_much_memory_is_rejected_with_a_receipt(
    pipeline: Pipeline, send: Send, permits: Path
) -> None:
    """Some objects of JSON, each of next to nothing: a byte of them takes dozens in memory."""
    small = with_memory(pipeline, 48 << 20)
    entry = send(small, "land/permits", permits.name, MANY)
    assert (entry.state, entry.rule) == ("rejected", "too_much_memory")
    assert receipt(small, entry)["state"] == "rejected"
    again = send(pipeline, "land/permits", permits.name.replace("03-02", "03-03"), permits.read_bytes())
    assert again.state == "loaded", "the pipeline goes on"


@pytest.mark.parametrize("megabytes", [1, 12, 24])
@pytest.mark.parametrize(
    ("dataset", "content"),
    [
        ("land.permits", MANY),
        ("health.visits", b"<r>" + b"<TONG_HOP><a>b</a></TONG_HOP>" * 200_000 + b"</r>"),
    ],
    ids=["json", "xml"],
)
def test_whatever_there_is_no_memory_for_it_is_said_so(dataset: str, content: bytes, megabytes: int) -> None:
    """A library that is loaded late, a thread, an object, one in C: each says it in words of its own."""
    with pytest.raises(MemoryError):
        confined.run(extract_bytes, content, load_all()[dataset], memory=megabytes << 20)


def walked_after_a_crash(pipeline: Pipeline, folder: str, name: str, content: bytes) -> tuple[Delivery, dict[str, Any]]:
    """Receive a file and walk it, as if a process had been ended while it read it."""
    file = Path(pipeline.storage.inbox) / folder / name
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    (received,) = receive_inbox(pipeline)
    agency, dataset = folder.split("/")
    delivery = pipeline.storage.delivery(agency, dataset, received.delivery_id)
    raw = Path(pipeline.storage.folder("raw", delivery))
    raw.mkdir(parents=True)
    (raw / ".rows.parquet.0.part").touch()  # what a killed writer leaves
    for _ in pipeline.walk(received.dataset, received.delivery_id):
        pass
    return delivery, pipeline.ledger.get(received.dataset, received.delivery_id)


def test_a_small_file_that_ended_a_process_is_read_apart_the_next_time(pipeline: Pipeline, clean_day: Path) -> None:
    """Nothing is paid for a small file; one that breaks what reads it does so once, and then has its receipt."""
    far = book(sheet(row('<c r="P1048576"><v>1</v></c>')))  # as many empty cells as are allowed
    name = next((clean_day / "civil" / "deaths").iterdir()).name
    delivery, entry = walked_after_a_crash(with_memory(pipeline, 64 << 20), "civil/deaths", name, far)
    assert (entry.state, entry.rule) == ("rejected", "too_much_memory")
    assert (pipeline.storage.folder("outbox", delivery) / "receipt.json").exists()


def test_a_file_that_is_read_apart_says_the_same(
    pipeline: Pipeline, new_pipeline: Callable[..., Pipeline], send: Send, permits: Path
) -> None:
    here = send(pipeline, "land/permits", permits.name, permits.read_bytes())
    other = new_pipeline()
    delivery, apart = walked_after_a_crash(other, "land/permits", permits.name, permits.read_bytes())
    counts = ("state", "rows_in", "rejected", "inserted", "duplicates")
    assert here.state == "loaded"
    assert [getattr(apart, name) for name in counts] == [getattr(here, name) for name in counts]
    raw = [pl.read_parquet(str(p.storage.folder("raw", delivery) / "rows.parquet")) for p in (pipeline, other)]
    assert raw[0].equals(raw[1])


def test_what_breaks_a_process_is_no_exception_of_its_own() -> None:
    for function, arguments in ((os.abort, ()), (bytearray, (3 << 30,))):
        with pytest.raises(MemoryError):
            confined.run(function, *arguments, memory=256 << 20)
    with pytest.raises(ValueError, match="invalid literal"):
        confined.run(int, "x", memory=256 << 20)
    assert confined.run(len, "four", memory=256 << 20) == 4
