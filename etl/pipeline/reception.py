"""Reception: files of the inbox, and those that somebody hands in, to landing and the ledger; they walk from there.

A file that a sender still wrote to is found here, too: what was received of it is withdrawn, and it is received anew.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from upath import UPath

from etl.contract import Contract, ContractError
from etl.delivery.correction import Mark
from etl.delivery.display import printable
from etl.delivery.messages import WRONG_CONTRACT, Stop
from etl.delivery.model import Delivery
from etl.delivery.plain_files import claimed, is_below
from etl.delivery.pull import Pull
from etl.delivery.state import State
from etl.operate.tables import lacking
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.recognise import add_right_folder
from etl.receive.inbox import agency_of, found_in, newly_told
from etl.receive.landing import Landed, NotReceived, folders, land, land_table
from etl.receive.processed import changed, move, put_back
from etl.receive.refusal import REFUSALS, refusal
from etl.receive.turns import arriving

log = logging.getLogger(__name__)
_HALF = (
    "khi tiếp nhận, tệp còn đang được ghi; tệp đầy đủ được nhận thành lần giao khác"
    " / the file was still being written when it was received; the whole of it is a delivery of its own"
)


@dataclass(frozen=True)
class Received:
    """A file that has come to landing."""

    delivery: Delivery
    is_new: bool  # its bytes had not arrived before
    state: State
    beside: tuple[Received, ...] = ()  # the same file as that of the other tables that are read from it

    @property
    def dataset(self) -> str:
        """The dataset's full name."""
        return self.delivery.contract_id

    @property
    def tables(self) -> tuple[Received, ...]:
        """This and the deliveries of the other tables that are read from its file."""
        return self, *self.beside

    @property
    def is_final(self) -> bool:
        """Whether no station has anything left to do: loaded, held, rejected or withdrawn."""
        return self.state.is_at_rest

    @property
    def delivery_id(self) -> str:
        """The delivery's id within its dataset."""
        return self.delivery.id


def receive_inbox(pipeline: Pipeline, seconds: float = inf) -> list[Received]:
    """Bring everything complete in the inbox to landing and the ledger; what cannot be received now stays.

    Args:
        pipeline: the stations.
        seconds: after which no other file is begun; see `etl.receive.turns`.
    """
    look_again(pipeline)
    if pipeline.storage.inbox.exists():
        for line in newly_told(pipeline.storage, found_in(pipeline.storage.inbox)):
            log.warning("inbox: left alone: %s", line)
    received: list[Received] = []
    taken: Counter[str] = Counter()
    has_failed = False
    for file in arriving(pipeline.storage, pipeline.settings.quiet_seconds, seconds):
        agency = agency_of(file)
        if taken[agency] >= pipeline.settings.limits.agency_bytes:
            log.warning("inbox: %s: %s has sent much; it waits for the next time", printable(file.name), agency)
            continue
        try:
            one = receive(pipeline, file)
            received += one.tables
            taken[agency] += one.delivery.size
        except NotReceived as error:
            log.warning("inbox: %s", error)
        except OSError as error:  # whatever is wrong with one file, or with the disk, others may come through
            log.error("inbox: %s: %s", printable(file.name), error.strerror or type(error).__name__)
        except Exception as error:  # its text may quote the file
            has_failed = True
            log.error("inbox: %s: %s", printable(file.name), type(error).__name__)
    look_again(pipeline)
    if has_failed:
        with pipeline.engine.connect():  # a warehouse that is away is no file's fault: whoever called tries again
            pass
    return received


def receive(
    pipeline: Pipeline,
    file: UPath,
    dataset: tuple[str, str] | None = None,
    principal: str | None = None,
    pull: Pull | None = None,
) -> Received:
    """Bring one file to landing and the ledger.

    A delivery whose dataset or period nobody knows ends here: it is rejected and receipted at once. So does one
    whose bytes had come before, if nothing is left to do for it. One whose contract is wrong is held; once that is
    mended, it goes on when somebody walks it or it comes again.

    Args:
        pipeline: the stations.
        file: the file.
        dataset: agency and dataset; by default the names of the two folders that the file lies in.
        principal: the account through which it came, as whoever hands it in has made sure.
        pull: how it was fetched from its agency's system, which proves whose it is; None if somebody has sent it.

    Raises:
        NotReceived: if the file cannot be read, changes while it is copied, or is somebody else's to receive.
    """
    with ExitStack() as stack:
        try:
            is_ours = stack.enter_context(claimed(file, pipeline.storage.inbox))
        except OSError as error:
            raise NotReceived(f"{printable(file.name)}: cannot be read ({type(error).__name__})") from None
        if not is_ours:
            raise NotReceived(f"{printable(file.name)}: somebody else receives it")
        return _receive(pipeline, file, dataset, principal, pull)


def catch_up(pipeline: Pipeline, dataset: str) -> list[Received]:
    """Receive the earlier files that a table is read from and has not got, as before it had a contract."""
    contract = pipeline.contracts[dataset]
    files = [entry.delivery for entry in lacking(pipeline.ledger, pipeline.storage, contract)]
    return [_as_table(pipeline, main, pipeline.ledger.declared(main), contract) for main in files]


def look_again(pipeline: Pipeline) -> None:
    """See whether files that were received have changed since, for somebody still wrote to them.

    Half a file is no delivery: what was received of it is withdrawn, and the file goes back to the inbox, where it
    is received anew once it is whole.
    """
    for watched in changed(pipeline.storage):
        name = f"{watched.agency}.{watched.dataset}"
        try:
            _withdraw_half(pipeline, name, watched.delivery_id)
            is_back = put_back(pipeline.storage, watched)
        except Exception as error:  # one that cannot be put back keeps no other from being received
            log.error("processed: %s/%s: %s", name, watched.delivery_id, type(error).__name__)
            continue
        where = "it is in the inbox again" if is_back else "it waits, for its name in the inbox is taken"
        log.warning("processed: the file of %s/%s has changed since; %s", name, watched.delivery_id, where)


def _receive(
    pipeline: Pipeline, file: UPath, dataset: tuple[str, str] | None, principal: str | None, pull: Pull | None
) -> Received:
    def table_of(mark: Mark, dataset: str) -> str:
        contract = pipeline.contracts.get(dataset)
        beside = contract.beside if contract else ()
        return pipeline.workbooks.dataset_of(mark, dataset, beside).partition(".")[2]

    started = time.perf_counter()
    agency, _ = dataset or folders(pipeline.storage, file)
    identity = None if pull else pipeline.identities.get(agency)
    if isinstance(identity, ContractError):
        raise NotReceived(f"{printable(file.name)}: waits, for {identity}")
    limits = pipeline.settings.limits
    landed = land(pipeline.storage, file, dataset, None, limits, identity, principal, pull, table_of)
    delivery = landed.delivery
    if landed.unread and _is_final(pipeline, delivery):
        raise NotReceived(f"{delivery.file_name}: stays unread; its sender was told why")
    spent = {"receive": time.perf_counter() - started}
    stop = _refusal(pipeline, landed)
    # The other tables first, and the file is put away last: after a crash between, it is received again.
    is_read = not delivery.corrects and (stop is None or stop.rule == WRONG_CONTRACT)
    beside = pipeline.contracts.sent_with(delivery.contract_id) if is_read else []
    tables = [_as_table(pipeline, delivery, landed.declared, contract) for contract in beside]
    received = _arrived(pipeline, delivery, landed.declared, stop, spent, pull)
    is_whole = _put_away(pipeline, file, landed)
    if not is_whole:
        _withdraw_half(pipeline, delivery.contract_id, delivery.id)
    made = [_now(pipeline, one, is_whole) for one in (received, *tables)]
    return replace(made[0], beside=tuple(made[1:]))


def _arrived(
    pipeline: Pipeline,
    delivery: Delivery,
    declared: dict[str, Any] | None,
    stop: Stop | None = None,
    spent: dict[str, float] | None = None,
    pull: Pull | None = None,
) -> Received:
    """Tell the ledger of a delivery that is in landing, and why it goes no further, if it does not."""
    entry, is_new = pipeline.ledger.arrived(delivery, declared, spent, pull)
    # These bytes, under another name, or before there was such a dataset or its contract was right.
    was_refused = entry.rule in (*REFUSALS, WRONG_CONTRACT)
    state = entry.state
    if stop and (state is State.RECEIVED or was_refused):
        add_right_folder(stop, pipeline.storage, delivery, pipeline.contracts.values(), pipeline.settings.limits)
        pipeline.ledger.stopped(delivery, stop, {})
        state = stop.state
    elif was_refused:
        pipeline.ledger.received_again(delivery)
        state = State.RECEIVED
    return Received(delivery, is_new, state)


def _as_table(pipeline: Pipeline, main: Delivery, declared: dict[str, Any] | None, contract: Contract) -> Received:
    """Receive a file that is in landing as that of another table, too."""
    return _arrived(pipeline, *land_table(pipeline.storage, main, declared, contract.dataset))


def _now(pipeline: Pipeline, received: Received, is_whole: bool) -> Received:
    """What was received as it stands now; if nothing is left to do for it, with its receipt."""
    if not is_whole:
        state = pipeline.ledger.get(received.dataset, received.delivery_id).state
        received = replace(received, state=state)
    if received.is_final:
        pipeline.run_station("receipt", received.dataset, received.delivery_id)
    return received


def _refusal(pipeline: Pipeline, landed: Landed) -> Stop | None:
    """Why a file goes no further than to landing; None if it does."""
    dataset = landed.delivery.contract_id
    if dataset in pipeline.contracts.wrong and landed.delivery.as_of:
        return Stop("held", WRONG_CONTRACT)
    return refusal(landed, pipeline.contracts.get(dataset), is_dataset=dataset in pipeline.contracts.wrong)


def _put_away(pipeline: Pipeline, file: UPath, landed: Landed) -> bool:
    """Take a file out of the inbox; False if it is not what was received of it any more."""
    if landed.unread or not is_below(file, pipeline.storage.inbox):  # one from elsewhere is its owner's
        return True
    try:
        return move(pipeline.storage, file, landed.delivery, landed.stamp)
    except FileNotFoundError:  # its sender has taken it away
        return True
    except OSError as error:
        reason = error.strerror or type(error).__name__
        log.error("inbox: %s is received, but stays there: %s", landed.delivery.file_name, reason)
        return True


def _is_final(pipeline: Pipeline, delivery: Delivery) -> bool:
    entry = pipeline.ledger.find(delivery.contract_id, delivery.id)
    return entry is not None and entry.state.is_at_rest


def _withdraw_half(pipeline: Pipeline, dataset: str, delivery_id: str) -> None:
    """Withdraw what was received of a file to which its writer has added since, of all tables in it."""
    for name in (dataset, *(contract.id for contract in pipeline.contracts.sent_with(dataset))):
        entry = pipeline.ledger.find(name, delivery_id)
        if name in pipeline.contracts and entry and entry.state is not State.WITHDRAWN:
            pipeline.withdraw(name, delivery_id, _HALF)
