"""The smallest sets of columns that tell each row of a file from all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from etl.draft.sample import Sample

MOST = 3  # columns in a key that is looked for
_TRIED = 12  # columns of which pairs and threes are tried: those with the most different values
_LIKELY = 8  # sets that are tried on all rows
_ONCE = 0.9  # share of the rows that differ in something, below which none is a mere repetition
_SLIPS = 0.002  # share of rows by which a set may be worse than the best and as good
_FIRST = 20_000  # rows of each file on which a set must hold before it is tried on all


@dataclass(frozen=True)
class Key:
    """A set of columns that may name a record.

    Attributes:
        columns: what the files call them.
        repeated: rows whose key another row of their file has, with other content.
    """

    columns: tuple[str, ...]
    repeated: int


def candidates(sample: Sample, columns: Sequence[str], least: float) -> list[Key]:
    """Sets of columns that tell the rows of a file apart as well as any; the likeliest first.

    Keys stand at the left of a table, so of sets that are as good the one that ends furthest left comes first, and of
    these the smallest. Rows that are alike in all columns are one: a file may hold a row twice.

    Args:
        sample: the rows.
        columns: that may be in a key, in the file's order: filled in all rows.
        least: share of the rows that a key must tell apart; the others may be mistakes of the sample.
    """
    head = sample.cells(sample.columns, _FIRST)
    different = head.n_unique()
    if different < _ONCE * head.height:
        return []  # rows come several times: none is named by what it says
    few = sorted(columns, key=lambda name: -head[name].n_unique())[:_TRIED]
    small = [name for name in columns if name in few]
    tried = [(name,) for name in columns] + [
        names for size in range(2, MOST + 1) for names in combinations(small, size)
    ]
    told = {names: head[["file", *names]].n_unique() for names in tried}
    most = max(told.values(), default=0)
    if most < least * different:
        return []
    likely = sorted(
        (names for names in tried if told[names] >= most - _SLIPS * different),
        key=lambda names: (columns.index(names[-1]), len(names), -told[names]),
    )
    smallest = [names for at, names in enumerate(likely) if not any(set(n) < set(names) for n in likely[:at])]
    whole = _distinct(_hashed(sample, sample.columns))
    found = [Key(names, whole - _distinct(_hashed(sample, names))) for names in smallest[:_LIKELY]]
    return [key for key in found if key.repeated <= (1 - least) * whole]


def shared_between_files(sample: Sample, columns: Sequence[str]) -> float:
    """The share of the keys of the first file that the last one has, too; of one file 0."""
    keys = sample.cells(columns).unique()
    first, last = (keys.filter(keys["file"] == number).drop("file") for number in (0, sample.files - 1))
    if sample.files < 2 or not first.height:
        return 0.0
    return first.join(last, on=list(columns), how="semi", nulls_equal=True).height / first.height


def _hashed(sample: Sample, columns: Sequence[str]) -> pl.DataFrame:
    """A number for what each row says in some columns, with the row's file; columns are read one by one."""
    made = pl.DataFrame(schema={"file": pl.Int32, "hash": pl.UInt64})
    for at, name in enumerate(columns):
        cells = sample.cells([name])
        before = pl.repeat(0, cells.height, dtype=pl.UInt64, eager=True) if at == 0 else made["hash"]
        hashes = pl.DataFrame([before.alias("before"), cells[name].alias("cell")]).hash_rows()
        made = pl.DataFrame([cells["file"], hashes.alias("hash")])
    return made


def _distinct(hashed: pl.DataFrame) -> int:
    """How many different rows the files have, each by itself."""
    return hashed.n_unique()
