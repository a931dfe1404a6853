"""Programs in processes of their own, as a person starts them; what we build on is loaded already.

To import that (Great Expectations alone takes five seconds of a core) is most of what a command costs. One process does
it once for all tests of a worker, and each program is forked from it; our own modules it imports itself.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

CITYDW = "from etl.cli import main; main()"
_LOADED = ("great_expectations", "pandas", "polars", "psycopg", "pyarrow", "pydantic", "rich", "sqlalchemy", "typer")
_PROJECT = Path(__file__).parents[1]


def run(
    *arguments: str, env: Mapping[str, str], program: str = CITYDW, seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """What a program says, and its exit code; if it was killed, the signal's number below zero.

    Args:
        arguments: of the command line.
        env: all of its environment.
        program: as `python -c` takes it.
        seconds: after which it is killed, and the test fails.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_LOADED])
    with TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = context.Process(target=_in_its_process, args=(program, arguments, dict(env), *map(str, said)))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, seconds)
        texts = [path.read_text("utf-8", errors="surrogateescape") for path in said]
        return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def _in_its_process(program: str, arguments: tuple[str, ...], env: dict[str, str], *said: str) -> None:
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(_PROJECT)
    sys.argv = ["-c", *arguments]
    exec(program, {"__name__": "__main__"})
