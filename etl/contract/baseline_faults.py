"""What is wrong between a contract's baselines and its columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from etl.contract.baseline import SHARES, Baseline
from etl.contract.column import Column
from etl.contract.column_rules import meaning
from etl.contract.fields import DeliveryMode
from etl.contract.names import nearest

_OF_ROWS_AS_A_WHOLE = ("rows", "changed", "ended")  # measures that are of no column
_OF_SNAPSHOTS = ("changed", "ended")
_COUNTED = ("code", "ward")
_BY_TYPE: dict[str, tuple[str, ...]] = {"amount": ("integer", "number"), "age": ("date", "timestamp")}


def faults(baselines: Collection[Baseline], mode: DeliveryMode, columns: Collection[Column]) -> Iterator[str]:
    """What is wrong with each baseline, and which of them stand twice.

    Args:
        baselines: as the contract says them.
        mode: what a file says of the records that it does not have.
        columns: the contract's.
    """
    by_name = {column.name: column for column in columns}
    known = set[tuple[str, str | None]]()
    for baseline in baselines:
        said = f"{baseline.measure} of {baseline.of}" if baseline.of else baseline.measure
        if (baseline.measure, baseline.of) in known:
            yield f"baselines: {said} stands twice; keep one"
        known.add((baseline.measure, baseline.of))
        for fault in (*_of_column(baseline, by_name), *_of_bounds(baseline)):
            yield f"baselines: {said}: {fault}"
        if baseline.measure in _OF_SNAPSHOTS and mode != "snapshot":
            yield f"baselines: {said}: it is of snapshots, and deliveryMode is {mode}; leave it out"


def _of_column(baseline: Baseline, columns: dict[str, Column]) -> Iterator[str]:
    measure, of = baseline.measure, baseline.of
    if measure in _OF_ROWS_AS_A_WHOLE:
        if of:
            yield "it is of all rows; leave out `of`"
    elif of is None:
        yield f"`of` is missing; name the column, as {{measure: {measure}, of: ...}}"
    elif of not in columns:
        yield f"there is no column {of!r}; {nearest(of, columns)}"
    elif measure == "share" and meaning(columns[of]) not in _COUNTED:
        yield f"shares are counted of {' and '.join(_COUNTED)} only, for others may name a person"
    elif measure in _BY_TYPE and columns[of].logical_type not in _BY_TYPE[measure]:
        yield f"it is of a column of type {' or '.join(_BY_TYPE[measure])}, and {of} is none"


def _of_bounds(baseline: Baseline) -> Iterator[str]:
    if baseline.measure == "ended":
        if baseline.most is None:
            yield "`most` is missing; write the share of records that may end, as {measure: ended, most: 0.1}"
        if baseline.model_fields_set & {"slack", "last"}:
            yield "`most` bounds it, whatever the past; leave out `slack` and `last`"
    elif baseline.most is not None:
        yield "it is compared with the past, and only ended has `most`; write `slack`"
    elif baseline.measure in SHARES and baseline.slack > 1:
        yield f"slack is {baseline.slack:g}, and must be a share of rows from 0 to 1"
