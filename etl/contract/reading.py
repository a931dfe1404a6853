"""Contracts from their files: everything that is wrong in one is said at once, and it harms its dataset alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from etl.contract import column_rules, rules, server_faults, servers, together
from etl.contract.city import city
from etl.contract.column import Column as SaidColumn
from etl.contract.document import Document
from etl.contract.examples import made_up
from etl.contract.expansion import Dictionary, as_odcs, dictionary, expanded, parsed
from etl.contract.fields import Part, Text
from etl.contract.messages import ContractError, sentences
from etl.contract.model import Column, Contract, Hold, Source, Unit, Unpivot
from etl.contract.names import NAME, OF_NAMES, taken_by
from etl.contract.number_format import NAMED, NumberFormat
from etl.contract.source import Source as SaidSource
from etl.contract.texts import of_texts
from etl.contract.unused import Used
from etl.settings import EXPECTATIONS

log = logging.getLogger(__name__)


class Contracts(dict[str, Contract]):
    """The contracts that can be used, by id, and beside them those that cannot.

    Attributes:
        wrong: what is wrong with each of the others, by the id that its place gives it.
    """

    def __init__(self, right: Iterable[Contract], wrong: Mapping[str, ContractError]) -> None:
        super().__init__({contract.id: contract for contract in right})
        self.wrong = dict(wrong)

    def __missing__(self, dataset: str) -> Contract:
        """A dataset whose contract is wrong is not unknown.

        Raises:
            ContractError: what is wrong with its contract.
            KeyError: if there is none.
        """
        raise self.wrong.get(dataset) or KeyError(dataset)

    def sent_with(self, dataset: str) -> list[Contract]:
        """The contracts whose tables are read from the files of a dataset beside its own."""
        return [contract for contract in self.values() if contract.sent_with == dataset]

    @property
    def agencies(self) -> frozenset[str]:
        """Names of the agencies' folders, whether their contracts are right or not."""
        return frozenset(dataset.partition(".")[0] for dataset in (*self, *self.wrong))

    def without(self, wrong: Mapping[str, ContractError]) -> Contracts:
        """Those that can be used when these cannot either."""
        return Contracts((c for c in self.values() if c.id not in wrong), {**self.wrong, **wrong})


def load_all(folder: Path = EXPECTATIONS) -> Contracts:
    """All contracts below a folder, in the order of their paths. A wrong one harms itself alone: it is logged once.

    They are read again only when something below the folder has been added, changed or taken away.
    """
    return _loaded(folder, _stamps(folder))


@cache
def _loaded(folder: Path, _: tuple[Any, ...]) -> Contracts:
    contracts = read_all(folder)
    for error in contracts.wrong.values():
        log.error("left out: %s", error)
    return contracts


def _stamps(folder: Path) -> tuple[Any, ...]:
    """Of every file below a folder what changes when it does."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in files)


def read_all(folder: Path = EXPECTATIONS) -> Contracts:
    """As `load_all`, but read anew and without a word.

    Raises:
        ContractError: if there is no such folder, or the facts of the city cannot be used.
    """
    if not folder.is_dir():
        raise ContractError(folder, "there is no such folder; `citydw init` writes one, CITYDW_EXPECTATIONS names it")
    city()
    right: list[Contract] = []
    wrong: dict[str, ContractError] = {}
    shared = dictionary(folder)
    for path in sorted({p.with_suffix(".yaml") for p in (*folder.glob("*/*.yaml"), *folder.glob("*/*.json"))}):
        try:
            right.append(_with_suite(path, shared))
        except ContractError as error:
            wrong[_id(path)] = error
    contracts = Contracts(right, wrong)
    contracts = contracts.without(_of_one_table(right) | together.faults(right, [*contracts, *wrong]))
    return Contracts(together.knowing_each_other(contracts.values()), contracts.wrong)


def load(path: Path) -> Contract:
    """Read one contract file.

    Raises:
        ContractError: everything in it that is not valid ODCS, or that the pipeline does not know.
    """
    return contract_of(parsed(path), path, dictionary(path.parent.parent))


def written_out(path: Path) -> dict[str, Any]:
    """A contract with all that its agency and its elements say, as one ODCS document.

    Raises:
        ContractError: what is wrong with it.
    """
    raw, shared = parsed(path), dictionary(path.parent.parent)
    contract_of(raw, path, shared)
    return as_odcs(expanded(Used(raw).said, path, shared, []))


def _with_suite(path: Path, shared: Dictionary) -> Contract:
    if not path.exists():
        raise ContractError(path, "the contract is missing, and its suite is here; its name must end in .yaml")
    for name in (path.parent.name, path.stem):
        if not NAME.fullmatch(name):
            raise ContractError(path, f"{name!r} can be no agency's and no dataset's name; it must be {OF_NAMES}")
    contract = contract_of(parsed(path), path, shared)
    if not path.with_suffix(".json").exists():
        suite = path.with_suffix(".json").name
        raise ContractError(path, f"its suite is missing; write {suite}, with no expectations if there are none")
    return contract


def _of_one_table(contracts: Iterable[Contract]) -> dict[str, ContractError]:
    """Contracts that would write to the table of another, or to one that another's view takes the name of.

    The table is that of the dataset which is called as it is: the others were copied from its contract. Where that
    tells nothing, it is nobody's.
    """
    names: dict[str, list[Contract]] = {}
    for contract in contracts:
        for taken in taken_by(contract.schema, contract.table):
            names.setdefault(taken, []).append(contract)
    wrong = {}
    for name, sharing in names.items():
        owners = [contract for contract in sharing if contract.dataset == contract.table]
        for contract in sharing if len(sharing) > 1 else ():
            if owners != [contract]:
                others = " and of ".join(c.id for c in sharing if c is not contract)
                said = f"schema: {name} is of {others}; a table takes one dataset's files: name another in physicalName"
                wrong[contract.id] = ContractError(contract.path, said)
    return wrong


def _id(path: Path) -> str:
    return f"{path.parent.name}.{path.stem}"


def contract_of(raw: object, path: Path, shared: Dictionary) -> Contract:
    """A contract out of what its file holds.

    Args:
        raw: what the file holds.
        path: of the file, which says whose contract it is.
        shared: what is said once for many.

    Raises:
        ContractError: everything in it that is not valid ODCS, or that the pipeline does not know.
    """
    if not isinstance(raw, dict):
        raise ContractError(path, f"it holds {type(raw).__name__}, and must hold a contract; copy the nearest one")
    findings = list(of_texts(raw))
    used = Used(raw)
    said = expanded(used.said, path, shared, findings)
    head = _part(Document, said, "", findings)
    stated = [*_stated_columns(said)]
    read = [
        _part(SaidColumn, column, f"column {_name(column) or number}: ", findings)
        for number, column in enumerate(stated, start=1)
    ]
    columns = [column for column in read if column]
    types = {str(_name(column)): str(column.get("logicalType")) for column in stated if isinstance(column, dict)}
    findings += column_rules.of_columns(columns, types)
    if head:
        findings += rules.of_dataset(head, _id(path))
        if len(columns) == len(stated):
            findings += rules.of_whole(head, columns)
    server = _server(head, columns, findings) if head else None
    if findings or head is None:
        raise ContractError(path, *dict.fromkeys(findings))
    return _contract(head, columns, server, path, used.notes)


def _server(head: Document, columns: list[SaidColumn], findings: list[str]) -> servers.Server | None:
    """Where a dataset is fetched from; None if it is not, or what is said of that cannot be used."""
    for raw in head.servers[:1]:
        kind = raw.get("type") if isinstance(raw, dict) else None
        if len(head.servers) > 1 or kind not in servers.TYPES:
            findings.append(
                f"servers has {len(head.servers)} entries, the first of type {kind!r}; it must have one, of type "
                f"{', '.join(servers.TYPES)}"
            )
            return None
        server = _part(servers.TYPES[kind], raw, "servers: ", findings)
        if server:
            findings += server_faults.faults(server, head, columns)
        return server
    return None


_Kind = TypeVar("_Kind", bound=Part)


def _part(kind: type[_Kind], said: object, place: str, findings: list[str]) -> _Kind | None:
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        findings.extend(f"{place}{sentence}" for sentence in sentences(error, kind))
        return None


def _stated_columns(said: Mapping[str, Any]) -> Iterator[Any]:
    tables = said.get("schema")
    for table in tables[:1] if isinstance(tables, list) else ():
        columns = table.get("properties") if isinstance(table, dict) else None
        yield from columns if isinstance(columns, list) else ()


def _name(column: object) -> object:
    return column.get("name") if isinstance(column, dict) else None


def _contract(
    head: Document,
    columns: Iterable[SaidColumn],
    server: servers.Server | None,
    path: Path,
    notes: tuple[str, ...],
) -> Contract:
    custom, (table,) = head.custom_properties, head.schema_
    schema, _, name = str(table.physical_name).partition(".")
    title = head.name or _both(path.stem)
    source = _source(custom.source)
    return Contract(
        agency=path.parent.name,
        dataset=path.stem,
        title=title,
        agency_title=custom.agency_title or _both(path.parent.name),
        description=head.description.purpose or table.description or title,
        contact=head.support[0].url if head.support else None,
        schema=schema,
        table=name,
        mode=custom.delivery_mode,
        frequency=head.sla_properties.frequency,
        latency=head.sla_properties.latency,
        source=source,
        columns=tuple(_column(column, source) for column in columns),
        has_whole_row_key=custom.key == "whole_row",
        part=custom.part,
        control_totals=custom.control_totals,
        max_rejected=custom.max_rejected,
        hold=Hold(**custom.hold.model_dump()),
        baselines=custom.baselines,
        tell_rejected=custom.tell_rejected,
        tags=tuple(head.tags),
        notes=notes,
        path=path,
        server=server,
        sent_with=custom.sent_with,
    )


def _both(word: str) -> Text:
    """What has no languages: a name."""
    return Text(word, word)


def _source(said: SaidSource) -> Source:
    unpivot = Unpivot(**said.unpivot.model_dump()) if said.unpivot else None
    return Source(**said.model_dump(exclude={"unpivot"}), unpivot=unpivot)


def _column(said: SaidColumn, source: Source) -> Column:
    custom, options = said.custom_properties, said.logical_type_options
    label = said.business_name or column_rules.source_name(said)
    numbers = NAMED[source.numbers]
    if custom.numbers:
        numbers = NumberFormat(**custom.numbers.model_dump(), has_signs=True)
    return Column(
        name=said.name,
        source_name=column_rules.source_name(said),
        type=said.logical_type,
        label=label,
        description=said.description or _both(label),
        required=bool(said.required),
        key_position=said.primary_key_position,
        classification=said.classification,
        example=said.examples[0] if said.examples else made_up(said, numbers),
        semantic_type=column_rules.meaning(said),
        format=options.format,
        zone=options.default_timezone,
        bounds=options.model_dump(by_alias=True, exclude_unset=True, exclude={"format", "default_timezone"}),
        pivot=custom.pivot,
        null_values=custom.null_values,
        true_values=custom.true_values,
        false_values=custom.false_values,
        former_names=custom.source_names,
        unit=Unit(custom.unit.received, custom.unit.stored, Decimal(str(custom.unit.factor))) if custom.unit else None,
        numbers=numbers,
        numeric_type=column_rules.numeric_type(said),
        code_list=custom.code_list,
        lookup=custom.lookup,
        period_column=custom.period_column,
        linked_to=custom.linked_to,
        separator=custom.separator,
        position=column_rules.place(custom.position),
        geometry_types=custom.geometry_types,
        on_invalid=custom.on_invalid,
        role=custom.role,
    )
