"""Suites: what is expected of a dataset's rows.

They are read without Great Expectations, which takes seconds to import, unless one holds what only that can judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from etl.contract import Contract, ContractError
from etl.validate.checks import checked, sample
from etl.validate.expected import Expectation, follows
from etl.validate.findings import JudgeError, judge
from etl.validate.kinds import KINDS
from etl.validate.rows import Rows


@cache
def expected(
    contract: Contract, is_waived: bool = False, *, with_bare_deletions: bool = False
) -> tuple[Expectation, ...]:
    """What is expected of rows: what follows from the contract, and the suite beside it.

    Args:
        contract: the dataset's.
        is_waived: the suite's own expectations only warn; what follows from the contract still rejects.
        with_bare_deletions: of the rows that only delete a record nothing is required but what names it.

    Raises:
        ContractError: if the suite would not be judged as it is written.
    """
    own = (e.waived() if is_waived else e for e in read(contract))
    return (*follows(contract, with_bare_deletions=with_bare_deletions), *own)


@cache
def read(contract: Contract) -> tuple[Expectation, ...]:
    """The suite beside a contract.

    Raises:
        ContractError: if it would not be judged as it is written.
    """
    written = checked(contract)
    expectations = tuple(_expectation(fields, contract) for fields in written)
    rows = Rows(sample(contract), contract)
    try:
        judge(rows, [e for e in expectations if e.condition])
        for expectation in expectations:
            if expectation.condition is None:
                from etl.validate import gx

                gx.judge(rows, expectation)
    except JudgeError as error:
        raise ContractError(error.path, f"{error.findings[0]}; see whether it suits its column's type") from error
    return expectations


def _expectation(written: Mapping[str, Any], contract: Contract) -> Expectation:
    """An expectation that was checked: judged here, or by Great Expectations if that is not possible."""
    type_, kwargs = written["type"], written["kwargs"]
    meta, severity, id_ = written["meta"], written["severity"], written.get("id")
    try:
        condition = KINDS[type_].model_validate(kwargs)
    except (KeyError, ValidationError):
        condition = None
    if condition and condition.suits(sample(contract).schema):
        return Expectation.of(condition, meta, severity, id_)
    return Expectation(type_, kwargs, meta, severity, id_)
