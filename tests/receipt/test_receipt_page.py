"""The receipt's page in a real browser: readable on a phone and a desk, without a fault that keeps anybody out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.contract import load_all
from etl.delivery.columns import ROW
from etl.delivery.entry import LedgerEntry
from etl.delivery.messages import wording
from etl.delivery.model import Delivery
from etl.delivery.problems import PROBLEM, problems
from etl.delivery.state import State
from etl.receipt.facts import Correction, Past, Receipt, describe
from etl.receipt.page import page

TAXPAYERS = load_all()["tax.taxpayers"]
WIDTHS = {"phone": 360, "desk": 1280}
A4 = {"format": "A4", "print_background": True, "prefer_css_page_size": True}


def delivery(**about: Any) -> Delivery:
    return Delivery(
        "tax", "taxpayers", date(2026, 3, 4), 1, "9b5d09319e96" + "0" * 52, 1, "taxpayers_2026-03-04.csv", **about
    )


def found(rule: str, column: str | None, rows: list[int], severity: str = "critical") -> pl.DataFrame:
    about = wording(rule)
    label = next((c.label for c in TAXPAYERS.columns if c.name == column), "")
    said = about.fill(column=label, example="0312345673", expected="dd/MM/yyyy", columns="Mã số thuế", limit=32_767)
    failing = pl.DataFrame({ROW: rows, "value": [None] * len(rows)}, schema={ROW: pl.Int64, "value": pl.String})
    return problems(failing, column, rule, said, about, severity)  # type: ignore[arg-type]


FOUND = pl.concat(
    [
        found("required", "name", list(range(2, 1200, 3))),
        found("type_date", "registered_on", [495, 496, 497, 677]),
        found("ragged_row", None, [51, 719]),
        found("unique_key", "tax_code", [39, 725]),
        found("semantic_tax_code", "tax_code", [504, 573]),
        found("unlisted_code", "taxpayer_type", list(range(1, 40)), "warning"),
        found("semantic_phone", "phone", [317], "warning"),
    ]
)
NOTES = pl.concat([FOUND, found("new_column", None, [1], "warning").with_columns(pl.lit(None, pl.Int64).alias(ROW))])
HISTORY = [
    Past(delivery=f"d{n}", as_of=date(2026, 2, 22) + timedelta(n), rows_in=1300 + n, rejected=n * n % 17)
    for n in range(10)
]
REJECTED = FOUND.filter(pl.col("severity") == "critical")[ROW].n_unique()
COUNTS = {
    "rows_in": 12_724,
    "rejected": REJECTED,
    "duplicates": 14,
    "inserted": 9_315,
    "changed": 211,
    "unchanged": 12_724 - REJECTED - 14 - 9_315 - 211 - 20,
    "superseded": 20,
}
NOTHING_WRONG = COUNTS | {"rejected": 0, "superseded": 20 + REJECTED}


def of(state: str, found: pl.DataFrame = NOTES, about: Delivery | None = None, **more: Any) -> Receipt:
    message = more.pop("message", {})
    counts = more.pop("counts", COUNTS)
    sent = about or delivery()
    entry = replace(LedgerEntry.of_delivery(sent), state=State(state), **message | counts)
    return describe(sent, TAXPAYERS, entry, found.lazy(), **more)


CORRECTION = delivery(corrects="20260304-r1-0a1b2c3d4e5f", correction=1)
MENDED = Correction(delivery="20260304-r1c1-5f4e3d2c1b0a", file_name="rejected.xlsx", state="loaded", resolved=0)
TOLD = wording("too_many_rejected").fill(share="61%", detail="“Ngày cấp” không phải là ngày có thật.")
STOPPED = {"message_vi": TOLD.vi, "message_en": TOLD.en, "rule": "too_many_rejected"}
JUDGED = dict.fromkeys(("inserted", "changed", "unchanged", "superseded")) | {
    "rows_in": 660,
    "rejected": REJECTED,
    "duplicates": 1,
}
RECEIPTS: dict[str, Callable[[], Receipt]] = {
    "loaded": lambda: of("loaded", workbook_rows=410, history=HISTORY),
    "all good": lambda: of("loaded", NOTES.clear(), counts=NOTHING_WRONG, history=HISTORY),
    "mended in part": lambda: of(
        "loaded", workbook_rows=10, history=HISTORY, corrections=[(MENDED, FOUND[ROW][:400])]
    ),
    "a correction": lambda: of("loaded", workbook_rows=10, about=CORRECTION),
    "held": lambda: of("held", message=STOPPED, counts=JUDGED, workbook_rows=REJECTED, history=HISTORY),
    "rejected": lambda: of("rejected", pl.DataFrame(schema=PROBLEM), message=STOPPED, counts={}),
}  # fmt: skip


@pytest.mark.parametrize("kind", RECEIPTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_in_a_browser(browser: Any, tmp_path: Path, kind: str, width: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    file = tmp_path / "receipt.html"
    file.write_text(page(RECEIPTS[kind]()), "utf-8")
    context = browser.new_context(viewport={"width": WIDTHS[width], "height": 800})
    tab = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(file.as_uri())
    assert said == []
    assert asked == [file.as_uri()], "the page needs nothing else"
    assert tab.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width], "nothing sticks out"
    faults = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(f["id"], f["nodes"][0]["html"]) for f in faults if f["impact"] in ("serious", "critical")] == []
    context.close()


def test_the_page_prints_on_a4(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "receipt.html"
    file.write_text(page(RECEIPTS["loaded"]()), "utf-8")
    tab = browser.new_page()
    tab.goto(file.as_uri())
    printed = tab.pdf(**A4)
    assert 1 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 4


def test_large_numbers_and_long_lists_stay_readable() -> None:
    told = page(RECEIPTS["loaded"]())
    assert '<data value="12724">12\N{NARROW NO-BREAK SPACE}724</data>' in told
    assert "495–497, 677" in told
    assert '<data value="340">340</data> dòng nữa' in told, "of 400 rows, 60 are named"
