"""Links: a row of one table of a file names a record of the main table, which must stand in the same file.

Only the file is looked into, not the warehouse: so what becomes of a row does not depend on what has come before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

import polars as pl

from etl.contract import Contract, ContractError
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop, wording
from etl.delivery.problems import NO_PROBLEMS, problems
from etl.extract.cells import type_cells
from etl.extract.table import Table


def linked(contract: Contract, read: Callable[[Contract], Iterator[Table]]) -> dict[str, pl.Series]:
    """What stands in the main table of a file, by the column whose values must be among it.

    Args:
        contract: of another table of the file.
        read: cuts the file into cells by the contract of the main table.

    Returns:
        For each column with a link the values that it may have; none if the file has no such table.

    Raises:
        ContractError: if the main table has no right contract, by which it could be read.
    """
    links = {column.name: column.linked_to for column in contract.columns if column.linked_to}
    if not links:
        return {}
    main = next((other for other in contract.beside if other.id == contract.sent_with), None)
    if main is None:
        raise ContractError(contract.path, f"linkedTo: the contract of {contract.sent_with} is wrong; mend it first")
    found: dict[str, list[pl.Series]] = {target: [pl.Series(dtype=pl.String)] for target in links.values()}
    alone = replace(main, columns=tuple(main.column(target) for target in found))
    with suppress(Stop):  # what is wrong with the main table is told there
        for table in read(main):
            typed, _ = type_cells(table.rows, alone)
            for target, values in found.items():
                values.append(typed[target].unique())
    return {name: pl.concat(found[target]).drop_nulls().unique() for name, target in links.items()}


def unmet(rows: pl.DataFrame, known: Mapping[str, pl.Series], contract: Contract) -> pl.DataFrame:
    """Problems of rows that name a record which the main table of their file does not have.

    Args:
        rows: typed.
        known: from `linked`.
        contract: of the rows.
    """
    made = [NO_PROBLEMS]
    for name, values in known.items():
        about, column = wording("not_in_main_table"), contract.column(name)
        failing = rows.filter(~pl.col(name).is_in(values.implode())).select(ROW, value=name)
        said = about.fill(column=column.label, dataset=contract.sent_with)
        made.append(problems(failing, name, "not_in_main_table", said, about))
    return pl.concat(made)
