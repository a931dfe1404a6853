"""What the pipeline is measured beside: PostgreSQL's own COPY, and what people would use instead.

They get clean typed rows, for they neither validate nor standardise. Each function runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from bench.clean import Clean
from bench.measure import Clock
from bench.states import plain
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
    home = Settings.from_environment().home
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(home / "dlt")}
    import dlt
    import pyarrow  # noqa: F401 - before the clock begins

    # dlt wants a password and a host; the server asks for none, and the host behind the question mark counts.
    url = _url().replace("@/", ":none@localhost/")
    destination = dlt.destinations.postgres(credentials=url)
    pipeline = dlt.pipeline("bench", pipelines_dir=str(home / "dlt"), destination=destination, dataset_name="dlt")
    merge: Any = {"disposition": "merge", "strategy": strategy}  # dlt's type wants each strategy written out
    with clock:
        done = pipeline.run(
            clean.arrow(),
            table_name="clean",
            write_disposition=merge,
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
