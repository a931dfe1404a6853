"""The second part of `make kill-test`: the demo's Airflow, with its scheduler and tasks killed at random moments.

It drops a day's extracts into the inbox and kills while Airflow brings them into the warehouse: the scheduler, the
triggerer, a running task, or the process that watches over a task. What has ended is started again, as `make demo` and
Docker do. Then every delivery must be loaded and receipted and no run left over, without anybody's help. At the end
the tables must equal those of an undisturbed run without Airflow, and `citydw audit` must find nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
from upath import UPath

from demo.__main__ import drop
from demo.airflow import Airflow
from etl.contract import load_all
from etl.pipeline.pipeline import Pipeline
from etl.settings import Settings
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate
from simulate import write_city
from tests.tools.kill_processes import PEOPLE, citydw, say, tables

VICTIMS = ("scheduler", "scheduler", "task", "task", "task's supervisor", "triggerer")
DAYS = 3  # the later ones only if the kills asked for did not all fall into the first
LONGEST_PEACE = 20.0  # seconds between two kills; an undisturbed day takes some 60
LONGEST_RECOVERY = 420.0  # seconds from a day's last kill to its last receipt


def main() -> None:
    """Kill until there were as many kills as asked for; exit with 1 if a delivery is lost or the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    kills: Counter[str] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="citydw kills ") as folder:
        city = Path(folder) / "city"
        write_city(city, PEOPLE, days=DAYS, seed=asked.seed)
        undisturbed = Path(folder) / "undisturbed"
        home = Path(folder) / "killed"
        settings = replace(Settings.from_environment(), home=home, data=UPath(home / "data"), database_url=None)
        airflow = Airflow(settings)
        try:
            embedded.start(home / "postgres", embedded.AIRFLOW)
            pipeline = Pipeline(settings, load_all())
            migrate(pipeline.engine, pipeline.contracts.values())
            airflow.start()
            airflow.wait_until_ready()
            airflow.create_pools()
            for day in sorted((city / "days").iterdir()):
                if kills.total() < asked.kills:
                    kills += survive(day, airflow, pipeline, chance, asked.kills - kills.total())
                    assert citydw(undisturbed, "run", str(day)).wait() == 0
            found, expected = tables(home), tables(undisturbed)
            wrong = sorted(name for name in expected if found[name] != expected[name])
            audit = citydw(home, "audit").wait()
        finally:
            airflow.stop()
            embedded.stop(home / "postgres")
            embedded.stop(undisturbed / "postgres")
    if wrong or audit:
        say(f"differs from the undisturbed run: {', '.join(wrong) or 'nothing'}; audit exits with {audit}")
        sys.exit(1)
    said = ", ".join(f"{victim} {count}" for victim, count in kills.items())
    say(
        f"{kills.total()} kills of Airflow's processes ({said}) in {time.monotonic() - started:.0f} s;"
        " all deliveries loaded, tables equal to the undisturbed run's, audit clean"
    )


def survive(day: Path, airflow: Airflow, pipeline: Pipeline, chance: random.Random, most: int) -> Counter[str]:
    """Drop a day's files, kill while they are brought in, and wait for all; gives how often each victim was hit."""
    kills: Counter[str] = Counter()
    deliveries = [drop(file, pipeline.settings) for file in sorted(day.rglob("*")) if file.is_file()]

    def is_loaded() -> bool:
        entries = {(e.dataset, e.sha256): e for e in pipeline.ledger.all()}
        mine = [entries.get((d.contract_id, d.sha256)) for d in deliveries]
        return all(e and e.state == "loaded" and e.receipt_at for e in mine) and not airflow.unfinished_runs()

    last = time.monotonic()
    while not is_loaded():
        if kills.total() < most:
            time.sleep(chance.uniform(0, LONGEST_PEACE))
            victim = chance.choice(VICTIMS)
            kills[victim] += kill(victim, airflow, chance)
            last = time.monotonic()
            if not airflow.is_running():
                time.sleep(chance.uniform(0, 3))
                airflow.start()
        elif time.monotonic() - last > LONGEST_RECOVERY:
            stuck = [f"{e.dataset}/{e.delivery_id} {e.state}" for e in pipeline.ledger.all()]
            say(f"not loaded {LONGEST_RECOVERY:.0f} s after the last kill: {', '.join(stuck)}")
            sys.exit(1)
        time.sleep(1)
    seconds = time.monotonic() - last
    say(f"{day.name}: {kills.total()} kills; all {len(deliveries)} deliveries loaded {seconds:.0f} s after the last")
    return kills


def kill(victim: str, airflow: Airflow, chance: random.Random) -> int:
    """Kill -9; gives the number of victims that were there."""
    components = airflow.processes()
    with suppress(psutil.NoSuchProcess, IndexError):
        if victim in components:
            components[victim].kill()
            components[victim].wait(5)
            return 1
        # The scheduler has a child that forks workers; each watches over one task, which is a child of its own.
        workers = [worker for forker in components["scheduler"].children() for worker in forker.children()]
        supervisor = chance.choice([worker for worker in workers if worker.children()])
        (supervisor if victim == "task's supervisor" else supervisor.children()[0]).kill()
        return 1
    return 0


if __name__ == "__main__":
    main()
