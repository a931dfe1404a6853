"""A new deployment's folder: a city's facts to be filled in, and one dataset that loads."""

from __future__ import annotations

import shutil
from pathlib import Path

from etl.settings import STARTER

FIRST_FILE = "sample/trees_2026-03-31.csv"
FIRST_DATASET = "parks.trees"


def write(folder: Path) -> None:
    """Write the folder.

    Args:
        folder: new or empty.

    Raises:
        FileExistsError: if something is in it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(None, "There is something in it; name a new folder", str(folder))
    shutil.copytree(STARTER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
