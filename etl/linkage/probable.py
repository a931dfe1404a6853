"""Which records without an identifier are probably whose: splink on DuckDB, by what is declared and what was learnt.

Persons are settled if an identifier or a register says that there is such a one; the others are loose. A loose one is
compared with all settled ones that are near, and each gets odds by Fellegi and Sunter's model. All of them count
against each other, and so does that it is none of them: two persons of one name and birth are not told apart by the
better of two weights. What no settled person explains is compared with its like.
"""

from __future__ import annotations

import json

import polars as pl

from etl.linkage import memory
from etl.linkage.candidates import NONE, Settings, in_question, linker_of, new_database
from etl.linkage.declared import Linkage
from etl.linkage.learning import made_of
from etl.linkage.memory import Compared
from etl.linkage.persons import Probable
from etl.linkage.profiles import as_compared, columns_written, prepared, profiles_of, sharing_a_block

_SURE = 0.999  # least probability of a link of two that no register knows
_FOUND = ("best", "odds", "all_odds")  # what is remembered of a loose one


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
    settled, loose = _best(settled, loose, linkage, model, before)
    links, review = (
        alike.join(pairs, left_on="alike", right_on="one").select(one="group", other="other", probability="probability")
        for pairs in _told(loose, model[NONE], linkage)
    )
    explained = pl.concat([links["one"], review["one"]]).unique()
    rest = alike.filter(~pl.col("group").is_in(explained.implode())).join(
        loose.drop("other", *_FOUND), left_on="alike", right_on="unique_id", how="left"
    )
    rest = rest.rename({"group": "unique_id"}).drop("alike")
    among = _among(rest, linkage, model, before)
    is_sure = pl.col("probability") >= _SURE
    pairs = among.select("one", "other", "probability")
    probable = Probable(pl.concat([links, pairs.filter(is_sure)]), pl.concat([review, pairs.filter(~is_sure)]))
    compared = Compared(
        settled.drop("unique_id"),
        loose.drop("unique_id", "other"),
        rest.select("record", *columns_written(linkage)),
        among.drop("one", "other"),
    )
    return probable, compared


def way(linkage: Linkage, model: Settings) -> str:
    """A digest of all that comparing follows from, besides the records: see `etl.linkage.memory`."""
    return memory.way(made_of(linkage) + repr(linkage.review) + json.dumps(model, sort_keys=True))


def _best(
    settled: pl.DataFrame, loose: pl.DataFrame, linkage: Linkage, model: Settings, before: Compared | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Profiles with the forms in which they are compared; of each loose one who is likeliest, as it is remembered.

    Returns:
        The settled ones; and the loose ones with other, and with best, odds and all_odds as in `Compared`.
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
    near = settled.filter(pl.col("unique_id").is_in(sharing_a_block(settled, touched, linkage).implode()))
    with in_question(as_compared(near, linkage), as_compared(touched, linkage), model) as database:
        # Each sum in one order, so that it is the same to the last bit whenever it is made.
        best: pl.DataFrame = database.sql(
            "SELECT one, arg_max(other, {'odds': odds, 'other': -other}) AS other, max(odds) AS odds,"
            " sum(odds ORDER BY odds) AS all_odds FROM candidate GROUP BY one"
        ).pl()
    of = settled.select("record", "unique_id")
    best = best.join(of.rename({"record": "best", "unique_id": "other"}), on="other", how="left")
    told = touched.join(best, left_on="unique_id", right_on="one", how="left")
    kept = loose.filter(~is_touched)
    if not kept.is_empty():
        kept = kept.join(of.rename({"record": "best", "unique_id": "other"}), on="best", how="left")
        told = pl.concat([told, kept], how="diagonal_relaxed")
    return settled, told.sort("unique_id")


def _told(loose: pl.DataFrame, none: float, linkage: Linkage) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Links, and what is to be reviewed: of each loose one the likeliest, with its probability among all.

    Args:
        loose: unique_id, other (the likeliest settled), odds (its), all_odds; null where nobody comes into question.
        none: share of loose ones that are none of the settled.
        linkage: what is declared.
    """
    probability = pl.col("odds") * (1 - none) / (none + (1 - none) * pl.col("all_odds"))
    best = loose.filter(pl.col("other").is_not_null()).select("other", one="unique_id", probability=probability)
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
        with new_database() as database:
            linker = linker_of(database, model | {"link_type": "dedupe_only"}, as_compared(compared, linkage))
            likely = linker.inference.predict(threshold_match_probability=linkage.review, warning_mode="never")
            pairs = database.sql(
                f"SELECT unique_id_l AS one, unique_id_r AS other, match_probability AS probability"
                f" FROM {likely.physical_name}"
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
