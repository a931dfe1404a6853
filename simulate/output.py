"""Where files are put, and the truth beside them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from simulate.delivery import Written
from simulate.truth import Dataset, File, replay

_DEFECTS = {"file": pl.String, "row": pl.Int64, "column": pl.String, "kind": pl.String, "effect": pl.String}


def put(
    path: Path, written: Written, agency: str, dataset: Dataset, as_of: date, revision: int = 1
) -> list[dict[str, Any]]:
    """Drop a file, and note what must come of it.

    Args:
        path: of the file.
        written: what is in it.
        agency: agency/dataset.
        dataset: where its truth is kept.
        as_of: the period written in its name.
        revision: of that period.

    Returns:
        Its defects.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written.content)
    name = f"{agency}/{path.name}"
    dataset.files.append(
        File(name, as_of, revision, written.accepted, written.rows_in, written.rejected, written.duplicates)
    )
    return [{"file": name, **defect} for defect in written.defects]


class Truth:
    """The folder `truth` of a city."""

    def __init__(self, out: Path) -> None:
        self._folder = out / "truth"
        self._deliveries: list[dict[str, Any]] = []
        self._defects: list[dict[str, Any]] = []
        (self._folder / "tables").mkdir(parents=True, exist_ok=True)

    def add(self, dataset: Dataset, defects: list[dict[str, Any]]) -> None:
        """Write what must become of a dataset."""
        history, counts = replay(dataset)
        history.write_parquet(self._folder / "tables" / f"{dataset.table}.parquet")
        self._deliveries += counts
        self._defects += defects

    def know(self, name: str, rows: pl.DataFrame) -> None:
        """Write what is true of the city itself, of which each agency knows its part."""
        folder = self._folder / "world"
        folder.mkdir(exist_ok=True)
        rows.write_parquet(folder / f"{name}.parquet")

    def write(self) -> None:
        """Write what is said of all files together."""
        pl.DataFrame(self._deliveries).write_parquet(self._folder / "deliveries.parquet")
        pl.DataFrame(self._defects, schema=_DEFECTS).write_parquet(self._folder / "defects.parquet")
