"""One file: standard rows written in the sender's form, defects planted in it, and a note of which row has which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from simulate.formats import HEADER_ROW, WRITERS
from simulate.truth import CHANGE

SEQUENCE = "_sequence"  # of a change within its file


@dataclass(frozen=True)
class Defect:
    """A kind of mistake that agencies make.

    Attributes:
        kind: its name in the truth.
        column: contract column that it spoils; None for the line as a whole.
        rate: share of rows that have it.
        spoil: what the cell becomes; None for defects of the line.
        effect: rejected, flagged (the row loads without the value) or warned (the row loads with it).
        means: how the cell is read where it is only warned of.
    """

    kind: str
    column: str | None
    rate: float
    spoil: Callable[[str | None], str | None] | None = None
    effect: str = "rejected"
    means: Callable[[str], Any] = str


@dataclass(frozen=True)
class Form:
    """How an agency writes a dataset.

    Attributes:
        format: csv, zip, xlsx, xml, ndjson or geojson.
        headers: contract column -> name in the source, in source order.
        render: standard rows to text cells under contract names.
        defects: what goes wrong in it.
        conflict: a column that differs between two rows of one key, where that is a defect.
        encoding: of text formats.
        delimiter: of CSV.
        member: of ZIP: the file in it.
        root: of XML: the element around all records.
        record: of XML: the element that is one.
        titles: of Excel: what stands above the table.
        merged: of Excel: a column in which equal cells below each other are one.
        numbers: of JSON and Excel: columns whose cells are numbers.
        totals: columns whose sum is declared beside the file.
    """

    format: str
    headers: dict[str, str]
    render: Callable[[pl.DataFrame], pl.DataFrame]
    defects: tuple[Defect, ...]
    conflict: tuple[str, str] | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    member: str = "dulieu.csv"
    root: str = ""
    record: str = ""
    titles: tuple[str, ...] = ()
    merged: str | None = None
    numbers: frozenset[str] = frozenset()
    totals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A file's bytes and what is true of it; `totals`: the sums that its sender declares, by the name in the file."""

    content: bytes
    accepted: pl.DataFrame
    defects: list[dict[str, Any]]
    rows_in: int
    rejected: int
    duplicates: int
    totals: dict[str, int]


DUPLICATE_RATE = 0.003
CONFLICT_RATE = 0.001


def write(form: Form, standard: pl.DataFrame, rng: np.random.Generator, at_least_one: bool) -> Written:
    """Write one file.

    Args:
        form: how the agency writes.
        standard: the rows as they must stand in the warehouse, with CHANGE and SEQUENCE for changes.
        rng: source of chance.
        at_least_one: plant every kind of defect once at least.
    """
    cells = form.render(standard).select(list(form.headers))
    n = cells.height
    free = list(rng.permutation(n))
    marks: list[tuple[int, Defect]] = []
    for defect in form.defects:
        for _ in range(max(int(rng.binomial(n, defect.rate)), int(at_least_one))):
            at = _take(free, cells, defect)
            if at is not None:
                marks.append((at, defect))
    cells = _spoil(cells, [(at, d) for at, d in marks if d.spoil])

    copies: list[tuple[int, str]] = []
    for kind, rate in (("duplicate", DUPLICATE_RATE), ("key_conflict", CONFLICT_RATE if form.conflict else 0.0)):
        wanted = max(
            int(rng.binomial(n, rate)), int(at_least_one and (kind == "duplicate" or form.conflict is not None))
        )
        copies += [(int(free.pop()), kind) for _ in range(min(wanted, len(free)))]
    appended = cells[[at for at, _ in copies]]
    if form.conflict:
        column, other = form.conflict
        differs = pl.Series([kind == "key_conflict" for _, kind in copies], dtype=pl.Boolean)
        appended = appended.with_columns(pl.when(differs).then(pl.lit(other)).otherwise(pl.col(column)).alias(column))
    whole = pl.concat([cells, appended])

    defects = [_note(at, d.column, d.kind, d.effect, form) for at, d in marks]
    for number, (at, kind) in enumerate(copies, start=n):
        if kind == "duplicate":
            defects.append(_note(number, None, kind, "duplicate", form))
        else:
            defects += [_note(at, None, kind, "rejected", form), _note(number, None, kind, "rejected", form)]

    gone = {at for at, d in marks if d.effect == "rejected"} | {at for at, kind in copies if kind == "key_conflict"}
    for column in {d.column for _, d in marks if d.effect == "flagged" and d.column}:
        blank = pl.int_range(pl.len()).is_in([at for at, d in marks if d.effect == "flagged" and d.column == column])
        standard = standard.with_columns(pl.when(~blank).then(pl.col(column)))
    for at, d in marks:
        if d.effect == "warned" and d.column:
            value = pl.lit(d.means(cells[d.column][at]), standard.schema[d.column])
            standard = standard.with_columns(
                pl.when(pl.int_range(pl.len()) == at).then(value).otherwise(d.column).alias(d.column)
            )
    accepted = standard.filter(~pl.int_range(pl.len()).is_in(list(gone)))
    if SEQUENCE in accepted.columns:
        accepted = accepted.sort(SEQUENCE, maintain_order=True).drop(SEQUENCE)
    content = WRITERS[form.format](form, whole, {at: d.kind for at, d in marks if d.spoil is None})
    effects = Counter(d["effect"] for d in defects)
    totals = {form.headers[name]: _total(whole[name]) for name in form.totals}
    return Written(content, accepted, defects, whole.height, effects["rejected"], effects["duplicate"], totals)


def _total(cells: pl.Series) -> int:
    """The sum of the cells that are whole numbers, as 1.234.567 or plain."""
    return int(cells.str.replace_all(".", "", literal=True).cast(pl.Int64, strict=False).sum())


def _take(free: list[int], cells: pl.DataFrame, defect: Defect) -> int | None:
    """A row without a defect that has something to spoil, and not what is put in its place."""
    for place in range(len(free) - 1, -1, -1):
        cell = cells[defect.column][int(free[place])] if defect.column else ""
        if cell is not None and (defect.spoil is None or defect.spoil(cell) != cell):
            return int(free.pop(place))
    return None


def _spoil(cells: pl.DataFrame, marks: list[tuple[int, Defect]]) -> pl.DataFrame:
    for column in {d.column for _, d in marks if d.column}:
        values = cells[column].to_list()
        for at, defect in marks:
            if defect.column == column and defect.spoil:
                values[at] = defect.spoil(values[at])
        cells = cells.with_columns(pl.Series(column, values, dtype=pl.String))
    return cells


def _note(at: int, column: str | None, kind: str, effect: str, form: Form) -> dict[str, Any]:
    first = {"csv": 2, "zip": 2, "xlsx": HEADER_ROW + 1}.get(form.format, 1)
    return {"row": at + first, "column": column, "kind": kind, "effect": effect}


def changes(rows: pl.DataFrame, kind: str, day: date, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of a file of changes: what happens to them and when on that day (distinct seconds)."""
    seconds = rng.choice(9 * 3600, rows.height, replace=False).astype("timedelta64[s]")
    start = np.datetime64(day) + np.timedelta64(8, "h")
    return rows.with_columns(
        pl.lit(kind).alias(CHANGE), pl.Series(SEQUENCE, (start + seconds).astype("datetime64[us]"))
    )
