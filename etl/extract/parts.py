"""Several parts of one file, such as the members of an archive, read as one: each has its own header and footer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from etl.contract import Contract, Text
from etl.delivery.columns import ROW
from etl.delivery.display import printable
from etl.delivery.messages import Stop
from etl.extract.table import Table, on_the_file


def joined(parts: Iterable[tuple[str, Iterator[Table]]], column: str, contract: Contract) -> Iterator[Table]:
    """The parts one behind the other, their rows numbered on; at the end it is said which rows are whose.

    Args:
        parts: name and tables of each.
        column: in which the part's name stands, where the contract has it.
        contract: the dataset's.

    Raises:
        Stop: as its tables do, with the part's name; or if a part has other columns that the contract does not know.
    """
    known = {c.source_name for c in contract.columns}
    behind = 0
    places: list[str] = []
    first: Table | None = None
    for name, tables in parts:
        shown, last = printable(name), behind
        try:
            for number, table in enumerate(tables):
                if column in known:
                    table = replace(table, rows=table.rows.with_columns(pl.lit(name).alias(column)))
                table = _moved(table, behind, shown, is_first=number == 0)
                first = first or table
                yield _alike(table, first, known)
                last = max([last, *pl.concat([table.rows[ROW], table.problems[ROW]]).drop_nulls()])
        except Stop as stop:
            raise of_part(stop, shown) from None
        places.append(f"{shown}: {behind + 1}-{last}")
        behind = last
    if first is not None:
        said = on_the_file("parts_read", count=len(places), parts="; ".join(places))
        yield Table(first.rows.clear(), said)


def of_part(stop: Stop, part: str | None) -> Stop:
    """What stopped a part of a file, told with the part's name."""
    if part:
        stop.message = Text(f"{part}: {stop.message.vi}", f"{part}: {stop.message.en}")
    return stop


def _moved(table: Table, by: int, part: str, *, is_first: bool) -> Table:
    """A part's table with its rows behind those of the parts before it."""
    number = pl.col(ROW) + by
    of_file = pl.col(ROW).is_null()
    named = (
        pl.when(of_file).then(pl.concat_str(pl.lit(f"{part}: "), language)).otherwise(language).alias(language)
        for language in ("vi", "en")
    )
    return replace(
        table,
        rows=table.rows.with_columns(number),
        problems=table.problems.with_columns(number, *named),
        doubts=table.doubts.with_columns(number),
        stored_dates=table.stored_dates.with_columns(number),
        begins=part if is_first else None,
    )


def _alike(table: Table, first: Table, known: set[str]) -> Table:
    """A table with the columns that nobody knows as the first one has them; one that it lacks holds nothing."""
    others, those = ([c for c in t.rows.columns if c not in known] for t in (table, first))
    if more := sorted({*others} - {*those}):
        raise Stop("held", "unlike_parts", columns=", ".join(name[:60] for name in more[:20]))
    nothing = [pl.lit(None, pl.String).alias(name) for name in those if name not in others]
    rows = table.rows.with_columns(nothing).select(*those, *(c for c in table.rows.columns if c in known))
    return replace(table, rows=rows)
