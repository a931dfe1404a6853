"""What happened to deliveries, as tables in a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from etl.contract import ContractError
from etl.contract.city import city, told
from etl.delivery.display import shown
from etl.delivery.entry import LedgerEntry, Part, Unfinished
from etl.delivery.state import State
from etl.operate.hold import HeldDelivery
from etl.operate.replay import Replay
from etl.warehouse.ops import COUNTS

STATIONS = ("receive", "extract", "validate", "normalize", "load", "receipt")
_STYLES = {State.LOADED: "green", State.HELD: "yellow", State.REJECTED: "red"}


def print_deliveries(
    console: Console, entries: Iterable[LedgerEntry], came_before: Collection[tuple[str, str]] = ()
) -> None:
    """Print what became of each delivery's rows, why it stopped if it did, and the seconds that each station took.

    Args:
        console: where to.
        entries: what the ledger says of them.
        came_before: dataset and delivery id of those whose bytes had arrived before.
    """
    entries = list(entries)
    if not entries:
        console.print("No deliveries.")
        return
    counts = ("rows_in", *COUNTS)
    rows = Table("dataset", Column("delivery", no_wrap=True), "state", *(_number(name) for name in counts))
    seconds = Table("dataset", Column("delivery", no_wrap=True), *(_number(name) for name in (*STATIONS, "together")))
    for entry in entries:
        name = (entry.dataset, entry.delivery_id)
        state = f"[{_STYLES.get(entry.state, 'default')}]{entry.state}[/]"
        state += " before" if name in came_before else ""
        of_rows = (getattr(entry, c) for c in counts)
        rows.add_row(*name, state, *("" if count is None else f"{count:,}" for count in of_rows))
        spent = entry.timings
        times = (f"{spent[s]:.1f}" if s in spent else "" for s in STATIONS)
        seconds.add_row(*name, *times, f"{sum(spent.values()):.1f}")
    for title, table in (("Rows", rows), ("Seconds in each station", seconds)):
        table.title, table.title_justify, table.title_style = title, "left", "bold"
        console.print(table)
    console.print("rows in = rejected + duplicates + inserted + changed + unchanged + superseded", style="dim")
    for entry in entries:
        if entry.message:
            said = told(entry.message, "\n    ")
            console.print(f"{entry.dataset} {entry.file_name[:80]}: {said}", markup=False)


def print_holds(console: Console, holds: Iterable[HeldDelivery]) -> None:
    """Print which deliveries wait for a decision, why, and what is decided if nobody does."""
    table = Table("dataset", Column("delivery", no_wrap=True), "held since", "may be accepted", "decided by itself", "")
    holds = list(holds)
    for hold in holds:
        acceptable = "yes" if hold.is_acceptable else "no"
        name = (hold.entry.dataset, hold.entry.delivery_id)
        table.add_row(*name, local(hold.since), acceptable, local(hold.deadline), hold.default)
    if not holds:
        console.print("Nothing waits for a decision.")
        return
    console.print(table)
    for hold in holds:
        said = told(hold.message, "\n    ")
        console.print(f"{hold.entry.name}: {said}", markup=False)


def print_unfinished(console: Console, decided: Iterable[Unfinished]) -> None:
    """Print which deliveries were decided and have not come to their end, and what goes on with them."""
    for one in decided:
        console.print(
            f"Decided by {shown(one.decision.by)} at {local(one.decision.at)}, and not at its end; unless a run is"
            f" at it now: {one.command} --reason ...",
            markup=False,
            soft_wrap=True,
        )


def print_held_for_contract(console: Console, entries: Iterable[LedgerEntry]) -> None:
    """Print which deliveries wait until their contract or suite is mended."""
    for entry in entries:
        name = f"{entry.dataset} {entry.delivery_id}"
        console.print(
            f"{name} waits until its contract is mended; then: citydw walk {name}", markup=False, soft_wrap=True
        )


def print_wrong(console: Console, errors: Sequence[ContractError], count: int) -> None:
    """Print what is wrong with contracts and suites, one line each.

    Args:
        console: where to.
        errors: what is wrong.
        count: of the datasets that were looked at.
    """
    for error in errors:
        for finding in error.findings:
            console.print(f"{error.path}: {finding}", markup=False, highlight=False, soft_wrap=True)
    if not errors:
        console.print(f"{count} contracts and suites are in order.")


def print_freshness(console: Console, rows: Iterable[dict[str, Any]]) -> None:
    """Print the rows of `ops.freshness`."""
    table = Table("dataset", "last period loaded", "last received", "next is due", "late by")
    for row in rows:
        late = row["late_by"]
        is_here = row["last_period_received"] != row["last_period_loaded"]
        table.add_row(
            row["dataset"],
            str(row["last_period_loaded"] or "none"),
            f"{row['last_period_received']}, not loaded" if is_here else "",
            local(row["due_at"]) if row["due_at"] else "",
            f"[red]{late.days} d {late.seconds // 3600} h[/]" if late else "",
        )
    console.print(table)


def print_parts(console: Console, parts: Sequence[Part]) -> None:
    """Print the parts that are expected of a dataset, and how many of them are late."""
    table = Table("part", "name", "last period loaded", "next is due", "late by")
    for part in parts:
        late = part.late_by
        table.add_row(
            part.part,
            escape(part.name),
            str(part.last_period or "none"),
            local(part.due_at),
            f"[red]{late.days} d {late.seconds // 3600} h[/]" if late else "",
        )
    console.print(table)
    never, late_ = sum(part.last_period is None for part in parts), sum(part.late_by is not None for part in parts)
    console.print(f"{len(parts)} parts are expected: {late_} are late, {never} never came.")


def print_replay(console: Console, replay: Replay, is_swapped: bool) -> None:
    """Print how a history table that was built anew differs from the live one."""
    if replay.is_equal:
        console.print(f"The live table is what staging says: {replay.versions:,} versions.")
        return
    table = Table("opened by", _number("missing"), _number("surplus"), title="Live table against staging, in versions")
    for delivery_id in sorted(replay.missing.keys() | replay.surplus.keys()):
        table.add_row(delivery_id, str(replay.missing.get(delivery_id, 0)), str(replay.surplus.get(delivery_id, 0)))
    console.print(table)
    console.print(
        "The live table now holds what staging says."
        if is_swapped
        else "The new table is in schema `replay`; see --swap."
    )


def local(moment: datetime) -> str:
    """A moment as the city's clocks show it."""
    return f"{moment.astimezone(city().zone):%Y-%m-%d %H:%M}"


def _number(name: str) -> Column:
    return Column(name.replace("_", " "), justify="right")
