"""The site: pages for all, on what the agencies send, how it stands, and what every column means.

Plain files below `site/` of the data root: any web server can serve them, or none (they work from a folder). They are
made from ledger and contracts, and hold no value of any cell and nothing else that a sender chose, as a file's name.
Built after every run; what has not changed is left as it is, so a build costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from upath import UPath

from etl.contract import Contract
from etl.contract.codes import code_lists
from etl.ledger import Ledger
from etl.receipt import FACTS, PAGE
from etl.receipt.facts import Receipt
from etl.receipt.page import page
from etl.settings import CODES, SQL
from etl.site import pages
from etl.site.facts import Entry, Field, Standing, dictionary
from etl.site.lineage import Mart, marts, readers
from etl.site.public import for_public
from etl.site.shelf import Shelf, digest
from etl.storage import Storage, write_text

SHOWN = 100  # deliveries on a dataset's own page; each month has a page of all
_SPARKS = 30  # deliveries in the small chart of the index


def build(storage: Storage, contracts: Mapping[str, Contract], ledger: Ledger, dataset: str | None = None) -> UPath:
    """Bring the site up to date; two builds at once are the caller's to prevent.

    Args:
        storage: the data root.
        contracts: by dataset.
        ledger: what became of the deliveries.
        dataset: the only one of which something is new; None: all are looked at.

    Returns:
        The site's first page.

    Raises:
        LineageError: if a mart's file cannot be understood.
    """
    now = datetime.now(UTC)
    freshness = {row["dataset"]: row for row in ledger.freshness()}
    found = marts(contracts.values())
    read_by = readers(found)
    fields = {name: dictionary(contract, read_by) for name, contract in contracts.items()}
    for name in [dataset] if dataset else contracts:
        if name in contracts:
            entries = [Entry.of(row) for row in ledger.all(name)]
            held = sum(entry.state == "held" for entry in entries)
            standing = Standing.of(contracts[name], len(entries), held, entries, freshness.get(name, {}))
            _build_dataset(storage, standing, entries, fields[name], now)
    shelf = Shelf(storage.site)
    _build_reference(shelf, contracts.values(), fields, found)
    standings = _standings(contracts, ledger.last(_SPARKS), freshness)
    shelf.close()
    write_text(storage.site / "index.html", pages.index(standings, fields, now))
    return storage.site / "index.html"


def _build_dataset(
    storage: Storage, standing: Standing, entries: Sequence[Entry], fields: Sequence[Field], now: datetime
) -> None:
    contract = standing.contract
    shelf = Shelf(storage.site / contract.agency / contract.dataset)
    for entry in entries:
        _build_receipt(shelf, storage, contract, entry)
    with_page = {entry.delivery_id for entry in entries if shelf.holds(_receipt_page(entry))}
    months = {month: list(its) for month, its in groupby(entries, key=lambda entry: entry.month)}
    for month, its in months.items():
        source = repr([(entry, entry.delivery_id in with_page) for entry in its])
        if shelf.lacks(f"{month}.html", source):
            shelf.put(f"{month}.html", source, pages.month(contract, month, its, with_page))
    newest = [entry for entry in entries if entry.as_of][-SHOWN:]
    shelf.close()
    write_text(shelf.folder / "index.html", pages.dataset(standing, newest, list(months), fields, with_page, now))


def _build_receipt(shelf: Shelf, storage: Storage, contract: Contract, entry: Entry) -> None:
    source = str(entry.receipt_at)  # the ledger hears of a receipt after it is written, so this is never too new
    name = _receipt_page(entry)
    if entry.receipt_at is None or not shelf.lacks(name, source):
        return
    try:
        folder = storage.root / "outbox" / contract.agency / contract.dataset / entry.delivery_id
        told = for_public(Receipt.model_validate_json((folder / FACTS).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValidationError):  # gone, or of an older version: the table says that there is none
        shelf.put(name, source, None)
        return
    shelf.put(f"{entry.delivery_id}/{FACTS}", source, told.model_dump_json(indent=2) + "\n")
    shelf.put(name, source, page(told, up="../index.html"))


def _receipt_page(entry: Entry) -> str:
    return f"{entry.delivery_id}/{PAGE}"


def _build_reference(
    shelf: Shelf, contracts: Iterable[Contract], fields: Mapping[str, Sequence[Field]], found: Sequence[Mart]
) -> None:
    """The pages that depend on no delivery."""
    lists = [CODES / f"{name}.csv" for name in code_lists()]
    said = dict.fromkeys(file for contract in contracts for file in contract.files)
    source = digest([*said, *sorted(SQL.glob("*/*.sql")), *lists])
    if not shelf.lacks("dictionary.html", source):
        return
    for name in ("site.css", "search.js"):
        shelf.put(name, source, pages.asset(name))
    for path in lists:
        shelf.put(f"codes/{path.stem}.html", source, pages.code_list(path, fields))
    shelf.put("codes/index.html", source, pages.code_lists(lists, fields))
    shelf.put("marts.html", source, pages.marts(found, fields))
    shelf.put("dictionary.html", source, pages.dictionary(fields))


def _standings(
    contracts: Mapping[str, Contract], rows: Iterable[Mapping[str, Any]], freshness: Mapping[str, Mapping[str, Any]]
) -> list[Standing]:
    by_dataset = {name: list(its) for name, its in groupby(rows, key=lambda row: row["dataset"])}
    made = []
    for name, contract in contracts.items():
        its = by_dataset.get(name, [])
        deliveries, held = (its[0]["deliveries"], its[0]["held"]) if its else (0, 0)
        entries = [Entry.of(row) for row in its]
        made.append(Standing.of(contract, deliveries, held, entries, freshness.get(name, {})))
    return made
