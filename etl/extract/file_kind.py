"""Files that cannot be opened: what each is by its own bytes, or what is wrong with it, in everyday words."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from etl.contract import Format, Text
from etl.delivery.messages import Stop, wording

_WORKBOOK = Text("tệp Excel", "an Excel workbook")

_WEB_PAGE = Text("trang web lưu dưới đuôi .xls", "a web page saved as .xls")
_HEAD = 4096  # bytes that are looked at
_BEGINNINGS = {
    b"%PDF": Text("tệp PDF", "a PDF file"),
    b"Rar!": Text("tệp nén RAR", "a RAR archive"),
    b"7z\xbc\xaf": Text("tệp nén 7z", "a 7z archive"),
    b"\x1f\x8b": Text("tệp nén GZ", "a GZ archive"),
    b"\x89PNG": Text("tệp ảnh", "a picture"),
    b"\xff\xd8\xff": Text("tệp ảnh", "a picture"),
    b"\xd0\xcf\x11\xe0": _WORKBOOK,
    b"SQLite format 3\0": Text("cơ sở dữ liệu SQLite như GeoPackage", "an SQLite database such as a GeoPackage"),
    b"PAR1": Text("tệp Parquet", "a Parquet file"),
    b"{\\rtf": Text("tệp văn bản Word", "a Word document"),
}
_MEMBERS = {  # by what lies in a ZIP file, which most office files are
    "xl/workbook.xml": _WORKBOOK,
    "xl/workbook.bin": Text("tệp Excel nhị phân (.xlsb)", "a binary Excel workbook (.xlsb)"),
    "word/document.xml": Text("tệp văn bản Word", "a Word document"),
    "content.xml": Text("bảng tính OpenDocument (.ods)", "an OpenDocument sheet (.ods)"),
}
_TEXTS = {
    r"<html|<!doctype html|<table|<meta |^mime-version:": _WEB_PAGE,
    r"schemas-microsoft-com:office:spreadsheet": Text("bảng tính XML kiểu cũ", "an old XML spreadsheet"),
    r"^\s*<": Text("tệp XML", "an XML file"),
    r"^\s*[\[{]": Text("tệp JSON", "a JSON file"),
    r"": Text("tệp văn bản như CSV", "a text file such as CSV"),
}
_ZIP = Text("tệp ZIP", "a ZIP file")
_BEGINNING_OF_ZIP = b"PK\x03\x04"
NAMES = {
    "csv": "CSV",
    "excel": "Excel",
    "fixed_width": "TXT",
    "geojson": "GeoJSON",
    "geopackage": "GeoPackage",
    "json": "JSON",
    "ndjson": "NDJSON",
    "parquet": "Parquet",
    "xml": "XML",
}


def no_workbook(file: IO[bytes]) -> Stop:
    """What is told of a file that cannot be opened as a workbook: what it is instead, or that it is damaged."""
    found = _kind_of(file)
    if found in (None, _WORKBOOK):
        return damaged_workbook()
    return _unreadable("unreadable_excel", "excel_of_other_kind", found=found)


def damaged_workbook() -> Stop:
    """What is told of a workbook that cannot be read to its end."""
    return _unreadable("unreadable_excel", "excel_damaged")


def locked_workbook() -> Stop:
    """What is told of a workbook with a password."""
    return _unreadable("unreadable_excel", "excel_password")


def overlapping_merges() -> Stop:
    """What is told of a sheet whose merged cells lie upon each other, which no Excel writes."""
    return _unreadable("unreadable_excel", "excel_merges_overlap")


def of_text(blocks: Iterable[bytes], source_format: str) -> Iterator[bytes]:
    """A file's bytes as they come, if it may be one of text.

    Args:
        blocks: its bytes, cut anywhere.
        source_format: that it should have.

    Raises:
        Stop: if it begins as a workbook, an archive, a picture or a document does; it says which.
    """
    is_first = True
    for block in blocks:
        if is_first and block.startswith((*_BEGINNINGS, _BEGINNING_OF_ZIP)):
            found = _kind_by_beginning(io.BytesIO(block), block) or _ZIP  # there may be more blocks of it
            raise _unreadable("unreadable_text", "text_of_other_kind", name=NAMES[source_format], found=found)
        is_first = False
        yield block


def other_kind(agreed: Format, found: Format) -> Stop:
    """What is told of a file of text in another format than agreed, and with other columns."""
    text = Text(f"tệp {NAMES[found]}", f"a file of {NAMES[found]}")
    return _unreadable("unreadable_text", "text_of_other_kind", name=NAMES[agreed], found=text)


def no_zip(file: IO[bytes]) -> Stop:
    """What is told of a file that cannot be opened as a ZIP file: what it is instead, or that it is damaged."""
    found = _kind_of(file)
    if found in (None, _ZIP):
        return _unreadable("unreadable_zip", "zip_damaged")
    return _unreadable("unreadable_zip", "zip_of_other_kind", found=found)


def locked_zip() -> Stop:
    """What is told of a ZIP file with a password."""
    return _unreadable("unreadable_zip", "zip_password")


def zip_of(count: int) -> Stop:
    """What is told of a ZIP file that holds another number of files than one."""
    return _unreadable("unreadable_zip", "zip_members", count=count)


def zip_without_parts(count: int, names: str) -> Stop:
    """What is told of a ZIP file that should hold parts of one delivery, which have names like these."""
    return _unreadable("unreadable_zip", "zip_parts", count=count, names=names)


def zip_without_member(name: str, found: Sequence[str]) -> Stop:
    """What is told of a ZIP file that lacks the one file that is asked for, or has two of that name."""
    names = ", ".join(other[:60] for other in found[:20])
    return _unreadable("unreadable_zip", "zip_member", name=name, found=names)


def damaged_gzip() -> Stop:
    """What is told of a file packed by gzip that cannot be read to its end."""
    return _unreadable("unreadable_text", "gzip_damaged")


def zip_in_zip() -> Stop:
    """What is told of a ZIP file in which another one lies."""
    return _unreadable("unreadable_zip", "zip_in_zip")


def _unreadable(rule: str, reason: str, **details: object) -> Stop:
    return Stop("rejected", rule, detail=wording(reason).fill(**details))


def _kind_of(file: IO[bytes]) -> Text | None:
    """What a file, seekable, seems to be; None where nobody could say."""
    file.seek(0)
    head = file.read(_HEAD)
    if head.startswith((*_BEGINNINGS, _BEGINNING_OF_ZIP)):
        return _kind_by_beginning(file, head)
    is_utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if is_utf16 else "latin-1", "replace").removeprefix("\xef\xbb\xbf")
    if not text or re.search(r"[\x00-\x08\x0e-\x1f]", text):
        return None
    return next(kind for pattern, kind in _TEXTS.items() if re.search(pattern, text.lower()))


def _kind_by_beginning(file: IO[bytes], head: bytes) -> Text | None:
    if head.startswith(_BEGINNING_OF_ZIP):
        return _kind_of_zip(file)
    return next((kind for beginning, kind in _BEGINNINGS.items() if head.startswith(beginning)), None)


def _kind_of_zip(file: IO[bytes]) -> Text | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError):
        return None
    return next((kind for member, kind in _MEMBERS.items() if member in names), _ZIP)
