"""What a contract may say, field by field; anything else in it is an error.

A contract is an Open Data Contract Standard (ODCS) document, and the standard knows many more fields than there are
here: what this pipeline would silently not do is refused. What the standard has no word for stands under
`customProperties`. A field without a default must be there; every default is one that is safe not to know.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

from etl.contract.names import NAME, OF_NAMES, SCHEMAS

DeliveryMode = Literal["snapshot", "changes", "append"]
LogicalType = Literal["string", "integer", "number", "date", "timestamp"]
SemanticType = Literal[
    "text", "person_name", "personal_id", "tax_code", "bhxh", "bhyt", "partial_date", "date", "money", "number",
    "phone", "icd10", "code", "ward", "address", "geometry",
]  # fmt: skip
Classification = Literal["open", "basic", "sensitive"]
GeometryType = Literal["Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"]
Choice = Literal["accept", "accept-passing", "reject"]  # what a person decides on a held delivery
_CONTACT = re.compile(r"(?:mailto:|https?://)[^\s<>\"'`\\]+")  # it becomes a link
_LENGTH = re.compile(r"\d{1,4}[hdwmy]")
_LONGEST_YEARS = 10
_HOURS = {"h": 1, "d": 24, "w": 168, "m": 730, "y": 8766}
_MOST_DIGITS = 38
_LEGACY_ENCODINGS = ("tcvn3", "vni", "viscii", "vps")  # what etl/extract/text.py knows beside Python's codecs
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
    """`Vietnamese / English`, or a line of each, or `{vi: ..., en: ...}`."""
    if isinstance(said, dict) and said.keys() == {"vi", "en"}:
        parts = [said["vi"], said["en"]]
    else:
        parts = said.strip().splitlines() if isinstance(said, str) else []
        parts = parts[0].split(" / ") if len(parts) == 1 else parts
    if len(parts) != 2 or not all(isinstance(part, str) and part.strip() for part in parts):
        raise ValueError(f"is {said!r}, and must be Vietnamese and English with ` / ` between, as Sở Y tế / Health")
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
    namespace, _, its_own = said.partition(".")
    if namespace not in SCHEMAS or not NAME.fullmatch(its_own):
        raise ValueError(
            f"is {said!r}, and must be schema.table, as people.births; "
            f"the schemas are {', '.join(SCHEMAS)}, and a table's name is {OF_NAMES}"
        )
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
    if said not in _LEGACY_ENCODINGS:
        try:
            known = _ENCODINGS.fullmatch(codecs.lookup(said).name)
        except (LookupError, ValueError):  # no such codec, and a name that none can have
            known = None
        if known is None:
            legacy = ", ".join(_LEGACY_ENCODINGS)
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


def _numeric(said: str) -> str:
    match = re.fullmatch(r"numeric\((\d+),(\d+)\)", said)
    if match is None or not 1 <= int(match[1]) <= _MOST_DIGITS or int(match[2]) > int(match[1]):
        raise ValueError(
            f"is {said!r}, and must be numeric(digits,decimals), as numeric(18,2), with {_MOST_DIGITS} digits at most"
        )
    return said


def _pattern(said: str) -> str:
    try:
        re.compile(said)
    except re.error as error:
        raise ValueError(f"is {said!r}, and must be a regular expression: {error}") from None
    return said


def _at_least_0(said: int) -> int:
    if said < 0:
        raise ValueError(f"is {said}, and must be 0 or more")
    return said


def _number(said: object) -> object:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise ValueError(f"is {said!r}, and must be a number")
    return said


def _one(said: object) -> object:
    if isinstance(said, list) and len(said) != 1:
        raise ValueError(f"has {len(said)} entries, and must have one: each dataset has one table and one contact")
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
NullValues = Annotated[tuple[Words, ...], Strict(False)]


class Part(BaseModel):
    """What has only the fields that are known, each of its very type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class Source(Part):
    """How the bytes of one delivery are to be read (customProperty `source`)."""

    format: Literal["csv", "excel", "xml", "ndjson", "geojson"] = Field(
        description="how a file is written", examples=["csv"]
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        default="utf-8", description=f"a codec of Python, or a legacy Vietnamese one: {', '.join(_LEGACY_ENCODINGS)}"
    )
    delimiter: Annotated[str, AfterValidator(_delimiter)] = Field(
        default=",", description="CSV: the sign between two cells"
    )
    numbers: Literal["plain", "vietnamese"] = Field(default="plain", description="vietnamese: 1.234.567,89")
    archive: Literal["zip"] | None = Field(default=None, description="the file is the only member of an archive")
    record: Words | None = Field(default=None, description="XML: the element that is one row")
    null_values: NullValues = Field(
        default=(),
        description="texts that stand for nothing in any column, in quotation marks",
        examples=['["NULL", "-"]'],
    )
    root: Words | None = Field(
        default=None, description="XML: the element around all; a file of it that has no record holds no rows"
    )


class Hold(Part):
    """What becomes of a held delivery on which nobody decides (customProperty `hold`)."""

    days: Annotated[float, AfterValidator(_days)] = Field(default=3.0, description="days that it waits for a decision")
    default: Choice = Field(
        default="reject", description="what is decided then; a delivery that could not be read is rejected in any case"
    )


class DatasetProperties(Part):
    """What a contract says of its dataset under `customProperties`."""

    agency_title: Both = Field(
        description="the agency's name; said once for all its datasets by `title` in `agencies.yaml`",
        examples=["Sở Y tế / Department of Health"],
    )
    delivery_mode: DeliveryMode = Field(
        description="snapshot: what a file does not have has ended; changes: rows are new, changed or deleted; append: "
        "events, which do not end",
        examples=["snapshot"],
    )
    source: Source = Field(description="how a file is read", examples=["{format: csv}"])
    hold: Hold = Field(default_factory=Hold, description="what becomes of a held delivery by itself")
    max_rejected: Share = Field(
        default=0.2,
        description="share of rows that may fail one expectation of the contract before the delivery is held",
    )
    tell_rejected: Share = Field(default=0.1, description="share of rejected rows above which somebody is told")
    part: str | None = Field(
        default=None,
        description="a required column that tells files of one period apart, such as the district; a snapshot speaks "
        "only for the parts that it has rows of",
    )
    control_totals: Annotated[tuple[Name, ...], Strict(False)] = Field(
        default=(),
        description="columns of numbers whose sum over all rows the manifest beside a file must declare; a file of "
        "which it does not is held",
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
    null_values: NullValues = Field(
        default=(),
        description="texts that stand for nothing, beside those of `source`. Where they are not listed, NULL, N/A, "
        "`-`, không có and their like are sent back in numbers, dates, codes, identifiers and keys, and flagged in "
        "names, places and free text",
        examples=['["NULL", "-999"]'],
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

    element: str | None = Field(
        default=None, description="an entry of `elements.yaml`: whatever the column does not say itself is said there"
    )
    period_column: str | None = Field(
        default=None,
        description="ward, address: the date column that says which list of wards applies; by default today's. code: "
        "the date column that says which period's codes are in force; by default those of any period",
    )


class LogicalTypeOptions(Part):
    """How a column's values are written, and what they may be."""

    format: str | None = Field(
        default=None, description="date, timestamp: as the JDK writes formats; by default yyyy-MM-dd, with 'T'HH:mm:ss"
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
        description="what the column is called on the agency's own form, in Vietnamese; by default physicalName",
    )
    logical_type_options: LogicalTypeOptions = Field(
        default_factory=LogicalTypeOptions, description="how values are written, and what they may be"
    )
    physical_type: Annotated[str, AfterValidator(_numeric)] | None = Field(
        default=None, description="number: numeric(digits,decimals) of the table's column; by default numeric(18,2)"
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
    description: Both = Field(
        description="what a value says, in Vietnamese and English", examples=["Ngày sinh. / Date of birth."]
    )
    logical_type: LogicalType = Field(description="what a value is", examples=["string"])
    primary_key: bool = Field(default=False, description="the column is one of those that name a record")
    primary_key_position: int | None = Field(default=None, description="its place among them: 1, 2, ...")
    examples: list[Words] = Field(
        description="one value as the agency writes it, in quotation marks", examples=['["02/03/2026"]'], min_length=1
    )
    custom_properties: ColumnProperties = Field(
        default_factory=ColumnProperties,
        description="what ODCS has no word for, as `- {property: datatype, value: money}`",
    )


class Table(Part):
    """The one table (the entry under `schema`)."""

    name: Words = Field(description="what the table is called", examples=["births"])
    physical_name: Annotated[str, AfterValidator(_table)] = Field(
        description="the table in the warehouse, of no other dataset", examples=["people.births"]
    )
    logical_type: Literal["object"] = Field(default="object", description="a table, as ODCS calls it")
    properties: list[Any] = Field(
        description="its columns", examples=["- {name: ..., ...}"], min_length=1
    )  # each is read by itself, so that what is wrong in one hides nothing in another


class Purpose(Part):
    """What the dataset is about."""

    purpose: Both = Field(
        description="what one row is, in Vietnamese and English", examples=["Mỗi dòng là ... / One row is ..."]
    )


class Support(Part):
    """Whom to ask."""

    channel: Words = Field(description="who answers", examples=["Phòng Hộ tịch"])
    url: Annotated[str, AfterValidator(_contact)] = Field(
        description="the contact's address, mailto: or https:", examples=["mailto:..."]
    )


class Times(Part):
    """When a delivery is due."""

    frequency: Annotated[Length, AfterValidator(_some_length)] = Field(
        description="how often a period ends", examples=["{property: frequency, value: 1, unit: d}"]
    )
    latency: Length = Field(default="1d", description="how long after its period's end a delivery is due")


class Document(Part):
    """A contract (`<agency>/<dataset>.yaml`)."""

    api_version: Literal["v3.1.0"] = Field(description="the version of ODCS", examples=["v3.1.0"])
    kind: Literal["DataContract"] = Field(description="what ODCS calls a contract", examples=["DataContract"])
    id: str = Field(description="agency and dataset, as the file's place says", examples=["civil.births"])
    name: Both = Field(description="what the dataset is called", examples=["Đăng ký khai sinh / Birth registrations"])
    version: Words = Field(description="of the contract", examples=["1.0.0"])
    status: Literal["proposed", "draft", "active", "deprecated", "retired"] = Field(
        description="for whoever reads it", examples=["active"]
    )
    domain: Words | None = Field(default=None, description="for whoever reads it")
    tags: list[Words] = Field(default=[], description="words to find the dataset by, in Airflow too")
    description: Purpose = Field(description="what it is about", examples=["{purpose: ...}"])
    support: Annotated[list[Support], BeforeValidator(_one)] = Field(
        description="whom to ask; said once for all datasets of an agency in `agencies.yaml`",
        examples=["[{channel: ..., url: mailto:...}]"],
    )
    sla_properties: Times = Field(
        description="when deliveries are due; said once for all datasets of an agency in `agencies.yaml`",
        examples=["[{property: frequency, value: 1, unit: d}]"],
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
    identity: Any = Field(default=None, description="how the agency proves that a file is its own; see etl/receive")
