"""What the arguments of the commands name: a dataset, a delivery, a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from etl.cli.errors import stop

if TYPE_CHECKING:
    from etl.contract import Contract
    from etl.pipeline.pipeline import Pipeline
    from etl.settings import Settings

_LONGEST_PERSON = 80


def agency_and_dataset(name: str) -> tuple[str, str]:
    """The two parts of a dataset's name; who typed it is told where there is none of that name."""
    from etl.contract import load_all

    contracts = load_all()
    if name in contracts.wrong:
        raise contracts.wrong[name]
    if name not in contracts:
        raise typer.BadParameter(f"no such dataset; there are {', '.join(contracts)}", param_hint="dataset")
    agency, dataset = name.split(".")
    return agency, dataset


def recognised(file: Path, settings: Settings) -> Contract:
    """The dataset that a file is of; where that is not certain, the clerk is asked to name it."""
    from etl.contract import load_all
    from etl.contract.city import said, told
    from etl.pipeline.recognise import datasets

    found = datasets(file, load_all().values(), settings.limits)
    if len(found) == 1:
        return found[0]
    names = "\n".join(f"  --dataset {c.id}    {told(c.title)}" for c in found or load_all().values())
    return stop(
        said(
            "Nội dung tệp không cho biết chắc chắn đây là bộ dữ liệu nào; hãy nêu rõ một trong các bộ dữ liệu sau.",
            "The file's content does not tell for certain which dataset it is of; name one of these.",
            "\n",
        )
        + f"\n{names}"
    )


def known_delivery(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    """Tell who typed a delivery's id where the ledger knows none of that id."""
    agency_and_dataset(dataset)
    try:
        pipeline.ledger.get(dataset, delivery_id)
    except LookupError:
        raise typer.BadParameter("no such delivery; `citydw deliveries` lists them", param_hint="DELIVERY_ID") from None


def person_named(named: str, known: tuple[str, ...]) -> str:
    """Who decides: the account by its number, whatever the environment says of it, and the name that was given.

    Args:
        named: by whoever types; may be empty.
        known: the names that may be given; empty where nobody keeps a list.
    """
    import os
    import pwd

    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number that has no name
        account = f"uid {os.getuid()}"
    if known and named not in known:
        raise typer.BadParameter(f"one of CITYDW_DECIDERS: {', '.join(known)}", param_hint="--by")
    if not named.isprintable() or len(named) > _LONGEST_PERSON:
        raise typer.BadParameter(f"a name of {_LONGEST_PERSON} characters at most", param_hint="--by")
    return f"{named.strip()} ({account})" if named.strip() else account
