"""Semantic types: what a kind of value means, one module a kind.

A module standardises whole columns: it gives the city's standard form, or null where a value is not understood. What
is understood follows from that, so the rule that validation applies and the form that the warehouse holds cannot drift
apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from etl import contract
from etl.contract import Column, Contract
from etl.contract.city import city
from etl.datatypes import (
    address,
    boolean,
    code,
    dates,
    geometry,
    icd10,
    insurance,
    numbers,
    person_name,
    personal_id,
    phone,
    tax_code,
    text,
    traces,
    ward,
    whole_row,
)
from etl.datatypes.output import Output, SemanticType
from etl.delivery.columns import PART

TYPES: dict[contract.SemanticType, SemanticType] = {
    "text": text.TYPE,
    "person_name": person_name.TYPE,
    "personal_id": personal_id.TYPE,
    "tax_code": tax_code.TYPE,
    "bhxh": insurance.SOCIAL,
    "bhyt": insurance.HEALTH,
    "partial_date": dates.PARTIAL,
    "date": dates.TYPED,
    "time": dates.TIME,
    "boolean": boolean.TYPE,
    "money": numbers.TYPE,
    "number": numbers.TYPE,
    "phone": phone.TYPE,
    "icd10": icd10.TYPE,
    "code": code.TYPE,
    "ward": ward.TYPE,
    "address": address.TYPE,
    "geometry": geometry.TYPE,
}

__all__ = [
    "TYPES",
    "Output",
    "SemanticType",
    "content_outputs",
    "deletes",
    "in_part",
    "key_outputs",
    "outputs",
    "part_columns",
    "reasons",
    "standard_already",
    "standardise",
    "standardise_each",
    "understood",
    "ward",
]


def outputs(column: Column) -> tuple[Output, ...]:
    """The warehouse columns that a contract column becomes."""
    return TYPES[column.semantic_type].outputs(column)


def key_outputs(contract: Contract) -> tuple[Output, ...]:
    """The warehouse columns that name one record of a dataset."""
    if contract.has_whole_row_key:
        return whole_row.OUTPUTS
    return tuple(o for c in contract.key for o in outputs(c) if o.in_key)


def content_outputs(contract: Contract) -> tuple[Output, ...]:
    """The warehouse columns that hold what the agency said, in contract order, and what names a row without a key."""
    made = tuple(o for c in contract.content for o in outputs(c))
    return (*made, *whole_row.OUTPUTS) if contract.has_whole_row_key else made


def part_columns(contract: Contract) -> list[str]:
    """The warehouse columns that tell the parts of a period apart; none where a file is always the whole."""
    return [o.name for o in outputs(contract.column(contract.part)) if o.in_key] if contract.part else []


def in_part(columns: Sequence[str]) -> pl.Expr:
    """The part of a snapshot that each row belongs to, as text.

    Args:
        columns: that tell the parts apart; none where a snapshot is always whole, and all rows are of one part.
    """
    values = [pl.col(name).cast(pl.String).fill_null("") for name in columns]
    return (pl.concat_str(values, separator="\x1f") if values else pl.lit("")).alias(PART)


def standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    """A column's standard form.

    Args:
        frame: typed contract columns, this one and its period column at least.
        column: which one.

    Returns:
        The columns of `outputs(column)`, in order; the first is null where the value is absent or not understood.
    """
    return TYPES[column.semantic_type].standardise(frame, column)


def standard_already(frame: pl.DataFrame, columns: Sequence[Column]) -> frozenset[str]:
    """Names of columns whose values all have their standard form: cheaper to see of all at once than of each.

    Args:
        frame: typed contract columns.
        columns: those that are asked about.
    """
    kept = frozenset(column.name for column in columns if TYPES[column.semantic_type].keeps(column))
    schema = frame.schema  # made anew each time that it is asked for
    texts = [column for column in columns if schema[column.name] == pl.String]
    patterns = {column.name: right for column in texts if (right := TYPES[column.semantic_type].right(column))}
    return kept | text.matching(frame, patterns)


def standardise_each(frame: pl.DataFrame, columns: Sequence[Column]) -> list[pl.DataFrame]:
    """The standard form of each of some columns, as `standardise` gives it."""
    already = standard_already(frame, columns)
    return [frame[c.name].to_frame() if c.name in already else standardise(frame, c) for c in columns]


def deletes(frame: pl.DataFrame, contract: Contract) -> pl.Series:
    """Whether each typed row says that a record is no more, as only rows of changes do."""
    change = contract.column_with_role("change")
    if change is None or change.name not in frame.columns:
        return pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    return (standardise(frame, change).to_series(0) == city().deletion).fill_null(False)


def understood(frame: pl.DataFrame, column: Column) -> pl.Series:
    """Whether each value of a column is absent or has a standard form."""
    return frame[column.name].is_null() | standardise(frame, column).to_series(0).is_not_null()


def reasons(frame: pl.DataFrame, column: Column) -> pl.Series:
    """Why values are not understood, where their look tells.

    Args:
        frame: as for `standardise`, of rows whose value in this column is not understood.
        column: which one.

    Returns:
        For each row the name of a rule in `expectations/wording.yaml`, or null.
    """

    def is_understood(digits: pl.Series) -> pl.Series:
        return standardise(frame.with_columns(digits.alias(column.name)), column).to_series(0).is_not_null()

    values = frame[column.name]
    digits = values.str.extract(r"^([0-9]+)(?:[.,]0+)?$")
    made = pl.DataFrame({"trace": traces.found(values, column), "whole": is_understood(digits)})
    made = made.with_columns(short=is_understood("0" + digits))
    rule = pl.when("whole").then(pl.lit("excel_number")).when("short").then(pl.lit("excel_zero")).otherwise("trace")
    return made.select(rule.alias("rule")).to_series()
