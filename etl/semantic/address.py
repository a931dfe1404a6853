"""Addresses: the text as it was written, and the ward that it names, where that can be decided.

A district says that the units of before July 2025 are meant; without one it is those of the row's period. Ward names
repeat between districts (there were some twenty "Phường 14"), so a name alone may be ambiguous.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from etl.contract import Column, Text
from etl.semantic.output import Output, SemanticType
from etl.semantic.text import clean, older_tone_marks
from etl.semantic.ward import OLD_FROM, REFORM, period_of, unit_outputs, units

# What stands before the name of a unit, abbreviated or not -> the word itself.
_PREFIXES = {
    r"^(?:phường\s+|p\.\s*|p\s+|p(?=\d))": "phường ",
    r"^(?:xã\s+|x\.\s*)": "xã ",
    r"^(?:thị trấn\s+|tt\.\s*)": "thị trấn ",
    r"^(?:quận\s+|q\.\s*|q\s+|q(?=\d))": "quận ",
    r"^(?:huyện\s+|h\.\s*)": "huyện ",
    r"^(?:thành phố\s+|tp\.?\s*|t\.p\.?\s*)": "thành phố ",
    r"^(?:thị xã\s+|tx\.\s*)": "thị xã ",
    r"^(?:tỉnh\s+|t\.\s*)": "tỉnh ",
}
_WARD = r"^(phường|xã|thị trấn|đặc khu) "
_DISTRICT = r"^(quận|huyện|thị xã|thành phố) "
_PROVINCE = r"^(tỉnh|thành phố) "
_OURS = ("thành phố hồ chí minh", "thành phố hcm", "tỉnh bình dương", "tỉnh bà rịa - vũng tàu", "tỉnh bà rịa-vũng tàu")


def _outputs(column: Column) -> tuple[Output, ...]:
    d = column.description
    unit = Text(f"{d.vi} Mã phường, xã suy ra từ địa chỉ.", f"{d.en} Ward found in the address.")
    return (Output(column.name, "text", True, d), *unit_outputs(f"{column.name}_ward", unit, False))


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    address = clean(frame[column.name])
    period = period_of(frame, column)
    is_new = (period >= REFORM).fill_null(column.period_column is None)
    rows = pl.DataFrame(
        [address.alias("address"), pl.Series("old", ~is_new), pl.int_range(address.len(), eager=True).alias("row")]
    )
    named = _units_named(rows.select("address").drop_nulls().unique())
    found = rows.join(named, on="address", how="left", maintain_order="left").with_columns(
        (pl.col("old") | pl.col("district").is_not_null()).alias("old")
    )
    by_district = found.join(_names_in_district(), on=["ward", "district"], how="left", maintain_order="left")
    by_name = found.join(_names(), on=["ward", "old"], how="left", maintain_order="left")
    chosen = found.with_columns(
        pl.when(pl.col("district").is_not_null()).then(by_district["code"]).otherwise(by_name["code"]).alias("code"),
        pl.when(pl.col("district").is_not_null()).then(1).otherwise(by_name["homonyms"]).alias("homonyms"),
    )
    is_ours = ~pl.col("elsewhere").fill_null(False)
    exact = pl.col("code").is_not_null() & (pl.col("homonyms") == 1) & is_ours
    ambiguous = (pl.col("homonyms") > 1) & is_ours
    start = pl.when(pl.col("old")).then(pl.lit(OLD_FROM)).otherwise(pl.lit(REFORM))
    return chosen.select(
        pl.col("address").alias(column.name),
        pl.when(exact).then("code").alias(f"{column.name}_ward"),
        pl.when(exact).then(start).alias(f"{column.name}_ward_valid_from"),
        pl.when(pl.col("address").is_not_null())
        .then(
            pl.when(exact)
            .then(pl.lit("exact"))
            .when(ambiguous)
            .then(pl.lit("ambiguous"))
            .otherwise(pl.lit("unknown"))
        )
        .alias(f"{column.name}_ward_status"),
    )


def _units_named(addresses: pl.DataFrame) -> pl.DataFrame:
    """For each distinct address the ward, the district, and whether a province that is not the city's is named."""
    parts = (
        addresses.with_columns(pl.col("address").str.split(",").alias("part"))
        .explode("part", keep_nulls=False, empty_as_null=False)
        .with_columns(_spelled_out(pl.col("part")))
        .filter(pl.col("part").str.contains(r"^(phường|xã|thị trấn|đặc khu|quận|huyện|thị xã|thành phố|tỉnh) "))
    )
    parts = parts.with_columns(older_tone_marks(parts["part"]).alias("part"))
    part = pl.col("part")
    is_district = part.is_in(list(_districts())) | (part.str.contains(_DISTRICT) & ~part.str.contains(_PROVINCE))
    is_elsewhere = part.str.contains(_PROVINCE) & ~part.is_in(list(_OURS)) & ~is_district
    return parts.group_by("address").agg(
        part.filter(part.str.contains(_WARD)).first().alias("ward"),
        part.filter(is_district).first().alias("district"),
        is_elsewhere.any().alias("elsewhere"),
    )


def _spelled_out(part: pl.Expr) -> pl.Expr:
    part = part.str.strip_chars().str.to_lowercase()
    for abbreviated, word in _PREFIXES.items():
        # Rust's regular expressions have no look-ahead: the digit behind "p" and "q" is captured and put back.
        pattern = abbreviated.replace(r"p(?=\d)", r"p(\d)").replace(r"q(?=\d)", r"q(\d)")
        part = part.str.replace(pattern, f"{word}${{1}}" if "(\\d)" in pattern else word)
    return part.str.replace(r"^((?:phường|quận) )0+(\d)", "${1}${2}")


@cache
def _districts() -> frozenset[str]:
    return frozenset(_old()["district"])


def _old() -> pl.DataFrame:
    named = units().filter(pl.col("valid_from") == OLD_FROM).select("code", "name", "district")
    return named.with_columns(_key(named["name"]).alias("name"), _key(named["district"]).alias("district"))


@cache
def _names_in_district() -> pl.DataFrame:
    return _old().rename({"name": "ward"})


@cache
def _names() -> pl.DataFrame:
    """Unit names with their code where only one unit of the scheme has the name, and how many have."""
    new = units().filter(pl.col("valid_from") == REFORM)
    every = pl.concat(
        [
            _old().select("code", pl.col("name").alias("ward"), pl.lit(True).alias("old")),
            pl.DataFrame([new["code"], _key(new["name"]).alias("ward")]).with_columns(pl.lit(False).alias("old")),
        ]
    )
    return every.group_by("ward", "old").agg(pl.col("code").first(), pl.len().alias("homonyms"))


def _key(names: pl.Series) -> pl.Series:
    return older_tone_marks(clean(names).str.to_lowercase())


TYPE = SemanticType(_outputs, _standardise)
