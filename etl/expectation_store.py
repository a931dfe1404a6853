"""Great Expectations' file context: the suites in `expectations/`, and the results and Data Docs that come of them.

Importing Great Expectations takes seconds, so only the station that validates imports this module.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import FileDataContext
from great_expectations.data_context.store.html_site_store import SiteSectionIdentifier
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.render.renderer.site_builder import SiteBuilder
from great_expectations.util import convert_to_json_serializable
from jinja2 import ChoiceLoader, FileSystemLoader

from etl.contract import Contract
from etl.delivery import Delivery
from etl.settings import TEMPLATES

_PAGE = "data_docs.j2"  # in place of Great Expectations' own, which loads from public hosts


@cache
def suite(contract: Contract, home: str) -> gx.ExpectationSuite:
    """The dataset's own suite, which lies beside its contract: the same object each time, not to be changed.

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
    store = context.validation_results_store
    # GX's own way from a result to the same JSON copies and checks each answer some ten times over, and to indent it
    # Python must write it without the help of C.
    store.store_backend.set(store.key_to_tuple(identifier), json.dumps(as_json(result), sort_keys=True))
    # To build GX's site reads all results that there ever were; its parts write one page.
    site = _site(context)
    pages = site.site_section_builders["validations"]
    page = pages.view_class.render(pages.renderer_class.render(result), template=_PAGE)
    site.target_store.set(SiteSectionIdentifier("validations", identifier), page)


def as_json(result: Any) -> dict[str, Any]:
    """A validation result as GX's store keeps it.

    Args:
        result: of a whole suite, from `etl.judge`.
    """
    plain: dict[str, Any] = convert_to_json_serializable(
        {
            "success": result.success,
            "suite_name": result.suite_name,
            "suite_parameters": result.suite_parameters,
            "statistics": result.statistics,
            "meta": result.meta,
            "id": result.id,
        }
    )
    answers = [
        {
            "success": answer.success,
            "expectation_config": answer.expectation_config.to_json_dict(),
            "result": convert_to_json_serializable(answer.result),
            "meta": answer.meta,
            "exception_info": answer.exception_info,
        }
        for answer in result.results
    ]
    return plain | {"results": answers}


def _root(contract: Contract) -> Path:
    return contract.path.parent.parent


@cache
def _context(root: Path, home: str) -> FileDataContext:
    os.environ["CITYDW_GX_HOME"] = home
    return gx.get_context(mode="file", context_root_dir=str(root))


@cache
def _site(context: FileDataContext) -> SiteBuilder:
    config = context.variables.data_docs_sites["city"]
    site = SiteBuilder(context, runtime_environment={"root_directory": context.root_directory}, **config)
    view = site.site_section_builders["validations"].view_class
    view.env.loader = ChoiceLoader([view.env.loader, FileSystemLoader(TEMPLATES)])
    return site
