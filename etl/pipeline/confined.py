"""A function that runs in a process of its own, which may use so much memory and no more.

Where memory runs out, libraries written in Rust or C abort the process: no exception is raised that could be caught.
So what a large file may do is done where nothing else dies with it. A new process costs two thirds of a second; small
files are not to pay it.
"""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

_Made = TypeVar("_Made")
IS_POSSIBLE = sys.platform == "linux"  # only there is a process's memory limited as here
_BROKEN = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGSEGV")  # SIGKILL: the machine's memory was gone
_OUT_OF_MEMORY = 77  # the process's own exit status
_PAGE = 4096
_SAID = ("can't start new thread", "failed to map segment", "annot allocate memory")


def run(function: Callable[..., _Made], *arguments: object, memory: int, **named: object) -> _Made:
    """Call a function in a new process.

    Args:
        function: of a module, so that the process finds it.
        arguments: what it is given; these and what comes of it are pickled.
        memory: bytes that it may use beside those that Python and its libraries take.
        named: what it is given by name.

    Returns:
        Its answer.

    Raises:
        MemoryError: if it needed more, or broke its process.
        RuntimeError: if somebody ended the process.
        Exception: what the function raised.
    """
    begin = f"import sys; sys.path[:] = {sys.path!r}; from etl.pipeline.confined import _answer; _answer({memory})"
    done = subprocess.run(
        [sys.executable, "-c", begin],
        input=pickle.dumps((function, arguments, named)),
        stdout=subprocess.PIPE,
        env=os.environ | {"MALLOC_ARENA_MAX": "1"},  # each thread's takes address space, used or not
        check=False,
    )
    ended_by = signal.Signals(-done.returncode).name if done.returncode < 0 else ""
    if ended_by in _BROKEN or done.returncode == _OUT_OF_MEMORY:
        raise MemoryError(f"{function.__name__} broke its process: {ended_by or 'out of memory'}")
    if done.returncode:
        raise RuntimeError(f"the process of {function.__name__} was ended: {ended_by or done.returncode}")
    made, error = pickle.loads(done.stdout)
    if error is not None:
        raise error
    answer: _Made = made
    return answer


def _answer(memory: int) -> None:
    """Read from standard input what is to be called, and write there what comes of it; nobody else writes to it."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    function, arguments, named = pickle.load(sys.stdin.buffer)  # imports all that it needs
    made: tuple[object, BaseException | None]
    try:
        with _limited(memory):
            made = function(*arguments, **named), None
    except Exception as error:
        if _is_for_memory(error):
            os._exit(_OUT_OF_MEMORY)
        made = None, error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # Rust's; it is no Exception, and has no name to import
            os._exit(_OUT_OF_MEMORY)
        raise
    with out:
        pickle.dump(made, out)


@contextmanager
def _limited(memory: int) -> Iterator[None]:
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # an image of the process would hold the file
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = in_use + memory
    resource.setrlimit(resource.RLIMIT_AS, (wanted if before == resource.RLIM_INFINITY else min(wanted, before), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))  # what comes of it must still be written


def _is_for_memory(error: Exception) -> bool:
    """Whether an error says that no memory was left for an object, a thread, or a library to load.

    A SystemError is that of a library in C that went on without what it had asked for.
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    said = str(error)
    return isinstance(error, MemoryError | SystemError) or any(words in said for words in _SAID)
