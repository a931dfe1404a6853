"""The warehouse's tables: derived from the contracts, compared with the database by Alembic, changed only by adding."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import Any, cast

import polars as pl
import polars.selectors as cs
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql
from psycopg.copy import QueuedLibpqWriter
from sqlalchemy.dialects.postgresql import ARRAY, INTERVAL, JSONB

from etl import semantic
from etl.contract import Contract, Text
from etl.settings import CITY_ZONE, REFERENCE, SQL
from etl.state import State

log = logging.getLogger(__name__)
SCHEMAS = {
    "ops": "Sổ theo dõi các lần giao dữ liệu / Ledger of deliveries",
    "ref": "Danh mục dùng chung / Reference data",
    "people": "Nhóm dữ liệu con người / People",
    "business": "Nhóm dữ liệu kinh tế, tài chính / Business and finance",
    "land": "Nhóm dữ liệu đất đai, đô thị / Land and urban",
    "mart": "Bảng phân tích / What analysts query",
    "exact": "Bảng phân tích trước khi ẩn ô nhỏ / Marts before small cells are hidden; not for analysts",
    "quality": "Danh sách việc cần làm về chất lượng dữ liệu / Lists of what to look into; single records",
}
_COPY_ROWS = 50_000  # rows written to PostgreSQL at a time, to bound memory
_STATES = ", ".join(map(repr, map(str, State)))
_FINAL = ", ".join(repr(str(state)) for state in State if state.is_final)
COUNTS = ("rejected", "duplicates", "inserted", "changed", "unchanged", "superseded")


class MigrationRefused(Exception):
    """Changes that could lose data; the text holds the statements that a person would run."""


def _ops(metadata: sa.MetaData) -> None:
    sum_of_counts = " + ".join(COUNTS)
    sa.Table(
        "lock",
        metadata,
        sa.Column("name", sa.Text, primary_key=True, comment="a dataset, or what else one transaction does at a time"),
        schema="ops",
        comment="Rows that a transaction locks so that no other does the same meanwhile",
    )
    sa.Table(
        "mart",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("made_of", sa.Text, nullable=False, comment="SHA-256 of the file that defines it"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        schema="ops",
        comment="Marts, and when each was brought up to date",
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
        schema="ops",
        comment="One row a file that arrived / Mỗi dòng là một tệp đã nhận",
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
        sa.Column("event", sa.Text, primary_key=True, comment="held, rejected or late"),
        sa.Column("about", sa.Text, primary_key=True, comment="delivery, or when one was due"),
        sa.Column("way", sa.Text, primary_key=True, comment="mail or webhook"),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Index("notification_sent", "way", "event", "sent_at"),
        schema="ops",
        comment="One row a notice that was sent / Mỗi dòng là một thông báo đã gửi",
    )
    sa.Table(
        "schedule",
        metadata,
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("frequency", INTERVAL, nullable=False, comment="how long a period is"),
        sa.Column("latency", INTERVAL, nullable=False, comment="how long after its period's end a delivery is due"),
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


def _ref(metadata: sa.MetaData) -> None:
    sa.Table(
        "ward",
        metadata,
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("valid_from", sa.Date, primary_key=True),
        sa.Column("valid_to", sa.Date),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("district_code", sa.Text),
        sa.Column("district", sa.Text),
        sa.Column("province_code", sa.Text, nullable=False),
        sa.Column("province", sa.Text, nullable=False),
        schema="ref",
        comment="Commune-level units and when they existed; a code alone means nothing: 167 of the 168 codes of"
        " July 2025 name another area than before",
    )
    sa.Table(
        "ward_link",
        metadata,
        sa.Column("old_code", sa.Text, primary_key=True),
        sa.Column("old_valid_from", sa.Date, primary_key=True),
        sa.Column("new_code", sa.Text, primary_key=True),
        sa.Column("new_valid_from", sa.Date, primary_key=True),
        sa.Column("targets", sa.Integer, nullable=False, comment="new units that the old one was divided among"),
        schema="ref",
        comment="Old unit to new unit of the reform of 1 July 2025, many to many",
    )
    sa.Table(
        "code",
        metadata,
        sa.Column("list", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("name_vi", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        schema="ref",
        comment="Code lists that the contracts name",
    )
    sa.Table(
        "icd10_chapter",
        metadata,
        sa.Column("chapter", sa.Text, primary_key=True),
        sa.Column("first_code", sa.Text, nullable=False),
        sa.Column("last_code", sa.Text, nullable=False),
        sa.Column("name_vi", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        schema="ref",
        comment="Chapters of ICD-10 by range of three-character codes",
    )


@cache
def ledger_tables() -> dict[str, sa.Table]:
    """The tables of `ops`, by name without schema."""
    metadata = sa.MetaData()
    _ops(metadata)
    return {table.name: table for table in metadata.sorted_tables}


def named(*parts: str) -> str:
    """A name as SQL writes it, in quotation marks; a table's with its schema first."""
    return sql.Identifier(*parts).as_string(None)


def literal(text: str) -> str:
    """A text as SQL writes it where a statement takes no parameter, as in COMMENT; for `exec_driver_sql`."""
    return sql.Literal(text).as_string(None).replace("%", "%%")


def table_name(contract: Contract) -> str:
    """The history table of a dataset, as SQL names it."""
    return named(contract.schema, contract.table)


def key_columns(contract: Contract) -> list[str]:
    """Warehouse columns that name one record of the dataset."""
    return [o.name for c in contract.key for o in semantic.outputs(c) if o.in_key]


def content_columns(contract: Contract) -> list[str]:
    """Warehouse columns that hold what the agency said, in contract order."""
    return [o.name for c in contract.content for o in semantic.outputs(c)]


def history_table(contract: Contract, metadata: sa.MetaData) -> sa.Table:
    """The history table of a dataset: one row a version of a record."""
    key = key_columns(contract)
    content = [
        sa.Column(o.name, _sql_type(o.type), comment=_both(o.description), primary_key=o.name in key)
        for column in contract.content
        for o in semantic.outputs(column)
    ]
    table = sa.Table(
        contract.table,
        metadata,
        *content,
        sa.Column("valid_from", sa.Date, primary_key=True, comment="Có hiệu lực từ ngày / Valid from this day"),
        sa.Column(
            "valid_to", sa.Date, comment="Hết hiệu lực từ ngày, trống là còn / Not valid from this day on; null: valid"
        ),
        sa.Column(
            "opened_by", sa.Text, nullable=False, comment="Lần giao mở phiên bản / Delivery that opened the version"
        ),
        sa.Column("closed_by", sa.Text, comment="Lần giao đóng phiên bản / Delivery that closed the version"),
        schema=contract.schema,
        comment=_both(contract.description),
    )
    for column in contract.content:
        if column.semantic_type == "ward":
            ward = semantic.outputs(column)[0].name
            # To look at a ward as of a day. What holds on a day comes before what had ended by then; and what a load
            # adds stands close together, whatever records it is of.
            as_of = (table.c[ward], table.c.valid_to.desc(), table.c.valid_from)
            sa.Index(f"{contract.table}_{ward}_as_of", *as_of)
    return table


def describe(contracts: Iterable[Contract]) -> sa.MetaData:
    """Everything that the warehouse must hold, marts and views aside."""
    metadata = sa.MetaData()
    _ops(metadata)
    _ref(metadata)
    for contract in contracts:
        history_table(contract, metadata)
    return metadata


# Sessions count the days of instants in the city's time zone, unless they ask for another.
_CITY_DAYS = f"""DO $$ BEGIN
IF pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
  EXECUTE format('ALTER DATABASE %%I SET timezone TO %%L', current_database(), '{CITY_ZONE}');
END IF; END $$"""


def migrate(engine: sa.Engine, contracts: Iterable[Contract]) -> list[str]:
    """Bring the database to what the contracts say, by adding only; the ledger's checks to what this module says.

    Returns:
        The statements that were applied to tables, in order; empty if there was nothing to do.

    Raises:
        MigrationRefused: if a difference could lose data, or the ledger has rows that break a check; then nothing was
            changed.
    """
    contracts = list(contracts)
    metadata = describe(contracts)
    with engine.begin() as connection:
        # Before the first migration there is no table to lock, and nobody else who may log in.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('citydw.migrate'))"))
        connection.exec_driver_sql(_CITY_DAYS)
        for schema, comment in SCHEMAS.items():
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {named(schema)}")
            connection.exec_driver_sql(f"COMMENT ON SCHEMA {named(schema)} IS {literal(comment)}")
        applied = _apply_additions(connection, metadata) + _align_checks(connection, metadata)
        for contract in contracts:
            view = named(contract.schema, f"{contract.table}_current")
            connection.exec_driver_sql(
                f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {table_name(contract)} WHERE valid_to IS NULL"
            )
            said = literal(f"{_both(contract.title)} (current rows)")
            connection.exec_driver_sql(f"COMMENT ON VIEW {view} IS {said}")
        _load_reference(connection, metadata)
        _load_schedule(connection, metadata, contracts)
        connection.exec_driver_sql((SQL / "freshness.sql").read_text(encoding="utf-8"))
        connection.exec_driver_sql((SQL / "grants.sql").read_text(encoding="utf-8").replace("%", "%%"))
    engine.dispose()  # for sessions that count days as the database now says
    return applied


def lock(connection: sa.Connection, name: str) -> None:
    """Wait until no other transaction holds the lock of that name; held until this transaction ends.

    A lock is a row that only the pipeline's own role may lock; an advisory lock is anybody's who may log in.
    """
    take = sa.text("SELECT FROM ops.lock WHERE name = :name FOR UPDATE")
    if connection.execute(take, {"name": name}).rowcount == 0:
        connection.execute(sa.text("INSERT INTO ops.lock (name) VALUES (:name) ON CONFLICT DO NOTHING"), {"name": name})
        connection.execute(take, {"name": name})


def copy_rows(connection: sa.Connection, table: str, lots: Iterable[pl.DataFrame]) -> int:
    """COPY rows into a table, column by name, within the connection's transaction.

    Args:
        connection: over psycopg.
        table: as SQL names it.
        lots: the rows, some at a time; one lot at least. Columns are named as in the table.

    Returns:
        How many rows there were.
    """
    lots = iter(lots)
    first = next(lots)
    names = ", ".join(map(named, first.columns))
    cursor = cast(psycopg.Cursor[Any], connection.connection.cursor())
    encoder = ArrowToPostgresBinaryEncoder(_arrow(first).schema)
    count = 0
    # Binary: PostgreSQL spends a third of a text COPY on reading text. The writer is a thread: PostgreSQL takes in
    # what we wrote while we write the next.
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)", writer=QueuedLibpqWriter(cursor)) as copy:
        copy.write(encoder.write_header())
        for lot in chain([first], lots):
            count += lot.height
            for batch in _arrow(lot).to_batches(max_chunksize=_COPY_ROWS):
                copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())
    return count


def _arrow(rows: pl.DataFrame) -> pa.Table:
    """Rows as the encoder takes them: a column that holds nothing may be of any type but Arrow's own for nothing."""
    return rows.with_columns(cs.by_dtype(pl.Null).cast(pl.String)).rechunk().to_arrow()


def _apply_additions(connection: sa.Connection, metadata: sa.MetaData) -> list[str]:
    described = set(metadata.tables)

    def ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        return kind != "table" or f"{item.schema}.{name}" in described

    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name in SCHEMAS,
            "include_object": ours,
            "target_metadata": metadata,
        },
    )
    steps = list(_flatten(produce_migrations(context, metadata).upgrade_ops))
    refused = [step for step in steps if not _is_addition(step)]
    if refused:
        statements = "\n".join(f"  {_sql(step)}" for step in refused)
        raise MigrationRefused(
            "The contracts differ from the database in ways that could lose data. Nothing was changed. If you mean it, "
            f"run as a person and then migrate again:\n{statements}"
        )
    operations = Operations(context)
    for step in steps:
        operations.invoke(step)
    return [_sql(step) for step in steps]


def _align_checks(connection: sa.Connection, metadata: sa.MetaData) -> list[str]:
    """Replace the check constraints of `ops` that say something else than the code; Alembic does not compare them.

    PostgreSQL keeps a condition in its own words. So the wanted one is put on an empty table of the same columns, and
    the two are compared in these words.
    """
    applied = []
    for table in (t for t in metadata.sorted_tables if t.schema == "ops"):
        connection.execute(sa.text(f"CREATE TEMPORARY TABLE wanted (LIKE {table.fullname})"))
        for check in (c for c in table.constraints if isinstance(c, sa.CheckConstraint)):
            connection.execute(sa.text(f"ALTER TABLE wanted ADD CONSTRAINT {check.name} CHECK ({check.sqltext})"))
        wanted, there = _checks(connection, "wanted"), _checks(connection, table.fullname)
        connection.execute(sa.text("DROP TABLE wanted"))
        statements = [f"ALTER TABLE {table.fullname} DROP CONSTRAINT {name};" for name, _ in sorted(there - wanted)]
        statements += [f"ALTER TABLE {table.fullname} ADD CONSTRAINT {name} {d};" for name, d in sorted(wanted - there)]
        for statement in statements:
            try:
                connection.execute(sa.text(statement))
            except sa.exc.IntegrityError:  # its text holds the row
                raise MigrationRefused(
                    f"Rows of {table.fullname} do not keep to what the code says of them. Nothing was changed. Mend "
                    f"the rows and migrate again:\n  {statement}"
                ) from None
        applied += statements
    return applied


def _checks(connection: sa.Connection, table: str) -> set[tuple[str, str]]:
    """Name and definition of a table's check constraints."""
    found = connection.execute(
        sa.text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = CAST(:name AS regclass) AND contype = 'c'"
        ),
        {"name": table},
    )
    return {(name, definition) for name, definition in found}


def _flatten(container: ops.OpContainer | None) -> Iterable[ops.MigrateOperation]:
    for step in container.ops if container else []:
        if isinstance(step, ops.OpContainer):
            yield from _flatten(step)
        else:
            yield step


def _is_addition(step: ops.MigrateOperation) -> bool:
    match step:
        case ops.CreateTableOp() | ops.CreateIndexOp() | ops.CreateTableCommentOp() | ops.DropTableCommentOp():
            return True
        case ops.AddColumnOp():
            return bool(step.column.nullable) or step.column.server_default is not None
        case ops.AlterColumnOp():
            return step.modify_type is None and step.modify_nullable is None and step.modify_server_default is False
        case _:
            return False


def _sql(step: ops.MigrateOperation) -> str:
    """The statements of one step, as a person would type them."""
    written: list[str] = []
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": _Lines(written)}
    )
    Operations(context).invoke(step)
    return re.sub(r"\s+", " ", " ".join(written)).strip()


class _Lines:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> None:
        self._lines.append(text)

    def flush(self) -> None:
        """Nothing is buffered."""


def _load_reference(connection: sa.Connection, metadata: sa.MetaData) -> None:
    codes = [
        pl.read_csv(path, infer_schema=False).select(pl.lit(path.stem).alias("list"), "code", "name_vi", "name_en")
        for path in sorted((REFERENCE / "codes").glob("*.csv"))
    ]
    content = {
        "ref.ward": semantic.ward.units(),
        "ref.ward_link": semantic.ward.links(),
        "ref.code": pl.concat(codes),
        "ref.icd10_chapter": pl.read_csv(REFERENCE / "icd10_chapter.csv", infer_schema=False),
    }
    for name, rows in content.items():
        table = metadata.tables[name]
        connection.execute(table.delete())
        connection.execute(table.insert(), rows.select(c.name for c in table.columns).to_dicts())


def _load_schedule(connection: sa.Connection, metadata: sa.MetaData, contracts: Iterable[Contract]) -> None:
    table = metadata.tables["ops.schedule"]
    connection.execute(table.delete())
    for contract in contracts:
        lengths = {"frequency": contract.frequency, "latency": contract.latency}  # to PostgreSQL, 1m is a minute
        values = {name: sa.cast(length.replace("m", " months"), INTERVAL) for name, length in lengths.items()}
        connection.execute(table.insert().values(dataset=contract.id, **values))


def _sql_type(name: str) -> sa.types.TypeEngine[Any]:
    numeric = re.fullmatch(r"numeric\((\d+),(\d+)\)", name)
    if numeric:
        return sa.Numeric(int(numeric[1]), int(numeric[2]))
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "text": sa.Text(),
        "date": sa.Date(),
        "timestamp": sa.DateTime(),
        "timestamptz": sa.DateTime(timezone=True),
        "bigint": sa.BigInteger(),
    }
    return types[name]


def _both(text: Text) -> str:
    return f"{text.vi} / {text.en}".replace("'", "’")
