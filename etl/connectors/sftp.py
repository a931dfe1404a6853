"""SFTP: a folder on an agency's server. Nobody else may answer in its place: the host's key must be known.

The connection's `extra` holds `host_key` (`ssh-ed25519 AAAA...`, one a line), and `private_key` or `key_file`, with
`private_key_passphrase`, where no password is used; these are Airflow's own names.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from posixpath import join
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import asyncssh

from etl.connectors.connection import Connection
from etl.connectors.folder import Folder, Remote, Seen
from etl.connectors.model import SourceFault

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # else some lines a connection

_Made = TypeVar("_Made")
_CHUNK = 4 << 20
_CONNECT_SECONDS = 20
_ANSWER_SECONDS = 120
_KEEP_ALIVE = {"keepalive_interval": 15, "keepalive_count_max": 4}
_PORT = 22


class Sftp(Folder):
    """Pulls the files of a folder on an SFTP server."""

    def _connected(self) -> Remote:
        return SftpFolder(self._server.location, self._connection)


class SftpFolder:
    """A folder on an SFTP server; see `etl.connectors.folder.Remote`."""

    def __init__(self, location: str, connection: Connection) -> None:
        parts = urlsplit(location)
        self._connection = connection
        self._host = connection.host or parts.hostname or ""
        self._port = connection.port or parts.port or _PORT
        self._path = unquote(parts.path) or "."
        self._where = f"{connection.name} ({self._host}:{self._port}, folder {self._path})"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    def files(self) -> list[Seen]:
        """The plain files of the folder; links are not followed."""
        with self._told():
            entries = self._do(self._sftp().readdir(self._path))
            return [
                _seen(str(entry.filename), entry.attrs)
                for entry in entries
                if entry.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR
            ]

    def look(self, name: str) -> Seen | None:
        """A file as it is now."""
        with self._told():
            try:
                return _seen(name, self._do(self._sftp().lstat(join(self._path, name))))
            except asyncssh.SFTPNoSuchFile:
                return None

    def read(self, file: Seen, start: int) -> Iterator[bytes]:
        """The bytes of a file, from one of them on."""
        with self._told(file.name):
            stream = self._do(self._sftp().open(join(self._path, file.name), "rb"))
            try:
                while chunk := self._do(stream.read(_CHUNK, start)):
                    start += len(chunk)
                    yield chunk.encode() if isinstance(chunk, str) else chunk  # bytes, whatever its type says
            finally:
                if self._client is not None:
                    self._do(stream.close())

    def move(self, file: Seen, target: str) -> bool:
        """Move a file below the folder; SFTP writes over nothing when it gives a new name."""
        with self._told(file.name):
            if self.look(file.name) != file:
                return False
            path = join(self._path, target)
            self._do(self._sftp().makedirs(path.rpartition("/")[0], exist_ok=True))
            self._do(self._sftp().rename(join(self._path, file.name), path))
            return True

    def put(self, target: str, content: bytes) -> None:
        """Write a file below the folder: aside, and then under its name."""
        with self._told(target):
            client, path = self._sftp(), join(self._path, target)
            self._do(client.makedirs(path.rpartition("/")[0], exist_ok=True))
            stream = self._do(client.open(f"{path}.part", "wb"))
            self._do(stream.write(content))
            self._do(stream.close())
            try:
                self._do(client.posix_rename(f"{path}.part", path))
            except asyncssh.SFTPOpUnsupported:  # a server that gives no new name where a file has it
                with suppress(asyncssh.SFTPNoSuchFile):
                    self._do(client.remove(path))
                self._do(client.rename(f"{path}.part", path))

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._session is not None:
            self._session.abort()
            with suppress(Exception):  # whatever is wrong with it, it is not asked again
                self._do(self._session.wait_closed())
        if self._loop is not None:
            self._loop.close()
        self._loop = self._session = self._client = None

    def _do(self, answer: Awaitable[_Made]) -> _Made:
        assert self._loop is not None
        return self._loop.run_until_complete(asyncio.wait_for(answer, _ANSWER_SECONDS))

    def _sftp(self) -> asyncssh.SFTPClient:
        if self._client is None:
            self.close()  # half a connection of before
            known, own = self._host_keys(), self._own_keys()
            self._loop = asyncio.new_event_loop()
            self._session = self._do(
                asyncssh.connect(
                    self._host,
                    self._port,
                    config=None,  # not the one of whoever runs this
                    known_hosts=(known, [], []),
                    username=self._connection.login or "",
                    password=self._connection.password,
                    client_keys=own,
                    agent_path=None,
                    connect_timeout=_CONNECT_SECONDS,
                    login_timeout=_CONNECT_SECONDS,
                    **_KEEP_ALIVE,
                )
            )
            self._client = self._do(self._session.start_sftp_client(path_errors="surrogateescape"))
        return self._client

    def _host_keys(self) -> list[asyncssh.SSHKey]:
        said = str(self._connection.extra.get("host_key") or "").strip()
        if not said:
            raise SourceFault(
                "tls",
                f"{self._where}: the connection has no host_key, so anybody could answer in the server's place. Ask "
                "its administrator for the server's public key, and set extra.host_key: ssh-ed25519 AAAA...",
            )
        try:
            return [asyncssh.import_public_key(line) for line in said.splitlines() if line.strip()]
        except (asyncssh.KeyImportError, ValueError):
            raise SourceFault(
                "tls", f"{self._where}: extra.host_key is no public key, as ssh-ed25519 AAAA...; mend the connection."
            ) from None

    def _own_keys(self) -> list[asyncssh.SSHKey]:
        extra = self._connection.extra
        phrase = extra.get("private_key_passphrase")
        try:
            if extra.get("private_key"):
                return [asyncssh.import_private_key(str(extra["private_key"]), phrase)]
            return [asyncssh.read_private_key(str(extra["key_file"]), phrase)] if extra.get("key_file") else []
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, OSError, ValueError):
            raise SourceFault(
                "password", f"{self._where}: the connection's private key or its passphrase cannot be read; mend it."
            ) from None

    @contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """The engineer's sentence for what the server or the way to it refuses."""
        where = f"{self._where}, {name!a:.100}" if name else self._where
        try:
            yield
        except SourceFault:
            raise
        except asyncssh.HostKeyNotVerifiable:
            fault = SourceFault(
                "tls",
                f"{where}: the server shows another key than the connection's host_key. Nothing was sent to it. Ask "
                "its administrator whether the key was changed; if not, somebody answers in its place.",
            )
        except asyncssh.PermissionDenied:
            fault = SourceFault(
                "password", f"{where} does not let the account in: user, password or key; mend the connection."
            )
        except asyncssh.KeyExchangeFailed:
            fault = SourceFault(
                "tls", f"{where} and we have no cipher in common; ask its administrator to bring it up to date."
            )
        except asyncssh.SFTPPermissionDenied:
            fault = SourceFault("right", f"{where}: the account may not read or move it; ask for the right.")
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            fault = SourceFault("name", f"{where} is not there; mend the contract's location, or ask where it went.")
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError):
            fault = SourceFault("gone", f"{where}: the connection was lost; what is left waits for the next pull.")
        except asyncssh.SFTPError as error:
            fault = SourceFault("answer", f"{where} refused with SFTP's code {error.code} ({type(error).__name__}).")
        except socket.gaierror:
            fault = SourceFault("address", f"{where} has a name that nobody knows; mend the address.")
        except TimeoutError:
            fault = SourceFault("timeout", f"{where} does not answer in time; tried again at the next pull.")
        except ConnectionRefusedError:
            fault = SourceFault("address", f"{where} does not answer: it is down, or a firewall is between.")
        except (OSError, asyncssh.Error) as error:
            fault = SourceFault("gone", f"{where}: the connection was lost ({type(error).__name__}).")
        else:
            return
        raise fault from None


def _seen(name: str, attrs: asyncssh.SFTPAttrs) -> Seen:
    return Seen(name, int(attrs.size or 0), f"{attrs.mtime}")
