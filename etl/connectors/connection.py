"""Connections: who may log in at a source, read as Airflow reads them.

`AIRFLOW_CONN_<NAME>` holds a URI (`postgresql://user:password@host:5432/database?sslmode=verify-full`) or a JSON object
(`{"host": ..., "login": ..., "password": ..., "extra": {...}}`). Nothing here is ever printed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from etl.connectors.model import SourceFault


@dataclass(frozen=True)
class Connection:
    """What Airflow calls a connection; its text shows its name alone."""

    name: str
    host: str | None = field(default=None, repr=False)
    port: int | None = field(default=None, repr=False)
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    schema: str | None = field(default=None, repr=False)  # a database's name
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def variable(name: str) -> str:
    """The environment variable that holds a connection."""
    return f"AIRFLOW_CONN_{name.upper()}"


def from_environment(name: str) -> Connection:
    """The connection of that name.

    Raises:
        SourceFault: if there is none, or it cannot be read; what it holds is not quoted.
    """
    said = os.environ.get(variable(name), "").strip()
    if not said:
        raise SourceFault("name", f"There is no connection {name}: set {variable(name)}, or add it to Airflow.")
    try:
        return _of_json(name, json.loads(said)) if said.startswith("{") else _of_uri(name, said)
    except (ValueError, TypeError, AttributeError):
        raise SourceFault("name", f"{variable(name)} can be read neither as a URI nor as JSON; see Airflow.") from None


def _of_json(name: str, said: dict[str, Any]) -> Connection:
    extra = said.get("extra") or {}
    extra = json.loads(extra) if isinstance(extra, str) else extra
    port = said.get("port")
    return Connection(
        name,
        said.get("host") or None,
        int(port) if port else None,
        said.get("login") or None,
        said.get("password") or None,
        said.get("schema") or None,
        dict(extra),
    )


def _of_uri(name: str, said: str) -> Connection:
    parts = urlsplit(said)
    if not parts.scheme:
        raise ValueError
    extra: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "__extra__" in extra:
        extra = dict(json.loads(extra["__extra__"]))
    return Connection(
        name,
        unquote(parts.hostname) if parts.hostname else None,
        parts.port,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        unquote(parts.path.strip("/")) or None,
        extra,
    )
