"""Place: where in time a file says that it stands, and which of those that say the same it is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

from upath import UPath

from etl.contract.city import city
from etl.delivery.messages import Stop
from etl.delivery.model import Delivery
from etl.delivery.period import MOST_REVISIONS, UnclearName, period_of
from etl.delivery.publish import read_json, write_once
from etl.delivery.storage import Storage
from etl.receive.manifest import Declared, unclear

UNDATED = "no_period_in_name"
_MOST_AHEAD = 99  # of the highest revision that is known of a period: one that leaps further would have the last word
_REVISION_OF = re.compile(r"\d{8}-r(\d+)")


def stated_place(
    storage: Storage, agency: str, dataset: str, name: str, declared: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, date | None, int, str | None]:
    """The period and revision that a sender says.

    Args:
        storage: whose landing tells which revisions of the period are known.
        agency: of the file.
        dataset: of the file.
        name: of the file.
        declared: what stands beside it.

    Returns:
        What is left of what is declared, the period if there is a certain one, the revision, and the rule by which the
        period is doubtful.
    """
    as_of, revision, doubt = _period(name, declared)
    if as_of and revision - _highest(storage, agency, dataset, as_of, revision) > _MOST_AHEAD:
        return _without_revision(name, declared)
    return declared, as_of, revision, doubt


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
    if as_of > city().now().date():
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


def with_word(storage: Storage, delivery: Delivery) -> Delivery:
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
