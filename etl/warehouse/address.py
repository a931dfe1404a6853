"""Where the warehouse is: a server of the installation's own, or else the embedded one."""

from __future__ import annotations

from etl.settings import Settings
from etl.warehouse import embedded


def warehouse_url(settings: Settings) -> str:
    """The warehouse's URL; the embedded server is started if that is the one and it does not run."""
    return settings.database_url or embedded.start(settings.home / "postgres")


def query_url(settings: Settings) -> str:
    """The warehouse's URL for somebody who only asks: where the server is the embedded one, as `citydw_reader`."""
    if settings.database_url:
        return settings.reader_url or settings.database_url
    embedded.start(settings.home / "postgres")
    return embedded.url(settings.home / "postgres", user=embedded.READER)
