"""The terminal that the commands print to."""

from __future__ import annotations

from rich.console import Console

console = Console()
if not console.is_terminal:
    console = Console(width=140)  # a file or a pipe has no width of its own
