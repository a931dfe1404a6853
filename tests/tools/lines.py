"""`make lines`: how many lines each dataset of the made-up city is, in its contract, its suite and the simulator.

Lines that say something are counted: no blank ones, and in contracts and modules none that are comments alone. A
module of the simulator that writes several datasets has its lines in each of their rows, with their number, and once in
the sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from etl.settings import EXPECTATIONS
from simulate import business_group, land_group, people_group
from tests.city import DATASETS


def writers() -> Mapping[str, str]:
    """The module of the simulator that writes each dataset."""
    senders = (sender for group in (people_group, business_group, land_group) for sender in group.SENDERS)
    return {
        **{dataset: f"simulate.{dataset.partition('.')[0]}" for dataset in DATASETS},  # a module an agency
        **{sender.dataset: sender.sendings.__module__ for sender in senders},
    }


def said(path: Path) -> int:
    """Lines of a file that say something."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


def counted() -> Table:
    """A row a dataset, and the sum."""
    by_dataset = writers()
    shared = Counter(by_dataset.values())
    modules = {name: said(Path(spec.origin)) for name in shared if (spec := find_spec(name)) and spec.origin}
    heads = (Column(name, justify="right") for name in ("contract", "suite", "simulator", "datasets of that module"))
    table = Table("dataset", *heads, show_footer=True)
    contracts, suites = [], []
    for dataset, module in sorted(by_dataset.items()):
        path = EXPECTATIONS / dataset.replace(".", "/")
        contracts.append(said(path.with_suffix(".yaml")))
        suites.append(said(path.with_suffix(".json")))
        table.add_row(dataset, f"{contracts[-1]:,}", f"{suites[-1]:,}", f"{modules[module]:,}", f"{shared[module]}")
    sums = (len(by_dataset), sum(contracts), sum(suites), sum(modules.values()), len(modules))
    for column, number in zip(table.columns, sums, strict=True):
        column.footer = f"{number:,}"
    table.columns[0].footer += " datasets"
    table.columns[-1].footer += " modules"
    return table


if __name__ == "__main__":
    Console(width=100).print(counted())
