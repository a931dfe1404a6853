"""The agencies that `make demo` pulls from: their servers, in a process that outlives the command as Airflow does.

It tells by its standard output that the servers are up, which are empty, and, once its standard input has ended, that
the city's days are entered. So they are also if whoever started it dies.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from demo.airflow import in_sessions
from demo.sources import ACCOUNTS, serving
from demo.systems import CivilRegistry, Permits, System
from etl.settings import PROJECT

KINDS: tuple[type[System], ...] = (CivilRegistry, Permits)  # need no package of the system
_STOP_SECONDS = 20.0
_OF_A_SERVER = "citydw-source-"  # in its command line: the beginning of its folder's name
_UP, _ENTERED = "up", "entered"


class AgenciesError(RuntimeError):
    """The city's agencies cannot be had as they were asked for; the text says why, or where to read why."""


class Agencies:
    """The process, and the deployment in whose contracts its servers are the sources.

    Attributes:
        accounts: a script that exports that deployment and the accounts, for a terminal.
    """

    def __init__(self, home: Path) -> None:
        """Take the demo's home; nothing is started."""
        self._home = home
        self._folder = home / "city"
        self._log = home / "agencies.log"
        self._pid = home / "agencies.json"
        self.accounts = self._folder / ACCOUNTS
        self._process: subprocess.Popen[str] | None = None

    @property
    def expectations(self) -> Path:
        """The deployment."""
        return self._folder / "expectations"

    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._alive() is not None

    def start(self) -> None:
        """Start the servers of a city that is written; they are empty.

        Raises:
            AgenciesError: if they do not come up.
        """
        self.stop()  # what one that was killed has left
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "demo.agencies", str(self._folder), str(self._home)],
                cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True,  # an interrupt of the terminal is not meant for it
            )  # fmt: skip
        created = psutil.Process(self._process.pid).create_time()
        self._pid.write_text(json.dumps([self._process.pid, created]), encoding="utf-8")
        self._wait_for(_UP)

    def enter(self) -> None:
        """Let the agencies enter what they hold; those that were not started by this process have done so already.

        Raises:
            AgenciesError: if they cannot.
        """
        if self._process and self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
            self._wait_for(_ENTERED)

    def environment(self) -> dict[str, str]:
        """The environment of whoever pulls from them: the deployment, and the accounts."""
        said = self.accounts.read_text("utf-8").splitlines()
        return dict(shlex.split(line)[1].split("=", 1) for line in said)

    def stop(self) -> bool:
        """End the process, and with it the servers and what they kept; gives whether there was anything to end."""
        process = self._alive()
        if process is not None:
            process.terminate()
            for late in psutil.wait_procs([process], timeout=_STOP_SECONDS)[1]:
                late.kill()
        orphans = in_sessions({self._started()[0]}, _OF_A_SERVER)
        for orphan in orphans:  # of a process that was killed
            orphan.kill()
        psutil.wait_procs(orphans, timeout=5)
        self._pid.unlink(missing_ok=True)
        return process is not None or bool(orphans)

    def _started(self) -> tuple[int, float]:
        """Number and time of the process that was started last; none where nothing was."""
        try:
            pid, created = json.loads(self._pid.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return -1, 0.0
        return pid, created

    def _alive(self) -> psutil.Process | None:
        pid, created = self._started()
        try:
            process = psutil.Process(pid)
            is_ours = abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (ValueError, psutil.NoSuchProcess):
            return None
        return process if is_ours else None

    def _wait_for(self, word: str) -> None:
        assert self._process is not None and self._process.stdout is not None
        if self._process.stdout.readline().strip() != word:
            raise AgenciesError(f"The agencies' servers have ended; see {self._log}")


def main(folder: Path, home: Path) -> None:
    """Serve a city until the process is told to end."""
    with suppress(KeyboardInterrupt), serving(folder, KINDS, {"CITYDW_HOME": str(home)}) as systems:
        _tell(_UP)
        sys.stdin.read()  # until who started it says so, or is gone
        for day in sorted((folder / "days").iterdir()):
            systems.feed(day)
        _tell(_ENTERED)
        while True:
            signal.pause()


def _tell(word: str) -> None:
    with suppress(BrokenPipeError):  # who started it is gone
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
