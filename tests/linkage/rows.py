"""Rows of agencies as linkage takes them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from etl.contract import load_all
from etl.linkage import declared, evidence, learning, persons
from etl.linkage.number import PAIR

LINKAGE = declared.read(load_all())
NO_DECISIONS = pl.DataFrame(schema=dict.fromkeys(PAIR, pl.String) | {"is_same": pl.Boolean})
_TRUST = {source.dataset: place for place, source in reversed(list(enumerate(LINKAGE.sources)))}
_USUAL = {"role": pl.lit(""), "known_since": pl.lit(datetime(2026, 1, 1, tzinfo=UTC))}


def as_records(rows: pl.DataFrame) -> pl.DataFrame:
    """Records as the warehouse holds them; each names one person, and is known since New Year, if it says nothing."""
    return evidence.complete(
        rows.with_columns(
            *(value.alias(name) for name, value in _USUAL.items() if name not in rows.columns),
            is_register=pl.col("dataset") == "police.residents",
            trust=pl.col("dataset").replace_strict(_TRUST),
        )
    )


def learnt(records: pl.DataFrame) -> dict[str, object]:
    """The model that these records teach."""
    model = learning.learnt(persons.grouped(records, LINKAGE), LINKAGE)
    assert model is not None
    return model
