"""Airflow on one small machine: its settings, its four processes, and how to end exactly these."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from datetime import UTC, date, datetime, tzinfo
from datetime import time as time_of_day
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import psutil

from etl.contract import load_all
from etl.settings import PROJECT, Settings
from etl.warehouse import address, embedded

COMPONENTS = {
    "api-server": ["api-server", "--host", "127.0.0.1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
_READY_SECONDS = 180.0
_STOP_SECONDS = 20.0
_ANSWER_SECONDS = 60.0


class AirflowError(RuntimeError):
    """Airflow did not do what the demo needs; the text says what and where to read more."""


class Airflow:
    """The demo's Airflow, with everything it writes under `<home>/airflow`."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; nothing is started."""
        self.settings = settings
        self.home = settings.home / "airflow"
        self.logs = self.home / "logs" / "processes"
        self._pids = self.home / "processes.json"

    @property
    def url(self) -> str:
        """Address of the web UI."""
        return f"http://127.0.0.1:{self._state().get('port', 8080)}"

    def environment(self) -> dict[str, str]:
        """The environment of Airflow's processes: nothing is left to an airflow.cfg.

        Two cores are enough for it: few processes, each DAG file read once in a while, one web worker.
        """
        state = self._state()
        database = embedded.url(self.settings.home / "postgres", embedded.AIRFLOW)
        dags = PROJECT / "dags"
        plugins = dags / "plugins"
        options = {
            ("core", "dags_folder"): dags,
            ("core", "plugins_folder"): plugins,
            ("core", "executor"): "LocalExecutor",
            ("core", "parallelism"): max(2, min(8, (os.cpu_count() or 2) + 1)),
            ("core", "load_examples"): False,
            ("core", "dags_are_paused_at_creation"): False,
            ("core", "fernet_key"): "",
            ("core", "simple_auth_manager_all_admins"): True,  # hence 127.0.0.1 only
            ("core", "execution_api_server_url"): f"http://127.0.0.1:{state['port']}/execution/",
            ("database", "sql_alchemy_conn"): database,
            ("database", "sql_alchemy_conn_async"): database,
            ("api", "port"): state["port"],
            ("api", "workers"): 1,
            ("api", "secret_key"): state["secret"],
            ("api", "base_url"): f"http://127.0.0.1:{state['port']}",
            ("api_auth", "jwt_secret"): state["secret"],
            ("dag_processor", "refresh_interval"): 60,
            ("dag_processor", "min_file_process_interval"): 120,
            ("dag_processor", "parsing_processes"): 1,
            # Tasks are forked from a process that has imported all that they need.
            ("scheduler", "mp_start_method"): "forkserver",
            ("scheduler", "mp_forkserver_preload"): "preload",
            ("scheduler", "scheduler_heartbeat_sec"): 2,
            ("scheduler", "scheduler_idle_sleep_time"): 0.5,
            ("scheduler", "enable_health_check"): False,
            # What a killed process was about is taken up within a minute; by default it would take five.
            ("scheduler", "orphaned_tasks_check_interval"): 30,
            ("scheduler", "task_instance_heartbeat_timeout"): 60,
            ("triggerer", "capacity"): 50,
            ("logging", "base_log_folder"): self.home / "logs",
        }
        python_path = [str(dags), str(plugins), os.environ.get("PYTHONPATH", "")]
        return os.environ | {
            "AIRFLOW_HOME": str(self.home),
            **{f"AIRFLOW__{section}__{key}".upper(): str(value) for (section, key), value in options.items()},
            "CITYDW_HOME": str(self.settings.home),
            "CITYDW_DATA": str(self.settings.data),
            "CITYDW_DATABASE_URL": address.warehouse_url(self.settings),
            "PYTHONPATH": os.pathsep.join(filter(None, python_path)),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1,localhost",  # Airflow's own processes talk to each other over HTTP
            "no_proxy": "127.0.0.1,localhost",
        }

    def is_running(self) -> bool:
        """Whether all four processes are alive."""
        return len(self.processes()) == len(COMPONENTS)

    def processes(self) -> dict[str, psutil.Process]:
        """Those of the four processes that are alive."""
        alive = {}
        for name, (pid, created) in self._state().get("pids", {}).items():
            try:
                process = psutil.Process(pid)
                if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                    alive[name] = process
            except psutil.NoSuchProcess:
                continue
        return alive

    def start(self) -> None:
        """Start those of the four processes that do not run, all or what a crash has ended; they outlive this one.

        Raises:
            AirflowError: if the metadata database cannot be migrated.
        """
        if "api-server" not in self.processes():
            self.stop()  # the others call it at a port that it may not get again
        self._end_orphans()
        self.logs.mkdir(parents=True, exist_ok=True)
        before, alive = self._state(), self.processes()
        state: dict[str, Any] = {
            "port": before["port"] if alive else _free_port(before.get("port", 8080)),
            "secret": before.get("secret") or secrets.token_hex(32),
            "started": time.time(),
            "pids": {name: pid for name, pid in before.get("pids", {}).items() if name in alive},
        }
        self._write(state)
        environment = self.environment()
        migrated = subprocess.run(
            [*_AIRFLOW, "db", "migrate"], env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
        )
        (self.logs / "db-migrate.log").write_text(migrated.stdout + migrated.stderr, encoding="utf-8")
        if migrated.returncode != 0:
            raise AirflowError(f"Airflow's database could not be prepared; see {self.logs / 'db-migrate.log'}")
        for name in COMPONENTS.keys() - alive.keys():
            with (self.logs / f"{name}.log").open("ab") as log:
                process = subprocess.Popen(
                    [*_AIRFLOW, *COMPONENTS[name]],
                    env=environment,
                    cwd=PROJECT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # so that stopping it leaves nothing behind that came from it
                )
            state["pids"][name] = [process.pid, psutil.Process(process.pid).create_time()]
            self._write(state)

    def wait_until_ready(self) -> None:
        """Wait for the UI and for all of the project's DAGs to be known.

        Raises:
            AirflowError: if a process ends or it takes too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if not self.is_running():
                missing = sorted(COMPONENTS.keys() - self.processes().keys())
                raise AirflowError(f"Airflow's {missing[0]} has ended; see {self.logs / f'{missing[0]}.log'}")
            if self._is_healthy():
                return
            time.sleep(0.5)
        raise AirflowError(f"Airflow was not ready after {_READY_SECONDS:.0f} s; see {self.logs}")

    def create_pools(self) -> None:
        """Make the pools that the DAGs name, as `airflow pools import` does in production."""
        pools = json.loads((PROJECT / "dags" / "pools.json").read_text(encoding="utf-8"))
        there = {pool["name"] for pool in self._get("/pools")["pools"]}
        for name, pool in pools.items():
            if name not in there:
                self._call("POST", "/pools", {"name": name, **pool})

    def unfinished_runs(self, but: str | None = None) -> int:
        """How many DAG runs are queued or running; those that wait for a person, and those of one DAG, are left out."""
        runs = self._get("/dags/~/dagRuns?state=queued&state=running&limit=100")["dag_runs"]
        asked = self._get("/dags/~/dagRuns/~/hitlDetails?response_received=false&limit=100")["hitl_details"]
        waiting = {(task["dag_id"], task["dag_run_id"]) for task in (detail["task_instance"] for detail in asked)}
        return sum(run["dag_id"] != but and (run["dag_id"], run["dag_run_id"]) not in waiting for run in runs)

    def last_success(self, dag_id: str) -> datetime:
        """When the last successful run of a DAG began; the beginning of time if there was none."""
        runs = self._get(f"/dags/{dag_id}/dagRuns?state=success&order_by=-start_date&limit=1")["dag_runs"]
        return datetime.fromisoformat(runs[0]["start_date"]) if runs else datetime.min.replace(tzinfo=UTC)

    def has_succeeded(self, dag_id: str) -> bool:
        """Whether a DAG is known and has had a successful run."""
        try:
            return self.last_success(dag_id) > datetime.min.replace(tzinfo=UTC)
        except HTTPError:  # not known yet
            return False

    def trigger(self, dag_id: str) -> None:
        """Let a DAG run now."""
        self._call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})

    def backfill(self, dag_id: str, first: date, last: date, zone: tzinfo) -> None:
        """Let a DAG run for each of these days once more, one after the other."""
        begin, end = datetime.combine(first, time_of_day.min, zone), datetime.combine(last, time_of_day.max, zone)
        asked = {"dag_id": dag_id, "from_date": begin.isoformat(), "to_date": end.isoformat()}
        self._call("POST", "/backfills", asked | {"reprocess_behavior": "completed", "max_active_runs": 1})

    def is_backfilling(self, dag_id: str) -> bool:
        """Whether a backfill of a DAG has not come to its end; as long another one is refused."""
        asked = self._get(f"/backfills?dag_id={dag_id}&limit=100")["backfills"]
        return any(each["completed_at"] is None for each in asked)

    def failed_tasks(self) -> list[str]:
        """Tasks that failed by a fault since this Airflow was started; a verdict on bad data is none."""
        since = datetime.fromtimestamp(self._state()["started"], UTC).isoformat().replace("+00:00", "Z")
        query = f"/dags/~/dagRuns/~/taskInstances?state=failed&start_date_gte={since}&limit=100"
        return sorted(
            {f"{t['dag_id']}.{t['task_id']}" for t in self._get(query)["task_instances"] if t["task_id"] != "verdict"}
        )

    def stop(self) -> bool:
        """End the processes that `start` started, and their children; nothing else.

        Returns:
            Whether there was anything to end.
        """
        had_orphans = self._end_orphans()
        components = self.processes()
        members = in_sessions({process.pid for process in components.values()}, "airflow")
        for process in components.values():
            _signal_group(process, signal.SIGTERM)
        _, alive = psutil.wait_procs(members, timeout=_STOP_SECONDS)
        for process in alive:  # psutil checks that the number still means the same process
            process.kill()
        psutil.wait_procs(alive, timeout=5)
        state = self._state()
        if state:
            self._write(state | {"pids": {}})
        return had_orphans or bool(components)

    def _end_orphans(self) -> bool:
        """End what killed processes left behind, as the end of a container does; gives whether there was anything.

        A killed scheduler's workers would wait for ever for somebody to give them tasks.
        """
        alive = self.processes()
        ended = {pid for name, (pid, _) in self._state().get("pids", {}).items() if name not in alive}
        orphans = in_sessions(ended, "airflow")
        for process in orphans:
            process.kill()
        psutil.wait_procs(orphans, timeout=5)
        return bool(orphans)

    def _is_healthy(self) -> bool:
        try:
            health = self._get("/monitor/health")
            healthy = all(health[part]["status"] == "healthy" for part in ("scheduler", "triggerer", "dag_processor"))
            return healthy and self._get("/dags?limit=1")["total_entries"] >= len(load_all()) + 2
        except (AirflowError, HTTPError, ValueError):  # not there yet
            return False

    def _get(self, path: str) -> Any:
        return self._call("GET", path)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call of Airflow's REST API; the machine's HTTP proxy is not asked for our own address.

        Raises:
            HTTPError: if it says no.
            AirflowError: if it does not answer.
        """
        content = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/api/v2{path}", content, {"Content-Type": "application/json"}, method=method)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=_ANSWER_SECONDS) as answer:
                return json.load(answer)
        except HTTPError:
            raise
        except (OSError, HTTPException) as error:  # also an answer that ends too early
            raise AirflowError(f"Airflow did not answer at {self.url} ({error}); see {self.logs}") from None

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._pids.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state

    def _write(self, state: dict[str, Any]) -> None:
        self._pids.parent.mkdir(parents=True, exist_ok=True)
        aside = self._pids.with_suffix(".part")
        aside.touch(mode=0o600)  # it holds the key that signs Airflow's tokens
        aside.write_text(json.dumps(state), encoding="utf-8")
        aside.replace(self._pids)


_AIRFLOW = [sys.executable, "-m", "airflow"]


def in_sessions(leaders: Collection[int], word: str) -> list[psutil.Process]:
    """Processes of the sessions that these processes lead or have led, and that have a word in their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            # After a restart of the machine a number may mean the session of somebody else.
            if os.getsid(process.pid) in leaders and word in " ".join(process.cmdline()):
                found.append(process)
    return found


def _signal_group(process: psutil.Process, number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _free_port(wanted: int = 8080) -> int:
    for port in (*range(wanted, wanted + 20), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AirflowError("No free port was found for Airflow's web UI.")
