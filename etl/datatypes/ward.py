"""Wards and communes, or what else a city's administrative units are: a code means nothing without its period.

A reform may give a code that had been one area's to another. A unit is therefore (code, valid_from). Which there are,
the list that `city.yaml` names says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache

import polars as pl

from etl.contract import Column, ContractError, Text
from etl.contract.city import city
from etl.datatypes.output import Output, SemanticType
from etl.settings import EXPECTATIONS

_Types = dict[str, type[pl.DataType]]
_UNITS: _Types = {"code": pl.String, "valid_from": pl.Date, "valid_to": pl.Date, "name": pl.String}
_OF_SOME = ("kind", "district_code", "district", "province_code", "province", "former_district")
_NOT_NULL = ("kind", "province_code", "province")  # in the warehouse's table
_LINKS: _Types = {
    "old_code": pl.String,
    "old_valid_from": pl.Date,
    "new_code": pl.String,
    "new_valid_from": pl.Date,
    "targets": pl.Int64,
}
_ONE = 1e-6  # shares of a unit sum to 1, but for this
_ENDLESS = date(9999, 12, 31)


@cache
def units() -> pl.DataFrame:
    """All units, by the list's columns: those that it does not have are null, or empty where the warehouse needs one.

    Raises:
        ContractError: if the list cannot be used.
    """
    listed = city().units
    rows = table(listed.list_ if listed else None, _UNITS)
    rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in _OF_SOME if name not in rows.columns)
    return rows.select(*_UNITS, *_OF_SOME).with_columns(pl.col(_NOT_NULL).fill_null(""))


@cache
def links() -> pl.DataFrame:
    """Old unit to new unit, many to many: old_code, old_valid_from, new_code, new_valid_from, targets, share.

    The share of the old unit that the new one got, from 0 to 1, is null where the list has no such column.

    Raises:
        ContractError: if the list cannot be used.
    """
    listed = city().units
    rows = table(listed.links if listed else None, _LINKS)
    if "share" not in rows.columns:
        return rows.select(*_LINKS, share=pl.lit(None, pl.Float64))
    return table(listed.links if listed else None, {**_LINKS, "share": pl.Float64}).select(*_LINKS, "share")


def check() -> None:
    """Refuse lists of units that cannot be used: a code has one unit a day, and links lead from one to another.

    Raises:
        ContractError: what is wrong with one of them.
    """
    listed = city().units
    if listed is None:
        return
    _refuse(listed.list_, units(), units().select("code", "valid_from").is_duplicated(), "stands twice")
    ended = (pl.col("valid_to") <= pl.col("valid_from")).fill_null(False) | pl.col("name").is_null()
    _refuse(listed.list_, units(), units().select(ended).to_series(), "ends before it begins, or has no name")
    known = units().select("code", "valid_from", is_known=pl.lit(True))
    for side in ("old", "new") if listed.links else ():
        names = [f"{side}_code", f"{side}_valid_from"]
        unknown = links().join(known, left_on=names, right_on=known.columns[:2], how="left", maintain_order="left")
        _refuse(str(listed.links), links().select(names), unknown["is_known"].is_null(), f"is none of {listed.list_}")
    of = ["old_code", "old_valid_from"]
    is_whole = (pl.col("share").sum().over(of) - 1).abs() < _ONE
    wrong = links().select(pl.col("share").is_not_null().any().over(of) & ~is_whole).to_series()
    _refuse(str(listed.links), links().select(of), wrong, "has shares that are not 1 together")


def _refuse(name: str, rows: pl.DataFrame, is_wrong: pl.Series, said: str) -> None:
    if is_wrong.any():
        unit = ", ".join(map(str, rows.filter(is_wrong).row(0)[:2]))
        raise ContractError(EXPECTATIONS / name, f"unit {unit} {said} ({is_wrong.sum()} such lines)")


def table(name: str | None, types: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """A list that `city.yaml` names.

    Args:
        name: its path below the folder; None: there is no such list.
        types: the columns that it must have; others are text.

    Raises:
        ContractError: if it is no CSV, or lacks one, or something else stands in a cell.
    """
    if name is None:
        return pl.DataFrame(schema=types)
    path = EXPECTATIONS / name
    try:
        rows = pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise ContractError(path, f"not CSV in UTF-8: {str(error).splitlines()[0]}") from None
    if lacking := [column for column in types if column not in rows.columns]:
        raise ContractError(path, f"it lacks {', '.join(lacking)}; its first line names its columns, with commas")
    if rows.is_empty():
        raise ContractError(path, "it lists nothing; leave its line out of city.yaml, or write a line for each")
    typed = rows.with_columns(
        pl.col(name).str.to_date(strict=False) if kind is pl.Date else pl.col(name).cast(kind, strict=False)
        for name, kind in types.items()
    )
    for column, kind in types.items():
        wrong = rows[column].filter(typed[column].is_null() & rows[column].is_not_null())
        if wrong.len():
            raise ContractError(path, f"{column} {wrong[0]!r} is no {kind.__name__}, as 2026-01-31 or 10.5")
    return typed


def districts_of(units_: pl.DataFrame) -> pl.Series:
    """The district of each unit, or in which most of it lay when there were such; null for what is no unit.

    Args:
        units_: code and the start of its validity, as `standardise` makes them.
    """
    named = units_.select(pl.nth(0).alias("code"), pl.nth(1).alias("valid_from"))
    lay = units().select("code", "valid_from", pl.coalesce("district", "former_district").alias("district"))
    return named.join(lay, on=["code", "valid_from"], how="left", maintain_order="left")["district"]


def unit_outputs(name: str, unit: Text, in_key: bool) -> tuple[Output, ...]:
    """The columns that name a unit: code, the start of its validity, and how sure that is."""
    return (
        Output(name, "text", in_key, unit),
        Output(
            f"{name}_valid_from",
            "date",
            in_key,
            Text(
                f"{unit.vi} Ngày đơn vị hành chính bắt đầu có hiệu lực.",
                f"{unit.en} Since when the unit of that code exists; join ref.ward on code and valid_from.",
            ),
        ),
        Output(
            f"{name}_status",
            "text",
            False,
            Text(
                f"{unit.vi} exact: xác định; ambiguous: chưa phân định được; unknown: không tìm thấy.",
                f"{unit.en} exact: certain; ambiguous: cannot be decided; unknown: not found.",
            ),
        ),
    )


def period_of(frame: pl.DataFrame, column: Column) -> pl.Series:
    """The day whose units apply to each row; null where it is not known."""
    if column.period_column is None:
        return pl.Series([None] * frame.height, dtype=pl.Date)
    return frame[column.period_column].dt.date()


def units_of(codes: pl.Series, period: pl.Series, is_of_today: bool) -> pl.DataFrame:
    """The unit that each code means in its period: code, valid_from, status; null where there is none.

    Args:
        codes: as they were sent.
        period: the day whose units apply to each.
        is_of_today: whether the units of today are meant where no period is known.
    """
    asked = pl.DataFrame([codes.alias("asked"), period.alias("of")])
    made = asked.unique()  # many rows are of few units and days
    made = pl.concat([made, _units_of(made["asked"], made["of"], is_of_today)], how="horizontal")
    rows = asked.join(made, on=asked.columns, how="left", nulls_equal=True, maintain_order="left")
    return rows.drop(asked.columns)


def _units_of(codes: pl.Series, period: pl.Series, is_of_today: bool) -> pl.DataFrame:
    known = _units_in_time()
    first, last = pl.lit(known["valid_from"].first()), pl.lit(known["valid_from"].last())
    day = pl.col("period").fill_null(_ENDLESS if is_of_today else first).clip(lower_bound=first)
    is_certain = (pl.col("period") >= first).fill_null(is_of_today)
    code = pl.col("code").str.strip_chars()
    rows = pl.DataFrame([codes.alias("code"), period.alias("period")]).select(
        pl.when(day >= last).then(code).otherwise(code.replace(city().units_aliases)).alias("code"),
        day.alias("day"),
        pl.when(is_certain).then(pl.lit("exact")).otherwise(pl.lit("ambiguous")).alias("status"),
    )
    made = (
        rows.with_row_index("row")
        .sort("day")
        .join_asof(known, left_on="day", right_on="since", by="code", check_sortedness=False)
        .sort("row")
    )
    is_valid = pl.col("valid_from").is_not_null() & (
        pl.col("valid_to").is_null() | (pl.col("day") < pl.col("valid_to"))
    )
    return made.select(pl.when(is_valid).then(name).alias(name) for name in ("code", "valid_from", "status"))


@cache
def _units_in_time() -> pl.DataFrame:
    """The units in the order in which they came to be."""
    return units().select("code", "valid_from", "valid_to").sort("valid_from").with_columns(since=pl.col("valid_from"))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    # Where the contract names no period, the units of today are meant.
    made = units_of(frame[column.name], period_of(frame, column), column.period_column is None)
    return made.rename({"code": column.name, **{n: f"{column.name}_{n}" for n in ("valid_from", "status")}})


TYPE = SemanticType(lambda column: unit_outputs(column.name, column.description, True), _standardise)
