"""Receive: from an agency's inbox to landing, where the bytes stay as they came.

Reads `inbox/<agency>/<dataset>/<file>`; writes `landing/<agency>/<dataset>/<delivery>/` with the content and a
manifest. Nothing is looked into here but whether a file is a workbook of rejected rows that comes back mended: whatever
lands is a delivery. The inbox file moves to `processed/` once the
ledger knows of it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from upath import UPath

from etl.correction import find_mark
from etl.declared import Declared
from etl.delivery import Delivery, Stop, period_of, shown
from etl.storage import Storage, aside_of, put_in_place, write_json

DONE, MANIFEST = ".done", ".manifest.json"  # files beside a file that say that it is whole
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")
_CHUNK = 1 << 20
_LARGEST_MANIFEST = 1 << 20
_LONGEST_NAME = 200
_LONGEST_TARGET = 50  # with the delivery's id before it, and four bytes a character, less than 255 bytes


class NotReceived(Exception):
    """A file that cannot be received now; it stays where it is, and others go on."""


@dataclass(frozen=True)
class Landed:
    """A file whose bytes are in landing.

    Attributes:
        delivery: what it is.
        declared: its manifest, as the sender wrote it; None if there is none.
        is_dated: whether the sender says for which period it speaks.
    """

    delivery: Delivery
    declared: dict[str, Any] | None
    is_dated: bool


def complete_files(storage: Storage, quiet_seconds: float) -> list[UPath]:
    """Files in the inbox that have arrived.

    A file is whole when a `.done` or `.manifest.json` stands beside it, or when nobody has written to it for
    `quiet_seconds`; hidden files and those named as unfinished wait. Links and devices are never opened.
    """
    if not storage.inbox.exists():
        return []
    found = {path for path in storage.inbox.rglob("*") if not path.is_symlink() and path.is_file()}
    return sorted(
        path
        for path in found
        if not path.name.startswith((".", "~$"))
        and not path.name.lower().endswith((*_UNFINISHED, DONE, MANIFEST))
        and (_seconds_quiet(path) >= quiet_seconds or not found.isdisjoint(_sidecars(path)))
    )


def no_files(storage: Storage) -> list[str]:
    """Links, pipes, sockets and devices in the inbox: never opened, for they may lead anywhere or never end."""
    found = (p for p in storage.inbox.rglob("*") if p.is_symlink() or not (p.is_file() or p.is_dir()))
    return sorted(shown(str(path)) for path in found)


def land(storage: Storage, file: UPath, dataset: tuple[str, str] | None = None, undated: date | None = None) -> Landed:
    """Bring one file's bytes to landing; for bytes that are there already, nothing changes.

    Args:
        storage: the data root.
        file: the file; it stays where it is.
        dataset: agency and dataset; by default the names of the two folders that the file lies in.
        undated: the period of a file that does not say its own.

    Raises:
        NotReceived: if the file cannot be read, or changes while it is copied.
    """
    in_inbox = file.is_relative_to(storage.inbox)
    agency, name = dataset or _folders(file.relative_to(storage.inbox) if in_inbox else file)
    with aside_of(storage.root / "landing" / "content") as aside:
        sha256, size = _copy(file, aside)
        declared = _manifest(file)
        as_of, revision = _period(file.name, declared)
        delivery = Delivery(agency, name, as_of or undated, revision, sha256, size, _printable(file.name))
        mark = find_mark(aside)
        if mark:
            delivery = replace(
                delivery, as_of=mark.as_of, revision=mark.revision, corrects=mark.of, correction=mark.number
            )
        manifest = storage.folder("landing", delivery) / "manifest.json"
        if not manifest.exists():
            _publish(storage, delivery, aside, {"declared": declared, "from": _printable(str(file))})
    return Landed(delivery, declared, is_dated=bool(as_of or mark))


def move_to_processed(storage: Storage, file: UPath, delivery: Delivery) -> None:
    """Take a file and what stands beside it out of the inbox; one from elsewhere stays."""
    if not file.is_relative_to(storage.inbox):
        return
    folder = storage.processed / delivery.agency / delivery.dataset
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*_sidecars(file), file):  # the file last: while it is there, it is received again
        if _is_there(path):
            target = folder / f"{delivery.id}_{_printable(path.name)[-_LONGEST_TARGET:]}"
            if isinstance(path, Path):
                path.replace(target)
            else:
                path.rename(target)


def _publish(storage: Storage, delivery: Delivery, aside: UPath, about: dict[str, Any]) -> None:
    content = storage.content(delivery)
    put_in_place(aside, content)
    manifest = storage.folder("landing", delivery) / "manifest.json"
    write_json(manifest, {"delivery": delivery.to_json(), "received_at": datetime.now(UTC).isoformat()} | about)
    for path in (content, manifest):
        if isinstance(path, Path):
            path.chmod(0o400)


def _copy(file: UPath, aside: UPath) -> tuple[str, int]:
    """Copy a file; gives SHA-256 and size of what was copied."""
    before = _stamp(file)
    digest, size = hashlib.sha256(), 0
    with aside.open("wb") as copy:
        for chunk in _chunks(file):
            digest.update(chunk)
            size += len(chunk)
            copy.write(chunk)
    if _stamp(file) != before or size != before[0]:
        raise NotReceived(f"{_printable(file.name)}: still being written; it waits for the next look")
    return digest.hexdigest(), size


def _seconds_quiet(file: UPath) -> float:
    try:
        return time.time() - float(file.stat().st_mtime)
    except FileNotFoundError:  # somebody else has just received it
        return 0


def _stamp(file: UPath) -> tuple[int, float]:
    try:
        stat = file.stat()
    except OSError as error:
        raise NotReceived(f"{_printable(file.name)}: cannot be read ({type(error).__name__})") from None
    return stat.st_size, stat.st_mtime


def _chunks(file: UPath) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise NotReceived(f"{_printable(file.name)}: cannot be read ({type(error).__name__})") from None


def _sidecars(file: UPath) -> tuple[UPath, UPath]:
    return file.with_name(file.name + DONE), file.with_name(file.name + MANIFEST)


def _is_there(path: UPath) -> bool:
    try:
        return bool(path.exists())
    except OSError:  # beside a file with the longest possible name there can be none
        return False


def _manifest(file: UPath) -> dict[str, Any] | None:
    beside = file.with_name(file.name + MANIFEST)
    if not _is_there(beside):
        return None
    with beside.open("rb") as stream:
        content = stream.read(_LARGEST_MANIFEST)
    try:
        fields = json.loads(content, parse_float=str)
    except (ValueError, RecursionError):
        fields = None
    return fields if isinstance(fields, dict) else {"JSON": None}  # a field that no manifest has: held, not ignored


def _period(name: str, declared: dict[str, Any] | None) -> tuple[date | None, int]:
    as_of, revision = period_of(name)
    try:
        said = Declared.of(declared or {})
    except Stop:  # the delivery will be held for it
        return as_of, revision
    return said.as_of or as_of, said.revision or revision


def _folders(file: UPath) -> tuple[str, str]:
    folders = [re.sub(r"[^\w-]", "_", part)[:60] for part in file.parts[-3:-1]]
    return (folders[0], folders[1]) if len(folders) == 2 else ("unknown", folders[0] if folders else "unknown")


def _printable(name: str) -> str:
    """A name that can be shown and stored, and not endless."""
    name = shown(name)
    return name if len(name) <= _LONGEST_NAME else f"…{name[-_LONGEST_NAME:]}"
