"""Files as large as the city's own, by the real contracts: a small city's records, over and over under other keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from bench.inputs import BAD, FIRST_DAY, day
from simulate import contract as contracts
from simulate.city import write_city
from simulate.delivery import write
from simulate.extract import at_times, form
from simulate.measurements import MEASUREMENTS
from simulate.police import RESIDENTS
from simulate.sending import Sender
from simulate.vouchers import VOUCHERS

_PEOPLE = 20_000
_AT_ONCE = 10  # small cities that are written at a time
_STATIONS, _SMALL_CITYS = 60, 6  # automatic ones
LINES_A_DAY = 60_000  # of the treasury
_TREASURY = "0111"


def _small_city(sender: Sender) -> pl.DataFrame:
    """What must stand in the warehouse of a small city's first day."""
    table = contracts.read(sender.dataset).table
    with TemporaryDirectory() as folder:
        write_city(Path(folder), _PEOPLE, 1, 1, FIRST_DAY, is_whole=True)
        rows = pl.read_parquet(Path(folder) / "truth" / "tables" / f"{table}.parquet")
    return rows.filter(pl.col("valid_to").is_null()).drop("valid_from", "valid_to", "opened_by", "closed_by")


def _put(file: Path, sender: Sender, parts: Iterable[pl.DataFrame], seed: int) -> None:
    """Write a file, and beside it what its sender declares; of several parts one line stands under the other."""
    contract, totals = contracts.read(sender.dataset), dict[str, int]()
    with file.open("wb") as stream:
        for number, rows in enumerate(parts):
            rng = np.random.default_rng((seed, number))
            wrong = [each for each in sender.wrong if each.column]
            written = write(form(contract, wrong, rng, BAD / len(wrong)), rows, rng, at_least_one=False)
            totals |= {name: totals.get(name, 0) + total for name, total in written.totals.items()}
            stream.write(written.content)
    if totals:
        file.with_name(f"{file.name}.manifest.json").write_text(json.dumps({"totals": totals}))


def residents(folder: Path, rows: int) -> None:
    """Write one file: whoever lives in the city, under ids that nobody else has."""
    people = _small_city(RESIDENTS)
    prefix = pl.col("personal_id").str.head(6)  # place, century, sex and year of birth
    people = people.with_columns(pl.int_range(pl.len()).over(prefix).alias("rank"))
    ranks = int(people["rank"].max()) + 1  # type: ignore[arg-type]
    rng = np.random.default_rng(1)

    def parts() -> Iterator[pl.DataFrame]:
        for first in range(0, -(-rows // people.height), _AT_ONCE):
            cities = pl.DataFrame({"city": range(first, first + _AT_ONCE)})
            made = people.join(cities, how="cross").head(rows - first * people.height)
            tail = (pl.col("city") * ranks + pl.col("rank")).cast(pl.String).str.zfill(6)
            made = made.with_columns((prefix + tail).alias("personal_id"))
            yield at_times(made, "T", pl.col("registered_on"), rng)

    _put(folder / f"residents_{day(0)}.ndjson", RESIDENTS, parts(), 1)


def vouchers(folder: Path, rows: int) -> None:
    """Write a file a day: lines of the city's own budget."""
    lines = _small_city(VOUCHERS).filter(pl.col("treasury_code") == _TREASURY)
    for number in range(-(-rows // LINES_A_DAY)):
        left = min(LINES_A_DAY, rows - number * LINES_A_DAY)
        again = pl.DataFrame({"again": range(-(-left // lines.height))})
        made = lines.join(again, how="cross").head(left)
        later = timedelta(days=number)
        named = pl.format("{}-{}-{}", "voucher_no", pl.lit(number), "again")
        made = made.with_columns(named.alias("voucher_no"), pl.col("voucher_date", "posted_on") + later)
        _put(folder / f"vouchers_{day(number)}_{_TREASURY}.zip", VOUCHERS, [made], number)


def measurements(folder: Path, rows: int) -> None:
    """Write a file a day: hours of sixty stations."""
    values = _small_city(MEASUREMENTS)
    more = pl.DataFrame({"more": range(0, _STATIONS, _SMALL_CITYS)})
    number = pl.col("station_code").str.tail(3).cast(pl.Int64) + pl.col("more")
    code = pl.format("{}-{}", pl.col("station_code").str.head(2), number.cast(pl.String).str.zfill(3))
    all_ = values.join(more, how="cross").with_columns(code.alias("station_code"))
    days = -(-rows // all_.height)
    for at in range(-days, 0):  # a year of them must not end in the future
        made = all_.with_columns(pl.col("measured_at") + timedelta(days=at))
        _put(folder / f"measurements_{day(at)}.zip", MEASUREMENTS, [made], days + at)
