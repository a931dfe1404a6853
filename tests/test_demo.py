"""The demo as a person runs it: real Airflow, real PostgreSQL, real files; in a folder with blanks, port 8080 taken."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import pytest

from etl.contract import load_all
from etl.settings import PROJECT


def demo(command: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "demo", command],
        env=os.environ | {"CITYDW_HOME": str(home)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def ours(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if str(home) in " ".join(process.cmdline()) or environment.get("CITYDW_HOME") == str(home):
                found.append(process)
    return found


def api(home: Path, path: str, patch: dict[str, Any] | None = None) -> Any:
    port = json.loads((home / "airflow" / "processes.json").read_text("utf-8"))["port"]
    request = Request(f"http://127.0.0.1:{port}{path}", headers={"Content-Type": "application/json"})
    if patch is not None:
        request.method, request.data = "PATCH", json.dumps(patch).encode()
    with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
        content = answer.read().decode()
    return json.loads(content) if path.startswith("/api") else content


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="a demo ")) / "var"
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what an earlier server closed is no obstacle
    with contextlib.suppress(OSError):  # somebody else has it: just as good
        taken.bind(("127.0.0.1", 8080))
        taken.listen()
    try:
        yield folder
    finally:
        demo("stop", folder)
        taken.close()
        shutil.rmtree(folder.parent, ignore_errors=True)


@pytest.fixture(scope="module")
def first(home: Path) -> str:
    return demo("start", home)


def test_it_loads_the_four_agencies_files_and_says_so(first: str) -> None:
    rows = re.findall(r"│ ([a-z.]+) +│ (\S+) +│ (loaded|held|rejected) +│((?: +[\d,]+ │){7})", first)
    assert {dataset for dataset, *_ in rows} == set(load_all())
    assert {state for *_, state, _ in rows} == {"loaded"}
    for _, _, _, cells in rows:
        rows_in, *others = [int(cell.replace(",", "")) for cell in cells.replace("│", " ").split()]
        assert rows_in == sum(others)
    assert first.count("?\n") >= 5, "a few questions, answered by the marts"
    assert re.search(r"Airflow +http://127\.0\.0\.1:(?!8080)\d+", first)
    assert "make demo-stop" in first


def test_airflow_has_one_run_a_delivery(first: str, home: Path) -> None:
    runs = api(home, "/api/v2/dags/~/dagRuns?limit=100")["dag_runs"]
    assert {run["state"] for run in runs} == {"success"}
    walked = sorted((run["dag_id"], run["partition_key"]) for run in runs if run["dag_id"] not in ("receive", "marts"))
    files = [p for p in (home / "data" / "processed").rglob("*") if p.is_file() and p.suffix != ".done"]
    sent = sorted(("_".join(path.parts[-3:-1]), path.name.partition("_")[0]) for path in files)
    assert walked == sent
    assert len(sent) == 10


def test_reports_are_served_by_airflow(first: str, home: Path) -> None:
    index = api(home, "/reports/quality/")
    page = re.search(r'href="(validations/tax/taxpayers/[^"]+)"', index)
    assert page
    assert "Mã số thuế" in api(home, f"/reports/quality/{page[1]}")
    assert "receipt.html" in api(home, "/reports/receipts/tax/taxpayers/" + page[1].split("/")[3] + "/")


def test_a_bad_file_waits_for_a_person_and_ends_in_a_sentence_without_a_traceback(first: str, home: Path) -> None:
    inbox = home / "data" / "inbox" / "civil" / "births"
    (inbox / ".births_2026-03-09.csv").write_bytes(b"so;quyen_so\n1;2\n")
    (inbox / ".births_2026-03-09.csv").rename(inbox / "births_2026-03-09.csv")
    (asked,) = wait_for(lambda: api(home, "/api/v2/dags/civil_births/dagRuns/~/hitlDetails")["hitl_details"])
    assert asked["options"] == ["Reject"], "what could not be read cannot be accepted"
    assert "Tệp thiếu cột" in asked["body"] and "The file lacks columns" in asked["body"]
    path = f"/api/v2/dags/civil_births/dagRuns/{quote(asked['task_instance']['dag_run_id'])}"
    assert wait_for(lambda: api(home, f"{path}/taskInstances/decide")["state"] == "deferred"), "it holds no worker"
    assert api(home, path)["state"] == "running", "a run that waits has not failed"
    answer = {"chosen_options": ["Reject"], "params_input": {"reason": "gửi nhầm tệp"}}
    api(home, f"{path}/taskInstances/decide/-1/hitlDetails", answer)
    assert wait_for(lambda: api(home, path)["state"] == "failed")
    states = {task["task_id"]: task["state"] for task in api(home, f"{path}/taskInstances")["task_instances"]}
    assert states == {
        "extract": "success",
        "validate": "skipped",
        "decide": "success",
        "normalize": "skipped",
        "load": "skipped",
        "receipt": "success",
        "verdict": "failed",
    }
    run = api(home, path)["dag_run_id"]
    logs = [path.read_text("utf-8") for path in (home / "airflow" / "logs").rglob(f"*{run}*/**/*.log")]
    assert len(logs) >= 4
    assert any("gửi nhầm tệp" in log for log in logs)
    assert not any("Traceback" in log or "error_detail" in log for log in logs)
    (receipt,) = (home / "data" / "outbox" / "civil" / "births").glob("20260309-*/receipt.html")
    assert "gửi nhầm tệp" in receipt.read_text("utf-8")


def test_a_second_start_finds_nothing_new(first: str, home: Path) -> None:
    began = time.monotonic()
    second = demo("start", home)
    assert "Nothing new to load" in second
    assert time.monotonic() - began < 60


def test_stop_ends_all_that_was_started(first: str, home: Path) -> None:
    assert len(ours(home)) >= 5
    assert "Stopped Airflow and PostgreSQL" in demo("stop", home)
    assert ours(home) == []
    assert "Nothing was running" in demo("stop", home)
