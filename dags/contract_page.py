"""A contract as the page that Airflow shows with its DAG."""

from __future__ import annotations

from etl.contract import Column, Contract
from etl.contract.city import told


def contract_page(contract: Contract) -> str:
    """Markdown: what the dataset is, how it is delivered, and every column."""
    source = contract.source
    how = [source.format, source.encoding, *(["in zip"] if source.archive else [])]
    contact = f", {contract.contact.removeprefix('mailto:')}" if contract.contact else ""
    every = f"; every {contract.frequency}" if contract.frequency else ""
    lines = [
        f"# {told(contract.title)}",
        "",
        told(contract.description, "\n\n"),
        "",
        f"- **{told(contract.agency_title)}**{contact}",
        f"- Inbox `inbox/{contract.main.replace('.', '/')}/`, table `{contract.schema}.{contract.table}`",
        f"- {', '.join(how)}; mode `{contract.mode}`{every}",
        "",
        "| column | in the source | label | type | key | required | meaning |",
        "|---|---|---|---|---|---|---|",
        *(_row(column) for column in contract.columns),
    ]
    return "\n".join(lines)


def _row(column: Column) -> str:
    kind = column.type if column.semantic_type == "text" else f"{column.type} ({column.semantic_type})"
    cells = [
        f"`{column.name}`",
        f"`{column.source_name}`",
        column.label,
        kind,
        str(column.key_position or ""),
        "✓" if column.required else "",
        told(column.description),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
