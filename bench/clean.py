"""Clean typed rows as they stand in a history table: what COPY and other tools are given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench.states import State, plain
from etl.contract import Contract

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Clean:
    """The current rows of a history table.

    Attributes:
        csv: the rows, with a header.
        types: each column's PostgreSQL type.
        key: columns of the primary key.
    """

    csv: Path
    types: dict[str, str]
    key: tuple[str, ...]

    @property
    def create_table(self) -> str:
        """The statement that makes the empty table `clean` with its primary key."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.types.items())
        return f"CREATE TABLE clean ({columns}, PRIMARY KEY ({', '.join(self.key)}))"

    def arrow(self) -> pa.Table:
        """The rows, read as an Arrow table."""
        import pyarrow.csv

        types = {name: _arrow_type(kind) for name, kind in self.types.items()}
        options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
        return pyarrow.csv.read_csv(self.csv, convert_options=options)


def export(state: State, contract: Contract, path: Path, rows: int | None = None) -> Clean:
    """Write the current rows of a dataset's table.

    Args:
        state: where the table is.
        contract: the dataset's.
        path: of the CSV file.
        rows: at most so many; by default all.
    """
    from etl import datatypes
    from etl.warehouse.tables import key_columns

    types = {output.name: output.type for column in contract.content for output in datatypes.outputs(column)}
    limit = f" LIMIT {rows}" if rows else ""
    query = f"SELECT {', '.join(types)} FROM {contract.schema}.{contract.table} WHERE valid_to IS NULL{limit}"
    copy = f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"
    with (
        psycopg.connect(plain(state.url)) as connection,
        path.open("wb") as file,
        connection.cursor().copy(copy.encode()) as chunks,
    ):
        for chunk in chunks:
            file.write(chunk)
    return Clean(path, types, tuple(key_columns(contract)))


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    if numeric := re.fullmatch(r"numeric\((\d+),(\d+)\)", kind):
        return pa.decimal128(int(numeric[1]), int(numeric[2]))
    return {"text": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us"), "bigint": pa.int64()}[kind]
