"""A decision in Airflow belongs to the agency's deciders, and is written down under the login of whoever took it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.pipeline.pipeline import Pipeline
from etl.settings import PROJECT
from tests.attack.test_pages import FAB, Ask, airflow, environment

pytest_plugins = ("tests.promises.agency.test_held",)  # its `held` and `doubtful`
SECONDS = 300  # to start Airflow and to run a DAG, on a busy machine
WAITING = "/api/v2/dags/~/dagRuns/~/hitlDetails"

# `DAG.test` gives a run no partition key; Airflow's scheduler does, by the event of the asset. And it passes on no
# question of a trigger to Airflow; here the question is put to the same API.
RUN = """
import sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models import dagrun
from airflow.providers.standard.triggers import hitl
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor
dags, dag_id, partition = sys.argv[1:]
create = dagrun.get_or_create_dagrun
def of_a_partition(**options):
    created = create(**options)
    created.partition_key = partition
    options["session"].commit()
    return created
dagrun.get_or_create_dagrun = of_a_partition
hitl.get_hitl_detail_content_detail = InProcessTestSupervisor._api_client().hitl.get_detail_response
DagBag(dags).dags[dag_id].test(logical_date=None)
"""


def waiting(ask: Ask, role: str) -> list[dict[str, Any]]:
    answer = ask(role, WAITING)
    assert answer["status"] == 200, answer["body"]
    found: list[dict[str, Any]] = json.loads(answer["body"])["hitl_details"]
    return found


@pytest.mark.timeout(2 * SECONDS)
def test_an_agencys_decider_decides_by_her_login_and_no_other_agencys_does(
    pipeline: Pipeline, held: Any, airflow_database: Callable[..., None], tmp_path: Path
) -> None:
    pytest.importorskip("airflow.providers.fab")
    settings = environment(pipeline, tmp_path) | FAB
    airflow_database(settings, "deciders")
    dags = str(PROJECT / "dags")
    with airflow(settings) as ask, (tmp_path / "run").open("w+") as log:
        program = [sys.executable, "-c", RUN, dags, "civil_births", held.delivery_id]
        run = subprocess.Popen(program, env=settings, stdout=log, stderr=log, text=True)
        try:
            while not (found := waiting(ask, "civil deciders")):
                assert run.poll() is None, (tmp_path / "run").read_text()[-3000:]
                time.sleep(0.5)
            (task,) = (detail["task_instance"] for detail in found)
            assert waiting(ask, "tax deciders") == []
            listed = json.loads(ask("civil deciders", "/api/v2/dags")["body"])["dags"]
            assert {dag["dag_id"] for dag in listed} <= {"civil_births", "civil_deaths", "civil_marriages"}
            assert "Required Actions" in ask("civil deciders", "/ui/auth/menus")["body"]
            for page in ("grid/structure/civil_births", "grid/runs/civil_births", "dags?dag_ids=civil_births"):
                assert ask("civil deciders", f"/ui/{page}")["status"] == 200, page
            at = f"/api/v2/dags/civil_births/dagRuns/{task['dag_run_id']}/taskInstances/decide/-1/hitlDetails"
            answer = {"chosen_options": ["Reject"], "params_input": {"reason": "scanned upside down"}}
            assert [ask(role, at)["status"] for role in ("Viewer", "tax deciders")] == [200, 403]
            for role in ("Viewer", "tax deciders"):
                assert ask(role, at, "PATCH", answer)["status"] == 403
            assert ask("civil deciders", at, "PATCH", answer)["status"] == 200
            assert ask("civil deciders", at, "PATCH", answer)["status"] == 409, "it is decided"
            run.wait(SECONDS)
        finally:
            run.kill()
        assert run.returncode == 0, (tmp_path / "run").read_text()[-3000:]
    entry = pipeline.ledger.get(held.dataset, held.delivery_id)
    assert (entry.state, entry.rule) == ("rejected", "rejected_on_review")
    with pipeline.engine.connect() as connection:
        (decision,) = connection.exec_driver_sql("SELECT decided_by, choice, reason FROM ops.decision").all()
    assert tuple(decision) == ("the civil deciders", "reject", "scanned upside down")
