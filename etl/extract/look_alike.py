"""Keys whose letters look like others: `АB12` with a Cyrillic А is another record than the one that everybody sees."""

from __future__ import annotations

import polars as pl

from etl.contract import Contract
from etl.datatypes.text import is_ascii
from etl.delivery.columns import ROW
from etl.delivery.messages import wording
from etl.delivery.problems import NO_PROBLEMS, problems

_OTHER = r"[\p{Cyrillic}\p{Greek}\p{Armenian}\p{Cherokee}\p{Coptic}--\x{2126}]"
_TWINS = "АВЕЅІЈКМНОРСТУХЗаеѕіјкорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧινορυχ"  # Cyrillic and Greek letters that look Latin
_ALL_TWINS = f"^[^\\p{{L}}]*(?:[{_TWINS}][^\\p{{L}}]*)+$"


def keys(typed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Warnings (PROBLEM schema) for cells of key columns that mix alphabets, or look Latin and are not.

    Args:
        typed: as `raw/` holds it.
        contract: names the key columns.
    """
    about = wording("look_alike_key")
    found = [NO_PROBLEMS]
    for column in contract.key:
        if column.type != "string" or is_ascii(typed[column.name]):
            continue
        cells = typed.select(ROW, pl.col(column.name).alias("value"))
        other = cells.filter(pl.col("value").str.contains(_OTHER))
        mixed = other.filter(pl.col("value").str.contains(r"\p{Latin}") | pl.col("value").str.contains(_ALL_TWINS))
        said = about.fill(column=column.label, example=column.example)
        found.append(problems(mixed, column.name, "look_alike_key", said, about, "warning"))
    return pl.concat(found)
