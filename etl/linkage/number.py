"""A person's number: it follows from the records, and stays.

Each record has a token: of a person whose id is believed, it is made of the id, so that all records with that id have
the same one; else of the record itself, by dataset and key. A person's number is the token of the record that came
first, by the moment at which the first delivery that speaks of it arrived, which is written down once and for all.

So it does not depend on the order in which deliveries are worked off; a late delivery brings records that came later,
and changes no number; if the delivery of the first record is withdrawn, the others with the id keep the number. Where
two persons become one, the older number stays; where one becomes two, it stays with its record. A person who was known
without an id, by a record that is withdrawn, has the next one's number from then on.
"""

from __future__ import annotations

import base64
import hashlib

import polars as pl

RECORD = ("dataset", "role", "key")
PAIR = tuple(f"{side}_{part}" for side in ("one", "other") for part in RECORD)  # of records


def numbers(records: pl.DataFrame, secret: bytes) -> pl.Series:
    """The number of each record's person.

    Args:
        records: RECORD, known_since (when the first delivery that speaks of it arrived), anchor (the id that is
            believed, or null) and person (any number that records of one person have in common, and no others).
        secret: without which nobody can find an id by trying all.
    """
    order = records.with_row_index("row").sort("known_since", *RECORD)
    first = order.unique("person", keep="first", maintain_order=True)
    own = _tokens(first.select(pl.concat_str(*RECORD, separator="\x1f")).to_series(), "record", secret)
    of_id = _tokens(first["anchor"], "id", secret)
    first = first.with_columns(own.alias("own"), of_id.alias("of_id"))
    # Should two persons be known by one id, it names the one whose record came first.
    is_first_of_id = pl.col("of_id").is_first_distinct() & pl.col("of_id").is_not_null()
    first = first.select("person", number=pl.when(is_first_of_id).then("of_id").otherwise("own"))
    return records.select("person").join(first, on="person", how="left", maintain_order="left")["number"]


def _tokens(said: pl.Series, what: str, secret: bytes) -> pl.Series:
    made = [None if text is None else _token(f"{what}\x1f{text}", secret) for text in said]
    return pl.Series(made, dtype=pl.String)


def _token(said: str, secret: bytes) -> str:
    digest = hashlib.blake2b(said.encode(), key=secret, digest_size=10).digest()
    return "P" + base64.b32encode(digest).decode()


def changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """What became of persons: which numbers of before their records have now, where another is among them.

    Args:
        before: RECORD and person, its number.
        after: the same, later.

    Returns:
        person, became, records, and kind: merged (all of its records went to one other), split (some did).
    """
    both = before.join(after, on=list(RECORD), suffix="_now")
    moved = both.group_by("person", became="person_now").agg(records=pl.len()).sort("person", "became")
    kind = pl.when(pl.len().over("person") == 1).then(pl.lit("merged")).otherwise(pl.lit("split"))
    return moved.with_columns(kind=kind).filter(pl.col("person") != pl.col("became"))
