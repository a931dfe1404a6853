"""`python -m demo.tutorial`: run the commands of the pages that teach and write into them what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from etl.settings import PROJECT
from etl.warehouse import embedded

PAGES = (PROJECT / "docs" / "tutorial.md", PROJECT / "docs" / "how-to" / "your-own-city.md")
HOME = "var/tutorial"  # as the pages call it
Shell = Callable[[str, Mapping[str, str], Path], "subprocess.CompletedProcess[str]"]
_EXPORT = re.compile(r"^export (\w+)=(\S+)", re.MULTILINE)
_CONSOLE = re.compile(r"(?<=```console\n)(.*?)(?=```\n)", re.DOTALL)


def _bash(line: str, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], cwd=cwd, env=env, capture_output=True, text=True, check=False)


def play(text: str, shell: Shell = _bash) -> str:
    """Run a page's commands, in a home of their own that is gone afterwards.

    Args:
        text: the page; in its blocks of `console`, what follows `$ ` is a command and all else is output. What a line
            of it exports holds for all commands.
        shell: runs a line, in an environment and a folder.

    Returns:
        The page with what its commands print now.

    Raises:
        RuntimeError: a command failed; the text says which, and what it said.
    """
    with tempfile.TemporaryDirectory(prefix="citydw-tutorial-") as folder:
        home = Path(folder)
        exported = {name: value.replace(HOME, folder) for name, value in _EXPORT.findall(text)}
        try:
            run = partial(_run, home=home, exported=exported, shell=shell)
            return _CONSOLE.sub(lambda block: "".join(map(run, _commands(block[0]))), text)
        finally:
            embedded.stop(home / "postgres")


def _commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def _run(command: str, home: Path, exported: Mapping[str, str], shell: Shell) -> str:
    """A command and its output, as the page shows it."""
    here = {
        **os.environ,
        **exported,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
    }
    done = shell(command.replace(HOME, str(home)), here, PROJECT)
    if done.returncode:
        raise RuntimeError(f"{command}\n{done.stdout}{done.stderr}")
    lines = done.stdout.replace(str(home), HOME).replace("\ufeff", "").splitlines()
    return f"$ {command}\n" + "".join(f"{line.rstrip()}\n" for line in lines if line.strip())


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(play(page.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{page}\n")
