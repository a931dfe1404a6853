"""Formats that a delivery's file may have, and how the names of such files end."""

from __future__ import annotations

from typing import Literal

Format = Literal["csv", "excel", "xml", "json", "ndjson", "geojson"]

# The usual one first.
ENDINGS: dict[str, tuple[str, ...]] = {
    "csv": (".csv", ".txt", ".tsv"),
    "excel": (".xlsx", ".xls"),
    "xml": (".xml",),
    "json": (".json",),
    "ndjson": (".ndjson", ".jsonl", ".json"),
    "geojson": (".geojson", ".json"),
    "zip": (".zip",),
    "gzip": (".gz",),
}
