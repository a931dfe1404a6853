"""Household businesses: since July 2025 under the personal id of their owner; those before it are on no tax list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl

from simulate.chance import days_before, generator, parted, some, told_of
from simulate.events import OLDEST, Events
from simulate.extract import Wrong, at_times
from simulate.people import REFORM
from simulate.sending import Sender, Sending
from simulate.tax import enterprise_codes
from simulate.units import placed

_OLDER = 0.01  # of the people: have one that was registered before July 2025 and never closed
_A_DAY = ((0.003, 14), (0.002, 6), (0.0005, 1))  # suspended, ended, become an enterprise; and at least
_RESTS = timedelta(days=90)
_NEVER = 0.2  # of the dead owners whose heirs tell nobody
_KEPT = ["household_code", "old_certificate", "day", "pid", "owner", "birth", "sex", "business_ward",
         "business_address", "address_ward_valid_from", "phone", "main_industry", "capital", "workers",
         "registered_on", "status", "suspended_until", "ended_on", "became"]  # fmt: skip


def registered(happened: Events) -> pl.DataFrame:
    """The household businesses, with the day on which the communes tell of them first."""
    world = happened.world
    owners = world.people.select(pl.exclude("phone", "address", "day"), "phone")
    known = happened.taxpayers.filter(pl.col("taxpayer_type") == "2").select(
        "day", "registered_on", "address", "address_ward", "address_ward_valid_from", pid="representative_id",
        main_industry="vsic_code",
    )  # fmt: skip
    known = known.unique("pid", keep="first", maintain_order=True)
    known = known.join(owners, on="pid", maintain_order="left").with_columns(
        household_code="pid", business_ward="address_ward", business_address="address",
        registered_on=pl.when(pl.col("day") > world.start).then("day")
        .otherwise(pl.col("registered_on").clip(upper_bound=world.start)),
    )  # fmt: skip
    older = _older(happened, known.filter(pl.col("day") == world.start), owners)
    rows = pl.concat([older, known.join(older, on="pid", how="anti", maintain_order="left")], how="diagonal_relaxed")
    rows = rows.filter(pl.col("registered_on").dt.year() - pl.col("birth").dt.year() >= 18)
    rng = generator(world.seed, "what household businesses are")
    chance = rng.random((rows.height, 2))  # a row's is that of its place
    return rows.with_columns(
        owner="name",
        capital=pl.Series((chance[:, 0] * 490 + 10).astype(int) * 1_000_000),
        workers=pl.Series((chance[:, 1] * 8).astype(int)),
        status=pl.lit("HD"),
        suspended_until=pl.lit(None, pl.Date),
        ended_on=pl.lit(None, pl.Date),
        became=pl.lit(None, pl.String),
    ).select(_KEPT)


def _older(happened: Events, known: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """Those from before the reform: with a tax code of their own, and a certificate of a district that is no more."""
    world = happened.world
    rng = generator(world.seed, "older household businesses")
    may = owners.filter(pl.col("age").is_between(20, OLDEST)).join(known, on="pid", how="anti")
    rows = some(rng, may, _OLDER, least=20)
    n = rows.height
    codes = pl.Series(enterprise_codes(rng, 2 * n + 50), dtype=pl.String)
    codes = codes.filter(~codes.is_in(happened.taxpayers["tax_code"].implode()))
    rows = rows.with_columns(
        codes[:n].alias("household_code"),
        old_certificate="41X8" + pl.Series(rng.integers(10**6, 10**7, n)).cast(pl.String),
        day=pl.lit(world.start),
        registered_on=pl.Series(days_before(rng, np.datetime64(REFORM), 170, n)).cast(pl.Date),
        main_industry=pl.lit("47110"),
    )
    return placed(rows, "registered_on", address="business_address").with_columns(
        business_ward="business_address_ward", address_ward_valid_from="business_address_ward_valid_from"
    )


def _sendings(happened: Events) -> Iterator[Sending]:
    seed, start = happened.world.seed, happened.world.start
    all_ = registered(happened)
    running = all_.filter(pl.col("day") == start)
    stock = at_times(_rows(running), "T", pl.col("registered_on"), generator(seed, "household businesses"))
    deaths = told_of(seed, "deaths to the communes", happened.deaths, range(2, 20), _NEVER)
    founded = happened.taxpayers.filter((pl.col("taxpayer_type") == "1") & (pl.col("tax_code").str.len_chars() == 10))
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "household businesses", number)
        today = pl.lit(day)
        new = all_.filter((pl.col("day") == day) & (pl.col("day") > start))
        dead = running.join(deaths.filter(pl.col("told") == day), on="pid", how="semi", maintain_order="left")
        running = running.join(dead, on="pid", how="anti", maintain_order="left")
        resting, ended, become, running = parted(rng, running, *_A_DAY)
        of_today = founded.filter((pl.col("day") == day) & (pl.col("day") > start))["tax_code"]
        become, not_yet = become[: of_today.len()], become[of_today.len() :]
        changed = [
            resting.with_columns(status=pl.lit("TN"), suspended_until=pl.lit(day + _RESTS)),
            pl.concat([ended, dead]).with_columns(status=pl.lit("CD"), ended_on=today),
            become.with_columns(status=pl.lit("CDN"), ended_on=today, became=of_today[: become.height].cast(pl.String)),
        ]
        sent = [at_times(_rows(new), "T", today, rng), at_times(_rows(pl.concat(changed)), "S", today, rng)]
        running = pl.concat([running, not_yet, new])
        yield Sending(day, day, pl.concat(([stock] if number == 1 else []) + sent))


def _rows(businesses: pl.DataFrame) -> pl.DataFrame:
    return businesses.select(
        "household_code",
        "old_certificate",
        "phone",
        "main_industry",
        "capital",
        "workers",
        "registered_on",
        "status",
        "suspended_until",
        "ended_on",
        "became",
        "address_ward_valid_from",
        name=pl.lit("Hộ kinh doanh ") + pl.col("owner"),
        owner_name="owner",
        owner_birth_date="birth",
        owner_sex="sex",
        owner_id="pid",
        address="business_address",
        address_ward="business_ward",
        ward="business_ward",
        started_on="registered_on",
    )


HOUSEHOLDS = Sender(
    "business.households",
    _sendings,
    (
        Wrong("missing_required", "owner_name"),
        Wrong("short_personal_id", "owner_id"),
        Wrong("impossible_date", "registered_on"),
        Wrong("owner_is_a_child", "owner_birth_date", "01/06/2020"),
        Wrong("unknown_code", "main_industry"),
        Wrong("unknown_code", "owner_sex"),
        Wrong("unknown_ward", "ward"),
        Wrong("malformed_phone", "phone"),
        Wrong("in_thousands", "capital", "50000", "warned", int),
        Wrong("became_nothing", "status", "CDN", "rejected"),
        Wrong("many_workers", "workers", "120", "warned", int),
        Wrong("too_many_cells"),
        Wrong("unclosed_quote"),
    ),
)
