"""Receive: from an agency's inbox to landing, where the bytes stay as they came.

Reads `inbox/<agency>/<dataset>/<file>`; writes `landing/<agency>/<dataset>/<delivery>/` with the content and a
manifest. Nothing is looked into here but whether a file is a workbook of rejected rows that comes back mended: whatever
lands is a delivery. The inbox file moves to `processed/` once the
ledger knows of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from upath import UPath

from etl.contract import Contract, Source
from etl.correction import find_mark
from etl.declared import MANIFEST, Declared, beside
from etl.delivery import Delivery, Stop, printable
from etl.period import UnclearName, period_of
from etl.processed import Stamp, stamp_of
from etl.settings import CITY_TIME
from etl.storage import Storage, aside_of, put_in_place, read_json, write_json, write_once

UNDATED = "no_period_in_name"
# Why a file goes no further than to landing: what its sender mends by sending the same bytes under another name.
REFUSALS = (
    "unknown_dataset", "wrong_ending", UNDATED, "several_periods_in_name", "impossible_period", "period_not_begun",
    "unclear_revision",
)  # fmt: skip
_CHUNK = 1 << 20
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
        declared: what stands beside it declares, as the sender wrote it; None if nothing does.
        doubt: the rule that says why its period is not certain; None if it is.
        stamp: the file's size and time when its bytes were copied.
    """

    delivery: Delivery
    declared: dict[str, Any] | None
    doubt: str | None
    stamp: Stamp


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
        sha256, stamp = _copy(file, aside)
        declared = beside(file)
        as_of, revision, doubt = _period(file.name, declared)
        if doubt == UNDATED and undated:
            as_of = undated
        delivery = Delivery(agency, name, as_of, revision, sha256, stamp[0], printable(file.name))
        mark = find_mark(aside)
        if mark:
            doubt = None
            delivery = replace(
                delivery, as_of=mark.as_of, revision=mark.revision, corrects=mark.of, correction=mark.number
            )
        delivery = _with_word(storage, delivery)
        manifest = storage.folder("landing", delivery) / "manifest.json"
        if not manifest.exists():
            _publish(storage, delivery, aside, {"declared": declared, "from": printable(str(file))})
    return Landed(delivery, declared, doubt, stamp)


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


def _copy(file: UPath, aside: UPath) -> tuple[str, Stamp]:
    """Copy a file; gives SHA-256 of what was copied, and the file's size and time."""
    before = _stamp(file)
    digest, size = hashlib.sha256(), 0
    with aside.open("wb") as copy:
        for chunk in _chunks(file):
            digest.update(chunk)
            size += len(chunk)
            copy.write(chunk)
    if _stamp(file) != before or size != before[0]:
        raise NotReceived(f"{printable(file.name)}: still being written; it waits for the next look")
    return digest.hexdigest(), before


def _stamp(file: UPath) -> Stamp:
    try:
        return stamp_of(file)
    except OSError as error:
        raise NotReceived(f"{printable(file.name)}: cannot be read ({type(error).__name__})") from None


def _chunks(file: UPath) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise NotReceived(f"{printable(file.name)}: cannot be read ({type(error).__name__})") from None


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


def _folders(file: UPath) -> tuple[str, str]:
    folders = [re.sub(r"[^\w-]", "_", part)[:60] for part in file.parts[-3:-1]]
    return (folders[0], folders[1]) if len(folders) == 2 else ("unknown", folders[0] if folders else "unknown")
