"""Money and business: who is registered where, what the treasury takes in and pays, and what banks tell."""

from __future__ import annotations

import polars as pl

from simulate import banks, enterprises, estimates, household_businesses, projects, vouchers
from simulate.events import Events
from simulate.sending import Sender

SENDERS: tuple[Sender, ...] = (
    enterprises.ENTERPRISES,
    household_businesses.HOUSEHOLDS,
    estimates.ESTIMATES,
    vouchers.VOUCHERS,
    projects.PROJECTS,
    projects.DISBURSEMENTS,
    banks.INDICATORS,
)


def known(happened: Events) -> dict[str, pl.DataFrame]:
    """What is true of business, whoever tells of it."""
    built = projects.projects(happened)
    return {
        "taxpayers": happened.taxpayers,
        "declarations": happened.declarations,
        "estimates": estimates.lines(happened),
        "projects": built,
        "payments": projects.payments(happened, built),
    }
