"""A contract file as it is written: read with its places, and what is wrong in it by itself.

ODCS takes much that this pipeline does not do: rules of quality, types of other databases, any word under
`customProperties`. What would silently not be done is refused here, so that a contract says what happens.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
)
from pydantic import BaseModel, ValidationError

from etl import yaml_text
from etl.settings import REFERENCE

SCHEMAS = ("people", "business", "land")  # of the warehouse; see etl/warehouse/tables.py
# Columns of every history table, and PostgreSQL's own.
OURS = ("valid_from", "valid_to", "opened_by", "closed_by")
_TAKEN = (*OURS, "ctid", "tableoid", "xmin", "xmax", "cmin", "cmax")
LONGEST_NAME = 63  # PostgreSQL cuts a longer one
_VIEW = "_current"  # behind a table's name: its view of what is valid now
# What a table, a column, an agency and a dataset may be called: a name that needs no quotation marks anywhere.
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
OF_NAMES = "small letters without marks, digits and _, with a letter in front, 48 at most"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # without its ending; nothing that leads elsewhere
# What no text has, and no database takes; only a delimiter or a separator may be one.
_UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_CONTACT = re.compile(r"(?:mailto:|https?://)[^\s<>\"'`\\]+")  # it becomes a link
_LENGTH = re.compile(r"\d{1,4}[hdwmy]")
_LONGEST_YEARS = 10
_HOURS = {"h": 1, "d": 24, "w": 168, "m": 730, "y": 8766}
_LEGACY_ENCODINGS = ("tcvn3", "vni", "viscii", "vps")  # what etl/extract/text.py knows beside Python's codecs
# Python's codecs that an agency's file may be in, as Python calls them. Others are no encodings of files (idna,
# unicode_escape), or pack (zlib).
_ENCODINGS = re.compile(
    r"ascii|utf-8(-sig)?|utf-16(-[bl]e)?|utf-32(-[bl]e)?|cp125[0-8]|iso8859-\d{1,2}"
    r"|cp(437|850|852|858|866|874|932|936|949|950)"
    r"|koi8-[ru]|mac-roman|gb2312|gbk|gb18030|big5|big5hkscs|shift_jis|euc_(jp|kr)|tis-620"
)
_TYPES = ("string", "integer", "number", "date", "timestamp")
# The logical types that a semantic type is made of; those not named here are of text.
_OF_TYPES = {"date": ("date", "timestamp"), "money": ("integer", "number"), "number": ("integer", "number")}
_WITH_PERIOD = ("ward", "address")
_IN_PARTS = ("text", "person_name", "personal_id", "tax_code", "bhxh", "bhyt", "phone", "icd10", "code")
_NAMED = 30  # of what is known, where a name is not
_MOST_DIGITS = 38
_TWO_LINES = "two lines are needed, Vietnamese and English"


class ContractError(ValueError):
    """A contract or suite that cannot be used; the text names the file, the place and the mend.

    Attributes:
        path: of the file.
        findings: everything that is wrong, each with its place and mend.
    """

    def __init__(self, path: Path, *findings: str) -> None:
        self.path = path
        self.findings = findings
        more = f" (and {len(findings) - 1} more: `citydw lint` names all)" if len(findings) > 1 else ""
        super().__init__(f"{path}: {findings[0]}{more}")

    def __reduce__(self) -> tuple[type[ContractError], tuple[Path | str, ...]]:
        """How it passes from one process to another."""
        return type(self), (self.path, *self.findings)


def read(path: Path) -> OpenDataContractStandard:
    """Read one contract file.

    Raises:
        ContractError: if it is no YAML, no ODCS, or says what is not done here.
    """
    raw = _parsed(path)
    try:
        document = OpenDataContractStandard.model_validate(raw)
    except ValidationError as error:
        said = (f"{_place(raw, fault['loc'])}: {fault['msg']}" for fault in error.errors(include_url=False))
        raise ContractError(path, *(f"not a valid ODCS contract: {line}" for line in said)) from None
    if findings := [*_odd_signs(raw), *_unknown_fields(raw), *_of_dataset(document), *_of_columns(document)]:
        raise ContractError(path, *findings)
    return document


def taken_by(schema: str, table: str) -> tuple[str, str]:
    """The names that a history table takes in the warehouse: its own and that of its view."""
    return f"{schema}.{table}", f"{schema}.{table}{_VIEW}"


def nearest(name: object, known: Iterable[str]) -> str:
    """The mend for a name that is not known: the one that was meant, where that can be guessed, or all."""
    known = sorted(known)
    close = get_close_matches(str(name), known, n=1)
    more = ", ..." if len(known) > _NAMED else ""
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known[:_NAMED])}{more}"


def _parsed(path: Path) -> Any:
    try:
        return yaml_text.parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ContractError(path, "not UTF-8; save it in that encoding") from None
    except ValueError as error:
        raise ContractError(path, str(error)) from None


def _place(raw: Any, location: Iterable[str | int]) -> str:
    """Where a fault is, with a column by its name in place of its number."""
    parts: list[str] = []
    for step in location:
        raw = raw[step] if isinstance(raw, list) and isinstance(step, int) and step < len(raw) else _item(raw, step)
        named = raw.get("name") or raw.get("property") if isinstance(raw, dict) else None
        parts.append(f"[{named or step}]" if isinstance(step, int) else f".{step}")
    return "".join(parts).lstrip(".") or "the file"


def _item(raw: Any, step: str | int) -> Any:
    return raw.get(step) if isinstance(raw, dict) else None


def _odd_signs(raw: Any) -> Iterator[str]:
    """Texts with signs that no text has: they break a statement, a page or a terminal."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), raw)]
    for place, said in waiting:
        if isinstance(said, dict):
            separates = said.get("property") == "separator"
            waiting += [((*place, step), item) for step, item in said.items() if not (separates and step == "value")]
        elif isinstance(said, list):
            waiting += [((*place, step), item) for step, item in enumerate(said)]
        elif isinstance(said, str) and place[-1:] != ("delimiter",) and (sign := _UNREADABLE.search(said)):
            yield f"{_place(raw, place)}: it holds the sign U+{ord(sign[0]):04X}, which no text has; leave it out"


def _unknown_fields(raw: Any) -> Iterator[str]:
    """Fields that ODCS does not know, in those of its parts in which its library lets them pass."""
    for entry in raw.get("slaProperties") or []:
        yield from _unknown(entry, ServiceLevelAgreementProperty, f"slaProperties {entry.get('property')}")
    tables = raw.get("schema") or []
    for part, where in ((raw, "contract"), *((table, f"schema {table.get('name')}") for table in tables)):
        for entry in part.get("customProperties") or []:
            yield from _unknown(entry, CustomProperty, f"{where}: customProperties {entry.get('property')}")
    for table in tables:
        yield from _unknown(table, SchemaObject, f"schema {table.get('name')}")
        for column in table.get("properties") or []:
            place = f"column {column.get('name')}"
            yield from _unknown(column, SchemaProperty, place)
            for entry in column.get("customProperties") or []:
                yield from _unknown(entry, CustomProperty, f"{place}: customProperties {entry.get('property')}")


def _unknown(entry: Mapping[str, Any], model: type[BaseModel], place: str) -> Iterator[str]:
    known = {field.alias or name for name, field in model.model_fields.items()}
    for name in entry:
        if name not in known:
            yield f"{place}: ODCS knows no field {name!r}; {nearest(name, known)}"


def _of_dataset(document: OpenDataContractStandard) -> Iterator[str]:
    for field, text in (
        ("name", document.name),
        ("description.purpose", document.description.purpose if document.description else None),
    ):
        yield from _two_lines(text, field)
    contact = str((document.support[0].url if document.support else None) or "")
    if not _CONTACT.fullmatch(contact):
        said = f"is {contact!r}, and must be an address" if contact else "is missing"
        yield f"support: the contact {said}; write `- {{channel: ..., url: mailto:...}}`, or https:..."
    yield from _of_times(document)
    yield from _once((p.property for p in document.customProperties or []), "customProperties")
    custom = {str(p.property): p.value for p in document.customProperties or []}
    title = custom.get("agencyTitle")
    if not (isinstance(title, dict) and title.keys() == {"vi", "en"} and all(title.values())):
        yield "customProperties agencyTitle: {vi: ..., en: ...} is needed, the agency's name in both languages"
    if "deliveryMode" not in custom:
        yield "customProperties deliveryMode: it is missing; it is one of snapshot, changes, append"
    for name in ("maxRejected", "tellRejected"):
        if name in custom and not _is_number(custom[name], 0, 1):
            yield f"customProperties {name}: it is {custom[name]!r}, and must be a share of rows from 0 to 1"
    hold = custom.get("hold", {})
    if not isinstance(hold, dict) or not _is_number(hold.get("days", 0), 0, 3650):
        yield f"customProperties hold: it is {hold!r}; write {{days: 3, default: reject}}, with 0 to 3650 days"
    yield from _of_source(custom.get("source"))
    yield from _of_table(document.schema_ or [])
    if rules := _rules(document.schema_[0] if document.schema_ else None):
        yield f"schema: {rules}"


def _of_source(source: object) -> Iterator[str]:
    place = "customProperties source"
    if not isinstance(source, dict) or "format" not in source:
        yield f"{place}: it is {source!r}; write {{format: csv}}, or another format, with what must be known to read it"
        return
    encoding, delimiter = source.get("encoding", "utf-8"), source.get("delimiter", ",")
    if not _is_encoding(encoding):
        legacy = ", ".join(_LEGACY_ENCODINGS)
        yield f"{place}: no encoding {encoding!r} is known; write one of Python's, as utf-8 or cp1258, or {legacy}"
    if not (isinstance(delimiter, str) and re.fullmatch(r"[^\w\s\"']|\t", delimiter, re.ASCII) and delimiter.isascii()):
        yield f'{place}: delimiter is {delimiter!r}, and must be one sign, as ; or "\\t" (in these quotation marks)'
    if (source["format"] == "xml") != bool(source.get("record")):
        yield f"{place}: format xml needs `record`, the element that is one row, and other formats have none"


def _of_table(tables: list[SchemaObject]) -> Iterator[str]:
    if len(tables) != 1:
        yield f"schema: one table is needed, and there are {len(tables)}; each dataset has a contract of its own"
    for table in tables[:1]:
        name = table.physicalName
        namespace, _, its_own = str(name).partition(".")
        if namespace not in SCHEMAS or not NAME.fullmatch(its_own):
            yield (
                f"schema: physicalName is {name!r}, and must be schema.table, as people.births; "
                f"the schemas are {', '.join(SCHEMAS)}, and a table's name is {OF_NAMES}"
            )


def _of_times(document: OpenDataContractStandard) -> Iterator[str]:
    properties = document.slaProperties or []
    yield from _once((p.property for p in properties), "slaProperties")
    names = [str(p.property) for p in properties]
    if "frequency" not in names:
        yield "slaProperties: frequency is missing; write {property: frequency, value: 1, unit: d}"
    for p in properties:
        if p.property in ("frequency", "latency"):
            stated = f"{p.value}{p.unit}"
            if not _LENGTH.fullmatch(stated) or _hours(stated) > _HOURS["y"] * _LONGEST_YEARS:
                yield (
                    f"slaProperties: {p.property} is {stated!r}, not a whole number with unit h, d, w, m or y, "
                    f"of {_LONGEST_YEARS} years at most"
                )
            elif p.property == "frequency" and not _hours(stated):
                yield "slaProperties: frequency is 0; a period has some length"
        elif close := get_close_matches(str(p.property), ("frequency", "latency"), n=1):
            yield f"slaProperties: {p.property!r} is not known; did you mean {close[0]!r}?"


def _hours(length: str) -> int:
    return int(length[:-1]) * _HOURS[length[-1]]


def _of_columns(document: OpenDataContractStandard) -> Iterator[str]:
    columns = [column for table in (document.schema_ or [])[:1] for column in table.properties or []]
    if not columns:
        yield "schema: no column is named under `properties`"
        return
    yield from _once((column.name for column in columns), "columns")
    yield from _once((source_name(column) for column in columns), "columns: physicalName")
    types = {column.name: column.logicalType for column in columns}
    for number, column in enumerate(columns, start=1):
        place = f"column {column.name or number}"
        for finding in (*_of_name(column), *_of_texts(column), *_of_type(column), *_of_custom(column, types)):
            yield f"{place}: {finding}"
    yield from _of_key(columns)
    for role in ("change", "sequence"):
        having = [str(column.name) for column in columns if _custom(column).get("role") == role]
        if len(having) > 1:
            yield f"columns {', '.join(having)}: only one can have role {role}"


def source_name(column: SchemaProperty) -> str:
    """What the agency calls a column; ODCS says that it is the name where nothing else is said."""
    return str(column.name if column.physicalName is None else column.physicalName)


def _of_name(column: SchemaProperty) -> Iterator[str]:
    name, sent_as = str(column.name or ""), source_name(column)
    if not NAME.fullmatch(name):
        yield f"name is {column.name!r}, and must be {OF_NAMES}"
    if name in _TAKEN:
        yield f"{name!r} is a column that the warehouse has itself; name this one otherwise"
    if sent_as != sent_as.strip() or not sent_as:
        yield f"physicalName is {sent_as!r}; leave out the blanks at the ends, they are not read in files either"


def _of_texts(column: SchemaProperty) -> Iterator[str]:
    yield from _two_lines(column.description, "description")
    if not column.classification:
        yield "classification is missing; it is one of open, basic, sensitive"
    if not column.examples or column.examples[0] is None or not str(column.examples[0]).strip():
        yield "examples is missing; write one value as the agency writes it, in quotation marks"


def _of_type(column: SchemaProperty) -> Iterator[str]:
    kind, physical = column.logicalType or "string", column.physicalType
    if kind not in _TYPES:
        yield f"logicalType is {kind!r}, not one of {', '.join(_TYPES)}"
    if kind == "number" and physical is not None:
        match = re.fullmatch(r"numeric\((\d+),(\d+)\)", physical)
        if match is None or not 1 <= int(match[1]) <= _MOST_DIGITS or int(match[2]) > int(match[1]):
            yield (
                f"physicalType is {physical!r}; of a number it must be numeric(digits,decimals), as numeric(18,2), "
                f"with {_MOST_DIGITS} digits at most"
            )
    for option, value in (column.logicalTypeOptions or {}).items():
        if option not in _OPTIONS.get(str(kind), {}):
            yield f"logicalTypeOptions {option!r} is not applied here; write it as an expectation into the suite"
        elif fault := _OPTIONS[str(kind)][option](value):
            yield f"logicalTypeOptions {option} is {value!r}, and must be {fault}"
    if rules := _rules(column):
        yield rules


def _no_length(value: object) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else "a whole number"


def _no_number(value: object) -> str | None:
    return None if isinstance(value, int | float) and not isinstance(value, bool) else "a number"


def _no_pattern(value: object) -> str | None:
    try:
        re.compile(str(value))
    except re.error:
        return "a regular expression"
    return None


# What ODCS's logicalTypeOptions may say of a column of each type, and what is wrong with a value.
_Options = dict[str, Callable[[object], str | None]]
_OF_LENGTH: _Options = {"minLength": _no_length, "maxLength": _no_length, "pattern": _no_pattern}
_OF_NUMBERS: _Options = {"minimum": _no_number, "maximum": _no_number}
_OF_DATES: _Options = {"format": lambda _: None}  # see etl/date_format.py
_OPTIONS: dict[str, _Options] = {
    "string": _OF_LENGTH, "integer": _OF_NUMBERS, "number": _OF_NUMBERS, "date": _OF_DATES, "timestamp": _OF_DATES,
}  # fmt: skip


def _rules(part: SchemaObject | SchemaProperty | None) -> str | None:
    """What ODCS would have us check, and this pipeline does not."""
    named = [name for name in ("enum", "properties", "items", "map", "semanticType", "unique") if _said(part, name)]
    named += ["quality" for quality in (part.quality or [] if part else []) if quality.type != "text"][:1]
    if isinstance(part, SchemaObject):
        named = [name for name in named if name != "properties"]
    if not named:
        return None
    mend = "under customProperties" if named == ["semanticType"] else "as an expectation into the suite"
    return f"{', '.join(named)}: not applied here; write it {mend}"


def _said(part: Any, name: str) -> bool:
    return bool(getattr(part, name, None))


def _of_custom(column: SchemaProperty, types: Mapping[str | None, str | None]) -> Iterator[str]:
    kind, custom = column.logicalType or "string", _custom(column)
    yield from _once((p.property for p in column.customProperties or []), "customProperties")
    meaning = custom.get("semanticType", "text" if kind == "string" else "number")
    made_of = _OF_TYPES.get(meaning, ("string",)) if "semanticType" in custom else (kind,)
    if kind in _TYPES and kind not in made_of:
        yield f"semanticType {meaning!r} is of logicalType {' or '.join(made_of)}, and this is {kind}"
    code_list, lookup = custom.get("codeList"), custom.get("lookup", {})
    if (meaning == "code") != (code_list is not None):
        yield "semanticType code needs a codeList, and only a code has one"
    elif code_list is not None and not (
        _FILE_NAME.fullmatch(str(code_list)) and (REFERENCE / "codes" / f"{code_list}.csv").exists()
    ):
        lists = (path.stem for path in (REFERENCE / "codes").glob("*.csv"))
        yield f"codeList: there is no list {code_list!r}; {nearest(code_list, lists)}"
    if lookup and meaning != "code":
        yield "lookup: only a code has one"
    if not isinstance(lookup, dict) or not all(isinstance(text, str) for pair in lookup.items() for text in pair):
        yield 'lookup must give a code for a text, each in quotation marks, as {"Nam": "1"}'
    period = custom.get("periodColumn")
    if period is not None and meaning not in _WITH_PERIOD:
        yield f"periodColumn: only {' and '.join(_WITH_PERIOD)} have one"
    elif period is not None and types.get(period) not in ("date", "timestamp"):
        yield f"periodColumn is {period!r}, and must be a date column of this contract"
    separator = custom.get("separator")
    if separator is not None and not (isinstance(separator, str) and separator and meaning in _IN_PARTS):
        yield f"separator is {separator!r}; it is a text that is not empty, and of {', '.join(_IN_PARTS)} only"


def _of_key(columns: list[SchemaProperty]) -> Iterator[str]:
    key = [column for column in columns if column.primaryKey]
    if not key:
        yield "no primaryKey column; a record is known again by its key: mark its columns primaryKey: true"
    places = [column.primaryKeyPosition for column in key]
    for column in columns:
        place = f"column {column.name}"
        if not column.primaryKey:
            if (column.primaryKeyPosition or -1) > 0:
                yield f"{place}: primaryKeyPosition without primaryKey: true"
            continue
        if (column.primaryKeyPosition or 0) < 1 or places.count(column.primaryKeyPosition) > 1:
            yield f"{place}: primaryKey needs a primaryKeyPosition of its own: 1, 2, ..."
        if not column.required:
            yield f"{place}: a key column must be required: write required: true"
        if _custom(column).get("onInvalid") == "flag":
            yield f"{place}: onInvalid flag would load a key that is empty; leave it out"
        if _custom(column).get("role", "content") != "content":
            yield f"{place}: a column that steers the load cannot be in the key, for it is not stored"


def _custom(column: SchemaProperty) -> dict[str, Any]:
    return {str(p.property): p.value for p in column.customProperties or []}


def _two_lines(text: str | None, field: str) -> Iterator[str]:
    lines = (text or "").strip().splitlines()
    if len(lines) != 2 or not all(line.strip() for line in lines):
        yield f"{field}: {_TWO_LINES}, not {text!r}"


def _once(names: Iterable[str | None], place: str) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{place}: {name!r} stands {count} times; keep one"


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _is_encoding(name: object) -> bool:
    if name in _LEGACY_ENCODINGS:
        return True
    try:
        return isinstance(name, str) and bool(_ENCODINGS.fullmatch(codecs.lookup(name).name))
    except (LookupError, ValueError):  # no such codec, and a name that none can have
        return False
