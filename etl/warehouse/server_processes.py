"""Which processes of the embedded PostgreSQL run on a data folder, by its own pid file and by what the system says."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import psutil


class ServerError(RuntimeError):
    """The embedded server cannot do what was asked; the text says why."""


def postmaster(data_dir: Path) -> int | None:
    """Process id of the server that runs on this data folder."""
    try:
        pid = int((data_dir / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and str(data_dir) in process.cmdline():
            return pid
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return None  # the file was left behind by a crash, and the number is another process's now


def wait_for_orphans(data_dir: Path, seconds: float) -> None:
    """Wait for what a killed server left behind: two servers on one folder would ruin it.

    Args:
        data_dir: the server's data folder.
        seconds: that they have to end.

    Raises:
        ServerError: if one of its processes does not end.
    """
    deadline = time.monotonic() + seconds
    while left := [p.pid for p in psutil.process_iter(["name", "cwd"]) if _works_in(p, data_dir)]:
        if time.monotonic() > deadline:
            raise ServerError(f"Processes of a killed PostgreSQL still run: {left}. End them and try again.")
        time.sleep(0.05)


def _works_in(process: Any, data_dir: Path) -> bool:
    return bool(process.info["name"] == "postgres" and process.info["cwd"] == str(data_dir))


def is_reused(pid_file: Path) -> bool:
    """Whether a pid file that is not a running server's names some other live process, as after a reboot."""
    try:
        return psutil.pid_exists(int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0]))
    except (FileNotFoundError, ValueError):
        return False


def status(data_dir: Path) -> str:
    """The last line of the server's own pid file: starting, ready, stopping."""
    with contextlib.suppress(FileNotFoundError):
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        if len(lines) >= 8:
            return lines[7].strip()
    return ""
