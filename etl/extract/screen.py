"""Rows that were cut into cells well and are no records: a header or a total amid the data, a cell without end."""

from __future__ import annotations

from collections.abc import Sequence
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
    for column in _maybe_endless(rows, columns, contract, limits):
        limit = _limit(column, contract, limits)
        endless = _size(rows[column.source_name], column) > limit
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


def _maybe_endless(rows: pl.DataFrame, columns: Sequence[Column], contract: Contract, limits: Limits) -> list[Column]:
    """The columns with a cell of more bytes than the limit; of few files there is any."""
    if not columns:
        return []
    cells = pl.DataFrame([rows[c.source_name].alias(str(number)) for number, c in enumerate(columns)])
    longest = cells.select(pl.all().str.len_bytes().max()).row(0)
    return [c for c, size in zip(columns, longest, strict=True) if (size or 0) > _limit(c, contract, limits)]


def _limit(column: Column, contract: Contract, limits: Limits) -> int:
    """How much a cell may hold: of a key or a geometry in bytes, else in characters."""
    if column.key_position:
        return _KEY_BYTES // len(contract.key)
    return limits.whole_bytes if column.semantic_type == "geometry" else limits.cell_chars


def _size(cells: pl.Series, column: Column) -> pl.Series:
    is_in_bytes = column.key_position or column.semantic_type == "geometry"  # a boundary is as long as it is
    return (cells.str.len_bytes() if is_in_bytes else cells.str.len_chars()).fill_null(0)
