"""Histories: from what deliveries said of each record to the versions of it, whatever order they arrived in.

Every row of a delivery is an assertion: at `as_of`, the record with this key had this content, or was no more. The
position of an assertion in time comes from its delivery's name, never from its arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from etl.delivery import AS_OF, ROW

Lots = Callable[[], Iterator[pl.DataFrame]]


class Snapshot(NamedTuple):
    """One delivery of a dataset of snapshots.

    Attributes:
        as_of: its period.
        position: its place among all deliveries of the dataset.
        delivery: its id.
        is_whole: what it lacks has ended; False for a correction, which adds to the snapshot right before it.
    """

    as_of: date
    position: int
    delivery: str
    is_whole: bool


CHANGE = "_change"  # standard code of what a row of changes does: T new, S update, X delete
SEQUENCE = "_sequence"  # orders the changes to one record within one file
POSITION = "_position"  # place of the assertion's delivery among all deliveries of the dataset
DELIVERY = "_delivery"
DELETED = "_deleted"
LACK = "_lack"  # the row is no assertion, but a record that a snapshot lacks
EFFECT = "_effect"
ENDS = "_ends"


def assertions(staged: pl.DataFrame) -> pl.DataFrame:
    """One assertion a record from one delivery's staged rows: within a file, the last word on a record counts.

    Args:
        staged: rows of `staging/`, with ROW and, for changes, CHANGE and SEQUENCE.

    Returns:
        The same rows with DELETED in place of CHANGE, ordered by SEQUENCE and ROW.
    """
    deleted = pl.col(CHANGE) == "X" if CHANGE in staged.columns else pl.lit(False)
    order = [name for name in (SEQUENCE, ROW) if name in staged.columns]
    return staged.with_columns(deleted.alias(DELETED)).sort(order).drop(CHANGE, strict=False)


def last_of_each(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The last row of each key."""
    return rows.unique(key, keep="last", maintain_order=True)


def news(mine: Lots, last: Lots, key: Sequence[str], content: Sequence[str]) -> Iterator[pl.DataFrame]:
    """What a snapshot says that the one before it did not.

    Rows are compared by 128 bits of hash: to take two rows that differ for the same one would need 10^16 of them.

    Args:
        mine: gives the snapshot's assertions, some at a time.
        last: gives the staged rows of the one before.
        key: columns that name a record.
        content: all columns of a record, the key included.

    Yields:
        `content` and DELETED: the assertions on records that are new or changed, and of the records that `last` had
        and `mine` lacks the keys, with DELETED.
    """
    new, known = _hashes(mine(), content), _hashes(last(), content)
    changed = _only(mine(), _missing_in(known, new))
    keys = []
    for lot in changed:
        keys.append(lot.select(key))
        yield lot.select(*content, DELETED)
    gone = pl.concat(lot.select(key) for lot in _only(last(), _missing_in(new, known)))
    gone = gone.join(pl.concat(keys), on=key, how="anti", nulls_equal=True)
    empty = next(mine()).clear()
    yield pl.concat([empty, gone], how="diagonal").select(*content, pl.lit(True).alias(DELETED))


def _hashes(lots: Iterable[pl.DataFrame], content: Sequence[str]) -> pl.DataFrame:
    def of(lot: pl.DataFrame) -> pl.DataFrame:
        lacking = [pl.lit(None).alias(name) for name in content if name not in lot.columns]  # staged before it existed
        rows = lot.with_columns(lacking).select(content)
        return pl.DataFrame([rows.hash_rows(seed).alias(str(seed)) for seed in (1, 2)])

    return pl.concat(map(of, lots))


def _missing_in(others: pl.DataFrame, hashes: pl.DataFrame) -> pl.Series:
    """Whether each row's hash is not among the others."""
    missing = hashes.with_row_index("at").join(others, on=hashes.columns, how="anti")["at"]
    return pl.repeat(False, hashes.height, eager=True).scatter(missing, True)


def _only(lots: Iterable[pl.DataFrame], chosen: pl.Series) -> Iterator[pl.DataFrame]:
    """The chosen rows of all lots."""
    at = 0
    for lot in lots:
        yield lot.filter(chosen.slice(at, lot.height))
        at += lot.height


def versions(
    said: pl.DataFrame, key: Sequence[str], content: Sequence[str], snapshots: Sequence[Snapshot] | None
) -> pl.DataFrame:
    """The versions of every record that a set of deliveries speaks of.

    Args:
        said: assertions of all deliveries, on all keys or on some, with AS_OF, POSITION and DELIVERY; the order of
            rows does not matter beyond one delivery.
        key: columns that name a record.
        content: all columns of a record, the key included.
        snapshots: all deliveries in the order of time where each is a snapshot: what a later one lacks has ended.

    Returns:
        `content`, valid_from, valid_to (null: still valid), opened_by, closed_by. No version is empty in time, and
        two that touch differ in content.
    """
    if snapshots is not None:
        said = _with_endings(said, key, _last_words(snapshots))
    said = said.sort(*key, POSITION, maintain_order=True)
    last = said.unique([*key, AS_OF], keep="last", maintain_order=True)
    same_key = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift(1)) for c in key).fill_null(False)
    same = pl.col(DELETED).eq_missing(pl.col(DELETED).shift(1)) & (
        pl.col(DELETED) | pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift(1)) for c in content)
    )
    is_first = pl.int_range(pl.len()) == 0
    turns = last.filter(is_first | ~same_key | ~same)
    next_same_key = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift(-1)) for c in key)
    next_same_key &= pl.int_range(pl.len()) < pl.len() - 1
    return (
        turns.with_columns(
            pl.col(AS_OF).alias("valid_from"),
            pl.when(next_same_key).then(pl.col(AS_OF).shift(-1)).alias("valid_to"),
            pl.col(DELIVERY).alias("opened_by"),
            pl.when(next_same_key).then(pl.col(DELIVERY).shift(-1)).alias("closed_by"),
        )
        .filter(~pl.col(DELETED))
        .select(*content, "valid_from", "valid_to", "opened_by", "closed_by")
    )


def effects(
    said: pl.DataFrame, key: Sequence[str], content: Sequence[str], snapshots: Sequence[Snapshot] | None
) -> pl.DataFrame:
    """What each assertion does when all are made in the order of time.

    Args:
        said: as `versions` takes it, and `snapshots` too.
        key: columns that name a record.
        content: all columns of a record, the key included.
        snapshots: all deliveries in the order of time where each is a snapshot.

    Returns:
        `key`, POSITION, EFFECT (inserted, changed, unchanged; null for a record that a snapshot lacks), and ENDS:
        whether a record that was there is no more.
    """
    if snapshots is not None:
        said = _with_endings(said, key, snapshots)
    said = said.sort(*key, POSITION, maintain_order=True)
    same_key = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift(1)) for c in key).fill_null(False)
    existed = same_key & ~pl.col(DELETED).shift(1) & (pl.int_range(pl.len()) > 0)
    differs = pl.col(DELETED) | pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1)) for c in content)
    is_lack = pl.col(LACK) if snapshots is not None else pl.lit(False)
    return said.select(
        *key,
        POSITION,
        pl.when(is_lack)
        .then(None)
        .when(~existed & ~pl.col(DELETED))
        .then(pl.lit("inserted"))
        .when(existed & differs)
        .then(pl.lit("changed"))
        .otherwise(pl.lit("unchanged"))
        .alias(EFFECT),
        (existed & pl.col(DELETED)).alias(ENDS),
    )


def count(effects: pl.DataFrame) -> dict[str, int]:
    """The numbers of inserted, changed, unchanged and ended among the effects of one delivery."""
    found = dict(effects[EFFECT].value_counts().iter_rows())
    return {name: found.get(name, 0) for name in ("inserted", "changed", "unchanged")} | {"ended": effects[ENDS].sum()}


def _last_words(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Of each period the last whole snapshot, and its corrections."""
    words: dict[date, list[Snapshot]] = {}
    for snapshot in snapshots:
        words[snapshot.as_of] = [snapshot] if snapshot.is_whole else [*words.get(snapshot.as_of, []), snapshot]
    return [snapshot for of_period in words.values() for snapshot in of_period]


def _with_endings(said: pl.DataFrame, key: Sequence[str], snapshots: Sequence[Snapshot]) -> pl.DataFrame:
    """Add, for every snapshot, the records of the one before that it lacks, with LACK; other snapshots are dropped."""
    said = said.with_columns(pl.lit(False).alias(LACK))
    parts = [said.clear()]
    previous = said.clear()
    for as_of, position, delivery, is_whole in snapshots:
        snapshot = said.filter(pl.col(POSITION) == position)
        if not is_whole:
            parts.append(snapshot)
            previous = pl.concat([previous.join(snapshot, on=key, how="anti", nulls_equal=True), snapshot])
            continue
        lacking = previous.join(snapshot, on=key, how="anti", nulls_equal=True).with_columns(
            pl.lit(as_of).alias(AS_OF),
            pl.lit(position, said.schema[POSITION]).alias(POSITION),
            pl.lit(delivery).alias(DELIVERY),
            pl.lit(True).alias(DELETED),
            pl.lit(True).alias(LACK),
        )
        parts += [snapshot, lacking]
        previous = snapshot
    return pl.concat(parts)
