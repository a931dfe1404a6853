"""Which records without an identifier are probably whose: splink on DuckDB, by what is declared and what was learnt.

Persons are settled if an identifier or a register says that there is such a one; the others are loose. A loose one is
compared with all settled ones that are near, and each gets odds by Fellegi and Sunter's model. All of them count
against each other, and so does that it is none of them: two persons of one name and birth are not told apart by the
better of two weights. What no settled person explains is compared with its like.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import polars as pl
from splink import Linker, block_on
from splink.backends.duckdb import DuckDBAPI

from etl.linkage import levels, memory, rarity
from etl.linkage.declared import BIRTH, Field, Linkage
from etl.linkage.memory import Compared
from etl.linkage.number import RECORD
from etl.linkage.persons import Probable

Settings = dict[str, Any]
_LEAST_WEIGHT = -7.0  # bits; what has less does not come into question
_SURE = 0.999  # least probability of a link of two that no register knows
_TRAINED_ON = 50_000  # loose ones at most
_PAIRS = 1e6  # of strangers that training looks at
_ROUNDS = 20
_SEED = 1
_LEAST = 1e-5  # probability of a level that training never saw
_UNEXPLAINED = 0.05  # share of loose ones that are no settled person; what estimating it begins with
_NONE = "share_of_none"  # in a model: of loose ones, those who are none of the settled
_FOUND = ("likely", "all_odds")  # what is remembered of a loose one
_PART = 300_000  # loose ones that are compared at once
_LIKELY = 4  # settled ones who are remembered of a loose one
_AGAIN = 0.001  # share of persons who have a second record where one is the rule
_OF = "\x1f"  # between the parts of a record's name
_MEMORY = "2GB"  # of DuckDB; beyond it works on disk


def made_of(linkage: Linkage) -> str:
    """What changes when a model must be learnt anew."""
    compared = [[f, levels.absent(f, kind), levels.of(f, kind)] for f, kind in linkage.comparisons.items()]
    return hashlib.sha256(json.dumps([compared, linkage.blocks, _NONE]).encode()).hexdigest()


def learnt(rows: pl.DataFrame, linkage: Linkage) -> Settings | None:
    """How agencies write, learnt from records of which nobody says whose they are.

    Args:
        rows: as `etl.linkage.persons.grouped` gives them.
        linkage: what is declared.

    Returns:
        Settings of splink; None if there is nothing to learn from.
    """
    settled, loose, _ = _profiles(rows, linkage)
    if settled.is_empty() or loose.is_empty():
        return None
    loose = loose.sample(min(_TRAINED_ON, loose.height), seed=_SEED)
    settled, loose = (_prepared(profiles, None, [], linkage)[0] for profiles in (settled, loose))
    rare = rarity.learnt(settled, linkage)
    settled, loose = (_compared(profiles, linkage, rare) for profiles in (settled, loose))
    with _database() as database:
        linker = _linker(database, _declared(linkage, settled.height), settled, loose)
        linker.training.estimate_u_using_random_sampling(max_pairs=_PAIRS, seed=_SEED)
        model = _begun(linker.misc.save_model_to_json()) | {rarity.IN_MODEL: rare}
    with _candidates(settled, loose, linkage, model, with_levels=True) as database:
        candidates = database.sql("SELECT * FROM candidate ORDER BY one, other").pl()
    model = _fitted(model, candidates, loose.height)
    # Again: by what was learnt others come into question than by what it began with.
    with _candidates(settled, loose, linkage, model) as database:
        sums = database.sql("SELECT sum(odds ORDER BY odds) AS all_odds FROM candidate GROUP BY one ORDER BY one").pl()
    return model | {_NONE: _share_of_none(sums["all_odds"].to_numpy(), loose.height, _UNEXPLAINED, _ROUNDS)}


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
    settled, loose, alike = _profiles(rows, linkage)
    settled, loose, likely = _likely(settled, loose, linkage, model, before)
    likely = alike.join(likely, left_on="alike", right_on="unique_id").select("group", "dataset", *likely.columns[1:])
    links, review = _told(likely, _taken(rows), model[_NONE], linkage)
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
        rest.select("record", *_written(linkage)),
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
    written = _written(linkage)
    settled, moved = _prepared(settled, before and before.settled, ["record", *written], linkage)
    if before is not None:
        gone = before.settled.join(settled, on=["record", *written], how="anti", nulls_equal=True)
        moved = pl.concat([moved, gone], how="diagonal_relaxed")
    loose, new = _prepared(loose, before and before.loose, written, linkage)
    is_touched = pl.col("unique_id").is_in(pl.concat([new["unique_id"], _near(loose, moved, linkage)]).implode())
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
    near = settled.filter(pl.col("unique_id").is_in(_near(settled, loose, linkage).implode()))
    near, loose = (_compared(profiles, linkage, model[rarity.IN_MODEL]) for profiles in (near, loose))
    with _candidates(near, loose, linkage, model) as database:
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


def _written(linkage: Linkage) -> list[str]:
    """The columns of a profile that say what was written."""
    return [name for f in linkage.comparisons for name in ([f, f"{BIRTH}_precision"] if f == BIRTH else [f])]


def _compared(profiles: pl.DataFrame, linkage: Linkage, rare: Settings) -> pl.DataFrame:
    """Profiles as splink takes them."""
    forms = [form for field, kind in linkage.comparisons.items() for form in levels.columns(field, kind)]
    columns = dict.fromkeys(["unique_id", *_written(linkage), *forms, *rarity.columns(linkage)])
    return rarity.told(profiles, linkage, rare).select(*columns)


def _prepared(
    profiles: pl.DataFrame, before: pl.DataFrame | None, same: list[str], linkage: Linkage
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Profiles with the forms in which they are compared and with what else is remembered of them; and the new ones.

    Args:
        profiles: what is written.
        before: those of the last time, with their forms.
        same: columns in which a profile is as the last time.
        linkage: what is declared.
    """
    new = profiles if before is None else profiles.join(before, on=same, how="anti", nulls_equal=True)
    for field, kind in linkage.comparisons.items():
        new = levels.prepared(new, field, kind)
    if before is None:
        return new, new
    known = profiles.join(before, on=same, how="inner", nulls_equal=True)
    return pl.concat([known, new], how="diagonal_relaxed").sort("unique_id"), new


def _near(profiles: pl.DataFrame, others: pl.DataFrame, linkage: Linkage) -> pl.Series:
    """Which profiles have a block in common with any of others."""
    found_ = [profiles.join(others, on=list(block), how="semi")["unique_id"] for block in linkage.blocks]
    return pl.concat(found_).unique()


def _profiles(rows: pl.DataFrame, linkage: Linkage) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """One row a group: settled ones, loose ones, and which loose ones are written alike and so compared as one.

    A group says of each field what the record says that is believed most.
    """
    order = rows.select("group", "trust").with_row_index("row").sort("group", "trust", "row")["row"]
    of = rows["group"].gather(order)
    made = rows.select(unique_id="group", is_settled="is_settled").unique("unique_id").sort("unique_id")
    for field in linkage.comparisons:
        columns = [field, f"{BIRTH}_precision"] if field == BIRTH else [field]
        said = rows.select(columns).select(pl.all().gather(order)).with_columns(of.alias("unique_id"))
        said = said.filter(pl.col(field).is_not_null()).unique("unique_id", keep="first", maintain_order=True)
        made = made.join(said, on="unique_id", how="left", maintain_order="left")
    # A group is numbered by the first of its rows, which stand in the order of their records.
    record = rows.select(RECORD).select(pl.all().gather(made["unique_id"])).select(pl.concat_str(RECORD, separator=_OF))
    made = made.with_columns(record.to_series().alias("record"))
    settled, loose = (made.filter(is_it).drop("is_settled") for is_it in (pl.col("is_settled"), ~pl.col("is_settled")))
    dataset = rows["dataset"].gather(loose["unique_id"])
    alike = loose.select(
        "record", dataset, group="unique_id", alike=pl.col("unique_id").first().over(_written(linkage))
    )
    return settled, loose.filter(alike["alike"] == alike["group"]).drop("record"), alike


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    with TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "linkage.duckdb")) as database:
        database.execute(
            f"SET memory_limit = '{_MEMORY}'; SET preserve_insertion_order = false; SET enable_progress_bar = false"
        )
        yield database


def _linker(database: duckdb.DuckDBPyConnection, settings: Settings, *tables: pl.DataFrame) -> Linker:
    api = DuckDBAPI(database)
    settings = {name: value for name, value in settings.items() if name not in (_NONE, rarity.IN_MODEL)}
    names = ("settled", "loose")[-len(tables) :]
    registered = [api.register(t.to_arrow(), dataset_display_name=n) for t, n in zip(tables, names, strict=True)]
    return Linker(registered, settings, log_level=logging.ERROR)


def _declared(linkage: Linkage, settled: int) -> Settings:
    """Settings of splink before anything is learnt.

    Args:
        linkage: what is declared.
        settled: persons that a loose one may be, each as likely.
    """
    return {
        "link_type": "link_only",
        "probability_two_random_records_match": 1 / max(settled, 2),
        "comparisons": [_comparison(field, kind) for field, kind in linkage.comparisons.items()],
        "blocking_rules_to_generate_predictions": [block_on(*block) for block in linkage.blocks],
        "additional_columns_to_retain": rarity.columns(linkage),
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
    }


def _fields(model: Settings) -> list[Field]:
    return [comparison["output_column_name"] for comparison in model["comparisons"]]


def _comparison(field: str, kind: levels.Kind) -> Settings:
    null = {
        "sql_condition": levels.absent(field, kind),
        "label_for_charts": "absent",
        "is_null_level": True,
    }
    said = [{"sql_condition": level.sql, "label_for_charts": level.name} for level in levels.of(field, kind)]
    return {
        "output_column_name": field,
        "comparison_levels": [null, *said, {"sql_condition": "ELSE", "label_for_charts": "differs"}],
    }


def _said(comparison: Settings) -> list[Settings]:
    """The levels of a comparison of two values that are there, as splink numbers them: from the worst, 0."""
    return [level for level in reversed(comparison["comparison_levels"]) if not level.get("is_null_level")]


def _begun(model: Settings) -> Settings:
    """A model that knows how often strangers agree, and guesses how often a person's own records do.

    Comparisons of what no two records have are left out; a level that never occurred is all but impossible.
    """
    kept = [c for c in model["comparisons"] if any(level.get("u_probability") for level in _said(c))]
    for comparison in kept:
        of = _said(comparison)
        for better, level in enumerate(of):
            level["u_probability"] = max(level.get("u_probability") or 0.0, _LEAST)
            level["m_probability"] = 4.0**better / sum(4.0**n for n in range(len(of)))
    return model | {"comparisons": kept}


def _fitted(model: Settings, candidates: pl.DataFrame, loose: int) -> Settings:
    """The model that explains best who comes into question for each loose one, of whom one at most is the person.

    Expectation maximisation. splink's own takes pairs one by one; here they compete, which says what share of them can
    be right: otherwise it finds groups of pairs that are alike in another way, as families.
    """
    levels_ = [_said(comparison) for comparison in model["comparisons"]]
    gammas = [candidates[f"gamma_{c['output_column_name']}"].to_numpy() for c in model["comparisons"]]
    of = candidates["one"].rank("dense").cast(pl.Int64).to_numpy() - 1
    prior, none = model["probability_two_random_records_match"], _UNEXPLAINED
    known = [np.array([[level["m_probability"], level["u_probability"]] for level in said]) for said in levels_]
    for _ in range(_ROUNDS):
        odds = prior * 2.0 ** candidates["bits"].to_numpy()
        for gamma, told in zip(gammas, known, strict=True):
            odds *= np.append(told[:, 0] / told[:, 1], 1.0)[gamma]  # -1, where one is absent, is the last
        sums = np.bincount(of, odds, minlength=0)
        none = _share_of_none(sums, loose, none, rounds=1)
        weight = odds * (1 - none) / (none + (1 - none) * sums[of])
        for gamma, told in zip(gammas, known, strict=True):
            seen = np.bincount(gamma[gamma >= 0], weight[gamma >= 0], minlength=len(told))
            if seen.sum() > 0:
                told[:, 0] = np.maximum(seen / seen.sum(), _LEAST)
    for said, told in zip(levels_, known, strict=True):
        for level, m in zip(said, told[:, 0], strict=True):
            level["m_probability"] = round(float(m), 6)
    return model


def _share_of_none(sums: np.ndarray, loose: int, none: float, rounds: int) -> float:
    """What share of the loose ones are none of the settled.

    Args:
        sums: odds of all who come into question, for each loose one who has any.
        loose: all loose ones.
        none: a first guess.
        rounds: how often to look again.
    """
    for _ in range(rounds):
        none = float((np.sum(none / (none + (1 - none) * sums)) + loose - len(sums)) / loose)
    return none


@contextmanager
def _candidates(
    settled: pl.DataFrame, loose: pl.DataFrame, linkage: Linkage, model: Settings, *, with_levels: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with a table `candidate`: who comes into question for whom.

    Its columns are one (loose), other (settled) and odds; with_levels also the level of each comparison, and the bits
    of what both share.
    """
    with _database() as database:
        if settled.is_empty() or loose.is_empty():
            database.execute("CREATE TABLE candidate (one BIGINT, other BIGINT, odds DOUBLE)")
        else:
            pairs = _weighed(database, linkage, model, settled, loose)
            is_loose = "source_dataset_l = 'loose'"
            levels_ = "".join(f", gamma_{field}" for field in _fields(model) if with_levels)
            database.execute(
                f"CREATE TEMP VIEW candidate AS SELECT odds{', bits' if with_levels else ''}{levels_},"
                f" CASE WHEN {is_loose} THEN unique_id_l ELSE unique_id_r END AS one,"
                f" CASE WHEN {is_loose} THEN unique_id_r ELSE unique_id_l END AS other FROM {pairs}"
            )
        yield database


def _weighed(database: duckdb.DuckDBPyConnection, linkage: Linkage, model: Settings, *tables: pl.DataFrame) -> str:
    """Pairs that have a block in common, as splink gives them, with bits (of what both share) and odds."""
    linker = _linker(database, model | {"retain_matching_columns": True}, *tables)  # or no levels are given
    pairs = linker.inference.predict(threshold_match_weight=_LEAST_WEIGHT, warning_mode="never")
    bits = " + ".join(_bits(field, levels.of(field, linkage.comparisons[field])) for field in _fields(model))
    return f"(SELECT *, {bits} AS bits, pow(2, match_weight + bits) AS odds FROM {pairs.physical_name})"


def _bits(field: Field, of: list[levels.Level]) -> str:
    return rarity.bits(of, lambda place: f"gamma_{field} = {len(of) - place}")


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
        new = rest.join(before.rest, on=["record", *_written(linkage)], how="anti", nulls_equal=True)
    compared = rest.filter(pl.col("unique_id").is_in(_near(rest, new, linkage).implode()))
    pairs = pl.DataFrame(schema={"one": pl.Int64, "other": pl.Int64, "probability": pl.Float64})
    if compared.height > 1:
        likely = model | {"link_type": "dedupe_only"}
        with _database() as database:
            weighed = _weighed(database, linkage, likely, _compared(compared, linkage, model[rarity.IN_MODEL]))
            pairs = database.sql(
                f"SELECT unique_id_l AS one, unique_id_r AS other, odds / (1 + odds) AS probability"
                f" FROM {weighed} WHERE probability >= {linkage.review}"
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
