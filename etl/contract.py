"""Data contracts: what an agency sends, read from `expectations/<agency>/<dataset>.yaml`.

A contract is a valid Open Data Contract Standard (ODCS) v3.1 document, so other tools read it as it is.
What ODCS has no word for stands under `customProperties`; the names used there are the fields of
`Source`, `Contract` and `Column` below, and nothing else is accepted: a misspelt property is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty

from etl import odcs
from etl.date_format import DateFormat, date_format
from etl.odcs import ContractError as ContractError
from etl.settings import EXPECTATIONS

DeliveryMode = Literal["snapshot", "changes", "append"]
LogicalType = Literal["string", "integer", "number", "date", "timestamp"]
SemanticType = Literal[
    "text", "person_name", "personal_id", "tax_code", "bhxh", "bhyt", "partial_date", "date", "money", "number",
    "phone", "icd10", "code", "ward", "address", "geometry",
]  # fmt: skip
Severity = Literal["critical", "warning"]
GEOMETRY_TYPES = ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon")
Choice = Literal["accept", "accept-passing", "reject"]  # what a person decides on a held delivery
REASON_CHARS = 500  # of a decision's reason: it is written on a receipt, which is a page
log = logging.getLogger(__name__)
_FORMATS = {"date": "yyyy-MM-dd", "timestamp": "yyyy-MM-dd'T'HH:mm:ss"}  # where a contract names none
_PLAIN = {"date": "date", "timestamp": "date", "integer": "number", "number": "number"}


@dataclass(frozen=True)
class Text:
    """A wording in the city's two languages, Vietnamese first."""

    vi: str
    en: str


@dataclass(frozen=True)
class Source:
    """How the bytes of one delivery are to be read (customProperty `source`)."""

    format: Literal["csv", "excel", "xml", "ndjson", "geojson"]
    encoding: str = "utf-8"  # a Python codec, or a legacy Vietnamese one that viparse knows: tcvn3, vni, viscii
    delimiter: str = ","
    numbers: Literal["plain", "vietnamese"] = "plain"  # vietnamese: 1.234.567,89
    archive: Literal["zip"] | None = None  # the file is the only member of an archive
    record: str | None = None  # XML: the element that is one row
    null_values: Sequence[str] = ()  # what stands in a cell that holds nothing, such as NULL
    root: str | None = None  # XML: the element around all; a file of it that has no record holds no rows


@dataclass(frozen=True)
class Hold:
    """What becomes of a held delivery on which nobody decides (customProperty `hold`)."""

    days: float = 3.0  # that it waits for a decision
    default: Choice = "reject"  # what is decided then; a delivery that could not be read is rejected in any case


@dataclass(frozen=True)
class Column:
    """One column of a dataset: where it stands in the source and what it means."""

    name: str  # in the warehouse
    source_name: str  # header, XML element, or dotted JSON path (ODCS physicalName)
    type: LogicalType
    label: str  # what the column is called on the agency's own form, in Vietnamese (ODCS businessName)
    description: Text
    required: bool
    key_position: int | None
    classification: Literal["open", "basic", "sensitive"]
    example: str
    semantic_type: SemanticType = "text"  # by default what the logical type says: date, number or text
    format: str | None = None  # date and timestamp: how the source writes them, e.g. dd/MM/yyyy
    bounds: dict[str, Any] = field(default_factory=dict)  # minLength, maxLength, pattern; minimum, maximum
    pivot: int | None = None  # date and timestamp: the first of the hundred years that a year of two digits can mean
    null_values: Sequence[str] = ()  # beside those of the whole source
    numeric_type: str | None = None  # number: numeric(precision,scale) of the warehouse column
    code_list: str | None = None  # code: name of a list in etl/reference/codes/
    lookup: dict[str, str] = field(default_factory=dict)  # code: dirty but known value -> standard code
    period_column: str | None = None  # ward, address: the date column that says which ward scheme applies
    separator: str | None = None  # several values in one cell, parted by this
    geometry_types: tuple[str, ...] = ()  # geometry: kinds that it may be of, e.g. Polygon; none: any
    on_invalid: Literal["reject", "flag"] = "reject"  # flag: load the row with a null here, and say so
    role: Literal["content", "change", "sequence"] = "content"  # the other two steer the load and are not stored

    @property
    def dates(self) -> DateFormat:
        """How a date or timestamp is written."""
        return date_format(self.format or _FORMATS[self.type])

    @property
    def is_instant(self) -> bool:
        """Whether its values are moments of a known offset from UTC, and not a local date or time."""
        return self.type == "timestamp" and self.dates.is_instant


_OF_ODCS = (
    "name", "source_name", "type", "label", "description", "required", "key_position", "classification", "example",
    "format", "bounds", "numeric_type",
)  # fmt: skip
_OF_DATASET = ("agencyTitle", "deliveryMode", "source", "hold", "maxRejected", "tellRejected", "part")
_OTHERWISE = {"mode": "deliveryMode", "type": "logicalType"}  # fields of ours that a contract calls otherwise


@dataclass(frozen=True, eq=False)
class Contract:
    """One dataset of one agency. One that is read again is another, so what is made of it can be kept with it."""

    agency: str
    dataset: str
    title: Text
    agency_title: Text
    description: Text
    contact: str
    schema: str  # people, business or land
    table: str
    mode: DeliveryMode
    frequency: str  # how often a period ends: a number and h, d, w, m (months) or y
    latency: str  # how long after its period's end a delivery is due, in the same units
    source: Source
    columns: tuple[Column, ...]
    part: str | None  # the column that tells files of one period apart; a snapshot speaks only for parts it has rows of
    max_rejected: float  # share of rows that may fail one derived expectation before the delivery is held
    hold: Hold
    tell_rejected: float  # share of a delivery's rows that may be rejected before somebody is told
    tags: tuple[str, ...]
    path: Path

    @property
    def id(self) -> str:
        """Agency and dataset, as in `civil.births`."""
        return f"{self.agency}.{self.dataset}"

    @cached_property
    def key(self) -> tuple[Column, ...]:
        """The columns that name one record, in key order."""
        return tuple(sorted((c for c in self.columns if c.key_position), key=lambda c: c.key_position or 0))

    @cached_property
    def content(self) -> tuple[Column, ...]:
        """The columns that the warehouse stores."""
        return tuple(c for c in self.columns if c.role == "content")

    @cached_property
    def naming(self) -> tuple[Column, ...]:
        """The columns that say which record a row is about and what it does; a deletion needs no more."""
        periods = {c.period_column for c in self.key}
        return tuple(c for c in self.columns if c.key_position or c.role != "content" or c.name in periods)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            ContractError: if the contract has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(self.path, f"no column {name!r}; {odcs.nearest(name, (c.name for c in self.columns))}")

    def column_with_role(self, role: str) -> Column | None:
        """The one column that plays a role in loading, or None."""
        return next((c for c in self.columns if c.role == role), None)


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

    @property
    def agencies(self) -> frozenset[str]:
        """Names of the agencies' folders, whether their contracts are right or not."""
        return frozenset(dataset.partition(".")[0] for dataset in (*self, *self.wrong))

    def without(self, wrong: Mapping[str, ContractError]) -> Contracts:
        """Those that can be used when these cannot either."""
        return Contracts((c for c in self.values() if c.id not in wrong), {**self.wrong, **wrong})


def load(path: Path) -> Contract:
    """Read one contract file.

    Raises:
        ContractError: if the file is not valid ODCS, or says something that the pipeline does not know.
    """
    document = odcs.read(path)
    try:
        return _contract(document, path)
    except ContractError:
        raise
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ContractError(path, str(error)) from error


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
    """As `load_all`, but read anew and without a word."""
    right: list[Contract] = []
    wrong: dict[str, ContractError] = {}
    for path in sorted({p.with_suffix(".yaml") for p in (*folder.glob("*/*.yaml"), *folder.glob("*/*.json"))}):
        try:
            right.append(_with_suite(path))
        except ContractError as error:
            wrong[_id(path)] = error
    contracts = Contracts(right, wrong)
    return contracts.without(_of_one_table(right))


def _with_suite(path: Path) -> Contract:
    if not path.exists():
        raise ContractError(path, "the contract is missing, and its suite is here; its name must end in .yaml")
    for name in (path.parent.name, path.stem):
        if not odcs.NAME.fullmatch(name):
            raise ContractError(path, f"{name!r} can be no agency's and no dataset's name; it must be {odcs.OF_NAMES}")
    contract = load(path)
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
        for taken in odcs.taken_by(contract.schema, contract.table):
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


def _contract(document: OpenDataContractStandard, path: Path) -> Contract:
    (table,) = document.schema_ or []
    custom = _custom(document)
    columns = tuple(_columns(table.properties or [], path))
    schema, table_name = str(table.physicalName).split(".")
    contract = Contract(
        agency=path.parent.name,
        dataset=path.stem,
        title=_text(document.name),
        agency_title=Text(**custom.pop("agencyTitle")),
        description=_text(document.description.purpose if document.description else None),
        contact=str((document.support or [])[0].url),
        schema=schema,
        table=table_name,
        mode=custom.pop("deliveryMode"),
        frequency=_period(document, "frequency"),
        latency=_period(document, "latency", "1d"),
        source=_made(Source, custom.pop("source"), "source"),
        columns=columns,
        part=custom.pop("part", None),
        max_rejected=float(custom.pop("maxRejected", 0.2)),
        hold=_made(Hold, custom.pop("hold", {}), "hold"),
        tell_rejected=float(custom.pop("tellRejected", 0.1)),
        tags=tuple(document.tags or ()),
        path=path,
    )
    _check_choices(contract.source, "source: ")
    _check_null_values(contract.source, "source: ")
    _check_choices(contract.hold, "hold: ")
    _check_choices(contract)
    if custom:
        raise ValueError(f"unknown customProperties {sorted(custom)}; {odcs.nearest(next(iter(custom)), _OF_DATASET)}")
    if document.id != contract.id:
        raise ValueError(f"id is {document.id!r}, the file's place says {contract.id!r}")
    if (contract.mode == "changes") != (contract.column_with_role("change") is not None):
        raise ValueError("mode 'changes' needs one column with role 'change', other modes none")
    sequence = contract.column_with_role("sequence")
    if sequence and (contract.mode != "changes" or sequence.type == "string"):
        raise ValueError(f"{sequence.name}: role 'sequence' is for a number or time in mode 'changes'")
    if contract.part:
        part = contract.column(contract.part)
        if part.role != "content" or not part.required or part.on_invalid != "reject":
            raise ValueError(f"part: {part.name} must be a column of the content that is required and not only flagged")
    for column in columns:
        if unknown := set(column.geometry_types) - set(GEOMETRY_TYPES):
            raise ValueError(f"column {column.name}: geometryTypes has {sorted(unknown)}, not {GEOMETRY_TYPES}")
    return contract


def _period(document: OpenDataContractStandard, name: str, otherwise: str | None = None) -> str:
    """A length of time from slaProperties, as in 12h."""
    stated = next((f"{p.value}{p.unit}" for p in document.slaProperties or [] if p.property == name), otherwise)
    return str(stated)


_Made = TypeVar("_Made")


def _made(kind: type[_Made], given: dict[str, Any], where: str) -> _Made:
    """A part of the contract that is written as a mapping of its fields."""
    known = {_written(f.name): f.name for f in fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise ValueError(f"{where}: unknown {name!r}; {odcs.nearest(name, known)} (it knows {', '.join(known)})")
    return kind(**{known[name]: value for name, value in given.items()})


def _columns(properties: Iterable[SchemaProperty], path: Path) -> Iterator[Column]:
    wrong = []
    for p in properties:
        try:
            yield _column(p)
        except (TypeError, ValueError) as error:
            wrong.append(f"column {p.name}: {error}")
    if wrong:
        raise ContractError(path, *wrong)


def _column(p: SchemaProperty) -> Column:
    by_type = _PLAIN.get(str(p.logicalType), "text")
    known = {_written(f.name): f.name for f in fields(Column) if f.name not in _OF_ODCS}
    custom: dict[str, Any] = {"semantic_type": by_type}
    for name, value in _custom(p).items():
        if name not in known:
            raise ValueError(f"unknown customProperties {name!r}; {odcs.nearest(name, known)}")
        custom[known[name]] = value
    column = Column(
        name=str(p.name),
        source_name=odcs.source_name(p),
        type=p.logicalType or "string",  # type: ignore[arg-type]
        label=p.businessName or odcs.source_name(p),
        description=_text(p.description),
        required=bool(p.required),
        key_position=p.primaryKeyPosition if p.primaryKey else None,
        classification=p.classification,  # type: ignore[arg-type]
        example=str((p.examples or [])[0]),
        format=(p.logicalTypeOptions or {}).get("format"),
        bounds={name: value for name, value in (p.logicalTypeOptions or {}).items() if name != "format"},
        numeric_type=p.physicalType,
        **custom,
    )
    _check_choices(column)
    _check_null_values(column)
    if column.key_position and column.on_invalid == "flag":
        raise ValueError("onInvalid is flag, but a key that is not understood names no record")
    if column.type in _FORMATS:
        _check_dates(column)
    return column


def _check_dates(column: Column) -> None:
    has_short_year = "short_year" in column.dates.parts
    if has_short_year != (column.pivot is not None):
        raise ValueError(
            "a format with yy, and no other, needs a pivot: the first of the hundred years that two digits can mean, as"
            " in 1950"
        )
    if column.pivot is not None and not (isinstance(column.pivot, int) and 1850 <= column.pivot <= 2001):
        raise ValueError(f"pivot is {column.pivot!r}, not a year from 1850 to 2001")


def _check_choices(part: Source | Hold | Column | Contract, where: str = "") -> None:
    """Refuse a value that is none of those which its field's type lists."""
    for name, hint in get_type_hints(type(part)).items():
        choices = [c for h in (hint, *get_args(hint)) if get_origin(h) is Literal for c in get_args(h)]
        value = getattr(part, name)
        if choices and value is not None and value not in choices:
            raise ValueError(f"{where}{_written(name)} is {value!r}, not one of {', '.join(map(str, choices))}")


def _written(name: str) -> str:
    """How a contract spells one of our fields."""
    words = name.split("_")
    return _OTHERWISE.get(name) or words[0] + "".join(word.capitalize() for word in words[1:])


def _check_null_values(part: Source | Column, where: str = "") -> None:
    words = part.null_values
    is_list = isinstance(words, list | tuple)
    if not is_list or not all(isinstance(word, str) and word.strip() for word in words):
        raise ValueError(f'{where}nullValues is {words!r}, not a list of texts in quotation marks: ["NULL", "-"]')


def _custom(element: Any) -> dict[str, Any]:
    return {p.property: p.value for p in element.customProperties or []}


def _text(value: str | None) -> Text:
    lines = (value or "").strip().splitlines()
    if len(lines) != 2:
        raise ValueError(f"two lines are needed, Vietnamese and English, not {value!r}")
    return Text(*(line.strip() for line in lines))
