"""The treasury: what it takes in and what it pays, a line each; nothing that no other agency tells of, too.

Taxes are those of the declarations, fines those of the sanctions, and what is paid for projects is what their owners
report. A unit spends less in a year than the decisions gave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import polars as pl

from simulate import estimates, justice, projects
from simulate.chance import generator, some
from simulate.events import Events
from simulate.extract import Wrong
from simulate.sending import Sender, Sending

TREASURIES = {"2": "0111", "4": "0112"}  # by the level of the budget
FINES = "4254"
_SPEND, _LINES = 0.05, 40  # of the lines of the estimates, a day; and at least
_POSTINGS = 400  # of which the year of a line would be made: more than there are days
_TAKEN_BACK = 0.05  # of what units spent the day before
_OF_FIRMS, _OF_PERSONS, _OTHERS = "554", "557", "560"  # chapters
_NO_CATEGORY, _BUILDING = "428", "9301"


def _sendings(happened: Events) -> Iterator[Sending]:
    seed = happened.world.seed
    taxes, fines, works = _taxes(happened), _fines(happened), _works(happened)
    may = estimates.lines(happened)
    before: pl.DataFrame | None = None
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "vouchers", number)
        spent = _spent(some(rng, may, _SPEND, least=_LINES), day)
        back = [] if before is None else [_taken_back(some(rng, before, _TAKEN_BACK, least=1), day)]
        due = pl.col("posted_on") == day
        until_now = pl.col("posted_on") <= day  # the first file has all payments for projects since the year began
        rows = pl.concat(
            [taxes.filter(due), fines.filter(due), works.filter(until_now if number == 1 else due), spent, *back],
            how="diagonal",
        )
        for level, treasury in TREASURIES.items():
            of_level = rows.filter(pl.col("budget_level") == level)
            yield Sending(day, day, of_level.with_columns(treasury_code=pl.lit(treasury)), treasury)
        before = spent


def _line(rows: pl.DataFrame, direction: str, **columns: pl.Expr | str) -> pl.DataFrame:
    """A voucher of one line for each row, posted on its day."""
    made = rows.with_columns(
        line_no=pl.lit(1), direction=pl.lit(direction), source=pl.lit("13"), fiscal_year=pl.lit(""), **columns
    )
    year = pl.col("posted_on").dt.year().cast(pl.String)
    return made.with_columns(voucher_date="posted_on", fiscal_year=year).select(*_COLUMNS)


_COLUMNS = (
    "voucher_no", "voucher_date", "line_no", "posted_on", "fiscal_year", "direction", "entry_kind", "budget_level",
    "chapter", "category", "sub_item", "source", "unit_code", "unit_name", "tax_code", "collector", "ward",
    "project_code", "amount", "note",
)  # fmt: skip
_NO_TEXT = pl.lit(None, pl.String)


def _taxes(happened: Events) -> pl.DataFrame:
    """What was paid on declarations; of one that was amended what it paid more."""
    wards = happened.taxpayers.select("tax_code", ward="address_ward").unique("tax_code", keep="first")
    more = pl.col("tax_paid") - pl.col("tax_paid").shift(fill_value=0).over("declaration_no", order_by="day")
    rows = happened.declarations.join(wards, on="tax_code", how="left", maintain_order="left").with_columns(amount=more)
    is_person = (pl.col("tax_code").str.len_chars() == 12) | (pl.col("sub_item") == "1001")
    return _line(
        rows.filter(pl.col("amount") != 0),
        "T",
        voucher_no="NT-" + pl.col("declaration_no"),
        posted_on=pl.col("day"),
        entry_kind=pl.lit("BT"),
        budget_level=pl.lit("2"),
        chapter=pl.when(is_person).then(pl.lit(_OF_PERSONS)).otherwise(pl.lit(_OF_FIRMS)),
        category=pl.lit(_NO_CATEGORY),
        unit_code=_NO_TEXT,
        unit_name=_NO_TEXT,
        collector=pl.lit("1054123"),
        project_code=_NO_TEXT,
        note=pl.lit("Thuế nộp theo tờ khai"),
    )


def _fines(happened: Events) -> pl.DataFrame:
    return _line(
        justice.payments(happened),
        "T",
        voucher_no=pl.format("{}-{}", "receipt_no", pl.int_range(pl.len())),
        posted_on=pl.col("paid_on"),
        entry_kind=pl.lit("BT"),
        budget_level=pl.lit("2"),
        chapter=pl.lit(_OTHERS),
        category=pl.lit(_NO_CATEGORY),
        sub_item=pl.lit(FINES),
        unit_code=_NO_TEXT,
        unit_name=_NO_TEXT,
        collector=_NO_TEXT,
        ward=pl.col("violation_ward"),
        project_code=_NO_TEXT,
        amount=pl.col("fine"),
        note=pl.lit("Tiền phạt vi phạm hành chính"),
    )


def _works(happened: Events) -> pl.DataFrame:
    paid = projects.payments(happened, projects.projects(happened)).filter(pl.col("paid") != 0)
    return _line(
        paid,
        "C",
        voucher_no=pl.format("DT-{}-{}", "project_code", pl.col("month").dt.strftime("%Y%m")),
        posted_on=pl.col("paid_on"),
        entry_kind=pl.when(pl.col("paid") > 0).then(pl.lit("BT")).otherwise(pl.lit("DC")),
        category=pl.col("field"),
        sub_item=pl.lit(_BUILDING),
        tax_code=_NO_TEXT,
        collector=_NO_TEXT,
        ward=pl.col("place"),
        amount=pl.col("paid"),
        note=pl.lit("Thanh toán vốn đầu tư"),
    )


def _spent(lines: pl.DataFrame, day: date) -> pl.DataFrame:
    return _line(
        lines,
        "C",
        voucher_no=pl.format(f"CT-{day:%m%d}-{{}}", "line_no"),
        posted_on=pl.lit(day),
        entry_kind=pl.lit("BT"),
        sub_item=pl.col("item"),
        tax_code=_NO_TEXT,
        collector=_NO_TEXT,
        project_code=_NO_TEXT,
        amount=pl.col("amount") // _POSTINGS // 1000 * 1000,
        note=pl.lit("Chi thường xuyên"),
    )


def _taken_back(vouchers: pl.DataFrame, day: date) -> pl.DataFrame:
    """Reversals: the same line with the other sign, under a number of its own."""
    return vouchers.with_columns(
        voucher_no=pl.col("voucher_no") + "-D",
        posted_on=pl.lit(day),
        voucher_date=pl.lit(day),
        fiscal_year=pl.lit(str(day.year)),
        entry_kind=pl.lit("DAO"),
        amount=-pl.col("amount"),
        note=pl.lit("Đảo chứng từ ") + pl.col("voucher_no"),
    )


VOUCHERS = Sender(
    "budget.vouchers",
    _sendings,
    (
        Wrong("spreadsheet_dropped_a_zero", "category", "72", "rejected"),
        Wrong("spreadsheet_dropped_a_zero", "treasury_code", "111"),
        Wrong("two_digits_of_a_chapter", "chapter", "48", "rejected"),
        Wrong("line_of_nothing", "amount", "0"),
        Wrong("not_a_number", "amount"),
        Wrong("half_a_dong", "amount", "125.000,5"),
        Wrong("impossible_date", "posted_on"),
        Wrong("posted_before_the_voucher", "voucher_date", "31/12/2098"),
        Wrong("unknown_code", "direction"),
        Wrong("wrong_check_digit", "tax_code"),
        Wrong("unknown_ward", "ward"),
        Wrong("year_long_closed", "fiscal_year", "2019", "warned"),
    ),
    ("note", "Nội dung khác"),
)
