"""A backup brought back into an empty server is the same warehouse, and the pipeline goes on from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.backup import BackupError
from etl.pipeline import Pipeline
from etl.server import temporary
from etl.settings import Settings

Send = Callable[..., dict[str, Any]]
QUERIES = (
    "SELECT * FROM people.births ORDER BY 1, 2, 3",
    "SELECT * FROM business.taxpayers ORDER BY 1",
    "SELECT dataset, delivery_id, state, rows_in, inserted, loaded_at FROM ops.delivery ORDER BY 1, 2",
    "SELECT * FROM mart.population_events_by_ward_month ORDER BY 1, 2, 3",
)


def answers(engine: sa.Engine) -> list[list[str]]:
    with engine.connect() as connection:
        return [sorted(str(row) for row in connection.exec_driver_sql(query)) for query in QUERIES]


def test_it_comes_back_whole(pipeline: Pipeline, send: Send, clean_day: Path, tmp_path: Path) -> None:
    for dataset in ("civil/births", "tax/taxpayers"):
        file = next((clean_day / dataset).iterdir())
        send(pipeline, dataset, file.name, file.read_bytes())
    pipeline.refresh_marts()
    before = answers(pipeline.engine)
    assert all(before)
    pipeline.backup(tmp_path / "backup")
    with pytest.raises(BackupError, match="exists already"):
        pipeline.backup(tmp_path / "backup")
    with pytest.raises(BackupError, match="holds data already"):
        pipeline.restore(tmp_path / "backup")

    with temporary() as url:
        home = tmp_path / "another machine"
        again = Pipeline(Settings(home, type(pipeline.settings.data)(home / "data"), url), pipeline.contracts)
        again.restore(tmp_path / "backup")
        assert answers(again.engine) == before
        assert list(again.audit()) == []
        file = next((clean_day / "civil" / "births").iterdir())
        assert send(again, "civil/births", file.name, file.read_bytes())["loaded_at"]
        file = next((clean_day / "civil" / "deaths").iterdir())
        assert send(again, "civil/deaths", file.name, file.read_bytes())["state"] == "loaded"
        again.engine.dispose()
