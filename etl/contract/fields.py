"""What a field of a contract may hold: texts, names, lengths of time and what else stands in several places."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Strict
from pydantic.alias_generators import to_camel

from etl.contract.names import NAME, OF_NAMES

DeliveryMode = Literal["snapshot", "changes", "append"]
LogicalType = Literal["string", "integer", "number", "boolean", "date", "timestamp", "time"]
SemanticType = Literal[
    "text", "person_name", "personal_id", "tax_code", "bhxh", "bhyt", "partial_date", "date", "time",
    "boolean", "money", "number", "phone", "icd10", "code", "ward", "address", "geometry",
]  # fmt: skip
Classification = Literal["open", "basic", "sensitive"]
GeometryType = Literal["Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"]
Choice = Literal["accept", "accept-passing", "reject"]  # what a person decides on a held delivery
Severity = Literal["critical", "warning"]
_LENGTH = re.compile(r"\d{1,4}[hdwmy]")
_LONGEST_YEARS = 10
_HOURS = {"h": 1, "d": 24, "w": 168, "m": 730, "y": 8766}


@dataclass(frozen=True)
class Text:
    """A wording in the city's two languages, Vietnamese first."""

    vi: str
    en: str


def text_of(said: object) -> Text:
    """`Vietnamese / English`, or a line of each, or `{vi: ..., en: ...}`; one language alone stands for both.

    In a city of one language a text is what it is, ` / ` and all.
    """
    from etl.contract.city import city  # whose own file is read by what stands here

    if isinstance(said, dict) and said.keys() == {"vi", "en"}:
        parts = [said["vi"], said["en"]]
    else:
        parts = said.strip().splitlines() if isinstance(said, str) else []
        if len(city().languages) == 1:
            parts = [" ".join(parts)]
        parts = parts[0].split(" / ") if len(parts) == 1 and len(city().languages) > 1 else parts
        parts = parts * 2 if len(parts) == 1 else parts
    if len(parts) != 2 or not all(isinstance(part, str) and part.strip() for part in parts):
        raise ValueError(
            f"is {said!r}, and must be a text in one language, or Vietnamese and English with ` / ` between, as Sở Y tế"
            " / Health; one that has ` / ` or lines within it is written {vi: ..., en: ...}"
        )
    return Text(*(part.strip() for part in parts))


def words(said: str) -> str:
    """A text that says something, without blanks at its ends."""
    if not said.strip():
        raise ValueError("is empty; write something, or leave the line out")
    if said != said.strip():
        raise ValueError(f"is {said!r}; leave out the blanks at the ends, they are not read in files either")
    return said


def _name(said: str) -> str:
    if not NAME.fullmatch(said):
        raise ValueError(f"is {said!r}, and must be {OF_NAMES}")
    return said


def _length(said: object) -> str:
    value, unit = (said.get("value"), said.get("unit")) if isinstance(said, dict) else (None, None)
    length = f"{value}{unit}"
    is_whole = isinstance(value, int) and not isinstance(value, bool) and isinstance(unit, str)
    if not is_whole or not _LENGTH.fullmatch(length) or hours_of(length) > _HOURS["y"] * _LONGEST_YEARS:
        raise ValueError(
            f"is {length!r}, not a whole number `value` with `unit` h, d, w, m or y, of {_LONGEST_YEARS} years at most"
        )
    return length


def hours_of(length: str) -> int:
    """The hours of a length of time, as 2w; a month has 730, a year 8766."""
    return int(length[:-1]) * _HOURS[length[-1]]


def _share(said: float) -> float:
    if not 0 <= said <= 1:
        raise ValueError(f"is {said!r}, and must be a share of rows from 0 to 1")
    return said


def pattern(said: str) -> str:
    """A regular expression that can be used."""
    try:
        re.compile(said)
    except re.error as error:
        raise ValueError(f"is {said!r}, and must be a regular expression: {error}") from None
    return said


def _at_least_0(said: int) -> int:
    if said < 0:
        raise ValueError(f"is {said}, and must be 0 or more")
    return said


Both = Annotated[Text, BeforeValidator(text_of)]
Words = Annotated[str, AfterValidator(words)]
Name = Annotated[str, AfterValidator(_name)]
Length = Annotated[str, BeforeValidator(_length)]
Share = Annotated[float, AfterValidator(_share)]
Count = Annotated[int, AfterValidator(_at_least_0)]
Pattern = Annotated[str, AfterValidator(pattern)]
Several = Annotated[tuple[Words, ...], Strict(False)]


class Part(BaseModel):
    """What has only the fields that are known, each of its very type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)
