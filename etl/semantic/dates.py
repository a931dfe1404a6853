"""Dates: typed ones in the notation that a contract declares, and dates of which only a part is known.

A partly known date becomes the first day of what is known, with its precision beside it: D, M or Y. A first of January
that nobody wrote is never stored without that mark.
"""

from __future__ import annotations

import re

import polars as pl

from etl.contract import Column, Text
from etl.semantic.output import Output, SemanticType, by_distinct

_PART = {"yyyy": r"(?<yyyy>[0-9]{4})", "MM": r"(?<MM>[0-9]{1,2})", "dd": r"(?<dd>[0-9]{1,2})"}
_PART |= {"HH": r"(?<HH>[0-9]{1,2})", "mm": r"(?<mm>[0-9]{2})", "ss": r"(?<ss>[0-9]{2})"}
_YEARS = (1850, 2100)  # no living person and no paper of ours is from outside
_PARTIAL = (
    r"^(?:(?<y1>[0-9]{4})(?:(?<m1>[0-9]{2})(?<d1>[0-9]{2})(?:(?:[01][0-9]|2[0-3])[0-5][0-9])?)?"
    r"|(?:(?:(?<d2>[0-9]{1,2})/)?(?<m2>[0-9]{1,2})/)?(?<y2>[0-9]{4}))$"
)


def parse_dates(values: pl.Series, jdk_format: str) -> pl.Series:
    """Dates in one notation.

    Args:
        values: text.
        jdk_format: as ODCS writes it, e.g. `dd/MM/yyyy`; leading zeros may be missing where a separator follows.

    Returns:
        Date; null where there is no such day, or something else stands in the cell.
    """
    return parse_timestamps(values, jdk_format).dt.date()


def parse_timestamps(values: pl.Series, jdk_format: str) -> pl.Series:
    """Points in local time in one notation, e.g. `dd/MM/yyyy HH:mm:ss` or `yyyyMMddHHmm`; null as in `parse_dates`."""
    return by_distinct(values, lambda distinct: _parse(distinct, jdk_format)).alias(values.name)


def _parse(values: pl.Series, jdk_format: str) -> pl.Series:
    parts = values.str.extract_groups(_pattern(jdk_format)).struct.unnest()

    def part(name: str, default: str) -> pl.Expr:
        return pl.col(name).str.zfill(2) if name in parts.columns else pl.lit(default)

    written = pl.concat_str(
        pl.col("yyyy"), part("MM", "01"), part("dd", "01"), part("HH", "00"), part("mm", "00"), part("ss", "00")
    )
    made = parts.select(written.str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us")).to_series()
    in_reach = made.dt.year().is_between(*_YEARS)
    return pl.select(pl.when(in_reach).then(made)).to_series()


def _pattern(jdk_format: str) -> str:
    pattern = re.escape(jdk_format.replace("'", "")).replace("\\ ", " ")
    separated = bool(re.search(r"[^A-Za-z']", jdk_format))
    for token, group in _PART.items():
        pattern = pattern.replace(token, group if separated else group.replace("{1,2}", "{2}"))
    return f"^{pattern}$"


def _partial_outputs(column: Column) -> tuple[Output, ...]:
    d = column.description
    precision = Text(f"{d.vi} Mức chính xác: D ngày, M tháng, Y năm.", f"{d.en} Precision: D day, M month, Y year.")
    return (
        Output(column.name, "date", True, d),
        Output(f"{column.name}_precision", "text", False, precision),
    )


def _partial(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    made = by_distinct(frame[column.name], _partly_known).struct.unnest()
    return made.rename({"date": column.name, "precision": f"{column.name}_precision"})


def _partly_known(values: pl.Series) -> pl.Series:
    parts = values.str.extract_groups(_PARTIAL).struct.unnest()
    known = parts.select(
        year=pl.coalesce("y1", "y2"),
        month=pl.coalesce("m1", "m2", pl.lit("00")).str.zfill(2),
        day=pl.coalesce("d1", "d2", pl.lit("00")).str.zfill(2),
    )
    precision = (
        pl.when(pl.col("day") != "00")
        .then(pl.when(pl.col("month") != "00").then(pl.lit("D")))  # a day of no month is not understood
        .when(pl.col("month") != "00")
        .then(pl.lit("M"))
        .otherwise(pl.lit("Y"))
    )
    first = pl.concat_str("year", pl.col("month").replace("00", "01"), pl.col("day").replace("00", "01"))
    made = known.select(first.str.to_date("%Y%m%d", strict=False).alias("date"), precision.alias("precision"))
    good = pl.col("date").dt.year().is_between(*_YEARS) & pl.col("precision").is_not_null()
    return made.select(
        pl.struct(pl.when(good).then("date").alias("date"), pl.when(good).then("precision").alias("precision"))
    ).to_series()


def possible_days(values: pl.Series) -> pl.DataFrame:
    """Between which days each date lies that is known in part only.

    Args:
        values: dates, points in time, or text that a partly known date is written in.

    Returns:
        `first` and `last`; null where nothing is known.
    """
    if values.dtype != pl.String:
        return pl.DataFrame({"first": values.dt.date(), "last": values.dt.date()})
    known = by_distinct(values, _partly_known).struct.unnest()
    first, precision = pl.col("date"), pl.col("precision")
    last = (
        pl.when(precision == "Y")
        .then(first.dt.offset_by("1y").dt.offset_by("-1d"))
        .when(precision == "M")
        .then(first.dt.month_end())
        .otherwise(first)
    )
    return known.select(first.alias("first"), last.alias("last"))


def _typed_outputs(column: Column) -> tuple[Output, ...]:
    return (Output(column.name, column.type, True, column.description),)


PARTIAL = SemanticType(_partial_outputs, _partial)
TYPED = SemanticType(_typed_outputs, lambda frame, column: frame.select(column.name))
