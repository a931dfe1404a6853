"""Which of a delivery's good rows repeat others, and which contradict each other."""

from __future__ import annotations

import polars as pl
from upath import UPath

from etl import datatypes
from etl.contract import Contract
from etl.datatypes import whole_row
from etl.delivery.columns import ROW
from etl.delivery.problems import NO_PROBLEMS, rejected_rows
from etl.validate.expected import unique_key
from etl.validate.findings import NOWHERE, Finding, Positions, failures, judge
from etl.validate.rows import Rows


def keys(rows: Rows) -> pl.DataFrame:
    """The standard key of each row; of whole rows their hash, without which one of its equals each is."""
    contract = rows.contract
    if contract.has_whole_row_key:
        standard = pl.concat([rows.standard(column) for column in contract.content], how="horizontal")
        return whole_row.hashes(standard).to_frame()
    made = [rows.standard(column) for column in contract.key]
    if sequence := contract.column_with_role("sequence"):
        made.append(rows.frame.select(sequence.name))
    return pl.concat(made, how="horizontal").select(_key_names(contract))


def _key_names(contract: Contract) -> list[str]:
    names = [o.name for o in datatypes.key_outputs(contract)]
    # Within one file of changes the same record may change twice, but not twice at once.
    sequence = contract.column_with_role("sequence")
    return [*names, sequence.name] if sequence else names


def unique(path: UPath, good: pl.DataFrame, contract: Contract) -> tuple[pl.Series, pl.DataFrame, list[Finding]]:
    """Tell duplicates and contradictions among the good rows.

    Args:
        path: all rows.
        good: ROW and `key`, a hash of the standard key, of the good ones.
        contract: the dataset's.

    Returns:
        Numbers of the accepted rows, in their order; the problems of contradictory ones; and the finding on them.
    """
    if contract.has_whole_row_key:  # each of equal rows is a record
        return good[ROW], NO_PROBLEMS, []
    if good.is_empty():
        return good[ROW], NO_PROBLEMS, []
    ordered = good["key"].sort()  # takes far less memory than a hash table of millions of hashes
    twice = ordered.filter(ordered == ordered.shift(1)).unique()
    if twice.is_empty():
        return good[ROW], NO_PROBLEMS, [_finding(NOWHERE, good.height, contract)]
    again = good.filter(pl.col("key").is_in(twice.implode()))[ROW]
    rows = pl.scan_parquet(str(path)).filter(pl.col(ROW).is_in(again.implode())).collect(engine="streaming")
    is_first = _is_first(rows.select(c.name for c in contract.columns))  # those equal as typed are equal as standard
    later, rows = rows.filter(~is_first)[ROW], rows.filter(is_first)
    if good.filter(pl.col(ROW).is_in(rows[ROW].implode()))["key"].is_unique().all():
        return _without(good, later), NO_PROBLEMS, [_finding(NOWHERE, good.height - len(later), contract)]
    standard = Rows(rows, contract)
    is_first = _is_first(pl.concat([standard.standard(c) for c in contract.columns], how="horizontal"))
    later = pl.concat([later, rows.filter(~is_first)[ROW]])
    rows, made = rows.filter(is_first), keys(standard).filter(is_first)
    (judged,) = judge(Rows(made, contract), [unique_key(made.columns, contract)])
    found = _finding(judged.positions, good.height - len(later), contract)
    contradicting = failures(rows, found, contract)
    return _without(good, pl.concat([later, rejected_rows(contradicting)])), contradicting, [found]


def _is_first(rows: pl.DataFrame) -> pl.Series:
    """Whether each row is the first of those equal to it."""
    return rows.select(pl.struct(pl.all()).is_first_distinct()).to_series()


def _without(good: pl.DataFrame, gone: pl.Series) -> pl.Series:
    return good[ROW].filter(~good[ROW].is_in(gone.implode()))


def _finding(failing: Positions, count: int, contract: Contract) -> Finding:
    """The finding on all rows, of which those that are not among the judged ones are known to be unique."""
    result = {"element_count": count, "unexpected_count": len(failing)}
    expectation = unique_key(_key_names(contract), contract)
    return Finding(expectation, len(failing) <= contract.max_rejected * count, result, failing)
