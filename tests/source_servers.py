"""Agencies' databases for tests: real servers of their own on a free port, with passwords, that can be killed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pymysql

from etl.warehouse import embedded

ADMIN = "quan_tri"
ADMIN_PASSWORD = "khong-ai-biet"
_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Server:
    """A server in a folder of its own, run as a user who is not root."""

    def __init__(self, user: str) -> None:
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
        assert done.returncode == 0, done.stderr.decode()

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
                assert self._process.poll() is None, (self.folder / "server.log").read_text()[-2_000:]
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.1)

    def kill(self) -> None:
        """As in a power cut."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer(Server):
    """PostgreSQL, as an agency runs it."""

    def __init__(self) -> None:
        super().__init__(embedded.SYSTEM_USER)
        password = self.folder / "password"
        password.write_text(ADMIN_PASSWORD)
        password.chmod(0o644)
        data = self.folder / "data"
        self._do(embedded.programs() / "initdb", "-D", data, "-U", ADMIN, "-A", "scram-sha-256", "-E", "UTF8",
                 "--locale=C.UTF-8", f"--pwfile={password}")  # fmt: skip
        self.start()

    def start(self) -> None:
        self._serve(
            embedded.programs() / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-c", "fsync=off",
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
            is_ready=lambda: self.connect().close(), faults=psycopg.OperationalError,
        )  # fmt: skip

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=ADMIN, password=ADMIN_PASSWORD, dbname=database, autocommit=True
        )


class MariaServer(Server):
    """MariaDB, as an agency runs it."""

    PROGRAM = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")

    def __init__(self) -> None:
        super().__init__("mysql")
        assert self.PROGRAM
        data = self.folder / "data"
        self._do("mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--tmpdir={self.folder}",
                 "--skip-test-db", "--auth-root-authentication-method=normal")  # fmt: skip
        self.start()

    def start(self) -> None:
        assert self.PROGRAM
        self._serve(
            self.PROGRAM, "--no-defaults", f"--datadir={self.folder / 'data'}", f"--port={self.port}",
            f"--tmpdir={self.folder}", f"--socket={self.folder / 'socket'}", "--bind-address=127.0.0.1",
            "--lock-wait-timeout=20",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=0",
            is_ready=lambda: self.connect().close(), faults=pymysql.err.OperationalError,
        )  # fmt: skip

    def connect(self, database: str | None = None) -> pymysql.connections.Connection:
        return pymysql.connect(
            unix_socket=str(self.folder / "socket"), user="root", database=database, autocommit=True, charset="utf8mb4"
        )
