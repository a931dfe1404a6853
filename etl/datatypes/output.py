"""What every semantic type offers, and the two shapes that most of them have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from etl.contract import Column, Text


@dataclass(frozen=True)
class Output:
    """One warehouse column.

    Attributes:
        name: of the column.
        type: text, date, timestamp, timestamptz, time, boolean, bigint, numeric, numeric(precision,scale) or double
            precision.
        in_key: whether it belongs to the key when its contract column does.
        description: meaning, in both languages.
    """

    name: str
    type: str
    in_key: bool
    description: Text


@dataclass(frozen=True)
class SemanticType:
    """One kind of value: the columns it makes, and how it makes them from typed contract columns."""

    outputs: Callable[[Column], tuple[Output, ...]]
    standardise: Callable[[pl.DataFrame, Column], pl.DataFrame]
    right: Callable[[Column], str | None] = lambda _: None  # pattern of values that stay as they are; None: no such
    keeps: Callable[[Column], bool] = lambda _: False  # whether all values stay as typed, and are all that it makes


def one_text(column: Column) -> tuple[Output, ...]:
    """The output of a type that makes one text column."""
    return (Output(column.name, "text", True, column.description),)


def of_text(standard: Callable[[pl.Series], pl.Series], right: Callable[[], str] | None = None) -> SemanticType:
    """A semantic type that maps text to text, each part of a multi-valued cell on its own.

    Args:
        standard: whole column to whole column; null where a value is not understood.
        right: pattern of values that `standard` gives back as they are, if there is one.
    """

    def standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
        values = frame[column.name]
        made = each_part(values, column.separator, standard) if column.separator else standard(values)
        return made.alias(column.name).to_frame()

    return SemanticType(one_text, standardise, lambda column: right() if right and not column.separator else None)


def each_part(values: pl.Series, separator: str, standard: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Standardise every part of multi-valued cells; a cell is understood if all its parts are."""
    several = values.str.contains(separator, literal=True).arg_true()
    made = standard(values)
    return made.scatter(several, _parts(values.gather(several), separator, standard)) if len(several) else made


def _parts(values: pl.Series, separator: str, standard: Callable[[pl.Series], pl.Series]) -> pl.Series:
    parts = (
        pl.DataFrame({"cell": pl.int_range(values.len(), eager=True), "part": values.str.split(separator)})
        .explode("part", keep_nulls=False, empty_as_null=False)
        .with_columns(pl.col("part").str.strip_chars())
        .filter(pl.col("part") != "")
    )
    cells = (
        parts.with_columns(standard(parts["part"]).alias("made"))
        .group_by("cell", maintain_order=True)
        .agg(pl.when(pl.col("made").is_not_null().all()).then(pl.col("made").str.join(separator)).alias("made"))
    )
    every = pl.DataFrame({"cell": pl.int_range(values.len(), eager=True)})
    return every.join(cells, on="cell", how="left", maintain_order="left")["made"]


def made_of(values: pl.Series, expression: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """A column by one expression on it: each method of a Series is a query of its own, which small files feel."""
    return values.alias("value").to_frame().select(expression(pl.col("value")).alias(values.name)).to_series()


def where_not(values: pl.Series, right: str, mend: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Mend the values that are not right yet: most are, and to see that is cheaper than to mend them.

    Args:
        values: text.
        right: pattern of what `mend` would give back as it is.
        mend: column to column, each value on its own.
    """
    is_right = values.str.contains(right)
    if is_right.all():  # absent ones aside
        return values
    wrong = (~is_right).arg_true()
    if len(wrong) > values.len() // 2:
        return mend(values)
    return values.clone().scatter(wrong, mend(values.gather(wrong)))


# Digits in groups as people write them, parted by blanks, dashes or dots; one dot alone would make a fraction.
_DASH = r"\s?[-\u2010\u2011\u2013]\s?|\s+"
_GROUPED = rf"^[0-9]{{2,}}(?:(?:{_DASH}|\.)[0-9]{{3,}}){{2,}}$|^[0-9]{{2,}}(?:{_DASH})[0-9]{{3,}}$"


def ungrouped(values: pl.Series) -> pl.Series:
    """Digits without what parts their groups; other values as they are."""
    return made_of(
        values, lambda v: pl.when(v.str.contains(_GROUPED)).then(v.str.replace_all(r"[^0-9]", "")).otherwise(v)
    )


def by_distinct(values: pl.Series, standard: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Apply what is dear to each distinct value once.

    Args:
        values: text.
        standard: column to column, each value on its own.
    """
    encoded = values.to_arrow().dictionary_encode()
    return standard(pl.Series(encoded.dictionary, dtype=pl.String)).gather(pl.Series(encoded.indices))


def on_unique(values: pl.Series, function: Callable[[str], str | None]) -> pl.Series:
    """Apply a library's function for single values to each distinct one."""
    distinct = values.drop_nulls().unique()
    made = pl.Series([function(value) for value in distinct], dtype=pl.String)
    return values.replace_strict(distinct, made, default=None, return_dtype=pl.String)
