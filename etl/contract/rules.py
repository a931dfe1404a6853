"""What is wrong in a contract between one field of a dataset and another, and between it and its columns."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterator
from itertools import pairwise

from etl.contract import baseline_faults
from etl.contract.city import city, may_hold
from etl.contract.column import Column
from etl.contract.column_rules import place, source_name
from etl.contract.document import Document
from etl.contract.formats import MEMBER, OF_VALUE, SHEET
from etl.contract.names import nearest
from etl.contract.source import LEGACY, Source, Unpivot

_PREFIX = re.compile(r"(?:^|/)@?([^/:@^]+):")  # of a step of a path in XML
KEY = ("row_hash", "row_copy")  # columns of the warehouse, where the whole row is the key
_OF_FORMATS = {
    "delimiter": ("csv",),
    "root": ("xml",),
    "record": ("xml",),
    "base64": ("xml",),
    "header": ("csv", "excel", "fixed_width"),
    "sheet": ("excel",),
    "unpivot": ("csv", "excel"),
    "layer": ("geopackage",),
    "sheets": ("excel",),
    "range": ("excel",),
    "namespaces": ("xml",),
    "records": ("json", "ndjson"),
    "footer": ("csv", "excel", "fixed_width"),
    "positions": ("fixed_width",),
}


def of_dataset(said: Document, identity: str) -> Iterator[str]:
    """What is wrong in what a contract says of its dataset.

    Args:
        said: the contract.
        identity: agency and dataset, as the file's place says.
    """
    if said.id != identity:
        yield f"id is {said.id!r}, the file's place says {identity!r}"
    for table in said.schema_:
        if table.physical_name is None:
            schemas = f", with one of {', '.join(city().schemas)}" if city().schemas else ""
            yield (
                f"schema: physicalName is missing; write schema.table, as people.births{schemas}; or say the `schema`"
                " of all tables of the agency in agencies.yaml"
            )
        elif not may_hold(schema := table.physical_name.partition(".")[0]):
            known = ", ".join(city().schemas) or "all others"
            yield f"schema: no dataset's table stands in schema {schema!r}; the schemas are {known}: see city.yaml"
    yield from _of_source(said.custom_properties.source)


def _of_source(source: Source) -> Iterator[str]:
    if (source.format == "xml") != bool(source.record):
        yield "source: format xml needs `record`, the element that is one row, and other formats have none"
    if source.member and not source.archive:
        yield "source: member names files in an archive; write archive: zip or parts too, or leave it out"
    if source.archive == "zip" and re.search(r"[*?]", source.member or ""):
        yield f"source: member {source.member!r} is a pattern, which is for archive: parts; write one file's name"
    if source.sheets and (source.sheet or source.archive == "parts"):
        yield "source: sheets all goes neither with sheet nor with archive parts; leave one of them out"
    is_utf8 = codecs.lookup(source.encoding).name.startswith("utf-8") if source.encoding not in LEGACY else False
    if source.format == "fixed_width" and source.encoding == "vni":
        yield "source: fixed_width in vni is not read, for its letters have one or two bytes"
    if source.positions == "bytes" and not is_utf8:
        yield "source: positions bytes is for encoding utf-8 only; in others leave it out, there a place is a letter"
    for name, formats in _OF_FORMATS.items():
        if name in source.model_fields_set and source.format not in formats and name != "record":
            yield f"source: {name} is for format {', '.join(formats)} only; leave it out"


def of_whole(said: Document, columns: Collection[Column]) -> Iterator[str]:
    """What is wrong between a dataset and its columns, where all of them can be read."""
    mode, part = said.custom_properties.delivery_mode, said.custom_properties.part
    roles = {column.custom_properties.role: column for column in columns}
    if (mode == "changes") != ("change" in roles):
        yield "deliveryMode: mode 'changes' needs one column with role 'change', other modes none"
    sequence = roles.get("sequence")
    if sequence and (mode != "changes" or sequence.logical_type == "string"):
        yield f"column {sequence.name}: role 'sequence' is for a number or time in mode 'changes'"
    if part is not None:
        yield from _of_part(part, columns)
    yield from _of_totals(said.custom_properties.control_totals, columns)
    yield from baseline_faults.faults(said.custom_properties.baselines, mode, columns)
    source = said.custom_properties.source
    for name, needs in ((MEMBER, source.archive == "parts"), (SHEET, source.sheets is not None)):
        if not needs and source.format not in ("xml", "geojson") and name in map(source_name, columns):
            yield f"source: a column {name} needs {'archive: parts' if name == MEMBER else 'sheets: all'}"
    if source.unpivot and source.header == ():
        yield "source: unpivot finds columns by their names; leave out header: none"
    if source.unpivot:
        yield from _of_unpivot(source.unpivot, [source_name(column) for column in columns])
    if source.format == "xml":
        yield from _of_prefixes(source, columns)
    is_fixed = source.format == "fixed_width"
    if is_fixed:
        yield from _of_positions(columns)
    for column in columns:
        if is_fixed != bool(column.custom_properties.position) and source_name(column) != MEMBER:
            yield f"column {column.name}: format fixed_width needs a `position` of each column, other formats have none"
    positions = sorted(column.primary_key_position or 0 for column in columns if column.primary_key)
    if said.custom_properties.key:
        if positions:
            yield "key: the whole row, or the columns that are marked primaryKey; leave one of the two out"
        if mode == "changes":
            yield "key: a change is known by the key of its record; mark columns primaryKey: true"
        yield from (
            f"column {c.name}: name it otherwise; of whole rows it is the key's" for c in columns if c.name in KEY
        )
    elif not positions:
        yield (
            "no primaryKey column; a record is known again by its key: mark its columns primaryKey: true, or write "
            "{property: key, value: whole_row} where no columns tell one row from another"
        )
    elif positions != list(range(1, len(positions) + 1)):
        stand = ", ".join(map(str, positions))
        yield f"columns: the primaryKeyPosition of the key's columns are {stand}; a key needs each of 1, 2, ... once"


def _of_prefixes(source: Source, columns: Collection[Column]) -> Iterator[str]:
    named = [("source: record", source.record or "")]
    named += [(f"column {column.name}: physicalName", source_name(column)) for column in columns]
    for where, name in named:
        prefixes = _PREFIX.findall(name) if "{" not in name else []  # {http://...}name says its namespace itself
        for prefix in (p for p in prefixes if p not in source.namespaces):
            mend = f'write namespaces: {{{prefix}: "http://..."}} as the file has it, or leave the prefix out'
            yield f"{where} {name!r} has the prefix {prefix!r}, which is not in `namespaces`; {mend}"


def _of_positions(columns: Collection[Column]) -> Iterator[str]:
    said = [(place(column.custom_properties.position), column) for column in columns]
    placed = sorted(((at, column) for at, column in said if at), key=lambda found: found[0][0])
    for ((_, last), before), ((first, _), column) in pairwise(placed):
        if last is None or first <= last:
            yield (
                f"column {column.name}: position {column.custom_properties.position} overlaps that of {before.name}, "
                f"{before.custom_properties.position}; each place in a line belongs to one column"
            )


def _of_unpivot(unpivot: Unpivot, sent: Collection[str]) -> Iterator[str]:
    groups = re.compile(unpivot.columns).groups
    if groups != len(unpivot.names):
        yield f"source: unpivot: the pattern has {groups} groups, and names has {len(unpivot.names)}; each needs one"
    if (len(unpivot.values) > 1) != (OF_VALUE in unpivot.names):
        yield "source: unpivot: `.value` among names, and only that, says which of several values a column holds"
    for name in (*unpivot.names, *unpivot.values):
        if name != OF_VALUE and name not in sent:
            yield f"source: unpivot: there is no column with physicalName {name!r}; {nearest(name, sent)}"


def _of_part(part: str, columns: Collection[Column]) -> Iterator[str]:
    found = next((column for column in columns if column.name == part), None)
    if found is None:
        yield f"part: there is no column {part!r}; {nearest(part, (column.name for column in columns))}"
    elif (
        found.custom_properties.role != "content"
        or not found.required
        or found.custom_properties.on_invalid != "reject"
    ):
        yield f"part: {part} must be a column of the content that is required and not only flagged"


def _of_totals(totals: Collection[str], columns: Collection[Column]) -> Iterator[str]:
    numeric = {column.name for column in columns if column.logical_type in ("integer", "number")}
    for name in totals:
        if name not in numeric:
            yield f"controlTotals: there is no column of numbers {name!r}; {nearest(name, numeric)}"
