"""Numbers, never by way of a float: amounts of money in VND are integers, others decimals of fixed scale.

A mark with three digits behind it parts thousands to some and decimals to others: 1.500 is 1500 or 1.5. The notation
that a contract names does not tell, for whoever confuses the two does not know it. So such a number is understood only
if one reading is excluded: by a column that takes three decimals, where the notation says that it is a decimal mark, or
takes less, where it says that it parts thousands; by a second mark; or by what stands before it, as in 0.500, 1234.500.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from etl.contract import Column
from etl.datatypes.output import Output, SemanticType

Notation = Literal["plain", "vietnamese"]
# Vietnamese: 1.234.567,89. Groups of exactly three or none at all: "12.5" is not understood, for it could be either.
_WHOLE = {"plain": r"^-?[0-9]+(\.0+)?$", "vietnamese": r"^-?([0-9]+|[1-9][0-9]{0,2}(\.[0-9]{3})+)(,0+)?$"}
_DECIMAL = {"plain": r"^-?[0-9]+(\.[0-9]+)?$", "vietnamese": r"^-?([0-9]+|[1-9][0-9]{0,2}(\.[0-9]{3})+)(,[0-9]+)?$"}
_EXPONENT = "([eE][-+]?[0-9]{1,3})?$"
_FLOAT = {notation: pattern.removesuffix("$") + _EXPONENT for notation, pattern in _DECIMAL.items()}

# Of those that are not understood, the ones with two readings.
AMBIGUOUS = {"plain": r"^-?[1-9][0-9]{0,2}\.[0-9]{3}$", "vietnamese": r"^-?[1-9][0-9]{0,2}[.,][0-9]{3}$"}
_ONE_GROUP = r"^-?[1-9][0-9]{0,2}\.[0-9]{3}$"  # behind a dot that would part thousands
_THREE_DECIMALS = 3


def parse_integers(values: pl.Series, notation: Notation) -> pl.Series:
    """Int64; null where a cell is no whole number in that notation, can be read as two, or does not fit."""
    good = pl.select(pl.when(values.str.contains(_WHOLE[notation])).then(values)).to_series()
    plain = _plain(good, notation)
    made = plain.cast(pl.Int64, strict=False)
    if made.null_count() > plain.null_count():  # with decimals, all of them zeros
        clear = pl.select(pl.when(~plain.str.contains(AMBIGUOUS["plain"])).then(plain)).to_series()
        made = made.fill_null(clear.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False))
    return made.alias(values.name)


def parse_decimals(
    values: pl.Series, notation: Notation, precision: int, scale: int, *, has_scale: bool = True
) -> pl.Series:
    """Decimals.

    Args:
        values: text.
        notation: how they are written.
        precision: the most digits.
        scale: how many of them stand behind the decimal mark.
        has_scale: whether the contract says so; without it three digits behind a mark are no proof of decimals.

    Returns:
        Decimal(precision, scale); null where a cell is no such number, can be read as two, is too large or too exact.
    """
    plain = _plain(pl.select(pl.when(values.str.contains(_DECIMAL[notation])).then(values)).to_series(), notation)
    fraction = plain.str.extract(r"\.([0-9]+)$").str.strip_chars_end("0").str.len_chars().fill_null(0)
    digits = plain.str.extract(r"^-?0*([0-9]*)").str.len_chars()
    fits = (fraction <= scale) & (digits <= precision - scale)
    if scale < _THREE_DECIMALS or not has_scale:
        fits &= ~plain.str.contains(AMBIGUOUS["plain"])
    elif notation == "vietnamese":
        fits &= ~values.str.contains(_ONE_GROUP)
    return pl.select(pl.when(fits).then(plain).cast(pl.Decimal(precision, scale), strict=False)).to_series()


def parse_floats(values: pl.Series, notation: Notation) -> pl.Series:
    """Float64; null where a cell is no such number or can be read as two. Never an infinite one, and no "NaN"."""
    plain = _plain(pl.select(pl.when(values.str.contains(_FLOAT[notation])).then(values)).to_series(), notation)
    if notation == "vietnamese":
        plain = plain.set(values.str.contains(_ONE_GROUP).fill_null(False), None)
    made = plain.cast(pl.Float64, strict=False)
    return pl.select(pl.when(made.is_finite()).then(made + 0.0)).to_series().alias(values.name)  # no zero below zero


def _plain(values: pl.Series, notation: Notation) -> pl.Series:
    if notation == "plain":
        return values
    return values.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)


def _outputs(column: Column) -> tuple[Output, ...]:
    made = "bigint" if column.type == "integer" else column.numeric_type or "numeric"
    return (Output(column.name, made, True, column.description),)


TYPE = SemanticType(_outputs, lambda frame, column: frame.select(column.name))
