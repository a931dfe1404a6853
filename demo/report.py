"""What the demo prints at its end."""

from __future__ import annotations

import shlex
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etl.settings import Settings

ANSWERS = {
    "Where were most births registered, and how many deaths and marriages there?": """
        SELECT ward_name, sum(births) AS births, sum(deaths) AS deaths, sum(marriages) AS marriages
        FROM exact.population_events_by_ward_month GROUP BY ward_today, ward_name
        ORDER BY births DESC, ward_name LIMIT 5""",
    "Which diseases cost health insurance most, and at which hospital?": """
        SELECT facility, chapter_vi AS icd10_chapter, visits, inpatient_visits, insurance_paid_vnd
        FROM exact.visits_by_facility_chapter_month ORDER BY insurance_paid_vnd DESC LIMIT 5""",
    "Which trades owe the most tax?": """
        SELECT trade_vi AS trade, sum(taxpayers) AS taxpayers, sum(tax_due_vnd) AS tax_due_vnd,
               sum(tax_paid_vnd) AS tax_paid_vnd, sum(tax_owed_vnd) AS tax_owed_vnd
        FROM exact.tax_by_trade_month GROUP BY trade ORDER BY tax_owed_vnd DESC LIMIT 5""",
    "Where does a construction permit take longest?": """
        SELECT ward_name, permits, days_to_grant_median, days_to_grant_max
        FROM exact.permits_by_ward WHERE granted > 0 ORDER BY days_to_grant_median DESC, ward_name LIMIT 5""",
    "How many people live here, and who of them is insured?": """
        SELECT age_band, sum(permanent + temporary) AS residents,
               sum(insured_by_work + insured_by_budget + insured_by_household) AS insured, sum(pupils) AS pupils,
               sum(with_record) AS with_health_record
        FROM exact.people_ward_month WHERE ward IS NOT NULL
          AND month = (SELECT max(month) FROM exact.people_ward_month)
        GROUP BY age_band ORDER BY age_band""",
    "What do several agencies together show to be wrong, and who can mend it?": """
        SELECT dataset AS mended_in, replace(en, '{found}', CAST(found AS text)) AS what
        FROM ops.reconciliation WHERE found > 0 ORDER BY dataset, name""",
    "Which permits name a parcel or an owner that no register knows?": """
        SELECT authority, permit_no, sheet_no, parcel_no, is_parcel_unknown, is_owner_unknown
        FROM quality.permits_unmatched ORDER BY authority, permit_no LIMIT 5""",
}


def print_answers(console: Console, engine: sa.Engine) -> None:
    """What the marts answer to a few real questions; exact, for in a city so small nearly all of it is hidden."""
    with engine.connect() as connection:
        for question, query in ANSWERS.items():
            result = connection.execute(sa.text(query))
            table = Table(*result.keys())
            for row in result:
                table.add_row(*("" if value is None else escape(_written(value)) for value in row))
            console.print(f"\n[bold]{question}[/]")
            console.print(table)


def _written(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, Decimal | float | int) and not isinstance(value, bool) else str(value)


def print_addresses(console: Console, airflow_url: str, settings: Settings, accounts: Path, seconds: float) -> None:
    """Where to look next, and how to stop."""
    console.print()
    lines = {
        "Airflow": airflow_url,
        "Data catalogue": f"{airflow_url}/reports/catalogue/",
        "Data quality": f"{airflow_url}/reports/quality/",
        "Receipts": f"{airflow_url}/reports/receipts/",
        "Contracts": f"{accounts.with_name('expectations')}  (a copy, in which two say where they stand)",
        "Inbox": f"{settings.data}/inbox/<agency>/<dataset>/  (drop a file here)",
        "Sources": f". {shlex.quote(str(accounts))}; citydw sources   (after: . .venv/bin/activate)",
        "Query": 'citydw query "SELECT * FROM ops.delivery"   (after: . .venv/bin/activate)',
        "Stop": "make demo-stop",
    }
    for name, value in lines.items():
        console.print(f"[bold]{name:<14}[/] {escape(value)}", soft_wrap=True, highlight=False)
    console.print(f"[dim]{seconds:.0f} seconds[/]")
