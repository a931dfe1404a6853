"""Settings, from the environment; each has a default that works on a laptop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

PROJECT = Path(__file__).resolve().parent.parent
EXPECTATIONS = PROJECT / "expectations"
SQL = PROJECT / "sql"
REFERENCE = Path(__file__).resolve().parent / "reference"


@dataclass(frozen=True)
class Settings:
    """Where things are.

    Attributes:
        home: state of this installation: the embedded server, Data Docs, and by default the data.
        data: root of inbox, landing, raw, validated, staging and outbox; a local path or a URL such as s3://bucket.
        database_url: a PostgreSQL server (SQLAlchemy URL, `postgresql+psycopg://...`); None means the embedded one.
        quiet_seconds: an inbox file that nobody has written to for so long is whole.
    """

    home: Path
    data: UPath
    database_url: str | None
    quiet_seconds: float = 5.0

    @classmethod
    def from_environment(cls) -> Settings:
        """Read CITYDW_HOME, CITYDW_DATA, CITYDW_DATABASE_URL and CITYDW_QUIET_SECONDS."""
        home = Path(os.environ.get("CITYDW_HOME", PROJECT / "var")).resolve()
        return cls(
            home=home,
            data=UPath(os.environ.get("CITYDW_DATA", home / "data")),
            database_url=os.environ.get("CITYDW_DATABASE_URL"),
            quiet_seconds=float(os.environ.get("CITYDW_QUIET_SECONDS", cls.quiet_seconds)),
        )

    @property
    def gx_home(self) -> Path:
        """Where Great Expectations keeps validation results and Data Docs."""
        return self.home / "great_expectations"

    def warehouse_url(self) -> str:
        """The warehouse's URL; the embedded server is started if that is the one and it does not run."""
        if self.database_url:
            return self.database_url
        from etl.server import start

        return start(self.home / "postgres")
