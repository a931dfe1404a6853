"""What a load does to those who read meanwhile: a process that asks again and again, and how long it waits."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection

import psycopg

_EVERY = 0.2  # seconds from an answer to the next question


class Readers(AbstractContextManager["Readers"]):
    """Asks the queries in turns, in a process of its own, until the block ends."""

    def __init__(self, url: str, queries: dict[str, str]) -> None:
        """Begin to ask.

        Args:
            url: of the database, as PostgreSQL's own programs know it.
            queries: SQL by what it asks.
        """
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_ask, args=(theirs, url, queries))
        self._process.start()
        theirs.close()
        self._ours.recv()  # it has connected
        self._waited: dict[str, list[float]] = {}

    def __exit__(self, *_: object) -> None:
        self._ours.send("enough")
        self._waited = self._ours.recv()
        self._process.join()

    def waited(self) -> dict[str, dict[str, float]]:
        """Seconds that each query took: the median, that of the slowest in twenty, and the longest; after the block."""
        made = {}
        for kind, seconds in self._waited.items():
            ordered = sorted(seconds)
            made[kind] = {
                "times": len(ordered),
                "p50": ordered[len(ordered) // 2],
                "p95": ordered[len(ordered) * 95 // 100],
                "longest": ordered[-1],
            }
        return made


def _ask(connection: Connection, url: str, queries: dict[str, str]) -> None:
    waited: dict[str, list[float]] = {kind: [] for kind in queries}
    with psycopg.connect(url, autocommit=True) as database:
        connection.send("connected")
        while not connection.poll(_EVERY):
            for kind, sql in queries.items():
                began = time.perf_counter()
                database.execute(sql.encode()).fetchall()
                waited[kind].append(time.perf_counter() - began)
    connection.send(waited)
