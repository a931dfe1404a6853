"""A file of another kind than its dataset's is told what it is, whatever its name says; text is never taken for one."""

from __future__ import annotations

import gzip
import io
import zipfile

import openpyxl
import pytest

from etl.contract import Contract, load_all
from etl.delivery.messages import Stop
from etl.extract import extract_bytes

CONTRACTS = load_all()
OF_TEXT = ("civil.births", "health.visits", "land.parcels", "land.permits", "tax.declarations")


def workbook() -> bytes:
    out = io.BytesIO()
    openpyxl.Workbook().save(out)
    return out.getvalue()


def packed(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", content)
    return out.getvalue()


def sent(contract: Contract, content: bytes) -> bytes:
    return packed(content) if contract.source.archive else content


@pytest.mark.parametrize("dataset", OF_TEXT)
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (workbook(), "tệp Excel"),
        (workbook()[:3000], "tệp ZIP"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "tệp Excel"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "tệp nén GZ"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "tệp PDF"),
        (b"\x89PNG\r\n\x1a\n", "tệp ảnh"),
        (b"Rar!\x1a\x07\x00", "tệp nén RAR"),
    ],
)
def test_what_is_no_text_is_named(dataset: str, content: bytes, told: str) -> None:
    contract = CONTRACTS[dataset]
    with pytest.raises(Stop) as stop:
        extract_bytes(sent(contract, content), contract)
    assert stop.value.state == "rejected"
    assert told in stop.value.message.vi


def test_a_column_that_is_called_as_a_zip_file_begins_is_a_column() -> None:
    with pytest.raises(Stop) as stop:
        extract_bytes(b"PK_ID,%PDF\n1,2\n", CONTRACTS["civil.births"])
    assert stop.value.rule == "missing_column"
