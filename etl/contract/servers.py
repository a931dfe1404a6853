"""Where an agency's system stands, and how a dataset is fetched from it (ODCS `servers`).

`server` is the name of a connection, which holds the account and its password: a contract holds no secret. Outside
Airflow the connection is the environment variable `AIRFLOW_CONN_<NAME>`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from croniter import croniter
from pydantic import AfterValidator, Field

from etl.contract.fields import Count, Length, Name, Part, Words, hours_of

XMIN = "xmin"  # the watermark of PostgreSQL that misses no late commit
_FIVE_FIELDS = re.compile(r"[\d*/,-]+(?: [\d*/,-]+){4}")
_PORTS = range(1, 65_536)


def _cron(said: str) -> str:
    if not (_FIVE_FIELDS.fullmatch(said) and croniter.is_valid(said)):
        raise ValueError(f"is {said!r}, and must be five fields as cron has them: 30 2 * * * is at 02:30 each day")
    return said


def _port(said: int) -> int:
    if said not in _PORTS:
        raise ValueError(f"is {said}, and must be a port, from 1 to 65535")
    return said


Cron = Annotated[str, AfterValidator(_cron)]
Port = Annotated[int, AfterValidator(_port)]


class Properties(Part):
    """What is said of every server under its `customProperties`."""

    schedule: Cron = Field(
        description="when it is asked, as cron writes it, in the city's time", examples=['"30 2 * * *"']
    )


class Watermark(Part):
    """By what new rows are told from those that were pulled before."""

    column: Words = Field(
        description="the column that says when a row was last changed; `xmin` in PostgreSQL, which every table has",
        examples=["updated_at"],
    )
    overlap: Length | None = Field(
        default=None,
        description="how far behind the last stamp is asked again, for rows that are committed late; longer than the "
        "longest transaction of the source. `xmin` needs none",
    )


class DatabaseProperties(Properties):
    """What is said of a database under its `customProperties`: a table, or a query of the engineer's."""

    table: Words | None = Field(default=None, description="the table or view that holds the columns of the contract")
    query: Words | None = Field(default=None, description="instead of a table: a SELECT that yields these columns")
    watermark: Watermark | None = Field(
        default=None, description="what is pulled is what has changed since; by default all of it, each time"
    )
    whole_every: Length | None = Field(
        default=None, description="with a watermark: how often all is pulled, for no watermark sees everything"
    )
    gone: Literal["keep", "end"] = Field(
        default="keep",
        description="with a watermark in mode changes: what becomes of a record that earlier pulls had and a whole one "
        "has not; end: it is deleted, as if the source had said so",
    )
    timeout: Length = Field(default="1h", description="how long the query may take")


class FolderProperties(Properties):
    """What is said of a folder of files under its `customProperties`."""

    after: Literal["leave", "archive"] = Field(
        default="leave", description="what becomes of a file that landing has; archive: it is moved to `processed/`"
    )
    receipts: Literal["keep", "outbox"] = Field(
        default="keep", description="outbox: receipts of its files are also put into `outbox/` there, at the next pull"
    )


class Pages(Part):
    """How an API tells one page of records from the next."""

    by: Literal["page", "offset", "cursor", "link"] = Field(
        description="what the next page is asked by: its number, how many records come before it, what the page before "
        "it says, or that one's header `Link`; the last two bear it best that records come and go meanwhile",
        examples=["cursor"],
    )
    parameter: Words | None = Field(default=None, description="by page, offset or cursor: the parameter that holds it")
    first: Count = Field(default=1, description="by page: the number of the first one")
    size: Count = Field(default=500, description="how many records are asked for at a time")
    size_parameter: Words | None = Field(default=None, description="the parameter that holds the size")
    next: Words | None = Field(
        default=None, description="by cursor: where it stands in a page, as `meta.next`; there is none on the last page"
    )
    total: Words | None = Field(
        default=None, description="where in a page stands how many records there are in all; so many must come"
    )


class Login(Part):
    """How an API is told who asks; the secrets are in the connection. A client certificate is there, too."""

    by: Literal["key", "basic", "oauth2"] = Field(
        description="a key in a header, a name and a password, or a token by OAuth 2 client credentials",
        examples=["oauth2"],
    )
    header: Words = Field(default="X-Api-Key", description="key: the header that holds it")
    token_url: Words | None = Field(default=None, description="oauth2: where the token is asked for")
    scope: Words | None = Field(default=None, description="oauth2: what it is asked for")


class Changed(Part):
    """How an API is asked for what has changed in some time."""

    since: Words = Field(description="the parameter that holds where the time begins", examples=["updated_from"])
    until: Words | None = Field(default=None, description="the parameter that holds where it ends")
    format: Literal["date", "timestamp"] = Field(
        default="timestamp", description="2026-03-02, in the city's days, or 2026-03-02T08:15:00Z"
    )
    overlap: Length = Field(
        description="how far behind the last pull is asked again, for what is entered late",
        examples=["{value: 1, unit: d}"],
    )


class ApiProperties(Properties):
    """What is said of an HTTP API under its `customProperties`."""

    records: Words | None = Field(
        default=None, description="where the list of records stands in an answer, as `data.items`; by default it is one"
    )
    pages: Pages | None = Field(default=None, description="how it is asked page by page; by default all comes at once")
    changed: Changed | None = Field(
        default=None, description="what is pulled is what has changed since; by default all of it, each time"
    )
    whole_every: Length | None = Field(
        default=None, description="with `changed`: how often all is pulled, for that never sees everything"
    )
    login: Login | None = Field(default=None, description="how it is told who asks; by default it is not")
    parameters: dict[str, str] = Field(default={}, description="what else each question holds; no secret")
    per_minute: Count = Field(default=60, description="how many questions it bears in a minute; 0: any number")
    timeout: Length = Field(default="1h", description="how long a pull may take")


class Server(Part):
    """A place from which a dataset is fetched."""

    server: Name = Field(description="the name of the connection, and of Airflow's pool", examples=["civil_registry"])
    type: str = Field(description="what it is", examples=["postgresql"])
    description: Words | None = Field(default=None, description="for whoever reads it")
    environment: Words | None = Field(default=None, description="for whoever reads it")
    custom_properties: Properties = Field(
        description="when it is asked, and what for", examples=["[{property: schedule, value: ...}]"]
    )

    @property
    def whole_every(self) -> timedelta | None:
        """How often all is pulled where otherwise only what has changed is; None where all is each time."""
        length = getattr(self.custom_properties, "whole_every", None)
        return timedelta(hours=hours_of(length)) if length else None


class DatabaseServer(Server):
    """A database. What the connection says of the address goes before, so that a test installation has its own."""

    host: Words = Field(description="the server's name", examples=["db.sotuphap.example.gov.vn"])
    port: Port = Field(description="the server's port", examples=["5432"])
    database: Words = Field(description="the database's name", examples=["hotich"])
    custom_properties: DatabaseProperties = Field(
        description="what is pulled, and when", examples=["[{property: table, value: khai_sinh}, ...]"]
    )

    @property
    def overlap(self) -> timedelta:
        """How far behind the watermark rows are asked for again."""
        mark = self.custom_properties.watermark
        return timedelta(hours=hours_of(mark.overlap)) if mark and mark.overlap else timedelta()

    @property
    def timeout(self) -> timedelta:
        """How long the query may take."""
        return timedelta(hours=hours_of(self.custom_properties.timeout))


class PostgresqlServer(DatabaseServer):
    """A PostgreSQL database."""

    type: Literal["postgresql"] = Field(description="PostgreSQL", examples=["postgresql"])
    schema_: Words = Field(alias="schema", description="where tables are looked for", examples=["public"])


class MysqlServer(DatabaseServer):
    """A MariaDB or MySQL database."""

    type: Literal["mysql"] = Field(description="MariaDB or MySQL", examples=["mysql"])


class FolderServer(Server):
    """A folder of files."""

    location: Words = Field(description="the folder's address", examples=["sftp://files.example.gov.vn/out"])
    custom_properties: FolderProperties = Field(
        description="how its files are taken, and when", examples=["[{property: schedule, value: ...}]"]
    )


class SftpServer(FolderServer):
    """A folder on an SFTP server."""

    type: Literal["sftp"] = Field(description="SFTP", examples=["sftp"])


class S3Server(FolderServer):
    """A folder in an object store."""

    type: Literal["s3"] = Field(description="an object store that speaks S3", examples=["s3"])
    endpoint_url: Words | None = Field(default=None, description="the store's address, where it is not Amazon's")


class ApiServer(Server):
    """An HTTP API."""

    type: Literal["api"] = Field(description="an HTTP API", examples=["api"])
    location: Words = Field(description="the API's address", examples=["https://api.example.gov.vn/v1/parcels"])
    custom_properties: ApiProperties = Field(
        description="how it is asked, and when", examples=["[{property: schedule, value: ...}]"]
    )


TYPES: dict[str, type[Server]] = {
    "postgresql": PostgresqlServer,
    "mysql": MysqlServer,
    "sftp": SftpServer,
    "s3": S3Server,
    "api": ApiServer,
}
