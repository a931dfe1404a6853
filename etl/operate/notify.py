"""What somebody must be told: deliveries that are held, that lost many rows, or are late; sources that are away.

Vietnamese first, English second. A notice carries names of datasets and deliveries, rules and counts, and nothing that
a sender wrote: no value, no column's name, no file's name. Who sends it, and where to, is in `dags/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Literal

from etl.contract import Contract, Text
from etl.contract.city import city
from etl.delivery.entry import LedgerEntry
from etl.delivery.messages import WRONG_CONTRACT, wording
from etl.delivery.state import State
from etl.operate.hold import HeldDelivery
from etl.warehouse import notices as sent_notices
from etl.warehouse import pulls
from etl.warehouse.decisions import REJECTED_ON_REVIEW
from etl.warehouse.freshness import freshness
from etl.warehouse.ledger import Ledger
from etl.warehouse.pulls import Failing

Event = Literal["held", "rejected", "late", "source"]
_RECENT = timedelta(days=2)  # whoever turns notifications on is not told of what was rejected years ago
_OUTAGE = timedelta(days=30)  # a way that was shut no longer than that tells all that it could not tell meanwhile
_TRIES = 3  # of a source in a row that have failed before somebody is told
_NAMED = 50  # things that one message names
_MANY: dict[Event, Text] = {
    "held": Text("Tạm giữ: {count} lần giao", "Held: {count} deliveries"),
    "rejected": Text("Nhiều dòng bị trả lại: {count} lần giao", "Many rows rejected: {count} deliveries"),
    "late": Text("Giao trễ: {count} bộ dữ liệu", "Late: {count} datasets"),
    "source": Text("Không đọc được nguồn: {count} bộ dữ liệu", "Sources that cannot be read: {count} datasets"),
}


@dataclass(frozen=True)
class Notice:
    """One thing that somebody must be told, once.

    Attributes:
        event: what kind of thing.
        dataset: agency.dataset.
        about: the delivery's id; if late, the hour at which one was due.
        title: in one line.
        text: in a few sentences.
        facts: the same for machines: counts, names, times.
    """

    event: Event
    dataset: str
    about: str
    title: Text
    text: Text
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """By what the ledger remembers that it was told."""
        return self.dataset, self.event, self.about


@dataclass(frozen=True)
class Message:
    """What is sent at once: all notices of one kind, so that three hundred files are one mail.

    Attributes:
        event: of what kind they are.
        notices: all of them; at least one.
    """

    event: Event
    notices: tuple[Notice, ...]

    @property
    def named(self) -> tuple[Notice, ...]:
        """Those that the message names."""
        return self.notices[:_NAMED]

    @property
    def more(self) -> int:
        """How many others there are."""
        return len(self.notices) - len(self.named)

    @property
    def title(self) -> Text:
        """What it is about, in one line."""
        if len(self.notices) == 1:
            return self.notices[0].title
        title = _MANY[self.event]
        return Text(title.vi.format(count=len(self.notices)), title.en.format(count=len(self.notices)))

    def to_json(self) -> dict[str, Any]:
        """As a webhook is given it."""
        about = {"event": self.event, "title": asdict(self.title), "count": len(self.notices), "more": self.more}
        return about | {"notices": [asdict(notice) for notice in self.named]}


def send(
    ledger: Ledger, contracts: Mapping[str, Contract], ways: Mapping[str, Callable[[Message], None]]
) -> tuple[int, list[str]]:
    """Tell by each way what has not been told by it, all things of a kind in one message.

    No transaction is open while something is sent. What was sent is written down at once, so that a way that fails, now
    or in the middle, is tried again with what is left. Two that send at once are the caller's to prevent.

    Args:
        ledger: what became of the deliveries, and what was told of it.
        contracts: by dataset.
        ways: what sends a message, by name.

    Returns:
        How many messages were sent, and of each that was not the way and the kind of fault.
    """
    sent, failed = 0, []
    for way, tell in ways.items():
        for message in _untold(ledger, contracts, way):
            try:
                tell(message)
            except Exception as error:  # one way that is shut must not shut the other
                failed.append(f"{way}: {type(error).__name__}")
                continue
            sent_notices.tell(ledger, way, [notice.key for notice in message.notices])
            sent += 1
    return sent, failed


def _untold(ledger: Ledger, contracts: Mapping[str, Contract], way: str) -> list[Message]:
    now = datetime.now(UTC)
    with ledger.transaction() as known, known.connected() as connection:
        failing = pulls.failing(connection, _TRIES)
        since = min(now, max(sent_notices.last_told(known, way, "rejected") or now, now - _OUTAGE)) - _RECENT
        entries = [*known.in_state(State.HELD), *known.sent_back_since(since)]
        every = notices(entries, freshness(known), contracts, failing)
        found = {notice.key: notice for notice in every}
        told = sent_notices.told(known, way, found) if found else set()
    news = sorted((notice for key, notice in found.items() if key not in told), key=lambda notice: notice.event)
    return [Message(event, tuple(its)) for event, its in groupby(news, key=lambda notice: notice.event)]


def notices(
    entries: Iterable[LedgerEntry],
    freshness: Iterable[dict[str, Any]],
    contracts: Mapping[str, Contract],
    failing: Iterable[Failing] = (),
) -> Iterator[Notice]:
    """Everything of these that is worth telling, told before or not.

    Args:
        entries: what the ledger says of deliveries.
        freshness: rows of `ops.freshness`.
        contracts: by dataset.
        failing: sources that could not be read several times in a row.
    """
    for entry in entries:
        contract = contracts.get(entry.dataset)
        if entry.state is State.HELD and (entry.rule == WRONG_CONTRACT or not contract):
            yield _held_for_contract(entry)
        elif entry.state is State.HELD and contract:
            yield _held(HeldDelivery(entry, contract))
        elif _is_told(entry) and _share(entry) > (contract.tell_rejected if contract else 0):
            yield _rejected(entry, contract)
    for row in freshness:
        if row["late_by"] and row["dataset"] in contracts:
            yield _late(row, contracts[row["dataset"]])
    for source in failing:
        if source.dataset in contracts:
            yield _away(source, contracts[source.dataset])


def _held_for_contract(entry: LedgerEntry) -> Notice:
    reason = wording(WRONG_CONTRACT).bare()
    heading = Text(f"Tạm giữ: {entry.name}", f"Held: {entry.name}")
    told = Text(f"{entry.dataset}: {reason.vi}", f"{entry.dataset}: {reason.en}")
    return Notice("held", entry.dataset, entry.delivery_id, heading, told, _counts(entry))


def _held(hold: HeldDelivery) -> Notice:
    entry, reason = hold.entry, _reason(hold.entry)
    until = f"{hold.deadline.astimezone(city().zone):%Y-%m-%d %H:%M %Z}"
    return Notice(
        "held",
        entry.dataset,
        entry.delivery_id,
        Text(f"Tạm giữ: {entry.name}", f"Held: {entry.name}"),
        Text(
            f"{hold.contract.title.vi}: {reason.vi} Cần người quyết định trước {until}; nếu không: {hold.default}.",
            f"{hold.contract.title.en}: {reason.en} A person must decide until {until}; else: {hold.default}.",
        ),
        _counts(entry) | {"decide_until": hold.deadline.isoformat(), "default": hold.default},
    )


def _rejected(entry: LedgerEntry, contract: Contract | None) -> Notice:
    name, share = entry.name, _share(entry)
    title = contract.title if contract else Text(entry.dataset, entry.dataset)
    if entry.state is State.REJECTED:
        reason = _reason(entry)
        if entry.rule == REJECTED_ON_REVIEW:  # this sentence is all details
            reason = Text("Tệp đã được xem xét.", "It was reviewed.")
        text = Text(f"{title.vi}: cả tệp không được nhận. {reason.vi}", f"{title.en}: rejected as a whole. {reason.en}")
    else:
        rejected, rows_in = entry.rejected, entry.rows_in
        text = Text(
            f"{title.vi}: {rejected} trên {rows_in} dòng bị trả lại ({share:.1%}).",
            f"{title.en}: {rejected} of {rows_in} rows were rejected ({share:.1%}).",
        )
    heading = Text(f"Nhiều dòng bị trả lại: {name}", f"Many rows rejected: {name}")
    return Notice("rejected", entry.dataset, entry.delivery_id, heading, text, _counts(entry) | {"share": share})


def _late(row: dict[str, Any], contract: Contract) -> Notice:
    late, due = row["late_by"], f"{row['due_at'].astimezone(city().zone):%Y-%m-%d %H:%M %Z}"
    days, hours = late.days, late.seconds // 3600
    is_here = row["last_period_received"] > row["last_period_loaded"]
    cause = Text(
        "Tệp đã đến nhưng chưa vào kho dữ liệu." if is_here else "Chưa nhận được tệp nào cho kỳ này.",
        "A file has come and is not loaded." if is_here else "No file has come for the period.",
    )
    return Notice(
        "late",
        row["dataset"],
        row["due_at"].astimezone(UTC).isoformat(),
        Text(f"Giao trễ: {row['dataset']}", f"Late: {row['dataset']}"),
        Text(
            f"{contract.title.vi}: hạn {due}, đã trễ {days} ngày {hours} giờ. {cause.vi}",
            f"{contract.title.en}: was due {due}, late by {days} days {hours} hours. {cause.en}",
        ),
        {
            "due_at": row["due_at"].isoformat(),
            "late_by_seconds": int(late.total_seconds()),
            "last_period_loaded": str(row["last_period_loaded"]),
        },
    )


def _away(failing: Failing, contract: Contract) -> Notice:
    since = f"{failing.since.astimezone(city().zone):%Y-%m-%d %H:%M %Z}"
    contact = (contract.contact or "").removeprefix("mailto:")
    return Notice(
        "source",
        failing.dataset,
        failing.since.astimezone(UTC).isoformat(),
        Text(f"Không đọc được nguồn: {failing.dataset}", f"A source cannot be read: {failing.dataset}"),
        Text(
            f"{contract.title.vi}: hệ thống {failing.source} không đọc được từ {since}, {failing.count} lần liên tiếp "
            f"({failing.fault}). `citydw sources check {failing.dataset}` cho biết lý do. Liên hệ: {contact}.",
            f"{contract.title.en}: {failing.source} cannot be read since {since}, {failing.count} times in a row "
            f"({failing.fault}). `citydw sources check {failing.dataset}` says why. Contact: {contact}.",
        ),
        {"source": failing.source, "fault": failing.fault, "count": failing.count, "since": failing.since.isoformat()},
    )


def _reason(entry: LedgerEntry) -> Text:
    return wording(entry.rule or "").bare()


def _is_told(entry: LedgerEntry) -> bool:
    """Whether its agency has heard what became of it: it is told nobody else before."""
    return entry.state in (State.LOADED, State.REJECTED) and entry.receipt_at is not None


def _share(entry: LedgerEntry) -> float:
    """Share of the rows that were rejected; all, where the whole file was."""
    if entry.state is State.REJECTED:
        return 1.0
    return (entry.rejected or 0) / entry.rows_in if entry.rows_in else 0.0


def _counts(entry: LedgerEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("state", "rule", "rows_in", "rejected")}
