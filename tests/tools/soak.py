"""`make soak`: many histories of deliveries against the model of `test_history_law.py`, a share on each core."""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys

from tests.tools.kill_processes import say

_TEST = "tests/promises/engineer/test_history_law.py"
_SAID = re.compile(r"^([\d,]+) histories, .*$", re.MULTILINE)


def main() -> None:
    """Print what each core has compared, and how many histories that makes; exit with 1 if one ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=20_000)
    wanted = parser.parse_args().histories
    cores = os.cpu_count() or 1
    command = [sys.executable, "-m", "pytest", "-q", _TEST]
    share = os.environ | {"HISTORIES": str(math.ceil(wanted / cores))}
    running = [
        subprocess.Popen(command, env=share, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(cores)
    ]
    count = 0
    for process in running:
        output, _ = process.communicate()
        said = _SAID.search(output)
        if process.returncode or not said:
            for other in running:
                other.terminate()
            sys.exit(output)
        say(said[0])
        count += int(said[1].replace(",", ""))
    say(f"{count:,} histories ended as the model says")


if __name__ == "__main__":
    main()
