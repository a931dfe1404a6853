"""A real SFTP server on this machine, that can lose its connections as real ones do."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import asyncssh

USER = "so-y-te"


class Served(threading.Thread):
    """An SFTP server in a thread.

    Attributes:
        root: the folder that it shows.
        port: where it listens, on 127.0.0.1.
        password: of USER, who may log in.
        logins: names under which somebody tried to log in.
        read: bytes of files that it has sent.
        cut_after: bytes after which it drops the connection, once; None: never.
        denied: paths that nobody may read.
    """

    def __init__(self, root: Path, password: str) -> None:
        super().__init__(daemon=True)
        self.root, self.port, self.password = root, 0, password
        self.logins: list[str] = []
        self.read = 0
        self.cut_after: int | None = None
        self.denied: set[str] = set()
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self.start()
        self._listens.wait(30)

    @property
    def key(self) -> str:
        """Its public key, as `host_key` of a connection holds it."""
        return str(self.host_key.export_public_key().decode().strip())

    def run(self) -> None:
        """Serve until it is ended."""
        served = self

        class Login(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                served.logins.append(username)
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, served.password)

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
                super().__init__(channel, chroot=os.fsencode(served.root))
                self._connection = channel.get_connection()

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
                if path.decode() in served.denied:
                    raise asyncssh.SFTPPermissionDenied("no")
                return super().open(path, pflags, attrs)

            def read(self, file_obj: Any, offset: int, size: int) -> Any:
                if served.cut_after is not None and served.read >= served.cut_after:
                    served.cut_after = None
                    self._connection.abort()
                data: Any = super().read(file_obj, offset, size)
                served.read += len(data)
                return data

        async def listen() -> None:
            acceptor = await asyncssh.listen(
                "127.0.0.1", 0, server_host_keys=[self.host_key], server_factory=Login, sftp_factory=Files
            )
            self.port = acceptor.get_port()
            self._listens.set()

        self._loop.run_until_complete(listen())
        self._loop.run_forever()

    def end(self) -> None:
        """Stop it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join()
