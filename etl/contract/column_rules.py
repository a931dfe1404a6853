"""What is wrong in what a contract says of its columns, of each by itself and with the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import cast

from etl.contract.city import NATIONAL, WITH_UNITS, city, is_used
from etl.contract.codes import code_list, with_several_meanings
from etl.contract.column import Column
from etl.contract.column import numeric_type as stored_as
from etl.contract.date_format import Kind, date_format
from etl.contract.fields import SemanticType
from etl.contract.messages import ContractError
from etl.contract.model import FORMATS
from etl.contract.names import TAKEN, nearest

# The logical types that a semantic type is made of; those not named here are of text.
_OF_TYPES = {
    "date": ("date", "timestamp"), "time": ("time",), "boolean": ("boolean",), "money": ("integer", "number"),
    "number": ("integer", "number"),
}  # fmt: skip
_PLAIN: dict[str, SemanticType] = {
    "date": "date", "timestamp": "date", "time": "time", "boolean": "boolean", "integer": "number", "number": "number",
}  # fmt: skip
_WITH_PERIOD = ("ward", "address", "code")
_IN_PARTS = ("text", "person_name", "personal_id", "tax_code", "bhxh", "bhyt", "phone", "icd10", "code")
_OPTIONS = {
    "string": ("minLength", "maxLength", "pattern"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "date": ("format",),
    "timestamp": ("format", "defaultTimezone"),
    "time": ("format",),
    "boolean": (),
}


def meaning(column: Column) -> SemanticType:
    """The semantic type of a column: what it says, or what its logical type is."""
    return column.custom_properties.datatype or _PLAIN.get(column.logical_type, "text")


def source_name(column: Column) -> str:
    """What the agency calls a column; ODCS says that it is the name where nothing else is said."""
    return column.physical_name or column.name


def numeric_type(column: Column) -> str | None:
    """Of a column of decimal numbers the type in the warehouse: numeric, numeric(digits,decimals), double precision."""
    if column.logical_type != "number":
        return None
    return stored_as(column.physical_type or "") or "numeric"


def place(position: str | None) -> tuple[int, int | None] | None:
    """First and last place of a column in a line, counted from 1; the last is None where it is the line's end."""
    if position is None:
        return None
    first, _, last = position.partition("-")
    return int(first), int(last) if last else None


def of_columns(columns: Collection[Column], types: Mapping[str, str]) -> Iterator[str]:
    """What is wrong in columns, by themselves and with each other.

    Args:
        columns: those that can be read.
        types: logical types by columns' names, of those too that cannot.
    """
    yield from _once((column.name for column in columns), "columns")
    called = (name for c in columns for name in (source_name(c), *c.custom_properties.source_names))
    yield from _once(called, "columns: physicalName, sourceNames")
    for column in columns:
        for rule in (
            _of_name,
            _of_options,
            _of_dates,
            _of_numbers,
            _of_unit,
            _of_boolean,
            _of_meaning,
            _of_city,
            _of_code,
            _of_key_column,
        ):
            for finding in rule(column):
                yield f"column {column.name}: {finding}"
        for finding in _of_period(column, types):
            yield f"column {column.name}: {finding}"
    for role in ("change", "sequence"):
        having = [column.name for column in columns if column.custom_properties.role == role]
        if len(having) > 1:
            yield f"columns {', '.join(having)}: only one can have role {role}"


def _of_name(column: Column) -> Iterator[str]:
    if column.name in TAKEN:
        yield f"{column.name!r} is a column that the warehouse has itself; name this one otherwise"


def _of_options(column: Column) -> Iterator[str]:
    options = column.logical_type_options.model_dump(by_alias=True, exclude_unset=True)
    for name in options:
        if name not in _OPTIONS[column.logical_type]:
            applied = ", ".join(_OPTIONS[column.logical_type]) or "nothing"
            yield (
                f"logicalTypeOptions {name!r} is not applied here; of a {column.logical_type} only {applied}, and the "
                "rest as an expectation in the suite"
            )
    physical = stored_as(column.physical_type or "")
    if column.logical_type == "number":
        if column.physical_type is not None and physical is None:
            yield (
                f"physicalType is {column.physical_type!r}, and must be numeric(digits,decimals), as numeric(18,2), or "
                "double precision"
            )
    elif physical is not None and not (column.logical_type == "integer" and physical.endswith((",0)", "numeric"))):
        yield f"physicalType {column.physical_type!r} is of logicalType number, and this is {column.logical_type}"


def _of_dates(column: Column) -> Iterator[str]:
    pivot = column.custom_properties.pivot
    notation = None
    if column.logical_type in FORMATS:
        try:
            said = column.logical_type_options.format or FORMATS[column.logical_type]
            notation = date_format(said, cast("Kind", column.logical_type))
        except ValueError as error:
            yield str(error)
            return
    if (notation is not None and "short_year" in notation.parts) != (pivot is not None):
        yield (
            "a format with yy, and no other, needs a pivot: the first of the hundred years that two digits can mean, as"
            " in 1950"
        )
    if notation and notation.is_instant and column.logical_type_options.default_timezone:
        yield "defaultTimezone is of times without an offset, and the format has one; leave one of the two out"


def _of_numbers(column: Column) -> Iterator[str]:
    numbers = column.custom_properties.numbers
    if numbers is None:
        return
    if column.logical_type not in ("integer", "number"):
        yield "numbers: only an integer or a number has them"
    if numbers.decimal == numbers.thousands:
        yield f"numbers: {numbers.decimal!r} cannot part both thousands and decimals; a file has one mark for each"
    for sign in numbers.currency:
        if re.search(r"[-+0-9.,()%]", sign):
            yield f"numbers: currency {sign!r} has a sign that belongs to the number itself; leave that out"


def _of_unit(column: Column) -> Iterator[str]:
    if column.custom_properties.unit is None:
        return
    if column.logical_type not in ("integer", "number"):
        yield "unit: only an integer or a number has one"
    if column.primary_key or column.custom_properties.role != "content":
        yield "unit: a column of the key, or that steers the load, is kept as it was received; leave it out"


def _of_boolean(column: Column) -> Iterator[str]:
    custom = column.custom_properties
    yes, no = ({word.lower() for word in words} for words in (custom.true_values, custom.false_values))
    if (yes or no) and column.logical_type != "boolean":
        yield "trueValues, falseValues: only a boolean has them"
    if both := sorted(yes & no):
        yield f"trueValues, falseValues: {both[0]!r} cannot mean both; capitals or not is one"


def _of_meaning(column: Column) -> Iterator[str]:
    custom, kind, means = column.custom_properties, column.logical_type, meaning(column)
    made_of = _OF_TYPES.get(means, ("string",))
    if kind not in made_of:
        yield f"datatype {means!r} is of logicalType {' or '.join(made_of)}, and this is {kind}"
    if custom.geometry_types and means != "geometry":
        yield "geometryTypes: only a geometry has them"
    if custom.separator is not None and not (custom.separator and means in _IN_PARTS):
        yield f"separator is {custom.separator!r}; it is a text that is not empty, and of {', '.join(_IN_PARTS)} only"


def _of_city(column: Column) -> Iterator[str]:
    means = meaning(column)
    if is_used(means):
        return
    for nation, datatypes in NATIONAL.items():
        if means in datatypes and nation not in city().forms:
            yield f"datatype {means!r} is a form of {nation}, which is none of the `forms` in city.yaml; leave it out"
    if means in WITH_UNITS and city().units is None:
        yield f"datatype {means!r} needs administrative units, and city.yaml names no `units`; leave it out"


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
    elif types.get(period) not in ("date", "timestamp"):
        yield f"periodColumn is {period!r}, and must be a date column of this contract"


def _of_key_column(column: Column) -> Iterator[str]:
    if not column.primary_key:
        if column.primary_key_position is not None:
            yield "primaryKeyPosition without primaryKey: true"
        return
    if (column.primary_key_position or 0) < 1:
        yield "primaryKey needs a primaryKeyPosition of its own, 1, 2, ..., where another column of the key has one"
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
