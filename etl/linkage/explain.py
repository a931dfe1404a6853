"""Why two records are taken for one person, field by field: at which level they agree, and what that weighs."""

from __future__ import annotations

from math import log2
from typing import Any, NamedTuple

import duckdb
import polars as pl

from etl.linkage import levels, rarity
from etl.linkage.declared import Linkage


class Weight(NamedTuple):
    """What one field says.

    Attributes:
        field: which one.
        level: at which both agree, as "marks lost"; "differs" if at none.
        bits: by how many powers of two it makes one person likelier than two; negative: less likely. A rare name that
            both say makes it more than a frequent one.
    """

    field: str
    level: str
    bits: float


def weights(pairs: pl.DataFrame, linkage: Linkage, model: dict[str, Any]) -> list[list[Weight]]:
    """What each field of each pair says; a field that one of both lacks says nothing.

    Args:
        pairs: one row a pair, the fields of the one with `_l` behind their names, those of the other with `_r`.
        linkage: what is declared.
        model: what was learnt, as splink writes it.
    """
    learnt = {comparison["output_column_name"]: comparison["comparison_levels"] for comparison in model["comparisons"]}
    kinds = {field: kind for field, kind in linkage.comparisons.items() if field in learnt}
    both = []
    for side in "lr":
        rows = pairs.select(pl.col(f"^.*_{side}$").name.map(lambda name: name[:-2]))
        for field, kind in linkage.comparisons.items():
            rows = levels.prepared(rows, field, kind)
        rows = rarity.told(rows, linkage, model[rarity.IN_MODEL])
        both.append(rows.rename(lambda name, side=side: f"{name}_{side}"))  # type: ignore[misc]
    chosen = ", ".join(
        f"CASE WHEN {levels.absent(field, kind)} THEN 0 "
        + " ".join(f"WHEN {level.sql} THEN {n}" for n, level in enumerate(levels.of(field, kind), 1))
        + f" ELSE {len(levels.of(field, kind)) + 1} END AS {field}"
        for field, kind in kinds.items()
    )
    rare = ", ".join(
        f"{rarity.bits(levels.of(field, kind), lambda place, field=field: f'{field} = {place + 1}')} AS {field}_bits"  # type: ignore[misc]
        for field, kind in kinds.items()
    )
    if pairs.is_empty() or not chosen:
        return [[] for _ in range(pairs.height)]
    with duckdb.connect() as database:
        database.register("pairs", pl.concat(both, how="horizontal").with_row_index("_at").to_arrow())
        found = database.sql(f"SELECT {chosen}, {rare} FROM pairs ORDER BY _at").pl().rows(named=True)
    return [
        [_weight(field, learnt[field][row[field]], row[f"{field}_bits"]) for field in kinds if row[field]]
        for row in found
    ]


def prior(model: dict[str, Any]) -> float:
    """What is thought of any two records before they are compared, in bits."""
    share: float = model["probability_two_random_records_match"]
    return log2(share / (1 - share))


def of_model(model: dict[str, Any]) -> dict[str, list[Weight]]:
    """What each way of agreeing weighs, field by field, the best first."""
    return {
        comparison["output_column_name"]: [
            _weight(comparison["output_column_name"], level)
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        ]
        for comparison in model["comparisons"]
    }


def _weight(field: str, level: dict[str, Any], rare: float = 0.0) -> Weight:
    return Weight(field, level["label_for_charts"], log2(level["m_probability"] / level["u_probability"]) + rare)
