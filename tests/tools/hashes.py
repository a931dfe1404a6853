"""`make hashes`: what the image installs, each package by its version and the SHA-256 of its file.

pip resolves what `docker/Dockerfile` needs against constraints.txt, for the platform of the image, and downloads
nothing. With the file that this writes, pip installs these files and no others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.utils import canonicalize_name
from rich.console import Console

from etl.settings import PROJECT

REQUIREMENTS = PROJECT / "docker" / "requirements.txt"
PYTHON = "3.11"  # of the image
_MACHINE = "x86_64"
_PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_5", "manylinux1", "linux")
_HEADER = f"""\
# What docker/Dockerfile installs, and the hash of each file: Python {PYTHON} on Linux, {_MACHINE}.
# Made by `make hashes`, out of pyproject.toml and constraints.txt.
"""


def resolved() -> list[dict[str, Any]]:
    """What pip would install, and from which files.

    Raises:
        CalledProcessError: if pip finds no such set, or no index.
    """
    build = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = [f"--platform={platform}_{_MACHINE}" for platform in _PLATFORMS]
        options += [f"--python-version={PYTHON}", "--implementation=cp", "--only-binary=:all:", f"--target={folder}"]
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--quiet", "install"),
                *("--dry-run", "--ignore-installed", f"--report={report}", *options),
                *("--constraint", "constraints.txt", ".[production]", *build, "editables"),
            ],
            cwd=PROJECT,
            check=True,
        )
        found: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["install"]
    return found


def main() -> None:
    """Write the file."""
    lines = []
    for each in resolved():
        archive = each["download_info"].get("archive_info")
        if archive is not None:  # this project itself is a folder
            name, version = canonicalize_name(each["metadata"]["name"]), each["metadata"]["version"]
            lines.append(f"{name}=={version} --hash=sha256:{archive['hashes']['sha256']}\n")
    REQUIREMENTS.write_text(_HEADER + "".join(sorted(lines)), encoding="utf-8")
    Console().print(f"{REQUIREMENTS.relative_to(PROJECT)}: {len(lines)} packages", highlight=False)


if __name__ == "__main__":
    main()
