"""Columns whose names hold a value, such as `so_luong_2019` and `so_luong_2020`, turned into rows, as a contract says.

A row of the file becomes one for each such column, or each set of them, that is filled. Its number is that of the row
in the file with the place of the column behind it: 5003 is the third of them in row 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from etl.contract import OF_VALUE, Column, Contract
from etl.delivery import batches
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract.bounded import check_rows
from etl.extract.table import Table, on_the_file
from etl.settings import Limits

_FILE_ROW = "file_row"
_NAMED = 20


def value_columns(names: Iterable[str], contract: Contract) -> dict[str, Column]:
    """The contract's column that each of some columns of a file holds values of; it is called as that one, for now."""
    known = {c.source_name: c for c in contract.columns}
    values = {name: value for name, (_, value) in _found(names, contract).items()}
    return {name: replace(known[value], name=name) for name, value in values.items() if value in known}


def into_rows(tables: Iterable[Table], contract: Contract, limits: Limits) -> Iterator[Table]:
    """The tables with such columns as rows; the first table says what row numbers then mean.

    A table that has the columns of the values themselves has such rows already, and stays as it is.

    Raises:
        Stop: if a table has neither, or they become more rows than the limit.
    """
    count, is_said = 0, False
    for table in tables:
        found = _found(table.rows.columns[1:], contract)
        for part in table.batches(batches.ROWS // max(len(found), 1)) if found else ():
            made = _into_rows(part, found, contract)
            count += made.rows.height
            check_rows(count, limits)
            if not is_said:
                made = replace(made, problems=pl.concat([made.problems, _said(found)]))
            is_said = True
            yield made
        if not found:
            _check_has_values(table, contract)
            yield table


def _check_has_values(table: Table, contract: Contract) -> None:
    sent, said = table.rows.columns[1:], contract.source.unpivot
    if said and sent and not {*said.values} & {*sent}:
        names = ", ".join(f"“{name[:60]}”" for name in sent[:_NAMED])
        raise Stop("held", "no_columns_as_rows", pattern=said.columns, found=names)


def _said(found: dict[str, tuple[tuple[str, ...], str]]) -> pl.DataFrame:
    row, factor = 5, _factor(found)
    first = next(iter(found))[:60]
    return on_the_file("columns_as_rows", count=len(found), example=row * factor + 1, row=row, column=first)


def _found(names: Iterable[str], contract: Contract) -> dict[str, tuple[tuple[str, ...], str]]:
    """The columns that the contract's pattern names, each with the values in its name and the column of its cells."""
    said = contract.source.unpivot
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for name in names if said else ():
        if said and (match := re.fullmatch(said.columns, name)):
            of_name = dict(zip(said.names, (part or "" for part in match.groups()), strict=True))
            value = of_name.pop(OF_VALUE, said.values[0])
            if value in said.values:
                found[name] = tuple(of_name.values()), value
    return found


def _factor(found: dict[str, tuple[tuple[str, ...], str]]) -> int:
    return int(10 ** len(str(len(found))))


def _into_rows(table: Table, found: dict[str, tuple[tuple[str, ...], str]], contract: Contract) -> Table:
    said = contract.source.unpivot
    names = [name for name in said.names if name != OF_VALUE] if said else []
    values = [*dict.fromkeys(value for _, value in found.values())]
    sets: dict[tuple[str, ...], dict[str, str]] = {}
    places: dict[str, int] = {}
    for name, (labels, value) in found.items():
        sets.setdefault(labels, {})[value] = name
        places[name] = [*sets].index(labels) + 1
    kept = [pl.col(name) for name in table.rows.columns[1:] if name not in found]
    factor = _factor(found)
    frames = []
    for place, (labels, columns) in enumerate(sets.items(), start=1):
        cells = [
            (pl.col(columns[value]) if value in columns else pl.lit(None, pl.String)).alias(value) for value in values
        ]
        of_name = [pl.lit(label).alias(name) for name, label in zip(names, labels, strict=True)]
        number = pl.col(ROW) * factor + place
        frame = table.rows.select(number.alias(ROW), *kept, *of_name, *cells, pl.col(ROW).alias(_FILE_ROW))
        frames.append(frame.filter(pl.any_horizontal(pl.col(value).str.strip_chars() != "" for value in values)))
    rows = pl.concat(frames).sort(ROW)
    numbers = rows.select(ROW, _FILE_ROW)

    def moved(cells: pl.DataFrame) -> pl.DataFrame:
        """What is told of cells told of the rows that they came into."""
        is_value = pl.col("column").is_in([*places])
        place = pl.col("column").replace_strict(places, default=0, return_dtype=pl.Int64)
        known = dict(_names(found, contract))
        of_values = cells.filter(is_value).with_columns(pl.col(ROW) * factor + place, pl.col("column").replace(known))
        of_rows = cells.filter(~is_value).rename({ROW: _FILE_ROW}).join(numbers, on=_FILE_ROW).select(cells.columns)
        return pl.concat([of_values, of_rows])

    return replace(
        table,
        rows=rows.drop(_FILE_ROW),
        problems=table.problems.with_columns(pl.col(ROW) * factor),
        doubts=moved(table.doubts),
        stored_dates=moved(table.stored_dates),
    )


def _names(found: dict[str, tuple[tuple[str, ...], str]], contract: Contract) -> Iterator[tuple[str, str]]:
    """Columns of the file, and what the contract calls the column of their cells."""
    known = {c.source_name: c.name for c in contract.columns}
    return ((name, known[value]) for name, (_, value) in found.items() if value in known)
