"""Columns that a file calls as they were called in former years."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from etl.contract import Contract
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract.table import Table

Reading = Callable[[Contract], Iterator[Table]]


def as_named(contract: Contract, read: Reading) -> Contract:
    """The contract with the columns called as a file calls them.

    Args:
        contract: names each column as it is called now, and as it was (`sourceNames`).
        read: reads the file from its beginning by a contract.

    Raises:
        Stop: if the file calls two columns by names of one.
    """
    if not any(column.former_names for column in contract.columns):
        return contract
    names = _names(contract, read)
    columns = []
    for column in contract.columns:
        called = [name for name in (column.source_name, *column.former_names) if name in names]
        if len(called) > 1:
            raise Stop("held", "unclear_column", columns=", ".join(called))
        columns.append(replace(column, source_name=called[0]) if called else column)
    return replace(contract, columns=tuple(columns))


def _names(contract: Contract, read: Reading) -> Collection[str]:
    """The columns that a file has; none if it cannot be read by any of their names."""
    former = [replace(c, source_name=(*c.former_names, c.source_name)[0]) for c in contract.columns]
    for known in (contract, replace(contract, columns=tuple(former))):
        try:
            found = set(next(read(known)).rows.columns) - {ROW}
        except Stop:
            continue
        if any(name in found for c in contract.columns for name in (c.source_name, *c.former_names)):
            return found
    return ()
