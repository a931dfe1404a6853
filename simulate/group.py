"""A group of agencies: the files of its senders, and what must come of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from simulate import contract as contracts
from simulate.chance import generator
from simulate.delivery import write
from simulate.events import Events
from simulate.extract import form, standard
from simulate.output import Truth, put
from simulate.sending import Sender
from simulate.truth import Dataset

_RATE = 0.0015  # of each kind of defect, a row
_ENOUGH = 150  # rows of a file in which every kind of defect has room
_FEW = 20  # rows below which a file has none
_EXTENSIONS = {"excel": "xlsx"}


def write_group(
    out: Path, senders: Sequence[Sender], known: Mapping[str, pl.DataFrame], happened: Events, truth: Truth
) -> None:
    """Write the files of all senders under `out/days`, what must come of them, and the world that they tell of.

    Args:
        out: folder of the city.
        senders: of the group.
        known: what is true of the city itself, by name.
        happened: the world and what happens in it.
        truth: to which it is added.
    """
    for name, rows in known.items():
        truth.know(name, rows)
    for sender in senders:
        _write(out, sender, happened, truth)


def _write(out: Path, sender: Sender, happened: Events, truth: Truth) -> None:
    contract = contracts.read(sender.dataset)
    agency, name = sender.dataset.split(".")
    dataset = Dataset(contract.table, contract.key, contract.mode == "snapshot", contract.part)
    defects: list[dict[str, Any]] = []
    extension = contract.source.get("archive") or _EXTENSIONS.get(contract.source["format"], contract.source["format"])
    for number, sending in enumerate(sender.sendings(happened)):
        rng = generator(happened.world.seed, f"{sender.dataset} as it is written", number)
        is_small = sending.rows.height < _ENOUGH
        wrong = sender.wrong
        if is_small:  # one mistake at most: a share of its rows must be right for a file to pass
            wrong = (wrong[number % len(wrong)],) if sending.rows.height >= _FEW else ()
        said = form(
            contract, wrong, rng, 0.0 if is_small else _RATE, None if is_small else sender.conflict, sender.titles
        )
        rows = standard(contract, sending.rows)
        written = write(said, rows, rng, at_least_one=number == 0 or (is_small and bool(wrong)))
        part = f"_{sending.part}" if sending.part else ""
        file = f"{name}_{sending.as_of.isoformat()}{part}.{extension}"
        folder = out / "days" / sending.day.isoformat() / agency / name
        defects += put(folder / file, written, f"{agency}/{name}", dataset, sending.as_of)
        if written.totals:
            (folder / f"{file}.manifest.json").write_text(json.dumps({"totals": written.totals}))
    truth.add(dataset, defects)
