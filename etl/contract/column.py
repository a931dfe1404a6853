"""What a contract may say of a column, and `elements.yaml` of a kind of column."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from etl.contract.fields import (
    Both,
    Classification,
    Count,
    GeometryType,
    LogicalType,
    Name,
    Part,
    Pattern,
    SemanticType,
    Several,
    Words,
    words,
)
from etl.contract.names import nearest

_MOST_FACTOR = 10**12
MOST_DIGITS = 38  # of a decimal number
DECIMALS = 15  # of them behind the mark, where a contract does not say
FLOAT = "double precision"
_FLOATS = (FLOAT, "double", "float", "float8", "float4", "real")
_NUMERIC = re.compile(r"(?:numeric|decimal|number)(?: ?\( ?(\d+)(?: ?, ?(\d+))? ?\))?")
_POSITION = re.compile(r"([1-9][0-9]{0,5})-([1-9][0-9]{0,5})?")


def numeric_type(said: str) -> str | None:
    """A physical type as PostgreSQL writes it, if it is one of numbers.

    Raises:
        ValueError: if it is one that no column can have; the text says the mend.
    """
    written = " ".join(said.lower().split())
    if written in _FLOATS:
        return FLOAT
    match = _NUMERIC.fullmatch(written)
    if match is None:
        return None
    if match[1] is None:
        return "numeric"
    digits, decimals = int(match[1]), int(match[2] or 0)
    if not 1 <= digits <= MOST_DIGITS or decimals > digits:
        raise ValueError(
            f"is {said!r}, and must be numeric(digits,decimals), as numeric(18,2), with {MOST_DIGITS} digits at most"
        )
    return f"numeric({digits},{decimals})"


def _physical(said: str) -> str:
    numeric_type(said)
    return said


def _example(said: object) -> object:
    """A text; also a number that YAML cannot have taken for another one, as tools write them."""
    if isinstance(said, str):
        return words(said)
    return str(said) if isinstance(said, int | float) and not isinstance(said, bool) else said


def _number(said: object) -> object:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise ValueError(f"is {said!r}, and must be a number")
    return said


def _factor(said: object) -> object:
    _number(said)
    if not 0 < Decimal(str(said)) < _MOST_FACTOR:
        raise ValueError(f"is {said!r}, and must be a number above 0 and below {_MOST_FACTOR}")
    return said


def _zone(said: str) -> str:
    if said not in available_timezones():
        raise ValueError(f"is {said!r}, no time zone as the IANA calls them; {nearest(said, available_timezones())}")
    return said


def _one_value(said: object) -> object:
    if said in ("object", "map"):
        raise ValueError(
            f"is {said!r}, and a cell holds one value; make each of its parts a column, with a dotted physicalName"
        )
    if said in ("array", "vector"):
        raise ValueError(f"is {said!r}, and a cell holds one value; write string, and a separator if it may be several")
    return said


def _position(said: str) -> str:
    match = _POSITION.fullmatch(said)
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise ValueError(f"is {said!r}, and must be first and last place in a line, as 11-18, or 41- to its end")
    return said


def _year(said: int) -> int:
    if not 1850 <= said <= 2001:
        raise ValueError(f"is {said!r}, not a year from 1850 to 2001")
    return said


Number = Annotated[Any, AfterValidator(_number)]
Example = Annotated[str, BeforeValidator(_example)]


class Numbers(Part):
    """How a column's numbers are written (customProperty `numbers` of a column)."""

    decimal: Literal[".", ","] = Field(default=".", description="the decimal mark")
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        default=None,
        description="what parts groups of three digits, where they are parted; a blank may be any kind of blank",
    )
    currency: Several = Field(
        default=(), description="signs or words that may stand before or behind a number", examples=['["$", "USD"]']
    )
    percent: Literal["keep", "divide"] | None = Field(
        default=None, description="each number bears a %; keep: 12.5 % is kept as 12.5, divide: as 0.125"
    )
    brackets: bool = Field(default=False, description="(12) is -12")
    exponent: bool = Field(default=False, description="1.5e-05 is a number, as it is in double precision always")


class Unit(Part):
    """What a column's values are counted in (customProperty `unit`)."""

    received: Words = Field(description="the unit of the file", examples=["nghìn đồng"])
    stored: Words = Field(description="the unit of the warehouse", examples=["đồng"])
    factor: Annotated[Any, AfterValidator(_factor)] = Field(
        description="how many of the stored one of the received is", examples=["1000"]
    )


class SharedColumnProperties(Part):
    """What is said of a column, or of a data element for all its columns, under `customProperties`."""

    datatype: SemanticType | None = Field(
        default=None, description="what a value means; by default what `logicalType` says: text, number or date"
    )
    code_list: str | None = Field(default=None, description="code: the name of a list in `expectations/codes/`")
    lookup: dict[str, str] = Field(default={}, description="code: dirty but known values, each with its code")
    separator: str | None = Field(
        default=None, description="parts several values in one cell; without it a JSON list is sent back"
    )
    geometry_types: Annotated[tuple[GeometryType, ...], Strict(False)] = Field(
        default=(), description="geometry: the kinds that it may be of; by default any"
    )
    on_invalid: Literal["reject", "flag"] = Field(
        default="reject",
        description="flag: a row whose value is not understood is loaded with a null there; not for a key",
    )
    null_values: Several = Field(
        default=(),
        description="texts that stand for nothing, beside those of `source`. Where they are not listed, NULL, N/A, "
        "`-`, không có and their like are sent back in numbers, dates, codes, identifiers and keys, and flagged in "
        "names, places and free text",
        examples=['["NULL", "-999"]'],
    )
    numbers: Numbers | None = Field(
        default=None,
        description="integer, number: how this column writes them, where `numbers` of `source` does not say it",
        examples=['{thousands: ",", currency: ["$"]}'],
    )
    unit: Unit | None = Field(
        default=None,
        description="integer, number: a value is stored times the factor, and as it was received in a column "
        "`..._received` beside it; not for a key",
        examples=["{received: nghìn đồng, stored: đồng, factor: 1000}"],
    )
    true_values: Several = Field(
        default=(),
        description="boolean: words for yes, beside true, t, yes, y, 1 and có; capitals or not is one",
        examples=['["X"]'],
    )
    false_values: Several = Field(
        default=(), description="boolean: words for no, beside false, f, no, n, 0 and không", examples=['["-"]']
    )
    pivot: Annotated[int, AfterValidator(_year)] | None = Field(
        default=None, description="date with a year of two digits: the first of the hundred years that they can mean"
    )
    role: Literal["content", "change", "sequence"] = Field(
        default="content",
        description="in mode changes: change says what a row does (T new, S changed, X deleted), sequence is a number "
        "or time that orders the changes to a record; neither is stored",
    )


class ColumnProperties(SharedColumnProperties):
    """What a contract says of a column under `customProperties`."""

    position: Annotated[str, AfterValidator(_position)] | None = Field(
        default=None,
        description="fixed_width: its first and last place in a line, counted from 1, as 11-18; `41-` goes to the "
        "line's end, and lines may end before",
    )

    element: str | None = Field(
        default=None, description="an entry of `elements.yaml`: whatever the column does not say itself is said there"
    )
    source_names: Several = Field(
        default=(),
        description="other names of the column in files, as in former years; a file has one of all its names",
        examples=["[ma_xa_cu]"],
    )
    linked_to: Name | None = Field(
        default=None,
        description="string, in a contract with `sentWith`: the column of that dataset in which each value must stand "
        "in the same file; a row whose value does not is sent back",
        examples=["ma_lk"],
    )
    period_column: str | None = Field(
        default=None,
        description="ward, address: the date column that says which list of wards applies; by default today's. code: "
        "the date column that says which period's codes are in force; by default those of any period",
    )


class LogicalTypeOptions(Part):
    """How a column's values are written, and what they may be."""

    format: str | None = Field(
        default=None,
        description="date, timestamp, time: as the JDK writes formats; by default yyyy-MM-dd, with 'T'HH:mm:ss, and "
        "HH:mm:ss",
    )
    default_timezone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None,
        description="timestamp: the time zone of what is written without an offset, as Europe/Berlin; it is then an "
        "instant. By default it is the city's time and kept as written",
    )
    min_length: Count | None = Field(default=None, description="string: the least characters")
    max_length: Count | None = Field(default=None, description="string: the most characters")
    pattern: Pattern | None = Field(default=None, description="string: a regular expression of the whole value")
    minimum: Number = Field(default=None, description="integer, number: the least value")
    maximum: Number = Field(default=None, description="integer, number: the greatest value")


class SharedColumn(Part):
    """What is said of a column, or of a data element for all its columns, in ODCS's own words."""

    business_name: Words | None = Field(
        default=None,
        description="what the column is called on the agency's own form; by default physicalName",
    )
    logical_type_options: LogicalTypeOptions = Field(
        default_factory=LogicalTypeOptions, description="how values are written, and what they may be"
    )
    physical_type: Annotated[str, AfterValidator(_physical)] | None = Field(
        default=None,
        description="number: numeric(digits,decimals) of the table's column, or double precision; by default numeric, "
        f"for {MOST_DIGITS - DECIMALS} digits before the decimal mark and {DECIMALS} behind it. Of other columns it is "
        "what the source's own database says, and not read",
    )
    required: bool | None = Field(default=None, description="a row must have a value; by default only in a key")
    classification: Classification = Field(
        default="sensitive", description="how far it may be shown; by default as if it were sensitive personal data"
    )


class Element(SharedColumn, SharedColumnProperties):
    """A data element of the city (`elements.yaml`): what a kind of column is, in whichever dataset it stands."""

    description: Both | None = Field(default=None, description="what a value says, in Vietnamese and English")
    examples: list[Words] = Field(default=[], description="a value as agencies write it")


class Column(SharedColumn):
    """One column (an entry under `schema` / `properties`)."""

    name: Name = Field(description="what the column is called in the warehouse", examples=["full_name"])
    physical_name: Words | None = Field(
        default=None, description="header, element of XML or dotted path of JSON; by default name"
    )
    description: Both | None = Field(
        default=None, description="what a value says, in Vietnamese and English; by default businessName"
    )
    logical_type: Annotated[LogicalType, BeforeValidator(_one_value)] = Field(
        default="string", description="what a value is"
    )
    primary_key: bool = Field(default=False, description="the column is one of those that name a record")
    primary_key_position: int | None = Field(
        default=None, description="its place among them: 1, 2, ...; by default the order in which they stand"
    )
    examples: list[Example] = Field(
        default=[],
        description="one value as the agency writes it, in quotation marks; by default one is made up from the type",
    )
    custom_properties: ColumnProperties = Field(
        default_factory=ColumnProperties,
        description="what ODCS has no word for, as `- {property: datatype, value: money}`",
    )
