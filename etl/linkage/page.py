"""The pairs that a person must decide as one HTML page, side by side; it needs nothing else and runs nothing.

It holds personal data of several agencies at once: it is written for the one who asks for it, and is no part of the
site that agencies read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import yaml

from etl.contract import Contracts
from etl.linkage.explain import Weight
from etl.linkage.review import Pair
from etl.rendering import templates
from etl.settings import TEMPLATES

_ROOM = 2.0  # bits, beside the longest bar


class Bar(NamedTuple):
    """One step of a waterfall, or one bar from zero, in per cent of the chart's width.

    Attributes:
        weight: what it shows.
        start: its left end.
        width: of it.
    """

    weight: Weight
    start: float
    width: float


class Shown(NamedTuple):
    """A pair with what each field adds, from what is thought of any two to what is thought of these.

    Attributes:
        pair: which one.
        zero: where as much speaks for one person as for two, in per cent of the chart's width.
        start: what is thought of any two.
        steps: of each field that was compared.
    """

    pair: Pair
    zero: float
    start: Bar
    steps: dict[str, Bar]


def page(
    pairs: Sequence[Pair], prior: float, weights: dict[str, list[Weight]], contracts: Contracts, now: datetime
) -> str:
    """The page.

    Args:
        pairs: to be decided.
        prior: what is thought of any two records, in bits.
        weights: of the model: what agreement and difference in each field weigh.
        contracts: of the datasets, for their titles.
        now: when it is made.
    """
    shown = [_waterfall(pair, prior) for pair in pairs]
    bits = [weight.bits for of_field in weights.values() for weight in of_field] or [0.0]
    low, high = min(0.0, *bits) - _ROOM, max(0.0, *bits) + _ROOM
    chart = {field: [_bar(w, 0.0, w.bits, low, high) for w in of_field] for field, of_field in weights.items()}
    zero = _share(0.0, low, high)
    template = templates().get_template("linkage.html.j2")
    return template.render(
        shown=shown, chart=chart, zero=zero, contracts=contracts, said=_wording(), prior=prior, now=now
    )


def _waterfall(pair: Pair, prior: float) -> Shown:
    reached = [prior]
    for weight in pair.weights:
        reached.append(reached[-1] + weight.bits)
    low, high = min(0.0, *reached) - _ROOM, max(0.0, *reached) + _ROOM
    steps = zip(pair.weights, reached, reached[1:], strict=False)
    return Shown(
        pair,
        _share(0.0, low, high),
        _bar(Weight("", "", prior), 0.0, prior, low, high),
        {weight.field: _bar(weight, start, end, low, high) for weight, start, end in steps},
    )


def _bar(weight: Weight, start: float, end: float, low: float, high: float) -> Bar:
    left, right = (_share(bits, low, high) for bits in sorted((start, end)))
    return Bar(weight, left, max(right - left, 0.5))


def _share(bits: float, low: float, high: float) -> float:
    return 100 * (bits - low) / (high - low)


@cache
def _wording() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((TEMPLATES / "linkage.yaml").read_text(encoding="utf-8"))
    return loaded
