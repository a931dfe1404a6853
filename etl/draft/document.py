"""The draft as files: a contract of one line a column, and a suite whose rules only warn."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from etl.contract import DeliveryMode
from etl.contract.model import FORMATS
from etl.draft.guess import Guess

TODO = "TODO"
_UNSAID = "sensitive"  # the class of a column of which the contract says none
_BASELINE = {"measure": "rows", "slack": 0.5, "severity": "warning"}  # half of the usual rows less or more is noted
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass
class Draft:
    """A dataset as its samples show it.

    Attributes:
        agency: name of its folder.
        dataset: name of the contract.
        table: schema and name in the warehouse.
        source: how a file is read.
        mode: what a file says of the records that it does not have.
        columns: in the files' order.
        notes: what decided, one sentence each.
        todo: what a person has to decide, one sentence each.
        has_names: the files name their columns.
    """

    agency: str
    dataset: str
    table: str
    source: Mapping[str, Any]
    mode: DeliveryMode
    columns: Sequence[Guess]
    notes: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    has_names: bool = True

    @property
    def id(self) -> str:
        """Agency and dataset."""
        return f"{self.agency}.{self.dataset}"


def contract(draft: Draft) -> str:
    """The contract's text."""
    custom: dict[str, Any] = {"deliveryMode": draft.mode, "source": dict(draft.source)}
    if not any(column.key_position for column in draft.columns):
        custom["key"] = "whole_row"
    custom["baselines"] = [_BASELINE]
    lines = [
        f"# Drafted by `citydw draft`. What only a person knows is marked; `citydw lint {draft.id}` lists it.",
        *(f"# {note}" for note in draft.notes),
        *(f"# {TODO} {todo}" for todo in draft.todo),
        f"name: {draft.dataset}  # {TODO} what the dataset is called, and what one row is",
        "status: draft",
        "customProperties:",
        *(f"  - {_flow({'property': name, 'value': value})}" for name, value in custom.items()),
        "schema:",
        f"  - physicalName: {draft.table}",
        "    properties:",
    ]
    return "\n".join([*lines, *(_line(column) for column in draft.columns)]) + "\n"


def _line(column: Guess) -> str:
    doubts = [*column.notes, *(f"{TODO} {todo}" for todo in column.todo)]
    comment = f"  # {'; '.join(doubts)}" if doubts else ""
    return f"      - {_flow(said(column))}{comment}"


def said(column: Guess) -> dict[str, Any]:
    """What the contract says of a column; what is so by default is left out."""
    means = column.means
    made: dict[str, Any] = {"name": column.name}
    if column.source != column.name:
        made["physicalName"] = column.source
    if column.type != "string":
        made["logicalType"] = column.type
    if column.key_position:
        made["primaryKey"] = True
    elif column.is_required:
        made["required"] = True
    if column.format and column.format != FORMATS[column.type]:
        made["logicalTypeOptions"] = {"format": column.format}
    if column.physical_type:
        made["physicalType"] = column.physical_type
    if means.classification and means.classification != _UNSAID and not means.element:
        made["classification"] = means.classification
    custom: dict[str, Any] = {"position": column.position, "element": means.element}
    if not means.element:
        custom |= {"datatype": means.datatype, "codeList": means.code_list}
    custom |= {"separator": means.separator, "role": column.role, "pivot": column.pivot}
    custom |= {"numbers": column.numbers or None, "nullValues": column.nulls or None}
    if entries := [{"property": name, "value": value} for name, value in custom.items() if value is not None]:
        made["customProperties"] = entries
    return made


def _flow(said: Any) -> str:
    """A value on one line of YAML."""
    text: str = yaml.safe_dump(said, default_flow_style=True, allow_unicode=True, sort_keys=False, width=100_000)
    return text.strip()


def left_to_do(path: Path) -> list[str]:
    """What a contract's comments say is left to do, each with its line."""
    return [
        f"line {number}: {_subject(line)}{said.strip().removesuffix(';')}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for said in line.partition("# ")[2].split(f"{TODO} ")[1:]
    ]


def _subject(line: str) -> str:
    """The column that a line is of, if it is of one."""
    named = re.match(r" *- \{name: (\w+)", line)
    return f"column {named[1]}: " if named else ""


def suite(draft: Draft) -> str:
    """The suite's text: nothing in it sends a row back. Of columns that have yet to be named it says nothing."""
    columns = draft.columns if draft.has_names else ()
    rules = [rule for column in columns for rule in _of_column(column)]
    for rule in rules:
        rule["id"] = str(uuid.uuid5(_NAMESPACE, f"{draft.id} {json.dumps(rule['kwargs'], sort_keys=True)}"))
    return json.dumps({"name": draft.id, "expectations": rules}, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _of_column(column: Guess) -> Iterator[dict[str, Any]]:
    label = column.source.replace("{", "{{").replace("}", "}}")
    if column.codes and not column.means.code_list:
        yield _rule(
            "expect_column_values_to_be_in_set",
            {"column": column.name, "value_set": column.codes},
            "new_code", "validity",
            f"“{label}” có mã chưa từng thấy trong các tệp mẫu.",
            f"“{label}” has a code that the samples did not have.",
        )  # fmt: skip
    if column.least is not None and column.most is not None and not column.key_position:
        least = 0.0 if column.least >= 0 else 10 * column.least
        yield _rule(
            "expect_column_values_to_be_between",
            {"column": column.name, "min_value": least, "max_value": max(10 * column.most, 0.0)},
            "unusual_value", "accuracy",
            f"“{label}” khác xa các giá trị trong tệp mẫu.",
            f"“{label}” is far from the values of the samples.",
        )  # fmt: skip


def _rule(type_: str, kwargs: dict[str, Any], rule: str, dimension: str, vi: str, en: str) -> dict[str, Any]:
    meta = {"rule": rule, "vi": vi, "en": en, "dimension": dimension, "responsible": "agency"}
    return {"type": type_, "severity": "warning", "kwargs": kwargs, "meta": meta}
