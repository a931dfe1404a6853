"""Yes and no: in the words that a contract names, and in those that everybody uses."""

from __future__ import annotations

import polars as pl

from etl.contract import Column
from etl.datatypes.output import Output, SemanticType, by_distinct

# None of them means anything else in a column of yes and no.
_TRUE = ("true", "t", "yes", "y", "1", "có")
_FALSE = ("false", "f", "no", "n", "0", "không")


def parse_booleans(values: pl.Series, column: Column) -> pl.Series:
    """Boolean; null where a cell holds none of the words. Capitals are small letters.

    Args:
        values: text.
        column: its `true_values` and `false_values` go before the usual words, and mean what it says.
    """
    usual = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
    said = dict.fromkeys(column.true_values, True) | dict.fromkeys(column.false_values, False)
    words = usual | {word.lower(): meaning for word, meaning in said.items()}

    def parse(distinct: pl.Series) -> pl.Series:
        return distinct.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)

    return by_distinct(values, parse).alias(values.name)


def _outputs(column: Column) -> tuple[Output, ...]:
    return (Output(column.name, "boolean", True, column.description),)


TYPE = SemanticType(_outputs, lambda frame, column: frame.select(column.name), keeps=lambda _: True)
