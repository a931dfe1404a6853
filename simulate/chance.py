"""Chance: a generator for each thing that it decides and each day, so that one more thing changes nothing else."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import polars as pl


def generator(seed: int, what: str, day: int = 0) -> np.random.Generator:
    """The generator of one thing.

    Args:
        seed: of the city.
        what: what it decides, as `households`.
        day: number of the day; 0 before the first.
    """
    return np.random.default_rng([seed, zlib.crc32(what.encode()), day])


def some(rng: np.random.Generator, rows: pl.DataFrame, share: float, least: int = 0) -> pl.DataFrame:
    """A share of some rows, drawn by chance; `least` of them as far as there are."""
    n = min(max(int(rng.poisson(share * rows.height)), least), rows.height)
    return rows[np.sort(rng.choice(rows.height, n, replace=False))]


def parted(rng: np.random.Generator, rows: pl.DataFrame, *wanted: tuple[float, int]) -> list[pl.DataFrame]:
    """Parts of some rows, drawn by chance, of which no two share a row, and at last those that are left.

    Args:
        rng: source of chance.
        rows: all of them.
        wanted: for each part its share of the rows, and how many at least, as far as there are.
    """
    order, made = rng.permutation(rows.height), []
    for share, least in wanted:
        n = max(int(rng.poisson(share * rows.height)), least)
        made.append(rows[np.sort(order[:n])])
        order = order[n:]
    return [*made, rows[np.sort(order)]]


def days_before(rng: np.random.Generator, day: np.datetime64, at_most: int, n: int) -> np.ndarray:
    """Some days of those before one."""
    return day - rng.integers(1, at_most + 1, n).astype("timedelta64[D]")


def told_of(seed: int, to_whom: str, happened: pl.DataFrame, delays: Sequence[int], never: float = 0.0) -> pl.DataFrame:
    """What happened, with the day on which somebody is told of it; later happenings change nothing of earlier ones.

    Args:
        seed: of the city.
        to_whom: and of what, as `deaths to the police`.
        happened: with the day of each.
        delays: days that it takes, each as likely.
        never: share that is never told.
    """
    chance = generator(seed, to_whom).random((happened.height, 2))
    delay = pl.Series(np.array(delays)[(chance[:, 0] * len(delays)).astype(int)])
    return happened.with_columns(told=pl.col("day") + pl.duration(days=pl.lit(delay))).filter(
        pl.Series(chance[:, 1] >= never)
    )
