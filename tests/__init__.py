"""Tests as promises: the tree mirrors the packages; what a person is promised end to end stands in `promises/`."""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parent

# Also where Python is told to keep no bytecode: some hundred processes of the tests import our modules, and to compile
# them is half a second of a core each time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _stays_with_the_system(_: int) -> None:
    """Instead of `os.fsync`: no test cuts the power, and what a killed process had handed to the system stays there."""


os.fsync = _stays_with_the_system  # to wait for the disk was a twelfth of the time
