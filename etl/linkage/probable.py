"""Which records without an identifier are probably whose: splink on DuckDB, by what is declared and what was learnt.

Persons are settled if an identifier or a register says that there is such a one; the others are loose. A loose one is
compared with all settled ones that are near, and each gets odds by Fellegi and Sunter's model. All of them count
against each other, and so does that it is none of them: two persons of one name and birth are not told apart by the
better of two weights. What no settled person explains is compared with its like.
"""

from __future__ import annotations

import json

import polars as pl

from etl.linkage import memory, rarity
from etl.linkage.candidates import NONE, Settings, in_question, new_database, weighed
from etl.linkage.declared import Linkage
from etl.linkage.learning import made_of
from etl.linkage.memory import Compared
from etl.linkage.persons import Probable
from etl.linkage.profiles import as_compared, columns_written, prepared, profiles_of, sharing_a_block

_SURE = 0.999  # least probability of a link of two that no register knows
_FOUND = ("likely", "all_odds")  # what is remembered of a loose one
_PART = 200_000  # loose ones that are compared at once
_LIKELY = 4  # settled ones who are remembered of a loose one
_AGAIN = 0.001  # share of persons who have a second record where one is the rule


def found(
    rows: pl.DataFrame, linkage: Linkage, model: Settings, before: Compared | None = None
) -> tuple[Probable, Compared]:
    """What is probable of loose groups of records, and what was compared for it.

    A loose one is compared again if it is written otherwise than before, or if a settled one has come, gone or changed
    with which it has a block in common: nobody else comes into question for it. The outcome is that of comparing all.

    Args:
        rows: as `etl.linkage.persons.grouped` gives them.
        linkage: what is declared.
        model: what was learnt.
        before: what was compared the last time, by the same model; by default all is compared.
    """
    settled, loose, alike = profiles_of(rows, linkage)
    settled, loose, likely = _likely(settled, loose, linkage, model, before)
    likely = alike.join(likely, left_on="alike", right_on="unique_id").select("group", "dataset", *likely.columns[1:])
    links, review = _told(likely, _taken(rows), model[NONE], linkage)
    explained = pl.concat([links["one"], review["one"]]).unique()
    rest = alike.filter(~pl.col("group").is_in(explained.implode())).join(
        loose.drop(_FOUND), left_on="alike", right_on="unique_id", how="left"
    )
    rest = rest.rename({"group": "unique_id"}).drop("alike", "dataset")
    among = _among(rest, linkage, model, before)
    is_sure = pl.col("probability") >= _SURE
    pairs = among.select("one", "other", "probability")
    probable = Probable(pl.concat([links, pairs.filter(is_sure)]), pl.concat([review, pairs.filter(~is_sure)]))
    compared = Compared(
        settled.drop("unique_id"),
        loose.drop("unique_id"),
        rest.select("record", *columns_written(linkage)),
        among.drop("one", "other"),
    )
    return probable, compared


def way(linkage: Linkage, model: Settings) -> str:
    """A digest of all that comparing follows from, besides the records: see `etl.linkage.memory`."""
    return memory.way(made_of(linkage) + repr(linkage.review) + json.dumps(model, sort_keys=True))


def _likely(
    settled: pl.DataFrame, loose: pl.DataFrame, linkage: Linkage, model: Settings, before: Compared | None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Profiles with the forms in which they are compared; and for each loose one who is likeliest.

    Returns:
        The settled ones; the loose ones with likely and all_odds as in `Compared`; and unique_id (loose), other
        (settled), odds, all_odds.
    """
    written = columns_written(linkage)
    settled, moved = prepared(settled, before and before.settled, ["record", *written], linkage)
    if before is not None:
        gone = before.settled.join(settled, on=["record", *written], how="anti", nulls_equal=True)
        moved = pl.concat([moved, gone], how="diagonal_relaxed")
    loose, new = prepared(loose, before and before.loose, written, linkage)
    is_touched = pl.col("unique_id").is_in(
        pl.concat([new["unique_id"], sharing_a_block(loose, moved, linkage)]).implode()
    )
    touched = loose.filter(is_touched).drop(_FOUND, strict=False)
    parts = [touched] if touched.height <= _PART else touched.iter_slices(_PART)
    found_ = pl.concat(_likely_of(part, settled, linkage, model) for part in parts)
    of = settled.select("record", other="unique_id")
    pairs = found_.explode("likely", empty_as_null=False, keep_nulls=False).unnest("likely")
    pairs = pairs.join(of, on="other", how="left")
    pairs = pairs.sort("unique_id", "odds", "other", descending=[False, True, False])
    found_ = pairs.group_by("unique_id", maintain_order=True).agg(
        pl.struct("record", "odds").alias("likely"), pl.col("all_odds").first()
    )
    told = touched.join(found_, on="unique_id", how="left")
    kept = loose.filter(~is_touched)
    if not kept.is_empty():
        told = pl.concat([told, kept], how="diagonal_relaxed")
        known = kept.select("unique_id", *_FOUND).explode("likely", empty_as_null=False, keep_nulls=False)
        pairs = pl.concat([pairs, known.unnest("likely").join(of, on="record", how="left")], how="diagonal_relaxed")
    return settled, told.sort("unique_id"), pairs.select("unique_id", "other", "odds", "all_odds")


def _likely_of(loose: pl.DataFrame, settled: pl.DataFrame, linkage: Linkage, model: Settings) -> pl.DataFrame:
    """Of loose ones the likeliest settled ones: unique_id, all_odds, likely (a list of other and odds)."""
    near = settled.filter(pl.col("unique_id").is_in(sharing_a_block(settled, loose, linkage).implode()))
    near, loose = (as_compared(profiles, linkage, model[rarity.IN_MODEL]) for profiles in (near, loose))
    with in_question(near, loose, linkage, model) as database:
        # Each sum in one order, so that it is the same to the last bit whenever it is made.
        found_: pl.DataFrame = database.sql(
            "SELECT one AS unique_id, sum(odds ORDER BY odds) AS all_odds,"
            f" arg_max({{'other': other, 'odds': odds}}, {{'odds': odds, 'other': -other}}, {_LIKELY}) AS likely"
            " FROM candidate GROUP BY one"
        ).pl()
    return found_


def _taken(rows: pl.DataFrame) -> pl.DataFrame:
    """In which datasets a settled person has a record that is certain: dataset, other, certain (true)."""
    certain = rows.filter("is_settled").select("dataset", other="group").unique()
    return certain.with_columns(certain=pl.lit(True))


def _told(
    likely: pl.DataFrame, taken: pl.DataFrame, none: float, linkage: Linkage
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Links, and what is to be reviewed: of each loose one the likeliest, with its probability among all.

    Where a person has one record as a rule, another one that is probably theirs counts against this one.

    Args:
        likely: group (loose), its dataset, other (settled), odds, all_odds (of all who come into question).
        taken: dataset, other, certain: who has a record there already.
        none: share of loose ones that are none of the settled.
        linkage: what is declared.
    """

    def probability(odds: str, all_odds: str) -> pl.Expr:
        return pl.col(odds) * (1 - none) / (none + (1 - none) * pl.col(all_odds))

    once = [source.dataset for source in linkage.sources if source.is_once]
    of_one = ("dataset", "other")
    pairs = likely.sort(*of_one, "group").join(taken, on=of_one, how="left", maintain_order="left")
    pairs = pairs.with_columns(alone=probability("odds", "all_odds"))
    others = pl.col("alone").sum().over(of_one) - pl.col("alone") + pl.col("certain").fill_null(False)
    is_free = pl.when(pl.col("dataset").is_in(once)).then((1 - others).clip(_AGAIN, 1)).otherwise(1.0)
    pairs = pairs.with_columns(odds=pl.col("odds") * is_free, lost=pl.col("odds") * (1 - is_free))
    pairs = pairs.sort("group", "odds", "other", descending=[False, True, False])
    pairs = pairs.with_columns(all_odds=pl.col("all_odds") - pl.col("lost").sum().over("group"))
    best = pairs.unique("group", keep="first", maintain_order=True)
    best = best.select(one="group", other="other", probability=probability("odds", "all_odds"))
    is_link = pl.col("probability") >= linkage.link
    return best.filter(is_link), best.filter(~is_link & (pl.col("probability") >= linkage.review))


def _among(rest: pl.DataFrame, linkage: Linkage, model: Settings, before: Compared | None) -> pl.DataFrame:
    """Which of those whom no settled person explains are probably one.

    Returns:
        one, other, one_record, other_record, probability.
    """
    new = rest
    if before is not None:
        new = rest.join(before.rest, on=["record", *columns_written(linkage)], how="anti", nulls_equal=True)
    compared = rest.filter(pl.col("unique_id").is_in(sharing_a_block(rest, new, linkage).implode()))
    pairs = pl.DataFrame(schema={"one": pl.Int64, "other": pl.Int64, "probability": pl.Float64})
    if compared.height > 1:
        likely = model | {"link_type": "dedupe_only"}
        with new_database() as database:
            near = weighed(database, linkage, likely, as_compared(compared, linkage, model[rarity.IN_MODEL]))
            pairs = database.sql(
                f"SELECT unique_id_l AS one, unique_id_r AS other, odds / (1 + odds) AS probability"
                f" FROM {near} WHERE probability >= {linkage.review}"
            ).pl()
    new_ones = new["unique_id"].implode()
    pairs = pairs.filter(pl.col("one").is_in(new_ones) | pl.col("other").is_in(new_ones))
    of = rest.select("unique_id", "record")
    for side in ("one", "other"):
        pairs = pairs.join(of.rename({"unique_id": side, "record": f"{side}_record"}), on=side, how="left")
    if before is not None:
        kept, of = before.among, of.filter(~pl.col("unique_id").is_in(new_ones))
        for side in ("one", "other"):
            kept = kept.join(of.rename({"unique_id": side, "record": f"{side}_record"}), on=f"{side}_record")
        pairs = pl.concat([pairs, kept], how="diagonal_relaxed")
    return pairs.select("one", "other", "one_record", "other_record", "probability").sort("one", "other")
