"""Arrival: which files have come as a whole.

Writers differ: some write slowly, some pause, some set a file's time to years ago or ahead. So a file's times are only
compared with what they were when we looked before, and the time between two looks is told by our own clock.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from upath import UPath

from etl.delivery.messages import Stop
from etl.delivery.plain_files import HOLE, allocated, status_of
from etl.delivery.publish import read_json, write_text
from etl.delivery.storage import Storage
from etl.receive.inbox import DONE, agency_of, found_in, sidecars
from etl.receive.manifest import Declared, beside, is_there

_MOST_READ = 64 << 20  # bytes of an agency's files at a look: more would keep other agencies waiting


@dataclass(frozen=True)
class Look:
    """What was seen of a file.

    Attributes:
        state: size and time of it and of each file beside it.
        since: when it was first seen so, by our clock (seconds since 1970).
        is_as_declared: whether its bytes are what a file beside it says of them.
    """

    state: list[list[float]]
    since: float
    is_as_declared: bool

    @classmethod
    def all_of(cls, fields: dict[str, Any]) -> dict[str, Look]:
        """Looks as they were written, by the file's path."""
        return {path: cls(**look) for path, look in fields.items()}


def complete_files(storage: Storage, quiet_seconds: float) -> list[UPath]:
    """Files in the inbox that have arrived, in the order of paths; see `whole`. What is seen is remembered."""
    if not storage.inbox.exists():
        return []
    memory = storage.root / "looks.json"
    try:
        before = Look.all_of(read_json(memory))
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        before = {}
    complete, looks = whole(found_in(storage.inbox).files, before, quiet_seconds, storage.inbox)
    if looks != before:
        seen = {path: asdict(look) for path, look in looks.items()}
        write_text(memory, json.dumps(seen))  # in ASCII: a file's name may be no Unicode
    return complete


def whole(
    files: Iterable[UPath], before: dict[str, Look], quiet_seconds: float, inbox: UPath
) -> tuple[list[UPath], dict[str, Look]]:
    """Tell files that have arrived from those that may still grow.

    A file is whole when a `.done` stands beside it; when its bytes are what a manifest or a hash beside it declares; or
    when neither it nor what stands beside it has changed between two looks that are `quiet_seconds` apart. A look reads
    only so much of each agency; of what is beyond that, the quiet alone tells the end.

    Args:
        files: where to look.
        before: what was seen there before.
        quiet_seconds: of our own clock.
        inbox: below which no link is followed.

    Returns:
        The whole files, and what is seen now.
    """
    now = time.time()
    complete, looks = [], {}
    read: Counter[str] = Counter()  # bytes, by agency
    for file in files:
        try:
            look = _look(file, before.get(str(file)), now, inbox, read)
        except OSError:  # gone: somebody else has just received it
            continue
        looks[str(file)] = look
        is_said = look.is_as_declared or is_there(file.with_name(file.name + DONE))
        if is_said or now - look.since >= quiet_seconds:
            complete.append(file)
    return complete, looks


def _look(file: UPath, before: Look | None, now: float, inbox: UPath, read: Counter[str]) -> Look:
    stats = [status_of(path) for path in (file, *sidecars(file))]
    state = [[float(stat.st_size), float(stat.st_mtime)] for stat in stats]
    if before is None or before.state != state or before.since > now:  # our clock has been set back
        return Look(state, now, _is_as_declared(file, stats, inbox, read))
    return before


def _is_as_declared(file: UPath, stats: list[os.stat_result], inbox: UPath, read: Counter[str]) -> bool:
    """Whether a file's bytes are what is declared of them, as far as that takes no time; a hole may take for ever."""
    size, beside_it = stats[0].st_size, sum(status.st_size for status in stats[1:])
    agency = agency_of(file)
    if len(stats) == 1 or size > allocated(stats[0]) + HOLE or read[agency] + beside_it > _MOST_READ:
        return False
    read[agency] += beside_it
    try:
        declared = Declared.of(beside(file, inbox).declared or {})
        hashed = size * declared.hashes
        if not declared.tells_bytes or read[agency] + hashed > _MOST_READ:
            return False
        read[agency] += hashed
        return declared.fits(file, inbox)
    except (Stop, OSError):  # half a manifest, or one that the delivery will be held for
        return False
