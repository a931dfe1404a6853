"""What is wrong in what a contract says of its agency's system: by itself, and beside the rest of the contract."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from etl.contract.column import Column
from etl.contract.document import Document
from etl.contract.servers import XMIN, ApiServer, DatabaseServer, FolderServer, PostgresqlServer, Server


def faults(server: Server, document: Document, columns: Collection[Column]) -> Iterator[str]:
    """What is wrong in a server, by itself and with what the contract says elsewhere.

    Args:
        server: this one.
        document: the contract.
        columns: those of its columns that can be read.
    """
    if isinstance(server, ApiServer | FolderServer):
        yield from _of_location(server)
    if isinstance(server, ApiServer):
        yield from _of_api(server, document)
    if isinstance(server, DatabaseServer):
        yield from _of_database(server, document)
        if server.custom_properties.gone == "end":
            yield from _of_what_is_gone(columns)


def _of_what_is_gone(columns: Collection[Column]) -> Iterator[str]:
    """A deletion of ours must have its place among the changes to a record."""
    for column in columns:
        form = column.logical_type_options.format or ""
        is_clock = column.logical_type == "timestamp" and "X" not in form
        if column.custom_properties.role == "sequence" and not is_clock:
            yield f"servers: gone: end needs a time without an offset in column {column.name}, which orders changes"


def _of_location(server: ApiServer | FolderServer) -> Iterator[str]:
    parts = urlsplit(server.location)
    schemes = {"sftp": ("sftp",), "s3": ("s3",), "api": ("https", "http")}[server.type]
    if "@" in server.location:  # what is before it may be a secret, and is not quoted
        yield "servers: location names who logs in; that belongs into the connection, never into a contract"
    elif parts.scheme not in schemes or not parts.hostname:
        yield f"servers: location {server.location!r} must be {schemes[0]}://..., with a server's or a bucket's name"


def _of_api(server: ApiServer, document: Document) -> Iterator[str]:
    said, custom = server.custom_properties, document.custom_properties
    if custom.source.format != "ndjson" or custom.source.encoding != "utf-8" or custom.source.archive:
        yield "servers: what an API says is kept as one record a line, in UTF-8: `source` must be {format: ndjson}"
    for url in (server.location, said.login.token_url if said.login else None):
        if url and not _is_kept_secret(url):
            yield f"servers: {url!r} is not https, so that anybody on the way could read along, and answer"
    if said.login and (said.login.by == "oauth2") != (said.login.token_url is not None):
        yield "servers: `tokenUrl` is needed by `login` by oauth2, and by no other"
    pages = said.pages
    if pages and (pages.by == "link") != (pages.parameter is None):
        yield f"servers: pages by {pages.by} need{'' if pages.parameter is None else ' no'} `parameter`"
    if pages and (pages.by == "cursor") != (pages.next is not None):
        yield "servers: `next` is needed by pages by cursor, and by no others"
    if (said.changed is None) != (said.whole_every is None):
        yield (
            "servers: `changed` never sees what is gone; with it, say how often all is pulled, and without it, do not: "
            "{property: wholeEvery, value: {value: 7, unit: d}}"
        )
    if said.changed and custom.delivery_mode == "snapshot":
        yield (
            "servers: `changed` pulls what has changed, and in deliveryMode 'snapshot' what a file does not have has "
            "ended; leave it out, or make it deliveryMode changes or append"
        )


def _is_kept_secret(url: str) -> bool:
    """Whether nobody on the way reads what is sent to an address; on this machine nobody is."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))


def _of_database(server: DatabaseServer, document: Document) -> Iterator[str]:
    said, custom = server.custom_properties, document.custom_properties
    source = custom.source
    is_written = source.format == "csv" and source.encoding in ("utf-8", "utf-8-sig") and not source.archive
    if not is_written or source.numbers != "plain":
        yield (
            "servers: a database is read as CSV in UTF-8 with plain numbers, and `source` says otherwise; where files "
            "are also dropped in another form, they need a dataset of their own"
        )
    if (said.table is None) == (said.query is None):
        yield "servers: it needs a `table` or a `query`, and not both"
    mark = said.watermark
    if said.gone == "end" and (mark is None or custom.delivery_mode != "changes"):
        yield "servers: gone is of a watermark in deliveryMode changes; leave it out"
    if mark is None:
        if said.whole_every:
            yield "servers: wholeEvery is of a watermark, without which all is pulled each time; leave it out"
        return
    if custom.delivery_mode == "snapshot":
        yield (
            "servers: a watermark pulls what has changed, and in deliveryMode 'snapshot' what a file does not have has "
            "ended; leave the watermark out, or make it deliveryMode changes or append"
        )
    if said.whole_every is None:
        yield (
            "servers: a watermark never sees rows that are gone, or stamped wrongly; say how often all is pulled: "
            "{property: wholeEvery, value: {value: 7, unit: d}}"
        )
    if mark.column == XMIN and not isinstance(server, PostgresqlServer):
        yield "servers: xmin is of PostgreSQL; name the column that says when a row was last changed"
    if (mark.column == XMIN) != (mark.overlap is None):
        yield (
            "servers: a watermark needs `overlap`, for rows are committed later than they are stamped: "
            "{column: ..., overlap: {value: 2, unit: h}}; xmin needs none, and must have none"
        )
