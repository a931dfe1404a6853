"""The rows of a file's tables, screened and typed, batch by batch; and what all batches together show of the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import polars as pl

from etl.contract import Contract
from etl.delivery import batches
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.delivery.problems import PROBLEM
from etl.extract import date_order, drift, look_alike, misread, parts
from etl.extract.cells import type_cells
from etl.extract.screen import screen
from etl.extract.table import Table, on_the_file
from etl.settings import Limits


@dataclass(frozen=True)
class Batch:
    """Some rows of a file, typed, with what is wrong in them.

    Attributes:
        rows: the contract's columns, typed, with what was received.
        problems: PROBLEM schema.
        rows_in: records that the file holds here, broken ones included.
        types: how many cells of each column are not of its type.
        dates: what they show of the order of day and month.
        misread: how many rows read well in another encoding.
        begins: the part of the file that begins with it.
    """

    rows: pl.DataFrame
    problems: pl.DataFrame
    rows_in: int
    types: pl.DataFrame
    dates: pl.DataFrame
    misread: pl.DataFrame
    begins: str | None


def typed(tables: Iterable[Table], contract: Contract, limits: Limits, *, of_bad_rows: bool = False) -> Iterator[Batch]:
    """The rows of a file in their order, typed; one batch at least."""

    def checked() -> Iterator[Table]:
        for number, table in enumerate(tables):
            try:
                yield drift.check_columns(table, contract) if table.begins or not number else table
            except Stop as stop:
                raise parts.of_part(stop, table.begins) from None

    rows_in = 0
    types, dates, counts, said = [], [], [], on_the_file()
    for batch in batches.each(lambda table: _typed(table, contract, limits), checked()):
        rows_in += batch.rows_in
        types.append(batch.types)
        dates.append(batch.dates)
        counts.append(batch.misread)
        said = said.clear() if batch.begins else said
        of_file = batch.problems.filter(pl.col(ROW).is_null())
        again = of_file.join(said, on="rule", how="semi")  # a file's warning is said once
        said = pl.concat([said, of_file])
        yield replace(batch, problems=batch.problems.join(again, on=["rule", ROW], how="anti", nulls_equal=True))
    if of_bad_rows and not rows_in:
        raise Stop("rejected", "empty_file")
    if not of_bad_rows:  # where all rows were bad before, the share of those that still are says nothing
        drift.check_types(pl.concat(types), contract)
        misread.check(pl.concat(counts), contract)
        warnings = date_order.check_order(pl.concat(dates), contract)
        yield replace(batch, rows=batch.rows.clear(), problems=warnings, rows_in=0)


def _typed(table: Table, contract: Contract, limits: Limits) -> Batch:
    screened = screen(table, contract, limits)
    unread, counts = misread.judge(screened.rows, contract)
    typed, untypable = type_cells(misread.without(screened.rows, unread, contract), contract)
    unsure = [look_alike.keys(typed, contract), misread.of_windows(screened.rows, contract)]
    doubts = screened.doubts  # one reason for a cell is enough
    for more in (unread, untypable):
        doubts = pl.concat([doubts, more.join(doubts, on=[ROW, "column"], how="anti")])
    found = pl.concat([screened.problems, doubts, *unsure]).match_to_schema(PROBLEM)
    types, dates = drift.untyped(typed, untypable), date_order.evidence(typed, screened.stored_dates, contract)
    return Batch(typed, found, table.rows_in, types, dates, counts, table.begins)
