"""What is wrong in contracts and suites: found before any data comes, all of it at once.

`etl.contract.load_all` refuses what a contract's own words show to be wrong, which needs nothing that is slow to
import. Here the contract meets what reads by it: its columns as the warehouse's, its examples as cells, its suite as
Great Expectations takes it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache, partial

import polars as pl

from etl import datatypes
from etl.contract import Column, Contract, ContractError, Contracts, standard, written_out
from etl.contract.city import city
from etl.contract.expansion import dictionary
from etl.contract.names import LONGEST_NAME, OURS, nearest
from etl.delivery.columns import ROW
from etl.settings import EXPECTATIONS

log = logging.getLogger(__name__)
_BY_ANOTHER_COLUMN = ("address", "ward", "geometry")  # what is understood of these depends on more than the cell


def sound(contracts: Contracts) -> Contracts:
    """Those of some contracts whose tables can be made; what is wrong with the others is logged."""
    wrong = {}
    for contract in contracts.values():
        if findings := list(_of_table(contract)):
            wrong[contract.id] = ContractError(contract.path, *findings)
            log.error("left out: %s", wrong[contract.id])
    return contracts.without(wrong)


def check_city() -> None:
    """Refuse facts of the city, or lists of its units, that cannot be used.

    Raises:
        ContractError: what is wrong with them.
    """
    city()
    datatypes.ward.check()


def agencies_of_nothing(datasets: Collection[str]) -> Iterator[str]:
    """Notes on agencies in agencies.yaml that have no dataset: by a slip in a name theirs would have the defaults.

    Args:
        datasets: all that there are, as agency.dataset.
    """
    agencies, having = dictionary(EXPECTATIONS).agencies, {dataset.partition(".")[0] for dataset in datasets}
    for name in (*agencies.entries, *agencies.wrong):
        if name not in having:
            yield f"{agencies.path}: note: {name} has no dataset{f'; {nearest(name, having)}' if having else ''}"


@cache
def check(contract: Contract) -> None:
    """Refuse a contract by which its own examples could not be read, or that the warehouse could hold no table of.

    Raises:
        ContractError: what is wrong with it.
    """
    findings = [*_of_table(contract)] or [*_of_examples(contract)]
    if findings:
        raise ContractError(contract.path, *findings)


def errors(contracts: Contracts, dataset: str, home: str) -> Iterator[ContractError]:
    """Check a dataset's contract and suite by themselves.

    Args:
        contracts: that there are; those that are not this one only matter where two want one thing.
        dataset: agency.dataset.
        home: folder that Great Expectations may write to.

    Yields:
        What is wrong with the contract, and what is wrong with the suite.
    """
    from etl.validate import gx  # takes seconds

    if dataset in contracts.wrong:
        yield contracts.wrong[dataset]
        return
    for look in (_check_standard, check, partial(gx.check_suite, home=home)):
        try:
            look(contracts[dataset])
        except ContractError as error:
            yield error


def _check_standard(contract: Contract) -> None:
    """Refuse a contract that other tools could not read when it is written out."""
    if findings := [*standard.faults(written_out(contract.path))]:
        raise ContractError(contract.path, *findings)


def _of_table(contract: Contract) -> Iterator[str]:
    """The columns that the contract's become in the warehouse, where one may become several."""
    made = [(output.name, column) for column in contract.content for output in datatypes.outputs(column)]
    for name, count in Counter(name for name, _ in made).items():
        columns = [column.name for output, column in made if output == name]
        if count > 1:
            yield f"columns {' and '.join(columns)} both become {name!r} in the warehouse; name one of them otherwise"
        if name in OURS and name not in columns:
            yield f"column {columns[0]} becomes {name!r}, which the warehouse has itself; name it otherwise"
        if len(name) > LONGEST_NAME:
            yield f"column {columns[0]} becomes {name!r}; a name has {LONGEST_NAME} letters at most"
    for column in contract.content:
        index = f"{contract.table}_{column.name}_as_of"  # see etl/warehouse/tables.py
        if column.semantic_type == "ward" and len(index) > LONGEST_NAME:
            yield f"column {column.name}: its index {index!r} has more than {LONGEST_NAME} letters; shorten a name"


def _of_examples(contract: Contract) -> Iterator[str]:
    from etl.extract.cells import type_cells

    sent = pl.DataFrame({ROW: [1]} | {c.source_name: [c.example] for c in contract.columns})
    typed, problems = type_cells(sent, contract)
    unread = set(problems["column"])
    for column in contract.columns:
        is_alone = column.semantic_type not in _BY_ANOTHER_COLUMN
        if column.name in unread or (is_alone and not datatypes.understood(typed, column).all()):
            yield f"column {column.name}: its example {column.example!r} is not read by {_read_by(column)}"


def _read_by(column: Column) -> str:
    """What a contract says of how a column is read."""
    said = (column.type, column.numeric_type, column.format, column.semantic_type, column.code_list)
    return "its own rules: " + ", ".join(dict.fromkeys(word for word in said if word))
