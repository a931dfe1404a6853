"""Receive: from an agency's inbox to landing, where the bytes stay as they came.

Reads `inbox/<agency>/<dataset>/<file>`; writes `landing/<agency>/<dataset>/<delivery>/` with the content and a
manifest. Nothing is looked into here but whether a file is a workbook of rejected rows that comes back mended: whatever
lands is a delivery. The inbox file moves to `processed/` once the ledger knows of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any

from upath import UPath

from etl.contract import Contract, Source, Text
from etl.correction import find_mark
from etl.declared import MANIFEST, Declared, beside, unclear
from etl.delivery import Delivery, Stop, megabytes, printable
from etl.period import MOST_REVISIONS, UnclearName, period_of
from etl.processed import Stamp, stamp_from, stamp_of
from etl.settings import CITY_TIME, DEFAULT_LIMITS, Limits
from etl.storage import (
    HOLE,
    Storage,
    allocated,
    aside_of,
    open_plain,
    put_in_place,
    read_json,
    write_json,
    write_once,
)  # fmt: skip

UNDATED = "no_period_in_name"
# Why a file goes no further than to landing: what its sender mends by sending the same bytes under another name.
REFUSALS = (
    "unknown_dataset", "wrong_ending", UNDATED, "several_periods_in_name", "impossible_period", "period_not_begun",
    "unclear_revision",
)  # fmt: skip
_CHUNK = 1 << 20
_LONGEST_FOLDER = 60
_MOST_AHEAD = 99  # of the highest revision that is known of a period: one that leaps further would have the last word
_REVISION_OF = re.compile(r"\d{8}-r(\d+)")
_ENDINGS = {
    "csv": (".csv", ".txt", ".tsv"),
    "excel": (".xlsx", ".xls"),
    "xml": (".xml",),
    "ndjson": (".ndjson", ".jsonl", ".json"),
    "geojson": (".geojson", ".json"),
    "zip": (".zip",),
}
# What an office saves under these names is told what it is by the station that reads it.
_TOLD_BY_THE_READER = {"csv": (".xlsx", ".xls", ".xlsm"), "excel": (".xlsm",)}


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
    """

    delivery: Delivery
    declared: dict[str, Any] | None
    doubt: str | None
    stamp: Stamp
    unread: Stop | None = None


def land(
    storage: Storage,
    file: UPath,
    dataset: tuple[str, str] | None = None,
    undated: date | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Landed:
    """Bring one file's bytes to landing; for bytes that are there already, nothing changes.

    Args:
        storage: the data root.
        file: the file; it stays where it is.
        dataset: agency and dataset; by default the names of the two folders that the file lies in.
        undated: the period of a file that does not say its own.
        limits: what the file may ask of us.

    Raises:
        NotReceived: if the file cannot be read, or changes while it is copied.
    """
    agency, name = dataset or _folders(storage, file)
    with aside_of(storage.root / "landing" / "content") as aside:
        sha256, stamp, unread = _take(storage, file, aside, limits)
        declared = beside(file, storage.inbox)
        as_of, revision, doubt = _period(file.name, declared)
        if as_of and revision - _highest(storage, agency, name, as_of, revision) > _MOST_AHEAD:
            declared, as_of, revision, doubt = _without_revision(file.name, declared)
        if doubt == UNDATED and undated:
            as_of = undated
        delivery = Delivery(agency, name, as_of, revision, sha256, stamp[0], printable(file.name))
        mark = None if unread else find_mark(aside)
        if mark:
            doubt = None
            delivery = replace(
                delivery, as_of=mark.as_of, revision=mark.revision, corrects=mark.of, correction=mark.number
            )
        delivery = _with_word(storage, delivery)
        manifest = storage.folder("landing", delivery) / "manifest.json"
        if not manifest.exists():
            about = {"declared": declared, "from": printable(str(file))}
            if unread:
                about["unread"] = {"rule": unread.rule, "vi": unread.message.vi, "en": unread.message.en}
            _publish(storage, delivery, aside, about)
    return Landed(delivery, declared, doubt, stamp, unread)


def unread(storage: Storage, delivery: Delivery) -> Stop | None:
    """Why landing holds a note in the place of a delivery's bytes; None if it holds them."""
    said = storage.manifest(delivery.agency, delivery.dataset, delivery.id).get("unread")
    if said is None:
        return None
    stop = Stop("rejected", said["rule"], size="", limit="", come="")
    stop.message = Text(said["vi"], said["en"])
    return stop


def refusal(landed: Landed, contract: Contract | None, is_dataset: bool = False) -> Stop | None:
    """Why a file goes no further than to landing, as far as its place and its name tell; None if it does.

    Args:
        landed: the file.
        contract: of its dataset; None if there is none that is right.
        is_dataset: there is such a dataset, and its contract is wrong.
    """
    delivery = landed.delivery
    told = {"file": delivery.file_name[:100]}
    ending = PurePosixPath(delivery.file_name.strip().lower()).suffix
    endings: tuple[str, ...] = (ending[:10],)
    if contract:
        endings = endings_of(contract.source)
        others = _TOLD_BY_THE_READER.get(_format(contract.source), ())
        if not delivery.corrects and ending not in (*endings, *others):
            return Stop("rejected", "wrong_ending", **told, endings=", ".join(endings))
    elif not is_dataset:
        return Stop("rejected", "unknown_dataset", detail=delivery.contract_id)
    if landed.unread:
        return landed.unread
    if landed.doubt:
        example = f"{delivery.dataset}_2026-03-02{endings[0]}"
        return Stop("rejected", landed.doubt, **told, example=example, manifest=f"{delivery.file_name[:100]}{MANIFEST}")
    return None


def endings_of(source: Source) -> tuple[str, ...]:
    """The endings that the name of a dataset's file may have, the usual one first."""
    return _ENDINGS[_format(source)]


def _format(source: Source) -> str:
    return source.archive or source.format


def _with_word(storage: Storage, delivery: Delivery) -> Delivery:
    """The delivery with the word that it is of those that state its place in time, by arrival.

    Each word is a small file that is written once, before the delivery's own: two receivers never give one number
    twice, and whoever was killed in between gives the same number again.
    """
    first = storage.folder("landing", delivery) / "manifest.json"
    if delivery.as_of is None or (first.exists() and _landed(first) == delivery.sha256):
        return delivery
    dataset = storage.root / "landing" / delivery.agency / delivery.dataset
    words = dataset / "words" / delivery.stated_place
    if not (words / "1").exists():
        for manifest in dataset.glob(f"{delivery.stated_place}-*/manifest.json"):  # from before words were counted
            write_once(words / "1", _landed(manifest))
    number = 1
    while not _is_for(words / str(number), delivery.sha256):
        number += 1
    return replace(delivery, word=number)


def _landed(manifest: UPath) -> str:
    """The SHA-256 of what landed."""
    return str(read_json(manifest)["delivery"]["sha256"])


def _is_for(word: UPath, sha256: str) -> bool:
    """Whether a word is that of these bytes: it was written down for them before, or is so now."""
    return (not word.exists() and write_once(word, sha256)) or word.read_text(encoding="utf-8") == sha256


def _publish(storage: Storage, delivery: Delivery, aside: UPath, about: dict[str, Any]) -> None:
    content = storage.content(delivery)
    put_in_place(aside, content)
    manifest = storage.folder("landing", delivery) / "manifest.json"
    write_json(manifest, {"delivery": delivery.to_json(), "received_at": datetime.now(UTC).isoformat()} | about)
    for path in (content, manifest):
        if isinstance(path, Path):
            path.chmod(0o400)


def _take(storage: Storage, file: UPath, aside: UPath, limits: Limits) -> tuple[str, Stamp, Stop | None]:
    """Open a file once and copy what it holds; of one that asks too much, a note.

    Returns:
        SHA-256 of what was copied, the file's size and time, and why it was not copied itself.

    Raises:
        NotReceived: if it cannot be read, or changes meanwhile.
    """
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(open_plain(file, storage.inbox))
            before, refused = _status(file, stream), _too_much(file, stream, limits)
        except OSError as error:
            raise NotReceived(f"{printable(file.name)}: cannot be read ({type(error).__name__})") from None
        if refused:
            note = f"{file.name!a}: {before[0]} bytes, last changed at {before[1]}; they were not read\n".encode()
            aside.write_bytes(note)
            return hashlib.sha256(note).hexdigest(), before, refused
        digest, size = hashlib.sha256(), 0
        with aside.open("wb") as copy:
            while size <= before[0] and (chunk := _read(file, stream)):  # one that grows has no end
                digest.update(chunk)
                size += len(chunk)
                copy.write(chunk)
        if size != before[0] or _status(file, stream) != before:
            raise NotReceived(f"{printable(file.name)}: still being written; it waits for the next look")
    return digest.hexdigest(), before, None


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


def _period(name: str, declared: dict[str, Any] | None) -> tuple[date | None, int, str | None]:
    """The period and revision that the sender says, and the rule by which the period is doubtful."""
    try:
        said = Declared.of(declared or {})
    except Stop:  # the delivery will be held for it
        said = Declared()
    try:
        as_of, revision = period_of(name, said.as_of, said.revision)
    except UnclearName as unclear:
        return None, 1, unclear.rule
    if as_of is None:
        return None, revision, UNDATED
    if as_of > datetime.now(CITY_TIME).date():
        return None, revision, "period_not_begun"
    return as_of, revision, None


def _highest(storage: Storage, agency: str, dataset: str, as_of: date, revision: int) -> int:
    """The highest revision before this one that landing knows of a period; 0 if none. One with a time leaps nowhere."""
    if not _MOST_AHEAD < revision <= MOST_REVISIONS:
        return revision
    landing = storage.root / "landing" / agency / dataset
    places = {path.name for folder in (landing / "words", landing) for path in folder.glob(f"{as_of:%Y%m%d}-r*")}
    known = {int(found[1]) for place in places if (found := _REVISION_OF.match(place))}
    return max((number for number in known if number <= min(revision, MOST_REVISIONS)), default=0)


def _without_revision(
    name: str, declared: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, date | None, int, str | None]:
    """What is left of what a sender says when his revision leaps: the delivery is held for it, or refused."""
    if declared and declared.get("revision") is not None:
        declared = unclear("revision")
        as_of, revision, doubt = _period(name, declared)
        if as_of is None or revision <= _MOST_AHEAD or revision > MOST_REVISIONS:
            return declared, as_of, revision, doubt
    return declared, None, 1, "unclear_revision"


def _folders(storage: Storage, file: UPath) -> tuple[str, str]:
    """Agency and dataset by the two folders that a file lies in; a name with signs of its own is that of no dataset.

    Raises:
        NotReceived: if it lies in the inbox, and not in a dataset's folder.
    """
    place = file
    if file.is_relative_to(storage.inbox):
        place = file.relative_to(storage.inbox)
        if len(place.parts) != 3:
            raise NotReceived(f"{printable(file.name)}: does not lie in <agency>/<dataset>/")
    folders = [_folder_name(part) for part in place.parts[-3:-1]]
    return (folders[0], folders[1]) if len(folders) == 2 else ("unknown", folders[0] if folders else "unknown")


def _folder_name(part: str) -> str:
    name = re.sub(r"[^\w-]", "_", part)[:_LONGEST_FOLDER]
    return name if name == part else f"{name[: _LONGEST_FOLDER - 1]}-"  # no dataset's name has a hyphen
