"""Turns: whose file is received next, so that what one agency sends delays no other.

Each agency gets the same share of the work, whatever it sends, and one receiver at a time: who comes with a single file
never stands behind a thousand, or behind a huge one, of somebody else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any

from upath import UPath

from etl.delivery.plain_files import allocated, status_of
from etl.delivery.publish import make_folder, read_json, write_text
from etl.delivery.storage import Storage
from etl.receive.arrival import complete_files
from etl.receive.inbox import agency_of

if sys.platform != "win32":
    import fcntl

ROUND = 5.0  # seconds after which a round of receiving begins no other file, so that what it received is announced
_BETWEEN_LOOKS = 2.0  # seconds
_SHARE = 4  # times as long as a look takes are files received before the next one
_OF_ANY_FILE = 1 << 20  # bytes that could be copied in the time that any file takes, however small it is


def arriving(
    storage: Storage, quiet_seconds: float, seconds: float = inf, between_looks: float | None = None
) -> Iterator[UPath]:
    """The complete files of the inbox, each once; the inbox is looked at again and again, for more arrive meanwhile.

    While the caller is at a file, nobody else is given one of that agency: those are left out until the next look.

    Args:
        storage: whose inbox.
        quiet_seconds: see `etl.receive.arrival`.
        seconds: after which no other file is begun, but one of each agency that has had none. The next round begins
            with those that were never tried.
        between_looks: seconds; by default two, or more where a look takes long.
    """
    ends, tried, taken = inf, set[str](), Counter[str]()
    while True:
        began, has_begun = time.monotonic(), False
        left = [file for file in complete_files(storage, quiet_seconds) if str(file) not in tried]
        left = _least_tried_first(storage, left)
        looked = time.monotonic()
        pause = max(_BETWEEN_LOOKS, _SHARE * (looked - began)) if between_looks is None else between_looks
        looks_again = looked + pause
        ends = min(ends, looked + seconds)
        left_out: set[str] = set()
        for file in in_turn(left, taken):
            agency = agency_of(file)
            now = time.monotonic()
            if has_begun and looks_again <= now < ends:
                break
            if agency in left_out or (now >= ends and agency in taken):
                continue
            with turn_of(storage, agency) as is_ours:
                if not is_ours:
                    left_out.add(agency)
                    continue
                has_begun = True
                tried.add(str(file))
                taken[agency] += _work(file)
                yield file
        if not has_begun or time.monotonic() >= ends:
            _note_the_end(storage, taken, left, tried)
            return


def in_turn(files: Iterable[UPath], taken: Mapping[str, int] | None = None) -> list[UPath]:
    """Files in such an order that each agency has had about the same work at any time, as far as it has sent any.

    Args:
        files: of each agency in the order in which it wants them.
        taken: the work that agencies have had already, in bytes.
    """
    had, due = Counter(taken or {}), []
    for file in files:
        had[agency_of(file)] += _work(file)
        due.append((had[agency_of(file)], file))
    return [file for _, file in sorted(due, key=lambda work_and_file: work_and_file[0])]


@contextmanager
def turn_of(storage: Storage, agency: str) -> Iterator[bool]:
    """Take the turn of an agency, whose files one receiver at a time receives.

    Yields:
        Whether it is ours; False if somebody else has it. On an object store, which has no locks, it is everybody's.
    """
    folder = _note(storage, agency).parent
    if sys.platform == "win32" or not isinstance(folder, Path):
        yield True
        return
    make_folder(folder)
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = True
    except BlockingIOError:
        is_ours = False
    except OSError:  # a file system without locks: then there is one receiver
        is_ours = True
    try:
        yield is_ours
    finally:
        os.close(lock)


def waiting(storage: Storage, agencies: Collection[str]) -> set[str]:
    """Those agencies of whom the last round has left files in the inbox that were never tried."""
    return {agency for agency in agencies if _last_round(storage, agency)["waits"]}


def _work(file: UPath) -> int:
    """What it takes to receive a file, in bytes. A hole is not read."""
    try:
        status = status_of(file)
    except OSError:  # gone
        return _OF_ANY_FILE
    return _OF_ANY_FILE + min(status.st_size, allocated(status))


def _least_tried_first(storage: Storage, files: list[UPath]) -> list[UPath]:
    """Files as they were, but those that were tried and stay in the inbox last, the one that was tried last at the end.

    Else files that stay, as those that are refused unread, would be all that a round ever comes to.
    """
    tried = {
        seen: number
        for agency in {agency_of(file) for file in files}
        for number, seen in enumerate(_last_round(storage, agency)["stay"])
    }
    return sorted(files, key=lambda file: tried.get(_seen(file), -1))


def _note_the_end(storage: Storage, begun: Iterable[str], left: list[UPath], tried: set[str]) -> None:
    """Write down of each agency which files were tried and stay, and whether others wait that never were."""
    untried = [(agency_of(file), _seen(file)) for file in left if str(file) not in tried]
    tried_now = [(agency_of(UPath(path)), _seen(UPath(path))) for path in tried]
    for agency in {*begun, *(agency for agency, _ in untried)}:
        last = _last_round(storage, agency)
        waits = [seen for of, seen in untried if of == agency]
        stay = [seen for of, seen in tried_now if of == agency and seen]
        before = [seen for seen in last["stay"] if seen in waits]
        now = {"waits": len(waits) > len(before), "stay": before + stay}
        if now != last:
            write_text(_note(storage, agency), json.dumps(now))


def _last_round(storage: Storage, agency: str) -> dict[str, Any]:
    try:
        return read_json(_note(storage, agency))
    except (FileNotFoundError, ValueError):
        return {"waits": False, "stay": []}


def _note(storage: Storage, agency: str) -> UPath:
    return storage.root / "rounds" / agency / "last.json"


def _seen(file: UPath) -> str:
    """A file as it is now, in ASCII, for its name may be no Unicode; nothing if it is gone."""
    try:
        status = status_of(file)
    except OSError:
        return ""
    return f"{str(file)!a} {status.st_size} {status.st_mtime}"
