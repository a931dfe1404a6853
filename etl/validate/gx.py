"""What needs Great Expectations itself: importing it takes seconds, so this module is imported only when it is needed.

That is: to judge what `etl.validate.conditions` does not know, to see that Great Expectations opens a suite, and to
render its pages. Our own types of expectation are registered here, so that whoever opens the suites with Great
Expectations (see `expectations/great_expectations.yml`) can run them all.

What it returns carries the values that failed; they are personal data. Only positions leave this module.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import FileDataContext
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, FileSystemLoader
from pydantic.v1 import ValidationError
from upath import UPath

from etl.contract import Contract, ContractError, yaml_text
from etl.delivery.publish import publish
from etl.settings import SHIPPED, TEMPLATES
from etl.validate import gx_types, suite
from etl.validate.expected import Expectation
from etl.validate.findings import KEPT, Finding, unevaluated
from etl.validate.results import TIME
from etl.validate.rows import Rows

# Of these, Great Expectations does not document `ExpectationSuiteIdentifier` and `DefaultJinjaPageView`,
# nor the four in `gx_types`. Why they stay says docs/decisions/great-expectations.md.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)  # its warnings and errors quote values

_SETTINGS = "great_expectations.yml"
# COMPLETE gives the positions of all failing rows.
_RESULT_FORMAT: Any = {
    "result_format": "COMPLETE",
    "return_unexpected_index_query": False,
    "partial_unexpected_count": 0,
    "exclude_unexpected_values": True,
}


def judge(rows: Rows, expectation: Expectation) -> Finding:
    """What Great Expectations itself answers on all rows of a delivery.

    Raises:
        JudgeError: if the expectation could not be evaluated.
    """
    columns = expectation.columns or rows.frame.columns
    source = _memory().data_sources.add_pandas(name=f"rows {id(rows)}")
    try:
        frame = rows.frame.select(columns).to_pandas(use_pyarrow_extension_array=True)
        definition = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
        batch = definition.get_batch(batch_parameters={"dataframe": frame})
        asked = kind(expectation.type)(**expectation.kwargs, meta=dict(expectation.meta))
        answer = batch.validate(asked, result_format=_RESULT_FORMAT).to_json_dict()
    finally:
        _memory().data_sources.delete(source.name)
    result: dict[str, Any] = answer["result"]
    if "element_count" not in result and "observed_value" not in result:
        raise unevaluated(expectation, rows.contract, "Great Expectations reports an exception")
    positions = np.array(result.get("unexpected_index_list") or [], dtype=np.int64)
    kept = {name: value for name, value in result.items() if name in KEPT}
    return Finding(expectation, bool(answer["success"]), kept, positions)


def kind(type_: str) -> Any:
    """Great Expectations' class of a type: one of its own, or of ours."""
    name = "".join(part.capitalize() for part in type_.split("_"))
    return getattr(gxe, name, None) or getattr(gx_types, name)


def fields(type_: str) -> set[str]:
    """The kwargs that a type knows."""
    return set(kind(type_).__fields__)


def faults(type_: str, kwargs: Mapping[str, Any]) -> list[str]:
    """What is wrong with kwargs as Great Expectations sees it."""
    try:
        kind(type_)(**kwargs)
    except ValidationError as error:
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return []


def check_suite(contract: Contract, home: str) -> None:
    """See that what is expected is right, and that Great Expectations takes each expectation of a suite.

    Args:
        contract: the dataset's.
        home: folder for Great Expectations' results.

    Raises:
        ContractError: if not.
    """
    suite.expected(contract)
    declared, taken = len(suite.read(contract)), len(opened(contract, home).expectations)
    if taken != declared:
        left_out = f"of {declared} expectations Great Expectations takes {taken}"
        raise ContractError(contract.path.with_suffix(".json"), left_out)


def opened(contract: Contract, home: str) -> gx.ExpectationSuite:
    """The suite beside a contract, as Great Expectations opens it.

    Args:
        contract: the dataset's.
        home: folder for Great Expectations' results.
    """
    return context(contract.path.parent.parent, home).suites.get(contract.id)


@cache
def context(root: Path, home: str) -> FileDataContext:
    """The file context of a folder of contracts and suites; where it has no settings, those of the project hold.

    Args:
        root: the folder.
        home: folder for Great Expectations' results.
    """
    os.environ["CITYDW_GX_HOME"] = home
    if (root / _SETTINGS).exists():
        return gx.get_context(mode="file", context_root_dir=str(root))
    said = yaml_text.parse((SHIPPED / _SETTINGS).read_text(encoding="utf-8"))
    said["plugins_directory"] = str(SHIPPED / said["plugins_directory"])
    said["stores"]["expectations_store"]["store_backend"]["base_directory"] = str(root)
    aside = Path(home) / "context"
    aside.mkdir(parents=True, exist_ok=True)
    with publish(UPath(aside / _SETTINGS)) as written:
        written.write_text(json.dumps(said), encoding="utf-8")  # which is YAML, too
    return gx.get_context(mode="file", context_root_dir=str(aside))


def render(root: Path, home: str, results: Sequence[Path]) -> None:
    """Write the pages of some stored results.

    Args:
        root: the folder of contracts and suites.
        home: folder for Great Expectations' results.
        results: files of its store.
    """
    context(root, home).build_data_docs(
        site_names=["city"], resource_identifiers=[_identifier(path) for path in results], build_index=False
    )
    shutil.rmtree(Path(home, "data_docs", "static"), ignore_errors=True)  # fonts and pictures that no page shows


def _identifier(result: Path) -> ValidationResultIdentifier:
    """What Great Expectations calls a result in its store."""
    *_, agency, dataset, run_name, run_time, _ = result.parts
    return ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(f"{agency}.{dataset}"),
        run_id=RunIdentifier(run_name=run_name, run_time=datetime.strptime(run_time, TIME).replace(tzinfo=UTC)),
        batch_identifier=result.stem,
    )


class Page(DefaultJinjaPageView):  # type: ignore[misc]
    """A page of a result; Great Expectations' own template loads from public hosts."""

    _template = "data_docs.j2"

    def __init__(self, custom_styles_directory: str | None = None, custom_views_directory: str | None = None) -> None:
        super().__init__(custom_styles_directory, custom_views_directory)
        self.env.loader = ChoiceLoader([self.env.loader, FileSystemLoader(TEMPLATES)])


@cache
def _memory() -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context
