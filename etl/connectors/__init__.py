"""Connectors: what an agency's system holds, as files for landing.

A contract says where the system stands (`etl.contract.servers`). Each kind of system has a module here with a class
that keeps to `etl.connectors.model.Connector`; what it yields goes the way of a file that an agency drops. Who may log
in there is in a connection (`etl.connectors.connection`), never in a contract.
"""

from __future__ import annotations

from importlib import import_module

from etl.connectors.connection import Connection
from etl.connectors.model import Connector
from etl.contract import Contract
from etl.settings import Limits

# Imported when first asked for: each brings a library of its own.
_CLASSES = {
    "postgresql": ("etl.connectors.postgresql", "Postgresql"),
    "mysql": ("etl.connectors.mysql", "Mysql"),
    "sftp": ("etl.connectors.sftp", "Sftp"),
    "s3": ("etl.connectors.s3", "S3"),
    "api": ("etl.connectors.api", "Api"),
}


def connector(contract: Contract, connection: Connection, limits: Limits) -> Connector:
    """What fetches a dataset from where its contract says that it stands.

    Args:
        contract: of a dataset with a server.
        connection: who may log in there.
        limits: what a file may ask of us.
    """
    assert contract.server is not None
    module, name = _CLASSES[contract.server.type]
    made: Connector = getattr(import_module(module), name)(contract, connection, limits)
    return made
