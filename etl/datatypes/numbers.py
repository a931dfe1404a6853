"""Numbers, by way of a float only where a contract asks for one.

A mark with three digits behind it parts thousands to some and decimals to others: 1.500 is 1500 or 1.5. The notation
that a contract names does not tell, for whoever confuses the two does not know it. So such a number is understood only
if one reading is excluded: by a column that takes three decimals, where the notation says that it is a decimal mark, or
takes less, where it says that it parts thousands; by a second mark; or by what stands before it, as in 0.500, 1234.500.
Where a contract does not say how many decimals there are, it excludes neither.
"""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal, localcontext

import polars as pl

from etl.contract import Column, Text
from etl.contract.column import DECIMALS, MOST_DIGITS
from etl.contract.number_format import NumberFormat
from etl.datatypes.output import Output, SemanticType, made_of, on_unique

_THREE_DECIMALS = 3
_ONE_POINT = r"^-?[1-9][0-9]{0,2}\.[0-9]{3}$"  # of a number as every program writes it
_MOST_PLACES = 60  # beyond them no column takes a number
_MOST = 10 ** (MOST_DIGITS - DECIMALS) - 1  # that a decimal of no declared scale can be
_EXACT = pl.Decimal(MOST_DIGITS, DECIMALS)
_NOT_ZERO = r"^-?[0.]*[1-9]"  # what is too small for a float is none
_EXPONENT = r"[eE][-+]?[0-9]{1,3}"
_MINUS = "\N{MINUS SIGN}"


def parse_integers(values: pl.Series, notation: NumberFormat) -> pl.Series:
    """Int64; null where a cell is no whole number in that notation, can be read as two, or does not fit."""
    plain = _plain(values, notation, notation.whole)
    made = plain.cast(pl.Int64, strict=False)
    if made.null_count() > plain.null_count():  # with decimals, all of them zeros
        clear = pl.select(pl.when(~plain.str.contains(_ONE_POINT)).then(plain)).to_series()
        made = made.fill_null(clear.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False))
    return made.alias(values.name)


def parse_decimals(
    values: pl.Series, notation: NumberFormat, precision: int, scale: int, *, has_scale: bool = True
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
    plain = _plain(values, notation, notation.decimals)
    fraction = plain.str.extract(r"\.([0-9]+)$").str.strip_chars_end("0").str.len_chars().fill_null(0)
    digits = plain.str.extract(r"^-?0*([0-9]*)").str.len_chars()
    fits = (fraction <= scale) & (digits <= precision - scale)
    fits &= _has_one_reading(values, notation, takes_three=scale >= _THREE_DECIMALS, has_scale=has_scale)
    return pl.select(pl.when(fits).then(plain).cast(pl.Decimal(precision, scale), strict=False)).to_series()


def parse_floats(values: pl.Series, notation: NumberFormat) -> pl.Series:
    """Float64; null where a cell is no such number or can be read as two. Never an infinite one, and no "NaN"."""
    plain = _plain(values, notation, notation.decimals, is_float=True)
    made = plain.cast(pl.Float64, strict=False)
    fits = made.is_finite() & _has_one_reading(values, notation, takes_three=True, has_scale=True)
    fits &= (made != 0) | ~plain.str.contains(_NOT_ZERO)
    if notation.one_fraction:  # no program writes a float as 50.000: it is fifty thousand, or rounded by somebody
        fits &= ~(_bare(values, notation).str.contains(notation.one_fraction) & plain.str.ends_with("0"))
    if notation.thousands:  # who writes an exponent parts no thousands
        fits &= ~(values.str.contains("[eE]") & values.str.contains(notation.parting))
    no_zero_below_zero = pl.when(made == 0).then(pl.lit(0.0)).otherwise(made)
    return pl.select(pl.when(fits).then(no_zero_below_zero)).to_series().alias(values.name)


def _has_one_reading(values: pl.Series, notation: NumberFormat, *, takes_three: bool, has_scale: bool) -> pl.Series:
    """Whether numbers have one reading in a column that takes three decimals, or less, or of which nobody says."""
    bare = _bare(values, notation)
    is_clear = pl.repeat(True, values.len(), dtype=pl.Boolean, eager=True)
    if notation.one_fraction and (not takes_three or not has_scale):
        is_clear &= ~bare.str.contains(notation.one_fraction)
    if notation.one_group and (takes_three or not has_scale):
        is_clear &= ~bare.str.contains(notation.one_group)
    return is_clear


def _plain(values: pl.Series, notation: NumberFormat, pattern: str, *, is_float: bool = False) -> pl.Series:
    """What is a number in a notation, as every program writes it: -1234.5; null otherwise."""
    takes_exponent = notation.exponent or is_float
    expected = f"{pattern.removesuffix('$')}({_EXPONENT})?$" if takes_exponent else pattern
    bare = _bare(values, notation)
    made = made_of(bare, lambda number: pl.when(number.str.contains(expected)).then(number))
    if notation.thousands:
        is_one = notation.parting == re.escape(notation.thousands)
        made = made.str.replace_all(notation.thousands if is_one else notation.parting, "", literal=is_one)
    if notation.decimal != ".":
        made = made.str.replace(notation.decimal, ".", literal=True)
    if notation.has_signs:
        made = made.str.strip_prefix("+").str.replace(r"^(-?)\.", "${1}0.")
    if notation.percent == "divide":
        return on_unique(made, _hundredth)
    if notation.exponent and not is_float:
        far = made.str.contains("[eE]").fill_null(False)
        return made.scatter(far.arg_true(), on_unique(made.filter(far), _written_out)) if far.any() else made
    return made


def _bare(values: pl.Series, notation: NumberFormat) -> pl.Series:
    """Numbers without the signs that a notation has around them; null where one that must be there is not."""
    if notation.has_signs:
        values = values.str.replace(f"^{_MINUS}", "-")
    if notation.percent:
        values = values.str.extract(r"^(.*[0-9)])[ \x{a0}\x{202f}]?%$")
    if notation.currency:
        signs = "|".join(map(re.escape, sorted(notation.currency, key=len, reverse=True)))
        blank = r"[ \x{a0}\x{202f}]?"
        before = values.str.replace(rf"^([-+(]?)(?i:{signs}){blank}([-+]?)", "${1}${2}")
        behind = values.str.replace(rf"{blank}(?i:{signs})(\)?)$", "${1}")
        values = pl.select(pl.when(before != values).then(before).otherwise(behind)).to_series()
    if notation.brackets:
        values = values.str.replace(r"^\(([^-+()]+)\)$", "-${1}")
    return values


def _hundredth(number: str) -> str:
    return f"{Decimal(number).scaleb(-2):f}"


def _written_out(number: str) -> str | None:
    made = Decimal(number)
    return f"{made:f}" if abs(made.adjusted()) < _MOST_PLACES else None


def received(column: Column) -> str:
    """The warehouse's column of what was received, where another unit is stored."""
    return f"{column.name}_received"


def fits_unit(values: pl.Series, column: Column) -> pl.Series:
    """Whether what is stored of each value is one that its column can hold exactly; null where there is no value."""
    if column.unit is None or column.is_float:
        return values.is_not_null()
    exact = values.cast(_EXACT, strict=False)
    most = Decimal(2**63 - 1 if _stored_type(column) == "bigint" else _MOST)
    with localcontext(prec=2 * MOST_DIGITS):
        limit = min(most / column.unit.factor, Decimal(_MOST)).quantize(Decimal(1).scaleb(-DECIMALS), ROUND_DOWN)
    is_small = exact.abs() <= limit
    places = max(-int(column.unit.factor.normalize().as_tuple().exponent), 0)
    is_exact = exact.cast(pl.String).str.strip_chars_end("0").str.contains(rf"\.[0-9]{{0,{DECIMALS - places}}}$")
    return is_small & is_exact


def _stored_type(column: Column) -> str:
    is_whole = column.unit is None or column.unit.factor == int(column.unit.factor)
    if column.type == "integer" and is_whole:
        return "bigint"
    if column.unit is None or column.is_float:
        return column.numeric_type or "numeric"
    return "numeric"


def _outputs(column: Column) -> tuple[Output, ...]:
    unit, said = column.unit, column.description
    if unit is None:
        return (Output(column.name, _stored_type(column), True, said),)
    as_received = "bigint" if column.type == "integer" else column.numeric_type or "numeric"
    beside = Text(f"{said.vi} Như đã nhận, tính bằng {unit.received}.", f"{said.en} As received, in {unit.received}.")
    return (
        Output(
            column.name, _stored_type(column), True, Text(f"{said.vi} ({unit.stored})", f"{said.en} ({unit.stored})")
        ),
        Output(received(column), as_received, False, beside),
    )


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    if column.unit is None:
        return frame.select(column.name)
    values, factor = frame[column.name], column.unit.factor
    if column.is_float:
        stored = values * float(factor)
    elif _stored_type(column) == "bigint":
        stored = values * int(factor)
    else:
        stored = on_unique(values.cast(pl.String), lambda text: _times(text, factor)).cast(_EXACT)
    return pl.DataFrame([stored.alias(column.name), values.alias(received(column))])


def _times(number: str, factor: Decimal) -> str:
    with localcontext(prec=2 * MOST_DIGITS):
        return f"{Decimal(number) * factor:f}"


TYPE = SemanticType(_outputs, _standardise, keeps=lambda column: column.unit is None)
