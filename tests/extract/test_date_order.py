"""What the dates of a file show of the order of day and month is the same however the file is cut into batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl
import pytest

from etl.contract import Contract, load_all
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import date_order
from etl.extract.cells import type_cells
from etl.extract.table import CELLS

TAXPAYERS = load_all()["tax.taxpayers"]
GRANTED, CLOSED = (c for c in TAXPAYERS.columns if c.type == "date")
NOTHING = pl.DataFrame(schema=CELLS)  # stored as a date and not as text
OF_DATES: Contract = replace(TAXPAYERS, columns=(GRANTED, CLOSED))


def evidence(granted: list[str], closed: list[str] | None = None, size: int = 2) -> pl.DataFrame:
    cells = {GRANTED.source_name: granted, CLOSED.source_name: closed or [""] * len(granted)}
    rows = pl.DataFrame({ROW: range(2, len(granted) + 2), **cells})
    return pl.concat(
        date_order.evidence(type_cells(lot, OF_DATES)[0], NOTHING, OF_DATES) for lot in rows.iter_slices(size)
    )


def warned(found: pl.DataFrame) -> Iterator[str]:
    yield from date_order.check_order(found, OF_DATES)["en"]


@pytest.mark.parametrize("size", [1, 2, 10])
def test_more_contradictions_than_proofs_hold_the_file(size: int) -> None:
    with pytest.raises(Stop) as stop:
        date_order.check_order(evidence(["03/04/2026", "03/13/2026", "25/03/2026", "03/25/2026"], size=size), OF_DATES)
    assert (stop.value.state, stop.value.rule) == ("held", "swapped_dates")
    assert "2 dates" in stop.value.message.en
    assert "row 3" in stop.value.message.en
    assert "only 1 fit dd/MM/yyyy" in stop.value.message.en


@pytest.mark.parametrize("size", [1, 2, 10])
def test_dates_that_show_no_order_are_counted_by_column(size: int) -> None:
    found = evidence(["03/04/2026", "04/04/2026", "01/12/2026"], ["05/06/2026", "", "x"], size)
    assert [line.split(" would")[0] for line in warned(found)] == [
        f"2 dates of column “{GRANTED.label}”",
        f"1 dates of column “{CLOSED.label}”",
    ]


def test_one_day_beyond_the_twelfth_proves_the_order_for_all_columns() -> None:
    assert list(warned(evidence(["03/04/2026", "03/05/2026"], ["", "13/05/2026"]))) == []


def test_a_slip_or_a_lone_wrong_date_holds_nothing() -> None:
    date_order.check_order(evidence(["03/04/2026", "03/13/2026", "25/03/2026"]), OF_DATES)
    date_order.check_order(evidence(["03/13/2026"]), OF_DATES)
