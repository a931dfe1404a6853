"""One measurement: a function in a process of its own, with a clock, and the memory of all that it starts."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

_EVERY = 0.2  # seconds between two looks at memory; each takes some 13 ms from what is measured


class Clock:
    """Runs within `with`; tells the measuring process when what counts begins and ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.seconds = 0.0

    def __enter__(self) -> Clock:
        self._connection.send("begin")
        self._connection.recv()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self._connection.send("end")


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Attributes:
        seconds: between the clock's beginning and end.
        peak: most bytes that the process and those it started held meanwhile, PostgreSQL aside; pages that several
            processes share are counted once (PSS).
        notes: what the function returned.
    """

    seconds: float
    peak: int
    notes: dict[str, Any] = field(default_factory=dict)


class Failed(RuntimeError):
    """What was to be measured did not end well; the text names its log."""


def measure(
    subject: Callable[..., dict[str, Any] | None],
    environment: dict[str, str],
    log: Path,
    before: Callable[[], object] = lambda: None,
    **arguments: Any,
) -> Measurement:
    """Call `subject(clock, **arguments)` in a new process.

    Args:
        subject: a function of a module.
        environment: environment variables for it.
        log: file to which goes what it prints.
        before: called when its clock is about to begin.
        arguments: for it.

    Raises:
        Failed: if it raised or was killed.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_call, args=(theirs, subject, environment, log, arguments))
    process.start()
    theirs.close()
    peak, counts, said = 0, False, []
    with contextlib.suppress(EOFError):
        while True:
            while not ours.poll(_EVERY):
                peak = max(peak, _memory(process.pid)) if counts else peak
            match ours.recv():
                case "begin":
                    before()
                    counts = True
                    ours.send("go")
                case "end":
                    peak, counts = max(peak, _memory(process.pid)), False
                case result:
                    said.append(result)
    process.join()
    if process.exitcode or not said:
        raise Failed(f"{subject.__name__} did not end well; what it said is at the end of {log}")
    seconds, notes = said[0]
    return Measurement(seconds, peak, notes)


def _call(
    connection: Connection,
    subject: Callable[..., dict[str, Any] | None],
    environment: dict[str, str],
    log: Path,
    arguments: dict[str, Any],
) -> None:
    os.environ.update(environment)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    clock = Clock(connection)
    notes = subject(clock, **arguments) or {}
    connection.send((clock.seconds, notes))


def _memory(pid: int | None) -> int:
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                held = each.memory_full_info()
                total += getattr(held, "pss", held.uss)  # only Linux has the former
    return total
