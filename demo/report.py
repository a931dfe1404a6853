"""What the demo prints at its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

COUNTS = ("rows_in", "rejected", "duplicates", "inserted", "changed", "unchanged", "superseded")
STATIONS = ("receive", "extract", "validate", "normalize", "load", "receipt")
_STATE_STYLES = {"loaded": "green", "held": "yellow", "rejected": "red"}
_MART_ROWS = 4
_MART_COLUMNS = 7


def print_deliveries(console: Console, entries: Iterable[dict[str, Any]]) -> None:
    """One line for each delivery: what became of its rows, and the seconds each station took."""
    table = Table(title="Deliveries", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("dataset", no_wrap=True)
    table.add_column("file", overflow="ellipsis", max_width=26, no_wrap=True)
    table.add_column("state")
    for name in (*COUNTS, *STATIONS):
        table.add_column(name.replace("_", " "), justify="right")
    stopped = []
    for entry in entries:
        style = _STATE_STYLES.get(entry["state"], "")
        table.add_row(
            entry["dataset"],
            escape(entry["file_name"]),
            f"[{style}]{entry['state']}[/]" if style else entry["state"],
            *("" if entry[name] is None else f"{entry[name]:,}" for name in COUNTS),
            *(f"{entry['timings'][s]:.1f}" if s in entry["timings"] else "" for s in STATIONS),
        )
        if entry["message_vi"]:
            stopped.append(entry)
    console.print(table)
    console.print(
        "[dim]rows in = rejected + duplicates + inserted + changed + unchanged + superseded; stations in seconds[/]"
    )
    for entry in stopped:
        console.print(
            f"{entry['dataset']} {entry['state']}: {entry['message_vi']} / {entry['message_en']}", markup=False
        )


def print_marts(console: Console, engine: sa.Engine) -> None:
    """A few rows of each mart, under the mart's own description."""
    with engine.connect() as connection:
        marts = connection.execute(
            sa.text(
                "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c "
                "WHERE c.relnamespace = to_regnamespace('mart') AND c.relkind IN ('r', 'v', 'm') ORDER BY c.relname"
            )
        ).all()
        for name, comment in marts:
            result = connection.execute(sa.text(f'SELECT * FROM mart."{name}" LIMIT {_MART_ROWS}'))
            columns = list(result.keys())[:_MART_COLUMNS]
            table = Table(*(Column(c) for c in columns), title=f"mart.{name}", title_justify="left", title_style="bold")
            for row in result:
                table.add_row(*("" if value is None else escape(str(value)) for value in row[:_MART_COLUMNS]))
            console.print()
            console.print(table)
            if comment:
                console.print(f"[dim]{escape(comment)}[/]")


def print_addresses(console: Console, airflow_url: str, data: str, seconds: float) -> None:
    """Where to look next, and how to stop."""
    console.print()
    lines = {
        "Airflow": airflow_url,
        "Data quality": f"{airflow_url}/reports/quality/",
        "Receipts": f"{airflow_url}/reports/receipts/",
        "Inbox": f"{data}/inbox/<agency>/<dataset>/  (drop a file here)",
        "Query": 'citydw query "SELECT * FROM ops.delivery"   (after: . .venv/bin/activate)',
        "Stop": "make demo-stop",
    }
    for name, value in lines.items():
        console.print(f"[bold]{name:<13}[/] {escape(value)}", soft_wrap=True, highlight=False)
    console.print(f"[dim]{seconds:.0f} seconds[/]")
