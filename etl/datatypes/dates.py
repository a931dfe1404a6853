"""Dates: typed ones in the notation that a contract declares, and dates of which only a part is known.

Times are the city's, all the way to the warehouse, and stored without a zone. What was written with an offset from UTC,
or in a time zone that the contract names, is an instant. Where clocks are put back an hour is there twice, and where
they are put forward one is not there: a time in it, of a zone and without an offset, is not understood.

A partly known date becomes the first day of what is known, with its precision beside it: D, M or Y. A first of January
that nobody wrote is never stored without that mark.
"""

from __future__ import annotations

import polars as pl

from etl.contract import Column, Text
from etl.contract.city import city
from etl.contract.date_format import MONTHS, DateFormat, date_format
from etl.datatypes.output import Output, SemanticType, by_distinct

_OFFSET = (r"^[+-]([0-9]{2})", r"^[+-][0-9]{2}:?([0-9]{2})$")
_YEARS = (1850, 2100)  # no living person and no paper of ours is from outside
_PARTIAL = (
    r"^(?:(?<y1>[0-9]{4})(?:(?<m1>[0-9]{2})(?<d1>[0-9]{2})(?:(?:[01][0-9]|2[0-3])[0-5][0-9])?)?"
    r"|(?:(?:(?<d2>[0-9]{1,2})/)?(?<m2>[0-9]{1,2})/)?(?<y2>[0-9]{4}))$"
)


def parse_dates(values: pl.Series, jdk_format: str, pivot: int | None = None) -> pl.Series:
    """Dates in one notation.

    Args:
        values: text.
        jdk_format: as `etl.contract.date_format` reads it, e.g. `dd/MM/yyyy`; leading zeros may be missing where
            something stands between the numbers.
        pivot: the first of the hundred years that a year of two digits can mean.

    Returns:
        Date, the city's day of an instant, the first day of a month or year; null where there is no such day, or
        something else stands in the cell.
    """
    notation = date_format(jdk_format, "date")
    return by_distinct(values, lambda distinct: _parse(distinct, notation, pivot)).dt.date().alias(values.name)


def parse_timestamps(
    values: pl.Series, jdk_format: str, pivot: int | None = None, zone: str | None = None
) -> pl.Series:
    """Points in time in one notation, as `dd/MM/yyyy HH:mm:ss` or `yyyyMMddHHmm`.

    Args:
        values: text.
        jdk_format: as `etl.contract.date_format` reads it.
        pivot: as for `parse_dates`.
        zone: the time zone that they are written in, where it is said beside them and not by them.

    Returns:
        Datetime: the city's time as it was written, or, of an instant, in the city's time zone; null as in
        `parse_dates`, and where the hour is there twice or not at all in the zone.
    """
    notation = date_format(jdk_format)

    def parse(distinct: pl.Series) -> pl.Series:
        made = _parse(distinct, notation, pivot)
        if zone is None:
            return made
        there = made.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
        return there.dt.convert_time_zone(city().time_zone)

    return by_distinct(values, parse).alias(values.name)


def parse_times(values: pl.Series, jdk_format: str) -> pl.Series:
    """Times of day in one notation, as `HH:mm`; null where there is no such time, as 24:00."""
    notation = date_format(jdk_format, "time")
    return by_distinct(values, lambda distinct: _parse(distinct, notation, None).dt.time()).alias(values.name)


def _parse(values: pl.Series, notation: DateFormat, pivot: int | None) -> pl.Series:
    parts = values.str.extract_groups(notation.pattern).struct.unnest()

    def part(name: str, default: str = "00") -> pl.Expr:
        return pl.col(name).str.zfill(2) if name in notation.parts else pl.lit(default)

    day = [_year(notation, pivot), _month(notation), part("day", "01")]
    second = pl.when(part("second") < "60").then(part("second"))  # a leap second would become the next minute's first
    written = pl.concat_str(*day, _hour(notation), part("minute"), second)
    made = written.str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us")
    if "fraction" in notation.parts:
        made += pl.duration(microseconds=pl.col("fraction").str.pad_end(6, "0").cast(pl.Int64))
    if "offset" in notation.parts:
        made -= pl.duration(minutes=_minutes_ahead())
    if notation.is_instant:
        made = made.dt.replace_time_zone("UTC").dt.convert_time_zone(city().time_zone)
    return parts.select(pl.when(made.dt.year().is_between(*_YEARS)).then(made)).to_series()


def _month(notation: DateFormat) -> pl.Expr:
    if notation.has_named_month:
        numbers = {name[:3]: f"{number:02}" for number, name in enumerate(MONTHS, start=1)}
        return pl.col("month").str.head(3).str.to_titlecase().replace_strict(numbers, default=None)
    return pl.col("month").str.zfill(2) if "month" in notation.parts else pl.lit("01")


def _year(notation: DateFormat, pivot: int | None) -> pl.Expr:
    if "year" in notation.parts:
        return pl.col("year")
    if "short_year" not in notation.parts:  # a time of day
        return pl.lit("2000")
    if pivot is None:
        raise ValueError(f"format {notation.text!r} has years of two digits and no pivot")
    return (pivot + (pl.col("short_year").cast(pl.Int64) - pivot) % 100).cast(pl.String)


def _hour(notation: DateFormat) -> pl.Expr:
    if "hour" in notation.parts:
        return pl.col("hour").str.zfill(2)
    if "hour_of_half" not in notation.parts:
        return pl.lit("00")
    hour = pl.col("hour_of_half").cast(pl.Int64)
    is_afternoon = pl.col("half").str.to_uppercase().is_in(["PM", "CH"])  # sáng, chiều
    return pl.when(hour.is_between(1, 12)).then(
        (hour % 12 + 12 * is_afternoon.cast(pl.Int64)).cast(pl.String).str.zfill(2)
    )


def _minutes_ahead() -> pl.Expr:
    """How far what is written is ahead of UTC."""
    hours, minutes = (pl.col("offset").str.extract(pattern).cast(pl.Int64).fill_null(0) for pattern in _OFFSET)
    ahead = hours * 60 + minutes
    return pl.when(pl.col("offset").str.starts_with("-")).then(-ahead).otherwise(ahead)


def _partial_outputs(column: Column) -> tuple[Output, ...]:
    return Output(column.name, "date", True, column.description), _precision_output(column)


def _precision_output(column: Column) -> Output:
    d = column.description
    precision = Text(f"{d.vi} Mức chính xác: D ngày, M tháng, Y năm.", f"{d.en} Precision: D day, M month, Y year.")
    return Output(f"{column.name}_precision", "text", False, precision)


def _partial(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    return as_outputs(partly_known(frame[column.name]), column)


def as_outputs(known: pl.DataFrame, column: Column) -> pl.DataFrame:
    """What `partly_known` gives, under the names of a column's outputs."""
    return known.rename({"date": column.name, "precision": f"{column.name}_precision"})


def partly_known(values: pl.Series) -> pl.DataFrame:
    """Dates in text of which only a part may be known: `date`, its first day, and `precision`; null where none is."""
    return by_distinct(values, _partly_known).struct.unnest()


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
    return made.select(pl.when(good).then(name).alias(name) for name in made.columns).to_struct("known")


def possible_days(first: pl.Series, precision: pl.Series) -> pl.DataFrame:
    """Between which days dates lie that may be known in part only.

    Args:
        first: of the days that are meant.
        precision: D, M or Y.

    Returns:
        `first` and `last`; null where nothing is known.
    """
    day = pl.col("first")
    last = (
        pl.when(pl.col("precision") == "Y")
        .then(day.dt.offset_by("1y").dt.offset_by("-1d"))
        .when(pl.col("precision") == "M")
        .then(day.dt.month_end())
        .otherwise(day)
    )
    return pl.DataFrame({"first": first, "precision": precision}).select("first", last=last)


def _typed_outputs(column: Column) -> tuple[Output, ...]:
    made = "timestamptz" if column.is_instant else column.type
    typed = Output(column.name, made, True, column.description)
    return (typed,) if column.dates.precision == "D" else (typed, _precision_output(column))


def _typed(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    if column.is_instant:
        return frame.select(pl.col(column.name).dt.convert_time_zone("UTC"))
    if (precision := column.dates.precision) != "D":
        known = pl.when(pl.col(column.name).is_not_null()).then(pl.lit(precision))
        return frame.select(column.name, known.alias(f"{column.name}_precision"))
    return frame.select(column.name)


TIME = SemanticType(
    lambda column: (Output(column.name, "time", True, column.description),),
    lambda frame, column: frame.select(column.name),
    keeps=lambda _: True,
)
PARTIAL = SemanticType(_partial_outputs, _partial)
TYPED = SemanticType(
    _typed_outputs, _typed, keeps=lambda column: not column.is_instant and column.dates.precision == "D"
)
