"""Giving back: receipts of files that were fetched from a folder, into the `outbox/` of that folder."""

from __future__ import annotations

from collections.abc import Iterator

from upath import UPath

from etl.connectors.folder import Folder
from etl.delivery.publish import read_json, write_json
from etl.pipeline.pipeline import Pipeline
from etl.warehouse import pulls


def give_back(pipeline: Pipeline, source: Folder, dataset: str, memory: UPath) -> None:
    """Put receipts that were written or written anew since the last time to where their files came from.

    Those of other tables of a file lie in folders of their datasets' names in its own.

    Args:
        pipeline: whose ledger and outbox.
        source: the folder.
        dataset: agency.dataset.
        memory: a file that tells which were given; without it, all are given again.

    Raises:
        SourceFault: if one cannot be written there; it is tried again with the next pull.
    """
    given = read_json(memory) if memory.exists() else {}
    with pipeline.engine.connect() as connection:
        pulled = pulls.delivered(connection, dataset)
    folders = {f"{entry.delivery_id}": entry for entry in pipeline.ledger.all(dataset)}
    for contract in pipeline.contracts.sent_with(dataset):
        of_table = pipeline.ledger.all(contract.id)
        folders |= {f"{entry.delivery_id}/{contract.dataset}": entry for entry in of_table}
    due = {
        folder: entry
        for folder, entry in folders.items()
        if entry.delivery_id in pulled and entry.receipt_at and given.get(folder) != f"{entry.receipt_at}"
    }

    def files() -> Iterator[tuple[str, bytes]]:
        for folder, entry in due.items():
            for file in pipeline.storage.folder("outbox", entry.delivery).iterdir():
                yield f"{folder}/{file.name}", file.read_bytes()
            given[folder] = f"{entry.receipt_at}"
            write_json(memory, given)

    if due:
        source.give(files())
