"""One slip in a suite's file: it is refused in a sentence, or leaves what a suite need not say.

As test_contract_mutations.py, which says how all slips are tried; what a suite means is tried where it judges.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from etl.contract import ContractError
from etl.validate import checks
from tests.city import CONTRACTS
from tests.contract.test_contract_mutations import assert_can_be_mended, drawn, slips

# What a suite may leave out, or write as null: Great Expectations has a default for it, which is that of its own pages.
OPTIONAL = {
    "id", "notes", "meta", "great_expectations_version", "expectations", "example", "mostly", "slack",
    "min_value", "max_value", "at_most", "or_equal", "ignore_row_if", "strict_min", "strict_max",
    "vi", "en",  # a sentence in one language is enough
}  # fmt: skip


@pytest.mark.parametrize("dataset", CONTRACTS)
def test_no_slip_in_a_suite_is_passed_over(dataset: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    right = CONTRACTS[dataset]
    document = json.loads(right.path.with_suffix(".json").read_text("utf-8"))
    copied = replace(right, path=tmp_path / right.path.name)
    for slip in drawn(slips(document), request):
        copied.path.with_suffix(".json").write_text(json.dumps(slip.make()), "utf-8")
        try:
            checks.checked(copied)
        except ContractError as error:
            assert_can_be_mended(error)
        else:
            key = next(step for step in reversed(slip.path) if isinstance(step, str))
            assert key in OPTIONAL, f"{slip} is passed over"
            assert slip.kind == "delete" or slip.value is None, f"{slip} is passed over"
