"""All tables of the warehouse; those of the datasets follow from the contracts: one row a version of a record."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from etl import datatypes
from etl.contract import Contract, Text
from etl.contract.city import city, told
from etl.warehouse import ops, persons, reference
from etl.warehouse.names import named

_OWN_SCHEMAS = {
    "ops": Text("Sổ theo dõi các lần giao dữ liệu", "Ledger of deliveries"),
    "ref": Text("Danh mục dùng chung", "Reference data"),
    "mart": Text("Bảng phân tích", "What analysts query"),
    "exact": Text("Bảng phân tích trước khi ẩn ô nhỏ", "Marts before small cells are hidden; not for analysts"),
    "link": Text("Người trong dữ liệu các cơ quan", "Who is who across agencies; for whom it is granted"),
    "quality": Text("Danh sách việc cần làm về chất lượng dữ liệu", "Lists of what to look into; single records"),
}
_VALID_FROM = Text("Có hiệu lực từ ngày", "Valid from this day")
_VALID_TO = Text("Hết hiệu lực từ ngày, trống là còn", "Not valid from this day on; null: valid")
_OPENED_BY = Text("Lần giao mở phiên bản", "Delivery that opened the version")
_CLOSED_BY = Text("Lần giao đóng phiên bản", "Delivery that closed the version")


def schemas(contracts: Iterable[Contract]) -> dict[str, str]:
    """The warehouse's own schemas and those of the data, with what they are, as comments of the database hold it."""
    of_data = {contract.schema: Text(contract.schema, contract.schema) for contract in contracts} | city().titles
    return {name: both(text) for name, text in (_OWN_SCHEMAS | of_data).items()}


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
        sa.Column("valid_from", sa.Date, primary_key=True, comment=both(_VALID_FROM)),
        sa.Column("valid_to", sa.Date, comment=both(_VALID_TO)),
        sa.Column("opened_by", sa.Text, nullable=False, comment=both(_OPENED_BY)),
        sa.Column("closed_by", sa.Text, comment=both(_CLOSED_BY)),
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
    persons.add_tables(metadata)
    for contract in contracts:
        history_table(contract, metadata)
    return metadata


def both(text: Text) -> str:
    """A text in the city's languages, as comments of the database hold it."""
    return told(text).replace("'", "’")


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
