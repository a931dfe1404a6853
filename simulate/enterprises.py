"""The register of enterprises: each once, from the tax code that it shares with the tax office to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import polars as pl

from simulate.chance import generator, parted
from simulate.events import Events
from simulate.extract import Wrong, at_times
from simulate.sending import Sender, Sending

_VSIC_2025 = date(2025, 11, 15)
_NEWER = {"62010": "62190", "68100": "68101", "96310": "96210"}  # one class of 2025 for each of ours that ended
_A_DAY = ((0.004, 16), (0.001, 4), (0.0005, 2))  # amended, suspended, dissolved of those that run; and at least
_BACK = (0.1, 0)  # of those that are suspended, a day
_HISTORY = 0.2  # of the enterprises: changed once before the first day


def registered(happened: Events) -> pl.DataFrame:
    """The enterprises, with the day on which the register tells of them first: the first day, or that of their start.

    An enterprise and its units have what the tax office knows; of a child's enterprise the head of his household is
    the representative. What began before the edition of 2025 has codes of the one before it.
    """
    world = happened.world
    workers = world.people.group_by(enterprise_code="employer_tax_code").agg(workers=pl.len().cast(pl.Int64))
    heads = world.people.filter(pl.col("relation") == "CH").select("household", head="name", head_id="pid")
    people = world.people.select("pid", "age", "household").join(heads, on="household", how="left")
    rng = generator(world.seed, "what enterprises are")
    rows = happened.taxpayers.filter(pl.col("taxpayer_type") == "1").rename(
        {"tax_code": "enterprise_code", "representative_id": "pid"}
    )
    rows = rows.join(people, on="pid", how="left", maintain_order="left").join(
        workers, on="enterprise_code", how="left", maintain_order="left"
    )
    is_unit, is_child = pl.col("enterprise_code").str.len_chars() == 13, pl.col("age") < 18
    is_new = pl.col("day") > world.start
    began = pl.when(is_new).then("day").otherwise(pl.col("registered_on").clip(upper_bound=world.start))
    chance = pl.DataFrame(rng.random((rows.height, 3)), ["kind", "changed", "later"])  # a row's is that of its place
    kind, is_changed = pl.lit(chance["kind"]), pl.lit(chance["changed"] < _HISTORY)
    kinds = pl.when(kind < 0.5).then(pl.lit("TNHH1")).when(kind < 0.8).then(pl.lit("TNHH2"))
    later = pl.duration(days=pl.lit((chance["later"] * 59).cast(pl.Int64) + 1))
    changed = pl.when(~is_new & is_changed).then((began + later).clip(upper_bound=world.start))
    rows = rows.with_columns(
        enterprise_type=pl.when(is_unit).then(pl.lit("CN")).otherwise(kinds.otherwise(pl.lit("CP"))),
        parent_code=pl.when(is_unit).then(pl.col("enterprise_code").str.head(10)),
        charter_capital=pl.when(is_unit).then(0).otherwise("registered_capital"),
        representative_name=pl.when(is_child).then("head").otherwise("representative_name"),
        representative_id=pl.when(is_child).then("head_id").otherwise("pid"),
        workers=pl.col("workers").fill_null(0),
        registered_on=began,
        amended_on=changed,
        amendment_no=pl.when(changed.is_null()).then(0).otherwise(1).cast(pl.Int64),
        status=pl.lit("HD"),
        suspended_from=pl.lit(None, pl.Date),
        dissolved_on=pl.lit(None, pl.Date),
    )
    is_newer = pl.col("registered_on") >= _VSIC_2025
    return rows.with_columns(
        vsic_version=pl.when(is_newer).then(pl.lit("2025")).otherwise(pl.lit("2018")),
        main_industry=pl.when(is_newer).then(pl.col("vsic_code").replace(_NEWER)).otherwise("vsic_code"),
    )


def _sendings(happened: Events) -> Iterator[Sending]:
    seed, start = happened.world.seed, happened.world.start
    all_ = registered(happened)
    running = all_.filter(pl.col("day") == start)
    since = pl.coalesce("amended_on", "registered_on")
    stock = at_times(_rows(running), "T", since, generator(seed, "enterprises"))
    suspended = running.clear()
    for number, day in enumerate(happened.days, start=1):
        rng = generator(seed, "enterprises", number)
        founded = all_.filter((pl.col("day") == day) & (pl.col("day") > start))
        amended, resting, ended, running = parted(rng, running, *_A_DAY)
        back, suspended = parted(rng, suspended, _BACK)
        amended = _noticed(amended, day, charter_capital=pl.col("charter_capital") // 10 * 11)
        resting = _noticed(resting, day, status=pl.lit("TN"), suspended_from=pl.lit(day))
        ended = _noticed(ended, day, status=pl.lit("CD"), dissolved_on=pl.lit(day))
        back = _noticed(back, day, status=pl.lit("HD"), suspended_from=pl.lit(None, pl.Date))
        today = pl.lit(day)
        sent = [
            at_times(_rows(founded), "T", today, rng),
            at_times(_rows(pl.concat([amended, resting, ended, back])), "S", today, rng),
        ]
        running = pl.concat([running, amended, back, founded])
        suspended = pl.concat([suspended, resting])
        yield Sending(day, day, pl.concat(([stock] if number == 1 else []) + sent))


def _noticed(rows: pl.DataFrame, day: date, **becomes: pl.Expr) -> pl.DataFrame:
    """Each notice is a change of the registration, and has a number."""
    return rows.with_columns(amended_on=pl.lit(day), amendment_no=pl.col("amendment_no") + 1, **becomes)


def _rows(enterprises: pl.DataFrame) -> pl.DataFrame:
    return enterprises.select(
        "enterprise_code",
        "name",
        "enterprise_type",
        "parent_code",
        "registered_on",
        "amended_on",
        "amendment_no",
        "status",
        "address",
        "address_ward",
        "address_ward_valid_from",
        "phone",
        "charter_capital",
        "main_industry",
        "vsic_version",
        "representative_name",
        "representative_id",
        "workers",
        "suspended_from",
        "dissolved_on",
        ward="address_ward",
        industries=pl.when(pl.col("workers") > 0).then(pl.col("main_industry") + ";46900"),
    )


ENTERPRISES = Sender(
    "business.enterprises",
    _sendings,
    (
        Wrong("missing_required", "name"),
        Wrong("wrong_check_digit", "enterprise_code"),
        Wrong("impossible_date", "registered_on"),
        Wrong("not_a_number", "charter_capital"),
        Wrong("in_millions", "charter_capital", "500", "warned", int),
        Wrong("unknown_code", "main_industry"),
        Wrong("unknown_code", "vsic_version"),
        Wrong("unknown_ward", "ward"),
        Wrong("malformed_phone", "phone"),
        Wrong("short_personal_id", "representative_id"),
        Wrong("ended_without_a_day", "status", "CD", "rejected"),
        Wrong("suspended_without_a_day", "status", "TN", "rejected"),
    ),
)
