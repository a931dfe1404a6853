"""What is so because of the city: languages, time, schemas, coordinates, administrative units and national forms.

It stands in `city.yaml` of the deployment's folder. Each field has a default that is nobody's in particular, so that a
folder without the file is a city where English is read and UTC is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, ValidationError

from etl.contract import yaml_text
from etl.contract.fields import Name, Part, Text, Words, text_of
from etl.contract.messages import ContractError, sentences
from etl.contract.names import nearest
from etl.contract.texts import of_texts
from etl.settings import EXPECTATIONS

Language = Literal["vi", "en"]
OWN_SCHEMAS = ("ops", "ref", "mart", "exact", "link", "quality")  # of the warehouse itself
_OF_POSTGRESQL = ("public", "information_schema", "mart_aside")
# Datatypes that are forms of one nation.
NATIONAL = {"vietnam": ("personal_id", "tax_code", "bhxh", "bhyt", "address")}
WITH_UNITS = ("ward", "address")  # datatypes that name one


def _zone(said: str) -> str:
    known = available_timezones()
    if said not in known:
        raise ValueError(f"is {said!r}, no time zone as the IANA calls them; {nearest(said, known)}")
    return said


def _epsg(said: int) -> int:
    from pyproj import CRS  # a twentieth of a second
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_epsg(said)
    except CRSError:
        crs = None
    if crs is None or not (crs.is_geographic or crs.is_projected):
        raise ValueError(f"is {said}, no EPSG code of a coordinate reference system for maps, as 4326 or 25832")
    return said


def _box(said: list[float]) -> list[float]:
    if len(said) != 4 or said[0] >= said[2] or said[1] >= said[3]:
        raise ValueError(f"is {said!r}, and must be [left, bottom, right, top] in the unit of `crs`")
    return said


def _region(said: str) -> str:
    import phonenumbers

    if said not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"is {said!r}, and must be a country's two letters, as DE")
    return said


def _languages(said: list[Language]) -> list[Language]:
    if not said or len(set(said)) < len(said):
        raise ValueError(f"is {said!r}, and must name vi, en or both, each once; the first is read first")
    return said


def _title(said: object) -> object:
    if not (isinstance(said, str) and said.strip()) and not (isinstance(said, dict) and said.keys() == {"vi", "en"}):
        raise ValueError(f"is {said!r}, and must be a title, as Finance")
    return said


Title = Annotated[Any, AfterValidator(_title)]  # how many languages are in it is known when the whole file is read


class Units(Part):
    """Administrative units (wards, boroughs), whose codes the datatype `ward` understands; paths below the folder."""

    list_: Words = Field(
        alias="list",
        description="CSV: code,valid_from,valid_to,name and, where there are such, kind,district_code,district,"
        "province_code,province,former_district; a code and the day since when it is so name a unit",
        examples=["units/ward.csv"],
    )
    links: Words | None = Field(
        default=None,
        description="CSV of reforms: old_code,old_valid_from,new_code,new_valid_from,targets and, where it is known, "
        "share (of the old unit, from 0 to 1)",
    )
    places: Words | None = Field(
        default=None, description="CSV of where a unit lies: code,lon,lat,area_km2; for those of the last reform"
    )
    aliases: dict[str, str] = Field(default={}, description="codes that also stand for a unit before the last reform")


class City(Part):
    """The facts of a city (`city.yaml`)."""

    languages: Annotated[list[Language], AfterValidator(_languages)] = Field(
        default=["en"],
        description="what receipts, pages and templates are written in, vi, en or both; the labels of contracts may be "
        "in any language; by default en",
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="where days begin and what people read, as the IANA names it"
    )
    time_zone_name: Words | None = Field(
        default=None, description="what people call it, as ICT; by default the usual abbreviation"
    )
    schemas: dict[Name, Title] = Field(
        default={},
        description="groups of data, each a schema of the warehouse, and their titles; without it whichever the "
        "contracts name",
    )
    crs: Annotated[int, AfterValidator(_epsg)] = Field(
        default=4326, description="EPSG code of the coordinate reference system that the warehouse keeps places in"
    )
    bounds: list[Annotated[list[float], AfterValidator(_box)]] = Field(
        default=[],
        description="where the city lies: boxes of [left, bottom, right, top] in the unit of `crs`, with some room; a "
        "place outside of all is sent back; without it places may lie anywhere",
    )
    units: Units | None = Field(default=None, description="administrative units; without it no column can be a `ward`")
    forms: list[Literal["vietnam"]] = Field(
        default=[],
        description="nations whose forms are in use: with vietnam the datatypes personal_id, tax_code, bhxh, bhyt and "
        "address, and how names of persons are written",
    )
    phone_region: Annotated[str, AfterValidator(_region)] | None = Field(
        default=None, description="country of a telephone number without +; by default each needs its +"
    )
    deletion: Words = Field(
        default="D", description="code (of the list that a `change` column names) of a row that ends a record"
    )

    @cached_property
    def titles(self) -> dict[str, Text]:
        """What each of `schemas` is called."""
        return {name: text_of(said) for name, said in self.schemas.items()}

    @property
    def units_aliases(self) -> dict[str, str]:
        """Other codes of units, each with the list's."""
        return self.units.aliases if self.units else {}

    @cached_property
    def zone(self) -> tzinfo:
        """The city's time."""
        return ZoneInfo(self.time_zone) if self.time_zone_name is None else _named(self.time_zone, self.time_zone_name)

    def has_form(self, nation: Literal["vietnam"]) -> bool:
        """Whether the forms of a nation are in use."""
        return nation in self.forms

    def now(self) -> datetime:
        """This moment in the city's time."""
        return datetime.now(self.zone)


class _Zone(ZoneInfo):
    """A time zone that is called otherwise than the IANA does."""

    called: str

    def tzname(self, _: datetime | None, /) -> str:
        return self.called


def _named(key: str, called: str) -> tzinfo:
    zone = _Zone.no_cache(key)
    zone.called = called
    return zone


@cache
def city() -> City:
    """The facts of this deployment's city.

    Raises:
        ContractError: everything that is wrong in its file.
    """
    return read(EXPECTATIONS / "city.yaml")


def read(path: Path) -> City:
    """Read a city's file; without one every field has its default.

    Raises:
        ContractError: everything that is wrong in it.
    """
    try:
        written = path.read_text(encoding="utf-8") if path.exists() else ""
        said = yaml_text.parse(written) or {}  # every line may be left out
    except UnicodeDecodeError:
        raise ContractError(path, "not UTF-8; save it in that encoding") from None
    except ValueError as error:
        raise ContractError(path, str(error)) from None
    if not isinstance(said, dict):
        raise ContractError(path, "it must hold names and what they are, as `timeZone: Europe/Berlin`")
    findings = list(of_texts(said))
    try:
        made = City.model_validate(said)
    except ValidationError as error:
        raise ContractError(path, *findings, *sentences(error, City)) from None
    findings += _between_fields(made, path.parent)
    if findings:
        raise ContractError(path, *findings)
    return made


def _between_fields(made: City, folder: Path) -> Iterator[str]:
    for schema in made.schemas:
        if schema in (*OWN_SCHEMAS, *_OF_POSTGRESQL) or schema.startswith("pg_"):
            yield f"schemas: {schema!r} is the warehouse's own; name it otherwise"
    named = made.units.model_dump(by_alias=True, include={"list_", "links", "places"}) if made.units else {}
    for name, said in named.items():
        if said is not None and not (folder / said).is_file():
            yield f"units.{name}: there is no file {said!r} below {folder}"


def default_schema(agency: str) -> str | None:
    """Where an agency's tables stand that name no schema: in one called like it, or the only one that there is."""
    if may_hold(agency):
        return agency
    known = list(city().schemas)
    return known[0] if len(known) == 1 else None


def is_used(datatype: str) -> bool:
    """Whether columns may be of a datatype: forms of a nation and administrative units are not of every city."""
    is_foreign = any(datatype in its and nation not in city().forms for nation, its in NATIONAL.items())
    return not is_foreign and (datatype not in WITH_UNITS or city().units is not None)


def told(text: Text, between: str = " / ") -> str:
    """A text in the city's languages, the first one first; once if it is the same in all."""
    return between.join(dict.fromkeys(getattr(text, language) for language in city().languages))


def said(vi: str, en: str, between: str = " / ") -> str:
    """What the pipeline itself says, likewise."""
    return told(Text(vi, en), between)


def first(text: Text) -> str:
    """A text in the city's first language."""
    return str(getattr(text, city().languages[0]))


def may_hold(schema: str) -> bool:
    """Whether the tables of a dataset may stand in a schema."""
    known: Any = city().schemas
    return schema in known if known else schema not in (*OWN_SCHEMAS, *_OF_POSTGRESQL) and schema[:3] != "pg_"
