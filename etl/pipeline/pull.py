"""Pulling: from an agency's system to landing, and from there the way of any delivery.

A pull that fails, and one that finds nothing new, is a line in `ops.pull`; one that brings a file is written down in
the transaction that records the delivery. Where the next one begins follows from these lines and from what became of
the deliveries: it is kept nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from upath import UPath

from etl.connectors import connector
from etl.connectors.connection import Connection, from_environment
from etl.connectors.folder import Folder
from etl.connectors.model import Connector, Pulled, SourceFault, Window
from etl.connectors.spool import Spool, Waiting
from etl.connectors.sweep import end_what_is_gone
from etl.contract import Contract, Server
from etl.contract.city import city
from etl.contract.servers import DatabaseServer, FolderServer
from etl.delivery.period import UnclearName, period_of
from etl.delivery.plain_files import digest_of
from etl.delivery.pull import Pull
from etl.pipeline.give_back import give_back
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import Received, receive
from etl.receive.inbox import sidecars
from etl.warehouse import pulls

Connections = Callable[[str], Connection]


@dataclass(frozen=True)
class Brought:
    """What one look at a source has brought.

    Attributes:
        received: deliveries of all tables of the files, in the order in which these came; none: nothing is new.
        same: how many files had the very bytes of the last one of their period.
        told: what is to be said of it: columns that are new or of another type than before, and earlier deliveries
            that are held or were turned away.
    """

    received: tuple[Received, ...]
    same: int
    told: tuple[str, ...]


@dataclass(frozen=True)
class Sight:
    """A file that a pull would bring, in a dry run."""

    pulled: Pulled
    size: int


def fetched(pipeline: Pipeline, dataset: str) -> tuple[Contract, Server]:
    """The contract of a dataset that is fetched, and from where.

    Raises:
        SourceFault: if it is not.
    """
    contract = pipeline.contracts[dataset]
    if contract.server is None:
        raise SourceFault("name", f"{dataset} is not fetched from anywhere: its contract has no `servers`.")
    return contract, contract.server


def pull(
    pipeline: Pipeline,
    dataset: str,
    connections: Connections = from_environment,
    days: tuple[date, date] | None = None,
) -> Brought:
    """Bring what is new at a source to landing and the ledger; what a killed pull has left is brought first.

    Args:
        pipeline: the stations.
        dataset: agency.dataset.
        connections: who may log in, by the connection's name.
        days: the first and the last day that are asked for again; by default what is new is.

    Raises:
        SourceFault: if the source cannot be read, or is left alone for now; `ops.pull` says so too.
    """
    contract, server = fetched(pipeline, dataset)
    spool = Spool(pipeline.settings.home, contract)
    with spool.alone() as work:
        with pipeline.engine.connect() as connection:
            tries, last = pulls.failures(connection, dataset)
        until = pulls.left_alone_until(tries, last)
        if until and datetime.now(UTC) < until:
            raise SourceFault(
                "circuit",
                f"{server.server} has failed {tries} times in a row; {dataset} is left alone until "
                f"{until.astimezone(city().zone):%H:%M}. `citydw sources check {dataset}` says what is wrong.",
            )
        began, seen_at = time.perf_counter(), datetime.now(UTC)
        this = Pull(uuid4().hex, dataset, server.server, seen_at, tries=tries + 1)
        try:
            source = connector(contract, connections(server.server), pipeline.settings.limits)
            brought = [_hand_in(pipeline, spool, source, left) for left in spool.waiting()]
            window, told = _window(pipeline, contract, server, days)
            types = _types(pipeline, contract)
            for pulled in source.pull(window, work):
                pulled = _swept(pipeline, contract, pulled, work)
                told += [*pulled.about.get("told", ()), *_retyped(types, pulled)]
                took = replace(this, pull_id=uuid4().hex, seconds=time.perf_counter() - began)
                waiting = spool.publish(work, pulled, _described(took, pulled, work / pulled.name))
                brought.append(_hand_in(pipeline, spool, source, waiting))
            if isinstance(source, Folder) and source.wants_receipts:
                give_back(pipeline, source, dataset, UPath(spool.given))
        except SourceFault as fault:
            with pipeline.engine.begin() as connection:
                spent = replace(this, seconds=time.perf_counter() - began)
                pulls.record(connection, spent, "failed", fault=fault.kind, message=str(fault))
            raise
        if not brought and days is None:  # days without a row do not say that nothing is new today
            with pipeline.engine.begin() as connection:
                spent = replace(this, since=window.since, rows=0, seconds=time.perf_counter() - began)
                pulls.record(connection, spent, "nothing")
    files = [each for each in brought if each is not None]
    received = tuple(table for file in files for table in file.tables)
    return Brought(received, len(brought) - len(files), tuple(told))


def look(
    pipeline: Pipeline,
    dataset: str,
    work: Path,
    connections: Connections = from_environment,
    days: tuple[date, date] | None = None,
) -> Iterator[Sight]:
    """What a pull would bring; nothing is kept, and nothing is written down.

    Args:
        pipeline: the stations.
        dataset: agency.dataset.
        work: an empty folder.
        connections: who may log in, by the connection's name.
        days: the first and the last day that are asked for again.

    Raises:
        SourceFault: if the source cannot be read.
    """
    contract, server = fetched(pipeline, dataset)
    window, _ = _window(pipeline, contract, server, days)
    source = connector(contract, connections(server.server), pipeline.settings.limits)
    for pulled in source.pull(window, work):
        yield Sight(pulled, (work / pulled.name).stat().st_size)


def _window(
    pipeline: Pipeline, contract: Contract, server: Server, days: tuple[date, date] | None
) -> tuple[Window, list[str]]:
    """What is to be asked of a source, and what is to be said of earlier deliveries."""
    if days:
        first, last = (datetime.combine(day, datetime.min.time(), city().zone) for day in days)
        return Window(first=first, last=last + timedelta(days=1)), []
    with pipeline.engine.connect() as connection:
        known = pulls.bound(connection, contract.id)
        taken = pulls.taken(connection, contract.id) if isinstance(server, FolderServer) else frozenset()
    since = known.since
    if not isinstance(server, FolderServer):
        every = server.whole_every
        is_due = every is None or known.whole_at is None or known.whole_at + every <= datetime.now(UTC)
        since = None if is_due else since
    return Window(since=since, taken=taken), [f"{delivery_id} is {state}" for delivery_id, state in known.waits_for]


def _swept(pipeline: Pipeline, contract: Contract, pulled: Pulled, work: Path) -> Pulled:
    """A whole pull with a deletion of what it has no more, where the contract asks for that."""
    server = contract.server
    is_whole = pulled.since is None and pulled.until is not None
    if not (is_whole and isinstance(server, DatabaseServer) and server.custom_properties.gone == "end"):
        return pulled
    with pipeline.engine.connect() as connection:
        earlier = pulls.since_last_whole(connection, contract.id)
    storage, agency, name = pipeline.storage, contract.agency, contract.dataset
    contents = [storage.content(storage.delivery(agency, name, delivery_id)) for delivery_id in earlier]
    gone = end_what_is_gone(contract, contents, work / pulled.name, pulled.seen_at)
    return replace(pulled, rows=(pulled.rows or 0) + gone, about=pulled.about | {"gone": gone})


def _types(pipeline: Pipeline, contract: Contract) -> Mapping[str, str]:
    """The types that the source's columns had when it was last pulled, as far as that is written down."""
    with pipeline.engine.connect() as connection:
        last = pulls.last_delivery(connection, contract.id)
    if last is None:
        return {}
    types: Mapping[str, str] = pipeline.storage.manifest(contract.agency, contract.dataset, last)["pull"]["about"].get(
        "columns", {}
    )
    return types


def _retyped(before: Mapping[str, str], pulled: Pulled) -> Iterator[str]:
    for name, kind in pulled.about.get("columns", {}).items():
        if before.get(name, kind) != kind:
            yield f"column {name} was {before[name]} and is {kind} now"


def _described(pull: Pull, pulled: Pulled, file: Path) -> Pull:
    return replace(
        pull,
        seen_at=pulled.seen_at,
        since=pulled.since,
        until=pulled.until,
        rows=pulled.rows,
        size=file.stat().st_size,
        about=pulled.about,
    )


def _hand_in(pipeline: Pipeline, spool: Spool, source: Connector, waiting: Waiting) -> Received | None:
    """Let a file that waits be received; None if its bytes are those of the last one of its period."""
    dataset = waiting.pull.dataset
    agency, name = dataset.split(".")
    try:
        as_of, _ = period_of(waiting.file.name)
    except UnclearName:  # its delivery will be rejected for that
        as_of = None
    received = None
    with pipeline.engine.begin() as connection:
        last = pulls.last_of_period(connection, dataset, as_of)
        is_declared = waiting.pulled.rows is None and bool(sidecars(UPath(waiting.file)))  # anew, it may be
        is_same = not is_declared and last is not None and last == digest_of(waiting.file)
        if is_same:
            pulls.record(connection, waiting.pull, "same")
    if not is_same:
        received = receive(pipeline, UPath(waiting.file), (agency, name), pull=waiting.pull)
    source.landed(waiting.pulled)
    spool.done(waiting)
    return received
