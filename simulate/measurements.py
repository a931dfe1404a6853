"""What the stations measure: hour by hour, with devices that fail, and samples of water when a month ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import polars as pl

from simulate import stations
from simulate.chance import generator
from simulate.events import Events
from simulate.extract import Wrong
from simulate.sending import Sender, Sending

# Of each parameter the usual value in micrograms in a cubic metre. PM10 is what PM2.5 is, and more.
_USUAL = {"PM2.5": 24.0, "NO2": 32.0, "SO2": 14.0, "O3": 45.0, "CO": 900.0}
_COARSE = (1.3, 1.9)  # PM10 by PM2.5
_PEAKS = (8, 19)  # hours of traffic
_BLIND = 0.15  # of the stations, a day: send nothing for some hours
_SHORT = 0.02  # of the values: less than three quarters of the hour
_ABOVE = 0.01  # of the hours: a device that says more fine dust than dust
_DRIFT = 0.02  # of the values of SO2: below nothing
_SAMPLED = 40  # places where water is taken when a month ends
_AIR, _WATER = "µg/Nm3", "mg/L"


def _sendings(happened: Events) -> Iterator[Sending]:
    all_ = stations.stations(happened)
    automatic = all_.filter("is_automatic")["code"]
    water = all_.filter(pl.col("medium") == "NM")["code"][:_SAMPLED]
    for number, day in enumerate(happened.days, start=1):
        rng = generator(happened.world.seed, "measurements", number)
        rows = [_hours(rng, automatic, day)]
        if (day + timedelta(days=1)).day == 1:
            rows.append(_samples(rng, water, day))
        yield Sending(day, day, pl.concat(rows, how="diagonal"))


def _hours(rng: np.random.Generator, codes: pl.Series, day: date) -> pl.DataFrame:
    """A day of hour means of all automatic stations."""
    hours = codes.to_frame("station_code").join(
        pl.DataFrame({"hour": range(24)}), how="cross", maintain_order="left_right"
    )
    n = hours.height
    hour = hours["hour"].to_numpy()
    traffic = 1 + sum(0.5 * np.exp(-((hour - peak) ** 2) / 8) for peak in _PEAKS)
    of_day = rng.lognormal(0, 0.25) * traffic
    at_a_road = 1 + 0.4 * (hours["station_code"].str.tail(3).cast(pl.Int64).to_numpy() % 3 == 0)
    values = {name: usual * of_day * at_a_road * rng.lognormal(0, 0.2, n) for name, usual in _USUAL.items()}
    values["PM10"] = values["PM2.5"] * rng.uniform(*_COARSE, n)
    above = rng.random(n) < _ABOVE
    values["PM2.5"] = np.where(above, values["PM10"] * 1.4, values["PM2.5"])
    values["SO2"] = np.where(rng.random(n) < _DRIFT, -1.2, values["SO2"])
    stuck = (hours["station_code"] == codes[int(rng.integers(0, codes.len()))]).to_numpy() & (hour >= 16)
    values["O3"] = np.where(stuck, 41.0, values["O3"])
    calibrated = hour == 2 + day.day % 3
    blind = _runs(rng, codes.len(), hour)
    made = []
    for name, value in sorted(values.items()):
        is_off = calibrated & (name == "NO2")
        minutes = np.where(rng.random(n) < _SHORT, 30, 60)
        made.append(
            hours.with_columns(
                parameter=pl.lit(name),
                measured_value=pl.when(~pl.lit(pl.Series(is_off))).then(pl.lit(pl.Series(value.round(1)))),
                measure_status=pl.when(pl.lit(pl.Series(is_off))).then(pl.lit("01")).otherwise(pl.lit("00")),
                valid_minutes=pl.Series(minutes),
            ).filter(pl.Series(~blind))
        )
    rows = pl.concat(made)
    one, two = pl.Decimal(18, 4), pl.Decimal(18, 2)
    midnight = pl.lit(datetime.combine(day, time()))
    return rows.select(
        "station_code",
        "parameter",
        "measure_status",
        "valid_minutes",
        measured_at=(midnight + pl.duration(hours="hour")).cast(pl.Datetime("us")),
        averaging=pl.lit("1h"),
        measured_value=pl.col("measured_value").cast(one),
        unit=pl.lit(_AIR),
        temperature=(26 + 6 * (pl.col("hour") - 14).abs() / -14 + 6).round(1).cast(two),
        pressure=pl.lit(Decimal("1008.50")).cast(two),
        humidity=pl.lit(Decimal("72.00")).cast(two),
        review=pl.lit("0"),
    )


def _runs(rng: np.random.Generator, count: int, hour: np.ndarray) -> np.ndarray:
    """Which hours of which stations are missing, several in a row."""
    first, length = rng.integers(0, 20, count), rng.integers(2, 9, count)
    is_blind = rng.random(count) < _BLIND
    of = np.repeat(np.arange(count), 24)
    missing: np.ndarray = is_blind[of] & (hour >= first[of]) & (hour < first[of] + length[of])
    return missing


def _samples(rng: np.random.Generator, codes: pl.Series, day: date) -> pl.DataFrame:
    """Samples of water; what is too little to be measured is told by the limit of the method."""
    rows = codes.to_frame("station_code").join(
        pl.DataFrame({"parameter": stations.WATER}), how="cross", maintain_order="left_right"
    )
    value = pl.Series(rng.lognormal(2, 0.8, rows.height).round(1))
    is_below = pl.lit(value < 2)
    return rows.with_columns(
        measured_at=pl.lit(datetime.combine(day, time(9))).cast(pl.Datetime("us")),
        averaging=pl.lit("mau"),
        measured_value=pl.when(is_below).then(2.0).otherwise(pl.lit(value)).cast(pl.Decimal(18, 4)),
        qualifier=pl.when(is_below).then(pl.lit("<")),
        unit=pl.lit(_WATER),
        measure_status=pl.lit("00"),
        method=pl.lit("TCVN 6001"),
        review=pl.lit("1"),
    )


MEASUREMENTS = Sender(
    "environment.measurements",
    _sendings,
    (
        Wrong("code_for_missing", "measured_value", "-999"),
        Wrong("not_a_number", "measured_value"),
        Wrong("more_than_can_be", "measured_value", "100000001"),
        Wrong("parts_in_a_billion", "unit", "ppb"),
        Wrong("unknown_code", "parameter"),
        Wrong("unknown_code", "measure_status"),
        Wrong("unknown_code", "review"),
        Wrong("impossible_date", "measured_at", "2026-02-31T08:00:00"),
        Wrong("more_than_all_air", "humidity", "140"),
        Wrong("more_minutes_than_an_hour", "valid_minutes", "90"),
        Wrong("too_many_cells"),
        Wrong("unclosed_quote"),
    ),
    ("measured_value", "12.34"),
)
