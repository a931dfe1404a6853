"""What a contract may say, field by field; anything else in it is an error.

A contract is an Open Data Contract Standard (ODCS) document, and the standard knows many more fields than there are
here: what this pipeline would silently not do is refused, and what it has no use for is named by `citydw lint` (see
`etl.contract.unused`). What the standard has no word for stands under `customProperties`. A field without a default
must be there; every default is one that is safe not to know.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

from etl.contract.formats import Format
from etl.contract.names import NAME, OF_NAMES, SCHEMAS, nearest

DeliveryMode = Literal["snapshot", "changes", "append"]
LogicalType = Literal["string", "integer", "number", "boolean", "date", "timestamp", "time"]
ApiVersion = Literal["v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0"]
SemanticType = Literal[
    "text", "person_name", "personal_id", "tax_code", "bhxh", "bhyt", "partial_date", "date", "time",
    "boolean", "money", "number", "phone", "icd10", "code", "ward", "address", "geometry",
]  # fmt: skip
Classification = Literal["open", "basic", "sensitive"]
GeometryType = Literal["Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"]
Choice = Literal["accept", "accept-passing", "reject"]  # what a person decides on a held delivery
_CONTACT = re.compile(r"(?:mailto:|https?://)[^\s<>\"'`\\]+")  # it becomes a link
_LENGTH = re.compile(r"\d{1,4}[hdwmy]")
_LONGEST_YEARS = 10
_MOST_FACTOR = 10**12
_HOURS = {"h": 1, "d": 24, "w": 168, "m": 730, "y": 8766}
MOST_DIGITS = 38  # of a decimal number
DECIMALS = 15  # of them behind the mark, where a contract does not say
FLOAT = "double precision"
_FLOATS = (FLOAT, "double", "float", "float8", "float4", "real")
_NUMERIC = re.compile(r"(?:numeric|decimal|number)(?: ?\( ?(\d+)(?: ?, ?(\d+))? ?\))?")
_PATH = re.compile(r"\$?(?:\.?[^.$\[\]]+|\[\*\])(?:\.[^.\[\]]+|\[\*\])*")
_POSITION = re.compile(r"([1-9][0-9]{0,5})-([1-9][0-9]{0,5})?")
_RANGE = re.compile(r"[A-Z]{1,3}[1-9][0-9]{0,6}:[A-Z]{1,3}([1-9][0-9]{0,6})?|[^\W\d][\w.]*")
_HEADER_WITHIN = 50  # lines or rows from the top in which a header must stand
_LONGEST_FOOTER = 30
LEGACY = ("tcvn3", "vni", "viscii", "vps")  # what etl/extract/text.py knows beside Python's codecs
# Python's codecs that an agency's file may be in, as Python calls them. Others are no encodings of files (idna,
# unicode_escape), or pack (zlib).
_ENCODINGS = re.compile(
    r"ascii|utf-8(-sig)?|utf-16(-[bl]e)?|utf-32(-[bl]e)?|cp125[0-8]|iso8859-\d{1,2}"
    r"|cp(437|850|852|858|866|874|932|936|949|950)"
    r"|koi8-[ru]|mac-roman|gb2312|gbk|gb18030|big5|big5hkscs|shift_jis|euc_(jp|kr)|tis-620"
)


@dataclass(frozen=True)
class Text:
    """A wording in the city's two languages, Vietnamese first."""

    vi: str
    en: str


def _text(said: object) -> Text:
    """`Vietnamese / English`, or a line of each, or `{vi: ..., en: ...}`; one language alone stands for both."""
    if isinstance(said, dict) and said.keys() == {"vi", "en"}:
        parts = [said["vi"], said["en"]]
    else:
        parts = said.strip().splitlines() if isinstance(said, str) else []
        parts = parts[0].split(" / ") if len(parts) == 1 else parts
        parts = parts * 2 if len(parts) == 1 else parts
    if len(parts) != 2 or not all(isinstance(part, str) and part.strip() for part in parts):
        raise ValueError(
            f"is {said!r}, and must be a text in one language, or Vietnamese and English with ` / ` between, as Sở Y tế"
            " / Health; one that has ` / ` or lines within it is written {vi: ..., en: ...}"
        )
    return Text(*(part.strip() for part in parts))


def _words(said: str) -> str:
    if not said.strip():
        raise ValueError("is empty; write something, or leave the line out")
    if said != said.strip():
        raise ValueError(f"is {said!r}; leave out the blanks at the ends, they are not read in files either")
    return said


def _name(said: str) -> str:
    if not NAME.fullmatch(said):
        raise ValueError(f"is {said!r}, and must be {OF_NAMES}")
    return said


def _table(said: str) -> str:
    namespace, _, its_own = said.rpartition(".")
    if namespace not in SCHEMAS or not NAME.fullmatch(its_own):
        raise ValueError(
            f"is {said!r}, and must be schema.table, as people.births; "
            f"the schemas are {', '.join(SCHEMAS)}, and a table's name is {OF_NAMES}"
        )
    return said


def _schema(said: str) -> str:
    if said not in SCHEMAS:
        raise ValueError(f"is {said!r}, not one of {', '.join(SCHEMAS)}")
    return said


def _contact(said: str) -> str:
    if not _CONTACT.fullmatch(said):
        raise ValueError(f"is {said!r}, and must be an address, as mailto:... or https:...")
    return said


def _length(said: object) -> str:
    value, unit = (said.get("value"), said.get("unit")) if isinstance(said, dict) else (None, None)
    length = f"{value}{unit}"
    is_whole = isinstance(value, int) and not isinstance(value, bool) and isinstance(unit, str)
    if not is_whole or not _LENGTH.fullmatch(length) or _hours(length) > _HOURS["y"] * _LONGEST_YEARS:
        raise ValueError(
            f"is {length!r}, not a whole number `value` with `unit` h, d, w, m or y, of {_LONGEST_YEARS} years at most"
        )
    return length


def _some_length(length: str) -> str:
    if not _hours(length):
        raise ValueError("is 0; a period has some length")
    return length


def _hours(length: str) -> int:
    return int(length[:-1]) * _HOURS[length[-1]]


def _encoding(said: str) -> str:
    if said not in LEGACY:
        try:
            known = _ENCODINGS.fullmatch(codecs.lookup(said).name)
        except (LookupError, ValueError):  # no such codec, and a name that none can have
            known = None
        if known is None:
            legacy = ", ".join(LEGACY)
            raise ValueError(
                f"is {said!r}, which is no encoding of files; write one of Python's, as cp1258, or {legacy}"
            )
    return said


def _delimiter(said: str) -> str:
    if not (re.fullmatch(r"[^\w\s\"']|\t", said, re.ASCII) and said.isascii()):
        raise ValueError(f'is {said!r}, and must be one sign, as ; or "\\t" (in these quotation marks)')
    return said


def _share(said: float) -> float:
    if not 0 <= said <= 1:
        raise ValueError(f"is {said!r}, and must be a share of rows from 0 to 1")
    return said


def _days(said: float) -> float:
    if not 0 <= said <= 3650:
        raise ValueError(f"is {said!r}, and must be 0 to 3650 days")
    return said


def numeric_type(said: str) -> str | None:
    """A physical type as PostgreSQL writes it, if it is one of numbers.

    Raises:
        ValueError: if it is one that no column can have; the text says the mend.
    """
    words = " ".join(said.lower().split())
    if words in _FLOATS:
        return FLOAT
    match = _NUMERIC.fullmatch(words)
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


def _pattern(said: str) -> str:
    try:
        re.compile(said)
    except re.error as error:
        raise ValueError(f"is {said!r}, and must be a regular expression: {error}") from None
    return said


def _example(said: object) -> object:
    """A text; also a number that YAML cannot have taken for another one, as tools write them."""
    if isinstance(said, str):
        return _words(said)
    return str(said) if isinstance(said, int | float) and not isinstance(said, bool) else said


def _at_least_0(said: int) -> int:
    if said < 0:
        raise ValueError(f"is {said}, and must be 0 or more")
    return said


def _number(said: object) -> object:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise ValueError(f"is {said!r}, and must be a number")
    return said


def _factor(said: object) -> object:
    _number(said)
    if not 0 < Decimal(str(said)) < _MOST_FACTOR:
        raise ValueError(f"is {said!r}, and must be a number above 0 and below {_MOST_FACTOR}")
    return said


def _one(said: object) -> object:
    if isinstance(said, list) and len(said) != 1:
        raise ValueError(f"has {len(said)} entries, and must have one: each dataset has one table and one contact")
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


def _path(said: str) -> str:
    if not _PATH.fullmatch(said):
        raise ValueError(f"is {said!r}, and must be a path of names and [*], as data.items or data[*].lines[*]")
    return said


def _position(said: str) -> str:
    match = _POSITION.fullmatch(said)
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise ValueError(f"is {said!r}, and must be first and last place in a line, as 11-18, or 41- to its end")
    return said


def _range(said: str) -> str:
    if not _RANGE.fullmatch(said):
        raise ValueError(f"is {said!r}, and must be a range, as B4:K200 or B4:K, or a table's name")
    return said


def _header(said: object) -> tuple[int, ...]:
    lines = [] if said == "none" else said if isinstance(said, list) else [said]
    is_right = all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= _HEADER_WITHIN for n in lines)
    if not is_right or lines != sorted(set(lines)) or (not lines and said != "none"):
        raise ValueError(f"is {said!r}, and must be none, a line's number from 1 to {_HEADER_WITHIN}, or some: [3, 4]")
    return tuple(lines)


def _footer(said: object) -> int | str:
    if isinstance(said, str) and said:
        return _pattern(said)
    if isinstance(said, bool) or not isinstance(said, int) or not 1 <= said <= _LONGEST_FOOTER:
        raise ValueError(f"is {said!r}, and must be a number of lines to {_LONGEST_FOOTER}, or a regular expression")
    return said


def _year(said: int) -> int:
    if not 1850 <= said <= 2001:
        raise ValueError(f"is {said!r}, not a year from 1850 to 2001")
    return said


Both = Annotated[Text, BeforeValidator(_text)]
Words = Annotated[str, AfterValidator(_words)]
Name = Annotated[str, AfterValidator(_name)]
Length = Annotated[str, BeforeValidator(_length)]
Share = Annotated[float, AfterValidator(_share)]
Count = Annotated[int, AfterValidator(_at_least_0)]
Number = Annotated[Any, AfterValidator(_number)]
Example = Annotated[str, BeforeValidator(_example)]
Several = Annotated[tuple[Words, ...], Strict(False)]


class Part(BaseModel):
    """What has only the fields that are known, each of its very type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class Unpivot(Part):
    """Columns that are to become rows (`unpivot` of `source`)."""

    columns: Annotated[str, AfterValidator(_pattern)] = Field(
        description="a regular expression of their whole names, with a group for each value in a name",
        examples=["so_luong_(\\d{4})"],
    )
    names: Annotated[tuple[Words, ...], Strict(False)] = Field(
        description="the physicalName of the column that each group's text goes to; `.value` for a group that names the"
        " column of the cells",
        examples=["[nam]"],
        min_length=1,
    )
    values: Annotated[tuple[Words, ...], Strict(False)] = Field(
        description="the physicalName of the column that the cells go to; several where `.value` says which",
        examples=["[so_luong]"],
        min_length=1,
    )


class Source(Part):
    """How the bytes of one delivery are to be read (customProperty `source`)."""

    format: Format = Field(
        default="csv", description="how a file is written; whichever it is, it may be packed by gzip (`.gz`)"
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        default="utf-8", description=f"a codec of Python, or a legacy Vietnamese one: {', '.join(LEGACY)}"
    )
    delimiter: Annotated[str, AfterValidator(_delimiter)] = Field(
        default=",", description="CSV: the sign between two cells"
    )
    numbers: Literal["plain", "vietnamese"] = Field(default="plain", description="vietnamese: 1.234.567,89")
    archive: Literal["zip", "parts"] | None = Field(
        default=None,
        description="zip: the file lies in an archive, alone or as `member`; parts: all files of the format in the "
        "archive are one delivery, each with a header of its own. A column with the physicalName `@member` has the name"
        " of the part",
    )
    member: Words | None = Field(
        default=None,
        description="archive: the name of the file in it, where others lie beside it; of parts a pattern, as `*.csv`",
    )
    record: Words | None = Field(
        default=None,
        description="XML: the element that is one row. Columns are named `name`, `owner/name`, `@id`, `name/@lang`, "
        "and `^/@id`, `^/name` of the element around it",
    )
    namespaces: dict[str, str] = Field(
        default={},
        description='XML: a prefix for each namespace, by which record and columns are named, as `ns:row`; "" for none',
        examples=["{ns: http://example.org/rows}"],
    )
    records: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description="JSON: the path to the list of records, as `data.items`; NDJSON: that within a line. A list within "
        "each of a list is `data[*].lines[*]`, and a column `^.id` then is a field of the object around a record; by "
        "default JSON is a list, and each line of NDJSON a record",
    )
    null_values: Several = Field(
        default=(),
        description="texts that stand for nothing in any column, in quotation marks",
        examples=['["NULL", "-"]'],
    )
    root: Words | None = Field(
        default=None, description="XML: the element around all; a file of it that has no record holds no rows"
    )
    header: Annotated[tuple[int, ...] | None, BeforeValidator(_header)] = Field(
        default=None,
        description="CSV, Excel: the line or row of the names, counted from 1 (fixed_width: the last line"
        " above the records); two, as [3, 4], are read as one: `Dân số"
        " Nam`; none: columns stand in the contract's order; by default the line is found by its names",
    )
    sheet: Words | None = Field(
        default=None, description="Excel: the sheet to read; by default the one that has the names of the columns"
    )
    sheets: Literal["all"] | None = Field(
        default=None,
        description="Excel: all sheets with these columns are one delivery. A column with the physicalName `@sheet` has"
        " the sheet's name",
    )
    range: Annotated[str, AfterValidator(_range)] | None = Field(
        default=None,
        description="Excel: the cells to read, as B4:K200, or B4:K to the last row; or a table's name. Its first row "
        "has the names",
    )
    layer: Words | None = Field(
        default=None, description="geopackage: the layer or table to read; by default the only one"
    )
    unpivot: Unpivot | None = Field(
        default=None,
        description="CSV, Excel: columns found by a pattern become rows, one for each filled cell, as `{columns: "
        "so_luong_(\\d{4}), names: [nam], values: [so_luong]}`",
    )
    positions: Literal["characters", "bytes"] = Field(
        default="characters", description="fixed_width in UTF-8: what the columns' `position` counts"
    )
    footer: Annotated[int | str | None, BeforeValidator(_footer)] = Field(
        default=None,
        description="CSV, Excel, fixed_width: how many last lines that are not blank are no records; or a regular "
        "expression that each of them matches at its beginning; by default totals and notes are told by their shape",
    )


class Hold(Part):
    """What becomes of a held delivery on which nobody decides (customProperty `hold`)."""

    days: Annotated[float, AfterValidator(_days)] = Field(default=3.0, description="days that it waits for a decision")
    default: Choice = Field(
        default="reject", description="what is decided then; a delivery that could not be read is rejected in any case"
    )


class DatasetProperties(Part):
    """What a contract says of its dataset under `customProperties`."""

    agency_title: Both | None = Field(
        default=None,
        description="the agency's name; said once for all its datasets by `title` in `agencies.yaml`; by default its "
        "folder's name",
    )
    delivery_mode: DeliveryMode = Field(
        description="snapshot: what a file does not have has ended; changes: rows are new, changed or deleted; append: "
        "events, which do not end",
        examples=["snapshot"],
    )
    source: Source = Field(default_factory=Source, description="how a file is read")
    hold: Hold = Field(default_factory=Hold, description="what becomes of a held delivery by itself")
    max_rejected: Share = Field(
        default=0.2,
        description="share of rows that may fail one expectation of the contract before the delivery is held",
    )
    tell_rejected: Share = Field(default=0.1, description="share of rejected rows above which somebody is told")
    key: Literal["whole_row"] | None = Field(
        default=None,
        description="whole_row: rows have no key, in mode snapshot or append; equal rows of one file are so many "
        "records, and a row that comes again in another file is the same one. By default the primaryKey columns",
    )
    part: str | None = Field(
        default=None,
        description="a required column that tells files of one period apart, such as the district; a snapshot speaks "
        "only for the parts that it has rows of",
    )


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
    period_column: str | None = Field(
        default=None,
        description="ward, address: the date column that says which list of wards applies; by default today's",
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
    pattern: Annotated[str, AfterValidator(_pattern)] | None = Field(
        default=None, description="string: a regular expression of the whole value"
    )
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


class Table(Part):
    """The one table (the entry under `schema`)."""

    name: Words | None = Field(default=None, description="what the table is called; by default as the dataset")
    physical_name: Annotated[str, AfterValidator(_table)] | None = Field(
        default=None,
        description="the table in the warehouse, of no other dataset, as people.births; by default the dataset's name, "
        "and where it names no schema the `schema` that `agencies.yaml` says of its agency",
    )
    logical_type: Literal["object"] = Field(default="object", description="a table, as ODCS calls it")
    description: Both | None = Field(default=None, description="what one row is, where `purpose` does not say it")
    properties: list[Any] = Field(
        description="its columns", examples=["- {name: ..., ...}"], min_length=1
    )  # each is read by itself, so that what is wrong in one hides nothing in another


class Purpose(Part):
    """What the dataset is about."""

    purpose: Both | None = Field(
        default=None, description="what one row is, in Vietnamese and English; by default the dataset's name"
    )


class Support(Part):
    """Whom to ask."""

    channel: Words = Field(description="who answers", examples=["Phòng Hộ tịch"])
    url: Annotated[str, AfterValidator(_contact)] | None = Field(
        default=None, description="the contact's address, mailto: or https:"
    )


class Times(Part):
    """When a delivery is due."""

    frequency: Annotated[Length, AfterValidator(_some_length)] | None = Field(
        default=None, description="how often a period ends; where nothing is said, no delivery is ever late"
    )
    latency: Length = Field(default="1d", description="how long after its period's end a delivery is due")


class Document(Part):
    """A contract (`<agency>/<dataset>.yaml`)."""

    api_version: ApiVersion = Field(default="v3.1.0", description="the version of ODCS")
    kind: Literal["DataContract"] = Field(default="DataContract", description="what ODCS calls a contract")
    id: str | None = Field(default=None, description="agency and dataset, as the file's place says, which is enough")
    name: Both | None = Field(default=None, description="what the dataset is called; by default as its file")
    version: Words = Field(default="1.0.0", description="of the contract")
    status: Literal["proposed", "draft", "active", "deprecated", "retired"] = Field(
        default="active", description="for whoever reads it"
    )
    domain: Words | None = Field(default=None, description="for whoever reads it")
    tags: list[Words] = Field(default=[], description="words to find the dataset by, in Airflow too")
    description: Purpose = Field(default_factory=Purpose, description="what it is about")
    support: Annotated[list[Support], BeforeValidator(_one)] = Field(
        default=[], description="whom to ask; said once for all datasets of an agency in `agencies.yaml`"
    )
    sla_properties: Times = Field(
        default_factory=Times,
        description="when deliveries are due; said once for all datasets of an agency in `agencies.yaml`",
    )
    custom_properties: DatasetProperties = Field(
        description="what ODCS has no word for", examples=["[{property: deliveryMode, value: snapshot}, ...]"]
    )
    schema_: Annotated[list[Table], BeforeValidator(_one)] = Field(
        alias="schema", description="the one table", examples=["[{name: ..., ...}]"]
    )


class Agency(Part):
    """What is said once for all datasets of an agency (`agencies.yaml`)."""

    title: Both = Field(description="its name", examples=["Sở Y tế / Department of Health"])
    support: Annotated[list[Support], BeforeValidator(_one)] | None = Field(default=None, description="whom to ask")
    sla_properties: Times | None = Field(default=None, description="when deliveries are due")
    schema_: Annotated[str, AfterValidator(_schema)] | None = Field(
        default=None, alias="schema", description="where in the warehouse its tables stand that name no schema"
    )
    identity: Any = Field(default=None, description="how the agency proves that a file is its own; see etl/receive")
