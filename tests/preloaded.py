"""What a program that is forked for a test finds loaded: what we build on, our own modules and the contracts."""

from __future__ import annotations

import gc
from importlib import import_module

from etl.contract import load_all

BUILT_ON = (
    "alembic.autogenerate", "great_expectations", "openpyxl", "pandas", "phonenumbers", "polars", "psycopg", "pyarrow",
    "pydantic", "pyproj", "rich.markup", "rich.table", "sqlalchemy", "typer", "upath.implementations.local",
    "viparse.api", "yaml",
)  # fmt: skip
OURS = (  # without `etl.validate.gx`: a test hides Great Expectations from it
    "etl.agency.check", "etl.cli.output", "etl.operate.audit", "etl.operate.backup", "etl.operate.hold",
    "etl.operate.replay", "etl.pipeline.lint", "etl.pipeline.pull", "etl.site", "etl.warehouse.freshness",
    "etl.warehouse.marts", "etl.warehouse.migrate",
)  # fmt: skip

for name in (*BUILT_ON, *OURS):
    import_module(name)
load_all()
gc.freeze()  # what is here stays: a fork need not look through it
