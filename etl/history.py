"""Histories: from what deliveries said of each record to the versions of it, whatever order they arrived in.

Every row of a delivery is an assertion: at `as_of`, the record with this key had this content, or was no more. The
position of an assertion in time comes from its delivery's name, never from its arrival.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from etl.contract import DeliveryMode
from etl.delivery import ROW

CHANGE = "_change"  # standard code of what a row of changes does: T new, S update, X delete
SEQUENCE = "_sequence"  # orders the changes to one record within one file
AS_OF = "_as_of"
POSITION = "_position"  # place of the assertion's delivery among all deliveries of the dataset
DELIVERY = "_delivery"
DELETED = "_deleted"


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


def versions(said: pl.DataFrame, key: Sequence[str], content: Sequence[str], mode: DeliveryMode) -> pl.DataFrame:
    """The versions of every record that a set of deliveries speaks of.

    Args:
        said: assertions of whole deliveries (or, except for snapshots, of all deliveries on some keys), with AS_OF,
            POSITION and DELIVERY; the order of rows does not matter beyond one delivery.
        key: columns that name a record.
        content: all columns of a record, the key included.
        mode: snapshot: what a later snapshot does not hold has ended.

    Returns:
        `content`, valid_from, valid_to (null: still valid), opened_by, closed_by. No version is empty in time, and
        two that touch differ in content.
    """
    if mode == "snapshot":
        said = _with_endings(said, key)
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


def classify(
    mine: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame, key: Sequence[str], content: Sequence[str]
) -> dict[str, int]:
    """What one delivery's rows did, given what was said before and after its place in time.

    Args:
        mine: the delivery's assertions, one a record.
        before: assertions of deliveries with an earlier position, the last one of each record.
        after: assertions of deliveries with a later position.
        key: columns that name a record.
        content: all columns of a record, the key included.

    Returns:
        Numbers of rows: inserted, changed, unchanged, superseded; and ended, the deletions among the changed.
    """
    current = mine.join(after, on=key, how="anti", nulls_equal=True)
    pairs = current.join(
        before.select(*content, DELETED), on=key, how="left", nulls_equal=True, suffix="_before", coalesce=True
    )
    others = [c for c in content if c not in key]
    differs = (
        pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c}_before")) for c in others) if others else pl.lit(False)
    )
    existed = (~pl.col(f"{DELETED}_before")).fill_null(False)
    counts = pairs.select(
        inserted=(~existed & ~pl.col(DELETED)).sum(),
        changed=(existed & (pl.col(DELETED) | differs)).sum(),
        ended=(existed & pl.col(DELETED)).sum(),
    ).row(0, named=True)
    return {
        **counts,
        "unchanged": current.height - counts["inserted"] - counts["changed"],
        "superseded": mine.height - current.height,
    }


def _with_endings(said: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Add, for every snapshot, the records of the one before that it lacks; drop snapshots that a revision replaced."""
    snapshots = said.select(AS_OF, POSITION, DELIVERY).unique().sort(POSITION).unique(AS_OF, keep="last").sort(POSITION)
    parts: list[pl.DataFrame] = []
    previous: pl.DataFrame | None = None
    for as_of, position, delivery in snapshots.iter_rows():
        snapshot = said.filter(pl.col(POSITION) == position)
        parts.append(snapshot)
        if previous is not None:
            ended = previous.join(snapshot, on=key, how="anti", nulls_equal=True)
            parts.append(
                ended.with_columns(
                    pl.lit(as_of).alias(AS_OF),
                    pl.lit(position, said.schema[POSITION]).alias(POSITION),
                    pl.lit(delivery).alias(DELIVERY),
                    pl.lit(True).alias(DELETED),
                )
            )
        previous = snapshot
    return pl.concat(parts) if parts else said
