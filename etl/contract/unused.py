"""What the standard and its tools write into a contract and this pipeline makes no use of: left out, and said so.

So a contract that `datacontract import` wrote is a start. What stands neither here nor in `etl.contract.document` is a
slip.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.contract.servers import TYPES

_OF_NOBODY = "it is not read here"
_RULES = "its rules are not applied; write each as an expectation into the suite"
_OF_DOCUMENT = dict.fromkeys(
    (
        "authoritativeDefinitions", "context", "contractCreatedTs", "dataProduct", "price", "roles",
        "slaDefaultElement", "team", "tenant",
    ), _OF_NOBODY,
)  # fmt: skip
_OF_FILES_SERVERS = "how a file is read is said by `source`, under customProperties"
_OF_DESCRIPTION = dict.fromkeys(("authoritativeDefinitions", "customProperties", "limitations", "usage"), _OF_NOBODY)
_OF_SUPPORT = dict.fromkeys(("customProperties", "description", "id", "invitationUrl", "scope", "tool"), _OF_NOBODY)
_OF_ANYTHING = dict.fromkeys(("authoritativeDefinitions", "deprecated", "id", "synonyms", "tags"), _OF_NOBODY)
_OF_TABLE = _OF_ANYTHING | dict.fromkeys(
    ("businessName", "context", "customProperties", "dataGranularityDescription", "physicalType"), _OF_NOBODY
) | {"quality": _RULES, "relationships": "whether they hold is not checked"}  # fmt: skip
_OF_COLUMN = _OF_ANYTHING | dict.fromkeys(
    (
        "criticalDataElement", "encryptedName", "partitionKeyPosition", "partitioned", "transformDescription",
        "transformLogic", "transformSourceObjects",
    ), _OF_NOBODY,
) | {
    "enum": "other values are let in; name a code list, or write the values as an expectation into the suite",
    "quality": _RULES,
    "relationships": "whether they hold is not checked",
    "unique": "values that stand twice are let in; write it as an expectation into the suite",
}  # fmt: skip
_LET_IN = "other values are let in; write it as an expectation into the suite"
_OF_OPTIONS = dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "multipleOf"), _LET_IN) | {
    "timezone": "whether a time bears an offset is said by its format"
}
# Limits that are applied to some types and not to others.
_LIMITS = ("maximum", "minimum")
_OF_STRINGS = (
    "password", "byte", "binary", "email", "idn-email", "uuid", "uri", "uri-reference", "hostname", "ipv4", "ipv6",
    "date", "date-time", "time", "duration", "regex",
)  # fmt: skip
# What `datacontract import` puts under a column's customProperties.
_OF_TOOLS = frozenset(
    (
        "avroAliases", "avroDefault", "avroLogicalType", "avroType", "cardinality", "columnRef", "displayFolder",
        "enumValues", "formatString", "icebergFieldId", "icebergInitialDefault", "icebergWriteDefault", "isHidden",
        "meta", "pii", "precision", "references", "scale", "summarizeBy", "tags", "xmlNamespace", "xmlNode",
    )
)  # fmt: skip
_OF_TOOLS_BY_DATASET = frozenset(("contactEmail", "contactName", "contactUrl", "dbt_version", "owner"))
_SLA = frozenset(
    (
        "availability", "endOfLife", "endOfSupport", "errorRate", "generalAvailability", "retention", "severity",
        "throughput", "timeOfAvailability", "timeToDetect", "timeToNotify", "timeToRepair",
    )
)  # fmt: skip
_NAMED = 3  # columns, in a sentence on many


class Used:
    """A contract without what is not used.

    Attributes:
        said: what the contract's file holds, without it.
        notes: a sentence on each field that was left out.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._reasons: dict[tuple[str, str], str] = {}
        self._columns: dict[tuple[str, str], list[str]] = {}
        self.said = self._document(raw)
        self.notes = tuple(map(self._sentence, self._reasons))

    def _document(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        servers = {} if _are_sources(raw.get("servers")) else {"servers": _OF_FILES_SERVERS}
        said = self._without(raw, _OF_DOCUMENT | servers)
        if isinstance(said.get("description"), dict):
            said["description"] = self._without(said["description"], _OF_DESCRIPTION, "description")
        self._entries(said, "customProperties", _OF_TOOLS_BY_DATASET)
        self._entries(said, "slaProperties", _SLA)
        for name, part in (("support", self._support), ("schema", self._table)):
            if isinstance(said.get(name), list):
                said[name] = [part(entry) if isinstance(entry, dict) else entry for entry in said[name]]
        return said

    def _support(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return self._without(raw, _OF_SUPPORT, "support")

    def _table(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        said = self._without(raw, _OF_TABLE, "schema")
        if isinstance(said.get("properties"), list):
            said["properties"] = [self._column(c) if isinstance(c, dict) else c for c in said["properties"]]
        return said

    def _column(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        name = str(raw.get("name"))
        said = self._without(raw, _OF_COLUMN, column=name)
        self._entries(said, "customProperties", _OF_TOOLS, column=name)
        options = said.get("logicalTypeOptions")
        if isinstance(options, dict):
            unused = dict(_OF_OPTIONS)
            if said.get("logicalType") in ("date", "timestamp", "time"):
                unused |= dict.fromkeys(_LIMITS, _LET_IN)
            if said.get("logicalType", "string") == "string" and options.get("format") in _OF_STRINGS:
                unused["format"] = "what it names is not checked; name a datatype or a pattern"
            said["logicalTypeOptions"] = self._without(options, unused, "logicalTypeOptions", column=name)
        return said

    def _without(
        self, raw: Mapping[str, Any], unused: Mapping[str, str], place: str = "", column: str | None = None
    ) -> dict[str, Any]:
        for name in [name for name in raw if name in unused]:
            self._note(place, str(name), unused[name], column)
        return {name: value for name, value in raw.items() if name not in unused}

    def _entries(self, said: dict[str, Any], place: str, unused: frozenset[str], column: str | None = None) -> None:
        """Leave out entries of a list of properties."""
        if not isinstance(said.get(place), list):
            return
        kept = []
        for entry in said[place]:
            name = entry.get("property") if isinstance(entry, dict) else None
            if isinstance(name, str) and name in unused:
                self._note(place, name, _OF_NOBODY, column)
            else:
                kept.append(entry)
        said[place] = kept

    def _note(self, place: str, name: str, why: str, column: str | None) -> None:
        self._reasons[place, name] = why
        if column is not None:
            self._columns.setdefault((place, name), []).append(column)

    def _sentence(self, about: tuple[str, str]) -> str:
        place, name = about
        columns = self._columns.get(about, [])
        named = ", ".join(columns[:_NAMED]) + (f" and {len(columns) - _NAMED} more" if columns[_NAMED:] else "")
        of = f"column{'s' if columns[1:] else ''} {named}: " if columns else ""
        return f"{of}{f'{place}: ' if place else ''}{name} is not used: {self._reasons[about]}"


def _are_sources(servers: object) -> bool:
    """Whether a dataset is to be fetched: by a type that can be, or by a schedule, which no tool writes."""
    for server in servers if isinstance(servers, list) else ():
        if not isinstance(server, dict) or str(server.get("type")) in TYPES:
            return True
        properties = server.get("customProperties")
        for entry in properties if isinstance(properties, list) else ():
            if isinstance(entry, dict) and entry.get("property") == "schedule":
                return True
    return False
