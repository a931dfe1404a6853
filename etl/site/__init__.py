"""The site: pages for all, on what the agencies send, how it stands, and what every column means.

Plain files below `site/` of the data root: any web server can serve them, or none (they work from a folder). They are
made from ledger, contracts and scorecard, and hold no value of any cell and nothing else that a sender chose, as a
file's name, but for the codes by which the scorecard lists databases and projects.
Built after every run; only what has news is looked at, so a build costs the same after fifty thousand deliveries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial

from pydantic import ValidationError
from upath import UPath

from etl.contract import Contract
from etl.contract.codes import code_lists
from etl.delivery.entry import LedgerEntry
from etl.delivery.publish import read_json, write_json, write_text
from etl.delivery.storage import Storage
from etl.receipt import FACTS, PAGE
from etl.receipt.facts import Receipt
from etl.receipt.page import page
from etl.settings import CODES, MARTS
from etl.site import pages
from etl.site.facts import UNDATED, Field, Source, Standing, dictionary
from etl.site.memory import Memory
from etl.site.public import for_public
from etl.site.shelf import Shelf, digest
from etl.warehouse import freshness as late
from etl.warehouse import reconciliation
from etl.warehouse.ledger import Ledger
from etl.warehouse.ops import lock
from etl.warehouse.scorecard import Score, scores

SHOWN = 100  # deliveries on a dataset's own page; each month has a page of its own
MONTH_SHOWN = 1000  # deliveries on the page of a month
_READERS = ".readers.json"
_SPARKS = 30  # deliveries in the small chart of the index


def build(storage: Storage, contracts: Mapping[str, Contract], ledger: Ledger) -> UPath:
    """Bring the site up to date; of several builders at once, each waits for the one before it.

    Args:
        storage: the data root.
        contracts: by dataset.
        ledger: what became of the deliveries.

    Returns:
        The site's first page.

    Raises:
        LineageError: if a mart's file cannot be understood.
    """
    with ledger.engine.begin() as connection:
        lock(connection, "citydw.site")
        return _build(storage, contracts, ledger, scores(connection))


def _build(storage: Storage, contracts: Mapping[str, Contract], ledger: Ledger, goals: Sequence[Score]) -> UPath:
    now = datetime.now(UTC)
    with ledger.transaction() as known:
        freshness = {row["dataset"]: row for row in late.freshness(known)}
        held = known.held_of_each()
        sparks = known.newest_of_each(_SPARKS)
        reconciled = reconciliation.found_of_each(known)
        parts = late.parts(known)
    shelf = Shelf(storage.site)
    fields = _build_reference(shelf, contracts)
    _build_scorecard(shelf, contracts, goals)
    standings = []
    for name, contract in contracts.items():
        folder = storage.site / contract.agency / contract.dataset
        memory = _build_deliveries(storage, folder, contract, ledger, Memory.of(folder, contract))
        stands = partial(
            Standing.of,
            contract,
            held=held.get(name, 0),
            freshness=freshness.get(name, {}),
            reconciled=reconciled.get(name, ()),
            parts=parts.get(name, ()),
        )
        newest = ledger.newest(name, SHOWN)
        standing = stands(memory.count, entries=newest)
        told = pages.dataset(standing, newest, list(memory.months), fields[name], memory.with_page, now)
        write_text(folder / "index.html", told)
        if standing.parts:
            write_text(folder / "parts.html", pages.parts(standing, now))
        standings.append(stands(memory.count, entries=sparks.get(name, ())))
    write_text(storage.site / "index.html", pages.index(standings, fields, now))
    return storage.site / "index.html"


def _build_scorecard(shelf: Shelf, contracts: Mapping[str, Contract], goals: Sequence[Score]) -> None:
    source = repr([*goals, *((name, contract.title) for name, contract in contracts.items())])
    if pages.HAS_SCORECARD and shelf.lacks("scorecard.html", source):
        shelf.put("scorecard.html", source, pages.scorecard(goals, contracts))
        shelf.close()


def _build_deliveries(storage: Storage, folder: UPath, contract: Contract, ledger: Ledger, memory: Memory) -> Memory:
    """Make the pages of the receipts and months that have news; gives what the dataset's pages hold now."""
    months, until = ledger.months(contract.id, memory.since)
    if not months and memory.until:
        return memory
    with_page = set(memory.with_page)
    counts = dict(memory.months)
    for month in months:
        name = _name(month)
        entries, counts[name] = ledger.of_month(contract.id, month, MONTH_SHOWN)
        shelf = Shelf(folder, name)
        for entry in entries:
            _build_receipt(shelf, storage, contract, entry)
        shown = {entry.delivery_id for entry in entries if shelf.holds(_receipt_page(entry))}
        with_page = (with_page - {entry.delivery_id for entry in entries}) | shown
        source = repr([counts[name], *((_line(entry), entry.delivery_id in shown) for entry in entries)])
        if shelf.lacks(f"{name}.html", source):
            shelf.put(f"{name}.html", source, pages.month(contract, name, entries, counts[name], shown))
        shelf.close()
    newest = {entry.delivery_id for entry in ledger.newest(contract.id, SHOWN)}
    return memory.renewed(dict(sorted(counts.items())), with_page & newest, until)


def _name(month: date | None) -> str:
    return f"{month:%Y-%m}" if month else UNDATED


def _line(entry: LedgerEntry) -> tuple[object, ...]:
    """What a table says of a delivery, and a text that differs when its receipt does."""
    e = entry
    return e.delivery_id, e.as_of, e.state, e.received_at, e.receipt_at, e.rows_in, e.rejected, e.inserted, e.changed


def _build_receipt(shelf: Shelf, storage: Storage, contract: Contract, entry: LedgerEntry) -> None:
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


def _receipt_page(entry: LedgerEntry) -> str:
    return f"{entry.delivery_id}/{PAGE}"


def _build_reference(shelf: Shelf, contracts: Mapping[str, Contract]) -> dict[str, list[Field]]:
    """Make the pages that depend on no delivery, if they have changed; gives the columns of each dataset.

    Which marts read a column is remembered: to find it out takes longer than all else that a build does.
    """
    lists = [CODES / f"{name}.csv" for name in code_lists()]
    source = digest([*sorted(MARTS.glob("*/*.sql")), *sorted(MARTS.glob("derived/overlaps/*.yaml")), *lists]) + "".join(
        map(repr, contracts.values())
    )
    if not shelf.lacks("dictionary.html", source):
        known = read_json(shelf.folder / _READERS)
        read_by = {Source(*column.rsplit(".", 1)): names for column, names in known.items()}
        return {name: dictionary(contract, read_by) for name, contract in contracts.items()}
    from etl.site.lineage import marts, readers

    found = marts(contracts.values())
    read_by = dict(readers(found))
    fields = {name: dictionary(contract, read_by) for name, contract in contracts.items()}
    write_json(shelf.folder / _READERS, {f"{column.table}.{column.column}": names for column, names in read_by.items()})
    for name in ("site.css", "search.js"):
        shelf.put(name, source, pages.asset(name))
    for path in lists:
        shelf.put(f"codes/{path.stem}.html", source, pages.code_list(path, fields))
    shelf.put("codes/index.html", source, pages.code_lists(lists, fields))
    shelf.put("marts.html", source, pages.marts(found, fields))
    shelf.put("dictionary.html", source, pages.dictionary(fields))
    shelf.close()
    return fields
