"""Landing: the bytes of each file as they came, with a manifest.

Reads `inbox/<agency>/<dataset>/<file>`; writes `landing/<agency>/<dataset>/<delivery>/` with the content and a
manifest. Nothing is looked into here but whether a file is a workbook of rejected rows that comes back mended: whatever
lands is a delivery. The inbox file moves to `processed/` once the ledger knows of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

from upath import UPath

from etl.contract import Text
from etl.delivery.correction import Mark, find_mark
from etl.delivery.display import megabytes, printable
from etl.delivery.messages import Stop
from etl.delivery.model import Delivery
from etl.delivery.plain_files import HOLE, allocated, is_below, open_plain
from etl.delivery.publish import aside_of, publish_again, put_in_place, write_json
from etl.delivery.pull import Pull
from etl.delivery.storage import Storage  # fmt: skip
from etl.receive.identity import Identity, prove
from etl.receive.manifest import OF_ROWS, beside
from etl.receive.place import UNDATED, stated_place, with_word
from etl.receive.processed import Stamp, stamp_from, stamp_of
from etl.settings import DEFAULT_LIMITS, Limits

_CHUNK = 1 << 20
_LONGEST_FOLDER = 60


class NotReceived(Exception):
    """A file that cannot be received now; it stays where it is, and others go on."""


@dataclass(frozen=True)
class Landed:
    """A file whose bytes are in landing.

    Attributes:
        delivery: what it is.
        declared: what stands beside it declares; None if nothing does.
        doubt: the rule that says why its period is not certain; None if it is.
        stamp: the file's size and time when its bytes were copied.
        unread: why its bytes were not copied; then landing holds a note in their place. None if they were.
        unproven: why it is not taken for its agency's; None if it is.
    """

    delivery: Delivery
    declared: dict[str, Any] | None
    doubt: str | None
    stamp: Stamp
    unread: Stop | None = None
    unproven: Stop | None = None


def land(
    storage: Storage,
    file: UPath,
    dataset: tuple[str, str] | None = None,
    undated: date | None = None,
    limits: Limits = DEFAULT_LIMITS,
    identity: Identity | None = None,
    principal: str | None = None,
    pull: Pull | None = None,
    table_of: Callable[[Mark, str], str] | None = None,
) -> Landed:
    """Bring one file's bytes to landing; for bytes that are there already, nothing changes.

    Args:
        storage: the data root.
        file: the file; it stays where it is.
        dataset: agency and dataset; by default the names of the two folders that the file lies in.
        undated: the period of a file that does not say its own.
        limits: what the file may ask of us.
        identity: what its agency must prove of it; None if its place is proof enough.
        principal: the account through which it came, as whoever hands it in says.
        pull: how it was fetched from its agency's system; None if somebody has sent it.
        table_of: tells of a mended workbook, by its mark and the dataset where it lies, which dataset's rows it holds:
            a file may have several tables, and one folder. None: those of the dataset where it lies.

    Raises:
        NotReceived: if the file cannot be read, or changes while it is copied.
    """
    agency, name = dataset or folders(storage, file)
    with aside_of(storage.root / "landing" / "content") as aside:
        sha256, stamp, owner, unread = _take(storage, file, aside, limits)
        said = beside(file, storage.inbox, identity.users if identity else None)
        sender, unproven = None, None
        if identity and not unread:
            sent = {"dataset": f"{agency}.{name}", "sha256": sha256, "manifest": said.manifest, "owner": owner}
            try:
                sender = prove(identity, file, storage.inbox, sent, principal)
            except Stop as stop:
                unproven = stop
        declared, as_of, revision, doubt = stated_place(storage, agency, name, file.name, said.declared)
        if unproven:  # whoever sent it has no word on any period
            declared, as_of, revision, doubt = None, None, 1, None
        if doubt == UNDATED and undated:
            as_of = undated
        delivery = Delivery(agency, name, as_of, revision, sha256, stamp[0], printable(file.name))
        mark = None if unread or unproven else find_mark(aside)
        if mark:
            doubt = None
            name = table_of(mark, delivery.contract_id) if table_of else name
            delivery = replace(
                delivery,
                dataset=name,
                as_of=mark.as_of,
                revision=mark.revision,
                corrects=mark.of,
                correction=mark.number,
            )
        delivery = with_word(storage, delivery)
        manifest = storage.folder("landing", delivery) / "manifest.json"
        if not manifest.exists():
            about: dict[str, Any] = {"declared": declared, "from": printable(str(file)), "sender": sender}
            if pull:
                about["pull"] = pull.to_json()
            if unread:
                about["unread"] = {"rule": unread.rule, "vi": unread.message.vi, "en": unread.message.en}
            _publish(storage, delivery, aside, about)
    return Landed(delivery, declared, doubt, stamp, unread, unproven)


def land_table(
    storage: Storage, main: Delivery, declared: dict[str, Any] | None, dataset: str
) -> tuple[Delivery, dict[str, Any] | None]:
    """Let a file that has landed land as that of another table, too, which is read from the same bytes.

    It stands in the same place in time, under the same id. What is declared of the bytes holds for both; a number of
    rows and totals are those of the main table alone. For one that is there already, nothing changes.

    Args:
        storage: the data root.
        main: the file, as that of its main dataset.
        declared: what stands beside the file declares; None if nothing does.
        dataset: the other's name, of the same agency.

    Returns:
        The delivery, and what is declared of it.
    """
    delivery = replace(main, dataset=dataset)
    if declared is not None and main.size:  # no byte at all is no row of any table
        declared = {name: value for name, value in declared.items() if name not in OF_ROWS}
    manifest = storage.folder("landing", delivery) / "manifest.json"
    if not manifest.exists():
        publish_again(storage.content(main), storage.content(delivery))
        about = storage.manifest(main.agency, main.dataset, main.id)
        about |= {"delivery": delivery.to_json(), "declared": declared, "sent_with": main.contract_id}
        _write_manifest(manifest, about)
    return delivery, declared


def unread(storage: Storage, delivery: Delivery) -> Stop | None:
    """Why landing holds a note in the place of a delivery's bytes; None if it holds them."""
    said = storage.manifest(delivery.agency, delivery.dataset, delivery.id).get("unread")
    if said is None:
        return None
    stop = Stop("rejected", said["rule"], size="", limit="", come="")
    stop.message = Text(said["vi"], said["en"])
    return stop


def _publish(storage: Storage, delivery: Delivery, aside: UPath, about: dict[str, Any]) -> None:
    content = storage.content(delivery)
    put_in_place(aside, content)
    if isinstance(content, Path):
        content.chmod(0o400)
    manifest = storage.folder("landing", delivery) / "manifest.json"
    said = {"delivery": delivery.to_json(), "received_at": datetime.now(UTC).isoformat()}
    _write_manifest(manifest, said | about)


def _write_manifest(manifest: UPath, about: dict[str, Any]) -> None:
    write_json(manifest, about)
    if isinstance(manifest, Path):
        manifest.chmod(0o400)


def _take(storage: Storage, file: UPath, aside: UPath, limits: Limits) -> tuple[str, Stamp, int | None, Stop | None]:
    """Open a file once and copy what it holds; of one that asks too much, a note.

    Returns:
        SHA-256 of what was copied, the file's size and time, its owner, and why it was not copied itself.

    Raises:
        NotReceived: if it cannot be read, or changes meanwhile.
    """
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(open_plain(file, storage.inbox))
            before, refused = _status(file, stream), _too_much(file, stream, limits)
            owner = os.fstat(stream.fileno()).st_uid if isinstance(file, Path) else None
        except OSError as error:
            raise NotReceived(f"{printable(file.name)}: cannot be read ({type(error).__name__})") from None
        if refused:
            note = f"{file.name!a}: {before[0]} bytes, last changed at {before[1]}; they were not read\n".encode()
            aside.write_bytes(note)
            return hashlib.sha256(note).hexdigest(), before, None, refused
        digest, size = hashlib.sha256(), 0
        with aside.open("wb") as copy:
            while size <= before[0] and (chunk := _read(file, stream)):  # one that grows has no end
                digest.update(chunk)
                size += len(chunk)
                copy.write(chunk)
        if size != before[0] or _status(file, stream) != before:
            raise NotReceived(f"{printable(file.name)}: still being written; it waits for the next look")
    return digest.hexdigest(), before, owner, None


def _read(file: UPath, stream: BufferedReader) -> bytes:
    try:
        return stream.read(_CHUNK)
    except OSError as error:
        raise NotReceived(f"{printable(file.name)}: cannot be read ({type(error).__name__})") from None


def _status(file: UPath, stream: BufferedReader) -> Stamp:
    return stamp_from(os.fstat(stream.fileno())) if isinstance(file, Path) else stamp_of(file)


def _too_much(file: UPath, stream: BufferedReader, limits: Limits) -> Stop | None:
    """Why a file is not read, by what its file system says of it.

    A file takes up less than its size where it is packed, too: only one with a hole has not come as a whole, as one of
    which a program has said the size before it writes the rest.
    """
    status = os.fstat(stream.fileno()) if isinstance(file, Path) else file.stat()
    size, come = status.st_size, allocated(status)
    if size > limits.file_bytes:
        return Stop("rejected", "file_too_large", size=megabytes(size), limit=megabytes(limits.file_bytes))
    if size > come + HOLE and hasattr(os, "SEEK_HOLE"):
        is_holed = os.lseek(stream.fileno(), 0, os.SEEK_HOLE) < size
        os.lseek(stream.fileno(), 0, os.SEEK_SET)
        return Stop("rejected", "file_with_holes", size=megabytes(size), come=megabytes(come)) if is_holed else None
    return None


def folders(storage: Storage, file: UPath) -> tuple[str, str]:
    """Agency and dataset by the two folders that a file lies in; a name with signs of its own is that of no dataset.

    Raises:
        NotReceived: if it lies in the inbox, and not in a dataset's folder.
    """
    place = file
    if is_below(file, storage.inbox):
        place = file.relative_to(storage.inbox)
        if len(place.parts) != 3:
            raise NotReceived(f"{printable(file.name)}: does not lie in <agency>/<dataset>/")
    names = [_folder_name(part) for part in place.parts[-3:-1]]
    return (names[0], names[1]) if len(names) == 2 else ("unknown", names[0] if names else "unknown")


def _folder_name(part: str) -> str:
    name = re.sub(r"[^\w-]", "_", part)[:_LONGEST_FOLDER]
    return name if name == part else f"{name[: _LONGEST_FOLDER - 1]}-"  # no dataset's name has a hyphen
