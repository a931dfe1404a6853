"""Check before sending: what would become of a file, by the very stations that it will walk, on a data root of its own.

No database, network or Airflow is needed, and nothing of the file stays but page, facts and workbook.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from upath import UPath

from etl.contract import Contract, Text
from etl.contract.city import city, said, told
from etl.delivery.entry import LedgerEntry
from etl.delivery.messages import Stop
from etl.delivery.model import Delivery
from etl.delivery.storage import Storage
from etl.pipeline import stations
from etl.receipt import FACTS, PAGE, WORKBOOK, receipt
from etl.receipt.facts import Receipt
from etl.receive.landing import land, land_table
from etl.receive.place import UNDATED
from etl.receive.refusal import refusal
from etl.rendering import day
from etl.settings import Limits

_TOLD: dict[stations.Station, Text] = {
    "extract": Text("đọc tệp", "reading the file"),
    "validate": Text("kiểm tra từng dòng", "judging each row"),
    "normalize": Text("đưa về dạng chuẩn", "bringing it into the standard form"),
}
_ROWS_SHOWN = 8  # row numbers in the terminal for each kind of problem; the page has more
_KINDS_SHOWN = 10


@dataclass(frozen=True)
class Checked:
    """What would become of a file.

    Attributes:
        receipt: what its agency would hear.
        folder: where page and workbook are.
        is_dated: whether the file's name says its period; otherwise today's was taken.
        beside: the same of the other tables that are read from the file.
    """

    receipt: Receipt
    folder: Path
    is_dated: bool
    beside: tuple[Checked, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: no row would be rejected; 1: some would; 2: the file, or a table of it, would be held or rejected."""
        return max(self.of_table, *(each.of_table for each in self.beside), 0)

    @property
    def of_table(self) -> int:
        """The same of this table alone."""
        if self.receipt.state.is_stopped:
            return 2
        return 1 if self.receipt.rejected else 0


def check(
    file: Path,
    contract: Contract,
    out: Path,
    limits: Limits,
    most_rows: int,
    tell: Callable[[str], None],
    tables: Iterable[Contract] = (),
) -> Checked:
    """Walk a file through the stations, as each of its tables, and write its receipts.

    Args:
        file: the file.
        contract: of the dataset that it is sent as.
        out: folder for page, facts and workbook; those of an earlier check are replaced. Another table has a folder of
            its dataset's name in it.
        limits: what the file may ask of us.
        most_rows: rows that the workbook may hold.
        tell: hears what is being done, in a few words.
        tables: of the other tables that are read from its files.

    Raises:
        NotReceived: if the file cannot be read, or changes meanwhile.
    """
    # On Windows a file that is still mapped cannot be removed; that is no reason to withhold the result.
    with tempfile.TemporaryDirectory(prefix="citydw-", ignore_cleanup_errors=True) as home:
        storage = Storage(UPath(home) / "data")
        today = city().now().date()
        landed = land(storage, UPath(file.resolve()), (contract.agency, contract.dataset), today, limits)
        is_dated = landed.doubt != UNDATED
        stop = refusal(landed if is_dated else replace(landed, doubt=None), contract)
        walk = _Walk(storage, home, limits, most_rows, is_dated, tell)
        checked = walk.to_receipt(landed.delivery, landed.declared, contract, stop, out)
        beside = []
        for table in tables if stop is None and not landed.delivery.corrects else ():
            delivery, declared = land_table(storage, landed.delivery, landed.declared, table.dataset)
            beside.append(walk.to_receipt(delivery, declared, table, None, out / table.dataset))
    return replace(checked, beside=tuple(beside))


@dataclass(frozen=True)
class _Walk:
    """What all tables of a file are walked with."""

    storage: Storage
    home: str
    limits: Limits
    most_rows: int
    is_dated: bool
    tell: Callable[[str], None]

    def to_receipt(
        self, delivery: Delivery, declared: dict[str, Any] | None, contract: Contract, stop: Stop | None, out: Path
    ) -> Checked:
        """Walk a table of a file through the stations, unless it is stopped already, and write its receipt."""
        known: dict[str, Any] = {}
        for station in stations.STATIONS if stop is None else ():
            self.tell(told(_TOLD[station]))
            result = stations.run(
                station, self.storage, delivery, contract, self.home, declared=declared, limits=self.limits
            )
            known |= {"state": result.state} | result.counts
            stop = result.stop
            if stop:
                break
        if stop:
            known |= {"state": stop.state, "rule": stop.rule}
            known |= {"message_vi": stop.message.vi, "message_en": stop.message.en}
        self.tell(said("viết phiếu", "writing the receipt"))
        entry = replace(LedgerEntry.of_delivery(delivery), **known)
        made_receipt = receipt(self.storage, delivery, contract, entry, most_rows=self.most_rows, is_check=True)
        out.mkdir(parents=True, exist_ok=True)
        for name in (PAGE, FACTS, WORKBOOK):
            made = Path(self.storage.folder("outbox", delivery) / name)
            if made.exists():
                shutil.copyfile(made, out / name)
            else:
                (out / name).unlink(missing_ok=True)
        return Checked(made_receipt, out, self.is_dated)


def print_checked(console: Console, checked: Checked) -> None:
    """Print the verdict on each table, what is to be mended, and where pages and workbooks are; no cell's value."""
    receipt = checked.receipt
    period = f", {day(receipt.as_of)}" if receipt.as_of else ""
    _say(console, f"{told(receipt.title)} ({receipt.dataset}){period}", "bold")
    right, rejected, rows = (receipt.rows_in or 0) - receipt.rejected, receipt.rejected, receipt.rows_in
    match checked.of_table:
        case 0:
            ready = said(f"Sẵn sàng gửi: {right} dòng đúng.", f"Ready to send: {right} rows are right.")
            _say(console, f"✓ {ready}", "bold green")
        case 1:
            some = said(
                f"{rejected} / {rows} dòng sẽ bị trả lại, các dòng khác được nhận.",
                f"{rejected} of {rows} rows would be sent back, the others accepted.",
            )
            _say(console, f"! {some}", "bold yellow")
        case _:
            whole = said(f"Cả tệp: {receipt.verdict.vi}", f"The whole file: {receipt.verdict.en}")
            _say(console, f"✗ {whole}", "bold red")
    if receipt.message:
        _say(console, "  " + told(receipt.message, "\n  "), "red")
    if receipt.problems:
        console.print(_table(receipt))
    if (more := len(receipt.problems) - _KINDS_SHOWN) > 0:
        _say(console, f"… {more} {said('loại lỗi khác trên phiếu', 'more kinds on the page')}")
    for note in receipt.notes:
        _say(console, "  " + told(note.text, "\n  "), "yellow")
    if not checked.is_dated:
        undated = said(
            "Tên tệp chưa có ngày của kỳ dữ liệu nên đã tính theo hôm nay; trước khi gửi hãy đặt tên như "
            f"dulieu_{receipt.as_of}.csv.",
            "The file's name does not say its period, so today's was taken; put the date into it before you send it.",
            "\n  ",
        )
        _say(console, f"  {undated}", "yellow")
    _say(console, f"{said('Phiếu', 'Page')}: {checked.folder / PAGE}")
    if receipt.workbook_rows:
        _say(console, f"{said('Các dòng sai', 'Wrong rows')}: {checked.folder / WORKBOOK}")
    for table in checked.beside:
        print_checked(console, table)


def _table(receipt: Receipt) -> Table:
    count = Column(said("số lỗi", "count", "\n"), justify="right")
    table = Table(said("cột", "column"), said("lỗi", "what is wrong"), count, told(receipt.row_word, "\n"))
    for problem in receipt.problems[:_KINDS_SHOWN]:
        numbers = ", ".join(map(str, problem.rows[:_ROWS_SHOWN])) + (", …" if problem.count > _ROWS_SHOWN else "")
        style = "red" if problem.severity == "critical" else "yellow"
        main, *beside = told(Text(escape(problem.text.vi), escape(problem.text.en)), "\0").split("\0")
        about = "\n".join([f"[{style}]{main}[/]", *beside])
        table.add_row(escape(problem.source_name or ""), about, str(problem.count), numbers)
    return table


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
