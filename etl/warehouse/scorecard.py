"""The scorecard: how the measures of the city's goals stand, as the mart of that name says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import sqlalchemy as sa

from etl.contract import Text


@dataclass(frozen=True)
class Score:
    """A measure of a goal, for a period.

    Attributes:
        goal: its number.
        goal_title: the goal itself.
        measure: the measure's code.
        period: a month (2026-03), a year (2026) or a half of one (2025-H1); None where there is nothing to tell of.
        title: what is measured.
        unit: `%` or `d` (days).
        numerator: as the warehouse counts it; None where it cannot.
        denominator: of how many.
        value: in the unit; None: no data.
        claimed: the numerator that the agencies state; None where they state none.
        claimed_value: the same in the unit.
        target_2025: of the strategy to 2025, in the unit; None: it has none.
        target_2030: of the one after it; None: not known.
        numerator_is: what is counted.
        denominator_is: of what.
        claim_is: what the agencies state.
        present: those in the numerator, where they can be listed.
        missing: those of the denominator that are not.
        state_on: the day of which it is.
        told_until: the last period of the input that is the furthest behind.
        inputs: the datasets that it is computed from.
        inputs_lacking: of these, those that never came.
        reason: why there is no value: inputs, untold or nothing.
    """

    goal: int
    goal_title: Text
    measure: str
    period: str | None
    title: Text
    unit: str
    numerator: int | None
    denominator: int | None
    value: Decimal | None
    claimed: int | None
    claimed_value: Decimal | None
    target_2025: Decimal | None
    target_2030: Decimal | None
    numerator_is: Text | None
    denominator_is: Text | None
    claim_is: Text | None
    present: tuple[str, ...]
    missing: tuple[str, ...]
    state_on: date | None
    told_until: date | None
    inputs: tuple[str, ...]
    inputs_lacking: tuple[str, ...]
    reason: str | None


_AS_THEY_ARE = ("goal", "measure", "period", "unit", "numerator", "denominator", "value", "claimed", "claimed_value",
                "target_2025", "target_2030", "state_on", "told_until", "reason")  # fmt: skip


def scores(connection: sa.Connection) -> list[Score]:
    """All of them, by goal and measure, the last period first; none where the city has no such mart, or not yet."""
    if connection.execute(sa.text("SELECT to_regclass('exact.scorecard')")).scalar() is None:
        return []
    found = connection.execute(sa.text("SELECT * FROM exact.scorecard ORDER BY goal, measure, period DESC"))
    return [_score(row) for row in found.mappings()]


def _score(row: sa.RowMapping) -> Score:
    def text(name: str) -> Text | None:
        return None if row[f"{name}_vi"] is None else Text(row[f"{name}_vi"], row[f"{name}_en"])

    def names(name: str, separator: str) -> tuple[str, ...]:
        return tuple(row[name].split(separator)) if row[name] else ()

    return Score(
        **{name: row[name] for name in _AS_THEY_ARE},
        goal_title=Text(row["goal_vi"], row["goal_en"]),
        title=Text(row["title_vi"], row["title_en"]),
        numerator_is=text("numerator"),
        denominator_is=text("denominator"),
        claim_is=text("claim"),
        present=names("present", "; "),
        missing=names("missing", "; "),
        inputs=names("inputs", ";"),
        inputs_lacking=names("inputs_lacking", ";"),
    )
