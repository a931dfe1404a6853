"""Great Expectations' file context: the suites in `expectations/`, and the results and Data Docs that come of them.

Importing Great Expectations takes seconds, so only the station that validates imports this module.
"""

from __future__ import annotations

import html
import os
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import FileDataContext
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from upath import UPath

from etl import storage
from etl.contract import Contract
from etl.delivery import Delivery

_STYLE = "plugins/custom_data_docs/styles/data_docs_custom_styles.css"


def suite(contract: Contract, home: str) -> gx.ExpectationSuite:
    """The dataset's own suite, which lies beside its contract.

    Args:
        contract: the dataset's.
        home: folder for GX's validation results and Data Docs.
    """
    return _context(_root(contract), home).suites.get(contract.id)


def publish(result: Any, delivery: Delivery, contract: Contract, home: str) -> None:
    """Keep a validation result and render it as Data Docs.

    Args:
        result: from `etl.judge`, free of values.
        delivery: whose it is.
        contract: the dataset's.
        home: folder for GX's validation results and Data Docs.
    """
    context = _context(_root(contract), home)
    suite = ExpectationSuiteIdentifier(delivery.contract_id)
    result.suite_name = delivery.contract_id
    period = datetime.combine(delivery.as_of, time(), UTC) if delivery.as_of else datetime(1970, 1, 1, tzinfo=UTC)
    run = RunIdentifier(run_name=delivery.id, run_time=period)
    identifier = ValidationResultIdentifier(
        expectation_suite_identifier=suite, run_id=run, batch_identifier=delivery.id
    )
    result.meta |= {"run_id": run, "batch_spec": {}, "active_batch_definition": {}}
    context.validation_results_store.set(identifier, result)
    context.build_data_docs(resource_identifiers=[identifier])
    _write_index(Path(home) / "data_docs", (_root(contract) / _STYLE).read_text(encoding="utf-8"))


def _root(contract: Contract) -> Path:
    return contract.path.parent.parent


@cache
def _context(root: Path, home: str) -> FileDataContext:
    os.environ["CITYDW_GX_HOME"] = home
    return gx.get_context(mode="file", context_root_dir=str(root))


def _write_index(data_docs: Path, style: str) -> None:
    """A list of all validations in place of GX's, which shows nothing where the public CDNs cannot be reached."""
    rows = []
    for page in sorted(data_docs.glob("validations/*/*/*/*/*.html"), reverse=True):
        agency, dataset, delivery = page.parts[-5:-2]
        link = html.escape(page.relative_to(data_docs).as_posix())
        rows.append(f'<tr><td>{agency}.{dataset}</td><td><a href="{link}">{delivery}</a></td></tr>')
    with storage.publish(UPath(data_docs / "index.html")) as aside:
        aside.write_text(
            f"<!doctype html><meta charset=utf-8><title>Data quality</title><style>{style}</style>"
            "<h1>Chất lượng dữ liệu / Data quality</h1><table><tr><th>Bộ dữ liệu / Dataset</th>"
            f"<th>Lần giao / Delivery</th></tr>{''.join(rows)}</table>",
            encoding="utf-8",
        )
