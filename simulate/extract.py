"""From what an agency knows to the file that it sends: its contract says the form, a declaration what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from simulate.contract import Column, Contract
from simulate.delivery import SEQUENCE, Defect, Form
from simulate.dirt import Dirt, vietnamese_number
from simulate.people import OLD_FROM, REFORM
from simulate.truth import CHANGE

_DECIMAL_DIGITS = 18


@dataclass(frozen=True)
class Wrong:
    """A mistake that an agency makes in a dataset.

    Attributes:
        kind: one of those below, or any name where the cell is given.
        column: that it spoils; None for a broken line.
        cell: what stands there then, or what becomes of what stood there, in place of what the kind says.
        effect: rejected, flagged (the row loads without the value) or warned (it loads with it); None if the contract
            says which.
        means: how the cell is read where it is only warned of.
    """

    kind: str
    column: str | None = None
    cell: str | Callable[[str], str] | None = None
    effect: str | None = None
    means: Callable[[str], Any] = str


_CELLS: dict[str, Callable[[str], str | None]] = {
    "missing_required": lambda _: None,
    "unknown_code": lambda _: "ZZ9",
    "unknown_ward": lambda _: "99999",
    "impossible_birth_date": lambda _: "30/02/2026",
    "digit_in_name": lambda text: f"{text} 2",
    "short_personal_id": lambda text: text.replace(" ", "")[:11],
    "malformed_card": lambda text: text[:12],
    "malformed_number": lambda text: text[:8],
    "malformed_icd": lambda _: "viêm",
    "malformed_phone": lambda _: "12345",
    "wrong_check_digit": lambda _: "0300000001",
    "not_a_number": lambda _: "abc",
}
_OF_LINES = ("too_many_cells", "too_few_cells", "unclosed_quote", "broken_json")


def form(
    contract: Contract,
    wrong: Sequence[Wrong],
    rng: np.random.Generator,
    rate: float,
    conflict: tuple[str, str] | None = None,
    titles: tuple[str, ...] = (),
) -> Form:
    """How an agency writes a dataset by its contract.

    Args:
        contract: of the dataset.
        wrong: what goes wrong in it.
        rng: source of chance for what is harmless.
        rate: share of rows that have each mistake.
        conflict: see `Form`.
        titles: see `Form`.
    """
    source, dirt = contract.source, Dirt(rng)
    columns = {column.name: column for column in contract.columns}
    format_ = "zip" if source.get("archive") == "zip" else {"excel": "xlsx"}.get(source["format"], source["format"])
    in_vietnamese = source.get("numbers") == "vietnamese"

    def render(rows: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame([_cells(rows, column, dirt, in_vietnamese) for column in contract.columns])

    return Form(
        format_,
        {column.name: column.header for column in contract.columns},
        render,
        tuple(_defect(one, columns, rate) for one in wrong),
        conflict,
        encoding=source.get("encoding", "utf-8"),
        delimiter=source.get("delimiter", ","),
        root=source.get("root", "DANH_SACH"),
        record=source.get("record", ""),
        titles=titles,
        numbers=frozenset(c.name for c in contract.columns if c.kind in ("integer", "number")),
        totals=contract.totals,
    )


def _defect(wrong: Wrong, columns: dict[str, Column], rate: float) -> Defect:
    if wrong.column is None:
        if wrong.kind not in _OF_LINES:
            raise ValueError(f"{wrong.kind}: a mistake of a whole line is one of {', '.join(_OF_LINES)}")
        return Defect(wrong.kind, None, rate)
    column = columns[wrong.column]
    spoil = _spoiling(wrong, column)
    by_contract = "flagged" if column.is_flagged and wrong.kind != "missing_required" else "rejected"
    effect = wrong.effect or by_contract
    return Defect(wrong.kind, wrong.column, rate, lambda text: spoil(text or ""), effect, wrong.means)


def _spoiling(wrong: Wrong, column: Column) -> Callable[[str], str | None]:
    """What a cell becomes."""
    cell = wrong.cell
    if cell is not None:
        return cell if callable(cell) else lambda _: cell
    if wrong.kind == "impossible_date":
        return lambda _: column.form.replace("%d", "31").replace("%m", "02").replace("%Y", "2026")
    return _CELLS[wrong.kind]


def _cells(rows: pl.DataFrame, column: Column, dirt: Dirt, in_vietnamese: bool) -> pl.Series:
    values = rows[{"change": CHANGE, "sequence": SEQUENCE}.get(column.role, column.name)]
    if column.kind in ("date", "timestamp"):
        made = values.dt.strftime(column.form)
    elif in_vietnamese and (column.kind == "number" or column.datatype == "money"):
        made = vietnamese_number(values)
    elif column.kind in ("integer", "number"):
        made = values.cast(pl.String)
    elif column.datatype == "partial_date":
        made = dirt.partial_date(values, rows[f"{column.name}_precision"], "form")
    elif column.datatype == "code":
        made = dirt.code(values, dict(column.variants))
    else:
        dirty = {
            "person_name": dirt.name, "personal_id": dirt.personal_id, "tax_code": dirt.tax_code,
            "phone": dirt.phone, "icd10": dirt.icd10,
        }.get(column.datatype)  # fmt: skip
        made = dirty(values) if dirty else values
    return made.alias(column.name)


def standard(contract: Contract, rows: pl.DataFrame) -> pl.DataFrame:
    """What is known, in the form in which it must stand in the warehouse.

    Args:
        contract: of the dataset.
        rows: its columns; a ward by the code of its day, an address with the unit that it names in `<name>_ward` and
            `<name>_ward_valid_from`, a partly known date with `<name>_precision`. Columns that nobody has are left out.
    """
    made = [c for c in (CHANGE, SEQUENCE) if c in rows.columns]
    columns: list[pl.Expr | str] = [*made]
    for column in contract.columns:
        if column.role != "content":
            continue
        name = column.name
        columns.append((pl.col(name) if name in rows.columns else pl.lit(None)).cast(_type(column)).alias(name))
        if column.datatype == "partial_date":
            columns.append(f"{name}_precision")
        elif column.datatype == "ward":
            columns += _unit(name, pl.col(name), pl.col(column.period) if column.period else pl.lit(REFORM))
        elif column.datatype == "address":
            known = pl.col(name).is_not_null()
            columns += [f"{name}_ward", f"{name}_ward_valid_from"]
            columns.append(pl.when(known).then(pl.lit("exact")).alias(f"{name}_ward_status"))
    return rows.select(columns)


def _unit(name: str, code: pl.Expr, period: pl.Expr) -> list[pl.Expr]:
    """The rest of what names a unit: since when it is, and whether it is certain; none knows the units before 2025."""
    day = period.cast(pl.Date)
    since = pl.when(day >= REFORM).then(pl.lit(REFORM)).otherwise(pl.lit(OLD_FROM))
    status = pl.when(day >= OLD_FROM).then(pl.lit("exact")).otherwise(pl.lit("ambiguous"))
    return [
        pl.when(code.is_not_null()).then(since).alias(f"{name}_valid_from"),
        pl.when(code.is_not_null()).then(status).alias(f"{name}_status"),
    ]


def _type(column: Column) -> pl.DataType:
    if column.datatype == "partial_date":
        return pl.Date()
    return {
        "string": pl.String(),
        "integer": pl.Int64(),
        "number": pl.Decimal(_DECIMAL_DIGITS, column.decimals) if column.decimals else pl.Int64(),
        "date": pl.Date(),
        "timestamp": pl.Datetime("us"),
    }[column.kind]


def at_times(rows: pl.DataFrame, change: str, days: pl.Expr, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of changes, each recorded in the office hours of its day."""
    seconds = pl.Series("seconds", rng.integers(8 * 3600, 17 * 3600, rows.height))
    moment = days.cast(pl.Datetime("us")) + pl.duration(seconds=pl.lit(seconds))
    return rows.with_columns(pl.lit(change).alias(CHANGE), moment.alias(SEQUENCE))
