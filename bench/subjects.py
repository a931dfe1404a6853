"""What is measured: the pipeline, by the surface that Airflow uses. Each function runs in a process of its own.

Only what stands within `with clock` counts; imports wait until then or are done before it, as each function says.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import Clock

if TYPE_CHECKING:
    from bench.sources import Source
    from etl.delivery.entry import LedgerEntry

LOOKS = ("one record", "a ward's first 100", "a ward's count")  # kinds of queries that look back
_TIMES = 200  # that each is asked
_BEFORE = 15  # seconds that readers are alone
_COUNTS = ("rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded", "ended")


def walk(
    clock: Clock,
    contracts: Path,
    dataset: str,
    files: list[Path],
    warm_up: tuple[str, Path] | None = None,
    asked: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Files from landing to the warehouse: extract, validate, normalize, load; not the receipt.

    Args:
        clock: runs from the first station's begin to the last load's commit.
        contracts: folder of contracts and suites.
        dataset: of the files.
        files: received before the clock begins.
        warm_up: a dataset and a small file of it that goes first, so that a worker is measured that has worked before.
        asked: queries that somebody asks for some seconds before, and all the while; none by default.

    Returns:
        `start`: seconds that the small file took, with all imports; `stations`: seconds of each, and of the `indexes`
        that are made behind the commit and are not counted; `counts`: of the rows;
        `readers`: how long each query took `before` and `meanwhile`.
    """
    from upath import UPath

    from bench.readers import Readers
    from bench.states import plain
    from etl.contract import load_all
    from etl.pipeline.pipeline import STATIONS, Pipeline
    from etl.pipeline.reception import receive
    from etl.settings import Settings
    from etl.warehouse import address
    from etl.warehouse.migrate import migrate

    pipeline = Pipeline(Settings.from_environment(), load_all(contracts))
    migrate(pipeline.engine, pipeline.contracts.values())
    started = time.perf_counter()
    if warm_up:
        _load(pipeline, receive(pipeline, UPath(warm_up[1]), _agency_and_name(warm_up[0])))
    start = time.perf_counter() - started
    received = [receive(pipeline, UPath(file), _agency_and_name(dataset)) for file in files]
    readers: dict[str, Any] = {}
    with ExitStack() as stack:
        if asked:
            url = plain(address.warehouse_url(Settings.from_environment()))
            with Readers(url, asked) as before:
                time.sleep(_BEFORE)
            meanwhile = stack.enter_context(Readers(url, asked))
        with clock:
            for each in received:
                _load(pipeline, each)
    if asked:
        readers = {kind: {"before": before.waited()[kind], "meanwhile": meanwhile.waited()[kind]} for kind in asked}
    entries = [pipeline.ledger.get(each.dataset, each.delivery_id) for each in received]
    totals = _totals(entries, (*STATIONS[: STATIONS.index("receipt")], "indexes"))
    clock.seconds -= totals["stations"]["indexes"]  # a first load makes them behind its commit
    return {"start": start, "readers": readers, **totals}


def run(clock: Clock, folder: Path, warm_up: Path) -> dict[str, Any]:
    """`citydw run FOLDER`, marts and catalogue with it, by a process and in a home that have run once before.

    Args:
        clock: runs over all of it.
        folder: of files.
        warm_up: another one, of another dataset, that goes first.

    Returns:
        `start`: seconds that the first took, with imports, tables and a new catalogue; `stations`: seconds of each,
        receiving and receipts with them; `counts`: of the rows.
    """
    from etl.cli import app
    from etl.pipeline.pipeline import STATIONS, Pipeline

    started = time.perf_counter()
    app(["run", str(warm_up)], standalone_mode=False)
    start = time.perf_counter() - started
    ledger = Pipeline.from_environment().ledger
    before = {entry.dataset for entry in ledger.all()}
    with clock:
        app(["run", str(folder)], standalone_mode=False)
    entries = [entry for entry in ledger.all() if entry.dataset not in before]
    return {"start": start, **_totals(entries, ("receive", *STATIONS))}


def extract(clock: Clock, dataset: str, file: Path) -> dict[str, Any]:
    """The station extract alone: reading, typing, writing Parquet."""
    from upath import UPath

    import etl.extract  # noqa: F401 - before the clock begins
    from etl.pipeline.pipeline import Pipeline
    from etl.pipeline.reception import receive
    from etl.warehouse.migrate import migrate

    pipeline = Pipeline.from_environment()
    migrate(pipeline.engine, pipeline.contracts.values())
    received = receive(pipeline, UPath(file), _agency_and_name(dataset))
    with clock:
        outcome = pipeline.run_station("extract", dataset, received.delivery_id)
    return {"counts": outcome.counts}


def pull(clock: Clock, contracts: Path, source: Source) -> dict[str, Any]:
    """A source's table of visits into landing; before it odd values, so that a worker is measured that has worked.

    Args:
        clock: runs over the pull: from logging in to the transaction that records the delivery.
        contracts: folder of contracts, to which those of the source are added.
        source: where the table is.

    Returns:
        `cpu`: seconds of this process and of the source's server; `odd`: what became of the odd values.
    """
    from bench import sources
    from demo.servers import ADMIN
    from etl.connectors.connection import Connection
    from etl.contract import load_all
    from etl.pipeline.pipeline import Pipeline
    from etl.pipeline.pull import pull as bring
    from etl.settings import Settings
    from etl.warehouse.migrate import migrate

    named = dict(zip(sources.ODD[source.kind], sources.COLUMNS[1:], strict=False))
    empty = [column for column in sources.COLUMNS[1:] if column not in named.values()]
    cells = [f"{source.named(name)} AS {source.named(column)}" for name, column in named.items()]
    key = f"coalesce(CAST({source.named(next(iter(named)))} AS char(1)), 'z') AS {source.named(sources.KEY)}"
    query = f"SELECT {', '.join([key, *cells, *(f'NULL AS {source.named(column)}' for column in empty)])} FROM odd"
    odd, visits = sources.contract(contracts, source, query), sources.contract(contracts, source)
    pipeline = Pipeline(Settings.from_environment(), load_all(contracts))
    migrate(pipeline.engine, pipeline.contracts.values())

    def account(name: str) -> Connection:
        return Connection(name, login=ADMIN, password=source.password)

    (received,) = bring(pipeline, odd, account).received
    landed = pipeline.storage.content(pipeline.ledger.get(odd, received.delivery_id).delivery)
    header, *rows = (line.split(";") for line in landed.read_text("utf-8").splitlines())
    before = source.cpu()
    with clock:
        (received,) = bring(pipeline, visits, account).received
    spent = source.cpu() - before

    def read(name: str) -> tuple[str | None, str | None]:
        first, second = (row[header.index(named[name])] for row in rows)
        return first, second

    return {"cpu": spent, "odd": sources.judged(source.kind, read)}


def look_back(clock: Clock, contracts: Path, dataset: str, ward: str, days: int) -> dict[str, Any]:
    """Queries for the state of the history on a day: by key, and by ward a page of rows and a count.

    Args:
        clock: runs over all queries.
        contracts: folder of contracts and suites.
        dataset: whose history.
        ward: the column that holds the ward.
        days: deliveries that the history has, one a day.

    Returns:
        `queries`: for each kind the SQL, `p50` and `p95` in seconds, rows found (median) and PostgreSQL's plan.
    """
    import psycopg

    from bench.inputs import FIRST_DAY
    from bench.states import plain
    from etl.contract import load_all
    from etl.settings import Settings
    from etl.warehouse import address
    from etl.warehouse.tables import key_columns

    contract = load_all(contracts)[dataset]
    table = f"{contract.schema}.{contract.table}"
    (key,) = key_columns(contract)
    chance = random.Random(1)
    with psycopg.connect(plain(address.warehouse_url(Settings.from_environment())), autocommit=True) as connection:
        sample = f"SELECT {key}, {ward} FROM {table} TABLESAMPLE SYSTEM (1) WHERE {ward} IS NOT NULL LIMIT 100000"
        rows = connection.execute(sample.encode()).fetchall()
        keys, wards = [row[0] for row in rows], sorted({row[1] for row in rows})
        as_of = "valid_from <= %(day)s AND (valid_to > %(day)s OR valid_to IS NULL)"
        asked = [
            (f"SELECT * FROM {table} WHERE {key} = %(what)s AND {as_of}", keys),
            (f"SELECT * FROM {table} WHERE {ward} = %(what)s AND {as_of} LIMIT 100", wards),
            (f"SELECT count(*) FROM {table} WHERE {ward} = %(what)s AND {as_of}", wards),
        ]
        made: dict[str, Any] = {}
        with clock:
            for kind, (sql, among) in zip(LOOKS, asked, strict=True):
                seconds, found = [], []
                for _ in range(_TIMES):
                    about = {"what": chance.choice(among), "day": FIRST_DAY + timedelta(days=chance.randrange(days))}
                    started = time.perf_counter()
                    found.append(connection.execute(sql.encode(), about).fetchall())
                    seconds.append(time.perf_counter() - started)
                plan = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}".encode(), about)
                made[kind] = {
                    "sql": sql,
                    "p50": sorted(seconds)[_TIMES // 2],
                    "p95": sorted(seconds)[_TIMES * 95 // 100],
                    "rows": sorted(_found(rows) for rows in found)[_TIMES // 2],
                    "plan": [line for (line,) in plan],
                }
    return {"queries": made}


def place(clock: Clock, parcels: int, zones: int, again: bool = False) -> dict[str, Any]:
    """The refresh of all marts of a warehouse that holds parcels and a plan, and little else.

    Args:
        clock: runs over the refresh.
        parcels: how many, about.
        zones: how many, about.
        again: the clock runs over a second refresh: parcels were loaded before it, and no shape has changed.

    Returns:
        `marts`: seconds of each that took one; `pairs`: of a parcel and a zone.
    """
    import sqlalchemy as sa

    from bench import shapes
    from etl.pipeline.pipeline import Pipeline
    from etl.warehouse import marts
    from etl.warehouse.copy import copy_rows
    from etl.warehouse.migrate import migrate
    from etl.warehouse.ops import lock_to_write

    pipeline = Pipeline.from_environment()
    migrate(pipeline.engine, pipeline.contracts.values())
    with pipeline.engine.begin() as connection:
        lock_to_write(connection, "land.parcels", "land.zones")
        copy_rows(connection, "land.parcels", shapes.parcels(parcels))
        copy_rows(connection, "land.zones", shapes.zones(zones, parcels))
        connection.exec_driver_sql("ANALYZE land.parcels, land.zones")
    if again:
        marts.refresh(pipeline.engine)
        with pipeline.engine.begin() as connection:
            lock_to_write(connection, "land.parcels")
    with clock:
        made = [*marts.each_refreshed(pipeline.engine)]
    with pipeline.engine.connect() as connection:
        pairs = connection.execute(sa.text("SELECT count(*) FROM land.parcel_zones")).scalar_one()
    return {"marts": {mart.name: mart.seconds for mart in made if mart.seconds >= 1}, "pairs": pairs}


def _found(rows: list[tuple[Any, ...]]) -> int:
    return int(rows[0][0]) if len(rows) == 1 and len(rows[0]) == 1 else len(rows)


def _load(pipeline: Any, received: Any) -> None:
    outcomes = {}
    for station, outcomes[station] in pipeline.walk(received.dataset, received.delivery_id):
        if station == "load":
            return
    raise RuntimeError(f"{received.dataset}/{received.delivery_id} did not get to its table: {outcomes}")


def _totals(entries: list[LedgerEntry], stations: Sequence[str]) -> dict[str, Any]:
    """Seconds of stations and counts of rows, in sum, of the ledger's rows; one that was held counted nothing."""
    return {
        "stations": {name: sum(entry.timings.get(name, 0.0) for entry in entries) for name in stations},
        "counts": {name: sum(getattr(entry, name) or 0 for entry in entries) for name in _COUNTS},
    }


def _agency_and_name(dataset: str) -> tuple[str, str]:
    agency, _, name = dataset.partition(".")
    return agency, name
