"""The datasets of the simulated city, which the tests know; others may stand beside them in `expectations/`.

And what is asked of every city: that each delivery of it is loaded, and what came of it is what is true.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from upath import UPath

from etl.contract import load_all
from etl.operate.audit import Discrepancy, audit
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive
from etl.receive.manifest import MANIFEST
from etl.settings import EXPECTATIONS
from etl.warehouse import marts
from etl.warehouse.mart import Mart
from etl.warehouse.shown import MARK

DATASETS = (
    "civil.births", "civil.deaths", "civil.marriages", "health.visits", "land.parcels", "land.permits",
    "tax.declarations", "tax.taxpayers",
)  # fmt: skip
MARTS = (
    "permits_by_ward", "population_events_by_ward_month", "tax_by_trade_month", "visits_by_facility_chapter_month",
)  # fmt: skip
CONTRACTS = {dataset: load_all()[dataset] for dataset in DATASETS}


def expectations_of(folder: Path, *datasets: str) -> Path:
    """A new folder with all that contracts share, and with the contracts and suites of some datasets alone.

    To read all is half a second of a core, and a command that makes or asks for all tables takes several.
    """

    def others(at: str, names: list[str]) -> list[str]:
        of_contract = [name for name in names if Path(at).parent == EXPECTATIONS and name.endswith((".yaml", ".json"))]
        return [name for name in of_contract if f"{Path(at).name}.{Path(name).stem}" not in datasets]

    return Path(shutil.copytree(EXPECTATIONS, folder, ignore=others))


def walk(pipeline: Pipeline, files: list[Path]) -> None:
    """Files through all stations, one after the other."""
    for file in files:
        received = receive(pipeline, UPath(file))
        for _ in pipeline.walk(received.dataset, received.delivery_id):
            pass


def audited(pipeline: Pipeline) -> list[Discrepancy]:
    """What is wrong by the two laws, which are looked at for every delivery."""
    return list(audit(pipeline.ledger, pipeline.storage, pipeline.contracts))


def loaded_city(city: Path, pipeline: Pipeline, datasets: Iterable[str]) -> Pipeline:
    """A pipeline that has walked all files of some datasets of a city, and made its marts."""
    folders = {dataset.replace(".", "/") for dataset in datasets}
    files = (path for path in (city / "days").rglob("*") if path.is_file() and not path.name.endswith(MANIFEST))
    walk(pipeline, sorted(file for file in files if file.parent.relative_to(file.parents[2]).as_posix() in folders))
    marts.refresh(pipeline.engine)
    return pipeline


def query(pipeline: Pipeline, sql: str, schema: pl.Schema | None = None) -> pl.DataFrame:
    with pipeline.engine.connect() as connection:
        result = connection.execute(sa.text(sql))
        rows, names = [tuple(row) for row in result], list(result.keys())
    types = {name: schema[name] for name in names} if schema else names
    return pl.DataFrame(rows, schema=types, orient="row", infer_schema_length=None)


def on_list(pipeline: Pipeline, view: str, *keys: str) -> set[tuple[object, ...]]:
    """What a list of what to correct names, by these of its columns."""
    return set(query(pipeline, f"SELECT {', '.join(keys)} FROM quality.{view}").rows())


def true_today(city: Path, table: str) -> pl.DataFrame:
    """The rows of a table that are true and in force, as the made-up city says."""
    return pl.read_parquet(city / "truth" / "tables" / f"{table}.parquet").filter(pl.col("valid_to").is_null())


def file_names(pipeline: Pipeline) -> dict[str, str]:
    entries = pipeline.ledger.all()
    return {f"{e.dataset}/{e.delivery_id}": f"{e.dataset.replace('.', '/')}/{e.file_name}" for e in entries}


def assert_rows_are_accounted_for(city: Path, pipeline: Pipeline, datasets: Collection[str]) -> None:
    """Every delivery of some datasets is loaded, and its counts are those of the truth."""
    counts = ["rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded"]
    truth = {row["file"]: row for row in pl.read_parquet(city / "truth" / "deliveries.parquet").to_dicts()}
    entries = [entry for entry in pipeline.ledger.all() if entry.dataset in datasets]
    assert {entry.dataset for entry in entries} == set(datasets)
    for entry in entries:
        assert entry.state == "loaded", (entry.file_name, entry.message_en)
        expected = truth[f"{entry.dataset.replace('.', '/')}/{entry.file_name}"]
        assert {n: getattr(entry, n) for n in counts} == {n: expected[n] for n in counts}, entry.file_name


def assert_table_is_true(city: Path, pipeline: Pipeline, table: str) -> None:
    """A history table equals the truth row by row and column by column."""
    truth = pl.read_parquet(city / "truth" / "tables" / f"{table}.parquet")
    dataset = next(c.id for c in pipeline.contracts.values() if f"{c.schema}.{c.table}" == table)
    found = query(pipeline, f"SELECT * FROM {table}", truth.schema)
    names = {
        name.removeprefix(f"{dataset}/"): file
        for name, file in file_names(pipeline).items()
        if name.startswith(f"{dataset}/")
    }
    found = found.with_columns(pl.col("opened_by", "closed_by").replace(names))
    assert set(found.columns) == set(truth.columns)
    assert truth.height > 0
    order = truth.columns
    assert_frame_equal(found.select(order).sort(order), truth.sort(order))


def assert_rejected_is_planted(city: Path, pipeline: Pipeline) -> None:
    """The rejected rows are exactly the planted defects, and a problem names the column that was spoiled."""
    planted = pl.read_parquet(city / "truth" / "defects.parquet")
    names = file_names(pipeline)
    planted = planted.filter(pl.col("file").is_in(list(names.values())))
    found = query(
        pipeline,
        "SELECT dataset || '/' || delivery_id AS file, row_no AS row, column_name AS column, severity FROM ops.problem",
    ).with_columns(pl.col("file").replace(names))
    rejected = planted.filter(pl.col("effect") == "rejected").select("file", "row").unique()
    critical = found.filter(pl.col("severity") == "critical").select("file", "row").unique()
    wrongly, missed = (
        one.join(other, on=["file", "row"], how="anti") for one, other in ((critical, rejected), (rejected, critical))
    )
    assert wrongly.is_empty(), wrongly.join(found, on=["file", "row"]).rows()
    assert missed.is_empty(), missed.join(planted, on=["file", "row"]).rows()
    spoiled = planted.filter(pl.col("column").is_not_null())
    missed = spoiled.join(found, on=["file", "row", "column"], how="anti")
    assert missed.is_empty(), missed


def assert_mart_shows_what_it_may(pipeline: Pipeline, mart: Mart) -> None:
    """Analysts see every row of a mart, and of it no cell that is built on few persons."""
    with pipeline.engine.connect() as connection:
        exact = pl.read_database(f"SELECT * FROM {mart.exact}", connection, infer_schema_length=None).with_row_index()
        shown = pl.read_database(f"SELECT * FROM mart.{mart.name}", connection, infer_schema_length=None)
    assert exact.height
    assert shown.height == exact.height
    assert set(shown.columns) == {name for name in exact.columns[1:] if not name.startswith("_")} | {MARK}
    measures = {name for cells in mart.cells for name in cells.columns}
    keys = [name for name in shown.columns if name not in {*measures, MARK}]
    both = exact.join(shown, on=keys, how="left", suffix="_shown", nulls_equal=True)
    assert both.height == exact.height
    for cells in mart.cells:
        few = both.filter((pl.col(cells.persons) > 0) & (pl.col(cells.persons) < cells.at_least))
        for name in cells.columns:
            assert few[f"{name}_shown"].null_count() == few.height
        assert few[MARK].to_list() == ["c"] * few.height
    # What can count anybody is declared: a number is a key, or may be hidden.
    numbers = {name for name, kind in shown.schema.items() if kind.is_numeric()}
    assert numbers <= measures
