"""Land and city, and the governance of data: plans, works, roads, vehicles, the air, and which databases there are."""

from __future__ import annotations

import polars as pl

from simulate import governance, licences, measurements, road_works, stations, vehicles, works, zones
from simulate.events import Events
from simulate.sending import Sender

SENDERS: tuple[Sender, ...] = (
    works.WORKS,
    zones.ZONES,
    stations.STATIONS,
    measurements.MEASUREMENTS,
    vehicles.VEHICLES,
    licences.LICENCES,
    road_works.ROAD_WORKS,
    governance.DATABASES,
    governance.INITIATIVES,
)


def known(happened: Events) -> dict[str, pl.DataFrame]:
    """What is true of the land, whoever tells of it."""
    return {"parcels": happened.parcels, "permits": happened.permits}
