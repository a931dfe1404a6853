"""What a sender declares of a file, in small files beside it, and whether the file keeps to it.

`births_2026-03-02.csv.manifest.json` may hold any of:
`{"as_of": "2026-03-02", "revision": 1, "size": 90412, "sha256": "…", "rows": 812, "totals": {"so_tien": 1234567.89}}`.
`births_2026-03-02.csv.sha256` and `.md5` hold a hash, as the programs of these names write it.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl
from upath import UPath

from etl.contract import Contract
from etl.delivery.display import shown
from etl.delivery.messages import Stop
from etl.delivery.model import Delivery
from etl.delivery.period import MOST_REVISIONS, UnclearName, days_in, is_possible, revision_in
from etl.delivery.plain_files import NoPlainFile, digest_of, is_plain, open_plain, status_of

MANIFEST = ".manifest.json"
OF_ROWS = ("rows", "totals")  # what a manifest says of the main table of a file alone, where it has several
_LARGEST = 1 << 20  # bytes of a file beside a file
_MOST_TOTALS = 500  # a table has no more columns
_LONGEST_NAME = 1_000  # of a column, in bytes
_UNCLEAR = "?"  # in the place of a value that is not understood: what a sender wrote there is kept nowhere
# `<hash>  <name>` of GNU's programs and `SHA256 (<name>) = <hash>` of BSD's, or the hash alone
_HASHES = {".sha256": re.compile(r"(?<!\w)[0-9a-f]{64}(?!\w)"), ".md5": re.compile(r"(?<!\w)[0-9a-f]{32}(?!\w)")}
CHECKSUMS = tuple(_HASHES)
_WHOLE = re.compile(r"[0-9]{1,18}")
_TOTAL = re.compile(r"-?[0-9]{1,38}(?:\.[0-9]{1,38})?(?:[eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True)
class Declared:
    """What a sender declares.

    Attributes:
        as_of: the period; None leaves it to the file's name.
        revision: of the period; None leaves it to the file's name.
        size: of the file, in bytes.
        sha256: of the file's bytes, in hexadecimal.
        md5: the same.
        rows: records in the file, good or bad.
        totals: control totals: the sum of a numeric column over all rows, by the column's name in the file.
    """

    as_of: date | None = None
    revision: int | None = None
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    rows: int | None = None
    totals: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Declared:
        """The manifest that a JSON object holds.

        Raises:
            Stop: if it holds anything else; what is not understood is not ignored.
        """
        unknown = sorted(fields.keys() - cls.__dataclass_fields__.keys())
        if unknown:
            raise Stop("held", "unreadable_manifest", detail=shown(unknown[0])[:60])
        name = ""
        try:
            values: dict[str, Any] = {}
            for name, read in (
                ("as_of", _day),
                ("revision", _revision),
                ("size", _whole),
                ("sha256", partial(_hash_of, 64)),
                ("md5", partial(_hash_of, 32)),
                ("rows", _whole),
                ("totals", _totals),
            ):
                if fields.get(name) is not None:
                    values[name] = read(fields[name])
        except (ValueError, TypeError, AttributeError):
            raise Stop("held", "unreadable_manifest", detail=name) from None
        return cls(**values)

    @property
    def tells_bytes(self) -> bool:
        """Whether it says something about the bytes, by which a file that has not come as a whole is told."""
        return any(value is not None for value in (self.size, self.sha256, self.md5))

    @property
    def hashes(self) -> int:
        """How often the file must be read to compare it."""
        return sum(value is not None for value in (self.sha256, self.md5))

    def fits(self, file: UPath, inbox: UPath) -> bool:
        """Whether a file's bytes are those that are declared; they are read only if their number is.

        Raises:
            OSError: if it cannot be read.
        """
        if self.size not in (None, status_of(file).st_size):
            return False
        declared = (("sha256", self.sha256), ("md5", self.md5))
        return all(digest_of(file, name, inbox) == said for name, said in declared if said is not None)

    def check(self, delivery: Delivery, content: UPath, rows: pl.LazyFrame, rows_in: int, contract: Contract) -> None:
        """Compare the file with what was declared of it.

        Args:
            delivery: the file.
            content: its bytes, as landing holds them.
            rows: its typed rows, as `raw/` holds them.
            rows_in: records that the file holds, broken ones included.
            contract: says under which name a column is sent.

        Raises:
            Stop: where they differ.
        """
        if self.size not in (None, delivery.size):
            raise Stop("held", "declared_size", declared=self.size, found=delivery.size)
        if self.sha256 not in (None, delivery.sha256):
            raise Stop("held", "declared_sha256")
        if self.md5 is not None and self.md5 != digest_of(content, "md5"):
            raise Stop("held", "declared_md5")
        if self.rows not in (None, rows_in):
            raise Stop("held", "declared_rows", declared=self.rows, found=rows_in)
        for required in (contract.column(name) for name in contract.control_totals):
            if required.source_name not in self.totals and not delivery.corrects:
                raise Stop("held", "undeclared_total", column=required.label, name=required.source_name)
        numeric = {c.source_name: c for c in contract.columns if c.type in ("integer", "number")}
        for name, total in self.totals.items():
            if name not in numeric:
                raise Stop("held", "unreadable_manifest", detail=name[:60])
            found = rows.select(pl.col(numeric[name].name).sum()).collect().item()
            if Decimal(str(found)) != total:
                raise Stop("held", "declared_total", column=numeric[name].label, declared=total, found=found)


@dataclass(frozen=True)
class Beside:
    """What the small files beside a file say of it.

    Attributes:
        declared: fields of a manifest, None if there are none. Only what is understood, and can be kept anywhere. What
            is not, what a hash or the file's own name contradicts, and what is no plain file, is a field that no
            manifest has: so the delivery is held for it, instead of being taken for one of which nothing is declared.
        manifest: the manifest's bytes; None if there is none that can be read.
    """

    declared: dict[str, Any] | None
    manifest: bytes | None = None


def beside(file: UPath, inbox: UPath, users: Collection[int] | None = None) -> Beside:
    """Read the small files beside a file.

    Args:
        file: the file.
        inbox: below which no link is followed.
        users: to whom they must belong, by number; None if anybody may have written them.
    """
    fields: dict[str, Any] | None = None
    try:
        manifest = _content(file, MANIFEST, inbox, users)
        if manifest is not None:
            fields = _understood(_json(manifest), file.name)
        for ending, pattern in _HASHES.items():
            sums = _content(file, ending, inbox, users)
            if sums is None:
                continue
            name = ending.removeprefix(".")
            found = pattern.search(sums.decode("utf-8-sig", errors="replace").lower())
            said = (fields or {}).get(name)
            agree = found and (said is None or str(said).lower() == found[0])
            fields = (fields or {}) | ({name: found[0]} if found and agree else {ending: None})
    except NoPlainFile as odd:
        return Beside({str(odd.filename): None})
    return Beside(fields, manifest)


def unclear(name: str) -> dict[str, Any]:
    """A manifest of which one field is not understood."""
    return {name: _UNCLEAR}


def is_there(path: UPath) -> bool:
    """Whether there is such a file, a plain one."""
    try:
        return is_plain(status_of(path))
    except OSError:  # beside a file with the longest possible name there can be none
        return False


def _content(file: UPath, ending: str, inbox: UPath, users: Collection[int] | None) -> bytes | None:
    path = file.with_name(file.name + ending)
    try:
        with open_plain(path, inbox) as stream:
            if users is not None and os.fstat(stream.fileno()).st_uid not in users:
                raise NoPlainFile(errno.EPERM, "it is somebody else's", ending)
            content = stream.read(_LARGEST + 1)
    except NoPlainFile:
        raise NoPlainFile(errno.EINVAL, "no plain file", ending) from None
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # beside a file with the longest possible name there can be none
            return None
        raise NoPlainFile(error.errno, "it cannot be read", ending) from None
    if len(content) > _LARGEST:
        raise NoPlainFile(errno.EFBIG, "it is too large", ending)
    return content


def _json(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content, parse_float=str, parse_constant=_no_number, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        fields = None
    return fields if isinstance(fields, dict) else {"JSON": None}


def _no_number(constant: str) -> float:
    raise ValueError(constant)  # NaN and Infinity, which are no JSON


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name occurs twice")
    return fields


def _understood(fields: dict[str, Any], file_name: str) -> dict[str, Any]:
    """A manifest's fields if all are understood; else the one that is not."""
    unknown = sorted(fields.keys() - Declared.__dataclass_fields__.keys())
    if unknown:
        return {shown(unknown[0])[:60]: None}
    for name, value in fields.items():
        try:
            Declared.of({name: value})
        except Stop:
            return unclear(name)
    said = Declared.of(fields)
    days = days_in(file_name)
    if said.as_of and days and not min(days) <= said.as_of <= max(days):
        return unclear("as_of")
    try:
        stated = revision_in(file_name)
    except UnclearName:
        stated = None
    return unclear("revision") if said.revision and stated not in (None, said.revision) else fields


def _day(value: str) -> date:
    if not is_possible(day := date.fromisoformat(value)):
        raise ValueError
    return day


def _revision(value: int | str) -> int:
    if not 1 <= (revision := _whole(value)) <= MOST_REVISIONS:
        raise ValueError
    return revision


def _whole(value: int | str) -> int:
    if isinstance(value, bool) or not _WHOLE.fullmatch(str(value)):
        raise ValueError
    return int(value)


def _hash_of(digits: int, value: str) -> str:
    if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", value.lower(), re.ASCII):
        raise ValueError
    return value.lower()


def _totals(value: dict[str, Any]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for column, total in value.items():
        is_storable = "\0" not in column and len(column.encode()) <= _LONGEST_NAME
        if not is_storable or not _TOTAL.fullmatch(str(total)):
            raise ValueError
        totals[column] = Decimal(str(total))
    if len(totals) > _MOST_TOTALS:
        raise ValueError
    return totals
