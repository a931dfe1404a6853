"""A value as an agency might write it, for a column whose contract shows none: made up, and of nobody."""

from __future__ import annotations

from typing import cast

from etl.contract.codes import code_list
from etl.contract.column import Column
from etl.contract.date_format import Kind, date_format
from etl.contract.fields import SemanticType
from etl.contract.messages import ContractError
from etl.contract.model import FORMATS
from etl.contract.number_format import NumberFormat
from etl.contract.rules import meaning

_OF_MEANINGS: dict[SemanticType, str] = {
    "person_name": "Nguyễn Văn An",
    "personal_id": "079180000321",
    "tax_code": "0312345673",
    "bhxh": "7912345678",
    "bhyt": "DN4797912345678",
    "partial_date": "21/03/2026",
    "phone": "0901234567",
    "icd10": "J18.9",
    "ward": "26743",
    "address": "12 Lê Lợi, Phường Bến Thành, Thành phố Hồ Chí Minh",
    "geometry": "POINT (600000 1190000)",
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
    return _OF_MEANINGS.get(means, "abc")


def _first_code(name: str) -> str:
    try:
        return code_list(name)[0].code
    except ContractError:  # it is told of by the rules
        return ""
