"""The DAG files, as Airflow's DAG processor reads them: in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from etl.contract import load_all
from etl.settings import PROJECT

READ = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
def show(dag):
    tasks = [
        {
            "id": task.task_id, "owner": task.owner, "retries": task.retries, "pool": task.pool,
            "after": sorted(task.upstream_task_ids), "outlets": [asset.name for asset in task.outlets],
        }
        for task in dag.topological_sort()
    ]
    timetable = dag.timetable
    condition = getattr(timetable, "asset_condition", None)
    names = sorted(asset.name for asset in getattr(condition, "objects", [condition]) if asset)
    return {
        "tasks": tasks, "tags": sorted(dag.tags), "doc": dag.doc_md, "assets": names,
        "timetable": type(timetable).__name__, "max_active_runs": dag.max_active_runs,
    }
heavy = [m for m in ("great_expectations", "polars", "pandas", "pyarrow", "psycopg") if m in sys.modules]
dags = {name: show(dag) for name, dag in bag.dags.items()}
print("\\n" + json.dumps({"errors": bag.import_errors, "heavy": heavy, "dags": dags}))
"""

# What a scheduler or a Celery worker does: import, then fork for each task.
FORK = """
import os, sys, preload
child = os.fork()
if child == 0:
    from etl.contract import load_all
    before = len(sys.modules)
    from etl.validate import validate
    from etl.load import load
    import polars as pl
    rows = pl.LazyFrame({"key": range(1_000_000)}).group_by(pl.col("key") % 7).len().collect()
    assert rows["len"].sum() == 1_000_000
    assert len(sys.modules) == before, "all is there"
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    dags = PROJECT / "dags"
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(dags / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "CITYDW_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(dags), str(dags / "plugins")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", READ, str(dags)], env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (home / "postgres").exists(), "reading the DAG files started a server"
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_forked_task_has_all_it_needs_and_can_work_in_threads() -> None:
    found = os.pathsep.join(map(str, (PROJECT, PROJECT / "dags", PROJECT / "dags" / "plugins")))
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env=os.environ | {"PYTHONPATH": found},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_one_dag_a_dataset_and_four_more(read: dict[str, Any]) -> None:
    assert read["errors"] == {}
    assert set(read["dags"]) == {c.replace(".", "_") for c in load_all()} | {"receive", "reconcile", "marts", "notify"}


def test_reading_the_files_does_no_heavy_work(read: dict[str, Any]) -> None:
    assert read["heavy"] == []


@pytest.mark.parametrize("contract", load_all().values(), ids=lambda c: c.id)
def test_a_datasets_dag_is_its_contract(read: dict[str, Any], contract: Any) -> None:
    dag = read["dags"][contract.id.replace(".", "_")]
    after = {task["id"]: task["after"] for task in dag["tasks"]}
    assert after == {"deliver": [], "decide": ["deliver"], "verdict": ["decide", "deliver"]}
    assert {t["owner"] for t in dag["tasks"]} == {contract.agency}
    assert {contract.agency, contract.mode, *contract.tags} == set(dag["tags"])
    assert dag["timetable"] == "PartitionedAssetTimetable", "one run a delivery"
    assert dag["assets"] == [f"landing/{contract.id}"]
    outlets = {t["id"]: t["outlets"] for t in dag["tasks"] if t["outlets"]}
    table = [f"warehouse/{contract.schema}.{contract.table}"]
    assert outlets == {"deliver": table, "decide": table}
    retries = {t["id"]: t["retries"] for t in dag["tasks"]}
    assert retries.pop("verdict") == 0, "bad data is no fault: trying again would not mend it"
    assert set(retries.values()) == {6}
    for column in contract.columns:
        assert column.label in dag["doc"] and column.description.vi in dag["doc"]


def test_every_pool_is_one_that_is_made(read: dict[str, Any]) -> None:
    made = json.loads((PROJECT / "dags" / "pools.json").read_text("utf-8")).keys() | {"default_pool"}
    used = {task["pool"] for dag in read["dags"].values() for task in dag["tasks"]}
    assert used == made - {"sources"}, "no dataset of the city is fetched; see tests/dags/test_sources_dag.py"


def test_the_assets_tie_the_dags_together(read: dict[str, Any]) -> None:
    contracts = load_all().values()
    (receive,) = read["dags"]["receive"]["tasks"]
    assert set(receive["outlets"]) == {f"landing/{c.id}" for c in contracts}
    assert read["dags"]["receive"]["assets"] == ["inbox"]
    (reconcile,) = read["dags"]["reconcile"]["tasks"]
    assert reconcile["outlets"] == receive["outlets"], "what is announced anew is announced in the same way"
    assert read["dags"]["marts"]["assets"] == ["ledger"], "no event a delivery: marts are rebuilt once for many"


def test_a_worker_loads_without_what_only_some_installations_have() -> None:
    absent = ("botocore", "boto3", "s3fs", "splink", "duckdb", "scipy")
    blocked = f"import sys; sys.modules.update(dict.fromkeys({absent})); import preload"
    done = subprocess.run(
        [sys.executable, "-c", blocked],
        env=os.environ | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'dags'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
