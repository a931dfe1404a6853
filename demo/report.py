"""What the demo prints at its end."""

from __future__ import annotations

import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

_MART_ROWS = 4
_MART_COLUMNS = 7


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
