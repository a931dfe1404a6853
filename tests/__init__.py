"""Tests as promises: the tree mirrors the packages; what a person is promised end to end stands in `promises/`."""

from pathlib import Path

TESTS = Path(__file__).parent
