"""What must come of the deliveries: histories and counts, by a plain model that replays them row by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from itertools import zip_longest
from typing import Any

import polars as pl

CHANGE = "_change"  # T new, S changed, X cancelled; only in datasets of changes
Version = tuple[date, tuple[Any, ...] | None, str]  # since when, content or None for ended, file


@dataclass(frozen=True)
class File:
    """One delivery as its agency meant it.

    Attributes:
        name: agency/dataset/file name.
        as_of: the period written in its name.
        revision: of that period.
        accepted: standard rows that are neither rejected nor duplicates, in the order in which they take effect.
        rows_in: records in the file, defective ones included.
        rejected: rows that must be rejected.
        duplicates: rows that repeat an earlier one of the file.
    """

    name: str
    as_of: date
    revision: int
    accepted: pl.DataFrame
    rows_in: int
    rejected: int
    duplicates: int


@dataclass
class Dataset:
    """All files of one dataset, and how they are to be read."""

    table: str  # schema.table
    key: list[str]
    is_snapshot: bool
    part: str | None = None  # a snapshot speaks only for the values of this column that it has
    files: list[File] = field(default_factory=list)


def replay(dataset: Dataset) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """The history table, and the counts of each file when files arrive in the order of time."""
    files = sorted(dataset.files, key=lambda f: (f.as_of, f.revision))
    columns = [c for c in files[0].accepted.columns if c != CHANGE]
    key_at = [columns.index(c) for c in dataset.key]
    part_at = columns.index(dataset.part) if dataset.part else None
    said: dict[tuple[Any, ...], list[Version]] = {}
    counts = []
    for file in files:
        rows = file.accepted.select(columns).rows()
        changes = file.accepted[CHANGE].to_list() if CHANGE in file.accepted.columns else ["T"] * len(rows)
        last = {tuple(row[i] for i in key_at): (row, change) for row, change in zip(rows, changes, strict=True)}
        tally = {"inserted": 0, "changed": 0, "unchanged": 0, "superseded": len(rows) - len(last)}
        for key, (row, change) in last.items():
            content = None if change == "X" else row
            versions = said.setdefault(key, [])
            before = versions[-1][1] if versions else None
            if content == before:
                tally["unchanged"] += 1
            else:
                tally["inserted" if before is None else "changed"] += 1
            _say(versions, (file.as_of, content, file.name))
        if dataset.is_snapshot:
            spoken_of = {row[part_at] for row in rows} if part_at is not None else set()
            for key, versions in said.items():
                content = versions[-1][1]
                if key in last or content is None:
                    continue
                if part_at is None or content[part_at] in spoken_of:
                    _say(versions, (file.as_of, None, file.name))
        counts.append(
            {"file": file.name, "as_of": file.as_of, "revision": file.revision, "rows_in": file.rows_in,
             "rejected": file.rejected, "duplicates": file.duplicates, **tally}
        )  # fmt: skip
    return _table(said, files[0].accepted.select(columns).schema), counts


def _say(versions: list[Version], version: Version) -> None:
    if versions and versions[-1][0] == version[0]:
        versions.pop()
    versions.append(version)


def _table(said: dict[tuple[Any, ...], list[Version]], schema: pl.Schema) -> pl.DataFrame:
    history = []
    for versions in said.values():
        turns: list[Version] = []
        for version in versions:
            if version[1] != (turns[-1][1] if turns else None):
                turns.append(version)
        for turn, following in zip_longest(turns, turns[1:]):
            if turn[1] is not None:
                until, closed_by = (following[0], following[2]) if following else (None, None)
                history.append((*turn[1], turn[0], until, turn[2], closed_by))
    ends = {"valid_from": pl.Date, "valid_to": pl.Date, "opened_by": pl.String, "closed_by": pl.String}
    return pl.DataFrame(history, schema={**schema, **ends}, orient="row")
