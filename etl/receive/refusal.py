"""Refusal: why a file goes no further than to landing, as far as its place and its name tell."""

from __future__ import annotations

from pathlib import PurePosixPath

from etl.contract import ENDINGS, Contract, Source
from etl.delivery.entry import LedgerEntry
from etl.delivery.messages import Stop
from etl.delivery.state import State
from etl.receive.identity import UNPROVEN
from etl.receive.landing import Landed
from etl.receive.manifest import MANIFEST
from etl.receive.place import UNDATED

# Why a file goes no further than to landing: what its sender mends by sending the same bytes under another name.
REFUSALS = (
    "unknown_dataset", "wrong_ending", UNDATED, "several_periods_in_name", "impossible_period", "period_not_begun",
    "unclear_revision", UNPROVEN, "sent_with_another",
)  # fmt: skip
# What has one of these names is read if its columns are the contract's, or told what it is by what reads it.
_TOLD_BY_THE_READER = (*(ending for endings in ENDINGS.values() for ending in endings), ".xlsm")


def is_refused(entry: LedgerEntry) -> bool:
    """Whether a delivery went no further than to landing: it walks once its file comes as it should."""
    return entry.state is State.REJECTED and entry.rule in REFUSALS


def refusal(landed: Landed, contract: Contract | None, is_dataset: bool = False) -> Stop | None:
    """Why a file goes no further than to landing, as far as its place and its name tell; None if it does.

    Args:
        landed: the file.
        contract: of its dataset; None if there is none that is right.
        is_dataset: there is such a dataset, and its contract is wrong.
    """
    if landed.unproven:
        return landed.unproven
    delivery = landed.delivery
    if contract and contract.sent_with and not delivery.corrects:
        title = next((other.title for other in contract.beside if other.id == contract.sent_with), contract.sent_with)
        return Stop("rejected", "sent_with_another", title=title, folder=contract.sent_with.replace(".", "/"))
    told = {"file": delivery.file_name[:100]}
    name = PurePosixPath(delivery.file_name.strip().lower())
    ending = name.suffix if name.suffix not in ENDINGS["gzip"] else PurePosixPath(name.stem).suffix
    endings: tuple[str, ...] = (ending[:10],)
    if contract:
        endings = endings_of(contract.source)
        if not delivery.corrects and ending not in (*endings, *_TOLD_BY_THE_READER):
            return Stop("rejected", "wrong_ending", **told, endings=", ".join(endings))
    elif not is_dataset:
        return Stop("rejected", "unknown_dataset", detail=delivery.contract_id)
    if landed.unread:
        return landed.unread
    if landed.doubt:
        example = f"{delivery.dataset}_2026-03-02{endings[0]}"
        return Stop("rejected", landed.doubt, **told, example=example, manifest=f"{delivery.file_name[:100]}{MANIFEST}")
    return None


def endings_of(source: Source) -> tuple[str, ...]:
    """The endings that the name of a dataset's file may have, the usual one first."""
    return ENDINGS[_format(source)]


def _format(source: Source) -> str:
    return "zip" if source.archive else source.format
