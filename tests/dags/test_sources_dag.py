"""The DAG of a dataset that is fetched, as Airflow reads and runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from etl.settings import PROJECT
from etl.warehouse import embedded
from tests.tools.kill_pulls import ADMIN, ADMIN_PASSWORD, postgresql, project

RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
dag = bag.dags["pull_education_schools"]
(task,) = dag.tasks
about = {
    "errors": bag.import_errors, "pool": task.pool, "retries": task.retries, "outlets": [a.name for a in task.outlets],
    "zone": str(dag.timezone), "runs": dag.max_active_runs, "states": [],
}
for _ in range(2):
    about["states"].append(str(dag.test().state))
print("\\n" + json.dumps(about))
"""


def test_a_source_is_asked_by_its_dag_and_its_password_is_in_no_log(
    airflow_database: Callable[..., None], tmp_path: Path
) -> None:
    with postgresql() as source:
        try:
            clone, home = project(tmp_path, source), tmp_path / "home"
            shutil.copytree(PROJECT / "dags", clone / "dags", ignore=shutil.ignore_patterns("__pycache__"))
            source.execute("INSERT INTO truong VALUES ('79000701', 'Trường A', NULL, NULL, 5)")
            account = {"conn_type": "postgres", "host": "127.0.0.1", "login": ADMIN, "password": ADMIN_PASSWORD}
            found = os.pathsep.join(map(str, (clone, clone / "dags", clone / "dags" / "plugins")))
            settings = os.environ | {
                "AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__DAGS_FOLDER": str(clone / "dags"),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(clone / "dags" / "plugins"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "CITYDW_HOME": str(home), "PYTHONPATH": found,
                "AIRFLOW_CONN_SO_GIAO_DUC": json.dumps(account),
            }  # fmt: skip
            said = ""
            airflow_database(settings)
            migrate, run = ["from etl.cli import main; main()", "migrate"], [RUN, str(clone / "dags")]
            for program in (migrate, run):
                done = subprocess.run(
                    [sys.executable, "-c", *program], env=settings, cwd=clone, capture_output=True, text=True,
                    check=False,
                )  # fmt: skip
                assert done.returncode == 0, done.stderr[-3000:]
                said += done.stdout + done.stderr
            about = json.loads(done.stdout.splitlines()[-1])
            assert about == {
                "errors": {}, "pool": "sources", "retries": 4, "outlets": ["landing/education.schools"],
                "zone": about["zone"], "runs": 1, "states": ["success", "success"],
            }, said[-3000:]  # fmt: skip
            landed = [path.parent.name for path in home.glob("data/landing/education/schools/*/manifest.json")]
            assert len(landed) == 1 and "Nothing is new." in said
            held = subprocess.run(["grep", "-rl", ADMIN_PASSWORD, str(home), str(tmp_path / "airflow")],
                                  capture_output=True, text=True, check=False)  # fmt: skip
            assert held.stdout == "" and ADMIN_PASSWORD not in said
        finally:
            embedded.stop(tmp_path / "home" / "postgres")
