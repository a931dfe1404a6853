"""Rows that were cut into cells well and are no records: a header or a total amid the data, a cell without end."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from etl.contract import Column, Contract
from etl.datatypes.text import free
from etl.delivery.columns import ROW
from etl.delivery.messages import wording
from etl.delivery.problems import problems
from etl.extract.footer import totals_amid_data
from etl.extract.table import Table, broken_lines
from etl.settings import Limits

_KEY_BYTES = 2000  # of all key cells of a row together: PostgreSQL's index takes no entry beyond 2,704
_HEAD = 60  # characters of a cell without end that are shown


def screen(table: Table, contract: Contract, limits: Limits) -> Table:
    """The table without such rows; each became one problem."""
    columns = [c for c in contract.columns if c.source_name in table.rows.columns]
    header = _repeated_header(table.rows, [c.source_name for c in columns])
    total = totals_amid_data(table.rows, contract)
    found = [
        broken_lines(rule, numbers.to_list(), [None] * len(numbers))
        for rule, numbers in (("repeated_header", header), ("total_amid_data", total))
    ]
    rows = table.rows
    if len(header) or len(total):
        rows = rows.filter(~pl.col(ROW).is_in(pl.concat([header, total]).implode()))
    for column in columns:
        size, limit = _size(rows[column.source_name], column, contract, limits)
        endless = size > limit
        if endless.any():
            about = wording("cell_too_long")
            failing = rows.filter(endless).select(ROW, value=pl.col(column.source_name).str.head(_HEAD) + "…")
            said = about.fill(column=column.label, limit=limit)
            found.append(problems(failing, column.name, "cell_too_long", said, about))
            rows = rows.filter(~endless)
    doubts = table.doubts.filter(pl.col(ROW).is_in(rows[ROW].implode()))
    return replace(table, rows=rows, problems=pl.concat([table.problems, *found]), doubts=doubts)


def _repeated_header(rows: pl.DataFrame, names: list[str]) -> pl.Series:
    for name in names:
        if rows.is_empty():  # as a rule after the first one
            break
        rows = rows.filter(free(rows[name].alias("cell")) == name)
    return rows[ROW] if names else rows.clear()[ROW]


def _size(cells: pl.Series, column: Column, contract: Contract, limits: Limits) -> tuple[pl.Series, int]:
    if column.key_position:
        return cells.str.len_bytes().fill_null(0), _KEY_BYTES // len(contract.key)
    if column.semantic_type == "geometry":  # a boundary is as long as it is
        return cells.str.len_bytes().fill_null(0), limits.whole_bytes
    return cells.str.len_chars().fill_null(0), limits.cell_chars
