"""Formats that a delivery's file may have, and how the names of such files end."""

from __future__ import annotations

from typing import Literal

Format = Literal["csv", "excel", "xml", "json", "ndjson", "geojson", "fixed_width", "geopackage", "parquet"]

MEMBER = "@member"  # physicalName of a column that has the name of the part of an archive that a row stands in
SHEET = "@sheet"  # the same of a sheet of a workbook
OF_VALUE = ".value"  # among the names of `unpivot`: that part of a name says which column the cells go to
# The usual one first.
ENDINGS: dict[str, tuple[str, ...]] = {
    "csv": (".csv", ".txt", ".tsv"),
    "excel": (".xlsx", ".xls"),
    "xml": (".xml",),
    "json": (".json",),
    "ndjson": (".ndjson", ".jsonl", ".json"),
    "geojson": (".geojson", ".json"),
    "fixed_width": (".txt", ".dat"),
    "geopackage": (".gpkg",),
    "parquet": (".parquet",),
    "zip": (".zip",),
    "gzip": (".gz",),
}
