"""Several tables of one file: a contract whose table is read from the files of another dataset names that dataset.

The other one is the main dataset: files are dropped, pulled and named as its own. Each contract knows the other tables
of its file, so that what is theirs in it is not told of as something that nobody knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from etl.contract.messages import ContractError
from etl.contract.model import Contract
from etl.contract.names import nearest


def faults(contracts: Collection[Contract], known: Collection[str]) -> dict[str, ContractError]:
    """What is wrong in how contracts name the datasets whose files they read.

    Args:
        contracts: those that are right by themselves.
        known: the datasets that there are, right or not, as agency.dataset.

    Returns:
        The contracts that cannot be used, by their ids, each with all that is wrong.
    """
    by_id = {contract.id: contract for contract in contracts}
    found = {contract.id: tuple(_faults(contract, by_id, known)) for contract in contracts}
    return {name: ContractError(by_id[name].path, *sentences) for name, sentences in found.items() if sentences}


def _faults(contract: Contract, by_id: Mapping[str, Contract], known: Collection[str]) -> Iterator[str]:
    named = contract.sent_with
    if named is None:
        for column in contract.columns:
            if column.linked_to:
                yield f"column {column.name}: linkedTo needs sentWith, which says in whose files both tables are"
        return
    if named == contract.id:
        yield "sentWith names this dataset itself; leave it out"
        return
    if named not in known:
        others = [name for name in known if name != contract.id]
        yield f"sentWith: there is no dataset {named!r}; {nearest(named, others)}"
    elif named.partition(".")[0] != contract.agency:
        yield f"sentWith: {named} is of another agency; a file is one agency's, and so are all its tables"
    if contract.server:
        yield f"servers: its rows come in the files of {named}, which say where they are fetched from; leave it out"
    if contract.control_totals:
        yield f"controlTotals: a manifest's totals are those of {named}, whose file it stands beside; leave it out"
    if main := by_id.get(named):
        yield from _beside(contract, main)


def _beside(contract: Contract, main: Contract) -> Iterator[str]:
    """What is wrong between a table and the main one of its file."""
    named = main.id
    if main.sent_with:
        yield f"sentWith: {named} is itself sent with {main.sent_with}; name the dataset whose files they both read"
    ours, its = contract.source, main.source
    if (ours.archive is None) != (its.archive is None):
        packed = "an archive" if its.archive else "no archive"
        yield f"source: a file of {named} is {packed}, and here is said otherwise; both read the same file"
    elif ours.archive is None and ours.format != its.format:
        yield f"source: a file of {named} is {its.format}, and not {ours.format}; both read the same file"
    texts = {column.name for column in main.columns if column.type == "string"}
    for column in contract.columns:
        if column.linked_to and (column.type != "string" or column.linked_to not in texts):
            yield (
                f"column {column.name}: linkedTo is {column.linked_to!r}, and must be a string column of {named}, as "
                f"this one must be; {nearest(column.linked_to, texts)}"
            )


def knowing_each_other(contracts: Iterable[Contract]) -> list[Contract]:
    """The contracts, each with the other tables that are read from its files."""
    alone = list(contracts)
    of_file: dict[str, list[Contract]] = {}
    for contract in alone:
        of_file.setdefault(contract.sent_with or contract.id, []).append(contract)
    return [replace(c, beside=tuple(other for other in of_file[c.sent_with or c.id] if other is not c)) for c in alone]
