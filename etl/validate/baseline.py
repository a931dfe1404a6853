"""Comparison with the past: whether a delivery looks like the accepted ones before it, as far as its contract says.

What is looked back on is what lay before it in time, not what arrived before it: a delivery that walks again is
compared with the same ones. Files of one period that are parts of a whole, such as one a hospital, are told apart by
the column that the contract names as `part`. Where it names none, a snapshot that has (almost) no record of the one
before it on the same period may be a part all the same, and a person is asked.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from etl.contract import FEWEST, SHARES, Baseline, Column, Contract, Text
from etl.delivery.columns import ROW
from etl.delivery.messages import HOLD_MINIMUM, wording
from etl.delivery.model import Delivery
from etl.delivery.problems import PROBLEM, problems
from etl.delivery.profile import Earlier, Number, Profile
from etl.delivery.storage import Storage
from etl.validate.expected import like_the_past
from etl.validate.findings import Finding, judge
from etl.validate.profile import Counts, Sent, staged_keys
from etl.validate.rows import Rows

_SHARED = 0.1  # share of the records of the smaller of two snapshots below which they may be two parts
_ERRORS = 3  # standard errors outside the past that are taken for chance
_NAMED = 3  # numbers of one baseline, or new columns, that are named
_ITEMS = {
    "mean": Text("trung bình", "the mean"),
    "q10": Text("mức mà 10% số dòng không vượt quá", "the 10% quantile"),
    "q25": Text("mức mà 25% số dòng không vượt quá", "the lower quartile"),
    "q50": Text("trung vị", "the median"),
    "q75": Text("mức mà 75% số dòng không vượt quá", "the upper quartile"),
}


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    Attributes:
        profile: of the delivery; None if it adds to one of its period and is no likeness of others.
        findings: the answers.
        problems: PROBLEM schema, without row numbers: what only warns.
        reasons: why the delivery is held; empty if it is not.
        renamed: columns that seem to be renamed since the delivery before; empty if none does.
        other: the file of the same period of which this one may be another part, and not a later word.
    """

    profile: Profile | None
    findings: list[Finding]
    problems: pl.DataFrame
    reasons: list[Text]
    renamed: str = ""
    other: str | None = None


NOTHING = Compared(None, [], pl.DataFrame(schema=PROBLEM), [])


def compare(
    storage: Storage,
    delivery: Delivery,
    contract: Contract,
    keys: pl.Series,
    counts: Counts,
    earlier: Earlier,
    is_waived: bool,
) -> Compared:
    """Measure a delivery and compare it with those before it.

    Args:
        storage: the data root.
        delivery: with its typed rows in `raw/`.
        contract: the dataset's.
        keys: hashes of the standard keys of the rows that would be loaded.
        counts: of codes and districts; see `etl.validate.profile.counted`.
        earlier: the past.
        is_waived: nothing holds the delivery, for a person has accepted it.
    """
    if delivery.corrects:
        return NOTHING
    if (other := _other_part(storage, delivery, contract, keys, earlier)) and not is_waived:
        return replace(NOTHING, other=other.file_name)
    part = _part(storage, delivery, contract)
    past = earlier.profiles(part, max((baseline.last for baseline in contract.baselines), default=1))
    sent = Sent(storage, delivery, contract, keys, counts, past[-1].delivery_id if past else None)
    renamed = _named(*sent.renamed())
    if contract.mode != "snapshot" and past and past[-1].as_of == delivery.as_of:
        return replace(NOTHING, renamed=renamed)  # a later word on some rows of a period
    numbers = [n for baseline in contract.baselines for n in sent.numbers(baseline.measure, baseline.of or "")]
    # A sum of numbers near the end of a double's range is none.
    numbers = [n for n in numbers if math.isfinite(n["value"]) and math.isfinite(n["error"])]
    profile = Profile(delivery.id, delivery.as_of, part, sent.count, numbers)
    return replace(_judged(profile, past, contract, is_waived), renamed=renamed)


def _named(came: list[str], gone: list[Column]) -> str:
    """Columns that came and columns that are gone, as people are told of them."""
    new = ", ".join(f"“{name[:60]}”" for name in came[:_NAMED])
    return f"{new} ≈ " + ", ".join(f"“{c.source_name}” ({c.label})" for c in gone) if new else ""


def _other_part(
    storage: Storage, delivery: Delivery, contract: Contract, keys: pl.Series, earlier: Earlier
) -> Delivery | None:
    """The file of the same period of which the delivery may be another part; None if there is none."""
    if contract.mode != "snapshot" or contract.part or (word := earlier.word()) is None:
        return None
    other = storage.delivery(contract.agency, contract.dataset, word)
    path = storage.folder("staging", other) / "rows.parquet"
    if not path.exists():
        return None
    theirs = staged_keys(path, contract)
    fewest = min(len(keys), len(theirs))
    return other if fewest and theirs.is_in(keys.implode()).sum() < _SHARED * fewest else None


def _part(storage: Storage, delivery: Delivery, contract: Contract) -> str | None:
    """The part that a delivery is of, or the parts; None if its contract knows none.

    A file of several parts, as of all grades of a school level, has its like in earlier files of the same ones.
    """
    if contract.part is None:
        return None
    rows = pl.scan_parquet(str(storage.folder("raw", delivery) / "rows.parquet"))
    values = rows.select(pl.col(contract.part).drop_nulls().unique().cast(pl.String)).collect().to_series()
    return ", ".join(values.sort()) or None


def _judged(profile: Profile, past: Sequence[Profile], contract: Contract, is_waived: bool) -> Compared:
    # Numbers without bounds, because the past is too short, are not judged.
    bounded = [_bounded(profile, past, baseline).drop_nulls("most") for baseline in contract.baselines]
    if all(numbers.is_empty() for numbers in bounded):
        return replace(NOTHING, profile=profile)
    findings, warnings, reasons = [], [], []
    for baseline, numbers in zip(contract.baselines, bounded, strict=True):
        expectation = like_the_past(baseline, contract)
        asked = expectation.waived() if is_waived else expectation
        (found,) = judge(Rows(numbers, contract), [asked])
        findings.append(found)
        outside = numbers[found.positions]
        label = contract.column(baseline.of).label if baseline.of else ""
        texts = [_said(number, found.rule, label, len(past)) for number in outside.head(_NAMED).iter_rows(named=True)]
        if found.severity == "critical":
            reasons += texts
        else:
            row = pl.DataFrame({ROW: [None], "value": [None]}, schema={ROW: pl.Int64, "value": pl.String})
            warnings += [problems(row, found.column, found.rule, text, expectation.about, "warning") for text in texts]
    return Compared(profile, findings, pl.concat([NOTHING.problems, *warnings]), reasons)


def _bounded(profile: Profile, past: Sequence[Profile], baseline: Baseline) -> pl.DataFrame:
    """The numbers that a baseline is about: what and item, value, and between which bounds it should lie.

    They are the least and the most of the past, widened by the baseline's slack, by what chance explains, and by as
    many rows as no delivery is held for. Where the past is too short there are none.
    """
    mine = _of(profile, baseline)
    before = [_of(p, baseline) for p in past[-baseline.last :]]
    before = [numbers for numbers in before if numbers]
    items = dict.fromkeys([*mine, *(item for numbers in before for item in numbers)]) if mine else {}
    rows = []
    for item in items:
        number = mine.get(item)
        if number is None and baseline.measure != "share":
            continue
        number = number or Number(measure="share", of=baseline.of or "", item=item, value=0, error=0, rows=profile.rows)
        least: float | None = None
        most: float | None = None
        if baseline.most is not None:
            least, most = 0.0, max(baseline.most, HOLD_MINIMUM / number["rows"])
        elif len(before) >= FEWEST and (number["rows"] >= HOLD_MINIMUM or baseline.measure == "rows"):
            values = [numbers[item]["value"] if item in numbers else 0.0 for numbers in before]
            width = _width(baseline, number, statistics.median(values))
            least, most = min(values) - width, max(values) + width
        rows.append((baseline.measure, item, number["value"], least, most))
    schema = {"measure": pl.String, "item": pl.String, **dict.fromkeys(("value", "least", "most"), pl.Float64)}
    return pl.DataFrame(rows, schema, orient="row")


def _width(baseline: Baseline, number: Number, usual: float) -> float:
    """How far outside the past a number may lie."""
    chance, slack = _ERRORS * number["error"], baseline.slack
    if baseline.measure in SHARES:
        return max(slack, chance, HOLD_MINIMUM / number["rows"])
    if baseline.measure == "age":
        return max(slack, chance)
    fewest = HOLD_MINIMUM if baseline.measure == "rows" else 0
    return max(slack * abs(usual), chance, fewest)


def _of(profile: Profile, baseline: Baseline) -> dict[str, Number]:
    asked = (baseline.measure, baseline.of or "")
    return {n["item"]: n for n in profile.numbers if (n["measure"], n["of"]) == asked}


def _said(number: dict[str, Any], rule: str, label: str, past: int) -> Text:
    """The rule's sentence on a number that lies outside its bounds."""
    measure, item = number["measure"], number["item"]
    named = _ITEMS[item] if measure in ("amount", "age") else item
    shown = {name: _shown(measure, number[name]) for name in ("value", "least", "most")}
    return wording(rule).fill(column=label, item=named, last=past, **shown)


def _shown(measure: str, number: float) -> str:
    if measure in SHARES:
        return f"{min(max(number, 0.0), 1.0):.1%}".replace(".", ",")
    if measure != "age":
        number = max(number, 0.0)
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
