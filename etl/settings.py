"""Settings, from the environment; each has a default that works on a laptop."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from upath import UPath

_PACKAGE = Path(__file__).resolve().parent
PROJECT = _PACKAGE.parent


def _shipped(name: str) -> Path:
    """A folder that a wheel carries inside the package, and a clone beside it, where people edit it."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else PROJECT / name


def _memory() -> int:
    """Bytes that one task may use: half of what the container, or else the machine, has."""
    try:
        had = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        had = 8 << 30
    for of_container in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max": as much as there is
            had = min(had, int(Path(of_container).read_text(encoding="ascii")))
    return had // 2


def _whole(memory: int) -> int:
    """The largest file that is read at once in so much memory: 8 to 29 bytes for each of its bytes were measured."""
    return min(1 << 30, memory // 20)


_MEMORY = _memory()
SHIPPED = _shipped("expectations")  # the deployment that comes with the project: Ho Chi Minh City's
EXPECTATIONS = Path(os.environ.get("CITYDW_EXPECTATIONS") or SHIPPED).resolve()  # this deployment's: what is a city's
CODES = EXPECTATIONS / "codes"  # code lists
SQL = _shipped("sql")
MARTS = SQL if SHIPPED.resolve() == EXPECTATIONS else EXPECTATIONS  # holds `marts/` and the like
_HOME = PROJECT / "var" if MARTS == SQL else EXPECTATIONS.with_name(f"{EXPECTATIONS.name}-var")  # of one city alone
REFERENCE = _PACKAGE / "reference"
TEMPLATES = _PACKAGE / "templates"
STARTER = _PACKAGE / "starter"  # what a new deployment begins with


@dataclass(frozen=True)
class Limits:
    """How much one file may ask of us; whatever asks for more is refused in a sentence before memory is spent on it.

    Each is set by an environment variable of its name, as in CITYDW_MAX_FILE_BYTES.

    Attributes:
        file_bytes: size of a file as it was sent.
        memory_bytes: memory that reading one file may take; by default half of what the container or the machine has.
        whole_bytes: as file_bytes, for a format that is not read piece by piece, as CSV, fixed width and NDJSON are; by
            default a twentieth of memory_bytes, and 1 GiB at most.
        unpacked_bytes: size of what a ZIP or an Excel file (which is one) holds, once unpacked; also of all text in
            the cells of an Excel file, which keeps a repeated one once.
        ratio: bytes that one packed byte may become; the first megabyte of a file is not counted.
        rows: lines or records.
        whole_rows: the same for a format that is not read piece by piece.
        columns: columns, or field names that occur anywhere in the file.
        empty_cells: cells that a table would have and the file has not, as between a lone cell far off and the others.
        record_bytes: length of a line of text, or of an XML record with what stands before it.
        cell_chars: characters in a cell; a longer one costs its row, not the file. Boundaries are exempt.
        depth: levels of nesting in JSON. (XML has its parser's own limit, 256.)
        agency_bytes: what is taken from one agency's inbox at a time; the files beyond it wait for the next time.
    """

    file_bytes: int = 16 << 30
    memory_bytes: int = _MEMORY
    whole_bytes: int = _whole(_MEMORY)
    unpacked_bytes: int = 1 << 30
    ratio: int = 100
    rows: int = 100_000_000
    whole_rows: int = 5_000_000
    columns: int = 500
    empty_cells: int = 20_000_000
    record_bytes: int = 8 << 20
    cell_chars: int = 32_767  # what a cell of Excel holds
    depth: int = 100
    agency_bytes: int = 64 << 30

    def at_once(self) -> Limits:
        """What a file may ask whose format is not read piece by piece."""
        return replace(
            self,
            file_bytes=min(self.file_bytes, self.whole_bytes),
            unpacked_bytes=min(self.unpacked_bytes, self.whole_bytes),
            rows=min(self.rows, self.whole_rows),
        )

    @classmethod
    def from_environment(cls) -> Limits:
        """Read CITYDW_MAX_FILE_BYTES and its like.

        Raises:
            ValueError: if one is no whole number.
        """
        limits: dict[str, int] = {}
        for field in fields(cls):
            name = f"CITYDW_MAX_{field.name.upper()}"
            if name in os.environ:
                if not os.environ[name].isdecimal():
                    raise ValueError(f"{name} must be a whole number, and is {os.environ[name]!r}.")
                limits[field.name] = int(os.environ[name])
        if "memory_bytes" in limits:
            limits.setdefault("whole_bytes", _whole(limits["memory_bytes"]))
        return cls(**limits)


DEFAULT_LIMITS = Limits()
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # one letter is a drive of Windows


def _data_root(place: str) -> UPath:
    """A folder, or an object store that never shows half an object.

    Raises:
        ValueError: if it is another place.
    """
    if _PROTOCOL.match(place) and not place.startswith("s3://"):
        raise ValueError(f"CITYDW_DATA must be a folder or s3://bucket/prefix, and is {place!r}.")
    return UPath(place)


@dataclass(frozen=True)
class Settings:
    """Where things are, and how much a file may ask.

    Attributes:
        home: state of this installation: the embedded server, Data Docs, and by default the data.
        data: root of inbox, landing, raw, validated, staging, outbox and site; a folder, or an object store as s3://bucket/prefix.
        database_url: a PostgreSQL server (SQLAlchemy URL, `postgresql+psycopg://...`); None means the embedded one.
        reader_url: the same server for `citydw query`, as a role that only reads; by default database_url.
        quiet_seconds: a file that has not changed between two looks so far apart is whole.
        limits: what a file may ask of us at most.
        workbook_rows: rejected rows that a receipt's workbook holds at most.
        notify_mail: who hears of what is held, rejected or late; the server is Airflow's connection smtp_default.
        notify_webhook: address that the same is posted to as JSON.
        deciders: who may be named by `citydw decide --by`; empty: anybody. Where there are some, one must be named.
    """

    home: Path
    data: UPath
    database_url: str | None
    reader_url: str | None = None
    quiet_seconds: float = 5.0
    limits: Limits = DEFAULT_LIMITS
    workbook_rows: int = 50_000
    notify_mail: tuple[str, ...] = ()
    notify_webhook: str | None = None
    deciders: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the variables of these names, as CITYDW_QUIET_SECONDS, and the limits.

        Raises:
            ValueError: if one of them is none that it may be.
        """
        home = Path(os.environ.get("CITYDW_HOME", _HOME)).resolve()
        return cls(
            home=home,
            data=_data_root(os.environ.get("CITYDW_DATA", str(home / "data"))),
            database_url=os.environ.get("CITYDW_DATABASE_URL"),
            reader_url=os.environ.get("CITYDW_READER_URL"),
            quiet_seconds=float(os.environ.get("CITYDW_QUIET_SECONDS", cls.quiet_seconds)),
            limits=Limits.from_environment(),
            workbook_rows=int(os.environ.get("CITYDW_WORKBOOK_ROWS", cls.workbook_rows)),
            notify_mail=tuple(filter(None, os.environ.get("CITYDW_NOTIFY_MAIL", "").replace(",", " ").split())),
            notify_webhook=os.environ.get("CITYDW_NOTIFY_WEBHOOK") or None,
            deciders=tuple(filter(None, (n.strip() for n in os.environ.get("CITYDW_DECIDERS", "").split(",")))),
        )

    @property
    def gx_home(self) -> Path:
        """Where Great Expectations keeps validation results and Data Docs."""
        return self.home / "great_expectations"

    @property
    def data_docs(self) -> Path:
        """The page on which Great Expectations shows what it found."""
        return self.gx_home / "data_docs" / "index.html"

    @property
    def key(self) -> bytes:
        """This installation's secret, made when it is first asked for; who reads it can forge mended workbooks."""
        path = self.home / "secret.key"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            self.home.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
            aside.touch(0o600)
            aside.write_bytes(secrets.token_bytes(32))
            with suppress(FileExistsError):  # somebody else was quicker
                path.hardlink_to(aside)
            aside.unlink()
            return path.read_bytes()
