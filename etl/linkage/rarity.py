"""How rare a name is: two who say a name that few have are likelier one person than two who say one that many have.

A level weighs what it weighs for a usual name. To this come bits, positive for a rarer name and negative for a more
frequent one: by how many powers of two fewer strangers than usual would agree in it. How many have a name is learnt
once with the model, of those who are settled, and kept with it, so that a day changes no weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2
from typing import Any

import polars as pl

from etl.linkage import levels
from etl.linkage.declared import Linkage
from etl.linkage.levels import Level

IN_MODEL = "rarity"  # what a model calls it
_KEPT = 20  # who must have a name for it to be kept by itself: of fewer the model tells nobody anything
_BITS = "_bits"  # behind the name of a form


def learnt(profiles: pl.DataFrame, linkage: Linkage) -> dict[str, Any]:
    """How rare each value is that records can share.

    Args:
        profiles: one row a settled person, with the forms in which fields are compared.
        linkage: what is declared.

    Returns:
        By form: bits of each value that many have (`of`), and of all others (`other`).
    """
    return {form: _of(profiles[form].drop_nulls()) for form in _forms(linkage)}


def _of(values: pl.Series) -> dict[str, Any]:
    counts = values.value_counts().sort(values.name)
    often = counts.filter(pl.col("count") >= _KEPT)
    usual = _met(counts["count"])
    return {
        "of": {value: round(log2(usual / count), 2) for value, count in often.iter_rows()},
        "other": round(log2(usual / _met(counts.filter(pl.col("count") < _KEPT)["count"])), 2),
    }


def _met(counts: pl.Series) -> float:
    """How many have the same value as somebody whom one meets."""
    of = counts.to_numpy().astype(float)
    return float(of @ of / of.sum()) if len(of) else 1.0


def columns(linkage: Linkage) -> list[str]:
    """The columns that say how rare a record's values are."""
    return [form + _BITS for form in _forms(linkage)]


def told(profiles: pl.DataFrame, linkage: Linkage, rarity: dict[str, Any]) -> pl.DataFrame:
    """Profiles with these columns: bits; null where a record has no such value."""
    return profiles.with_columns(
        pl.when(pl.col(form).is_not_null())
        .then(pl.col(form).replace_strict(rarity[form]["of"], default=rarity[form]["other"], return_dtype=pl.Float64))
        .alias(form + _BITS)
        for form in _forms(linkage)
    )


def bits(of: Sequence[Level], agree: Callable[[int], str]) -> str:
    """SQL of the bits that come to the weight of a field: of two records, `_l` and `_r`.

    Args:
        of: the field's levels.
        agree: a condition that both agree at the level of this place.
    """
    shared = " ".join(
        f"WHEN {agree(place)} THEN coalesce(least({level.shares}{_BITS}_l, {level.shares}{_BITS}_r), 0)"
        for place, level in enumerate(of)
        if level.shares
    )
    return f"CASE {shared} ELSE 0 END" if shared else "0"


def _forms(linkage: Linkage) -> list[str]:
    """The forms that agreeing records share."""
    of = (level.shares for field, kind in linkage.comparisons.items() for level in levels.of(field, kind))
    return [*dict.fromkeys(form for form in of if form)]
