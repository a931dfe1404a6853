"""Whether a file writes its dates in the agreed order of day and month; a date like 03/04/2026 does not show it.

A day beyond the twelfth proves the order, or contradicts it. One program writes a file, so what any column proves holds
for all; what contradicts is counted by column. A workbook's cell that holds a date as such leaves no doubt by itself.
But where its neighbours are text in the other order, a program has read what it could of them the wrong way round.
"""

from __future__ import annotations

import polars as pl

from etl.contract import Column, Contract
from etl.contract.date_format import DateFormat, date_format
from etl.datatypes.dates import parse_dates
from etl.delivery.columns import RECEIVED, ROW
from etl.delivery.messages import Stop
from etl.delivery.problems import NO_PROBLEMS
from etl.extract.table import on_the_file

_EVIDENCE = pl.Schema(
    {
        "column": pl.String(),
        "proving": pl.Int64(),  # dates that are real in the agreed order alone
        "contradicting": pl.Int64(),  # dates that are real in the other order alone
        "ambiguous": pl.Int64(),  # dates that are real, and differ, in both
        "proving_stored": pl.Int64(),  # the same of cells that hold a date as such
        "ambiguous_stored": pl.Int64(),
        "first": pl.Int64(),  # row that contradicts
    }
)
_FORM = "dd/MM/yyyy"  # of a date of which no part is unknown
_LAST_MONTH = 12
_MIXED_SHARE = 0.05  # dates that contradict the order, for each that proves it, from which they are no mere slips


def evidence(typed: pl.DataFrame, stored: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """What the dates of some rows show, by column.

    Args:
        typed: rows as `raw/` holds them.
        stored: cells (ROW, `column`) that hold a date as such.
        contract: the dataset's.
    """
    found = []
    for column in contract.columns:
        notation = _notation(column)
        if notation is None or notation.swapped is None:
            continue
        text = typed[column.name if column.type == "string" else RECEIVED + column.name]
        if column.type == "string" and not text.str.contains("/", literal=True).any():
            continue  # no cell is of that form
        dates = typed[column.name] if column.type != "string" else parse_dates(text, notation.text)
        day, month = dates.dt.day(), dates.dt.month()
        unreal = text.is_not_null() & dates.is_null()
        other_way = parse_dates(text.filter(unreal), notation.swapped, column.pivot)
        rows = typed[ROW].filter(unreal).filter(other_way.is_not_null())
        as_such = typed[ROW].is_in(stored.filter(pl.col("column") == column.name)[ROW].implode())
        proving, ambiguous = day > _LAST_MONTH, (day <= _LAST_MONTH) & (day != month)
        of_text = [(proving & ~as_such).sum(), len(rows), (ambiguous & ~as_such).sum()]
        found.append((column.name, *of_text, (proving & as_such).sum(), (ambiguous & as_such).sum(), rows.min()))
    return pl.DataFrame(found, _EVIDENCE, orient="row")


def check_order(found: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Judge what the dates of a file show.

    Args:
        found: from `evidence`, of all parts of a file.
        contract: the dataset's.

    Returns:
        A warning on the file as a whole for each column with ambiguous dates, if nothing in the file proves their
        order, or some dates contradict it.

    Raises:
        Stop: if more dates of some column contradict the agreed order than prove it, and it has others that would be
            read by it.
    """
    total = found.group_by("column", maintain_order=True).agg(
        pl.sum("proving", "contradicting", "ambiguous", "proving_stored", "ambiguous_stored"), pl.min("first")
    )
    warnings = [NO_PROBLEMS]
    is_proved = total["proving"].sum() > 0
    for name, proving, contradicting, ambiguous, proving_stored, ambiguous_stored, first in total.iter_rows():
        column = contract.column(name)
        notation = _notation(column)
        details = {"column": column.label, "expected": notation.text if notation else ""}
        right = proving + proving_stored
        if contradicting > right and (ambiguous or ambiguous_stored or contradicting > 1):
            raise Stop("held", "swapped_dates", count=contradicting, proving=right, row=first, **details)
        if ambiguous and not is_proved:
            warnings.append(on_the_file("ambiguous_dates", count=ambiguous, **details))
        elif ambiguous and contradicting and contradicting >= _MIXED_SHARE * proving:
            counts = {"count": ambiguous, "contradicting": contradicting, "proving": proving}
            warnings.append(on_the_file("mixed_dates", **counts, **details))
    return pl.concat(warnings)


def _notation(column: Column) -> DateFormat | None:
    """How a column writes dates, if it does."""
    if column.semantic_type == "partial_date":
        return date_format(_FORM)
    return column.dates if column.type in ("date", "timestamp") else None
