"""What somebody must be told: deliveries that are held, that lost many rows, or that are late.

Vietnamese first, English second. A notice carries names of datasets and deliveries, rules and counts, and nothing that
a sender wrote: no value, no column's name, no file's name. Who sends it, and where to, is in `dags/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from etl.contract import Contract, Text
from etl.delivery import WRONG_CONTRACT, wording
from etl.hold import Hold
from etl.ledger import REJECTED_ON_REVIEW
from etl.settings import CITY_TIME

_RECENT = timedelta(days=2)  # whoever turns notifications on is not told of what was rejected years ago


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

    event: Literal["held", "rejected", "late"]
    dataset: str
    about: str
    title: Text
    text: Text
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the webhook is given it."""
        return asdict(self)


def notices(
    entries: Iterable[dict[str, Any]], freshness: Iterable[dict[str, Any]], contracts: Mapping[str, Contract]
) -> Iterator[Notice]:
    """Everything that is worth telling now, told before or not.

    Args:
        entries: rows of `ops.delivery`.
        freshness: rows of `ops.freshness`.
        contracts: by dataset.
    """
    for entry in entries:
        contract = contracts.get(entry["dataset"])
        if entry["state"] == "held" and (entry["rule"] == WRONG_CONTRACT or not contract):
            yield _held_for_contract(entry)
        elif entry["state"] == "held" and contract:
            yield _held(Hold(entry, contract))
        elif _is_recent(entry) and _share(entry) > (contract.tell_rejected if contract else 0):
            yield _rejected(entry, contract)
    for row in freshness:
        if row["late_by"] and row["dataset"] in contracts:
            yield _late(row, contracts[row["dataset"]])


def _held_for_contract(entry: dict[str, Any]) -> Notice:
    name, reason = f"{entry['dataset']}/{entry['delivery_id']}", wording(WRONG_CONTRACT).bare()
    heading = Text(f"Tạm giữ: {name}", f"Held: {name}")
    told = Text(f"{entry['dataset']}: {reason.vi}", f"{entry['dataset']}: {reason.en}")
    return Notice("held", entry["dataset"], entry["delivery_id"], heading, told, _counts(entry))


def _held(hold: Hold) -> Notice:
    entry, reason = hold.entry, wording(hold.entry["rule"]).bare()
    until = f"{hold.deadline.astimezone(CITY_TIME):%Y-%m-%d %H:%M %Z}"
    return Notice(
        "held",
        entry["dataset"],
        entry["delivery_id"],
        Text(f"Tạm giữ: {hold.name}", f"Held: {hold.name}"),
        Text(
            f"{hold.contract.title.vi}: {reason.vi} Cần người quyết định trước {until}; nếu không: {hold.default}.",
            f"{hold.contract.title.en}: {reason.en} A person must decide until {until}; else: {hold.default}.",
        ),
        _counts(entry) | {"decide_until": hold.deadline.isoformat(), "default": hold.default},
    )


def _rejected(entry: dict[str, Any], contract: Contract | None) -> Notice:
    name, share = f"{entry['dataset']}/{entry['delivery_id']}", _share(entry)
    title = contract.title if contract else Text(entry["dataset"], entry["dataset"])
    if entry["state"] == "rejected":
        reason = wording(entry["rule"]).bare()
        if entry["rule"] == REJECTED_ON_REVIEW:  # this sentence is all details
            reason = Text("Tệp đã được xem xét.", "It was reviewed.")
        text = Text(f"{title.vi}: cả tệp không được nhận. {reason.vi}", f"{title.en}: rejected as a whole. {reason.en}")
    else:
        rejected, rows_in = entry["rejected"], entry["rows_in"]
        text = Text(
            f"{title.vi}: {rejected} trên {rows_in} dòng bị trả lại ({share:.1%}).",
            f"{title.en}: {rejected} of {rows_in} rows were rejected ({share:.1%}).",
        )
    heading = Text(f"Nhiều dòng bị trả lại: {name}", f"Many rows rejected: {name}")
    return Notice("rejected", entry["dataset"], entry["delivery_id"], heading, text, _counts(entry) | {"share": share})


def _late(row: dict[str, Any], contract: Contract) -> Notice:
    late, due = row["late_by"], f"{row['due_at'].astimezone(CITY_TIME):%Y-%m-%d %H:%M %Z}"
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


def _is_recent(entry: dict[str, Any]) -> bool:
    told_at = entry["receipt_at"]
    return entry["state"] in ("loaded", "rejected") and bool(told_at) and told_at > datetime.now(UTC) - _RECENT


def _share(entry: dict[str, Any]) -> float:
    """Share of the rows that were rejected; all, where the whole file was."""
    if entry["state"] == "rejected":
        return 1.0
    return entry["rejected"] / entry["rows_in"] if entry["rows_in"] else 0.0


def _counts(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("state", "rule", "rows_in", "rejected")}
