"""Who is who: from the records that name persons to a number for each, and to what a person must decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from etl.linkage import certain, number
from etl.linkage.declared import Linkage
from etl.linkage.number import PAIR, RECORD


class Linked(NamedTuple):
    """Who is who.

    Attributes:
        records: RECORD, person (its number), reason, probability, known_since.
        review: PAIR, probability: what a person must decide.
    """

    records: pl.DataFrame
    review: pl.DataFrame


class Probable(NamedTuple):
    """What is probable.

    Attributes:
        links: one and other (groups), probability: so probable that nobody looks at it.
        review: the same, of what a person must decide.
    """

    links: pl.DataFrame
    review: pl.DataFrame


Compare = Callable[[pl.DataFrame], Probable]
_PAIRS = {"one": pl.Int64, "other": pl.Int64, "probability": pl.Float64}


def nothing_probable(_: pl.DataFrame) -> Probable:
    """Links by identifiers alone."""
    return Probable(pl.DataFrame(schema=_PAIRS), pl.DataFrame(schema=_PAIRS))


def linked(
    records: pl.DataFrame, linkage: Linkage, decisions: pl.DataFrame, secret: bytes, compare: Compare = nothing_probable
) -> Linked:
    """Who is who.

    Args:
        records: as `etl.linkage.evidence.records` gives them.
        linkage: what is declared.
        decisions: PAIR, is_same; one row a pair.
        secret: of the installation, for numbers.
        compare: finds what is probable among groups of records (see `grouped`).
    """
    grouped_ = grouped(records, linkage)
    found = compare(grouped_)
    decided = _decided(grouped_, decisions)
    links = _allowed(found.links, decided)
    same = decided.filter("is_same")
    joined = pl.concat([links.select("one", "other"), same.select("one", "other")])
    group = grouped_["group"].to_numpy()
    person = certain.components(grouped_.height, joined["one"].to_numpy(), joined["other"].to_numpy())[group]
    rows = grouped_.with_columns(pl.Series("person", person)).join(
        links.group_by(group="one").agg(pl.col("probability").max()), on="group", how="left", maintain_order="left"
    )
    is_decided = pl.col("group").is_in(pl.concat([same["one"], same["other"]]).unique().implode())
    is_probable = pl.col("probability").is_not_null()
    reason = pl.when(is_decided).then(pl.lit("decided")).when(is_probable).then(pl.lit("probable"))
    rows = rows.with_columns(
        reason=pl.coalesce("reason", reason.otherwise(pl.lit("alone"))),
        probability=pl.col("probability").fill_null(1.0),
        person=number.numbers(rows, secret),
    )
    return Linked(
        rows.select(*RECORD, "person", "reason", "probability", "known_since"),
        _to_review(grouped_, _allowed(found.review, decided), rows["person"]),
    )


def grouped(records: pl.DataFrame, linkage: Linkage) -> pl.DataFrame:
    """Records with what is certain of them: see `certain.groups`.

    `is_settled` says of whom it is known that there is such a person: by a register, or by records of two datasets.
    """
    rows = records.sort(*RECORD)
    rows = rows.hstack(certain.groups(rows, linkage.identifiers))
    is_known = (pl.col("is_register") & ~pl.col("is_refused")).any() | (pl.col("dataset").n_unique() > 1)
    return rows.with_columns(is_settled=is_known.over("group"))


def _decided(rows: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Decisions on groups: one, other, is_same. A record that is no more has none."""
    of = rows.select(*RECORD, "group")
    made = decisions.select(*PAIR, "is_same")
    for side in ("one", "other"):
        names = {part: f"{side}_{part}" for part in RECORD}
        made = made.join(of.rename(names | {"group": side}), on=list(names.values()))
    return made.select("one", "other", "is_same")


def _allowed(pairs: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """Pairs of groups without those on which a person has decided."""
    both = pl.concat([decided.select("one", "other"), decided.select(one="other", other="one")]).unique()
    return pairs.join(both, on=["one", "other"], how="anti")


def _to_review(rows: pl.DataFrame, pairs: pl.DataFrame, person: pl.Series) -> pl.DataFrame:
    """Pairs of groups as pairs of records: of each group the one that is believed most."""
    numbered = rows.with_columns(person)
    first = numbered.sort("trust", *RECORD).unique("group", keep="first", maintain_order=True)
    made = pairs
    for side in ("one", "other"):
        names = {part: f"{side}_{part}" for part in RECORD}
        of = first.select(pl.col("group").alias(side), *RECORD, pl.col("person").alias(f"{side}_person")).rename(names)
        made = made.join(of, on=side)
    return made.filter(pl.col("one_person") != pl.col("other_person")).select(*PAIR, "probability")
