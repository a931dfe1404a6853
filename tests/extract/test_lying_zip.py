"""A ZIP whose files hold more than it says: one program reads the beginning, another all; here it is damaged."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from dataclasses import replace

import openpyxl
import pytest

from etl.contract import load
from etl.delivery.messages import Stop
from etl.extract import extract_bytes
from tests import TESTS

HOUSEHOLDS = load(TESTS / "cases" / "expectations" / "excel" / "households.yaml")
HEADER = [column.source_name for column in HOUSEHOLDS.columns]
IN_ZIP = replace(HOUSEHOLDS, source=replace(HOUSEHOLDS.source, format="csv", archive="zip", delimiter=","))
ROWS = "\n".join([",".join(HEADER), "001,4,,,,,,", "002,5,,,,,,", ""]).encode()
MORE = b" " * 100_000


def packed(members: dict[str, bytes], lying: str | None = None, said: int = 0) -> bytes:
    """A ZIP; of one member it says that it ends behind so many bytes, and gives the sum of these."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        about = None if lying is None else archive.getinfo(lying)
    if about is None:
        return out.getvalue()
    begin = members[about.filename][:said]
    true = struct.pack("<3L", about.CRC, about.compress_size, about.file_size)
    assert out.getvalue().count(true) == 2, "before the member, and in the list at the end"
    return out.getvalue().replace(true, struct.pack("<3L", zlib.crc32(begin), about.compress_size, said))


def workbook() -> dict[str, bytes]:
    book = openpyxl.Workbook()
    for row in (HEADER, ["001", 4], ["002", 5]):
        book.worksheets[0].append(row)
    out = io.BytesIO()
    book.save(out)
    with zipfile.ZipFile(out) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_workbook_that_does_not_lie_is_read() -> None:
    assert extract_bytes(packed(workbook()), HOUSEHOLDS)[2] == 2


@pytest.mark.parametrize("part", [*workbook()])
def test_a_part_of_a_workbook_holds_no_more_than_is_said(part: str) -> None:
    members = workbook()
    said = len(members[part])
    members[part] += MORE
    with pytest.raises(Stop) as stopped:
        extract_bytes(packed(members, part, said), HOUSEHOLDS)
    assert (stopped.value.state, stopped.value.rule) == ("rejected", "unreadable_excel")


def test_nor_does_a_part_that_nobody_reads() -> None:
    members = workbook() | {"xl/media/image1.png": b"\x89PNG"}
    assert extract_bytes(packed(members), HOUSEHOLDS)[2] == 2
    with pytest.raises(Stop, match="Excel"):
        extract_bytes(packed(members | {"xl/media/image1.png": MORE}, "xl/media/image1.png", 10), HOUSEHOLDS)


@pytest.mark.parametrize("at", [0, 1], ids=["before the file", "in the list at the end"])
def test_of_two_lengths_neither_makes_a_row_vanish(at: int) -> None:
    whole = {"a.csv": ROWS + b"003,6,,,,,,\n"}
    true, lying = packed(whole), packed(whole, "a.csv", len(ROWS))
    middle = true.rindex(b"PK\1\2")
    mixed = lying[:middle] + true[middle:] if at == 0 else true[:middle] + lying[middle:]
    try:
        assert extract_bytes(mixed, IN_ZIP)[2] == 3
    except Stop as stop:
        assert stop.state == "rejected"


def test_a_gzip_that_says_that_it_is_shorter_is_damaged() -> None:
    whole = gzip.compress(ROWS)
    assert extract_bytes(whole, replace(IN_ZIP, source=replace(IN_ZIP.source, archive=None)))[2] == 2
    with pytest.raises(Stop) as stopped:
        lying = whole[:-4] + struct.pack("<L", len(ROWS) - 1)
        extract_bytes(lying, replace(IN_ZIP, source=replace(IN_ZIP.source, archive=None)))
    assert stopped.value.state == "rejected"


def test_rows_behind_the_said_end_of_a_csv_file_are_not_passed_over_in_silence() -> None:
    whole = {"a.csv": ROWS + b"003,6,,,,,,\n"}
    assert extract_bytes(packed(whole), IN_ZIP)[2] == 3
    with pytest.raises(Stop) as stopped:
        extract_bytes(packed(whole, "a.csv", len(ROWS)), IN_ZIP)
    assert stopped.value.state == "rejected"
