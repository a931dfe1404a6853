"""What was found, in Great Expectations' store and on its pages (Data Docs).

A result is stored by the station itself, as Great Expectations would; its page is rendered later, by Great
Expectations, together with all others that are due, for to import it takes longer than to judge a file.
"""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from upath import UPath

from etl.contract import Contract
from etl.contract.city import told
from etl.delivery.model import Delivery
from etl.delivery.publish import publish
from etl.settings import SHIPPED
from etl.validate.expected import Expectation
from etl.validate.findings import Finding

log = logging.getLogger(__name__)
_STYLE = SHIPPED / "plugins/custom_data_docs/styles/data_docs_custom_styles.css"
TIME = "%Y%m%dT%H%M%S.%fZ"  # in the path of a result
_NOTHING_RAISED = {"exception_message": None, "exception_traceback": None, "raised_exception": False}


def store(findings: Sequence[Finding], delivery: Delivery, home: str) -> None:
    """Keep what was found in a delivery, where Great Expectations' store of the same home looks for it.

    Args:
        findings: in the order in which they are shown.
        delivery: whose they are.
        home: folder for Great Expectations' results.
    """
    period = datetime.combine(delivery.as_of, time(), UTC) if delivery.as_of else datetime(1970, 1, 1, tzinfo=UTC)
    folder = Path(home, "validations", *delivery.contract_id.split("."), delivery.id, period.strftime(TIME))
    with publish(UPath(folder / f"{delivery.id}.json")) as aside:
        aside.write_text(json.dumps(as_json(findings, delivery, period), sort_keys=True), encoding="utf-8")


def as_json(findings: Sequence[Finding], delivery: Delivery, period: datetime) -> dict[str, Any]:
    """A delivery's findings as Great Expectations writes a validation result; free of values and positions."""
    successful = sum(finding.success for finding in findings)
    return {
        "id": None,
        "meta": {
            "active_batch_definition": {},
            "batch_spec": {},
            "run_id": {"run_name": delivery.id, "run_time": period.isoformat()},
        },
        "results": [
            {
                "exception_info": _NOTHING_RAISED,
                "expectation_config": _configuration(finding.expectation),
                "meta": {},
                "result": finding.result,
                "success": finding.success,
            }
            for finding in findings
        ],
        "statistics": {
            "evaluated_expectations": len(findings),
            "success_percent": successful / len(findings) * 100 if findings else None,
            "successful_expectations": successful,
            "unsuccessful_expectations": len(findings) - successful,
        },
        "success": successful == len(findings),
        "suite_name": delivery.contract_id,
        "suite_parameters": {},
    }


def _configuration(expectation: Expectation) -> dict[str, Any]:
    text = expectation.text
    written = {
        "description": html.escape(told(text), quote=False),  # Data Docs take it for HTML
        "kwargs": expectation.kwargs,
        "meta": expectation.meta,
        "severity": expectation.severity,
        "type": expectation.type,
    }
    return written | ({"id": expectation.id} if expectation.id else {})


def render(contracts: Iterable[Contract], home: Path) -> None:
    """Write the pages of the results that have none yet, or an older one, and the list of all pages.

    Args:
        contracts: of the datasets whose results are rendered.
        home: folder for Great Expectations' results.
    """
    for root in {contract.path.parent.parent for contract in contracts}:
        if due := [result for result in sorted(home.glob("validations/*/*/*/*/*.json")) if _is_due(result, home)]:
            from etl.validate import gx

            gx.render(root, str(home), due)
    if late := [result for result in home.glob("validations/*/*/*/*/*.json") if _is_due(result, home)]:
        log.error("%d validation results have no page, the first %s", len(late), late[0].relative_to(home))
    _write_index(home / "data_docs")


def _is_due(result: Path, home: Path) -> bool:
    page = home / "data_docs" / result.relative_to(home).with_suffix(".html")
    return not page.exists() or page.stat().st_mtime_ns < result.stat().st_mtime_ns


def _write_index(data_docs: Path) -> None:
    """Write the list of all pages, in place of Great Expectations' own, which needs the public network to show."""
    rows = []
    for page in sorted(data_docs.glob("validations/*/*/*/*/*.html"), reverse=True):
        agency, dataset, delivery = page.parts[-5:-2]
        link = html.escape(page.relative_to(data_docs).as_posix())
        rows.append(f'<tr><td>{agency}.{dataset}</td><td><a href="{link}">{delivery}</a></td></tr>')
    with publish(UPath(data_docs / "index.html")) as aside:
        aside.write_text(
            f"<!doctype html><meta charset=utf-8><title>Data quality</title><style>{_STYLE.read_text('utf-8')}</style>"
            "<h1>Chất lượng dữ liệu / Data quality</h1><table><tr><th>Bộ dữ liệu / Dataset</th>"
            f"<th>Lần giao / Delivery</th></tr>{''.join(rows)}</table>",
            encoding="utf-8",
        )
