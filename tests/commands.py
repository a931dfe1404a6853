"""Programs in processes of their own, as a person starts them; what we build on is loaded already.

To import that (Great Expectations alone takes five seconds of a core) is most of what a command costs, and most of the
rest are our own modules and the city's contracts. One process loads all this once for all tests of a worker, and each
program is forked from it. One of another clone or another deployment imports our modules itself.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from tempfile import TemporaryDirectory

CITYDW = "from etl.cli import main; main()"
LOADED = ("tests.preloaded",)  # by the process that others are forked from, of which each process has but one
_OURS = ("etl", "simulate", "demo", "dags")
_PROJECT = Path(__file__).parents[1]


def run(
    *arguments: str, env: Mapping[str, str], program: str = CITYDW, cwd: Path = _PROJECT, seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """What a program says, and its exit code; if it was killed, the signal's number below zero.

    Args:
        arguments: of the command line.
        env: all of its environment.
        program: as `python -c` takes it.
        cwd: where it is run.
        seconds: after which it is killed, and the test fails.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LOADED])
    with TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = context.Process(target=_in_its_process, args=(program, arguments, dict(env), cwd, *said))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, seconds)
        texts = [path.read_text("utf-8", errors="surrogateescape") for path in said]
        return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def typed(line: str, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """What comes of a line that a page tells to type: `citydw`, whose output may be piped on, or something else."""
    split = shlex.shlex(line, posix=True, punctuation_chars=True)
    split.whitespace_split, split.commenters = True, ""
    words = [*split]
    pipe = words.index("|") if "|" in words else len(words)
    if words[0] != "citydw" or {">", ">>", "<", "&&", ";"} & {*words}:
        return subprocess.run(["bash", "-c", line], env=env, cwd=cwd, capture_output=True, text=True, check=False)
    done = run(*words[1:pipe], env=env, cwd=cwd)
    if not words[pipe:]:
        return done
    return subprocess.run(words[pipe + 1 :], input=done.stdout, capture_output=True, text=True, check=False)


def _in_its_process(program: str, arguments: tuple[str, ...], env: dict[str, str], cwd: Path, *said: Path) -> None:
    assert {*LOADED} <= sys.modules.keys(), "what could not be imported, the server has not told"
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    is_our_deployment = os.environ.get("CITYDW_EXPECTATIONS") == env.get("CITYDW_EXPECTATIONS")
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:0] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    sys.dont_write_bytecode = False
    if not (is_our_deployment and _is_our_clone()):
        for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
            del sys.modules[name]
    sys.argv = ["-c", *arguments]
    exec(program, {"__name__": "__main__"})


def _is_our_clone() -> bool:
    found = PathFinder.find_spec("etl")
    return found is not None and found.origin == sys.modules["etl"].__file__
