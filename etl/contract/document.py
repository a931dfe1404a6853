"""What a contract may say, field by field; anything else in it is an error.

A contract is an Open Data Contract Standard (ODCS) document, and the standard knows many more fields than there are
here: what this pipeline would silently not do is refused, and what it has no use for is named by `citydw lint` (see
`etl.contract.unused`). What the standard has no word for stands under `customProperties`. A field without a default
must be there; every default is one that is safe not to know.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from etl.contract.baseline import Baseline
from etl.contract.fields import Both, Choice, DeliveryMode, Length, Name, Part, Share, Words, hours_of
from etl.contract.names import NAME, OF_NAMES
from etl.contract.source import Source

ApiVersion = Literal["v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0"]
_CONTACT = re.compile(r"(?:mailto:|https?://)[^\s<>\"'`\\]+")  # it becomes a link


def _table(said: str) -> str:
    namespace, _, its_own = said.rpartition(".")
    if not NAME.fullmatch(namespace) or not NAME.fullmatch(its_own):
        raise ValueError(f"is {said!r}, and must be schema.table, as people.births; each name is {OF_NAMES}")
    return said


def _dataset(said: str) -> str:
    agency, _, its_own = said.partition(".")
    if not NAME.fullmatch(agency) or not NAME.fullmatch(its_own):
        raise ValueError(f"is {said!r}, and must be agency.dataset, as health.claims; each name is {OF_NAMES}")
    return said


def _contact(said: str) -> str:
    if not _CONTACT.fullmatch(said):
        raise ValueError(f"is {said!r}, and must be an address, as mailto:... or https:...")
    return said


def _some_length(length: str) -> str:
    if not hours_of(length):
        raise ValueError("is 0; a period has some length")
    return length


def _days(said: float) -> float:
    if not 0 <= said <= 3650:
        raise ValueError(f"is {said!r}, and must be 0 to 3650 days")
    return said


def _one(said: object) -> object:
    if isinstance(said, list) and len(said) != 1:
        raise ValueError(f"has {len(said)} entries, and must have one: each dataset has one table and one contact")
    return said


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
    sent_with: Annotated[str, AfterValidator(_dataset)] | None = Field(
        default=None,
        description="the dataset, of the same agency, whose files hold this table too; a file of it is received once, "
        "and becomes a delivery of each of its tables",
        examples=["health.claims"],
    )
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
    control_totals: Annotated[tuple[Name, ...], Strict(False)] = Field(
        default=(),
        description="columns of numbers whose sum over all rows the manifest beside a file must declare; a file of "
        "which it does not is held",
    )
    baselines: Annotated[tuple[Baseline, ...], Strict(False)] = Field(
        default=(), description="how far a delivery may differ from the accepted ones before it"
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
    servers: list[Any] = Field(
        default=[], description="where the agency's system stands, if the dataset is fetched from there; one at most"
    )  # read by itself, for its fields depend on its type: see etl/contract/servers.py
    schema_: Annotated[list[Table], BeforeValidator(_one)] = Field(
        alias="schema", description="the one table", examples=["[{name: ..., ...}]"]
    )


class Agency(Part):
    """What is said once for all datasets of an agency (`agencies.yaml`)."""

    title: Both = Field(description="its name", examples=["Sở Y tế / Department of Health"])
    support: Annotated[list[Support], BeforeValidator(_one)] | None = Field(default=None, description="whom to ask")
    sla_properties: Times | None = Field(default=None, description="when deliveries are due")
    schema_: Name | None = Field(
        default=None, alias="schema", description="where in the warehouse its tables stand that name no schema"
    )
    identity: Any = Field(default=None, description="how the agency proves that a file is its own; see etl/receive")
