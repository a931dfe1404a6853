"""A workbook of rejected rows that came back mended: read like any Excel file, our own columns apart."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from etl.contract import Contract, Source
from etl.delivery.columns import ROW
from etl.delivery.correction import ours
from etl.extract import excel
from etl.extract.table import Table, broken_lines
from etl.settings import Limits

OF_ROW = "of_row"


def read(content: bytes, contract: Contract, limits: Limits) -> tuple[Table, pl.DataFrame]:
    """Cut a mended workbook into cells.

    Returns:
        The table without our columns; its row numbers are Excel's own. And ROW with OF_ROW, the number that a row had
        in the file that is corrected; null for one that the clerk added.

    Raises:
        Stop: as for any Excel file.
    """
    source = contract.source
    as_excel = replace(contract, source=Source("excel", numbers=source.numbers, null_values=source.null_values))
    table = excel.read(content, as_excel.source, as_excel, limits)
    row_in_file, *_ = ours()
    mended = table.rows.drop(ours(), strict=False)
    is_filled = pl.any_horizontal(pl.col(name).is_not_null() for name in mended.columns[1:])
    said = table.rows[row_in_file] if row_in_file in table.rows.columns else pl.Series([None] * table.rows.height)
    of_row = said.cast(pl.Int64, strict=False).alias(OF_ROW)
    kept = table.rows.select(is_filled).to_series()  # of a line that was no record, nothing may have been filled in
    origins = pl.DataFrame([table.rows[ROW], of_row]).filter(kept)
    return replace(table, rows=mended.filter(kept), may_omit_columns=True), origins


def not_sent_back(origins: pl.DataFrame, sent_back: pl.Series) -> pl.DataFrame:
    """Problems of rows that were not sent back: a correction may touch no other, and each once.

    Args:
        origins: ROW and OF_ROW, as `read` gives them.
        sent_back: numbers of the rows of the corrected delivery that were.
    """
    is_one = pl.col(OF_ROW).is_in(sent_back.implode()).fill_null(False) & pl.col(OF_ROW).is_first_distinct()
    others = origins.filter(~is_one)[ROW].to_list()
    return broken_lines("not_sent_back", others, [None] * len(others))
