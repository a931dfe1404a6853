"""How agencies write names and births, learnt from records of which nobody says whose they are."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import polars as pl
from splink import block_on

from etl.linkage import levels
from etl.linkage.candidates import NONE, Settings, in_question, linker_of, new_database
from etl.linkage.declared import Linkage
from etl.linkage.profiles import as_compared, prepared, profiles_of

_TRAINED_ON = 50_000  # loose ones at most
_PAIRS = 1e6  # of strangers that training looks at
_ROUNDS = 20
_SEED = 1
_LEAST = 1e-5  # probability of a level that training never saw
_UNEXPLAINED = 0.05  # share of loose ones that are no settled person; what estimating it begins with


def made_of(linkage: Linkage) -> str:
    """What changes when a model must be learnt anew."""
    compared = [[field, levels.of(field, kind)] for field, kind in linkage.comparisons.items()]
    return hashlib.sha256(json.dumps([compared, linkage.blocks, NONE]).encode()).hexdigest()


def learnt(rows: pl.DataFrame, linkage: Linkage) -> Settings | None:
    """How agencies write, learnt from records of which nobody says whose they are.

    Args:
        rows: as `etl.linkage.persons.grouped` gives them.
        linkage: what is declared.

    Returns:
        Settings of splink; None if there is nothing to learn from.
    """
    settled, loose, _ = profiles_of(rows, linkage)
    if settled.is_empty() or loose.is_empty():
        return None
    loose = loose.sample(min(_TRAINED_ON, loose.height), seed=_SEED)
    settled, loose = (as_compared(prepared(profiles, None, [], linkage)[0], linkage) for profiles in (settled, loose))
    with new_database() as database:
        linker = linker_of(database, _declared(linkage, settled.height), settled, loose)
        linker.training.estimate_u_using_random_sampling(max_pairs=_PAIRS, seed=_SEED)
        model = _begun(linker.misc.save_model_to_json())
    with in_question(settled, loose, model, with_levels=True) as database:
        candidates = database.sql("SELECT * FROM candidate ORDER BY one, other").pl()
    model = _fitted(model, candidates, loose.height)
    # Again: by what was learnt others come into question than by what it began with.
    with in_question(settled, loose, model) as database:
        sums = database.sql("SELECT sum(odds ORDER BY odds) AS all_odds FROM candidate GROUP BY one ORDER BY one").pl()
    return model | {NONE: _share_of_none(sums["all_odds"].to_numpy(), loose.height, _UNEXPLAINED, _ROUNDS)}


def _declared(linkage: Linkage, settled: int) -> Settings:
    """Settings of splink before anything is learnt.

    Args:
        linkage: what is declared.
        settled: persons that a loose one may be, each as likely.
    """
    return {
        "link_type": "link_only",
        "probability_two_random_records_match": 1 / max(settled, 2),
        "comparisons": [_comparison(field, levels.of(field, kind)) for field, kind in linkage.comparisons.items()],
        "blocking_rules_to_generate_predictions": [block_on(*block) for block in linkage.blocks],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
    }


def _comparison(field: str, of: list[levels.Level]) -> Settings:
    null = {
        "sql_condition": f"{field}_l IS NULL OR {field}_r IS NULL",
        "label_for_charts": "absent",
        "is_null_level": True,
    }
    said = [{"sql_condition": level.sql, "label_for_charts": level.name} for level in of]
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
        odds = np.full(len(of), prior)
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
