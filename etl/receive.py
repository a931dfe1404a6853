"""Receive: from an agency's inbox to landing, where the bytes stay as they came.

Reads `inbox/<agency>/<dataset>/<file>`; writes `landing/<agency>/<dataset>/<delivery>/` with the content and a
manifest; moves the inbox file to `processed/`. Nothing is looked into here: whatever lands is a delivery.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from upath import UPath

from etl.delivery import Delivery, period_of, shown
from etl.storage import Storage, publish, write_json

QUIET_SECONDS = 2.0  # a file that was written to more recently may still be growing
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")
_CHUNK = 1 << 20
_NAME_BYTES = 180  # with the delivery's id before it, within the 255 of a file system


def complete_files(storage: Storage, quiet_seconds: float = QUIET_SECONDS) -> list[UPath]:
    """Files in the inbox that have arrived: not hidden, not named as unfinished, and quiet for some seconds."""
    if not storage.inbox.exists():
        return []
    now = time.time()
    return sorted(
        path
        for path in storage.inbox.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not path.name.startswith((".", "~$"))
        and not path.name.lower().endswith(_UNFINISHED)
        and now - path.stat().st_mtime >= quiet_seconds
    )


def no_files(storage: Storage) -> list[str]:
    """Links, pipes, sockets and devices in the inbox: never opened, for they may lead anywhere or never end."""
    found = (p for p in storage.inbox.rglob("*") if p.is_symlink() or not (p.is_file() or p.is_dir()))
    return sorted(shown(str(path)) for path in found)


def receive(storage: Storage, file: UPath, dataset: tuple[str, str] | None = None) -> tuple[Delivery, bool]:
    """Bring one file to landing.

    Args:
        storage: the data root.
        file: the file; one in the inbox is moved to `processed/`, one elsewhere stays where it is.
        dataset: agency and dataset; by default the names of the two folders that the file lies in.

    Returns:
        The delivery, and whether its bytes are new to landing.
    """
    in_inbox = file.is_relative_to(storage.inbox)
    agency, name = dataset or _folders(file.relative_to(storage.inbox) if in_inbox else file)
    as_of, revision = period_of(file.name)
    delivery = Delivery(
        agency=agency,
        dataset=name,
        as_of=as_of,
        revision=revision,
        sha256=_sha256(file),
        size=file.stat().st_size,
        file_name=shown(file.name),
    )
    manifest = storage.folder("landing", delivery) / "manifest.json"
    is_new = not manifest.exists()
    if is_new:
        content = storage.content(delivery)
        with publish(content) as aside, aside.open("wb") as copy:
            for chunk in _chunks(file):
                copy.write(chunk)
        if isinstance(content, Path):
            content.chmod(0o444)
        write_json(
            manifest,
            {"delivery": delivery.to_json(), "received_at": datetime.now(UTC).isoformat(), "from": shown(str(file))},
        )
    if in_inbox:
        _move_to_processed(storage, file, delivery)
    return delivery, is_new


def _folders(file: UPath) -> tuple[str, str]:
    folders = [re.sub(r"[^\w-]", "_", part)[:60] for part in file.parts[-3:-1]]
    return (folders[0], folders[1]) if len(folders) == 2 else ("unknown", folders[0] if folders else "unknown")


def _move_to_processed(storage: Storage, file: UPath, delivery: Delivery) -> None:
    name = re.sub(r"[^\w.-]", "_", delivery.file_name).encode()[:_NAME_BYTES].decode(errors="ignore")
    target = storage.processed / delivery.agency / delivery.dataset / f"{delivery.id}_{name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(file, Path):
        file.replace(target)
    else:
        file.rename(target)


def _sha256(file: UPath) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(file):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: UPath) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk
