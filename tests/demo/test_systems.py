"""The city's agencies behind real servers: pulled day by day they give the tables that their dropped files give."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from demo.systems import KINDS, Systems
from etl.pipeline.pipeline import Pipeline
from simulate import write_city
from tests.city import CONTRACTS, query, walk

# Of the same word another delivery is the author: a pull has all that was entered on a day, what came as two files too.
AUTHORS = ["opened_by", "closed_by"]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=2_000, days=3, seed=7)
    return out


@pytest.fixture(scope="module")
def systems() -> Iterator[Systems]:
    with Systems() as systems:
        yield systems


@pytest.fixture(scope="module")
def dropped(city: Path, new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    pipeline = new_pipeline()
    served = [kind.dataset.replace(".", "/") for kind in KINDS]
    for day in sorted((city / "days").iterdir()):
        walk(pipeline, [file for name in served for file in sorted((day / name).glob("*"))])
    return pipeline


@pytest.fixture(scope="module")
def pulled(
    city: Path, systems: Systems, new_pipeline: Callable[..., Pipeline], tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    pipeline = new_pipeline(systems.deployment(tmp_path_factory.mktemp("deployment") / "expectations"))
    for day in sorted((city / "days").iterdir()):
        systems.feed(day)
        for brought in systems.pull_days(pipeline):
            states = [pipeline.ledger.get(each.dataset, each.delivery_id).state for each in brought.received]
            assert set(states) <= {"loaded"}
    return pipeline


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_pulled_is_what_was_dropped_every_row_and_every_version(
    kind: type, systems: Systems, dropped: Pipeline, pulled: Pipeline
) -> None:
    if kind.dataset in systems.left_out:
        pytest.skip(systems.left_out[kind.dataset])
    contract = CONTRACTS[kind.dataset]
    tables = [query(pipeline, f"SELECT * FROM {contract.schema}.{contract.table}") for pipeline in (dropped, pulled)]
    of_files, of_server = (table.drop(AUTHORS).sort(pl.all()) for table in tables)
    assert of_files["valid_from"].n_unique() == 3 and of_files["valid_to"].count() > 0
    assert_frame_equal(of_server, of_files)


def test_each_system_was_asked_for_each_day_and_the_api_page_by_page(systems: Systems, pulled: Pipeline) -> None:
    for system in systems.all:
        days = {f"{entry.as_of:%Y-%m-%d}" for entry in pulled.ledger.all(system.dataset)}
        assert days == {"2026-03-02", "2026-03-03", "2026-03-04"}
    permits = pulled.ledger.all("land.permits")[-1]
    about = pulled.storage.manifest("land", "permits", permits.delivery_id)["pull"]["about"]
    assert len(about["pages"]) > 1


def citydw(*command: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from etl.cli import main; main()", *command],
        env=os.environ | environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_a_person_serves_a_city_and_pulls_from_it_by_what_is_printed(
    pipeline: Pipeline, systems: Systems, tmp_path: Path
) -> None:
    out = tmp_path / "a city"
    serving = citydw("simulate", str(out), "--people", "500", "--days", "2", "--serve")
    assert serving.stdin and serving.stdout
    try:
        said = list(iter(serving.stdout.readline, "# 2026-03-02 is entered. Enter: the next day. Ctrl-C: the end.\n"))
        exported = [shlex.split(line)[1].partition("=")[::2] for line in said if line.startswith("export ")]
        kept = out / "sources.sh"
        assert kept.read_text("utf-8") == "".join(line for line in said if line.startswith("export "))
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        here = {
            "CITYDW_HOME": str(tmp_path / "home"), "CITYDW_DATABASE_URL": str(pipeline.settings.database_url),
            **dict(exported),
        }  # fmt: skip
        checking = citydw("sources", "check", **here)
        checked, _ = checking.communicate()
        assert checking.returncode == 0, checked
        for system in systems.all:
            assert any(line.startswith(f"{system.dataset}: ") for line in checked.splitlines()), checked
        serving.stdin.write("\n")
        serving.stdin.flush()
        assert serving.stdout.readline().startswith("# 2026-03-03 is entered;")
        pulling = citydw("pull", "land.permits", "--from", "2026-03-03", **here)
        told, _ = pulling.communicate()
        assert pulling.returncode == 0 and "20260303" in told, told
    finally:
        serving.terminate()
        assert serving.wait(60) == 0
    (server,) = yaml.safe_load((out / "expectations" / "civil" / "births.yaml").read_text("utf-8"))["servers"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server["host"], server["port"]))
