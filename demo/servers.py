"""Agencies' databases: real servers in folders of their own, on free ports of this machine, that can be killed."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pymysql

from etl.warehouse import embedded
from etl.warehouse.server_processes import ServerError

ADMIN = "quan_tri"
_SECONDS = 60.0  # in which a server must come up


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Server:
    """A server in a folder of its own, run as a user who is not root.

    Attributes:
        folder: all that it keeps.
        port: where it listens, on 127.0.0.1.
        password: of its administrator.
    """

    def __init__(self, user: str, password: str | None) -> None:
        self.password = password or secrets.token_urlsafe(16)
        self.folder = Path(tempfile.mkdtemp(prefix="citydw-source-"))
        self.port = free_port()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None

    def _do(self, *command: str | Path) -> None:
        done = subprocess.run(command, cwd="/", capture_output=True, check=False, **self._as)
        if done.returncode:
            raise ServerError(f"{Path(command[0]).name} failed: {done.stderr.decode()[-2_000:]}")

    def _serve(self, *command: str | Path, is_ready: Callable[[], object], faults: type[Exception]) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as
            )
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                is_ready()
                return
            except faults:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / "server.log").read_text()[-2_000:]
                    raise ServerError(f"{Path(command[0]).name} does not come up: {said}") from None
                time.sleep(0.1)

    @property
    def pid(self) -> int:
        """The number of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a power cut does; it can be started again."""
        if self._process:
            children = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            self._process.wait()

    def end(self) -> None:
        """Stop it, and remove all that it kept."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer(Server):
    """PostgreSQL, as an agency runs it."""

    def __init__(self, password: str | None = None) -> None:
        super().__init__(embedded.SYSTEM_USER, password)
        given = self.folder / "password"  # in a folder that is its account's alone
        given.write_text(self.password)
        given.chmod(0o644)
        data = self.folder / "data"
        self._do(embedded.programs() / "initdb", "-D", data, "-U", ADMIN, "-A", "scram-sha-256", "-E", "UTF8",
                 "--locale=C.UTF-8", f"--pwfile={given}")  # fmt: skip
        given.unlink()
        self.start()

    def start(self) -> None:
        """Start it, the first time or after it was killed."""
        self._serve(
            embedded.programs() / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-c", "fsync=off",
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
            is_ready=lambda: self.connect().close(), faults=psycopg.OperationalError,
        )  # fmt: skip

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """Log in as the administrator."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=ADMIN, password=self.password, dbname=database, autocommit=True
        )


class MariaServer(Server):
    """MariaDB, as an agency runs it."""

    PROGRAM = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")

    def __init__(self, password: str | None = None) -> None:
        super().__init__("mysql", password)
        self._root = ""  # has no password until it is given one
        data = self.folder / "data"
        self._do("mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--tmpdir={self.folder}",
                 "--skip-test-db", "--auth-root-authentication-method=normal")  # fmt: skip
        self.start()
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER USER root@localhost IDENTIFIED BY %s", [self.password])
        self._root = self.password

    def start(self, *options: str) -> None:
        """Start it, the first time or after it was killed.

        Args:
            options: of its command line.

        Raises:
            ServerError: if there is no MariaDB on this machine.
        """
        if self.PROGRAM is None:
            raise ServerError("There is no MariaDB on this machine: apt-get install mariadb-server")
        self._serve(
            self.PROGRAM, "--no-defaults", f"--datadir={self.folder / 'data'}", f"--port={self.port}",
            f"--tmpdir={self.folder}", f"--socket={self.folder / 'socket'}", "--bind-address=127.0.0.1",
            "--lock-wait-timeout=20",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=2",
            *options,
            is_ready=lambda: self.connect().close(), faults=pymysql.err.OperationalError,
        )  # fmt: skip

    def connect(self, database: str | None = None) -> pymysql.connections.Connection:
        """Log in as the administrator."""
        return pymysql.connect(
            unix_socket=str(self.folder / "socket"), user="root", password=self._root, database=database,
            autocommit=True, charset="utf8mb4",
        )  # fmt: skip
