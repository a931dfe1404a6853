"""A contract with what is said once for many.

`elements.yaml` says what a kind of column is (a person's name, a sex), and a column names its element; `agencies.yaml`
says who an agency is, for all its datasets. Whatever a contract says itself goes before. Both files stand in the folder
above the agencies'; a folder without them takes those of the deployment, which may have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from etl.contract import yaml_text
from etl.contract.city import default_schema
from etl.contract.column import Column, Element, SharedColumn, SharedColumnProperties
from etl.contract.document import Agency, Document
from etl.contract.fields import Part
from etl.contract.messages import ContractError, sentences
from etl.contract.names import nearest
from etl.contract.texts import of_texts
from etl.settings import EXPECTATIONS

_HEADER = {"apiVersion": "api_version", "kind": "kind", "version": "version", "status": "status"}
_NO_POSITION = -1  # as the standard writes that a column is of no key
_OF_PROPERTIES = frozenset(str(field.alias) for field in SharedColumnProperties.model_fields.values())


class _Property(Part):
    """An entry of customProperties."""

    property: str
    value: Any


class _Length(Part):
    """An entry of slaProperties."""

    property: str
    value: Any
    unit: Any


@dataclass(frozen=True)
class Shared:
    """What one file says for many contracts: entries by their names, as they are written, and what is wrong in each."""

    path: Path
    entries: Mapping[str, Mapping[str, Any]]
    wrong: Mapping[str, list[str]]
    unreadable: str | None = None

    def entry(self, name: str, findings: list[str]) -> Mapping[str, Any]:
        """An entry; empty if there is none. What is wrong in it is added to the findings."""
        if self.unreadable:
            findings.append(f"{self.path}: {self.unreadable}")
        findings.extend(f"{self.path}: {name}: {finding}" for finding in self.wrong.get(name, ()))
        return self.entries.get(name, {}) if name not in self.wrong else {}


@dataclass(frozen=True)
class Dictionary:
    """The two files of a folder."""

    elements: Shared
    agencies: Shared


def shared_files(folder: Path) -> tuple[Path, Path]:
    """The files of elements and of agencies that a folder's contracts go by."""
    elements, agencies = (
        folder / name if (folder / name).exists() else EXPECTATIONS / name
        for name in ("elements.yaml", "agencies.yaml")
    )
    return elements, agencies


def dictionary(folder: Path) -> Dictionary:
    """What is said once for all contracts in a folder."""
    elements, agencies = shared_files(folder)
    return Dictionary(_shared(elements, Element), _shared(agencies, Agency))


def _shared(path: Path, model: type[Element] | type[Agency]) -> Shared:
    if not path.exists():
        return Shared(path, {}, {})
    try:
        said = parsed(path)
    except ContractError as error:
        return Shared(path, {}, {}, str(error.findings[0]))
    if not isinstance(said, dict):
        return Shared(path, {}, {}, "it must hold names and what they are, as `sex: {codeList: sex}`")
    entries, wrong = {}, {}
    for key, raw in said.items():
        findings = list(of_texts(raw))
        entry = dict(raw) if isinstance(raw, dict) else raw
        if isinstance(entry, dict) and "slaProperties" in entry:
            entry["slaProperties"] = _by_property(entry["slaProperties"], "slaProperties", _Length, findings)
        try:
            model.model_validate(entry)
        except ValidationError as error:
            findings += sentences(error, model)
        if findings:
            wrong[str(key)] = findings
        else:
            entries[str(key)] = entry
    return Shared(path, entries, wrong)


def parsed(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ContractError: if it cannot be read.
    """
    try:
        return yaml_text.parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ContractError(path, "not UTF-8; save it in that encoding") from None
    except ValueError as error:
        raise ContractError(path, str(error)) from None


def expanded(raw: Mapping[str, Any], path: Path, shared: Dictionary, findings: list[str]) -> dict[str, Any]:
    """A contract as it is written, with what its place, its agency and its columns' elements say.

    Args:
        raw: what the file holds, without what is not used.
        path: of the file: the agency's folder, and the dataset's name.
        shared: what is said once.
        findings: what is wrong is added here.

    Returns:
        The fields of `etl.contract.document.Document`, not yet checked, with `customProperties` and `slaProperties`
        by their names.
    """
    agency, dataset = path.parent.name, path.stem
    made = {"id": f"{agency}.{dataset}"} | {name: Document.model_fields[of].default for name, of in _HEADER.items()}
    made |= {key: value for key, value in raw.items() if key != "schema"}
    said = shared.agencies.entry(agency, findings)
    custom = _by_property(raw.get("customProperties", []), "customProperties", _Property, findings)
    lengths = _by_property(raw.get("slaProperties", []), "slaProperties", _Length, findings)
    made["customProperties"] = ({"agencyTitle": said["title"]} if "title" in said else {}) | custom
    if lengths := said.get("slaProperties", {}) | lengths:
        made["slaProperties"] = lengths
    if "support" in said:
        made.setdefault("support", said["support"])
    if isinstance(servers := raw.get("servers"), list):
        made["servers"] = [_server(server, number, findings) for number, server in enumerate(servers, start=1)]
    tables = raw.get("schema")
    if isinstance(tables, list):
        schema = said.get("schema", default_schema(agency))
        tables = [_table(table, dataset, schema, shared.elements, findings) for table in tables]
    return made if tables is None else made | {"schema": tables}


def _server(raw: Any, number: int, findings: list[str]) -> Any:
    if not isinstance(raw, dict):
        return raw
    place = f"servers: {raw.get('server') or number}: customProperties"
    return raw | {"customProperties": _by_property(raw.get("customProperties", []), place, _Property, findings)}


def _table(raw: Any, dataset: str, schema: str | None, elements: Shared, findings: list[str]) -> Any:
    if not isinstance(raw, dict):
        return raw
    made = {"name": dataset} | raw
    table = raw.get("physicalName", dataset)
    if schema and isinstance(table, str) and "." not in table:
        made["physicalName"] = f"{schema}.{table}"
    if not isinstance(raw.get("properties"), list):
        return made
    columns = [_column(column, number, elements, findings) for number, column in enumerate(raw["properties"], start=1)]
    return made | {"properties": _with_positions(columns)}


def _with_positions(columns: list[Any]) -> list[Any]:
    """The columns of a key in the order in which they stand, where none says its place."""
    key = [c for c in columns if isinstance(c, dict) and c.get("primaryKey") is True]
    if not any("primaryKeyPosition" in column for column in key):
        for position, column in enumerate(key, start=1):
            column["primaryKeyPosition"] = position
    return columns


def _column(raw: Any, number: int, elements: Shared, findings: list[str]) -> Any:
    if not isinstance(raw, dict):
        return raw
    place = f"column {raw.get('name') or number}"
    custom = _by_property(raw.get("customProperties", []), f"{place}: customProperties", _Property, findings)
    if "semanticType" in custom:  # what `datatype` was called before ODCS had a field of that name
        custom.setdefault("datatype", custom.pop("semanticType"))
    name = custom.get("element")
    entry: Mapping[str, Any] = {}
    if isinstance(name, str):
        wrong: list[str] = []
        entry = elements.entry(name, wrong)
        if not entry and not wrong:
            wrong.append(f"there is no element {name!r} in {elements.path.name}; {nearest(name, elements.entries)}")
        findings.extend(f"{place}: {finding}" for finding in wrong)
    made = {key: value for key, value in raw.items() if key != "customProperties"}
    for key, value in entry.items():
        (custom if key in _OF_PROPERTIES else made).setdefault(key, value)
    if made.get("primaryKey") is True:
        made.setdefault("required", True)
    elif made.get("primaryKeyPosition") == _NO_POSITION and made.get("primaryKey", False) is False:
        del made["primaryKeyPosition"]
    made.setdefault("classification", SharedColumn.model_fields["classification"].default)
    made.setdefault("logicalType", Column.model_fields["logical_type"].default)
    return made | {"customProperties": custom}


def _by_property(
    entries: object, place: str, kind: type[_Property] | type[_Length], findings: list[str]
) -> dict[str, Any]:
    if not isinstance(entries, list):
        findings.append(f"{place} is {entries!r}, and must be a list of {{property: ..., value: ...}}")
        return {}
    made: dict[str, Any] = {}
    for number, raw in enumerate(entries, start=1):
        try:
            entry = kind.model_validate(raw)
        except ValidationError as error:
            named = raw.get("property", number) if isinstance(raw, dict) else number
            findings.extend(f"{place} {named}: {sentence}" for sentence in sentences(error, kind))
            continue
        if entry.property in made:
            findings.append(f"{place}: {entry.property!r} stands twice; keep one")
        made[entry.property] = (
            entry.value if isinstance(entry, _Property) else {"value": entry.value, "unit": entry.unit}
        )
    return made


def as_odcs(said: Mapping[str, Any]) -> dict[str, Any]:
    """An expanded contract as the standard writes it, for other tools."""
    made = dict(said)
    if lengths := said.get("slaProperties"):
        made["slaProperties"] = [{"property": name, **length} for name, length in lengths.items()]
    if "customProperties" in said:
        made["customProperties"] = [{"property": k, "value": v} for k, v in said["customProperties"].items()]
        if not made["customProperties"]:
            del made["customProperties"]
    for name in ("servers", "schema", "properties"):
        if isinstance(said.get(name), list):  # a server's schema is a name
            made[name] = [as_odcs(part) for part in said[name]]
    return made
