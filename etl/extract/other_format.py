"""A file in another format than its contract's, as births in a workbook where CSV was agreed: known by its own bytes.

It is read if its columns are those of the contract, and the receipt says so. If they are not, the file is told of as
one that is not in the agreed format.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import IO, Literal

import polars as pl

from etl.contract import Contract, Format, Source
from etl.delivery.messages import Stop
from etl.delivery.system_files import is_systems_own
from etl.extract.archive import BROKEN, is_gzipped
from etl.extract.file_kind import NAMES, other_kind
from etl.extract.table import Table, on_the_file

_HEAD = 1 << 16  # bytes that are looked at
_BEGINNINGS: dict[bytes, Format] = {
    b"\xd0\xcf\x11\xe0": "excel",
    b"SQLite format 3\0": "geopackage",
    b"PAR1": "parquet",
}
_OF_CELLS, _TREES = ("csv", "fixed_width"), ("json", "ndjson", "geojson", "xml")
_ZIP = b"PK\x03\x04"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_IN_UTF_8 = ("json", "ndjson", "geojson")  # by their standards
_TAG = re.compile(r"<([^\W\d][\w.-]*)[\s/>]")

_Reader = Callable[[IO[bytes], Contract], Iterator[Table]]


def as_sent(file: IO[bytes], contract: Contract) -> Contract:
    """The contract with the format that a file seems to have; the same if that is the agreed one, or nobody can tell.

    Args:
        file: seekable.
        contract: the dataset's.
    """
    agreed = contract.source
    try:
        archive, head = _unpacked_head(file, agreed)
    except BROKEN:
        return contract
    found = _format(head) if head is not None else None
    if found == "csv" and agreed.format == "fixed_width":
        found = "fixed_width"
    if found is None or (found == agreed.format and archive == agreed.archive):
        return contract
    if found == agreed.format:
        return replace(contract, source=replace(agreed, archive=archive, member=None))
    return replace(contract, source=_source(found, archive, agreed, head or b""))


def read(file: IO[bytes], contract: Contract, cut: _Reader) -> Iterator[Table]:
    """Cut a file into cells by the format that it has, if its columns are the contract's; else by the agreed one.

    Args:
        file: seekable.
        contract: the dataset's.
        cut: reads a file as a contract says.

    Raises:
        Stop: as `cut` does.
    """
    other = as_sent(file, contract)
    if other is not contract:
        tables = cut(file, other)
        try:
            first = next(tables)
        except Stop:
            pass
        else:
            if _agrees(first, other):
                said = _said(contract.source, other.source)
                yield from chain([replace(first, problems=pl.concat([first.problems, said]))], tables)
                return
            if contract.source.format in _OF_CELLS and other.source.format in _TREES:  # it would be read as odd cells
                raise other_kind(contract.source.format, other.source.format)
    yield from cut(file, contract)


def _said(agreed: Source, found: Source) -> pl.DataFrame:
    """A warning on the file as a whole: its format is another than agreed."""

    def named(source: Source) -> str:
        return NAMES[source.format] + (", ZIP" if source.archive else "")

    return on_the_file("other_format", agreed=named(agreed), found=named(found))


def _agrees(table: Table, contract: Contract) -> bool:
    sent = {*table.rows.columns}
    names = {c.source_name for c in contract.in_file}
    required = {c.source_name for c in contract.in_file if c.required}
    return required <= sent and 2 * len(names & sent) >= len(names)


def _source(found: Format, archive: Literal["zip"] | None, agreed: Source, head: bytes) -> Source:
    """How a file of another format is to be read; of the agreed words those are kept that all formats have."""
    record = None
    if found == "xml":
        tags = _TAG.findall(head.decode("utf-8", "replace"))
        record = tags[1] if len(tags) > 1 else None
    return Source(
        found,
        encoding="utf-8" if found in _IN_UTF_8 else agreed.encoding,
        numbers=agreed.numbers,
        null_values=agreed.null_values,
        archive=archive,
        record=record or ("row" if found == "xml" else None),
        unpivot=agreed.unpivot if found in ("csv", "excel") else None,
    )


def _unpacked_head(file: IO[bytes], agreed: Source) -> tuple[Literal["zip"] | None, bytes | None]:
    """How a file is packed, and the first bytes of what it holds; None where that is not one file, or need not be.

    A workbook, which is a ZIP file too, is taken for what it is.
    """
    if agreed.archive == "parts" or agreed.member:
        return None, None
    if is_gzipped(file):
        with gzip.GzipFile(fileobj=file) as stream:
            return None, stream.read(_HEAD)
    head = file.read(_HEAD)
    if not head.startswith(_ZIP):
        return None, head
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        members = [m for m in archive.infolist() if not m.is_dir() and not is_systems_own(m.filename)]
        if any(member.filename == "[Content_Types].xml" for member in members):
            return None, _ZIP
        if len(members) != 1:
            return "zip", None
        with archive.open(members[0]) as stream:
            return "zip", stream.read(_HEAD)


def _format(head: bytes) -> Format | None:
    """The format of a file by its first bytes."""
    if head == _ZIP:
        return "excel"
    if head.startswith(_ZIP) or not head.strip():
        return None
    for beginning, found in _BEGINNINGS.items():
        if head.startswith(beginning):
            return found
    text = _text(head).lstrip("\ufeff \t\r\n")
    if re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text):
        return None
    if text.startswith("<"):
        return "xml"
    if text.startswith("["):
        return "json"
    if text.startswith("{"):
        return _format_of_json(text)
    return "csv"


def _format_of_json(text: str) -> Format | None:
    if re.search(r'"type"\s*:\s*"FeatureCollection"', text):
        return "geojson"
    line, end, _ = text.partition("\n")
    try:
        return "ndjson" if isinstance(json.loads(line), dict) else "json"
    except (ValueError, RecursionError):
        return "json" if end else None  # a long line may go on behind what is looked at


def _text(head: bytes) -> str:
    """The first letters of a file, as far as they are ASCII."""
    return head.decode("utf-16" if head.startswith(_UTF_16) else "utf-8", "replace")
