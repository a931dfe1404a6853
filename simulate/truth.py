"""What must come of the deliveries: histories and counts, by a plain model that replays them word by word."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

CHANGE = "_change"  # T new, S changed, X cancelled; only in datasets of changes
_ENDS = ("valid_from", "valid_to", "opened_by", "closed_by")


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
    words = _beside_the_word_before(_words(dataset, files), dataset.key)
    became = pl.when(_IS_SAME).then(pl.lit("unchanged")).when(_WAS_GONE).then(pl.lit("inserted"))
    tally = words.filter(~pl.col(_IS_SILENCE)).group_by(_AT, became.otherwise(pl.lit("changed")).alias("became")).len()
    numbers = {(at, became): count for at, became, count in tally.iter_rows()}
    counts = [
        {"file": file.name, "as_of": file.as_of, "revision": file.revision, "rows_in": file.rows_in,
         "rejected": file.rejected, "duplicates": file.duplicates,
         **{name: numbers.get((at, name), 0) for name in ("inserted", "changed", "unchanged")},
         "superseded": file.accepted.height - sum(numbers.get((at, name), 0) for name in _BECAME)}
        for at, file in enumerate(files)
    ]  # fmt: skip
    return _history(dataset, words, files), counts


# Of a word on a record: the number of its file; whether the record is no more; whether nobody said so, but a snapshot
# lacks it; whether before that word there was no such record; whether it says what the one before it said.
_AT, _GONE, _IS_SILENCE, _WAS_GONE, _IS_SAME = "_at", "_gone", "_is_silence", "_was_gone", "_is_same"
_BECAME = ("inserted", "changed", "unchanged")


def _words(dataset: Dataset, files: list[File]) -> pl.DataFrame:
    """The last word of each file on each record, and what a snapshot ends by its silence, in the order of time."""
    named = list(dict.fromkeys([*dataset.key, *([dataset.part] if dataset.part else [])]))
    words, live = list[pl.DataFrame](), files[0].accepted.select(named).clear()
    for at, file in enumerate(files):
        rows = file.accepted.unique(dataset.key, keep="last", maintain_order=True)
        gone = pl.col(CHANGE) == "X" if CHANGE in rows.columns else pl.lit(False)
        rows = rows.with_columns(gone.alias(_GONE), pl.lit(at).alias(_AT), pl.lit(False).alias(_IS_SILENCE))
        words.append(rows.drop(CHANGE, strict=False))
        if dataset.is_snapshot:
            silent = live.join(rows, on=dataset.key, how="anti")
            ended = silent.join(rows, on=dataset.part, how="semi") if dataset.part else silent
            words.append(
                ended.with_columns(pl.lit(at).alias(_AT), pl.lit(True).alias(_GONE), pl.lit(True).alias(_IS_SILENCE))
            )
            live = pl.concat([silent.join(ended, on=dataset.key, how="anti"), rows.select(named)])
    return pl.concat(words, how="diagonal").sort(*dataset.key, _AT)


def _beside_the_word_before(words: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Words in the order of key and time, with what they change of the one before them on the same record."""
    ours = (*key, _AT, _GONE, _IS_SILENCE, _WAS_GONE, _IS_SAME, *_ENDS)
    is_first = pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift()) for c in key)
    content = [pl.col(c).eq_missing(pl.col(c).shift()) for c in words.columns if c not in ours]
    words = words.with_columns(pl.when(~is_first).then(pl.col(_GONE).shift()).fill_null(True).alias(_WAS_GONE))
    is_or_was_gone = pl.col(_GONE) | pl.col(_WAS_GONE)
    both = pl.col(_GONE) & pl.col(_WAS_GONE)
    is_same = pl.when(is_or_was_gone).then(both).otherwise(pl.all_horizontal(pl.lit(True), *content))
    return words.with_columns(is_same.alias(_IS_SAME))


def _history(dataset: Dataset, words: pl.DataFrame, files: list[File]) -> pl.DataFrame:
    """What each record was, from when to when; of the words on one day the last one counts."""
    opened = words.with_columns(
        pl.col(_AT)
        .replace_strict({at: file.as_of for at, file in enumerate(files)}, return_dtype=pl.Date)
        .alias("valid_from"),
        pl.col(_AT)
        .replace_strict({at: file.name for at, file in enumerate(files)}, return_dtype=pl.String)
        .alias("opened_by"),
    )
    turns = opened.unique([*dataset.key, "valid_from"], keep="last", maintain_order=True)
    turns = _beside_the_word_before(turns, dataset.key).filter(~pl.col(_IS_SAME))
    is_last = pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(-1)) for c in dataset.key)
    turns = turns.with_columns(
        pl.when(~is_last).then(pl.col(opens).shift(-1)).alias(closes)
        for closes, opens in (("valid_to", "valid_from"), ("closed_by", "opened_by"))
    )
    columns = [c for c in files[0].accepted.columns if c != CHANGE]
    return turns.filter(~pl.col(_GONE)).select(*columns, *_ENDS)
