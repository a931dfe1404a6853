"""Sweep: the records that a whole pull has no more are written behind it as deleted.

A watermark sees what was changed, and nothing of what is gone; and in mode `changes` a record ends only when a row says
so. So where the contract says `gone: end`, a whole pull is compared with what earlier pulls have brought: a key that
they had and it has not is deleted, as if the source had said so. All of it comes from bytes in landing, and the rows
become bytes in landing: nothing is looked up in the warehouse.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from upath import UPath

from etl import datatypes
from etl.contract import Contract
from etl.contract.city import city

_FILE, _IS_GONE = "_file", "_is_gone"  # no column's name of a contract begins so


def end_what_is_gone(contract: Contract, earlier: Sequence[UPath], whole: Path, seen_at: datetime) -> int:
    """Write a deletion behind a whole pull for each record that earlier ones had.

    Args:
        contract: of a dataset in mode `changes`.
        earlier: the bytes of earlier pulls since the last whole one, this one included, in the order of their views.
        whole: the file of the whole pull.
        seen_at: when the source was looked at.

    Returns:
        How many records are gone.
    """
    key = [column.source_name for column in contract.key]
    known = [_records(contract, content).with_columns(pl.lit(at).alias(_FILE)) for at, content in enumerate(earlier)]
    if not known:
        return 0
    last = pl.concat(known, how="diagonal").sort(_FILE).unique(key, keep="last").filter(~pl.col(_IS_GONE))
    gone = last.join(_records(contract, UPath(whole)), on=key, how="anti").sort(key)
    comma = contract.source.delimiter
    with whole.open("rb") as stream:
        header = stream.readline().decode().rstrip("\n")
    names = pl.read_csv(f"{header}\n".encode(), separator=comma, infer_schema=False).columns
    cells = gone.select(_cell(contract, name, gone.columns, seen_at).alias(name) for name in names)
    with whole.open("ab") as stream:
        for row in cells.iter_rows():
            stream.write(comma.join("" if cell is None else _quoted(cell) for cell in row).encode() + b"\n")
    return gone.height


def _records(contract: Contract, content: UPath) -> pl.DataFrame:
    """The records that a pulled file speaks of, each once, and whether it says that one is gone."""
    change = contract.column_with_role("change")
    assert change is not None
    file = pl.scan_csv(
        content if isinstance(content, Path) else content.open("rb"),
        separator=contract.source.delimiter,
        infer_schema=False,
    )
    there = set(file.collect_schema().names())
    names = [column.source_name for column in contract.naming if column.source_name in there]
    rows = file.select(names).collect()
    is_gone = datatypes.deletes(rows.select(pl.col(change.source_name).alias(change.name)), contract)
    key = [column.source_name for column in contract.key]
    return rows.with_columns(is_gone.alias(_IS_GONE)).sort(_IS_GONE).unique(key, keep="last")


def _cell(contract: Contract, name: str, known: Sequence[str], seen_at: datetime) -> pl.Expr:
    column = next(column for column in contract.columns if column.source_name == name)
    if column.role == "change":
        return pl.lit(city().deletion)
    if column.role == "sequence":
        zone = ZoneInfo(column.zone) if column.zone else city().zone
        clock = seen_at.astimezone(UTC if column.dates.is_utc else zone)
        return pl.lit(clock.strftime(column.dates.strftime))
    return pl.col(name) if name in known else pl.lit(None, pl.String)


def _quoted(cell: str) -> str:
    return '"{}"'.format(cell.replace('"', '""'))
