"""Backup and restore: the warehouse with its ledger by PostgreSQL's own tools, and the files that they speak of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from upath import UPath

from etl.contract import Contract
from etl.warehouse import embedded, marts
from etl.warehouse.migrate import migrate

ZONES = ("landing", "raw", "validated", "staging", "outbox", "processed")
_DUMP = "warehouse.dump"


class BackupError(Exception):
    """A backup or restore that cannot be done; the text says why and what to do."""


def backup(database_url: str, data: UPath, folder: Path) -> None:
    """Write a backup into a new folder, also while files are received and loaded.

    The database comes first: landing only grows, so that it holds all that the ledger knows. What came after it is
    received anew when the backup is restored.

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
                # A link is kept as one, and never followed. What is just being written has a name of its own.
                ignore = shutil.ignore_patterns(".*.part")
                shutil.copytree(data / zone, aside / zone, symlinks=True, ignore=ignore, copy_function=_copy)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    aside.rename(folder)


def restore(database_url: str, data: UPath, folder: Path, contracts: Iterable[Contract]) -> None:
    """Bring a backup back into an empty database and an empty data root.

    Files that came while the backup was made, and that its ledger does not know, are put back into the inbox.
    Privileges are not in it: the tables are migrated and the marts rebuilt, which gives them.

    Args:
        database_url: SQLAlchemy URL of the warehouse.
        data: the data root, a local folder.
        folder: what `backup` wrote.
        contracts: of all datasets.

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
    unknown = _unknown(database_url, folder)

    def came_later(place: str, names: list[str]) -> set[str]:
        return {name for name in names if _delivery_of(Path(place) / name) in unknown}

    for zone in ZONES:
        if (folder / zone).exists():
            shutil.copytree(folder / zone, data / zone, symlinks=True, ignore=came_later)
    for file in (folder / "processed").glob("*/*/*"):
        if _delivery_of(file) in unknown:
            inbox = data / "inbox" / file.parent.relative_to(folder / "processed")
            inbox.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, inbox / file.name.partition("_")[2], follow_symlinks=False)
    engine = sa.create_engine(database_url, hide_parameters=True)
    migrate(engine, contracts)
    marts.refresh(engine)
    engine.dispose()


def _copy(source: str, target: str) -> None:
    """Copy a file, unless it has gone since its folder was listed: the pipeline goes on meanwhile."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target, follow_symlinks=False)


def _delivery_of(path: Path) -> tuple[str, str, str]:
    """Agency, dataset and delivery, where a zone keeps them: in the names of folders, and in the first of a file's."""
    return path.parts[-3], path.parts[-2], path.name.partition("_")[0]


def _unknown(database_url: str, folder: Path) -> set[tuple[str, str, str]]:
    """The deliveries of a backup's landing that the ledger does not know."""
    landed = {path.parts[-3:] for path in (folder / "landing").glob("*/*/*")}
    if not landed:
        return set()
    with sa.create_engine(database_url).connect() as connection:
        known = {tuple(row) for row in connection.exec_driver_sql("SELECT dataset, delivery_id FROM ops.delivery")}
    return {(agency, dataset, name) for agency, dataset, name in landed if (f"{agency}.{dataset}", name) not in known}


def _run(database_url: str, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on a database: that of the machine, or else the embedded server's.

    Raises:
        BackupError: if none of them does it.
    """
    url = sa.make_url(database_url)
    # A URL's `set` leaves a password that it is to take away, and its text says `***`, which would be sent.
    where = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    on_path = shutil.which(program)
    refused: list[str] = []
    with _password_file(url) as password:
        for found in [*([on_path] if on_path else []), str(embedded.programs() / program)]:
            done = subprocess.run(
                [found, f"--dbname={where.render_as_string()}", *arguments],
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
