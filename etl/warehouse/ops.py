"""The tables of `ops`: the ledger of deliveries, and what is found, decided and told of them."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, INTERVAL, JSONB

from etl.delivery.state import State

_STATES = ", ".join(map(repr, map(str, State)))
_FINAL = ", ".join(repr(str(state)) for state in State if state.is_final)
COUNTS = ("rejected", "duplicates", "inserted", "changed", "unchanged", "superseded")


def add_tables(metadata: sa.MetaData) -> None:
    """Describe them in `metadata`."""
    sum_of_counts = " + ".join(COUNTS)
    sa.Table(
        "lock",
        metadata,
        sa.Column("name", sa.Text, primary_key=True, comment="a dataset, or what else one transaction does at a time"),
        sa.Column(
            "written",
            sa.BigInteger,
            server_default="0",
            nullable=False,
            comment="transactions that wrote what it names",
        ),
        schema="ops",
        comment="Rows that a transaction locks so that no other does the same meanwhile",
    )
    sa.Table(
        "mart",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("made_of", sa.Text, nullable=False, comment="SHA-256 of the file that defines it"),
        sa.Column("version", sa.Text, comment="SHA-256 of what it was made of: its file, and all that it reads"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        schema="ops",
        comment="Marts, and when each was brought up to date",
    )
    sa.Table(
        "reconciliation",
        metadata,
        sa.Column("name", sa.Text, primary_key=True, comment="of the list in schema quality, which names the records"),
        sa.Column("dataset", sa.Text, nullable=False, comment="whose agency can mend it"),
        sa.Column("found", sa.BigInteger, nullable=False, comment="records that do not agree"),
        sa.Column("vi", sa.Text, nullable=False),
        sa.Column("en", sa.Text, nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        schema="ops",
        comment="One row a comparison of several datasets, and what does not agree / Mỗi dòng là một phép đối chiếu",
    )
    sa.Table(
        "delivery",
        metadata,
        sa.Column("dataset", sa.Text, primary_key=True, comment="agency.dataset"),
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("as_of", sa.Date, comment="the period that the delivery speaks for"),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("corrects", sa.Text, comment="the delivery whose rejected rows, mended, these are"),
        sa.Column("correction", sa.Integer, comment="which workbook of that delivery was mended, from 1"),
        sa.Column(
            "word", sa.Integer, server_default="1", nullable=False, comment="by arrival, of those that state all this"
        ),
        sa.Column("parts", ARRAY(sa.Text), comment="that it has rows of, where its dataset comes in parts"),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, comment="why it was held or rejected"),
        sa.Column("message_vi", sa.Text),
        sa.Column("message_en", sa.Text),
        sa.Column("rows_in", sa.BigInteger, comment="records in the file, broken ones included"),
        *(sa.Column(name, sa.BigInteger) for name in COUNTS),
        sa.Column("ended", sa.BigInteger, comment="records that are no more; not rows of the file in a snapshot"),
        sa.Column("timings", JSONB, server_default="{}", nullable=False, comment="seconds spent in each station"),
        sa.Column(
            "last_change", sa.Numeric, comment="the highest of its sequence column; of times microseconds since 1970"
        ),
        sa.Column("loaded_at", sa.DateTime(timezone=True), comment="when its rows came into the table; null: never"),
        sa.Column("receipt_at", sa.DateTime(timezone=True)),
        sa.Column(
            "held_at", sa.DateTime(timezone=True), comment="since when it waits for a decision; null: it does not"
        ),
        sa.CheckConstraint(
            f"state IN ({_STATES})",
            name="known_state",
        ),
        sa.CheckConstraint(
            f"(state <> 'loaded' AND inserted IS NULL) OR coalesce(rows_in = {sum_of_counts}, false)",
            name="every_row_is_accounted_for",
        ),
        # A file must not take longer the more there were before it: what is asked of others is found by these.
        sa.Index("delivery_in_time", "dataset", "as_of", "revision", "sha256"),
        sa.Index("delivery_last_change", "dataset", "last_change"),
        sa.Index("delivery_arrival", "dataset", "received_at"),
        sa.Index("delivery_corrects", "dataset", "corrects", postgresql_where=sa.text("corrects IS NOT NULL")),
        sa.Index("delivery_unfinished", "dataset", "state", postgresql_where=sa.text(f"state NOT IN ({_FINAL})")),
        sa.Index("delivery_receipt", "receipt_at"),
        sa.Index("delivery_in_parts", "dataset", "as_of", postgresql_where=sa.text("parts IS NOT NULL")),
        schema="ops",
        comment="One row a delivery / Mỗi dòng là một lần giao dữ liệu",
    )
    sa.Table(
        "arrival",
        metadata,
        sa.Column("arrival_id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("is_new", sa.Boolean, nullable=False, comment="false: the same bytes had arrived before"),
        sa.Column("declared", JSONB(none_as_null=True), comment="the manifest that the sender put beside the file"),
        sa.Index("arrival_delivery", "dataset", "delivery_id"),
        schema="ops",
        comment="One row a file that arrived / Mỗi dòng là một tệp đã nhận",
    )
    sa.Table(
        "pull",
        metadata,
        sa.Column("pull_id", sa.Text, primary_key=True),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False, comment="the name of the connection"),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="when the source was looked at"),
        sa.Column("state", sa.Text, nullable=False, comment="delivered, nothing, same (the bytes of before) or failed"),
        sa.Column("delivery_id", sa.Text, comment="what it became; null: nothing was new, or it failed"),
        sa.Column("watermark_from", sa.Text, comment="it holds all from there on; null: it holds everything"),
        sa.Column("watermark_to", sa.Text, comment="where the next one begins; null: it has no watermark"),
        sa.Column("rows", sa.BigInteger, comment="that the source gave"),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("seconds", sa.Numeric, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False, comment="with the ones before it that failed"),
        sa.Column("fault", sa.Text, comment="why it failed, in a word"),
        sa.Column("message", sa.Text, comment="why it failed, for the engineer"),
        sa.CheckConstraint("state IN ('delivered', 'nothing', 'same', 'failed')", name="known_end"),
        sa.CheckConstraint("(state = 'delivered') = (delivery_id IS NOT NULL)", name="delivered_as_something"),
        sa.Index("pull_in_time", "dataset", "seen_at"),
        schema="ops",
        comment="One row a look at an agency's system / Mỗi dòng là một lần lấy dữ liệu từ hệ thống của cơ quan",
    )
    sa.Table(
        "withdrawal",
        metadata,
        sa.Column("withdrawal_id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean, nullable=False, comment="false: an earlier withdrawal was taken back"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Index("withdrawal_delivery", "dataset", "delivery_id"),
        schema="ops",
        comment="One row a decision to withdraw a delivery / Mỗi dòng là một quyết định rút lại dữ liệu",
    )
    sa.Table(
        "decision",
        metadata,
        sa.Column("decision_id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False, comment="who; 'timeout' where nobody decided in time"),
        sa.Column("choice", sa.Text, nullable=False, comment="accept, accept-passing or reject"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, comment="why it was held"),
        sa.Index("decision_delivery", "dataset", "delivery_id"),
        schema="ops",
        comment="One row a decision on a held delivery; the last stands / Mỗi dòng là một quyết định về tệp tạm giữ",
    )
    sa.Table(
        "notification",
        metadata,
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, primary_key=True, comment="held, rejected, late or source"),
        sa.Column("about", sa.Text, primary_key=True, comment="delivery, when one was due, or since when"),
        sa.Column("way", sa.Text, primary_key=True, comment="mail or webhook"),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Index("notification_sent", "way", "event", "sent_at"),
        schema="ops",
        comment="One row a notice that was sent / Mỗi dòng là một thông báo đã gửi",
    )
    sa.Table(
        "waiting",
        metadata,
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("found", sa.Text, nullable=False, comment="paused, or announced: Airflow was told of it anew"),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        schema="ops",
        comment="One row a delivery that Airflow had no run of, as last seen / Lần giao từng không có lượt chạy",
    )
    sa.Table(
        "schedule",
        metadata,
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("frequency", INTERVAL, nullable=False, comment="how long a period is"),
        sa.Column("latency", INTERVAL, nullable=False, comment="how long after its period's end a delivery is due"),
        sa.Column("part", sa.Text, comment="the column that tells a period's files apart; null: there is one file"),
        sa.Column("part_is_unit", sa.Boolean, comment="whether that is a ward: each ward in force is expected"),
        schema="ops",
        comment="One row a dataset, from its contract / Mỗi dòng là lịch giao của một bộ dữ liệu",
    )
    sa.Table(
        "problem",
        metadata,
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("row_no", sa.BigInteger, comment="in the sender's own file: line, Excel row, record number"),
        sa.Column("column_name", sa.Text),
        sa.Column("value", sa.Text, comment="what the sender wrote; personal data"),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False, comment="critical: row rejected; warning: row loaded"),
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column("responsible", sa.Text, nullable=False, comment="whose it is to mend: agency or data_center"),
        sa.Column("vi", sa.Text, nullable=False),
        sa.Column("en", sa.Text, nullable=False),
        sa.Index("problem_delivery", "dataset", "delivery_id"),
        schema="ops",
        comment="One row a problem found in a delivery / Mỗi dòng là một lỗi của một lần giao dữ liệu",
    )
    sa.Table(
        "profile",
        metadata,
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("part", sa.Text, comment="what tells it from other deliveries of its period; null: nothing does"),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("numbers", JSONB, nullable=False, comment="list of measure, of (column), item, value, error, rows"),
        sa.Index("profile_part", "dataset", "part"),
        schema="ops",
        comment="One row a delivery: numbers to compare it with others / Mỗi dòng là số liệu mô tả một lần giao",
    )
    sa.Table(
        "validation",
        metadata,
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("expectation", sa.Text, nullable=False, comment="Great Expectations' name of it"),
        sa.Column("column_name", sa.Text),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("success", sa.Boolean, nullable=False, comment="with the share that the suite allows to fail"),
        sa.Column("evaluated", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Index("validation_delivery", "dataset", "delivery_id"),
        schema="ops",
        comment="One row an expectation and delivery / Mỗi dòng là kết quả một quy tắc kiểm tra",
    )


@cache
def ledger_tables() -> dict[str, sa.Table]:
    """The tables of `ops`, by name without schema."""
    metadata = sa.MetaData()
    add_tables(metadata)
    return {table.name: table for table in metadata.sorted_tables}


def lock_to_write(connection: sa.Connection, *names: str) -> None:
    """Lock names as `lock` does, and count the transaction as one that writes what they name.

    Marts know by the count whether something that they read has changed.
    """
    count = sa.text(
        "INSERT INTO ops.lock (name, written) SELECT unnest(CAST(:names AS text[])), 1"
        " ON CONFLICT (name) DO UPDATE SET written = ops.lock.written + 1"
    )
    connection.execute(count, {"names": sorted(set(names))})


def lock(connection: sa.Connection, name: str) -> None:
    """Wait until no other transaction holds the lock of that name; held until this transaction ends.

    A lock is a row that only the pipeline's own role may lock; an advisory lock is anybody's who may log in.
    """
    take = sa.text("SELECT FROM ops.lock WHERE name = :name FOR UPDATE")
    if connection.execute(take, {"name": name}).rowcount == 0:
        make = sa.text("INSERT INTO ops.lock (name) VALUES (:name) ON CONFLICT DO NOTHING")
        if connection.execute(make, {"name": name}).rowcount == 0:  # one that is made here nobody else can lock
            connection.execute(take, {"name": name})


def lock_to_index(connection: sa.Connection, table: str) -> None:
    """Wait until nobody else makes indexes of a table; held until this transaction ends. Readers and writers go on."""
    connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
