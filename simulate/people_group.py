"""The people's agencies beside the civil registry and the hospitals: one population, seen by each in its own way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulate import benefits, contributions, education, justice, membership, police, records, social
from simulate import contract as contracts
from simulate.chance import generator
from simulate.delivery import write
from simulate.events import Events
from simulate.extract import form, standard
from simulate.output import Truth, put
from simulate.sending import Sender
from simulate.truth import Dataset

SENDERS: tuple[Sender, ...] = (
    police.RESIDENTS,
    membership.HEALTH_MEMBERSHIP,
    education.SCHOOLS,
    education.PUPILS,
    social.ASSISTANCE,
    contributions.CONTRIBUTIONS,
    benefits.BENEFITS,
    justice.VIOLATIONS,
    records.RECORDS,
)
_RATE = 0.0015  # of each kind of defect, a row
_ENOUGH = 150  # rows of a file in which every kind of defect has room
_FEW = 20  # rows below which a file has none
_EXTENSIONS = {"excel": "xlsx"}


def write_people(out: Path, happened: Events, truth: Truth) -> None:
    """Write the files of all senders under `out/days`, what must come of them, and the world that they tell of."""
    truth.know("people", happened.world.people)
    truth.know("schools", happened.world.schools)
    for name in ("births", "deaths", "marriages", "moves", "jobs_lost"):
        truth.know(name, getattr(happened, name))
    for sender in SENDERS:
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
    truth.add(dataset, defects)
