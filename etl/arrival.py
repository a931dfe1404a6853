"""Arrival: which files of a folder are meant for us, and which of them have come as a whole.

Writers differ: some write slowly, some pause, some set a file's time to years ago or ahead. So a file's times are only
compared with what they were when we looked before, and the time between two looks is told by our own clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from upath import UPath

from etl.declared import CHECKSUMS, MANIFEST, Declared, beside, is_there
from etl.delivery import Stop, shown
from etl.period import UnclearName, period_of
from etl.storage import Storage, read_json, write_text

DONE = ".done"  # beside a file: it is whole
_SIDECARS = (DONE, MANIFEST, *CHECKSUMS)
# Of files that somebody sends, whether we can read them or not: their sender must hear of them. Files of any other
# ending are programs' own, or will have another name once they are whole; to move one away would break that.
_SENT = frozenset(
    """
    .csv .txt .tsv .xlsx .xls .xlsm .xlsb .ods .xml .json .ndjson .jsonl .geojson .zip .rar .7z .gz .tgz .tar .bz2 .xz
    .zst .pdf .doc .docx .odt .rtf .htm .html .ppt .pptx .jpg .jpeg .png .tif .tiff .dbf .mdb .accdb .sql .sqlite .db
    .dat .shp .kml .kmz .gpkg .gml .parquet .yaml .yml .msg .eml
    """.split()  # noqa: SIM905 - a list of fifty is not easier to read
)
_SYSTEMS = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"),
    )
)


@dataclass(frozen=True)
class Found:
    """What lies in a folder and below it.

    Attributes:
        files: what may be a delivery, in the order of paths.
        left_alone: everything else but what stands beside these, with the reason.
    """

    files: list[UPath]
    left_alone: list[tuple[UPath, str]]


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
    """Files in the inbox that have arrived; see `whole`. What is seen is remembered for the next look."""
    if not storage.inbox.exists():
        return []
    memory = storage.root / "looks.json"
    try:
        before = Look.all_of(read_json(memory))
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        before = {}
    complete, looks = whole(found_in(storage.inbox).files, before, quiet_seconds)
    if looks != before:
        seen = {path: asdict(look) for path, look in looks.items()}
        write_text(memory, json.dumps(seen))  # in ASCII: a file's name may be no Unicode
    return complete


def whole(files: Iterable[UPath], before: dict[str, Look], quiet_seconds: float) -> tuple[list[UPath], dict[str, Look]]:
    """Tell files that have arrived from those that may still grow.

    A file is whole when a `.done` stands beside it; when its bytes are what a manifest or a hash beside it declares; or
    when neither it nor what stands beside it has changed between two looks that are `quiet_seconds` apart.

    Args:
        files: where to look.
        before: what was seen there before.
        quiet_seconds: of our own clock.

    Returns:
        The whole files, and what is seen now.
    """
    now = time.time()
    complete, looks = [], {}
    for file in files:
        try:
            look = _look(file, before.get(str(file)), now)
        except OSError:  # gone: somebody else has just received it
            continue
        looks[str(file)] = look
        is_said = look.is_as_declared or is_there(file.with_name(file.name + DONE))
        if is_said or now - look.since >= quiet_seconds:
            complete.append(file)
    return complete, looks


def found_in(folder: UPath) -> Found:
    """Look through a folder and those below it; nothing is opened, and links are not followed.

    Raises:
        OSError: if the folder itself cannot be read.
    """
    found = Found([], [])
    for path, why in _walk(folder):
        if why is None:
            found.files.append(path)
        else:
            found.left_alone.append((path, why))
    return Found(sorted(found.files), sorted(found.left_alone))


def sidecars(file: UPath) -> list[UPath]:
    """The files that stand beside a file and speak of it."""
    return [path for ending in _SIDECARS if is_there(path := file.with_name(file.name + ending))]


def is_systems_own(path: str) -> bool:
    """Whether a path is of a file that an operating system or an editor keeps for itself."""
    return any(_is_systems_own(part) for part in PurePosixPath(path.lower()).parts)


def _is_systems_own(name: str) -> bool:
    return name.startswith((".", "~", "#")) or name in _SYSTEMS


def is_sidecar(path: UPath) -> bool:
    """Whether a file only speaks of another one, beside which it stands."""
    return str(path.name).lower().endswith(_SIDECARS)


def _walk(folder: UPath) -> Iterator[tuple[UPath, str | None]]:
    for path in folder.iterdir():
        try:
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                yield path, "it is no plain file"  # a link may lead anywhere, a pipe may never end
            elif path.is_dir():
                if _is_systems_own(path.name.lower()):
                    yield path, "it is a system's own folder"
                else:
                    yield from _walk(path)
            elif not is_sidecar(path):
                yield path, None if _is_sent(path.name) else "its name is not one of a file that is sent"
        except OSError as error:
            yield path, f"it cannot be read ({type(error).__name__})"


def _is_sent(name: str) -> bool:
    lower = name.lower().strip()
    if _is_systems_own(lower):
        return False
    ending = PurePosixPath(lower).suffix
    if ending and not ending[1:].isdigit():
        return ending in _SENT
    try:  # a clerk may have lost the ending; programs write files without one too, but these name no period
        return period_of(name)[0] is not None
    except UnclearName:
        return True


def _look(file: UPath, before: Look | None, now: float) -> Look:
    stats = [path.stat() for path in (file, *sidecars(file))]
    state = [[float(stat.st_size), float(stat.st_mtime)] for stat in stats]
    if before is None or before.state != state or before.since > now:  # our clock has been set back
        return Look(state, now, _is_as_declared(file))
    return before


def _is_as_declared(file: UPath) -> bool:
    try:
        declared = Declared.of(beside(file) or {})
        return declared.tells_bytes and declared.fits(file)
    except (Stop, OSError):  # half a manifest, or one that the delivery will be held for
        return False


def told(found: Found) -> list[str]:
    """What was left alone, a line each, for the log."""
    return [f"{shown(str(path))}, for {why}" for path, why in found.left_alone]
