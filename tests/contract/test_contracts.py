"""Contracts and suites: readable by other tools and complete in both languages. Wrong ones are in test_lint.py."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard
from typer.testing import CliRunner

from etl import cli, datatypes
from etl.contract import Contract, load, load_all, reference, standard, written_out
from etl.delivery.messages import wording
from etl.settings import EXPECTATIONS, PROJECT
from etl.validate.expected import like_the_past
from etl.validate.suite import expected
from tests.city import CONTRACTS

BOTH = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
_VIETNAMESE = re.compile("[àáảãạăắằẳẵặâấầẩẫậđèéẻẽẹêếềểễệìíỉĩịòóỏõọôốồổỗộơớờởỡợùúủũụưứừửữựỳýỷỹỵ]", re.IGNORECASE)


def is_said_in_both(vi: str, en: str) -> bool:
    """English may name Vietnamese things, but has fewer Vietnamese letters."""
    return bool(en) and len(_VIETNAMESE.findall(vi)) > len(_VIETNAMESE.findall(en))


def test_four_agencies_and_eight_datasets_with_all_three_modes() -> None:
    assert len({c.agency for c in CONTRACTS.values()}) == 4
    assert {c.mode for c in CONTRACTS.values()} == {"snapshot", "changes", "append"}


@BOTH
def test_a_contract_is_valid_odcs(contract: Contract) -> None:
    for document in (yaml.safe_load(contract.path.read_text("utf-8")), written_out(contract.path)):
        assert list(standard.faults(document)) == []
        assert OpenDataContractStandard.model_validate(document).apiVersion == "v3.1.0"


@BOTH
def test_a_contract_that_is_written_out_says_the_same_by_itself(contract: Contract, tmp_path: Path) -> None:
    """So another tool that reads it needs neither elements nor agencies."""
    document = yaml.safe_load(CliRunner().invoke(cli.app, ["contract", "show", contract.id]).output)
    for column in document["schema"][0]["properties"]:
        properties = column.get("customProperties", [])
        column["customProperties"] = [entry for entry in properties if entry["property"] != "element"]
    path = tmp_path / contract.agency / contract.path.name
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    for name in ("elements.yaml", "agencies.yaml"):
        (tmp_path / name).write_text("{}", "utf-8")
    made = load(path)
    for field in fields(Contract):
        if field.name != "path":
            assert getattr(made, field.name) == getattr(contract, field.name)


def test_every_data_element_is_used() -> None:
    used = {
        entry["value"]
        for contract in load_all().values()
        for column in yaml.safe_load(contract.path.read_text("utf-8"))["schema"][0]["properties"]
        for entry in column.get("customProperties", [])
        if entry["property"] == "element"
    }
    assert used == yaml.safe_load((EXPECTATIONS / "elements.yaml").read_text("utf-8")).keys()


def test_the_page_of_what_a_contract_may_say_is_current() -> None:
    written = (PROJECT / "docs" / "reference" / "contract.md").read_text("utf-8")
    assert written == reference.page(), "write it anew: citydw contract fields > docs/reference/contract.md"


@BOTH
def test_every_column_is_described_in_both_languages(contract: Contract) -> None:
    texts = [contract.title, contract.description, *(c.description for c in contract.columns)]
    for text in texts:
        assert is_said_in_both(text.vi, text.en), text


@BOTH
def test_a_columns_example_is_understood_by_its_own_rules(contract: Contract) -> None:
    import polars as pl

    from etl.delivery.columns import ROW
    from etl.extract.cells import type_cells

    row = {ROW: [1]} | {c.source_name: [c.example] for c in contract.columns}
    typed, problems = type_cells(pl.DataFrame(row), contract)
    assert problems.is_empty(), problems.to_dicts()
    for column in contract.columns:
        if column.semantic_type not in ("address", "ward", "geometry"):  # these depend on another column or on the file
            assert datatypes.understood(typed, column).all(), (column.name, column.example)


@BOTH
def test_every_rule_is_worded_in_both_languages(contract: Contract, tmp_path: Path) -> None:
    from etl.validate import gx  # seconds, wherever tests are collected

    suite = expected(contract)
    own = gx.opened(contract, str(tmp_path)).expectations
    assert own, "a suite of its own"
    assert {e.id for e in suite if e.id} == {e.id for e in own}, "each is known by the id that it has in the suite"
    rules = []
    for expectation in (*suite, *(like_the_past(baseline, contract) for baseline in contract.baselines)):
        meta = expectation.meta
        rules.append((meta["rule"], expectation.kwargs.get("column"), str(expectation.kwargs)))
        assert is_said_in_both(meta["vi"], meta["en"]), meta
        assert meta["dimension"] in {"completeness", "validity", "uniqueness", "consistency", "timeliness", "accuracy"}
        assert meta["responsible"] in {"agency", "data_center"}
        assert "{" not in meta["vi"] + meta["en"], "a placeholder was not filled"
    assert len(rules) == len(set(rules))


@BOTH
def test_a_suite_is_written_as_great_expectations_writes_it(contract: Contract) -> None:
    path = contract.path.with_suffix(".json")
    written = json.loads(path.read_text("utf-8"))
    assert written["name"] == contract.id
    assert all(e["id"] for e in written["expectations"])


def test_the_wording_of_the_stations_rules_is_whole() -> None:
    rules = yaml.safe_load((EXPECTATIONS / "wording.yaml").read_text("utf-8"))
    for rule in rules:
        said = wording(rule)
        assert set(re.findall(r"{(\w+)}", said.vi)) == set(re.findall(r"{(\w+)}", said.en)), rule
