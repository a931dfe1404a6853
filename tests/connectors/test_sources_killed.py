"""A puller that is killed at any moment, and a source that is, leave nothing out and take nothing twice."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from demo.servers import MariaServer
from etl.warehouse import embedded
from tests.tools.kill_pulls import ADMIN_PASSWORD, SOURCES, citydw, killed, postgresql, project


def command_line(process: psutil.Process) -> str:
    """What anybody on the machine sees of a process; for a blink after its start that is nothing yet."""
    while not (words := process.cmdline()):
        time.sleep(0.001)
    return " ".join(words)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "kills"), [("postgresql", 10), ("mysql", 4)])
def test_a_puller_that_is_killed_skips_nothing_and_takes_nothing_twice(tmp_path: Path, kind: str, kills: int) -> None:
    if kind == "mysql" and MariaServer.PROGRAM is None:
        pytest.skip("no MariaDB on this machine (apt-get install mariadb-server): nothing is pulled")
    with SOURCES[kind]() as source:
        try:
            difference, ends = killed(tmp_path, source, kills, of_server=3, seed=4)
            assert difference == ""
            assert ends["delivered"] > 1, "some pulls came to their end before they were killed"
        finally:
            embedded.stop(tmp_path / "home" / "postgres")


def test_the_commands_say_how_sources_stand_and_nobody_sees_the_password(tmp_path: Path) -> None:
    with postgresql() as source:
        try:
            clone, home = project(tmp_path, source), tmp_path / "home"
            source.execute("INSERT INTO truong VALUES ('79000701', 'Trường A', NULL, NULL, 5)")
            said = []
            assert citydw(clone, home, "migrate").wait() == 0
            for command in (["pull", "education.schools", "--dry-run"], ["pull", "education.schools"], ["sources"],
                            ["sources", "check"], ["pull", "education.schools", "--from", "2026-03-02"]):  # fmt: skip
                puller = citydw(clone, home, *command)
                said.append(command_line(psutil.Process(puller.pid)))
                said.append(str(puller.wait()))
            log = (home / "commands.log").read_text("utf-8")
            assert said[1::2] == ["0", "0", "0", "0", "2"], log
            assert "1 rows" in log and "nothing was kept" in log and "has no stamp" in log
            assert "the role may change truong" in log and "Traceback" not in log
            held = subprocess.run(
                ["grep", "-rl", ADMIN_PASSWORD, str(home)], capture_output=True, text=True, check=False
            )
            assert held.stdout == "" and ADMIN_PASSWORD not in " ".join(said)
            assert sys.executable in said[0]
        finally:
            embedded.stop(tmp_path / "home" / "postgres")
