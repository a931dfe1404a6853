"""What is compared of a person: one row a group of records, and the forms of its names and days."""

from __future__ import annotations

import polars as pl

from etl.linkage import levels
from etl.linkage.declared import BIRTH, Linkage
from etl.linkage.number import RECORD

_OF = "\x1f"  # between the parts of a record's name


def columns_written(linkage: Linkage) -> list[str]:
    """The columns of a profile that say what was written."""
    return [name for f in linkage.comparisons for name in ([f, f"{BIRTH}_precision"] if f == BIRTH else [f])]


def as_compared(profiles: pl.DataFrame, linkage: Linkage) -> pl.DataFrame:
    """Profiles as splink takes them."""
    forms = [form for field, kind in linkage.comparisons.items() for form in levels.columns(field, kind)]
    return profiles.select(*dict.fromkeys(["unique_id", *columns_written(linkage), *forms]))


def prepared(
    profiles: pl.DataFrame, before: pl.DataFrame | None, same: list[str], linkage: Linkage
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Profiles with the forms in which they are compared and with what else is remembered of them; and the new ones.

    Args:
        profiles: what is written.
        before: those of the last time, with their forms.
        same: columns in which a profile is as the last time.
        linkage: what is declared.
    """
    new = profiles if before is None else profiles.join(before, on=same, how="anti", nulls_equal=True)
    for field, kind in linkage.comparisons.items():
        new = levels.prepared(new, field, kind)
    if before is None:
        return new, new
    known = profiles.join(before, on=same, how="inner", nulls_equal=True)
    return pl.concat([known, new], how="diagonal_relaxed").sort("unique_id"), new


def sharing_a_block(profiles: pl.DataFrame, others: pl.DataFrame, linkage: Linkage) -> pl.Series:
    """Which profiles have a block in common with any of others."""
    found_ = [profiles.join(others, on=list(block), how="semi")["unique_id"] for block in linkage.blocks]
    return pl.concat(found_).unique()


def profiles_of(rows: pl.DataFrame, linkage: Linkage) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """One row a group: settled ones, loose ones, and which loose ones are written alike and so compared as one.

    A group says of each field what the record says that is believed most.
    """
    order = rows.select("group", "trust").with_row_index("row").sort("group", "trust", "row")["row"]
    of = rows["group"].gather(order)
    made = rows.select(unique_id="group", is_settled="is_settled").unique("unique_id").sort("unique_id")
    for field in linkage.comparisons:
        columns = [field, f"{BIRTH}_precision"] if field == BIRTH else [field]
        said = rows.select(columns).select(pl.all().gather(order)).with_columns(of.alias("unique_id"))
        said = said.filter(pl.col(field).is_not_null()).unique("unique_id", keep="first", maintain_order=True)
        made = made.join(said, on="unique_id", how="left", maintain_order="left")
    # A group is numbered by the first of its rows, which stand in the order of their records.
    record = rows.select(RECORD).select(pl.all().gather(made["unique_id"])).select(pl.concat_str(RECORD, separator=_OF))
    made = made.with_columns(record.to_series().alias("record"))
    settled, loose = (made.filter(is_it).drop("is_settled") for is_it in (pl.col("is_settled"), ~pl.col("is_settled")))
    alike = loose.select("record", group="unique_id", alike=pl.col("unique_id").first().over(columns_written(linkage)))
    return settled, loose.filter(alike["alike"] == alike["group"]).drop("record"), alike
