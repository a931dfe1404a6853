"""A dataset's contract, as the pipeline reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from etl.contract.date_format import DateFormat, date_format
from etl.contract.document import (
    Choice,
    Classification,
    DeliveryMode,
    GeometryType,
    LogicalType,
    SemanticType,
    Text,
)
from etl.contract.expansion import shared_files
from etl.contract.messages import ContractError
from etl.contract.names import nearest

Severity = Literal["critical", "warning"]
GEOMETRY_TYPES = get_args(GeometryType)
REASON_CHARS = 500  # of a decision's reason: it is written on a receipt, which is a page
FORMATS = {"date": "yyyy-MM-dd", "timestamp": "yyyy-MM-dd'T'HH:mm:ss"}  # where a contract names none


@dataclass(frozen=True)
class Source:
    """How the bytes of one delivery are to be read."""

    format: Literal["csv", "excel", "xml", "ndjson", "geojson"]
    encoding: str = "utf-8"  # a Python codec, or a legacy Vietnamese one that viparse knows: tcvn3, vni, viscii
    delimiter: str = ","
    numbers: Literal["plain", "vietnamese"] = "plain"  # vietnamese: 1.234.567,89
    archive: Literal["zip"] | None = None  # the file is the only member of an archive
    record: str | None = None  # XML: the element that is one row
    null_values: tuple[str, ...] = ()  # what stands in a cell that holds nothing, such as NULL
    root: str | None = None  # XML: the element around all; a file of it that has no record holds no rows


@dataclass(frozen=True)
class Hold:
    """What becomes of a held delivery on which nobody decides."""

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
    classification: Classification
    example: str
    semantic_type: SemanticType = "text"  # by default what the logical type says: date, number or text
    format: str | None = None  # date and timestamp: how the source writes them, e.g. dd/MM/yyyy
    bounds: dict[str, Any] = field(default_factory=dict)  # minLength, maxLength, pattern; minimum, maximum
    pivot: int | None = None  # date and timestamp: the first of the hundred years that a year of two digits can mean
    null_values: tuple[str, ...] = ()  # beside those of the whole source
    numeric_type: str | None = None  # number: numeric(precision,scale) of the warehouse column
    code_list: str | None = None  # code: name of a list in expectations/codes/
    lookup: dict[str, str] = field(default_factory=dict)  # code: dirty but known value -> standard code
    period_column: str | None = None  # the date column that says which wards, or which codes, are in force
    separator: str | None = None  # several values in one cell, parted by this
    geometry_types: tuple[str, ...] = ()  # geometry: kinds that it may be of, e.g. Polygon; none: any
    on_invalid: Literal["reject", "flag"] = "reject"  # flag: load the row with a null here, and say so
    role: Literal["content", "change", "sequence"] = "content"  # the other two steer the load and are not stored

    @property
    def dates(self) -> DateFormat:
        """How a date or timestamp is written."""
        return date_format(self.format or FORMATS[self.type])

    @property
    def is_instant(self) -> bool:
        """Whether its values are moments of a known offset from UTC, and not a local date or time."""
        return self.type == "timestamp" and self.dates.is_instant


@dataclass(frozen=True, eq=False)
class Contract:
    """One dataset of one agency. One that is read again is another, so what is made of it can be kept with it."""

    agency: str
    dataset: str
    title: Text
    agency_title: Text
    description: Text
    contact: str
    schema: str  # people, business, land or governance
    table: str
    mode: DeliveryMode
    frequency: str  # how often a period ends: a number and h, d, w, m (months) or y
    latency: str  # how long after its period's end a delivery is due, in the same units
    source: Source
    columns: tuple[Column, ...]
    part: str | None  # the column that tells files of one period apart; a snapshot speaks only for parts it has rows of
    control_totals: tuple[str, ...]  # the columns whose sum over all rows a sender must declare
    max_rejected: float  # share of rows that may fail one derived expectation before the delivery is held
    hold: Hold
    tell_rejected: float  # share of a delivery's rows that may be rejected before somebody is told
    tags: tuple[str, ...]
    path: Path

    @property
    def id(self) -> str:
        """Agency and dataset, as in `civil.births`."""
        return f"{self.agency}.{self.dataset}"

    @property
    def files(self) -> tuple[Path, ...]:
        """All that says what it is; a code list is a file of its own."""
        return self.path, *shared_files(self.path.parent.parent)

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
        raise ContractError(self.path, f"no column {name!r}; {nearest(name, (c.name for c in self.columns))}")

    def column_with_role(self, role: str) -> Column | None:
        """The one column that plays a role in loading, or None."""
        return next((c for c in self.columns if c.role == role), None)
