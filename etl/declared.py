"""What a sender declares of a file, in small files beside it, and whether the file keeps to it.

`births_2026-03-02.csv.manifest.json` may hold any of:
`{"as_of": "2026-03-02", "revision": 1, "size": 90412, "sha256": "…", "rows": 812, "totals": {"so_tien": 1234567.89}}`.
`births_2026-03-02.csv.sha256` and `.md5` hold a hash, as the programs of these names write it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl
from upath import UPath

from etl.contract import Contract
from etl.delivery import Delivery, Stop
from etl.period import MOST_REVISIONS

MANIFEST = ".manifest.json"
# What a sender mends by sending the same bytes with a right manifest.
RULES = (
    "unreadable_manifest", "declared_size", "declared_sha256", "declared_md5", "declared_rows", "declared_total",
)  # fmt: skip
_LARGEST = 1 << 20  # bytes of a file beside a file
# `<hash>  <name>` of GNU's programs and `SHA256 (<name>) = <hash>` of BSD's, or the hash alone
_HASHES = {".sha256": re.compile(r"(?<!\w)[0-9a-f]{64}(?!\w)"), ".md5": re.compile(r"(?<!\w)[0-9a-f]{32}(?!\w)")}
CHECKSUMS = tuple(_HASHES)


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
            raise Stop("held", "unreadable_manifest", detail=unknown[0][:60])
        name = ""
        try:
            values: dict[str, Any] = {}
            for name, read in (
                ("as_of", date.fromisoformat),
                ("revision", _revision),
                ("size", _whole),
                ("sha256", str.lower),
                ("md5", str.lower),
                ("rows", _whole),
                ("totals", lambda totals: {str(column): Decimal(str(total)) for column, total in totals.items()}),
            ):
                if fields.get(name) is not None:
                    values[name] = read(fields[name])
        except (ValueError, TypeError, AttributeError, InvalidOperation):
            raise Stop("held", "unreadable_manifest", detail=name) from None
        return cls(**values)

    @property
    def tells_bytes(self) -> bool:
        """Whether it says something about the bytes, by which a file that has not come as a whole is told."""
        return any(value is not None for value in (self.size, self.sha256, self.md5))

    def fits(self, file: UPath) -> bool:
        """Whether a file's bytes are those that are declared; they are read only if their number is.

        Raises:
            OSError: if it cannot be read.
        """
        if self.size not in (None, file.stat().st_size):
            return False
        declared = (("sha256", self.sha256), ("md5", self.md5))
        return all(_hash(file, name) == said for name, said in declared if said is not None)

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
        if self.md5 is not None and self.md5 != _hash(content, "md5"):
            raise Stop("held", "declared_md5")
        if self.rows not in (None, rows_in):
            raise Stop("held", "declared_rows", declared=self.rows, found=rows_in)
        numeric = {c.source_name: c for c in contract.columns if c.type in ("integer", "number")}
        for name, total in self.totals.items():
            if name not in numeric:
                raise Stop("held", "unreadable_manifest", detail=name[:60])
            found = rows.select(pl.col(numeric[name].name).sum()).collect().item()
            if Decimal(str(found)) != total:
                raise Stop("held", "declared_total", column=numeric[name].label, declared=total, found=found)


def beside(file: UPath) -> dict[str, Any] | None:
    """What the small files beside a file declare, as fields of a manifest; None if there are none.

    What cannot be read, and a hash that contradicts the manifest's, is a field that no manifest has: so the delivery is
    held for it, instead of being taken for one of which nothing is declared.
    """
    manifest = _content(file, MANIFEST)
    fields = None if manifest is None else _json(manifest)
    for ending, pattern in _HASHES.items():
        sums = _content(file, ending)
        if sums is None:
            continue
        name = ending.removeprefix(".")
        found = pattern.search(sums.decode("utf-8-sig", errors="replace").lower())
        said = (fields or {}).get(name)
        agree = found and (said is None or str(said).lower() == found[0])
        fields = (fields or {}) | ({name: found[0]} if found and agree else {ending: None})
    return fields


def is_there(path: UPath) -> bool:
    """Whether there is such a file."""
    try:
        return bool(path.exists())
    except OSError:  # beside a file with the longest possible name there can be none
        return False


def _content(file: UPath, ending: str) -> bytes | None:
    path = file.with_name(file.name + ending)
    if not is_there(path):
        return None
    with path.open("rb") as stream:
        content: bytes = stream.read(_LARGEST)
    return content


def _json(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content, parse_float=str)
    except (ValueError, RecursionError):
        fields = None
    return fields if isinstance(fields, dict) else {"JSON": None}


def _hash(file: UPath, name: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()


def _revision(value: int | str) -> int:
    if not 1 <= (revision := _whole(value)) <= MOST_REVISIONS:
        raise ValueError
    return revision


def _whole(value: int | str) -> int:
    if isinstance(value, bool) or int(value) < 0:
        raise ValueError
    return int(value)
