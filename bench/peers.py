"""What the pipeline is measured beside: PostgreSQL's own COPY, and what people would use instead.

They get clean typed rows, for they neither validate nor standardise. Each function runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.clean import Clean
from bench.measure import Clock
from bench.sources import ODD, Source, judged
from bench.states import plain
from demo.servers import ADMIN
from etl.settings import Settings
from etl.warehouse import address

_CHUNK = 1 << 20


def copy(clock: Clock, clean: Clean) -> None:
    """The floor: COPY of clean typed CSV into an empty table with its primary key."""
    import psycopg

    with psycopg.connect(_url(), autocommit=True) as connection:
        connection.execute(clean.create_table.encode())
        with (
            clock,
            clean.csv.open("rb") as file,
            connection.cursor().copy("COPY clean FROM STDIN (FORMAT csv, HEADER)") as stream,
        ):
            while chunk := file.read(_CHUNK):
                stream.write(chunk)


def psql_copy(clock: Clock, file: Path) -> None:
    r"""The \copy of psql: a file as it was sent, without defects, into a table of text columns without a key."""
    import psycopg

    from etl.warehouse.embedded import programs

    with file.open(encoding="utf-8") as lines:
        columns = next(lines).strip().split(";")
    with psycopg.connect(_url(), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE sent ({', '.join(f'{name} text' for name in columns)})".encode())
    command = f"\\copy sent FROM '{file}' (FORMAT csv, HEADER, DELIMITER ';')"
    with clock:
        subprocess.run([programs() / "psql", "--no-psqlrc", "--command", command, _url()], check=True)


def dlt_merge(clock: Clock, clean: Clean, strategy: str) -> None:
    """dlt: an Arrow table merged on its key, by its fastest way into PostgreSQL: Parquet, which ADBC loads.

    Args:
        clock: runs over the whole run of dlt's pipeline.
        clean: the rows.
        strategy: of the merge: delete-insert is what dlt does by default, upsert is faster.
    """
    pipeline = _dlt()
    with clock:
        _merge(pipeline, clean.arrow(), clean, strategy)


def dlt_merge_checked(clock: Clock, clean: Clean, strategy: str, contracts: Path, dataset: str) -> None:
    """The same after Great Expectations has judged the rows, by those of the dataset's rules that it knows itself.

    Args:
        clock: runs over both.
        clean: the rows; all rules hold.
        strategy: of the merge.
        contracts: folder of contracts and suites.
        dataset: whose rules they are.
    """
    import great_expectations as gx
    import pandas as pd

    from etl.contract import load_all
    from etl.validate.suite import expected

    pipeline = _dlt()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    whole = (
        context.data_sources.add_pandas("memory")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
    )
    rules = []
    for rule in expected(load_all(contracts)[dataset]):
        kind = getattr(gx.expectations, "".join(part.capitalize() for part in rule.type.split("_")), None)
        if kind and set(rule.columns) <= set(clean.types):
            rules.append(kind(**rule.kwargs))
    with clock:
        rows = clean.arrow()
        frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
        suite = gx.ExpectationSuite("rows", expectations=rules)
        whole.get_batch(batch_parameters={"dataframe": frame}).validate(suite, result_format="BASIC")
        _merge(pipeline, rows, clean, strategy)


def _dlt() -> Any:
    home = Settings.from_environment().home
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(home / "dlt")}
    import dlt
    import pyarrow  # noqa: F401 - before the clock begins

    # dlt wants a password and a host; the server asks for none, and the host behind the question mark counts.
    url = _url().replace("@/", ":none@localhost/")
    destination = dlt.destinations.postgres(credentials=url)
    return dlt.pipeline("bench", pipelines_dir=str(home / "dlt"), destination=destination, dataset_name="dlt")


def _merge(pipeline: Any, rows: Any, clean: Clean, strategy: str) -> None:
    done = pipeline.run(
        rows,
        table_name="clean",
        write_disposition={"disposition": "merge", "strategy": strategy},
        primary_key=list(clean.key),
        loader_file_format="parquet",
    )
    done.raise_on_failed_jobs()


def to_sql(clock: Clock, clean: Clean) -> None:
    """pandas: clean Arrow-backed rows appended to an empty table with its primary key."""
    import pandas as pd
    import sqlalchemy as sa

    engine = sa.create_engine(address.warehouse_url(Settings.from_environment()))
    with engine.begin() as connection:
        connection.exec_driver_sql(clean.create_table)
    with clock, engine.begin() as connection:
        rows = clean.arrow().to_pandas(types_mapper=pd.ArrowDtype)
        # pandas takes decimals for text.
        decimals = {name: sa.Numeric() for name, kind in clean.types.items() if kind.startswith("numeric")}
        rows.to_sql("clean", connection, if_exists="append", index=False, chunksize=10_000, dtype=decimals)


def great_expectations(clock: Clock, files: int, rows: int) -> None:
    """Great Expectations alone, as one calls it: 16 expectations on as many columns, for each of some small files.

    Args:
        clock: runs over all files, which are Arrow-backed frames in memory.
        files: how many.
        rows: of each.
    """
    import great_expectations as gx
    import pandas as pd

    from bench.inputs import VISIT_COLUMNS

    numbers = [f"{number:09}" for number in range(rows)]
    frame = pd.DataFrame(dict.fromkeys(VISIT_COLUMNS, numbers))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("file")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    matches = [gx.expectations.ExpectColumnValuesToMatchRegex(column=c, regex="^[0-9]{9}$") for c in VISIT_COLUMNS]
    suite = gx.ExpectationSuite("file", expectations=matches)
    with clock:
        for _ in range(files):
            arrow = frame.convert_dtypes(dtype_backend="pyarrow")
            whole.get_batch(batch_parameters={"dataframe": arrow}).validate(suite, result_format="BASIC")


def dump(clock: Clock, source: Source, file: Path) -> dict[str, Any]:
    """The source's own client: `COPY ... TO STDOUT` by psql, or `mariadb --quick -B`, into a file, by the key."""
    from etl.warehouse.embedded import programs

    def save(query: str, into: Path) -> None:
        if source.kind == "postgresql":
            command = [str(programs() / "psql"), "--no-psqlrc", source.url(), "--command",
                       f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"]  # fmt: skip
        else:
            command = ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={source.port}", f"--user={ADMIN}",
                       "--default-character-set=utf8mb4", "--quick", "--batch", "--execute", query,
                       source.database]  # fmt: skip
        with into.open("wb") as stream:
            subprocess.run(command, env=os.environ | {"MYSQL_PWD": source.password}, stdout=stream, check=True)

    def read(name: str) -> tuple[str | None, str | None]:
        aside = file.with_suffix(".odd")
        save(f"SELECT {source.named(name)} FROM odd", aside)
        _, value, null = aside.read_text("utf-8").split("\n")[:3]
        return value, null

    return _pulled(clock, source, lambda: save(source.query(), file), read)


def adbc(clock: Clock, source: Source, file: Path) -> dict[str, Any]:
    """ADBC's driver for PostgreSQL: Arrow, batch by batch, into Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from adbc_driver_postgresql import dbapi

    def save() -> None:
        with dbapi.connect(source.url()) as connection, connection.cursor() as cursor:
            cursor.execute(source.query())
            batches = cursor.fetch_record_batch()
            with pq.ParquetWriter(file, batches.schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)

    def read(name: str) -> tuple[str | None, str | None]:
        with dbapi.connect(source.url()) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {source.named(name)} FROM odd")
            return _first_two(pa.table(cursor.fetch_arrow_table()))

    return _pulled(clock, source, save, read)


def connectorx(clock: Clock, source: Source, file: Path) -> dict[str, Any]:
    """connectorx: a whole Arrow table in memory, into Parquet."""
    import connectorx as library
    import pyarrow.parquet as pq

    def save() -> None:
        pq.write_table(library.read_sql(source.url(), source.query(), return_type="arrow"), file)

    def read(name: str) -> tuple[str | None, str | None]:
        query = f"SELECT {source.named(name)} FROM odd"
        return _first_two(library.read_sql(source.url(), query, return_type="arrow"))

    return _pulled(clock, source, save, read)


def dlt_pull(clock: Clock, source: Source, file: Path) -> dict[str, Any]:
    """dlt: its source `sql_table` by pyarrow, into Parquet in a folder."""
    home = Settings.from_environment().home
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(home / "dlt")}
    import dlt
    import pyarrow.parquet as pq
    from dlt.sources.sql_database import sql_table

    url = source.url("psycopg" if source.kind == "postgresql" else "pymysql")

    def load(table: str, folder: Path, columns: list[str] | None = None) -> None:
        destination = dlt.destinations.filesystem(bucket_url=folder.as_uri())
        pipeline = dlt.pipeline(
            f"bench_{folder.name}", pipelines_dir=str(home / "dlt"), destination=destination, dataset_name="dlt"
        )
        rows = sql_table(url, table=table, backend="pyarrow", chunk_size=100_000, included_columns=columns)
        pipeline.run(rows, loader_file_format="parquet").raise_on_failed_jobs()

    def read(name: str) -> tuple[str | None, str | None]:
        folder = file.with_name(f"{file.name}_{list(ODD[source.kind]).index(name)}")
        load("odd", folder, [name])
        (found,) = folder.glob("dlt/odd/*.parquet")
        table = pq.read_table(found)
        return _first_two(table.select([column for column in table.column_names if not column.startswith("_dlt")]))

    return _pulled(clock, source, lambda: load("visits", file.with_name(f"{file.name}_dlt")), read)


def _pulled(
    clock: Clock, source: Source, save: Callable[[], None], read: Callable[[str], tuple[str | None, str | None]]
) -> dict[str, Any]:
    """Measure a pull by somebody who has worked before; what it cannot do is noted and no fault of the benchmark's.

    Returns:
        `cpu`: seconds of this process, of the programs that it has called and of the source's server; `odd`: what
        became of the odd values; `failed`: why, if it did.
    """
    notes: dict[str, Any] = {"odd": judged(source.kind, read)}
    before = source.cpu()
    try:
        with clock:
            save()
    except BaseException as error:  # a library in Rust may panic, which is no Exception
        notes["failed"] = type(error).__name__
    return notes | {"cpu": source.cpu() - before}


def _first_two(table: Any) -> tuple[str | None, str | None]:
    """The first two cells of a table of Arrow's, as text; a day that Python has not, as its number."""
    value, null = (_text(table.column(0)[row]) for row in range(2))
    return value, null


def _text(cell: Any) -> str | None:
    try:
        said = cell.as_py()
    except (ValueError, OverflowError):
        said = cell.value
    return None if said is None else str(said)


def lxml(clock: Clock, file: Path) -> dict[str, Any]:
    """XML by lxml's iterparse to columns of text."""
    import polars as pl
    from lxml import etree

    with clock:
        records: list[list[str | None]] = []
        for _, element in etree.iterparse(file, tag="TONG_HOP"):
            records.append([child.text for child in element])
            element.clear()
        rows = pl.DataFrame(records, orient="row")
    return {"counts": {"rows_in": rows.height}}


def pygixml(clock: Clock, file: Path) -> dict[str, Any]:
    """XML by pygixml (pugixml), which holds the whole file as a tree, to columns of text."""
    import polars as pl
    import pygixml as library

    with clock:
        document = library.parse_file(str(file))  # without a name it is gone, and the program with it
        records = [[child.child_value() for child in element.children()] for element in document.root.children()]
        rows = pl.DataFrame(records, orient="row")
    return {"counts": {"rows_in": rows.height}}


def fastexcel(clock: Clock, file: Path) -> dict[str, Any]:
    """Excel by fastexcel (calamine) to Arrow columns of text."""
    import fastexcel as library

    with clock:
        rows = library.read_excel(file).load_sheet(0, header_row=4, dtypes="string").to_arrow()
    return {"counts": {"rows_in": rows.num_rows}}


def orjson(clock: Clock, file: Path) -> dict[str, Any]:
    """GeoJSON by orjson; properties to columns, geometry to shapes by shapely."""
    import numpy as np
    import orjson as library
    import polars as pl
    import shapely

    with clock:
        features = library.loads(file.read_bytes())["features"]
        rows = pl.DataFrame([feature["properties"] for feature in features], infer_schema_length=None)
        shapely.from_geojson(np.array([library.dumps(feature["geometry"]) for feature in features], dtype=object))
    return {"counts": {"rows_in": rows.height}}


def pyogrio(clock: Clock, file: Path) -> dict[str, Any]:
    """GeoJSON by GDAL to Arrow columns, geometry as WKB."""
    import pyogrio as library

    with clock:
        _, rows = library.read_arrow(file)
    return {"counts": {"rows_in": rows.num_rows}}


def _url() -> str:
    return plain(address.warehouse_url(Settings.from_environment()))
