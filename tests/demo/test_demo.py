"""The demo as a person runs it: real Airflow, real PostgreSQL, real files; in a folder with blanks, port 8080 taken."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

import polars as pl
import psutil
import pytest
import sqlalchemy as sa

from etl.pipeline.pipeline import STATIONS
from etl.settings import PROJECT
from etl.warehouse import embedded
from tests.hook import listening
from tests.identifiers import Identifiers

PULLED = ["civil.births", "land.permits"]


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


def api(home: Path, path: str, patch: dict[str, Any] | None = None, post: dict[str, Any] | None = None) -> Any:
    port = json.loads((home / "airflow" / "processes.json").read_text("utf-8"))["port"]
    request = Request(f"http://127.0.0.1:{port}{path}", headers={"Content-Type": "application/json"})
    for method, said in (("PATCH", patch), ("POST", post)):
        if said is not None:
            request.method, request.data = method, json.dumps(said).encode()
    with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
        content = answer.read().decode()
    return json.loads(content) if path.startswith("/api") else content


def tables(home: Path, database: str, schema: str, like: str) -> dict[str, str]:
    """The content of a database's tables and views as text, by name."""
    listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = :schema AND table_name LIKE :like"
    with sa.create_engine(embedded.url(home / "postgres", database)).connect() as connection:
        names = connection.execute(sa.text(listed), {"schema": schema, "like": like}).scalars().all()
        assert names, (database, schema, like)
        return {
            f"{database}.{schema}.{name}": "\n".join(
                connection.execute(sa.text(f'SELECT t::text FROM {schema}."{name}" AS t')).scalars()
            )
            for name in names
        }


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def notices() -> Iterator[list[dict[str, Any]]]:
    """What the demo's Airflow tells a webhook."""
    with listening() as hook, pytest.MonkeyPatch.context() as environment:
        environment.setenv("CITYDW_NOTIFY_WEBHOOK", f"http://127.0.0.1:{hook.server_port}/")
        yield hook.bodies


@pytest.fixture(scope="module")
def home(notices: list[dict[str, Any]]) -> Iterator[Path]:
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


def test_it_loads_every_dataset_of_the_city_and_says_so(first: str, home: Path) -> None:
    rows = re.findall(r"│ ([a-z_.]+) +│ (\S+) +│ (loaded|held|rejected) +│((?: +[\d,]+ │){7})", first)
    sent = {".".join(path.parts[-2:]) for path in (home / "city" / "days").glob("*/*/*")}
    assert len(sent) == 33
    assert {dataset for dataset, *_ in rows} == sent
    assert {state for *_, state, _ in rows} == {"loaded"}
    for _, _, _, cells in rows:
        rows_in, *others = [int(cell.replace(",", "")) for cell in cells.replace("│", " ").split()]
        assert rows_in == sum(others)
    assert first.count("?\n") >= 5, "a few questions, answered by the marts"
    assert re.search(r"Airflow +http://127\.0\.0\.1:(?!8080)\d+", first)
    assert "make demo-stop" in first


def test_two_datasets_are_pulled_and_have_the_rows_that_are_true(first: str, home: Path) -> None:
    pulls = "SELECT dataset, state, rows > 0 FROM ops.pull ORDER BY dataset, seen_at"
    with sa.create_engine(embedded.url(home / "postgres", embedded.WAREHOUSE)).connect() as connection:
        assert [tuple(row) for row in connection.execute(sa.text(pulls))] == [
            (dataset, "delivered", has_rows) for dataset in PULLED for has_rows in (False, True)
        ], "asked by schedule while they were empty, then for the day"
        for table in ("people.births", "land.permits"):
            true = pl.read_parquet(home / "city" / "truth" / "tables" / f"{table}.parquet")
            assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == true.height > 0
    assert not list((home / "data" / "processed" / "civil").glob("births/*")), "no file of them was dropped"


def test_its_sources_are_there_for_a_terminal_and_their_passwords_nowhere_else(first: str, home: Path) -> None:
    accounts = home / "city" / "sources.sh"
    assert f". '{accounts}'; citydw sources" in first
    assert stat.S_IMODE(accounts.stat().st_mode) == 0o600
    exported = dict(shlex.split(line)[1].split("=", 1) for line in accounts.read_text("utf-8").splitlines())
    told = subprocess.run(
        [sys.executable, "-c", "from etl.cli import main; main()", "sources"],
        env=os.environ | exported | {"COLUMNS": "200"}, cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [dataset for dataset in PULLED if re.search(rf"{dataset} .* yes ", told.stdout)] == PULLED, told
    passwords = [json.loads(said)["password"] for name, said in exported.items() if name.startswith("AIRFLOW_CONN_")]
    assert len(passwords) == len(PULLED)
    for password in passwords:
        found = subprocess.run(
            ["grep", "-rlF", "-e", password, str(home)], capture_output=True, text=True, check=False
        ).stdout
        assert found.split("\n") == [str(accounts), ""]


def test_airflow_has_one_run_a_delivery(first: str, home: Path) -> None:
    runs = api(home, "/api/v2/dags/~/dagRuns?limit=100")["dag_runs"]
    assert {run["state"] for run in runs} == {"success"}
    walked = sorted((run["dag_id"], run["partition_key"]) for run in runs if run["partition_key"])
    with sa.create_engine(embedded.url(home / "postgres", embedded.WAREHOUSE)).connect() as connection:
        known = connection.execute(sa.text("SELECT replace(dataset, '.', '_'), delivery_id FROM ops.delivery")).all()
    assert walked == sorted(map(tuple, known))
    assert len(walked) > 33, "a run a file, where a dataset comes in several"


def test_one_task_walks_a_delivery_and_shows_each_station(first: str, home: Path) -> None:
    tasks = api(home, "/api/v2/dags/civil_births/dagRuns/~/taskInstances")["task_instances"]
    assert {task["task_id"]: task["state"] for task in tasks} == {
        "deliver": "success",
        "decide": "skipped",
        "verdict": "skipped",
    }
    run = quote(tasks[0]["dag_run_id"])
    path = f"/api/v2/dags/civil_births/dagRuns/{run}/taskInstances/deliver"
    assert set(api(home, f"{path}/xcomEntries/seconds")["value"]) == set(STATIONS)
    (log,) = (home / "airflow" / "logs").rglob(f"*{tasks[0]['dag_run_id']}*/*deliver*/*.log")
    said = log.read_text("utf-8")
    assert all(re.search(rf"{station}: \w+ in [\d.]+ s", said) for station in STATIONS)


@pytest.mark.skipif(sys.platform != "linux", reason="only there one may see what a process has loaded")
def test_tasks_are_forked_from_a_process_that_has_imported_all(first: str, home: Path) -> None:
    (scheduler,) = (process for process in ours(home) if "scheduler" in process.cmdline())
    loaded = [" ".join(part.path for part in process.memory_maps()) for process in scheduler.children()]
    assert any("polars" in libraries and "pyarrow" in libraries for libraries in loaded)


def test_marts_and_pages_are_rebuilt_once_for_many_deliveries(first: str, home: Path) -> None:
    runs = api(home, "/api/v2/dags/marts/dagRuns")["dag_runs"]
    assert 1 <= len(runs) <= 6, "and not once for each of forty"


def test_reports_are_served_by_airflow(first: str, home: Path) -> None:
    assert "Đăng ký khai sinh" in api(home, "/reports/catalogue/")
    assert "Mã số thuế" in api(home, "/reports/catalogue/tax/taxpayers/")
    index = api(home, "/reports/quality/")
    page = re.search(r'href="(validations/tax/taxpayers/[^"]+)"', index)
    assert page
    assert "Mã số thuế" in api(home, f"/reports/quality/{page[1]}")
    assert "receipt.html" in api(home, "/reports/receipts/tax/taxpayers/" + page[1].split("/")[3] + "/")


def test_a_bad_file_waits_for_a_person_and_ends_in_a_sentence_without_a_traceback(first: str, home: Path) -> None:
    inbox = home / "data" / "inbox" / "civil" / "births"
    inbox.mkdir(parents=True)  # a dataset that is pulled takes files too
    (inbox / ".births_2026-03-09.csv").write_bytes(b"so;quyen_so\n1;2\n")
    (inbox / ".births_2026-03-09.csv").rename(inbox / "births_2026-03-09.csv")
    (asked,) = wait_for(lambda: api(home, "/api/v2/dags/civil_births/dagRuns/~/hitlDetails")["hitl_details"])
    assert asked["options"] == ["Reject"], "what could not be read cannot be accepted"
    assert "Tệp thiếu cột" in asked["body"] and "The file lacks columns" in asked["body"]
    path = f"/api/v2/dags/civil_births/dagRuns/{quote(asked['task_instance']['dag_run_id'])}"
    assert wait_for(lambda: api(home, f"{path}/taskInstances/decide")["state"] == "deferred"), "it holds no worker"
    assert api(home, path)["state"] == "running", "a run that waits has not failed"
    # A person reads before she answers. A task that goes on before the scheduler has heard of the end of its first part
    # is taken by Airflow for one that was killed, and asks its question anew.
    time.sleep(10)
    answer = {"chosen_options": ["Reject"], "params_input": {"reason": "gửi nhầm tệp"}}
    api(home, f"{path}/taskInstances/decide/-1/hitlDetails", answer)
    wait_for(lambda: api(home, path)["state"] != "running", seconds=300)
    tasks = api(home, f"{path}/taskInstances")["task_instances"]
    states = {task["task_id"]: task["state"] for task in tasks}
    assert states == {"deliver": "success", "decide": "success", "verdict": "failed"}, tasks
    run = api(home, path)["dag_run_id"]
    logs = [path.read_text("utf-8") for path in (home / "airflow" / "logs").rglob(f"*{run}*/**/*.log")]
    assert len(logs) >= 3
    assert any("gửi nhầm tệp" in log for log in logs)
    assert not any("Traceback" in log or "error_detail" in log for log in logs)
    (receipt,) = (home / "data" / "outbox" / "civil" / "births").glob("20260309-*/receipt.html")
    assert "gửi nhầm tệp" in receipt.read_text("utf-8")


def test_nobodys_data_is_in_logs_notices_metrics_or_on_the_site(
    first: str, home: Path, notices: list[dict[str, Any]]
) -> None:
    (sent,) = (home / "city" / "days").glob("*/civil/births/*.csv")
    header, *lines = sent.read_text("utf-8-sig").splitlines(keepends=True)
    names = header.strip().split(",")
    number, page = names.index("so"), names.index("trang_so")
    wrong = []
    for copy in range(10):  # enough rows for the delivery to be held
        for line in lines:
            cells = line.split(",")
            cells[number], cells[page] = f"{cells[number]}{copy}", "0"
            wrong.append(",".join(cells))
    inbox = home / "data" / "inbox" / "civil" / "births"
    headerless, doubtful = "".join(lines), "".join([header, *wrong])
    for name, text in (("births_2026-03-10.csv", headerless), ("births_2026-03-11.csv", doubtful)):
        (inbox / f".{name}").write_text(text, "utf-8-sig")
        (inbox / f".{name}").rename(inbox / name)
    held = "/api/v2/dags/civil_births/dagRuns/~/hitlDetails?response_received=false"
    assert wait_for(lambda: len(api(home, held)["hitl_details"]) == 2), "both wait for a person"
    run = api(home, "/api/v2/dags/notify/dagRuns", post={"logical_date": None})["dag_run_id"]
    path = f"/api/v2/dags/notify/dagRuns/{quote(run)}"
    assert wait_for(lambda: api(home, path)["state"] in ("success", "failed"))
    assert {notice["event"] for notice in notices} >= {"held"}

    persons = Identifiers.of(home / "data")
    assert len(persons) > 10_000
    assert persons.within({"sent": doubtful}), "they are found where they are"
    said = {"notices": json.dumps(notices, ensure_ascii=False)}
    places = (home / "airflow" / "logs", home / "great_expectations", home / "data" / "site")
    for place in places:
        # A page that is being written anew is looked at as it was.
        files = [file for file in place.rglob("*") if file.is_file() and file.suffix != ".part"]
        assert files, place
        said |= {str(file): file.read_text("utf-8", errors="replace") for file in files}
    said |= tables(home, embedded.AIRFLOW, "public", "%")
    for table in ("validation", "profile", "notification", "freshness", "punctuality"):
        said |= tables(home, embedded.WAREHOUSE, "ops", table)
    assert persons.within(said) == {}


def test_a_second_start_finds_nothing_new(first: str, home: Path) -> None:
    assert "Nothing new to load" in demo("start", home)


def test_stop_ends_all_that_was_started(first: str, home: Path) -> None:
    assert len(ours(home)) >= 7
    assert "Stopped Airflow, the agencies' systems, PostgreSQL." in demo("stop", home)
    assert ours(home) == []
    assert "Nothing was running" in demo("stop", home)
