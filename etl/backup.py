"""Backup and restore: the warehouse with its ledger by PostgreSQL's own tools, and the files that they speak of."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import sqlalchemy as sa
from upath import UPath

from etl import server

ZONES = ("landing", "raw", "validated", "staging", "outbox", "processed")
_DUMP = "warehouse.dump"


class BackupError(Exception):
    """A backup or restore that cannot be done; the text says why and what to do."""


def backup(database_url: str, data: UPath, folder: Path) -> None:
    """Write a backup into a new folder.

    The database comes first: landing only grows, so that it holds all that the ledger knows.

    Args:
        database_url: SQLAlchemy URL of the warehouse.
        data: the data root, a local folder.
        folder: where to; must not exist.

    Raises:
        BackupError: if the folder exists, the data root is no local folder, or pg_dump fails.
    """
    if folder.exists():
        raise BackupError(f"{folder} exists already: name a new folder.")
    if not isinstance(data, Path):
        raise BackupError(
            f"{data} is no local folder: back it up with its own tools, after `pg_dump` of the warehouse."
        )
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    _run("pg_dump", "--format=custom", "--no-owner", f"--file={aside / _DUMP}", _libpq(database_url))
    for zone in ZONES:
        if (data / zone).exists():
            shutil.copytree(data / zone, aside / zone)
    aside.rename(folder)


def restore(database_url: str, data: UPath, folder: Path) -> None:
    """Bring a backup back into an empty database and an empty data root.

    Privileges are not in it: migrate and rebuild the marts afterwards.

    Raises:
        BackupError: if there is something already that would be lost, or pg_restore fails.
    """
    if not (folder / _DUMP).exists():
        raise BackupError(f"{folder} is no backup: {_DUMP} is missing.")
    if not isinstance(data, Path) or any((data / zone).exists() for zone in ZONES):
        raise BackupError(f"{data} holds data already, or is no local folder: restore into an empty CITYDW_HOME.")
    with sa.create_engine(database_url).connect() as connection:
        if sa.inspect(connection).has_schema("ops"):
            raise BackupError("The database holds a warehouse already: restore into an empty one.")
    _run("pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--single-transaction",
         f"--dbname={_libpq(database_url)}", str(folder / _DUMP))  # fmt: skip
    for zone in ZONES:
        if (folder / zone).exists():
            shutil.copytree(folder / zone, data / zone)


def _libpq(database_url: str) -> str:
    return sa.make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs: that of the machine, or the embedded server's if the other is too old."""
    on_path = shutil.which(program)
    for found in [*([on_path] if on_path else []), str(server.programs() / program)]:
        done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    raise BackupError(f"{program} failed: {last[0]}")
