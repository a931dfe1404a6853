"""The datasets of the simulated city, which the tests know; others may stand beside them in `expectations/`."""

from __future__ import annotations

from etl.contract import load_all

DATASETS = (
    "civil.births", "civil.deaths", "civil.marriages", "health.visits", "land.parcels", "land.permits",
    "tax.declarations", "tax.taxpayers",
)  # fmt: skip
CONTRACTS = {dataset: load_all()[dataset] for dataset in DATASETS}
