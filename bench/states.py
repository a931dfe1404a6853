"""Databases and data roots to measure in: empty, or as some deliveries left them, each a copy of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from etl.warehouse import embedded

_LINKED = 1 << 20  # bytes; files from here on are linked, not copied: stations replace files and never write into them
# The pipeline's limits are for agencies' files, not for a file of the whole city.
_LIMITS = {f"CITYDW_MAX_{name}": str(16_000_000_000) for name in ("FILE_BYTES", "UNPACKED_BYTES", "ROWS")}


@dataclass(frozen=True)
class State:
    """What a pipeline has left: its home folder and its database."""

    home: Path
    url: str  # SQLAlchemy's
    database: str

    @property
    def environment(self) -> dict[str, str]:
        """The settings under which a pipeline goes on from here."""
        whole = {"CITYDW_QUIET_SECONDS": "0"}  # nobody writes to the files any more
        return {"CITYDW_HOME": str(self.home), "CITYDW_DATABASE_URL": self.url} | whole | _LIMITS


class States:
    """One embedded server, and states in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._postgres = folder / "postgres"
        self._made = 0

    def __enter__(self) -> States:
        self._clear()
        embedded.start(self._postgres)
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def _clear(self) -> None:
        embedded.stop(self._postgres)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def new(self) -> State:
        """An empty home and an empty database."""
        state = self._next()
        state.home.mkdir()
        self.execute(f"CREATE DATABASE {state.database}")
        return state

    @contextmanager
    def copy(self, state: State | None) -> Iterator[State]:
        """A copy of a state, or an empty one, that is gone afterwards."""
        if state is None:
            copied = self.new()
        else:
            copied = self._next()
            shutil.copytree(state.home, copied.home, copy_function=_link_or_copy)
            self.execute(f"CREATE DATABASE {copied.database} TEMPLATE {state.database} STRATEGY FILE_COPY")
        try:
            yield copied
        finally:
            self.execute(f"DROP DATABASE {copied.database} WITH (FORCE)")
            shutil.rmtree(copied.home)

    def execute(self, statement: str, state: State | None = None) -> list[Any]:
        """Run one statement outside a transaction, in a state's database or the server's own; gives its rows."""
        url = state.url if state else embedded.url(self._postgres, "postgres")
        with psycopg.connect(plain(url), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def checkpoint(self) -> None:
        """Write out what is in memory, so that no run pays for what was before it."""
        self.execute("CHECKPOINT")

    def _next(self) -> State:
        self._made += 1
        database = f"bench_{self._made}"
        return State(self.folder / database, embedded.url(self._postgres, database), database)


def plain(url: str) -> str:
    """The URL without SQLAlchemy's driver, as PostgreSQL's own programs know it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _link_or_copy(source: str, target: str) -> None:
    if Path(source).stat().st_size >= _LINKED:
        os.link(source, target)
    else:
        shutil.copy2(source, target)
