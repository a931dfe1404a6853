"""All tables of the warehouse; those of the datasets follow from the contracts: one row a version of a record."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from etl import datatypes
from etl.contract import Contract, Text
from etl.warehouse import ops, reference
from etl.warehouse.names import named

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


def table_name(contract: Contract) -> str:
    """The history table of a dataset, as SQL names it."""
    return named(contract.schema, contract.table)


def key_columns(contract: Contract) -> list[str]:
    """Warehouse columns that name one record of the dataset."""
    return [o.name for o in datatypes.key_outputs(contract)]


def content_columns(contract: Contract) -> list[str]:
    """Warehouse columns that hold what the agency said, in contract order."""
    return [o.name for o in datatypes.content_outputs(contract)]


def history_table(contract: Contract, metadata: sa.MetaData) -> sa.Table:
    """The history table of a dataset: one row a version of a record."""
    key = key_columns(contract)
    content = [
        sa.Column(o.name, _sql_type(o.type), comment=both(o.description), primary_key=o.name in key)
        for o in datatypes.content_outputs(contract)
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
        comment=both(contract.description),
    )
    for column in contract.content:
        if column.semantic_type == "ward":
            ward = datatypes.outputs(column)[0].name
            # To look at a ward as of a day. What holds on a day comes before what had ended by then; and what a load
            # adds stands close together, whatever records it is of.
            as_of = (table.c[ward], table.c.valid_to.desc(), table.c.valid_from)
            sa.Index(f"{contract.table}_{ward}_as_of", *as_of)
    return table


def describe(contracts: Iterable[Contract]) -> sa.MetaData:
    """Everything that the warehouse must hold, marts and views aside."""
    metadata = sa.MetaData()
    ops.add_tables(metadata)
    reference.add_tables(metadata)
    for contract in contracts:
        history_table(contract, metadata)
    return metadata


def both(text: Text) -> str:
    """A text in both languages, as comments of the database hold it; once where it has one."""
    return " / ".join(dict.fromkeys((text.vi, text.en))).replace("'", "’")


def _sql_type(name: str) -> sa.types.TypeEngine[Any]:
    numeric = re.fullmatch(r"numeric\((\d+),(\d+)\)", name)
    if numeric:
        return sa.Numeric(int(numeric[1]), int(numeric[2]))
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "text": sa.Text(),
        "date": sa.Date(),
        "timestamp": sa.DateTime(),
        "timestamptz": sa.DateTime(timezone=True),
        "time": sa.Time(),
        "boolean": sa.Boolean(),
        "bigint": sa.BigInteger(),
        "numeric": sa.Numeric(),
        "double precision": sa.Double(),
    }
    return types[name]
