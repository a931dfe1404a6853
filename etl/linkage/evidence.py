"""What each record of the warehouse tells of a person: one row a record, from the last version of it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import polars as pl
import psycopg
import sqlalchemy as sa

from etl import datatypes
from etl.contract import Contract, Contracts
from etl.delivery.storage import Storage
from etl.linkage.declared import BIRTH, FIELDS, Linkage, Source
from etl.linkage.number import RECORD
from etl.warehouse.ledger import Ledger
from etl.warehouse.names import literal, named
from etl.warehouse.tables import content_columns, key_columns, table_name

_WARD_FROM = "ward_valid_from"
COLUMNS = (*RECORD, "known_since", "is_register", "trust", *FIELDS, f"{BIRTH}_precision")
_PARTED = "|"  # between the columns of a key


def records(ledger: Ledger, storage: Storage, contracts: Contracts, linkage: Linkage) -> pl.DataFrame:
    """All records that name a person: COLUMNS, of which is_register, trust and known_since are never null.

    A record is known since the first delivery that speaks of it arrived, whatever became of that delivery.

    Args:
        ledger: of the deliveries.
        storage: holds what they said.
        contracts: of the datasets.
        linkage: which columns tell what.
    """
    made = []
    known = {dataset: _known_since(ledger, storage, contracts[dataset]) for dataset in _datasets(linkage)}
    for trust, source in enumerate(linkage.sources):
        contract = contracts[source.dataset]
        rows = read(ledger.engine, contract, source).join(known[source.dataset], on="key", how="left")
        made.append(
            rows.with_columns(
                pl.lit(source.dataset).alias("dataset"),
                pl.lit(source.role).alias("role"),
                pl.lit(source.is_register).alias("is_register"),
                pl.lit(trust).alias("trust"),
                pl.min_horizontal("known_since", "opened_at").alias("known_since"),
            )
        )
    return complete(pl.concat(made, how="diagonal")) if made else complete(pl.DataFrame())


def complete(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with all COLUMNS, absent ones null, and the ward of today in place of an earlier one."""
    types: dict[str, pl.DataType | type[pl.DataType]] = {
        "known_since": pl.Datetime("us", "UTC"),
        "is_register": pl.Boolean,
        "trust": pl.Int32,
        BIRTH: pl.Date,
        _WARD_FROM: pl.Date,
    }
    wanted = {name: types.get(name, pl.String) for name in (*COLUMNS, _WARD_FROM)}
    lacking = [pl.lit(None, kind).alias(name) for name, kind in wanted.items() if name not in rows.columns]
    return _of_today(rows.with_columns(lacking)).select(pl.col(name).cast(wanted[name]) for name in COLUMNS)


def _of_today(rows: pl.DataFrame) -> pl.DataFrame:
    """Wards of before a reform as those that they became; null where they became several."""
    links = datatypes.ward.links().select(
        ward="old_code",
        ward_valid_from="old_valid_from",
        became=pl.when(pl.col("targets") == 1).then("new_code"),
        is_old=True,
    )
    links = links.unique(["ward", _WARD_FROM], keep="any")
    joined = rows.join(links, on=["ward", _WARD_FROM], how="left", maintain_order="left")
    return joined.with_columns(ward=pl.when("is_old").then("became").otherwise("ward"))


def _datasets(linkage: Linkage) -> Iterable[str]:
    return dict.fromkeys(source.dataset for source in linkage.sources)


def _key_sql(contract: Contract) -> str:
    parted = [f"replace({named(c)}::text, '{_PARTED}', '{_PARTED * 2}')" for c in key_columns(contract)]
    return f" || '{_PARTED}' || ".join(parted)


def read(engine: sa.Engine, contract: Contract, source: Source, keys: Sequence[str] | None = None) -> pl.DataFrame:
    """What the records of a source say: key, its fields, and opened_at (when the first of the versions arrived).

    Args:
        engine: of the warehouse.
        contract: of the dataset.
        source: which columns tell what.
        keys: of the records; by default all.
    """
    known, said_in = content_columns(contract), {str(field): column for field, column in source.columns.items()}
    columns = {field: named(column) for field, column in said_in.items()}
    if "card" in columns:
        columns["card"] = f"right({columns['card']}, 10)"  # what stays when the card is renewed
    if BIRTH in said_in:
        precision = f"{said_in[BIRTH]}_precision"
        is_day = f"CASE WHEN {columns[BIRTH]} IS NOT NULL THEN 'D' END"
        columns[f"{BIRTH}_precision"] = named(precision) if precision in known else is_day
    if "ward" in said_in and f"{said_in['ward']}_valid_from" in known:
        columns[_WARD_FROM] = named(f"{said_in['ward']}_valid_from")
    said = ", ".join(f"{sql} AS {named(field)}" for field, sql in columns.items())
    order = ", ".join(map(named, key_columns(contract)))
    key = _key_sql(contract)
    where = "" if keys is None else f" WHERE {key} IN ({', '.join(map(literal, keys))})"
    query = (
        f"SELECT DISTINCT ON ({order}) {key} AS key, {said}, min(d.received_at) OVER (PARTITION BY {order})"
        f" AS opened_at FROM {table_name(contract)} h LEFT JOIN ops.delivery d"
        f" ON d.dataset = {literal(contract.id)} AND d.delivery_id = h.opened_by{where}"
        f" ORDER BY {order}, valid_from DESC"
    )
    made = copied(engine, query, ["key", *columns, "opened_at"])
    dates = [pl.col(name).str.to_date() for name in (BIRTH, _WARD_FROM) if name in made.columns]
    return made.with_columns(*dates, pl.col("opened_at").str.to_datetime(time_unit="us", time_zone="UTC"))


def copied(engine: sa.Engine, query: str, columns: Sequence[str]) -> pl.DataFrame:
    """What a query gives, as text; COPY, for it may be millions of rows."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL timezone TO 'UTC'")
        cursor = cast("psycopg.Cursor[tuple[object, ...]]", connection.connection.cursor())
        text = io.BytesIO()
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
            for part in copy:
                text.write(part)
    text.seek(0)
    if not text.getbuffer().nbytes:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return pl.read_csv(text, has_header=False, new_columns=list(columns), infer_schema=False)


def _known_since(ledger: Ledger, storage: Storage, contract: Contract) -> pl.DataFrame:
    """When the first delivery that speaks of a record arrived: key, known_since."""
    rows = [lot.lazy() for lot in _said(ledger, storage, contract)]
    if not rows:
        return pl.DataFrame(schema={"key": pl.String(), "known_since": pl.Datetime("us", "UTC")})
    return pl.concat(rows).group_by("key").agg(pl.col("known_since").min()).collect()


def _said(ledger: Ledger, storage: Storage, contract: Contract) -> Iterator[pl.DataFrame]:
    parted = [
        pl.col(c).cast(pl.String).str.replace_all(_PARTED, _PARTED * 2, literal=True) for c in key_columns(contract)
    ]
    for entry in ledger.all(contract.id):
        file = storage.folder("staging", entry.delivery) / "rows.parquet"
        if file.exists():
            keys = pl.scan_parquet(str(file)).select(pl.concat_str(parted, separator=_PARTED).alias("key")).unique()
            yield keys.with_columns(
                pl.lit(entry.received_at).cast(pl.Datetime("us", "UTC")).alias("known_since")
            ).collect()
