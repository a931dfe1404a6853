"""Held deliveries: what a person must know to decide on one, and what may be decided.

A person may `accept` it: the delivery is right although unusual. Whatever holds it is overridden, and the suite's own
rules only warn; what the contract says (required, types, codes, identifiers, keys) still rejects a row, for such a row
has no place in the table. Or `accept-passing`: what holds it is overridden, and rows that break a rule stay rejected.
Or `reject`: nothing of it is loaded. A decision stands when the delivery walks again, until another one is made.

Whatever is shown here may end in Airflow's database, so values are masked; see `masked`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from etl.contract import REASON_CHARS, Choice, Column, Contract, Contracts, Text
from etl.contract.city import city, told
from etl.delivery.columns import ROW
from etl.delivery.entry import LedgerEntry, Unfinished
from etl.delivery.messages import WRONG_CONTRACT, loggable
from etl.delivery.problems import found_in
from etl.delivery.state import State
from etl.delivery.storage import Storage
from etl.warehouse import timeline
from etl.warehouse.decisions import REJECTED_ON_REVIEW
from etl.warehouse.ledger import Ledger

_WORST = 10  # problems shown, the most frequent ones
_SAMPLE = 3  # values shown of each
_COMPARED = 10  # earlier deliveries to compare with
_CLEAR = 6  # characters of a value of an open column up to which it is shown: codes are short, personal data is not
_LONGEST = 40  # characters shown of a masked value
_WORD_JOINER = "\N{WORD JOINER}"  # has no width, and ends what Airflow's page would make a link of


class Undecidable(Exception):
    """A decision that cannot be taken; the text says why and what can be done instead."""


@dataclass(frozen=True)
class HeldDelivery:
    """A delivery that waits for a decision.

    Attributes:
        entry: what the ledger says of it.
        contract: of its dataset.
    """

    entry: LedgerEntry
    contract: Contract

    @property
    def message(self) -> Text:
        """Why it is held."""
        return self.entry.message or Text("", "")

    @property
    def since(self) -> datetime:
        """Since when it waits."""
        return self.entry.held_at or self.entry.received_at  # held before holds had a time

    @property
    def days(self) -> float:
        """How long it waits."""
        return self.contract.hold.days

    @property
    def deadline(self) -> datetime:
        """When the default is decided."""
        return self.since + timedelta(days=self.days)

    @property
    def default(self) -> Choice:
        """What is decided then."""
        return self.contract.hold.default if self.is_acceptable else "reject"

    @property
    def is_acceptable(self) -> bool:
        """Whether the file could be read: only then is there anything to accept."""
        return self.entry.rows_in is not None


def holds(ledger: Ledger, contracts: Contracts) -> list[HeldDelivery]:
    """The deliveries that wait for a person's decision, the one that must be decided first on top."""
    held = ledger.in_state(State.HELD)
    waiting = [HeldDelivery(entry, contracts[entry.dataset]) for entry in held if not is_ours_to_mend(entry, contracts)]
    return sorted(waiting, key=lambda hold: hold.deadline)


def held_for_contract(ledger: Ledger, contracts: Contracts) -> list[LedgerEntry]:
    """The deliveries that wait until a contract or suite is mended, and for no decision."""
    return [entry for entry in ledger.in_state(State.HELD) if is_ours_to_mend(entry, contracts)]


def is_ours_to_mend(entry: LedgerEntry, contracts: Contracts) -> bool:
    """Whether a held delivery waits for the data center, for nothing is wrong with the delivery itself."""
    return entry.rule == WRONG_CONTRACT or entry.dataset not in contracts


def check_reason(reason: str) -> str:
    """The reason on one line.

    Raises:
        Undecidable: if it is empty, longer than a receipt has room for, or no text.
    """
    line = " ".join(reason.split())
    if not line:
        raise Undecidable("The agency must be told why: the reason is empty.")
    if len(line) > REASON_CHARS:
        raise Undecidable(f"The reason has {len(line)} characters; the agency's receipt has room for {REASON_CHARS}.")
    if not line.isprintable():
        raise Undecidable("The reason holds a character that no page can show, as a control character.")
    return line


def check(entry: LedgerEntry, choice: Choice, unfinished: Unfinished | None = None) -> None:
    """Refuse a decision that cannot be taken.

    Args:
        entry: what the ledger says of the delivery.
        choice: what a person wants.
        unfinished: the decision that stands on it and was not carried out.

    Raises:
        Undecidable: if the delivery waits for no decision, or cannot be accepted.
    """
    name, state = entry.name, entry.state
    is_rejected = state is State.REJECTED and entry.rule == REJECTED_ON_REVIEW
    if unfinished and state is not State.REJECTED:
        raise Undecidable(f"{name} was decided already, by {unfinished.decision.by}; to go on: {unfinished.command}")
    if state is not State.HELD and not (is_rejected and choice != "reject"):
        raise Undecidable(f"{name} is {state} and waits for no decision; `citydw held` lists those that do.")
    if choice != "reject" and entry.rule == WRONG_CONTRACT:
        raise Undecidable(
            f"{name} waits until its contract or suite is mended: `citydw lint {entry.dataset}` says what is wrong,"
            " and `citydw walk` goes on then."
        )
    if choice != "reject" and entry.rows_in is None:
        raise Undecidable(
            f"{name} could not be read as a whole, so there is nothing to accept: {entry.message_en} Reject it; or"
            " change its contract, if that is what is wrong, and run `citydw walk`."
        )


def hold_page(ledger: Ledger, storage: Storage, hold: HeldDelivery) -> str:
    """What a person must know to decide on a held delivery, in Markdown; personal data is masked.

    Args:
        ledger: knows the deliveries before it, to compare it with.
        storage: the data root.
        hold: the delivery.
    """
    entry, contract = hold.entry, hold.contract
    problems, before = found_in(storage, entry.delivery), timeline.before(ledger, entry.delivery, _COMPARED)
    deadline = f"{hold.deadline.astimezone(city().zone):%Y-%m-%d %H:%M %Z}"
    message = loggable(entry.rule, hold.message)
    title = told(contract.title)
    lines = [
        f"**{title}**, delivery `{entry.delivery_id}`, held for `{entry.rule}`:",
        "",
        told(Text(plain(message.vi), plain(message.en)), "\n\n"),
        "",
        f"If nobody decides until **{deadline}**: **{hold.default}**.",
        "",
    ]
    if hold.is_acceptable:
        lines += [*_choices(entry, contract, problems), *_worst(entry, contract, problems)]
    else:
        lines += [
            "The file could not be read as a whole, so it can only be rejected; or mend its contract and `citydw walk`."
        ]
    return "\n".join([*lines, *_comparison(entry, before)])


def masked(value: str, column: Column | None) -> str:
    """A value as it may be shown: its shape only, with # for a digit, x and X for letters.

    A value of a column that the contract calls open is shown as it is if it is as short as codes are: in a file whose
    columns are shifted, a longer one may be a name or a number of a person.
    """
    if column and column.classification == "open" and len(value) <= _CLEAR:
        return value
    shape = "".join("#" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in value)
    return shape[:_LONGEST] + ("…" if len(shape) > _LONGEST else "")


def _choices(entry: LedgerEntry, contract: Contract, problems: pl.DataFrame) -> list[str]:
    critical = problems.filter((pl.col("severity") == "critical") & pl.col(ROW).is_not_null())
    by_contract = critical.filter(~pl.col("rule").is_in(_rules_of_the_suite(contract)))[ROW].n_unique()
    rows_in, rejected = entry.rows_in or 0, critical[ROW].n_unique()
    lines = [
        "| Decision | rows in | of them rejected | what it means |",
        "|---|--:|--:|---|",
        f"| accept | {rows_in:,} | {by_contract:,} | the data is right: rules of the suite only warn |",
        f"| accept what passes | {rows_in:,} | {rejected:,} | the rules are right: rows that break one stay out |",
        f"| reject | {rows_in:,} | {rows_in:,} | nothing is loaded; the agency sends a new file |",
        "",
    ]
    if contract.mode == "snapshot":
        lines += ["It is a **snapshot**: a record whose row is rejected counts as gone, and ends.", ""]
    return lines


def _worst(entry: LedgerEntry, contract: Contract, problems: pl.DataFrame) -> list[str]:
    rows = problems.filter(pl.col(ROW).is_not_null())
    worst = (
        rows.group_by("severity", "rule", "column", "en", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col(ROW).head(_SAMPLE), pl.col("value").head(_SAMPLE))
        .sort("rows", descending=True, maintain_order=True)
        .head(_WORST)
    )
    if worst.is_empty():
        return []
    columns = {column.name: column for column in contract.columns}
    lines = ["| Rule | rows | share | values, by row of the file (personal ones masked) |", "|---|--:|--:|---|"]
    for severity, rule, name, text, count, numbers, values in worst.iter_rows():
        column = columns.get(name)
        sample = [
            f"{number}: " + ("(empty)" if value is None else f"{_code(masked(value, column))}")
            for number, value in zip(numbers, values, strict=True)
        ]
        label = f"`{rule}` ({severity}){f', {column.label}' if column else ''}: {plain(text)}"
        lines.append(f"| {label} | {count:,} | {count / max(entry.rows_in or 0, 1):.0%} | {', '.join(sample)} |")
    return [*lines, ""]


def _comparison(entry: LedgerEntry, before: Sequence[LedgerEntry]) -> list[str]:
    lines = ["", "| Delivery | state | rows in | rejected | share |", "|---|---|--:|--:|--:|"]
    for e in [*before, entry]:
        rows_in, rejected = e.rows_in, e.rejected
        name = f"**{e.delivery_id}**" if e is entry else e.delivery_id
        share = f"{rejected / rows_in:.1%}" if rows_in and rejected is not None else ""
        counts = ("" if count is None else f"{count:,}" for count in (rows_in, rejected))
        lines.append(f"| {name} | {e.state} | {' | '.join(counts)} | {share} |")
    return lines


def _rules_of_the_suite(contract: Contract) -> list[str]:
    suite = json.loads(contract.path.with_suffix(".json").read_text(encoding="utf-8"))
    return [expectation["meta"]["rule"] for expectation in suite["expectations"]]


def _code(text: str) -> str:
    """Text that came from outside as a code span in a table."""
    return "`" + " ".join(text.split()).replace("`", "ˋ").replace("|", "\\|") + "`"


def plain(text: str) -> str:
    """Text that came from outside, on one line, without what Markdown or HTML would make something of.

    Bare addresses, too, become links on Airflow's page (GitHub's Markdown): http://, www., and anybody@somewhere. They
    are found after escapes are resolved, so that only a character in between keeps them text.
    """
    line = re.sub(r"([\\`*_{}\[\]<>#|~&!$])", r"\\\1", " ".join(text.split()))
    line = re.sub(r"^([-+=]|\d+(?=[.)]))", rf"{_WORD_JOINER}\1", line)  # neither a list nor a heading's underline
    return re.sub(r"(?<=:)(?=/)|(?<=@)|(?<=www)(?=\.)", _WORD_JOINER, line, flags=re.IGNORECASE)
