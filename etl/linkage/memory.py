"""What was compared the last time, so that only what has changed since is compared again.

It is a memory, not a state: each row says what was compared and what came of it, so it holds whatever became of the
tables of `link` meanwhile. Where there is none, or it was made in another way, all is compared anew, to the same end.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import polars as pl
from upath import UPath

from etl.datatypes import syllable
from etl.delivery.publish import publish


class Compared(NamedTuple):
    """What was compared, and what came of it.

    Groups are named by the first of their records, `record`: dataset, role and key.

    Attributes:
        settled: a row a settled group: record, fields, the forms in which they are compared.
        loose: a row a way in which loose ones are written: fields, forms, likely (settled groups that are likeliest,
            each with its odds), all_odds (of all who come into question); both are null where nobody does.
        rest: a row a group that no settled one explains: record, fields.
        among: pairs of the rest that may be one: one_record, other_record, probability.
    """

    settled: pl.DataFrame
    loose: pl.DataFrame
    rest: pl.DataFrame
    among: pl.DataFrame


def read(root: UPath, made_of: str) -> Compared | None:
    """What was compared the last time; None if nothing was, or in another way.

    Args:
        root: the data root.
        made_of: all that comparing follows from, besides the records: see `way`.
    """
    with suppress(FileNotFoundError, zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(_file(root).read_bytes())) as file:
        if file.comment == made_of.encode():
            return Compared(*(pl.read_parquet(file.read(name)) for name in Compared._fields))
    return None


def write(root: UPath, made_of: str, compared: Compared) -> None:
    """Keep what was compared: one file, so that its parts are of one time. It holds personal data."""
    with publish(_file(root)) as aside, zipfile.ZipFile(str(aside), "w") as file:
        file.comment = made_of.encode()
        for name, frame in zip(Compared._fields, compared, strict=True):
            part = io.BytesIO()
            frame.write_parquet(part, compression="zstd")
            file.writestr(name, part.getvalue())


def way(said: str) -> str:
    """A digest of the way in which is compared: what is declared and learnt, and the programs that do it.

    Args:
        said: what is declared and learnt.
    """
    digest = hashlib.sha256(said.encode())
    for package in ("splink", "duckdb", "polars"):
        digest.update(f"{package} {version(package)}\n".encode())
    for file in (*sorted(Path(__file__).parent.glob("*.py")), Path(syllable.__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _file(root: UPath) -> UPath:
    return root / "linkage" / "compared.zip"
