"""`make production-test`: the services of docker-compose.yml without Docker, used and abused for two simulated days.

It starts them as the file says (see `containers.py`), lets two workers load a day, kills each service while a batch
loads, pauses a dataset while files arrive, upgrades under load, backs up and restores into an empty installation. In
the end all tables must equal those of `citydw run` of the same files. It prints each step with its verdict, and ends
with 1 if one is bad. What goes wrong leaves its logs in `build/production-test/`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from etl.contract import load_all
from etl.settings import PROJECT
from etl.warehouse import embedded
from simulate import write_city
from tests.production.containers import USERS, Container, Failed, Stack, copy_image, postgres_programs

PEOPLE = 3_000
DAYS = 2
PAUSED = "civil/marriages"
# Where this machine is smaller than the file's.
CHANGES = {"AIRFLOW__CELERY__WORKER_CONCURRENCY": "2"}
_LOADED_SECONDS = 1_500.0
_DATASETS = "dag_id NOT IN ('marts', 'receive', 'reconcile', 'notify')"
_INSIDE = "CITYDW_PRODUCTION_TEST_INSIDE"

console = Console(width=150)


class Test:
    """The steps, in their order, with what came of each."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.verdicts: list[tuple[str, str, float, str]] = []
        self.image = work / "image"
        self.dropped: list[Path] = []

    def run(self) -> None:
        """Walk the steps; the first that is bad ends it."""
        copy_image(self.image)
        self.stack = Stack(self.work, 1, self.image, CHANGES)
        write_city(self.work / "city", PEOPLE, DAYS, seed=1)
        first, second = ([*files(day)] for day in sorted((self.work / "city" / "days").iterdir()))
        late = [file for file in second if file.parts[-3:-1] == tuple(PAUSED.split("/"))]
        others = [file for file in second if file not in late]
        self.start()
        with self.step("a day over two workers") as said:
            self.load(first)
            said(self.shares())
        with self.step("a dataset is paused; its files wait") as said:
            said(self.pause(late))
        for victim, count in (("worker", 3), ("redis", 1), ("postgres", 1), ("scheduler", 1)):
            batch, others = others[:count], others[count:]
            with self.step(f"{victim} is killed while files load") as said:
                said(self.kill(victim, batch, waiting=len(late)))
        with self.step("reconcile finds what waits, and the audit says why") as said:
            said(self.audit_of_paused(late))
        self.upgrade(others, waiting=len(late))
        self.unpause(late)
        with self.step("the audit of all that") as said:
            said(self.worker.must("citydw", "audit").strip())
        self.back_up_and_restore()
        with self.step("all tables equal those of `citydw run`") as said:
            said(self.compare())
        with self.step("all services stop"):
            self.stack.stop()

    @property
    def worker(self) -> Container:
        """The worker in which commands are run."""
        return self.stack.containers["worker-1"]

    def start(self) -> None:
        """The first start, as `docker compose up --scale worker=2`."""
        containers = self.stack.containers
        with self.step("PostgreSQL with docker/roles.sql, Redis") as said:
            self.stack.make_database()
            for name in ("postgres", "redis"):
                containers[name].start()
            for name in ("postgres", "redis"):
                containers[name].wait_until_healthy()
            said(self.sql("SHOW server_version", "postgres"))
        with self.step("init ends with 0") as said:
            said(self.init())
        with self.step("all services are healthy") as said:
            services = [c for name, c in containers.items() if name not in ("postgres", "redis")]
            for container in services:
                container.start()
            for container in services:
                container.wait_until_healthy()
            owners = {container.must("id", "-u").strip() for container in containers.values()}
            said(f"{len(containers)} containers, users {', '.join(sorted(owners))}")
        with self.step("what a container may not") as said:
            said(self.may_not())

    def may_not(self) -> str:
        """A worker reaches neither Airflow's database nor its own root folder; the scheduler not the warehouse."""
        tried = {
            "worker writes beside its volumes": (self.worker, "touch", "/opt/citydw/x"),
            "worker reads Airflow's database": (
                self.worker,
                "python",
                "-c",
                "import os, psycopg; url = os.environ['CITYDW_DATABASE_URL'].replace('+psycopg', '');"
                "psycopg.connect(url.replace('/citydw', '/airflow'))",
            ),
            "dag-processor knows redis": (self.stack.containers["dag-processor"], "getent", "hosts", "redis"),
            "scheduler knows the warehouse": (self.stack.containers["scheduler"], "printenv", "CITYDW_DATABASE_URL"),
        }
        could = [name for name, (container, *command) in tried.items() if container.run(*command).returncode == 0]
        if could:
            raise Failed("; ".join(could))
        return f"{len(tried)} tried, none came through"

    def init(self) -> str:
        """Run `init` to its end; what it changed."""
        code, said = self.stack.once("init")
        if code:
            raise Failed(f"init: exit code {code}: {said[-500:]}")
        return next(line for line in said.splitlines() if "changes applied" in line or "Nothing to change" in line)

    def drop(self, sent: list[Path]) -> None:
        """Put files into the inbox, as the user that owns the volume."""
        data = self.stack.volume("data", "/srv/citydw/data")
        for file in sent:
            folder = data
            for part in ("inbox", *file.parts[-3:-1]):
                folder /= part
                folder.mkdir(exist_ok=True)
                os.chown(folder, USERS["citydw"], USERS["citydw"])
            for target, content in ((folder / file.name, file.read_bytes()), (folder / f"{file.name}.done", b"")):
                aside = target.with_name(f".{target.name}.part")
                aside.write_bytes(content)
                os.chown(aside, USERS["citydw"], USERS["citydw"])
                aside.rename(target)
        self.dropped += sent

    def load(self, sent: list[Path]) -> None:
        """Drop files and wait until all are loaded, receipted, and no run is left."""
        self.drop(sent)
        self.wait(self.are_loaded, f"{len(sent)} more files are not loaded")

    def are_loaded(self, waiting: int = 0) -> bool:
        """Whether all that was dropped is loaded, but for so many."""
        done = "SELECT count(*) FROM ops.delivery WHERE state = 'loaded' AND receipt_at >= loaded_at"
        return int(self.sql(done)) == len(self.dropped) - waiting and not self.runs()

    def runs(self) -> int:
        """Runs of datasets' DAGs that have not ended."""
        kinds = "dag_id NOT IN ('marts', 'receive', 'reconcile', 'notify')"
        return int(
            self.sql(f"SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running') AND {kinds}", "airflow")
        )

    def shares(self) -> str:
        """How many tasks each worker has ended well.

        Raises:
            Failed: if one has none, or a delivery had two runs.
        """
        by_worker = "FROM task_instance WHERE state = 'success' GROUP BY hostname ORDER BY 1"
        found = self.sql(f"SELECT hostname || ' ' || count(*) {by_worker}", "airflow").splitlines()
        if len(found) != 2:
            raise Failed(f"tasks ran on {found}")
        twice = self.sql("SELECT count(*) FROM dag_run WHERE partition_key NOT LIKE 'marts'", "airflow")
        if int(twice) != len(self.dropped):
            raise Failed(f"{twice} runs for {len(self.dropped)} files")
        return f"{len(self.dropped)} deliveries; tasks by worker: {', '.join(found)}"

    def kill(self, victim: str, batch: list[Path], waiting: int) -> str:
        """Kill a service while its batch loads; all must be loaded without anybody's help, but what waits."""
        self.drop(batch)
        self.wait(lambda: self.runs() > 0, "no run began")
        if victim == "worker":
            victim = self.wait(self.busy_worker, "no worker got a task")
        container = self.stack.containers[victim]
        container.kill()
        killed = time.monotonic()
        self.wait(lambda: self.are_loaded(waiting), "not all is loaded")
        seconds = time.monotonic() - killed
        self.wait(lambda: container.starts > 1, f"{victim} was not started again")
        return f"{victim}; {len(batch)} deliveries loaded {seconds:.0f} s after it, by themselves"

    def busy_worker(self) -> str:
        """The name of a worker that walks a delivery; empty if none does."""
        running = f"SELECT max(hostname) FROM task_instance WHERE state = 'running' AND {_DATASETS}"
        found = self.sql(running, "airflow")
        return found if found in self.stack.containers else ""

    def pause(self, late: list[Path]) -> str:
        """Let files come while their dataset's DAG is paused."""
        self.airflow("dags", "pause", PAUSED.replace("/", "_"), "--yes")
        self.drop(late)
        self.wait(lambda: self.is_received(late), "they were not received")
        return f"{len(late)} received"

    def audit_of_paused(self, late: list[Path]) -> str:
        """What came during the pause is known to wait for its end."""
        told = "SELECT count(*) FROM ops.waiting WHERE found = 'paused'"
        self.wait(lambda: int(self.sql(told)) == len(late), "reconcile has not found them")
        audit = self.worker.run("citydw", "audit")
        if audit.returncode != 1 or audit.stdout.count("is paused in Airflow") != len(late):
            raise Failed(f"audit: {audit.stdout[-300:]}")
        return " ".join(audit.stdout.split())

    def is_received(self, sent: list[Path]) -> bool:
        """Whether the ledger has files as received."""
        query = f"SELECT count(*) FROM ops.delivery WHERE dataset = '{PAUSED.replace('/', '.')}' AND state = 'received'"
        return int(self.sql(query)) == len(sent)

    def upgrade(self, sent: list[Path], waiting: int) -> None:
        """What deploy.md says of an upgrade, with a contract that has a new column, while files load."""
        with self.step("upgrade under load, with a new column") as said:
            self.drop(sent)
            self.wait(lambda: self.runs() > 0, "no run began")
            self.worker.must("citydw", "backup", "/srv/citydw/backups/before")
            containers = self.stack.containers
            containers["scheduler"].stop()
            add_column(self.image / "expectations/civil/births.yaml")
            changed = self.init()
            for name in ("worker-1", "worker-2", "triggerer", "dag-processor", "api-server"):
                containers[name].stop()
            for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2"):
                containers[name].start()
            for name in ("api-server", "scheduler", "worker-1", "worker-2"):
                containers[name].wait_until_healthy()
            self.wait(lambda: self.are_loaded(waiting), "not all is loaded")
            said(f"{changed} {len(sent)} deliveries loaded")

    def unpause(self, late: list[Path]) -> None:
        """What came during the pause starts by itself."""
        with self.step("unpaused, they are loaded by themselves") as said:
            self.airflow("dags", "unpause", PAUSED.replace("/", "_"), "--yes")
            began = time.monotonic()
            self.wait(self.are_loaded, "they are not loaded")
            said(f"{len(late)} deliveries, {time.monotonic() - began:.0f} s after")

    def back_up_and_restore(self) -> None:
        """Back up, and restore into an installation with nothing in it."""
        with self.step("backup, and restore into an empty installation") as said:
            self.worker.must("citydw", "backup", "/srv/citydw/backups/after")
            other = Stack(self.work, 2, self.image, CHANGES)
            shutil.copytree(
                self.stack.volume("backups", "/srv/citydw/backups") / "after",
                other.volume("backups", "/srv/citydw/backups") / "after",
                symlinks=True,
            )
            subprocess.run(["chown", "-R", "50000:50000", other.work / "volumes/2-backups"], check=True)
            other.make_database()
            other.containers["postgres"].start()
            other.containers["postgres"].wait_until_healthy()
            code, told = other.once("worker", "citydw", "restore", "/srv/citydw/backups/after")
            if code:
                raise Failed(f"restore: exit code {code}: {told[-500:]}")
            code, told = other.once("worker", "citydw", "audit")
            if code:
                raise Failed(f"audit: {told[-500:]}")
            wrong = differences(tables(self.url(self.stack)), tables(self.url(other)))
            other.stop()
            if wrong:
                raise Failed(f"these differ: {', '.join(wrong)}")
            said(f"the same tables, audit: {told.strip()}")

    def compare(self) -> str:
        """Run the same files without Airflow, elsewhere, and compare."""
        home = self.work / "reference"
        sent = self.work / "sent"
        for file in self.dropped:
            target = sent.joinpath(*file.parts[-4:])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        done = subprocess.run(
            [sys.executable, "-c", "from etl.cli import main; main()", "run", str(sent)],
            env=os.environ | {"CITYDW_HOME": str(home), "PYTHONPATH": str(self.image), "CITYDW_QUIET_SECONDS": "0"},
            cwd=self.image,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"citydw run: exit code {done.returncode}: {done.stderr[-500:]}")
        expected = tables(embedded.start(home / "postgres"))
        embedded.stop(home / "postgres")
        wrong = differences(expected, tables(self.url(self.stack)))
        if wrong:
            raise Failed(f"these differ: {', '.join(wrong)}")
        return f"{len(expected)} tables, {sum(rows for rows, _ in expected.values())} rows"

    def url(self, stack: Stack) -> str:
        """The warehouse of a stack, as its owner, from outside of its containers."""
        address = stack.containers["postgres"].address("database")
        return f"postgresql+psycopg://citydw:{stack.secrets['CITYDW_OWNER_PASSWORD']}@{address}/citydw"

    def airflow(self, *command: str) -> None:
        """Run a command of Airflow's beside the API server."""
        self.stack.containers["api-server"].must("airflow", *command)

    def sql(self, query: str, database: str = "citydw") -> str:
        """Ask the server; "-1" while it is away."""
        postgres = self.stack.containers["postgres"]
        try:
            asked = ("psql", "--username=postgres", f"--dbname={database}", "-Atc", query)
            return postgres.must(*asked).strip()
        except (Failed, LookupError, OSError, psutil.Error):
            return "-1"

    def wait(self, condition: Callable[[], Any], otherwise: str, seconds: float = _LOADED_SECONDS) -> Any:
        """Wait until a condition holds, and give what it gave.

        Raises:
            Failed: if it does not in time.
        """
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                states = self.sql("SELECT state, count(*) FROM ops.delivery GROUP BY 1").replace("\n", ", ")
                runs = self.sql("SELECT dag_id, state, count(*) FROM dag_run GROUP BY 1, 2", "airflow").split("\n")
                raise Failed(f"{otherwise} after {seconds:.0f} s; ledger: {states}; runs: {', '.join(runs)}")
            time.sleep(1)
        return found

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """One line of the table."""
        began, told = time.monotonic(), [""]
        console.print(f"... {name}", markup=False)
        verdict = "bad"
        try:
            yield lambda text: told.__setitem__(0, text)
            verdict = "good"
        except Exception as error:
            told[0] = f"{'' if isinstance(error, Failed) else type(error).__name__ + ': '}{error}"
            raise
        finally:
            self.verdicts.append((name, verdict, time.monotonic() - began, told[0]))
            console.print(f"    {verdict}, {self.verdicts[-1][2]:.0f} s: {told[0]}", markup=False)


def files(day: Path) -> Iterator[Path]:
    """A day's files, one of each dataset in turn."""
    yield from sorted((path for path in day.rglob("*") if path.is_file()), key=lambda path: (path.name[-8:], path))


def add_column(contract: Path) -> None:
    """Give a contract one more column, as the next release may."""
    text = contract.read_text("utf-8")
    column = (
        "      - name: remark\n        physicalName: ghi_chu_moi\n        businessName: Ghi chú\n"
        "        description: |\n          Ghi chú.\n          A remark.\n"
        "        logicalType: string\n        required: false\n        classification: open\n        examples: [x]\n"
    )
    contract.write_text(f"{text.rstrip()}\n{column}", "utf-8")


def tables(url: str) -> dict[str, tuple[int, str]]:
    """The rows and a digest of every history table and of what the ledger counted; columns by their names."""
    engine = sa.create_engine(url)
    counted = ["dataset", "delivery_id", "state", "rows_in", "rejected", "duplicates"]
    found = {}
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        asked = {
            (c.schema, c.table): sorted(column["name"] for column in inspector.get_columns(c.table, c.schema))
            for c in load_all().values()
        } | {("ops", "delivery"): counted}
        for (schema, table), columns in asked.items():
            query = f"SELECT ({', '.join(columns)})::text FROM {schema}.{table}"
            rows = sorted(connection.exec_driver_sql(query).scalars())
            found[f"{schema}.{table}"] = (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
    engine.dispose()
    return found


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The tables that are not the same."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def main() -> int:
    """Enter namespaces of our own, which end with all that was started; there, walk the steps."""
    missing = [name for name in ("redis-server", "ip", "unshare", "nsenter", "setpriv") if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        console.print("This needs Linux and root, for namespaces, and from the system: redis-server postgresql")
        console.print(f"Missing: {', '.join(missing) or 'root'}")
        return 2
    if _INSIDE not in os.environ:
        os.environ[_INSIDE] = "1"
        inside = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        os.execvp("unshare", ["unshare", *inside, sys.executable, "-m", "tests.production"])
    subprocess.run("ip link set lo up; mount -t tmpfs run /run", shell=True, check=True)
    programs = postgres_programs()
    if programs == embedded.programs():
        console.print("PostgreSQL is not installed here: the embedded one stands in for it.")
    work = Path(tempfile.mkdtemp(prefix="citydw-production-"))
    work.chmod(0o755)
    test = Test(work)
    is_good = False
    try:
        test.run()
        is_good = True
    except Exception:
        if not test.verdicts or test.verdicts[-1][1] == "good":
            console.print_exception()
    finally:
        table = Table("step", "verdict", "s", "what was seen", title="docker-compose.yml without Docker")
        for name, verdict, seconds, seen in test.verdicts:
            table.add_row(name, verdict, f"{seconds:.0f}", seen)
        console.print(table, markup=False)
        console.print(f"Other than in the file: {CHANGES}. Not Docker's: limits of memory and processes, the image.")
        if not is_good:
            kept = PROJECT / "build" / "production-test"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(work / "logs", kept)
            console.print(f"Logs of the services are in {kept}.")
        with contextlib.suppress(Exception):
            test.stack.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
