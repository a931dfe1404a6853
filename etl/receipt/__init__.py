"""Receipt: what the agency hears back: a page to read, the same as JSON for machines, and a workbook to mend.

Reads `raw/` and `validated/`; writes `outbox/<agency>/<dataset>/<delivery>/`. `facts` says what there is to say, `page`
shows it, `workbook` holds the rejected rows. No database is needed: what the ledger knows is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from etl.contract import Contract
from etl.delivery.columns import ROW
from etl.delivery.correction import mark_for
from etl.delivery.entry import LedgerEntry, Reconciled
from etl.delivery.model import Delivery
from etl.delivery.problems import PROBLEM
from etl.delivery.publish import publish, write_text
from etl.delivery.state import State
from etl.delivery.storage import Storage
from etl.receipt.facts import Correction, Past, Receipt, describe
from etl.receipt.page import page
from etl.receipt.workbook import as_sent, write_workbook

PAGE, FACTS, WORKBOOK = "receipt.html", "receipt.json", "rejected.xlsx"
OF_ROW = "of_row"  # in raw/.../origins.parquet: which row of the corrected delivery a row of a correction mends
_MENDED_BY_LEAVING_OUT = ("unique_key", "repeated_header")  # of rows that contradict each other, one is right
_IS_REJECTION = pl.col("severity") == "critical"


def receipt(
    storage: Storage,
    delivery: Delivery,
    contract: Contract | None,
    entry: LedgerEntry,
    *,
    late_by: timedelta | None = None,
    tables: Sequence[Contract] = (),
    history: Sequence[Past] = (),
    corrections: Sequence[LedgerEntry] = (),
    words: Sequence[LedgerEntry] = (),
    reconciled: Sequence[Reconciled] = (),
    workbook_number: int = 1,
    key: bytes | None = None,
    most_rows: int = 50_000,
    is_check: bool = False,
) -> Receipt:
    """Publish the receipt of a delivery; one that is there already is replaced.

    Args:
        storage: the data root.
        delivery: whose receipt it is.
        contract: the dataset's; None if there is no such dataset.
        entry: what became of it, as the ledger says.
        late_by: how long after it was due it came; None if in time.
        tables: the other tables that are read from its file.
        history: the dataset's deliveries before this one, the oldest first.
        corrections: those of this delivery that came.
        words: the files of its period that are in the table, this one's too, in the order of time.
        reconciled: what comparisons with other datasets have found that this agency can mend.
        workbook_number: which workbook with rows of this delivery this one is, from 1.
        key: the installation's secret, by which a workbook is known again; None if it may not come back.
        most_rows: rows that the workbook may hold.
        is_check: nothing was sent: the receipt says what would become of the file.
    """
    found = _problems(storage, delivery) if entry.rejected is not None else pl.LazyFrame(schema=PROBLEM)
    came = [(_correction(each), _settled(storage, found, each)) for each in corrections]
    sent = _to_mend(storage, delivery, contract, found, [rows for _, rows in came], most_rows) if contract else None
    told = describe(
        delivery,
        contract,
        entry,
        found,
        late_by=late_by,
        tables=tables,
        workbook_rows=sent.height if sent is not None else 0,
        history=history,
        corrections=came,
        words=words,
        reconciled=reconciled,
        is_check=is_check,
    )
    # The page leads to the other files: it comes last, and before a workbook goes.
    folder = storage.folder("outbox", delivery)
    if contract and sent is not None and sent.height:
        rejections = found.filter(_IS_REJECTION & pl.col(ROW).is_in(sent[ROW].implode())).collect()
        mark = mark_for(storage, delivery, workbook_number, key) if told.may_correct and key else None
        with publish(folder / WORKBOOK, is_last=False) as aside:
            write_workbook(aside, contract, sent, rejections, mark)
    write_text(folder / FACTS, told.model_dump_json(indent=2) + "\n", is_last=False)
    write_text(folder / PAGE, page(told))
    if not told.workbook_rows:
        (folder / WORKBOOK).unlink(missing_ok=True)
    return told


def _problems(storage: Storage, delivery: Delivery) -> pl.LazyFrame:
    """What was found in a delivery, in memory as when it was judged: to open the file for each question is dear."""
    return pl.read_parquet(str(storage.folder("validated", delivery) / "problems.parquet")).lazy()


def _to_mend(
    storage: Storage,
    delivery: Delivery,
    contract: Contract,
    found: pl.LazyFrame,
    resolved: Sequence[pl.Series],
    most_rows: int,
) -> pl.DataFrame:
    """Rejected rows that nobody has mended, as sent: ROW, `row_in_file`, and the sender's columns."""
    rejected = found.filter(_IS_REJECTION).select(pl.col(ROW).unique()).collect().to_series()
    done = pl.concat([rejected.clear(), *resolved])
    numbers = rejected.filter(~rejected.is_in(done.implode())).sort().head(most_rows)
    if numbers.is_empty():
        return numbers.to_frame()
    raw = storage.folder("raw", delivery)
    rows = as_sent(pl.scan_parquet(str(raw / "rows.parquet")), contract)
    in_file = pl.col(ROW)
    wanted = numbers.to_frame().lazy()
    if delivery.corrects:
        wanted = wanted.join(pl.scan_parquet(str(raw / "origins.parquet")), on=ROW, how="left")
        in_file = pl.col(OF_ROW)
    wanted = wanted.select(ROW, in_file.alias("row_in_file"))
    return wanted.join(rows, on=ROW, how="left", maintain_order="left").collect()


def _correction(entry: LedgerEntry) -> Correction:
    return Correction(delivery=entry.delivery_id, file_name=entry.file_name, state=entry.state, resolved=0)


def _settled(storage: Storage, found: pl.LazyFrame, correction: LedgerEntry) -> pl.Series:
    """Rejected rows that a correction brought into the warehouse, and surplus ones that it rightly left out.

    Args:
        storage: the data root.
        found: problems of the delivery that is corrected.
        correction: a correction of it.
    """
    if correction.state is not State.LOADED:
        return pl.Series(ROW, [], dtype=pl.Int64)
    delivery = correction.delivery
    origins = pl.scan_parquet(str(storage.folder("raw", delivery) / "origins.parquet"))
    rejected = _problems(storage, delivery).filter(_IS_REJECTION).select(ROW)
    brought_in = origins.join(rejected, on=ROW, how="anti").select(pl.col(OF_ROW).alias(ROW)).drop_nulls()
    is_surplus = pl.col("rule").is_in(_MENDED_BY_LEAVING_OUT).all()
    surplus = found.filter(_IS_REJECTION).group_by(ROW).agg(is_surplus).filter("rule").select(ROW)
    left_out = surplus.join(origins, left_on=ROW, right_on=OF_ROW, how="anti")
    return pl.concat([brought_in, left_out]).collect()[ROW]
