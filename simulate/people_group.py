"""The people's agencies beside the civil registry and the hospitals: one population, seen by each in its own way."""

from __future__ import annotations

import polars as pl

from simulate import benefits, contributions, education, justice, membership, police, records, social
from simulate.events import Events
from simulate.sending import Sender

SENDERS: tuple[Sender, ...] = (
    police.RESIDENTS,
    membership.HEALTH_MEMBERSHIP,
    education.SCHOOLS,
    education.PUPILS,
    social.ASSISTANCE,
    contributions.CONTRIBUTIONS,
    benefits.BENEFITS,
    justice.VIOLATIONS,
    records.RECORDS,
)


def known(happened: Events) -> dict[str, pl.DataFrame]:
    """What is true of the people, whoever tells of them."""
    names = ("births", "deaths", "marriages", "moves", "jobs_lost")
    world = happened.world
    return {"people": world.people, "schools": world.schools, **{name: getattr(happened, name) for name in names}}
