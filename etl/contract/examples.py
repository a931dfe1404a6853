"""A value as an agency might write it, for a column whose contract shows none: made up, and of nobody."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import cast

import phonenumbers

from etl.contract.city import city
from etl.contract.codes import code_list
from etl.contract.column import Column
from etl.contract.column_rules import meaning
from etl.contract.date_format import Kind, date_format
from etl.contract.fields import SemanticType
from etl.contract.messages import ContractError
from etl.contract.model import FORMATS
from etl.contract.number_format import NumberFormat
from etl.settings import EXPECTATIONS

_OF_MEANINGS: dict[SemanticType, str] = {
    "personal_id": "079180000321",
    "tax_code": "0312345673",
    "bhxh": "7912345678",
    "bhyt": "DN4797912345678",
    "partial_date": "21/03/2026",
    "icd10": "J18.9",
    "address": "12 Lê Lợi, Phường Bến Thành, Thành phố Hồ Chí Minh",
}


def made_up(column: Column, numbers: NumberFormat) -> str:
    """The example of a column that names none."""
    means, options = meaning(column), column.logical_type_options
    if column.custom_properties.code_list:
        return _first_code(column.custom_properties.code_list)
    if column.logical_type in FORMATS:
        try:
            return date_format(
                options.format or FORMATS[column.logical_type], cast("Kind", column.logical_type)
            ).example
        except ValueError:  # it is told of by the rules
            return ""
    if column.logical_type == "boolean":
        return (*column.custom_properties.true_values, "true")[0]
    if column.logical_type == "integer":
        return f"{options.minimum or 12}{'%' if numbers.percent else ''}"
    if column.logical_type == "number":
        return numbers.example
    if means in _OF_THE_CITY:
        return _OF_THE_CITY[means]()
    return _OF_MEANINGS.get(means, "abc")


def _person() -> str:
    return "Nguyễn Văn An" if city().has_form("vietnam") else "Maria Silva"


def _phone() -> str:
    region = city().phone_region
    if region == "VN":
        return "0901234567"
    form = phonenumbers.PhoneNumberFormat.NATIONAL if region else phonenumbers.PhoneNumberFormat.E164
    number = phonenumbers.example_number(region or "US")
    return phonenumbers.format_number(number, form) if number else ""


def _unit() -> str:
    """The last unit of the city's list; nothing where it has none, of which the rules tell."""
    listed = city().units
    path = EXPECTATIONS / listed.list_ if listed else None
    if path is None or not path.is_file():
        return ""
    with path.open(encoding="utf-8", newline="") as lines:
        return max((row.get("valid_from") or "", row.get("code") or "") for row in csv.DictReader(lines))[1]


def _place() -> str:
    """A point in the midst of where the city lies."""
    left, bottom, right, top = city().bounds[0] if city().bounds else (0.0, 0.0, 20.0, 20.0)
    return f"POINT ({(left + right) / 2:.10g} {(bottom + top) / 2:.10g})"


_OF_THE_CITY: dict[SemanticType, Callable[[], str]] = {
    "person_name": _person,
    "phone": _phone,
    "ward": _unit,
    "geometry": _place,
}


def _first_code(name: str) -> str:
    try:
        return code_list(name)[0].code
    except ContractError:  # it is told of by the rules
        return ""
