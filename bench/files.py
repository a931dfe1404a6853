"""The files that are measured on, made once and kept: the same size gives the same files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bench import city, inputs
from simulate import civil, health, land, tax
from simulate.delivery import changes, write
from simulate.people import population

VERSIONS = 5  # of each record in a history: it came new and was changed four times
ROWS_OF_A_SMALL_FILE = 200
FILES_A_DAY = 10
_KEY = {"visits": "ma_lk", "declarations": "declaration_no"}
_EXTENSION = {"visits": "xml", "declarations": "zip"}  # of the real datasets


@dataclass(frozen=True)
class Files:
    """A folder of files, by what is in them.

    Attributes:
        folder: where they are kept; those of an earlier `bench/inputs.py` are not used again.
    """

    folder: Path

    def first(self, name: str, rows: int, bad: float = inputs.BAD) -> Path:
        """A file of a whole dataset."""

        def content(path: Path) -> None:
            inputs.write_file(path, name, inputs.rows(name, rows), bad=bad)

        return self._kept(f"first-{name}-{rows}-{bad:g}", _csv(name, 0), content)

    def second(self, name: str, rows: int) -> Path:
        """The same dataset a day later: every hundredth row has other content."""

        def chunks() -> Iterator[pl.DataFrame]:
            for old, new in zip(inputs.rows(name, rows), inputs.rows(name, rows, seed=2), strict=True):
                is_new = pl.int_range(pl.len()) % 100 == 0
                yield pl.concat([old.filter(~is_new), new.filter(is_new)]).sort(_KEY[name])

        def content(path: Path) -> None:
            inputs.write_file(path, name, chunks())

        return self._kept(f"second-{name}-{rows}", _csv(name, 1), content)

    def history(self, name: str, rows: int) -> list[Path]:
        """Files of changes that give a table of so many rows: records that are new, then changed day after day."""
        return [self._changes(name, rows // VERSIONS, day, every=1) for day in range(VERSIONS)]

    def changes(self, name: str, rows: int, of: int) -> Path:
        """Changes to some records of the history of `of` rows, spread over all of it."""
        records = of // VERSIONS
        return self._changes(name, records, VERSIONS, every=records // rows)

    def small(self, name: str, count: int) -> Path:
        """A folder of small files of the real dataset, as `<agency>/<dataset>/<file>`: ten a day."""
        rng = np.random.default_rng(1)
        form, agency = (health.form(rng), "health") if name == "visits" else (tax.declarations_form(rng), "tax")

        def content(folder: Path) -> None:
            (folder / agency / name).mkdir(parents=True)
            chunks = inputs.rows(name, count * ROWS_OF_A_SMALL_FILE)
            slices = (rows for chunk in chunks for rows in chunk.iter_slices(ROWS_OF_A_SMALL_FILE))
            for number, rows in enumerate(slices):
                file = f"{name}_{inputs.day(number // FILES_A_DAY)}_{number:06}.{_EXTENSION[name]}"
                (folder / agency / name / file).write_bytes(write(form, rows, rng, at_least_one=False).content)

        return self._kept(f"small-{name}-{count}", "files", content)

    def of_format(self, dataset: str, rows: int) -> Path:
        """A file of a real dataset that does not come as CSV: health.visits, civil.deaths or land.parcels."""
        rng = np.random.default_rng(1)
        people = population(np.random.default_rng(0), 50_000, inputs.FIRST_DAY)

        def content(path: Path) -> None:
            if dataset == "health.visits":
                form = health.form(rng)
                standard = health.visits(rng, people, rows, inputs.FIRST_DAY, health.FACILITIES[0])
            elif dataset == "civil.deaths":
                form = civil.deaths_form(rng)
                dying = people[rng.integers(0, people.height, rows)]
                parts = civil.deaths(rng, dying, inputs.FIRST_DAY, 1).iter_slices(10_000)  # a day has not more seconds
                standard = pl.concat([changes(part, "T", inputs.FIRST_DAY, rng) for part in parts])
            else:
                form = land.parcels_form(rng)
                standard = land.parcels(rng, people, rows, 0)
            path.write_bytes(write(form, standard, rng, at_least_one=False).content)

        extension = {"health.visits": "xml", "civil.deaths": "xlsx", "land.parcels": "geojson"}[dataset]
        name = f"{dataset.split('.')[1]}_{inputs.day(0)}.{extension}"
        return self._kept(f"format-{dataset}-{rows}", name, content)

    def of_city(self, dataset: str, rows: int) -> list[Path]:
        """The files of a real dataset as large as the city: those of `bench.city`, in their order."""

        def content(folder: Path) -> None:
            folder.mkdir()
            getattr(city, dataset.split(".")[1])(folder, rows)

        folder = self._kept(f"city-{dataset}-{rows}", "files", content)
        return sorted(path for path in folder.iterdir() if not path.name.endswith(".manifest.json"))

    def _changes(self, name: str, records: int, day: int, every: int) -> Path:
        def chunks() -> Iterator[pl.DataFrame]:
            for rows in inputs.rows(name, records, seed=1 + day):
                yield rows.gather_every(every)

        def content(path: Path) -> None:
            inputs.write_file(path, name, chunks(), change="T" if day == 0 else "S")

        return self._kept(f"changes-{name}-{records}-{day}-{every}", _csv(name, day), content)

    def _kept(self, folder: str, name: str, make: Callable[[Path], None]) -> Path:
        """A file or folder that is there, or is made now, aside."""
        made_by = hashlib.sha256(Path(inputs.__file__).read_bytes() + Path(__file__).read_bytes()).hexdigest()[:8]
        path = self.folder / made_by / folder / name
        if not path.exists():
            aside = path.with_name(f".{name}.part")
            aside.parent.mkdir(parents=True, exist_ok=True)
            aside.unlink(missing_ok=True)
            make(aside)
            aside.rename(path)
        return path


def _csv(name: str, day: int) -> str:
    return f"{name}_{inputs.day(day)}.csv"
