"""Schema drift: what to say when a file's columns are not those of the contract."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

import polars as pl

from etl import datatypes
from etl.contract import Column, Contract, Text
from etl.delivery.columns import RECEIVED, ROW
from etl.delivery.messages import Stop
from etl.extract import fit
from etl.extract.cells import type_cells
from etl.extract.table import Table, on_the_file

_ALIKE = 0.6  # likeness of name and content, between 0 and 1, from which a column is taken for one renamed
_LONGEST_NAME = 100  # characters; what is longer is no name, and to compare it takes the square of its length
_CANDIDATES = 10  # unknown columns whose content is compared with a missing one's: those of the likeliest names
_CHANGED_FROM = 20  # cells, and the share of them that are of another type, from which the column's type has changed
_CHANGED_SHARE = 0.95


def check_columns(table: Table, contract: Contract) -> Table:
    """Compare the columns that came with those of the contract.

    Args:
        table: the first rows of a file.
        contract: the dataset's.

    Returns:
        The table with warnings on the file as a whole (problems without a row) if optional columns are missing, or
        some are there that the contract does not know.

    Raises:
        Stop: if a required column is missing, one seems to be renamed, or one that holds something has no name.
    """
    sent = table.rows.columns[1:]
    if not sent and table.rows.is_empty():  # JSON and XML name their columns in their records alone
        return table
    known = {c.source_name for c in contract.columns}
    missing = [c for c in _needed(table.rows, contract) if c.source_name not in sent]
    if "" in sent and (table.rows[""].str.strip_chars() != "").any():
        raise Stop("held", "unclear_column", columns="“”")
    unknown = [name for name in sent if name and name not in known]
    required = [c for c in missing if c.required]
    renamed = _renamed(table.rows, missing, unknown, contract)
    if renamed and {c.name for c in required} <= {c.name for _, c in renamed}:
        pairs = ", ".join(f"“{name[:60]}” ≈ “{column.source_name}” ({column.label})" for name, column in renamed)
        raise Stop("held", "renamed_column", columns=pairs)
    if required:
        raise Stop("held", "missing_column", columns=_named(required))
    warnings = [on_the_file()]
    if unknown:
        warnings.append(on_the_file("new_column", columns=", ".join(name[:60] for name in unknown[:20])))
    if missing and not table.may_omit_columns:
        warnings.append(on_the_file("missing_optional_column", columns=_named(missing)))
    return replace(table, problems=pl.concat([table.problems, *warnings]))


def as_first(table: Table, first: Table, contract: Contract) -> Table:
    """A later piece of a file with those columns that nobody knows which the first one has; what it lacks is null."""
    known = {c.source_name for c in contract.columns}
    others = [name for name in first.rows.columns if name not in known]
    nothing = [pl.lit(None, pl.String).alias(name) for name in others if name not in table.rows.columns]
    kept = [name for name in table.rows.columns if name in known]
    return replace(table, rows=table.rows.with_columns(nothing).select(*others, *kept))


def of_later_pieces(sent: Collection[str], first: Table, contract: Contract) -> list[pl.DataFrame]:
    """Warnings on a file as a whole whose columns are known only when all of it was read.

    Args:
        sent: all of them.
        first: its first piece, of which `check_columns` has spoken.
        contract: the dataset's.
    """
    known = {c.source_name for c in contract.columns}
    later = [name for name in sent if name not in known and name not in first.rows.columns]
    missing = [c for c in _needed(first.rows, contract) if c.source_name not in sent]
    return [
        *([on_the_file("later_column", columns=", ".join(name[:60] for name in later[:20]))] if later else []),
        *([on_the_file("missing_optional_column", columns=_named(missing))] if missing else []),
    ]


def untyped(typed: pl.DataFrame, untypable: pl.DataFrame) -> pl.DataFrame:
    """How many cells of each column are not of its type.

    Args:
        typed: rows as `raw/` holds them.
        untypable: problems of cells that are not of their column's type.

    Returns:
        For each typed column its name, how many cells are `filled` and `failed`, the `first` row that failed, and what
        is said of it (`vi`, `en`).
    """
    filled = {name.removeprefix(RECEIVED): typed[name].count() for name in typed.columns if name.startswith(RECEIVED)}
    counts = pl.DataFrame(
        {"column": [*filled], "filled": [*filled.values()]}, {"column": pl.String, "filled": pl.Int64}
    )
    failed = pl.len().cast(pl.Int64).alias("failed")
    said = (pl.col(language).sort_by(ROW).first() for language in ("vi", "en"))
    failures = untypable.group_by("column").agg(failed, pl.col(ROW).min().alias("first"), *said)
    return counts.join(failures, on="column", how="left").with_columns(pl.col("failed").fill_null(0))


def check_types(counts: pl.DataFrame, contract: Contract) -> None:
    """Compare what columns hold with their types.

    Args:
        counts: from `untyped`, of all parts of a file.
        contract: the dataset's.

    Raises:
        Stop: if hardly a cell of some column is of its type.
    """
    first = (pl.col(name).sort_by("first", nulls_last=True).first() for name in ("first", "vi", "en"))
    total = counts.group_by("column", maintain_order=True).agg(pl.sum("failed", "filled"), *first)
    changed = total.filter(pl.col("filled") >= _CHANGED_FROM, pl.col("failed") >= _CHANGED_SHARE * pl.col("filled"))
    for name, row, vi, en in changed.select("column", "first", "vi", "en").iter_rows():
        raise Stop("held", "changed_type", column=contract.column(name).label, row=row, detail=Text(vi, en))


def _needed(rows: pl.DataFrame, contract: Contract) -> Sequence[Column]:
    """The columns of which something is said where they are missing."""
    return contract.naming if _only_deletes(rows, contract) else contract.columns


def _only_deletes(rows: pl.DataFrame, contract: Contract) -> bool:
    """Whether every row says that a record is no more; then it need not say anything else of it."""
    change = contract.column_with_role("change")
    if change is None or change.source_name not in rows.columns or rows.is_empty():
        return False
    sent = pl.DataFrame([rows[ROW], rows[change.source_name]])
    typed, _ = type_cells(sent, replace(contract, columns=(change,)))
    return bool(datatypes.deletes(typed, contract).all())


def _named(columns: Sequence[Column]) -> str:
    return ", ".join(f"{c.label} ({c.source_name})" for c in columns)


def _renamed(
    rows: pl.DataFrame, missing: Sequence[Column], unknown: Sequence[str], contract: Contract
) -> list[tuple[str, Column]]:
    """Pairs of an unknown column and the missing one that it is likely to be, the likeliest first."""
    names = [name for name in unknown if len(name) <= _LONGEST_NAME]
    scored: list[tuple[float, str, Column]] = []
    for column in missing:
        alike = _alike(names, column)
        likeliest = sorted(names, key=lambda name: -alike[name])[:_CANDIDATES]
        scored += [(_likeness(rows, name, alike[name], column, contract), name, column) for name in likeliest]
    pairs: list[tuple[str, Column]] = []
    for score, name, column in sorted(scored, key=lambda s: -s[0]):
        if score >= _ALIKE and all(name != n and column != c for n, c in pairs):
            pairs.append((name, column))
    return pairs


def _alike(names: Sequence[str], column: Column) -> dict[str, float]:
    """How much each name is like the column's, between 0 and 1."""
    alike = dict.fromkeys(names, 0.0)
    for known in (column.source_name, column.label):
        matcher = SequenceMatcher(None, b=_plain(known))
        for name in names:
            matcher.set_seq1(_plain(name))
            alike[name] = max(alike[name], matcher.ratio())
    return alike


def _likeness(rows: pl.DataFrame, name: str, alike: float, column: Column, contract: Contract) -> float:
    """How much a column that came is like a missing one by its name and what it holds, between 0 and 1."""
    if column.semantic_type == "text" or column.period_column:
        return alike  # anything is text, and a place is told by its period
    return (alike + fit.share(rows[name], column, contract)) / 2


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    return re.sub(r"[^a-z0-9]+", "_", "".join(c for c in letters if not unicodedata.combining(c)))
