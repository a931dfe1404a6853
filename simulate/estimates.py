"""What each unit of the city may spend and must take in: the council's decision, and what is put right in the year."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from simulate.administration import units
from simulate.chance import generator, parted
from simulate.events import Events
from simulate.extract import Wrong
from simulate.sending import Sender, Sending, ends_of_months

_ITEMS = ("6001", "6501", "6551", "7001")  # wages, what is used, what is bought, what the trade needs
_ADDED, _CUT = (0.04, 20), (0.02, 10)  # of the lines, a month; and at least


def lines(happened: Events) -> pl.DataFrame:
    """The lines of the first decision: a unit and an item each, with line_no and amount (dong a year)."""
    rng = generator(happened.world.seed, "estimates")
    rows = units().join(pl.DataFrame({"item": _ITEMS}), how="cross", maintain_order="left_right")
    amount = rng.lognormal(np.log(4_000_000_000), 0.8, rows.height).astype(np.int64) // 1_000_000 * 1_000_000
    return rows.with_columns(amount=pl.Series(amount), line_no=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def _sendings(happened: Events) -> Iterator[Sending]:
    all_, start = lines(happened), happened.world.start
    year = str(start.year)
    decided = date(start.year - 1, 12, 10)
    for number, (as_of, day) in enumerate(ends_of_months(happened.days)):
        if number == 0:  # with all that was put right before the first day
            yield Sending(as_of, day, _rows(all_, "DN", f"{start.year - 1}/NQ-HĐND", decided, year))
            continue
        rng = generator(happened.world.seed, "estimates", number)
        added, cut, _ = parted(rng, all_, _ADDED, _CUT)
        added = added.with_columns(pl.col("amount") // 10)
        cut = cut.with_columns(-(pl.col("amount") // 20))
        named = f"{as_of:%m%d}/QĐ-UBND"
        rows = [_rows(part, kind, named, as_of, str(as_of.year)) for part, kind in ((added, "BS"), (cut, "DC"))]
        yield Sending(as_of, day, pl.concat(rows))


def _rows(of: pl.DataFrame, kind: str, decision: str, decided: date, year: str) -> pl.DataFrame:
    return of.select(
        "line_no",
        "budget_level",
        "chapter",
        "category",
        "item",
        "unit_code",
        "unit_name",
        "ward",
        "amount",
        decision_no=pl.lit(decision),
        decision_date=pl.lit(decided),
        fiscal_year=pl.lit(year),
        direction=pl.lit("C"),
        source=pl.lit("13"),
        estimate_kind=pl.lit(kind),
        unit=pl.lit("đồng"),
    )


ESTIMATES = Sender(
    "budget.estimates",
    _sendings,
    (
        Wrong("missing_required", "amount"),
        Wrong("not_a_number", "amount"),
        Wrong("in_millions", "unit", "triệu đồng"),
        Wrong("line_of_nothing", "amount", "0"),
        Wrong("amount_in_millions", "amount", lambda text: text[:-6], "warned", int),
        Wrong("another_year", "fiscal_year", "2099"),
        Wrong("impossible_date", "decision_date"),
        Wrong("unknown_code", "direction"),
        Wrong("unknown_code", "category"),
        Wrong("unit_of_six_digits", "unit_code", "101234"),
        Wrong("unknown_ward", "ward"),
    ),
    ("unit_name", "Đơn vị khác"),
    ("ỦY BAN NHÂN DÂN THÀNH PHỐ", "DỰ TOÁN THU, CHI NGÂN SÁCH ĐƯỢC GIAO", "(kèm theo quyết định)"),
)
