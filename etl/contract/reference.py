"""The page of what a contract may say, made of the very models that contracts are read by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from etl.contract.baseline import Baseline
from etl.contract.city import City, Units
from etl.contract.column import Column, ColumnProperties, Element, LogicalTypeOptions, Numbers, Unit
from etl.contract.document import Agency, DatasetProperties, Document, Hold, Purpose, Support, Table, Times
from etl.contract.fields import Part
from etl.contract.servers import (
    ApiProperties,
    ApiServer,
    Changed,
    DatabaseProperties,
    FolderProperties,
    Login,
    MysqlServer,
    Pages,
    PostgresqlServer,
    S3Server,
    SftpServer,
    Watermark,
)
from etl.contract.source import Source, Unpivot

_INTRODUCTION = """\
# What a contract may say

Made by `citydw contract fields` from the models by which contracts are read; a test keeps it current.

A contract is `expectations/<agency>/<dataset>.yaml`, an Open Data Contract Standard (ODCS) v3.1 document. It may say
what stands here and nothing else: any other field, property or value is refused with its place, all faults at once, and
only the dataset of that contract waits until it is mended. Fields of the standard that have no use here are left out,
and `citydw lint` names them. A text in two languages is written `Vietnamese / English`; one language alone stands for
both.

What is the same in many contracts is said once, and what a contract says itself goes before:

- `expectations/elements.yaml`: what a kind of column is. A column names its element: `{property: element, value: sex}`.
- `expectations/agencies.yaml`: an agency's name, contact and times of delivery, by the name of its folder.
- `expectations/codes/<list>.csv`: code lists, each with the columns code, name_vi and name_en, or code and name.

`citydw contract show <dataset>` prints a contract with all of it, for other tools; `citydw lint` checks contracts and
suites. A file with several tables has a contract for each, all but one with `sentWith`
([formats](../how-to/formats.md#several-tables-in-one-file)). Of `support` and `schema` there is one entry, of
`servers` one at most. Entries of `slaProperties` are written `{property: frequency, value: 1, unit: d}`, those of
`customProperties` `{property: ..., value: ...}`. The table is no other dataset's (of two that name one, it is that of
the dataset which is called as it is); no column is called `valid_from`, `valid_to`, `opened_by` or `closed_by`, which
the warehouse has itself.

`physicalName` of a column is its name in the file: a header; a path in JSON, as `owner.name`; an element of XML,
`owner/name` for one within another, `@id` for an attribute of the record and `name/@lang` for one of its child (in a
namespace as `{http://...}name`, or with a prefix of `namespaces`); a property of GeoJSON, `geometry`, and `@id` for the
feature's id or another member beside the properties. What a file has beside these is named. An example of each format
is in [formats](../how-to/formats.md).
"""
_SECTIONS: tuple[tuple[str, type[Part]], ...] = (
    ("The contract", Document),
    ("`description`", Purpose),
    ("`support`", Support),
    ("`slaProperties`", Times),
    ("`customProperties` of the dataset", DatasetProperties),
    ("`source`", Source),
    ("`unpivot`", Unpivot),
    ("`hold`", Hold),
    ("A line of `baselines`", Baseline),
    ("`servers`: a PostgreSQL database", PostgresqlServer),
    ("`servers`: a MariaDB or MySQL database", MysqlServer),
    ("`customProperties` of a database", DatabaseProperties),
    ("`watermark`", Watermark),
    ("`servers`: a folder on an SFTP server", SftpServer),
    ("`servers`: a folder in an object store", S3Server),
    ("`customProperties` of a folder", FolderProperties),
    ("`servers`: an HTTP API", ApiServer),
    ("`customProperties` of an API", ApiProperties),
    ("`pages`", Pages),
    ("`login`", Login),
    ("`changed`", Changed),
    ("`schema`", Table),
    ("A column, under `schema` / `properties`", Column),
    ("`logicalTypeOptions`", LogicalTypeOptions),
    ("`customProperties` of a column", ColumnProperties),
    ("`numbers` of a column", Numbers),
    ("`unit` of a column", Unit),
    ("An agency, in `agencies.yaml`", Agency),
    ("The city, in `city.yaml`", City),
    ("`units` of the city", Units),
)


def page() -> str:
    """The page, in Markdown."""
    lines = [_INTRODUCTION]
    for title, model in _SECTIONS:
        lines += [f"## {title}", "", "| Field | Meaning | Values | By default |", "|---|---|---|---|"]
        lines += [*_rows(model), ""]
    of_elements = ", ".join(f"`{field.alias}`" for field in Element.model_fields.values())
    lines += ["## An element, in `elements.yaml`", "", f"It may say of its columns: {of_elements}.", ""]
    return "\n".join(lines)


def _rows(model: type[Part]) -> Iterator[str]:
    for field in sorted(model.model_fields.values(), key=lambda field: not field.is_required()):
        meaning = f"{field.description}".replace("|", "\\|")
        yield f"| `{field.alias}` | {meaning} | {', '.join(_choices(field.annotation))} | {_default(field)} |"


def _choices(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Literal:
        yield from (f"`{choice}`" for choice in get_args(kind))
    else:
        for part in get_args(kind):
            yield from _choices(part)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be there"
    match field.default:
        case bool() as default:
            return f"`{default}`".lower()
        case str() | int() | float() as default:
            return f"`{default}`"
        case _:  # nothing
            return ""
