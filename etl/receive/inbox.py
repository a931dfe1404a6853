"""Inbox: what lies in it, and which of that is meant for us. Nothing is opened, and no link followed."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from upath import UPath

from etl.delivery.display import shown
from etl.delivery.period import UnclearName, period_of
from etl.delivery.plain_files import is_plain, status_of
from etl.delivery.publish import read_json, write_json
from etl.delivery.storage import Storage
from etl.delivery.system_files import is_systems_own
from etl.receive.manifest import CHECKSUMS, MANIFEST, is_there

_FILE, _FOLDER = "file", "folder"
_MISPLACED = "it does not lie in <agency>/<dataset>/"
_MOST_SHELVES = 8  # folders of an operator's own, one in the other, above the agencies'
_LONGEST_TOLD = 1_000  # characters of a path in the log
DONE = ".done"  # beside a file: it is whole
SIGNATURE = ".sig"  # beside a file: see `etl.receive.identity`
SIDECARS = (DONE, MANIFEST, SIGNATURE, *CHECKSUMS)
# Of files that somebody sends, whether we can read them or not: their sender must hear of them. Files of any other
# ending are programs' own, or will have another name once they are whole; to move one away would break that.
_SENT = frozenset(
    """
    .csv .txt .tsv .xlsx .xls .xlsm .xlsb .ods .xml .json .ndjson .jsonl .geojson .zip .rar .7z .gz .tgz .tar .bz2 .xz
    .zst .pdf .doc .docx .odt .rtf .htm .html .ppt .pptx .jpg .jpeg .png .tif .tiff .dbf .mdb .accdb .sql .sqlite .db
    .dat .shp .kml .kmz .gpkg .gml .parquet .yaml .yml .msg .eml
    """.split()  # noqa: SIM905 - a list of fifty is not easier to read
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


def agency_of(file: UPath) -> str:
    """The name of the agency's folder that a file lies in."""
    return str(file.parent.parent.name)


def found_in(folder: UPath, agencies: Collection[str] | None = None) -> Found:
    """Look through `<agency>/<dataset>/` of a folder; nothing is opened, and links are not followed.

    What lies higher or deeper is no delivery, whatever the folders there are called: who sends is told by the two
    folders that agencies cannot make.

    Args:
        folder: the inbox, or a folder that is laid out like it.
        agencies: whose folders may lie deeper, on an operator's own shelves; by default each folder is an agency's.

    Raises:
        OSError: if the folder itself cannot be read.
    """
    return _sorted(_shelf(folder, agencies))


def found_at(folder: UPath) -> Found:
    """Look through a folder of one dataset's files as `found_in` does.

    Raises:
        OSError: if the folder cannot be read.
    """
    return _sorted(_dataset(folder))


def _sorted(looked_at: Iterable[tuple[UPath, str | None]]) -> Found:
    seen = sorted(looked_at, key=lambda path_and_why: path_and_why[0])
    return Found([path for path, why in seen if why is None], [(path, why) for path, why in seen if why is not None])


def sidecars(file: UPath) -> list[UPath]:
    """The files that stand beside a file and speak of it."""
    return [path for ending in SIDECARS if is_there(path := file.with_name(file.name + ending))]


def is_sidecar(path: UPath) -> bool:
    """Whether a file only speaks of another one, beside which it stands."""
    return str(path.name).lower().endswith(SIDECARS)


def _shelf(folder: UPath, agencies: Collection[str] | None, depth: int = 0) -> Iterator[tuple[UPath, str | None]]:
    for path, kind in _entries(folder):
        if kind != _FOLDER:
            yield path, _MISPLACED if kind == _FILE else kind
        elif agencies is None or path.name in agencies:
            yield from _agency(path)
        elif depth == _MOST_SHELVES:
            yield path, "no agency's folder is on the way to it"
        else:
            try:
                yield from _shelf(path, agencies, depth + 1)
            except OSError as error:
                yield path, _unreadable(error)


def _agency(folder: UPath) -> Iterator[tuple[UPath, str | None]]:
    """What lies in an agency's folder; a folder that cannot be read costs itself alone."""
    try:
        datasets = list(_entries(folder))
    except OSError as error:
        yield folder, _unreadable(error)
        return
    for dataset, kind in datasets:
        if kind != _FOLDER:
            yield dataset, _MISPLACED if kind == _FILE else kind
            continue
        try:
            yield from _dataset(dataset)
        except OSError as error:
            yield dataset, _unreadable(error)


def _dataset(folder: UPath) -> Iterator[tuple[UPath, str | None]]:
    for path, kind in _entries(folder):
        if kind == _FOLDER:
            yield path, "a folder in a dataset's folder is not looked into"
        elif kind != _FILE:
            yield path, kind
        elif not is_sidecar(path):
            yield path, None if is_sent(path.name) else "its name is not one of a file that is sent"


def _entries(folder: UPath) -> Iterator[tuple[UPath, str]]:
    """What lies in a folder: _FILE, _FOLDER, or why it is left alone.

    Raises:
        OSError: if the folder cannot be read.
    """
    for path in folder.iterdir():
        try:
            kind = _kind(path)
        except OSError as error:
            kind = _unreadable(error)
        if kind != _FOLDER or not _is_mark_of(folder, path):
            yield path, kind


def _is_mark_of(folder: UPath, path: UPath) -> bool:
    """Whether that is the empty object by which programs show an empty folder in an object store."""
    return not isinstance(path, Path) and path.name == folder.name and not path.exists()


def _kind(path: UPath) -> str:
    if not isinstance(path, Path):
        is_file = path.is_file()
    else:
        status = status_of(path)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return "it is no plain file"  # a link may lead anywhere, a pipe may never end
        is_file = stat.S_ISREG(status.st_mode)
        if is_file and not is_plain(status):
            return "it has a second name elsewhere (a hard link); send a copy"
    if is_file:
        return _FILE
    return "it is a system's own folder" if is_systems_own(path.name.lower()) else _FOLDER


def _unreadable(error: OSError) -> str:
    return f"it cannot be read ({type(error).__name__})"


def is_sent(name: str) -> bool:
    """Whether a file of that name is one that somebody sends; else it is a program's own."""
    lower = name.lower().strip()
    if is_systems_own(lower):
        return False
    ending = PurePosixPath(lower).suffix
    if ending and not ending[1:].isdigit():
        return ending in _SENT
    try:  # a clerk may have lost the ending; programs write files without one too, but these name no period
        return period_of(name)[0] is not None
    except UnclearName:
        return True


def told(found: Found) -> list[str]:
    """What was left alone, a line each, for the log."""
    return [f"{shown(str(path))[-_LONGEST_TOLD:]}, for {why}" for path, why in found.left_alone]


def newly_told(storage: Storage, found: Found) -> list[str]:
    """What was left alone and is not yet told; it is told once, for as long as it lies there."""
    memory = storage.root / "left_alone.json"
    try:
        before = set(read_json(memory)["told"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        before = set()
    lines = told(found)
    if before != set(lines):
        write_json(memory, {"told": sorted(set(lines))})
    return [line for line in lines if line not in before]
