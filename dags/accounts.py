"""Who may log in at a source: Airflow's connection of that name, from wherever Airflow keeps its secrets."""

from __future__ import annotations

from airflow.sdk import Connection as Kept
from airflow.sdk.exceptions import AirflowNotFoundException

from etl.connectors.connection import Connection
from etl.connectors.model import SourceFault


def account(name: str) -> Connection:
    """The connection of that name.

    Raises:
        SourceFault: if Airflow has none.
    """
    try:
        kept = Kept.get(name)
    except AirflowNotFoundException:
        raise SourceFault("name", f"Airflow has no connection {name}: add it.") from None
    return Connection(name, kept.host, kept.port, kept.login, kept.password, kept.schema, dict(kept.extra_dejson))
