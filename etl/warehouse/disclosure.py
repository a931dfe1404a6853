"""Disclosure control: which cells of a table of counts and sums would tell of single persons, and are not shown.

A cell that is built on few persons is hidden, and where it would be alone within a total, a second one with it:
otherwise the total less the others would give it back. Rules O2 and O3 of the city's draft on sharing, whose thresholds
are illustrative: ten persons, twenty for health, violations and assistance; three taxpayers, none with more than 80 %
of an amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Cells:
    """Columns of a table that are hidden together.

    Attributes:
        columns: what is hidden.
        persons: the column that counts the persons on whom these are built; null where nobody has counted them.
        at_least: persons; a cell of fewer is hidden, but for one of none, which tells of nobody.
        margins: for each total that somebody may know, the columns that its cells have in common; none for the grand
            total.
        share: the column with the largest share that one person has in the amounts, from 0 to 1; None if there is none.
        at_most: such a share; a cell with a larger one is hidden.
    """

    columns: list[str]
    persons: str
    at_least: int
    margins: list[list[str]] = field(default_factory=lambda: [[]])
    share: str | None = None
    at_most: float = 0.8


def hidden(table: pl.DataFrame, cells: Cells) -> pl.Series:
    """Which rows of a table must not show some cells.

    Args:
        table: the columns that `cells` names, one row a cell.
        cells: about which ones.
    """
    persons = pl.col(cells.persons).fill_null(0)
    is_few = (persons > 0) & (persons < cells.at_least)
    if cells.share:
        is_few |= (persons > 0) & (pl.col(cells.share) > cells.at_most)
    # Of those that may be hidden too, the smallest: it costs the least. A cell of nobody hides nothing.
    rows = table.with_columns(is_few.alias("_hidden"), pl.when(persons > 0).then(persons).alias("_size"))
    while True:
        alone = pl.any_horizontal(_next_to_one_alone(margin) for margin in cells.margins)
        more = rows.select("_hidden" | alone).to_series()
        if (more == rows["_hidden"]).all():
            return more.alias("hidden")
        rows = rows.with_columns(more.alias("_hidden"))


def _next_to_one_alone(margin: Sequence[str]) -> pl.Expr:
    """The smallest cell that is shown, of a total in which one cell alone is hidden."""
    of: list[str] | pl.Expr = list(margin) or pl.lit(0)
    is_alone = pl.col("_hidden").sum().over(of) == 1
    size = pl.when(~pl.col("_hidden")).then(pl.col("_size"))
    return (is_alone & (size.rank("ordinal").over(of) == 1)).fill_null(False)
