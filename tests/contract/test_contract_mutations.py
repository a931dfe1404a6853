"""One slip in a contract, or in what contracts share: it is refused in a sentence, or means what the documents say.

Every key of the made-up city's eight contracts, the elements and the agencies is misspelt, left out, written twice and
given values of other types, one at a time. Without an option a hundred of these slips are tried of each file, drawn by
a fixed seed; `python -m pytest tests/contract/test_contract_mutations.py --all-slips` tries all, which takes minutes.
"""

from __future__ import annotations

import copy
import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import yaml

from etl.contract import Baseline, Column, Contract, ContractError, Hold, Source, Text, load, load_all
from etl.contract.codes import read as read_codes
from etl.contract.expansion import dictionary
from etl.contract.model import Unit
from etl.contract.number_format import NAMED, NumberFormat
from etl.contract.reading import contract_of
from etl.settings import CODES, EXPECTATIONS
from tests import TESTS
from tests.city import CONTRACTS

SHARED = dictionary(EXPECTATIONS)
ELEMENTS, AGENCIES = (
    yaml.safe_load((EXPECTATIONS / f"{name}.yaml").read_text("utf-8")) for name in ("elements", "agencies")
)
PATHS = {dataset: contract.path for dataset, contract in load_all().items()}  # what contracts share is of others, too
DOCUMENTS = {dataset: yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) for dataset, path in PATHS.items()}
EVERY_WORD = TESTS / "every_word.yaml"  # that the eight do not use
PATHS["trade.every_word"] = Path("trade") / EVERY_WORD.name
DOCUMENTS["trade.every_word"] = yaml.safe_load(EVERY_WORD.read_text("utf-8"))
CHANGED = [*CONTRACTS, "trade.every_word"]
OF_AN_AGENCY = ("lookup",)  # what stands under it are an agency's words, of which any may be right
PLAIN = {
    "date": "date", "timestamp": "date", "time": "time", "boolean": "boolean", "integer": "number", "number": "number",
    "string": "text",
}  # fmt: skip
BASELINE = {"slack": 0.0, "last": 28, "severity": "critical"}  # where a line says nothing else
OF_NOTATION = ("format", "defaultTimezone")  # logicalTypeOptions that say how values are written


def by_property(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["property"]: entry["value"] for entry in entries}


def column_as_documented(said: dict[str, Any], elements: dict[str, Any], numbers: str) -> Column:
    """What docs/reference/contract.md says that a column means, with the default of each key."""
    custom = by_property(said.get("customProperties", []))
    says = elements.get(custom.get("element"), {}) | said | custom
    options = says.get("logicalTypeOptions", {})
    sent_as = says.get("physicalName", says["name"])
    kind = says.get("logicalType", "string")
    label = says.get("businessName", sent_as)
    return Column(
        name=says["name"],
        source_name=sent_as,
        type=kind,
        label=label,
        description=text(says.get("description", label)),
        required=says.get("required", says.get("primaryKey", False)),
        key_position=says.get("primaryKeyPosition"),
        classification=says.get("classification", "sensitive"),
        example=str(says["examples"][0]) if says.get("examples") else ANY,  # one is made up
        semantic_type=says.get("datatype", PLAIN[kind]),
        format=options.get("format"),
        zone=options.get("defaultTimezone"),
        bounds={name: bound for name, bound in options.items() if name not in OF_NOTATION},
        pivot=says.get("pivot"),
        null_values=tuple(says.get("nullValues", ())),
        former_names=tuple(says.get("sourceNames", ())),
        unit=Unit(**unit | {"factor": Decimal(str(unit["factor"]))}) if (unit := says.get("unit")) else None,
        true_values=tuple(says.get("trueValues", ())),
        false_values=tuple(says.get("falseValues", ())),
        numbers=notation(says["numbers"]) if "numbers" in says else NAMED[numbers],
        numeric_type=says.get("physicalType", "numeric") if kind == "number" else None,
        code_list=says.get("codeList"),
        lookup=says.get("lookup", {}),
        period_column=says.get("periodColumn"),
        separator=says.get("separator"),
        geometry_types=tuple(says.get("geometryTypes", ())),
        on_invalid=says.get("onInvalid", "reject"),
        role=says.get("role", "content"),
    )


def with_positions(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The columns of a key in the order in which they stand, where none says its place."""
    key = [column for column in columns if column.get("primaryKey")]
    if any("primaryKeyPosition" in column for column in key):
        return columns
    return [column | ({"primaryKeyPosition": key.index(column) + 1} if column in key else {}) for column in columns]


def notation(said: dict[str, Any]) -> NumberFormat:
    return NumberFormat(**said | {"currency": tuple(said.get("currency", ()))}, has_signs=True)


def as_documented(
    document: dict[str, Any], path: Path, elements: dict[str, Any] = ELEMENTS, agencies: dict[str, Any] = AGENCIES
) -> dict[str, Any]:
    """What it says that a contract means."""
    agency = agencies.get(path.parent.name, {})
    custom = by_property(document["customProperties"])
    lengths = {
        entry["property"]: f"{entry['value']}{entry['unit']}"
        for entry in (*agency.get("slaProperties", ()), *document.get("slaProperties", ()))
    }
    (table,) = document["schema"]
    schema, name = table.get("physicalName", f"{agency.get('schema', path.parent.name)}.{path.stem}").split(".")
    hold = custom.get("hold", {})
    source = custom.get("source", {})
    title = document.get("name", path.stem)
    return {
        "title": text(title),
        "agency_title": text(custom.get("agencyTitle", agency.get("title", path.parent.name))),
        "description": text(document.get("description", {}).get("purpose", title)),
        "contact": next((entry.get("url") for entry in document.get("support", agency.get("support", ()))), None),
        "schema": schema,
        "table": name,
        "mode": custom["deliveryMode"],
        "frequency": lengths.get("frequency"),
        "latency": lengths.get("latency", "1d"),
        "source": Source(
            format=source.get("format", "csv"),
            encoding=source.get("encoding", "utf-8"),
            delimiter=source.get("delimiter", ","),
            numbers=source.get("numbers", "plain"),
            archive=source.get("archive"),
            record=source.get("record"),
            null_values=tuple(source.get("nullValues", ())),
            root=source.get("root"),
        ),
        "columns": tuple(
            column_as_documented(column, elements, source.get("numbers", "plain"))
            for column in with_positions(table["properties"])
        ),
        "has_whole_row_key": custom.get("key") == "whole_row",
        "part": custom.get("part"),
        "control_totals": tuple(custom.get("controlTotals", ())),
        "max_rejected": custom.get("maxRejected", 0.2),
        "baselines": tuple(Baseline(**BASELINE | said) for said in custom.get("baselines", ())),
        "hold": Hold(days=hold.get("days", 3), default=hold.get("default", "reject")),
        "tell_rejected": custom.get("tellRejected", 0.1),
        "tags": tuple(document.get("tags", ())),
        "notes": (),
        "path": path,
        "server": None,
        "sent_with": None,
        "beside": (),
        "agency": path.parent.name,
        "dataset": path.stem,
    }


def text(said: str) -> Text:
    vietnamese, _, english = said.partition(" / ")
    return Text(vietnamese, english or vietnamese)


def as_read(contract: Contract) -> dict[str, Any]:
    return {field.name: getattr(contract, field.name) for field in fields(Contract)}


@dataclass(frozen=True)
class Slip:
    """One change to a document: what was done to which key."""

    kind: str
    path: tuple[str | int, ...]
    make: Callable[[], Any]  # the whole document with it
    value: object = ...  # that was written, of another type

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(map(str, self.path))}"


def slips(document: Any, at: tuple[str | int, ...] = ()) -> Iterator[Slip]:
    """Every slip in a document, which stays as it is."""
    here = _at(document, at)
    steps = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else []
    for step in steps:
        path = (*at, step)
        for value in _of_other_types(here[step]):
            yield Slip("type", path, partial(_with, document, path, value), value)
        if isinstance(here, dict):
            if at[-1:] not in [(name,) for name in OF_AN_AGENCY]:
                yield Slip("delete", path, partial(_without, document, path))
                yield Slip("misspell", path, partial(_renamed, document, path, _misspelt(str(step))))
        else:
            yield Slip("delete", path, partial(_without, document, path))
            if isinstance(here[step], dict):
                yield Slip("twice", path, partial(_twice, document, path))
                if "property" in here[step]:
                    word = _misspelt(here[step]["property"])
                    yield Slip("misspell", path, partial(_with, document, (*path, "property"), word))
        yield from slips(document, path)


def may_be_any_number(slip: Slip) -> bool:
    """A number for an example, as tools write one, stands for its text; and a factor or a slack may be any."""
    is_of_such = "examples" in slip.path[-2:-1] or slip.path[-1] in ("factor", "slack")
    return is_of_such and type(slip.value) in (int, float)


def _of_other_types(value: Any) -> Iterator[Any]:
    yield None
    for other in ("x y", 7, 7.5, True, [], ["x"], {}, {"a": "b"}):
        is_number = type(value) is float and type(other) is int
        if type(other) is not type(value) and not is_number:
            yield other
    if isinstance(value, int | bool):
        yield str(value)


def _misspelt(word: str) -> str:
    return word[:1] + word[2:] if len(word) > 2 else word + "x"


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def _with(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    made = copy.deepcopy(document)
    _at(made, path[:-1])[path[-1]] = value
    return made


def _without(document: Any, path: tuple[str | int, ...]) -> Any:
    made = copy.deepcopy(document)
    del _at(made, path[:-1])[path[-1]]
    return made


def _renamed(document: Any, path: tuple[str | int, ...], name: str) -> Any:
    made = copy.deepcopy(document)
    of = _at(made, path[:-1])
    of[name] = of.pop(path[-1])
    return made


def _twice(document: Any, path: tuple[str | int, ...]) -> Any:
    made = copy.deepcopy(document)
    _at(made, path[:-1]).append(_at(made, path))
    return made


def drawn(found: Iterator[Slip], request: pytest.FixtureRequest) -> list[Slip]:
    every = list(found)
    if request.config.getoption("--all-slips"):
        return every
    return random.Random(1).sample(every, 100)


def assert_can_be_mended(error: ContractError) -> None:
    """It is said in sentences, and not in the words of a library."""
    assert error.findings
    for finding in error.findings:
        assert len(finding) > 15 and "Traceback" not in finding and "pydantic" not in finding, finding


@pytest.mark.parametrize("dataset", CHANGED)
def test_a_contract_means_what_is_documented(dataset: str) -> None:
    made = contract_of(DOCUMENTS[dataset], PATHS[dataset], SHARED)
    assert as_read(made) == as_documented(DOCUMENTS[dataset], PATHS[dataset])


@pytest.mark.parametrize("dataset", CHANGED)
def test_no_slip_in_a_contract_is_passed_over(dataset: str, request: pytest.FixtureRequest) -> None:
    path = PATHS[dataset]
    for slip in drawn(slips(DOCUMENTS[dataset]), request):
        try:
            made = contract_of(changed := slip.make(), path, SHARED)
        except ContractError as error:
            assert_can_be_mended(error)
        else:
            assert slip.kind == "delete" or may_be_any_number(slip), f"{slip} is passed over"
            assert as_read(made) == as_documented(changed, path), f"{slip} means something else"


def test_no_line_that_stands_twice_is_passed_over(tmp_path: Path) -> None:
    right = CONTRACTS["tax.declarations"].path
    path = tmp_path / "tax" / right.name
    path.parent.mkdir()
    lines = right.read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        if ":" not in line:  # a text that goes on
            continue
        path.write_text("\n".join([*lines[: number + 1], line, *lines[number + 1 :]]), "utf-8")
        with pytest.raises(ContractError) as error:
            load(path)
            raise AssertionError(f"{line} is passed over")
        assert_can_be_mended(error.value)


@pytest.mark.parametrize("name", ["elements", "agencies"])
def test_no_slip_in_what_contracts_share_is_passed_over(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    document = {"elements": ELEMENTS, "agencies": AGENCIES}[name]
    for slip in drawn(slips(document), request):
        changed = slip.make()
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(changed, allow_unicode=True), "utf-8")
        dataset = next(d for d, said in DOCUMENTS.items() if uses(d, said, str(slip.path[0])))
        path = PATHS[dataset]
        try:
            made = contract_of(DOCUMENTS[dataset], path, dictionary(tmp_path))
        except ContractError as error:
            assert_can_be_mended(error)
        else:
            is_of_nobody = name == "agencies" and len(slip.path) == 1  # an agency without an entry has the defaults
            assert slip.kind == "delete" or is_of_nobody or may_be_any_number(slip), f"{slip} is passed over"
            meant = as_documented(DOCUMENTS[dataset], path, **{name: changed})
            assert as_read(made) == meant, f"{slip} means something else"


def uses(dataset: str, said: dict[str, Any], entry: str) -> bool:
    """Whether a dataset is of an agency of that name, or has a column of that element."""
    return dataset.startswith(f"{entry}.") or any(
        by_property(column.get("customProperties", [])).get("element") == entry
        for column in said["schema"][0]["properties"]
    )


@pytest.mark.parametrize("path", sorted(CODES.glob("*.csv")), ids=lambda path: path.stem)
def test_no_slip_in_a_code_list_is_passed_over(path: Path, tmp_path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    header, first, *rest = [line for line in lines if not line.startswith("#")][:20]
    code, vietnamese, english, *period = next(csv.reader([first]))
    until = "," * len(period)
    wrong = {
        "a name of a column": [header.replace("code", "cod"), first, *rest],
        "no header": [first, *rest],
        "a column left out": [header, f"{code},{english}{until}", *rest],
        "no code": [header, f",{vietnamese},{english}{until}", *rest],
        "no name": [header, f"{code},,{english}{until}", *rest],
        "a blank behind the code": [header, f"{code} ,{vietnamese},{english}{until}", *rest],
        "a code twice": [header, first, *rest, first],
        "a line that is empty": [header, "", first, *rest],
        "no codes": [header],
        "nothing": [],
    }
    for what, lines in wrong.items():
        copied = tmp_path / path.name
        copied.write_text("\n".join(lines), "utf-8")
        with pytest.raises(ContractError) as error:
            read_codes(copied)
            raise AssertionError(f"{what} is passed over")
        assert_can_be_mended(error.value)
    assert [c.code for c in read_codes(path)], "as it is shipped"
