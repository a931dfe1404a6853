"""NDJSON: one JSON object a line; nested fields are named by their path, as in `owner.name`."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from etl.contract import Contract, Source
from etl.delivery import PROBLEM, Stop
from etl.extract.json_text import TooDeep, parser
from etl.extract.table import Table, broken_lines, text_rows
from etl.extract.text import decode
from etl.settings import DEFAULT_LIMITS, Limits


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut an NDJSON file into cells; the row number is the line.

    Raises:
        Stop: if the bytes are not of the declared encoding, or no line is a JSON object.
    """
    separators = {c.source_name: c.separator or ";" for c in contract.columns}
    parse = parser(limits, parse_float=str, parse_int=str, parse_constant=str)
    numbers: list[int] = []
    records: list[dict[str, str | None]] = []
    broken: dict[str, tuple[list[int], list[str]]] = {
        rule: ([], []) for rule in ("broken_json", "json_too_deep", "not_an_object")
    }
    for number, line in enumerate(decode(content, source.encoding).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = parse(line)
        except ValueError as error:
            rule = "json_too_deep" if isinstance(error, TooDeep) else "broken_json"
        else:
            if isinstance(record, dict):
                numbers.append(number)
                records.append(flatten(record, separators))
                continue
            rule = "not_an_object"
        broken[rule][0].append(number)
        broken[rule][1].append(line)
    if not records and not all(line.lstrip().startswith("{") for _, lines in broken.values() for line in lines):
        raise Stop("rejected", "unreadable_json", detail="")  # else they are meant as records, each of them broken
    columns = list(dict.fromkeys(name for record in records for name in record))
    found = [broken_lines(rule, *lines) for rule, lines in broken.items() if lines[0]]
    rows = text_rows(numbers, records, columns, limits)
    return Table(rows, pl.concat(found) if found else pl.DataFrame(schema=PROBLEM), may_omit_columns=True)


def flatten(record: dict[str, Any], separators: dict[str, str], prefix: str = "") -> dict[str, str | None]:
    """Nested objects to dotted names, lists to one cell; numbers stay the text that they were."""
    cells: dict[str, str | None] = {}
    for key, value in record.items():
        name = prefix + key
        match value:
            case dict():
                cells |= flatten(value, separators, f"{name}.")
            case list():
                cells[name] = separators.get(name, ";").join(_scalar(item) or "" for item in value)
            case _:
                cells[name] = _scalar(value)
    return cells


def _scalar(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
