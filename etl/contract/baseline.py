"""A baseline: how far a delivery may differ in one measure from the accepted ones before it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from etl.contract.fields import Name, Part, Severity, Share

Measure = Literal["rows", "nulls", "share", "amount", "age", "changed", "ended"]
SHARES: tuple[Measure, ...] = ("nulls", "share", "changed", "ended")  # of some rows: from 0 to 1
FEWEST = 5  # deliveries that make a past


def _slack(said: float) -> float:
    if not 0 <= said < float("inf"):
        raise ValueError(f"is {said!r}, and must be a number of 0 or more")
    return said


def _last(said: int) -> int:
    if said < FEWEST:
        raise ValueError(f"is {said}, and must be {FEWEST} or more; fewer deliveries are no past")
    return said


class Baseline(Part):
    """One line of the customProperty `baselines`."""

    measure: Measure = Field(
        description="what is compared. rows: how many there are; nulls: the share of rows without a value in `of`; "
        "share: that of rows with each code, or in each district; amount: mean and quartiles; age: days from the date "
        "`of` to the period; changed: the share of a snapshot's rows that the one before did not have exactly so; "
        "ended: the share of the records of the snapshot before that this one lacks",
        examples=["rows"],
    )
    of: Name | None = Field(default=None, description="the column, of nulls, share, amount and age")
    slack: Annotated[float, AfterValidator(_slack)] = Field(
        default=0.0,
        description="how far outside the past a number may lie: of rows and amount such a part of what is usual, of "
        "nulls, share and changed such a share of the rows, of age so many days",
    )
    last: Annotated[int, AfterValidator(_last)] = Field(
        default=28, description=f"accepted deliveries that are looked back on; with fewer than {FEWEST} nothing is said"
    )
    most: Share | None = Field(
        default=None, description="of ended, which is not compared with the past: the share that may end"
    )
    severity: Severity = Field(default="critical", description="critical holds the delivery, warning is only noted")
