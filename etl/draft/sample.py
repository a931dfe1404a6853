"""The rows of sample files as the stations' readers cut them, every cell as text, a column at a time.

They lie in Parquet files meanwhile, so that a file may be larger than memory: no more is held than one column's cells.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from upath import UPath

from etl.contract import Contract
from etl.datatypes.text import clean
from etl.delivery import batches
from etl.delivery.columns import ROW
from etl.extract.reading import read_tables
from etl.extract.table import Table
from etl.settings import Limits

_OTHER_DIALECT = "other_dialect"
_SEPARATORS = (";", "|", "~", "¦")  # of several values in a cell; the first one that no value holds
_BARE = "not_text"  # the rule of a JSON number or Boolean where the contract has text


@dataclass
class Sample:
    """The rows of some files.

    Attributes:
        columns: what the files call them, in their order.
        path: a Parquet file of all rows, whose columns are called by their place in `columns`; `file` is a number.
        files: how many there are.
        rows: how many there are.
        broken: how many lines could not be cut into cells.
        warnings: what the readers say of the files as a whole, by rule.
        bare: cells of each column that are JSON numbers or Booleans, and no texts.
        dated: cells of each column that hold a date as such, in a workbook.
    """

    columns: list[str]
    path: UPath
    files: int = 0
    rows: int = 0
    broken: int = 0
    warnings: dict[str, str] = field(default_factory=dict)
    bare: Counter[str] = field(default_factory=Counter)
    dated: Counter[str] = field(default_factory=Counter)

    def values(self, column: str) -> pl.DataFrame:
        """The different cells of a column, without what nobody sees: `value` (null: empty) and `count`."""
        cells = clean(self.cells([column])[column])
        counted = cells.alias("value").to_frame().group_by("value", maintain_order=True).len("count")
        return counted.sort("count", descending=True, maintain_order=True)

    def cells(self, columns: Sequence[str], most: int | None = None) -> pl.DataFrame:
        """Some columns, as sent, and `file`, the number of the file that each row is of.

        Args:
            columns: which.
            most: rows from the top; by default all.
        """
        places = [str(self.columns.index(name)) for name in columns]
        read = pl.read_parquet(str(self.path), columns=[*places, "file"], n_rows=most)
        return pl.DataFrame(
            [*(read[place].alias(name) for place, name in zip(places, columns, strict=True)), read["file"]]
        )


def fields_in(file: Path, contract: Contract, limits: Limits) -> dict[str, str | None]:
    """The columns that the records of a file name themselves, in the order of their coming.

    A list of objects is a column for each of their fields, as `lines[*].item`.

    Args:
        file: of a format without a header.
        contract: says how it is read; its columns do not matter.
        limits: what it may ask.

    Returns:
        What parts the values of a column that holds several; None where it holds one.

    Raises:
        Stop: if it cannot be read.
    """
    found: dict[str, str | None] = {}
    with file.open("rb") as stream:
        for table in read_tables(stream, contract, limits):
            for name in table.rows.columns[1:]:
                cells = table.rows[name].drop_nulls()
                lists = cells.filter(cells.str.contains(r"^\[.*\]$"))
                is_list = len(lists) == len(cells) > 0 and contract.source.format in ("json", "ndjson", "geojson")
                found |= _of_lists(name, lists) if is_list else {name: found.get(name)}
    return found


def _of_lists(name: str, cells: pl.Series) -> dict[str, str | None]:
    """The columns that lists of JSON become."""
    separator = next((sign for sign in _SEPARATORS if not cells.str.contains(sign, literal=True).any()), _SEPARATORS[0])
    items = [item for cell in cells.unique(maintain_order=True) for item in json.loads(cell)]
    if items and all(isinstance(item, dict) for item in items):
        return {f"{name}[*].{key}": separator for item in items for key in item}
    return {name: separator}


def read(files: Iterable[Path], contract: Contract, home: Path, limits: Limits) -> Sample:
    """Read files.

    Args:
        files: all laid out as the contract says.
        contract: names all columns, each as text.
        home: folder that the rows are kept in.
        limits: what a file may ask.

    Raises:
        Stop: if one cannot be read.
    """
    columns = [column.source_name for column in contract.columns]
    sample = Sample(columns, UPath(home) / "rows.parquet")
    by_name = {column.name: column.source_name for column in contract.columns}
    with batches.writing(sample.path) as write:
        for file in files:
            with file.open("rb") as stream:
                for table in read_tables(stream, contract, limits):
                    write(_by_place(table.rows, columns, sample.files))
                    _note(sample, table, by_name)
            sample.files += 1
    return sample


def _by_place(rows: pl.DataFrame, columns: Sequence[str], file: int) -> pl.DataFrame:
    """Rows under the places of their columns: a name may be anything, also what polars takes for a pattern."""
    known = set(rows.columns)
    nothing = pl.repeat(None, rows.height, dtype=pl.String, eager=True)
    cells = [(rows[name] if name in known else nothing).alias(str(at)) for at, name in enumerate(columns)]
    return pl.DataFrame([*cells, pl.repeat(file, rows.height, dtype=pl.Int32, eager=True).alias("file")])


def _note(sample: Sample, table: Table, by_name: Mapping[str, str]) -> None:
    sample.rows += table.rows.height
    of_rows = pl.col(ROW).is_not_null()
    sample.broken += table.problems.filter(of_rows).height
    for rule, said in table.problems.filter(~of_rows).select("rule", "en").iter_rows():
        if rule != _OTHER_DIALECT:  # than that of the contract, which was found and is said already
            sample.warnings.setdefault(rule, said)
    bare = table.doubts.filter(pl.col("rule") == _BARE).group_by("column").len()
    sample.bare.update({by_name[name]: count for name, count in bare.iter_rows()})
    dated = table.stored_dates.group_by("column").len()
    sample.dated.update({by_name[name]: count for name, count in dated.iter_rows()})
