"""A dataset's contract, as the pipeline reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

from etl.contract.baseline import Baseline
from etl.contract.column import DECIMALS, FLOAT, MOST_DIGITS
from etl.contract.date_format import DateFormat, Kind, date_format
from etl.contract.expansion import shared_files
from etl.contract.fields import Choice, Classification, DeliveryMode, GeometryType, LogicalType, SemanticType, Text
from etl.contract.formats import MEMBER, SHEET, Format
from etl.contract.messages import ContractError
from etl.contract.names import nearest
from etl.contract.number_format import PLAIN, NumberFormat
from etl.contract.servers import Server

GEOMETRY_TYPES = get_args(GeometryType)
REASON_CHARS = 500  # of a decision's reason: it is written on a receipt, which is a page
# Where a contract names none.
FORMATS: dict[str, str] = {"date": "yyyy-MM-dd", "timestamp": "yyyy-MM-dd'T'HH:mm:ss", "time": "HH:mm:ss"}


@dataclass(frozen=True)
class Unpivot:
    """Columns whose names hold values, which become rows."""

    columns: str  # a pattern of their names
    names: tuple[str, ...]  # source names of the columns that the pattern's groups go to
    values: tuple[str, ...]  # source names of the columns that their cells go to


@dataclass(frozen=True)
class Source:
    """How the bytes of one delivery are to be read."""

    format: Format
    encoding: str = "utf-8"  # a Python codec, or a legacy Vietnamese one that viparse knows: tcvn3, vni, viscii
    delimiter: str = ","
    numbers: Literal["plain", "vietnamese"] = "plain"  # vietnamese: 1.234.567,89
    archive: Literal["zip", "parts"] | None = None  # the file lies in an archive, or several that are one delivery
    member: str | None = None  # name of the file in the archive, or a pattern of the parts'; None: it is the only one
    record: str | None = None  # XML: the element that is one row
    namespaces: Mapping[str, str] = field(default_factory=dict)  # XML: uri of each prefix of the names
    base64: str | None = None  # XML: an element whose text may be another document in base64
    records: str | None = None  # JSON: the path to the list of records; NDJSON: that within a line
    null_values: tuple[str, ...] = ()  # what stands in a cell that holds nothing, such as NULL
    root: str | None = None  # XML: the element around all; a file of it that has no record holds no rows
    header: tuple[int, ...] | None = None  # its lines, counted from 1; (): the file has none; None: found by its names
    sheet: str | None = None  # Excel: the one to read; None: that which has the names of the columns
    sheets: Literal["all"] | None = None  # Excel: those with these columns are one delivery
    range: str | None = None  # Excel: the cells to read, as B4:K200 or B4:K, or the name of a table
    layer: str | None = None  # geopackage: the one to read; None: it is the only one
    unpivot: Unpivot | None = None  # columns found by a pattern become rows
    positions: Literal["characters", "bytes"] = "characters"  # fixed_width: what the places of columns count
    footer: int | str | None = None  # how many last lines are no records, or a pattern of them; None: told by shape


@dataclass(frozen=True)
class Hold:
    """What becomes of a held delivery on which nobody decides."""

    days: float = 3.0  # that it waits for a decision
    default: Choice = "reject"  # what is decided then; a delivery that could not be read is rejected in any case


@dataclass(frozen=True)
class Unit:
    """What a column is counted in: a value that is received is kept, and stored times the factor."""

    received: str
    stored: str
    factor: Decimal


@dataclass(frozen=True)
class Column:
    """One column of a dataset: where it stands in the source and what it means."""

    name: str  # in the warehouse
    source_name: str  # header, XML element, or dotted JSON path (ODCS physicalName)
    type: LogicalType
    label: str  # what the column is called on the agency's own form (ODCS businessName)
    description: Text
    required: bool
    key_position: int | None
    classification: Classification
    example: str
    semantic_type: SemanticType = "text"  # by default what the logical type says: date, number or text
    format: str | None = None  # date, timestamp and time: how the source writes them, e.g. dd/MM/yyyy
    zone: str | None = None  # timestamp: of what is written without an offset; None: the city's, and no instant
    bounds: dict[str, Any] = field(default_factory=dict)  # minLength, maxLength, pattern; minimum, maximum
    pivot: int | None = None  # date and timestamp: the first of the hundred years that a year of two digits can mean
    former_names: tuple[str, ...] = ()  # what files of other years call it
    unit: Unit | None = None  # number, integer: what its values are counted in, where files count them otherwise
    null_values: tuple[str, ...] = ()  # beside those of the whole source
    true_values: tuple[str, ...] = ()  # boolean: words for yes, beside the usual ones
    false_values: tuple[str, ...] = ()  # and for no
    numbers: NumberFormat = PLAIN  # number, integer: how the source writes them
    numeric_type: str | None = None  # number: numeric, numeric(precision,scale) or double precision in the warehouse
    code_list: str | None = None  # code: name of a list in expectations/codes/
    lookup: dict[str, str] = field(default_factory=dict)  # code: dirty but known value -> standard code
    period_column: str | None = None  # the date column that says which wards, or which codes, are in force
    linked_to: str | None = None  # the column of the main dataset in which each value must stand, in the same file
    separator: str | None = None  # several values in one cell, parted by this
    position: tuple[int, int | None] | None = None  # fixed_width: first and last place in a line, from 1; None: its end
    geometry_types: tuple[str, ...] = ()  # geometry: kinds that it may be of, e.g. Polygon; none: any
    on_invalid: Literal["reject", "flag"] = "reject"  # flag: load the row with a null here, and say so
    role: Literal["content", "change", "sequence"] = "content"  # the other two steer the load and are not stored

    @property
    def digits(self) -> tuple[int, int]:
        """How many digits a decimal number may have, and how many of them stand behind the decimal mark."""
        said = re.findall(r"\d+", self.numeric_type or "")
        return (int(said[0]), int(said[1])) if said else (MOST_DIGITS, DECIMALS)

    @property
    def has_scale(self) -> bool:
        """Whether the contract says how many digits stand behind the decimal mark."""
        return self.numeric_type != "numeric"

    @property
    def is_float(self) -> bool:
        """Whether its numbers are kept as binary fractions."""
        return self.numeric_type == FLOAT

    @cached_property
    def dates(self) -> DateFormat:
        """How a date, timestamp or time is written."""
        return date_format(self.format or FORMATS[self.type], cast("Kind", self.type))

    @property
    def is_instant(self) -> bool:
        """Whether its values are moments of a known offset from UTC, and not a local date or time."""
        return self.type == "timestamp" and (self.zone is not None or self.dates.is_instant)


@dataclass(frozen=True, eq=False)
class Contract:
    """One dataset of one agency. One that is read again is another, so what is made of it can be kept with it."""

    agency: str
    dataset: str
    title: Text
    agency_title: Text
    description: Text
    contact: str | None
    schema: str  # one of the data groups of city.yaml
    table: str
    mode: DeliveryMode
    frequency: str | None  # how often a period ends: a number and h, d, w, m (months) or y; None: nobody says
    latency: str  # how long after its period's end a delivery is due, in the same units
    source: Source
    columns: tuple[Column, ...]
    has_whole_row_key: bool  # no columns name a record; the whole row does
    part: str | None  # the column that tells files of one period apart; a snapshot speaks only for parts it has rows of
    control_totals: tuple[str, ...]  # the columns whose sum over all rows a sender must declare
    max_rejected: float  # share of rows that may fail one derived expectation before the delivery is held
    hold: Hold
    baselines: tuple[Baseline, ...]  # how far a delivery may differ from those before it
    tell_rejected: float  # share of a delivery's rows that may be rejected before somebody is told
    tags: tuple[str, ...]
    notes: tuple[str, ...]  # what it says that is not used here, in sentences
    path: Path
    server: Server | None = None  # where the agency's system stands, if the dataset is fetched from there
    sent_with: str | None = None  # the dataset whose files it is read from; None: files are its own
    beside: tuple[Contract, ...] = ()  # the other tables that are read from the same files; these know of no others

    @property
    def id(self) -> str:
        """Agency and dataset, as in `civil.births`."""
        return f"{self.agency}.{self.dataset}"

    @property
    def main(self) -> str:
        """The dataset that its files are sent as: its own, or the one that it is sent with."""
        return self.sent_with or self.id

    @property
    def files(self) -> tuple[Path, ...]:
        """All that says what it is; a code list is a file of its own."""
        return self.path, *shared_files(self.path.parent.parent)

    @cached_property
    def key(self) -> tuple[Column, ...]:
        """The columns that name one record, in key order; none where the whole row does."""
        return tuple(sorted((c for c in self.columns if c.key_position), key=lambda c: c.key_position or 0))

    @cached_property
    def in_file(self) -> tuple[Column, ...]:
        """The columns that stand in a file under their own names: no part's name, and none that is made of names."""
        source = self.source
        made = {MEMBER} if source.archive == "parts" else {SHEET} if source.sheets else set()
        if source.unpivot:
            made |= {*source.unpivot.names, *source.unpivot.values}
        return tuple(c for c in self.columns if c.source_name not in made)

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
