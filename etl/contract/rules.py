"""What is wrong in a contract between one field and another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from etl.contract.codes import code_list, with_several_meanings
from etl.contract.date_format import date_format
from etl.contract.document import Column, Document, SemanticType, Source
from etl.contract.messages import ContractError
from etl.contract.model import FORMATS
from etl.contract.names import TAKEN, nearest

# The logical types that a semantic type is made of; those not named here are of text.
_OF_TYPES = {"date": ("date", "timestamp"), "money": ("integer", "number"), "number": ("integer", "number")}
_PLAIN: dict[str, SemanticType] = {"date": "date", "timestamp": "date", "integer": "number", "number": "number"}
_WITH_PERIOD = ("ward", "address", "code")
_IN_PARTS = ("text", "person_name", "personal_id", "tax_code", "bhxh", "bhyt", "phone", "icd10", "code")
_OPTIONS = {
    "string": ("minLength", "maxLength", "pattern"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "date": ("format",),
    "timestamp": ("format",),
}
_OF_FORMATS = {"delimiter": ("csv",), "root": ("xml",), "record": ("xml",)}


def meaning(column: Column) -> SemanticType:
    """The semantic type of a column: what it says, or what its logical type is."""
    return column.custom_properties.datatype or _PLAIN.get(column.logical_type, "text")


def source_name(column: Column) -> str:
    """What the agency calls a column; ODCS says that it is the name where nothing else is said."""
    return column.physical_name or column.name


def of_dataset(document: Document, identity: str) -> Iterator[str]:
    """What is wrong in what a contract says of its dataset.

    Args:
        document: the contract.
        identity: agency and dataset, as the file's place says.
    """
    if document.id != identity:
        yield f"id is {document.id!r}, the file's place says {identity!r}"
    yield from _of_source(document.custom_properties.source)


def _of_source(source: Source) -> Iterator[str]:
    if (source.format == "xml") != bool(source.record):
        yield "source: format xml needs `record`, the element that is one row, and other formats have none"
    for name, formats in _OF_FORMATS.items():
        if name in source.model_fields_set and source.format not in formats and name != "record":
            yield f"source: {name} is for format {', '.join(formats)} only; leave it out"


def of_columns(columns: Collection[Column], types: Mapping[str, str]) -> Iterator[str]:
    """What is wrong in columns, by themselves and with each other.

    Args:
        columns: those that can be read.
        types: logical types by columns' names, of those too that cannot.
    """
    yield from _once((column.name for column in columns), "columns")
    yield from _once((source_name(column) for column in columns), "columns: physicalName")
    for column in columns:
        for rule in (_of_name, _of_options, _of_dates, _of_meaning, _of_code, _of_key_column):
            for finding in rule(column):
                yield f"column {column.name}: {finding}"
        for finding in _of_period(column, types):
            yield f"column {column.name}: {finding}"
    for role in ("change", "sequence"):
        having = [column.name for column in columns if column.custom_properties.role == role]
        if len(having) > 1:
            yield f"columns {', '.join(having)}: only one can have role {role}"


def of_whole(document: Document, columns: Collection[Column]) -> Iterator[str]:
    """What is wrong between a dataset and its columns, where all of them can be read."""
    mode, part = document.custom_properties.delivery_mode, document.custom_properties.part
    roles = {column.custom_properties.role: column for column in columns}
    if (mode == "changes") != ("change" in roles):
        yield "deliveryMode: mode 'changes' needs one column with role 'change', other modes none"
    sequence = roles.get("sequence")
    if sequence and (mode != "changes" or sequence.logical_type == "string"):
        yield f"column {sequence.name}: role 'sequence' is for a number or time in mode 'changes'"
    if part is not None:
        yield from _of_part(part, columns)
    yield from _of_totals(document.custom_properties.control_totals, columns)
    positions = sorted(column.primary_key_position or 0 for column in columns if column.primary_key)
    if not positions:
        yield "no primaryKey column; a record is known again by its key: mark its columns primaryKey: true"
    elif positions != list(range(1, len(positions) + 1)):
        stand = ", ".join(map(str, positions))
        yield f"columns: the primaryKeyPosition of the key's columns are {stand}; a key needs each of 1, 2, ... once"


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


def _of_name(column: Column) -> Iterator[str]:
    if column.name in TAKEN:
        yield f"{column.name!r} is a column that the warehouse has itself; name this one otherwise"


def _of_options(column: Column) -> Iterator[str]:
    options = column.logical_type_options.model_dump(by_alias=True, exclude_unset=True)
    for name in options:
        if name not in _OPTIONS[column.logical_type]:
            applied = ", ".join(_OPTIONS[column.logical_type])
            yield (
                f"logicalTypeOptions {name!r} is not applied here; of a {column.logical_type} only {applied}, and the "
                "rest as an expectation in the suite"
            )
    if column.physical_type is not None and column.logical_type != "number":
        yield f"physicalType is of logicalType number only, and this is {column.logical_type}; leave it out"


def _of_dates(column: Column) -> Iterator[str]:
    pivot = column.custom_properties.pivot
    has_short_year = False
    if column.logical_type in FORMATS:
        try:
            parts = date_format(column.logical_type_options.format or FORMATS[column.logical_type]).parts
        except ValueError as error:
            yield str(error)
            return
        has_short_year = "short_year" in parts
    if has_short_year != (pivot is not None):
        yield (
            "a format with yy, and no other, needs a pivot: the first of the hundred years that two digits can mean, as"
            " in 1950"
        )


def _of_meaning(column: Column) -> Iterator[str]:
    custom, kind, means = column.custom_properties, column.logical_type, meaning(column)
    made_of = _OF_TYPES.get(means, ("string",))
    if kind not in made_of:
        yield f"datatype {means!r} is of logicalType {' or '.join(made_of)}, and this is {kind}"
    if custom.geometry_types and means != "geometry":
        yield "geometryTypes: only a geometry has them"
    if custom.separator is not None and not (custom.separator and means in _IN_PARTS):
        yield f"separator is {custom.separator!r}; it is a text that is not empty, and of {', '.join(_IN_PARTS)} only"


def _of_code(column: Column) -> Iterator[str]:
    custom, means = column.custom_properties, meaning(column)
    if (means == "code") != (custom.code_list is not None):
        yield "datatype code needs a codeList, and only a code has one"
    elif custom.code_list is not None:
        yield from _of_list(custom.code_list, custom.lookup, custom.period_column is not None)
    if custom.lookup and means != "code":
        yield "lookup: only a code has one"


def _of_list(name: str, lookup: Mapping[str, str], has_period: bool) -> Iterator[str]:
    try:
        codes = code_list(name)
    except ContractError as error:
        yield from (f"codeList: {error.path.name}: {finding}" for finding in error.findings)
        return
    if not has_period and (several := with_several_meanings(codes)):
        yield (
            f"{', '.join(sorted(several))} of {name}.csv mean something else in another period; name the date that"
            " tells which in periodColumn"
        )
    if has_period and not any(code.valid_from or code.valid_to for code in codes):
        yield f"periodColumn: no code of {name}.csv has a valid_from or a valid_to; leave it out"
    known = list(dict.fromkeys(code.code for code in codes))
    for code in dict.fromkeys(lookup.values()):
        if code not in known:
            mend = nearest(code, known) if len(known) < 20 else f"see expectations/codes/{name}.csv"
            yield f"lookup gives {code!r}, which {name}.csv does not have; {mend}"


def _of_period(column: Column, types: Mapping[str, str]) -> Iterator[str]:
    period = column.custom_properties.period_column
    if period is None:
        return
    if meaning(column) not in _WITH_PERIOD:
        yield f"periodColumn: only {', '.join(_WITH_PERIOD)} have one"
    elif types.get(period) not in FORMATS:
        yield f"periodColumn is {period!r}, and must be a date column of this contract"


def _of_key_column(column: Column) -> Iterator[str]:
    if not column.primary_key:
        if column.primary_key_position is not None:
            yield "primaryKeyPosition without primaryKey: true"
        return
    if (column.primary_key_position or 0) < 1:
        yield "primaryKey needs a primaryKeyPosition of its own: 1, 2, ..."
    if not column.required:
        yield "a key column must be required; leave out required: false"
    if column.custom_properties.on_invalid == "flag":
        yield "onInvalid flag would load a key that is empty; leave it out"
    if column.custom_properties.role != "content":
        yield "a column that steers the load cannot be in the key, for it is not stored"


def _once(names: Iterable[str], place: str) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{place}: {name!r} stands {count} times; keep one"
