"""Backup and restore: the warehouse with its ledger by PostgreSQL's own tools, and the files that they speak of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from upath import UPath

from etl.warehouse import embedded

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
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.mkdir(0o700)
    try:
        _run(database_url, "pg_dump", "--format=custom", "--no-owner", f"--file={aside / _DUMP}")
        for zone in ZONES:
            if (data / zone).exists():
                shutil.copytree(data / zone, aside / zone, symlinks=True)  # a link is kept as one, and never followed
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
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
    _run(database_url, "pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--single-transaction",
         str(folder / _DUMP))  # fmt: skip
    for zone in ZONES:
        if (folder / zone).exists():
            shutil.copytree(folder / zone, data / zone, symlinks=True)


def _run(database_url: str, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on a database: that of the machine, or else the embedded server's.

    Raises:
        BackupError: if none of them does it.
    """
    url = sa.make_url(database_url)
    where = url.set(drivername="postgresql", password=None).render_as_string()
    on_path = shutil.which(program)
    refused: list[str] = []
    with _password_file(url) as password:
        for found in [*([on_path] if on_path else []), str(embedded.programs() / program)]:
            done = subprocess.run(
                [found, f"--dbname={where}", *arguments],
                env=os.environ | password,
                umask=0o077,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                return
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            refused.append(f"{found}: {last[0]}")
    raise BackupError(f"{program} failed; it must not be older than the server. {' '.join(refused)}")


@contextmanager
def _password_file(url: sa.URL) -> Iterator[dict[str, str]]:
    """The setting by which PostgreSQL's programs find the URL's password: anybody may list a program's arguments."""
    if not url.password:
        yield {}
        return
    with tempfile.NamedTemporaryFile("w", prefix="citydw-") as file:  # for its owner alone
        escaped = re.sub(r"([\\:])", r"\\\1", str(url.password))
        file.write(f"*:*:*:*:{escaped}\n")
        file.flush()
        yield {"PGPASSFILE": file.name}
