"""Tests as promises: the tree mirrors the packages; what a person is promised end to end stands in `promises/`."""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parent

# Also where Python is told to keep no bytecode: some hundred processes of the tests import our modules, and to compile
# them is half a second of a core each time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
