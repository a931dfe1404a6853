"""S3: a folder of an agency's object store. An object that is replaced while it is copied is not mixed with the next.

The connection's login and password are the access key and its secret, its `extra` may hold `region_name` and
`endpoint_url`, as Airflow's connections to Amazon do. Without a login, the role of this machine is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.exceptions as boto
import s3fs

from etl.connectors.connection import Connection
from etl.connectors.folder import Folder, Remote, Seen
from etl.connectors.model import FaultKind, SourceFault
from etl.contract.servers import S3Server
from etl.delivery import object_store

_CHUNK = 8 << 20
_PATIENCE = {"connect_timeout": 15, "read_timeout": 60, "retries": {"max_attempts": 2}}
_NO_ACCOUNT = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthFailure")


class S3(Folder):
    """Pulls the objects of a folder in an object store."""

    def _connected(self) -> Remote:
        assert isinstance(self._server, S3Server)
        return S3Folder(self._server, self._connection)


class S3Folder:
    """A folder of an object store; see `etl.connectors.folder.Remote`."""

    def __init__(self, server: S3Server, connection: Connection) -> None:
        extra = connection.extra
        self._folder = server.location.removeprefix("s3://").strip("/")
        self._where = f"{connection.name} ({server.location})"
        self._store = s3fs.S3FileSystem(
            key=connection.login,
            secret=connection.password,
            token=extra.get("aws_session_token"),
            endpoint_url=extra.get("endpoint_url") or server.endpoint_url,
            client_kwargs={"region_name": extra["region_name"]} if extra.get("region_name") else {},
            config_kwargs=_PATIENCE,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def files(self) -> list[Seen]:
        """The objects that lie in the folder itself."""
        with self._told():
            try:
                entries = self._store.ls(self._folder, detail=True)
            except FileNotFoundError as error:
                if _code(error) == "NoSuchBucket":
                    raise
                return []  # an empty folder is none
            return [_seen(entry) for entry in entries if entry["type"] == "file" and entry["name"] != self._folder]

    def look(self, name: str) -> Seen | None:
        """An object as it is now."""
        with self._told(name):
            try:
                return _seen(self._store.info(f"{self._folder}/{name}"))
            except FileNotFoundError:
                return None

    def read(self, file: Seen, start: int) -> Iterator[bytes]:
        """The bytes of an object, from one of them on; of another one that took its place, none."""
        with self._told(file.name), self._store.open(f"{self._folder}/{file.name}", "rb", cache_type="none") as stream:
            stream.seek(start)
            while chunk := stream.read(_CHUNK):
                yield chunk

    def move(self, file: Seen, target: str) -> bool:
        """Move an object below the folder, if it still is that one."""
        with self._told(file.name):
            if self.look(file.name) != file:
                return False
            path, new = (f"{self._folder}/{name}" for name in (file.name, target))
            return object_store.move_within(self._store, path, new, file.stamp.partition(" ")[2])

    def put(self, target: str, content: bytes) -> None:
        """Write an object below the folder."""
        with self._told(target):
            self._store.pipe_file(f"{self._folder}/{target}", content)

    def close(self) -> None:
        """Nothing is kept open."""

    @contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """The engineer's sentence for what the store or the way to it refuses."""
        where = f"{self._where}, {name!a:.100}" if name else self._where
        try:
            yield
            return
        except SourceFault:
            raise
        except Exception as error:
            kind, sentence = _of(error)
        raise SourceFault(kind, f"{where} {sentence}") from None


def _of(error: Exception) -> tuple[FaultKind, str]:
    code = _code(error)
    match error:
        case _ if code in _NO_ACCOUNT:
            return "password", "does not know the access key or its secret, or they have expired; mend the connection."
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            return (
                "password",
                "needs an access key: the connection has no login, and this machine no role.",
            )
        case PermissionError():
            return "right", "may not be read or moved by this account: it needs s3:ListBucket and s3:GetObject."
        case FileNotFoundError():
            return "name", "has no such bucket or object; mend the contract's location, or ask where it went."
        case boto.SSLError():
            return "tls", "offers no secure connection: its certificate is wrong, or has expired."
        case boto.ConnectTimeoutError() | boto.ReadTimeoutError() | TimeoutError():
            return "timeout", "does not answer in time; tried again at the next pull."
        case boto.EndpointConnectionError():
            return "address", "does not answer: it is down, a firewall is between, or the address is wrong."
        case s3fs.utils.FileExpired():
            return "gone", "was replaced while it was read; tried again."
        case _:
            return "gone", f"broke off ({type(error).__name__}); what was not taken waits for the next pull."


def _code(error: BaseException) -> str:
    """What the store calls an error."""
    response = getattr(error.__cause__ or error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _seen(info: dict[str, Any]) -> Seen:
    changed = info["LastModified"].isoformat()
    return Seen(str(info["name"]).rpartition("/")[2], int(info["size"]), f"{changed} {info.get('ETag', '')}")
