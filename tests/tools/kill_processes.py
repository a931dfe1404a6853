"""`make kill-test`: a demo day, walked by real processes that are killed with `kill -9` at random moments.

Every round begins with an empty warehouse. The worker (`citydw run`) and PostgreSQL (its postmaster alone, or all of
its processes, as in a power cut) are killed and started again until the day is loaded. Then the round's tables must
equal those of the undisturbed run, and `citydw audit` must find nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
import sqlalchemy as sa

from etl.contract import load_all
from etl.warehouse import embedded
from simulate import write_city

PEOPLE = 3_000
LONGEST_LIFE = 9.0  # seconds; walking the whole day takes some 20


def main() -> None:
    """Kill until there were as many kills as asked for; exit with 1 at the first difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    kills: Counter[str] = Counter()
    rounds = 0
    with tempfile.TemporaryDirectory(prefix="citydw kills ") as folder:
        city = Path(folder) / "city"
        write_city(city, PEOPLE, days=1, seed=asked.seed)
        undisturbed = Path(folder) / "undisturbed"
        assert citydw(undisturbed, "run", str(city / "days")).wait() == 0
        expected = tables(undisturbed)
        embedded.stop(undisturbed / "postgres")
        while sum(kills.values()) < asked.kills:
            rounds += 1
            home = Path(folder) / f"round {rounds}"
            while True:
                worker = citydw(home, "run", str(city / "days"))
                victim = chance.choice(("worker", "postmaster", "all of PostgreSQL"))
                try:
                    code = worker.wait(chance.uniform(0, LONGEST_LIFE))
                except subprocess.TimeoutExpired:
                    kills[victim] += kill(victim, worker, home / "postgres")
                    code = worker.wait()  # it may go on without its database for a moment, and says so
                if code == 0:
                    break
            found = tables(home)
            wrong = sorted(name for name in expected if found[name] != expected[name])
            audit = citydw(home, "audit").wait()
            embedded.stop(home / "postgres")
            say(f"round {rounds}: {sum(kills.values())} kills so far, audit exits with {audit}")
            if wrong or audit:
                say(f"differs from the undisturbed run: {', '.join(wrong) or 'nothing'}")
                sys.exit(1)
    said = ", ".join(f"{victim} {count}" for victim, count in kills.items())
    say(f"{sum(kills.values())} kills in {rounds} rounds ({said}); each ended in the tables of the undisturbed run")


def citydw(home: Path, *command: str) -> subprocess.Popen[bytes]:
    """Start a command of the pipeline on an installation of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from etl.cli import main; main()", *command],
        env=os.environ | {"CITYDW_HOME": str(home), "CITYDW_QUIET_SECONDS": "0"},  # the files are whole
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(victim: str, worker: subprocess.Popen[bytes], data_dir: Path) -> int:
    """Kill -9; gives the number of victims that were there."""
    if victim == "worker":
        worker.kill()
        return 1
    try:
        postmaster = psutil.Process(int((data_dir / "postmaster.pid").read_text().split("\n", 1)[0]))
        processes = [postmaster, *(postmaster.children() if victim != "postmaster" else [])]
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return 0  # it had not begun yet
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    return 1


def tables(home: Path) -> dict[str, str]:
    """A digest of every history table and of what the ledger counted, each in a fixed order."""
    engine = sa.create_engine(embedded.start(home / "postgres"))
    queries = {
        f"{c.schema}.{c.table}": f"SELECT t::text FROM {c.schema}.{c.table} t ORDER BY 1" for c in load_all().values()
    }
    queries["ops.delivery"] = (
        "SELECT (dataset, delivery_id, state, rows_in, rejected, duplicates,"
        " inserted + changed + unchanged + superseded)::text FROM ops.delivery ORDER BY 1"
    )
    with engine.connect() as connection:
        digests = {
            name: hashlib.sha256("\n".join(connection.exec_driver_sql(query).scalars()).encode()).hexdigest()
            for name, query in queries.items()
        }
    engine.dispose()
    return digests


def say(line: str) -> None:
    """Print at once, with the time."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
