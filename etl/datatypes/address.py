"""Addresses: the text as it was written, and the ward that it names, where that can be decided.

A district says that the units of before July 2025 are meant; without one it is those of the row's period. Ward names
repeat between districts (there were some ten "Phường 14"), so a name alone may be ambiguous. Whatever stands behind the
ward must be a district or province of ours: "Phường Tân Bình, Hải Dương" is not in this city.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import polars as pl

from etl.contract import Column, Text
from etl.datatypes.output import Output, SemanticType
from etl.datatypes.text import clean, older_tone_marks
from etl.datatypes.ward import period_of, unit_outputs, units

REFORM = date(2025, 7, 1)  # of the whole country: districts ended
# What stands before a unit's name, abbreviated or not -> the word itself. A bare "p" or "q" needs a digit behind it.
_PREFIXES = {
    r"^(?:phường\s+|p\.\s*|p\s+|p([0-9]))": "phường ${1}",
    r"^(?:xã\s+|x\.\s*)": "xã ",
    r"^(?:thị trấn\s+|tt\.?\s+|tt\.)": "thị trấn ",
    r"^(?:quận\s+|q\.\s*|q\s+|q([0-9]))": "quận ${1}",
    r"^(?:huyện\s+|h\.\s*)": "huyện ",
    r"^(?:thành phố\s+|tp\.?\s*|t\.p\.?\s*)": "thành phố ",
    r"^(?:tỉnh\s+|t\.\s*)": "tỉnh ",
    r"^(phường|quận) 0+([0-9])": "${1} ${2}",
}
_MAY_BE_PREFIXED = r"^(?:p|x|t|q|h)"
_WARD = r"^(?:phường|xã|thị trấn|đặc khu) "
_PARTED_BY = r"\s*[,;]\s*|\s+[-–]\s+"
_OURS = (
    "thành phố hồ chí minh", "hồ chí minh", "thành phố hcm", "hcm", "tỉnh bình dương", "bình dương", "việt nam",
    "tỉnh bà rịa-vũng tàu", "bà rịa-vũng tàu",
)  # fmt: skip


def _outputs(column: Column) -> tuple[Output, ...]:
    d = column.description
    unit = Text(f"{d.vi} Mã phường, xã suy ra từ địa chỉ.", f"{d.en} Ward found in the address.")
    return (Output(column.name, "text", True, d), *unit_outputs(f"{column.name}_ward", unit, False))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    period = period_of(frame, column)
    rows = pl.DataFrame(
        {"address": clean(frame[column.name]), "old": ~(period >= REFORM).fill_null(column.period_column is None)}
    ).with_columns(undated=period.is_null() & (column.period_column is not None))
    named = _units_named(rows["address"].drop_nulls().unique())
    rows = rows.join(named, on="address", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("old") | pl.col("district").is_not_null())
    rows = rows.join(_homes(), on=["ward", "district", "old"], how="left", maintain_order="left", nulls_equal=True)
    # Without a date a name may be of either scheme.
    certain = (pl.col("homonyms") == 1) & (~pl.col("undated") | pl.col("district").is_not_null())
    exact = certain.fill_null(False)
    status = pl.when(exact).then(pl.lit("exact")).when(pl.col("homonyms") > 0).then(pl.lit("ambiguous"))
    return rows.select(
        pl.col("address").alias(column.name),
        pl.when(exact).then("code").alias(f"{column.name}_ward"),
        pl.when(exact).then("valid_from").alias(f"{column.name}_ward_valid_from"),
        pl.when(pl.col("address").is_not_null())
        .then(status.otherwise(pl.lit("unknown")))
        .alias(f"{column.name}_ward_status"),
    )


def _units_named(addresses: pl.Series) -> pl.DataFrame:
    """For each distinct address its ward and district as `_homes` writes them; those that are not ours are left out.

    Only parts behind the ward are looked at for a district: what comes before it is a street, hamlet or quarter.
    """
    lower = addresses.str.to_lowercase().str.replace(r"bà rịa\s*[-–]\s*vũng tàu", "bà rịa-vũng tàu")
    cut = lower.str.replace_all(_PARTED_BY, ",").str.split(",").alias("part")
    rows = pl.DataFrame([pl.int_range(addresses.len(), eager=True).alias("row"), cut])
    parts = rows.explode("part", keep_nulls=False, empty_as_null=False).filter(pl.col("part") != "")
    distinct = parts["part"].unique()
    known = pl.DataFrame({"part": distinct, "name": older_tone_marks(_spelled_out(distinct))}).select(
        "part",
        "name",
        pl.col("name").str.contains(_WARD).alias("is_ward"),
        pl.col("name").replace_strict(_districts(), default=None, return_dtype=pl.String).alias("district"),
        pl.col("name").is_in(_OURS).alias("is_ours"),
    )
    parts = parts.join(known, on="part", how="left", maintain_order="left").with_row_index("place")
    wards = parts.filter("is_ward").unique("row", keep="first", maintain_order=True)
    behind = (
        parts.join(wards.select("row", ward_place="place"), on="row")
        .filter(pl.col("place") > pl.col("ward_place"))
        .group_by("row")
        .agg(
            pl.col("district").drop_nulls().first(),
            pl.col("district").drop_nulls().n_unique().alias("districts"),
            (pl.col("is_ours") | pl.col("district").is_not_null()).all().alias("all_ours"),
        )
    )
    return (
        wards.select("row", ward="name")
        .join(behind, on="row", how="left")
        .filter(pl.col("all_ours").fill_null(True) & (pl.col("districts").fill_null(0) <= 1))
        .join(pl.DataFrame({"address": addresses}).with_row_index("row").cast({"row": pl.Int64}), on="row")
        .select("address", "ward", "district")
    )


def _spelled_out(parts: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"part": parts.str.strip_chars(" .")})
    spelled = pl.col("part")
    for abbreviated, word in _PREFIXES.items():
        spelled = spelled.str.replace(abbreviated, word)
    made = frame.filter(pl.col("part").str.contains(_MAY_BE_PREFIXED)).unique().with_columns(spelled.alias("spelled"))
    joined = frame.join(made, on="part", how="left", maintain_order="left")
    return joined.select(pl.coalesce("spelled", "part")).to_series()


@cache
def _districts() -> dict[str, str]:
    """Districts of before July 2025, with and without their kind -> with it. Bare numbers are no names."""
    full = _key(units()["district"].drop_nulls().unique())
    bare = full.str.replace(r"^(?:quận|huyện|thành phố) ", "")
    named = {short: name for short, name in zip(bare, full, strict=True) if not short.isdigit()}
    return named | {name: name for name in full}


@cache
def _homes() -> pl.DataFrame:
    """Unit names, by district and alone: ward, district, old, code, valid_from, homonyms (units that it may be)."""
    named = units().with_columns(_key(units()["name"]).alias("ward"), _key(units()["district"]).alias("district"))
    named = named.select("ward", "district", "code", "valid_from", old=pl.col("valid_from") < REFORM)
    alone = named.with_columns(district=pl.lit(None, pl.String))
    every = pl.concat([named.filter("old"), alone])
    return every.group_by("ward", "district", "old").agg(
        pl.col("code", "valid_from").first(), pl.len().alias("homonyms")
    )


def _key(names: pl.Series) -> pl.Series:
    return older_tone_marks(clean(names).str.to_lowercase())


TYPE = SemanticType(_outputs, _standardise)
