"""A mart as of a day of the past is what it was then, whatever has come since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from etl.pipeline.pipeline import Pipeline
from etl.warehouse import marts
from etl.warehouse.as_of import mart_as_of
from etl.warehouse.mart import MartError, all_marts
from simulate import write_city
from tests import commands
from tests.city import MARTS, query, walk

DAYS = (date(2026, 3, 2), date(2026, 3, 3))


def rows(frame: pl.DataFrame) -> list[str]:
    return sorted(map(str, frame.rows()))


def now(pipeline: Pipeline, name: str) -> list[str]:
    return rows(query(pipeline, f"SELECT * FROM mart.{name}"))


@pytest.fixture(scope="module")
def city(
    new_pipeline: Callable[..., Pipeline], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pipeline, dict[str, list[str]]]:
    """A pipeline with two days of a city, and what each mart said after the first one."""
    out, pipeline = tmp_path_factory.mktemp("two days"), new_pipeline()
    write_city(out, people=1_500, days=2, seed=5)
    first: dict[str, list[str]] = {}
    for day in DAYS:
        walk(pipeline, sorted(path for path in (out / "days" / f"{day}").rglob("*") if path.is_file()))
        marts.refresh(pipeline.engine)
        first = first or {name: now(pipeline, name) for name in MARTS}
    return pipeline, first


def test_a_mart_as_of_the_day_before_is_what_it_was_the_day_before(city: tuple[Pipeline, dict[str, list[str]]]) -> None:
    pipeline, first = city
    changed = [name for name in MARTS if now(pipeline, name) != first[name]]
    assert len(changed) >= 3
    for name in MARTS:
        assert rows(mart_as_of(pipeline.engine, pipeline.contracts.values(), name, DAYS[0])) == first[name], name


@pytest.mark.parametrize("name", [mart.name for mart in all_marts() if mart.is_for_analysts])
def test_a_mart_as_of_today_is_the_mart(city: tuple[Pipeline, object], name: str) -> None:
    pipeline, _ = city
    today = query(pipeline, "SELECT current_date").item()
    made = mart_as_of(pipeline.engine, pipeline.contracts.values(), name, today)
    assert rows(made) == now(pipeline, name)
    assert made.columns == query(pipeline, f"SELECT * FROM mart.{name}").columns


def test_nothing_of_it_stays(city: tuple[Pipeline, object]) -> None:
    pipeline, _ = city
    assert query(pipeline, "SELECT count(*) FROM pg_namespace WHERE nspname = 'as_of'").item() == 0
    with pytest.raises(MartError, match=r"no mart 'nothing'.*land_ward_year"):
        mart_as_of(pipeline.engine, pipeline.contracts.values(), "nothing", DAYS[0])


def test_the_command_writes_a_file(city: tuple[Pipeline, dict[str, list[str]]], tmp_path: Path) -> None:
    pipeline, first = city
    settings = pipeline.settings
    env = {"CITYDW_HOME": str(settings.home), "CITYDW_DATABASE_URL": settings.database_url or "", "PATH": "/usr/bin"}
    file = tmp_path / "taxes.parquet"
    done = commands.run("mart", "tax_by_trade_month", "--as-of", f"{DAYS[0]}", "--output", str(file), env=env)
    assert done.returncode == 0, done.stderr
    assert rows(pl.read_parquet(file)) == first["tax_by_trade_month"]
