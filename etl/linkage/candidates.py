"""Who comes into question for whom, by splink on DuckDB: all that knows of these two."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
from splink import Linker
from splink.backends.duckdb import DuckDBAPI

Settings = dict[str, Any]
NONE = "share_of_none"  # in a model: of loose ones, those who are none of the settled
_LEAST_WEIGHT = -7.0  # bits; what has less does not come into question
_RETAIN = ("retain_matching_columns", "retain_intermediate_calculation_columns")  # both, or no levels are given
_MEMORY = "2GB"  # of DuckDB; beyond it works on disk


@contextmanager
def new_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of DuckDB that is gone afterwards."""
    with TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "linkage.duckdb")) as database:
        database.execute(
            f"SET memory_limit = '{_MEMORY}'; SET preserve_insertion_order = false; SET enable_progress_bar = false"
        )
        yield database


def linker_of(database: duckdb.DuckDBPyConnection, settings: Settings, *tables: pl.DataFrame) -> Linker:
    """Splink, with these settings and tables: the settled ones, if there are any, before the loose."""
    api = DuckDBAPI(database)
    settings = {name: value for name, value in settings.items() if name != NONE}
    names = ("settled", "loose")[-len(tables) :]
    registered = [api.register(t.to_arrow(), dataset_display_name=n) for t, n in zip(tables, names, strict=True)]
    return Linker(registered, settings, log_level=logging.ERROR)


@contextmanager
def in_question(
    settled: pl.DataFrame, loose: pl.DataFrame, model: Settings, *, with_levels: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with a table `candidate`: who comes into question for whom.

    Its columns are one (loose), other (settled) and odds; with_levels also the level of each comparison.
    """
    with new_database() as database:
        if settled.is_empty() or loose.is_empty():
            database.execute("CREATE TABLE candidate (one BIGINT, other BIGINT, odds DOUBLE)")
        else:
            linker = linker_of(database, model | dict.fromkeys(_RETAIN, with_levels), settled, loose)
            pairs = linker.inference.predict(threshold_match_weight=_LEAST_WEIGHT, warning_mode="never")
            is_loose = "source_dataset_l = 'loose'"
            gammas = "".join(f", gamma_{c['output_column_name']}" for c in model["comparisons"] if with_levels)
            database.execute(
                f"CREATE TEMP VIEW candidate AS SELECT pow(2, match_weight) AS odds{gammas},"
                f" CASE WHEN {is_loose} THEN unique_id_l ELSE unique_id_r END AS one,"
                f" CASE WHEN {is_loose} THEN unique_id_r ELSE unique_id_l END AS other FROM {pairs.physical_name}"
            )
        yield database
