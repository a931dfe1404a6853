"""Histories: from what deliveries said of each record to the versions of it, whatever order they arrived in.

Every row of a delivery is an assertion: at `as_of`, the record with this key had this content, or was no more. The
position of an assertion in time comes from its delivery's name, never from its arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from etl.contract.city import city
from etl.delivery.columns import AS_OF, CHANGE, PART, ROW, SEQUENCE

Lots = Callable[[], Iterator[pl.DataFrame]]


class Snapshot(NamedTuple):
    """One delivery of a dataset of snapshots.

    Attributes:
        as_of: its period.
        position: its place among all deliveries of the dataset.
        delivery: its id.
        parts: those that it speaks for, see `in_part`: what it lacks of them has ended. A correction, which adds to
            the snapshot right before it, speaks for none.
    """

    as_of: date
    position: int
    delivery: str
    parts: frozenset[str]


POSITION = "_position"  # place of the assertion's delivery among all deliveries of the dataset
DELIVERY = "_delivery"
DELETED = "_deleted"
LACK = "_lack"  # the row is no assertion, but a record that a snapshot lacks
NEXT = "_next"  # before AS_OF, POSITION and DELIVERY: of the next snapshot that speaks for the row's part
EFFECT = "_effect"
ENDS = "_ends"


def assertions(staged: pl.DataFrame) -> pl.DataFrame:
    """One assertion a record from one delivery's staged rows: within a file, the last word on a record counts.

    Args:
        staged: rows of `staging/`, with ROW and, for changes, CHANGE and SEQUENCE.

    Returns:
        The same rows with DELETED in place of CHANGE, ordered by SEQUENCE and ROW.
    """
    deleted = pl.col(CHANGE) == city().deletion if CHANGE in staged.columns else pl.lit(False)
    order = [name for name in (SEQUENCE, ROW) if name in staged.columns]
    return staged.with_columns(deleted.alias(DELETED)).sort(order).drop(CHANGE, strict=False)


def in_sequence(said: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The assertions without those that are older, by SEQUENCE, than one on the same record that stands before them.

    Args:
        said: as `versions` takes it.
        key: columns that name a record.
    """
    if SEQUENCE not in said.columns:
        return said
    said = said.sort(POSITION, maintain_order=True)
    highest = pl.col(SEQUENCE).cum_max().over(*key)
    return said.filter((pl.col(SEQUENCE) >= highest).fill_null(True))


def last_words(
    staged: Iterable[pl.DataFrame], keys: Iterable[pl.DataFrame], key: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """The last word on each record of one delivery, as `assertions` gives it, some at a time.

    Of a key that comes once its row is the last word; the rows of others wait until all have been seen.

    Args:
        staged: the delivery's staged rows, some at a time.
        keys: the same, of these columns alone.
        key: columns that name a record.
    """

    def hashes(lot: pl.DataFrame) -> pl.Series:
        return lot.select(key).hash_rows()

    all_ = pl.concat(map(hashes, keys)).sort()
    again = all_.filter(all_ == all_.shift()).unique()  # two keys of one hash wait for nothing, and are told apart then
    waiting = []
    for lot in staged:
        waits = hashes(lot).is_in(again.implode())
        yield assertions(lot.filter(~waits))
        waiting.append(lot.filter(waits))
    yield last_of_each(assertions(pl.concat(waiting)), key)


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
        said: assertions of all deliveries, on all keys or on some, with AS_OF, POSITION and DELIVERY, and of snapshots
            with PART; the order of rows does not matter beyond one delivery.
        key: columns that name a record.
        content: all columns of a record, the key included.
        snapshots: all deliveries in the order of time where each is a snapshot: what a later one lacks, of the parts
            that it speaks for, has ended; and of each period and part, the last one alone counts.

    Returns:
        `content`, valid_from, valid_to (null: still valid), opened_by, closed_by. No version is empty in time, and
        two that touch differ in content.
    """
    if snapshots is not None:
        said = _with_endings(_before_next(said, _last_words(_spoken_for(snapshots))), key, is_last_word=True)
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


def absent(said: pl.DataFrame, made: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The assertions of the deliveries of which not one record is in the history on their day; deletions aside.

    Args:
        said: as `versions` takes it.
        made: what `versions` made of it.
        key: columns that name a record.
    """
    rows = said.filter(~pl.col(DELETED))
    on_its_day = (pl.col("valid_from") <= pl.col(AS_OF)) & (pl.col("valid_to") > pl.col(AS_OF)).fill_null(True)
    there = rows.select(*key, AS_OF, POSITION).join(made, on=key, nulls_equal=True).filter(on_its_day)
    return rows.filter(~pl.col(POSITION).is_in(there[POSITION].unique().implode()))


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
        `key`, POSITION, PART of snapshots, EFFECT (inserted, changed, unchanged; null for a record that a snapshot
        lacks), and ENDS: whether a record that was there is no more.
    """
    if snapshots is not None:
        said = _with_endings(_before_next(said, _spoken_for(snapshots)), key)
    said = said.sort(*key, POSITION, maintain_order=True)
    same_key = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift(1)) for c in key).fill_null(False)
    existed = same_key & ~pl.col(DELETED).shift(1) & (pl.int_range(pl.len()) > 0)
    differs = pl.col(DELETED) | pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1)) for c in content)
    is_lack = pl.col(LACK) if snapshots is not None else pl.lit(False)
    return said.select(
        *key,
        POSITION,
        *([PART] if snapshots is not None else []),
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


def _spoken_for(snapshots: Sequence[Snapshot]) -> pl.DataFrame:
    """PART, AS_OF, POSITION and DELIVERY of each snapshot, for each part that it speaks for, in the order of time."""
    rows = [(part, as_of, position, delivery) for as_of, position, delivery, parts in snapshots for part in parts]
    schema = {PART: pl.String, AS_OF: pl.Date, POSITION: pl.Int32, DELIVERY: pl.String}
    return pl.DataFrame(rows, schema, orient="row")


def _last_words(spoken: pl.DataFrame) -> pl.DataFrame:
    """Of each period and part the last."""
    return spoken.unique([PART, AS_OF], keep="last", maintain_order=True)


def _before_next(said: pl.DataFrame, spoken: pl.DataFrame) -> pl.DataFrame:
    """Assertions with AS_OF, POSITION and DELIVERY of the next snapshot that speaks for their part, null if none."""
    places = said.select(PART, POSITION).unique().sort(POSITION)
    following = spoken.rename({name: NEXT + name for name in (AS_OF, POSITION, DELIVERY)})
    following = places.join_asof(
        following.sort(NEXT + POSITION),
        left_on=POSITION,
        right_on=NEXT + POSITION,
        by=PART,
        strategy="forward",
        allow_exact_matches=False,
        coalesce=False,
        check_sortedness=False,  # both are sorted
    )
    return said.join(following, on=[PART, POSITION], how="left", maintain_order="left")


def _with_endings(said: pl.DataFrame, key: Sequence[str], *, is_last_word: bool = False) -> pl.DataFrame:
    """Add the records that the next snapshot which speaks for their part lacks, with LACK.

    Args:
        said: from `_before_next`.
        key: columns that name a record.
        is_last_word: leave out what a later word on the same period takes back.
    """
    if is_last_word:
        said = said.filter(pl.col(NEXT + AS_OF).ne_missing(pl.col(AS_OF)))
    said = said.sort(*key, POSITION, maintain_order=True)
    same_key = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift(-1)) for c in key)
    same_key &= pl.int_range(pl.len()) < pl.len() - 1
    said_again = pl.when(same_key).then(pl.col(POSITION).shift(-1))
    lacks = pl.col(NEXT + POSITION) < said_again.fill_null(pl.col(NEXT + POSITION) + 1)
    following = [pl.col(NEXT + name).alias(name) for name in (AS_OF, POSITION, DELIVERY)]
    lacking = said.filter(lacks).with_columns(*following, pl.lit(True).alias(DELETED), pl.lit(True).alias(LACK))
    return pl.concat([said.with_columns(pl.lit(False).alias(LACK)), lacking])
