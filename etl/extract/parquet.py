"""Parquet: typed columns, written as the contract's source would write them, so that all formats are read by one way.

Fields within a field are named by their path, as in `owner.name`. What the contract's notation of a date cannot say (a
fraction of a second, an offset) is written as ISO 8601, and refused where cells are typed rather than lost here.
"""

from __future__ import annotations

import io
import re
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.contract import Column, Contract, Source
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract.bounded import bomb, check_columns, check_rows
from etl.extract.json_text import Number
from etl.extract.record import Records
from etl.extract.table import CELLS, Table
from etl.settings import DEFAULT_LIMITS, Limits

_CELL = 8  # bytes that a value takes at least once it is read, however small it was packed
_ISO_DAY, _ISO_MOMENT = "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f"
_NEST = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_map)


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Read a Parquet file; the row number is the row's place.

    Raises:
        Stop: if it cannot be read, or not within the limits.
    """
    try:
        columns = _columns(content, limits)
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError):
        raise Stop("rejected", "unreadable_parquet") from None
    check_columns(len(columns), limits)
    unclear = sorted({name for name, _ in columns if [ROW, *(other for other, _ in columns)].count(name) > 1})
    if unclear:
        raise Stop("held", "unclear_column", columns=", ".join(unclear))
    known = {c.source_name: c for c in contract.columns}
    height = len(columns[0][1]) if columns else 0
    numbers = pl.int_range(1, height + 1, eager=True, dtype=pl.Int64).alias(ROW)
    mark = "," if source.numbers == "vietnamese" else "."
    made, one_by_one, dates = [numbers], {}, [pl.DataFrame(schema=CELLS)]
    for name, values in columns:
        column = known.get(name)
        is_float_in_text = pa.types.is_floating(values.type) and column is not None and column.type == "string"
        if is_float_in_text or any(is_kind(values.type) for is_kind in _NEST):
            one_by_one[name] = values.to_pylist()
            continue
        text = _text(values, column, mark).alias(name)
        made.append(text)
        if column and column.type in ("date", "timestamp") and pa.types.is_temporal(values.type):
            filled = numbers.filter(text.is_not_null())
            dates.append(pl.DataFrame({ROW: filled, "column": [column.name] * len(filled)}, schema=CELLS))
    table = Table(pl.DataFrame(made), stored_dates=pl.concat(dates))
    return _with_records(table, one_by_one, contract, limits) if one_by_one else table


def _columns(content: bytes, limits: Limits) -> list[tuple[str, pa.ChunkedArray]]:
    """The columns, a field of another under its path.

    Raises:
        Stop: if they are more than the limits allow.
        pa.ArrowException: or one of Python's errors, if the file is damaged.
    """
    about = pq.ParquetFile(io.BytesIO(content)).metadata
    check_rows(about.num_rows, limits)
    check_columns(about.num_columns, limits)
    leaves = [about.row_group(n).column(at) for n in range(about.num_row_groups) for at in range(about.num_columns)]
    if max((leaf.path_in_schema.count(".") for leaf in leaves), default=0) > limits.depth:
        raise Stop("rejected", "nested_too_deep", limit=limits.depth)
    if sum(max(leaf.total_uncompressed_size, _CELL * leaf.num_values) for leaf in leaves) > limits.unpacked_bytes:
        raise bomb(limits.unpacked_bytes)
    of_text = [leaf.path_in_schema for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    # A text that comes again is stored once; it is read so, and counted before it is copied into every cell.
    file = pq.ParquetFile(
        io.BytesIO(content), read_dictionary=[*dict.fromkeys(of_text)], page_checksum_verification=True
    )
    table = file.read(use_threads=False)
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    size = sum(_size(column) for column in table.columns)
    if size > limits.unpacked_bytes:
        raise bomb(limits.unpacked_bytes)
    return [*zip(table.column_names, table.columns, strict=True)]


def _size(column: pa.ChunkedArray) -> int:
    """Bytes of all texts of a column once each stands in its cell."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    sizes = (pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() for chunk in column.chunks)
    return sum(size or 0 for size in sizes)


def _text(values: pa.ChunkedArray, column: Column | None, mark: str) -> pl.Series:
    """A column of plain values as text."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pl.Series([value and value.hex() for value in values.to_pylist()], dtype=pl.String)
    series = pl.Series(pl.from_arrow(values))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _moments(series, column)
    if pa.types.is_floating(kind):
        texts = [_of_float(value) for value in series.cast(pl.String)]
        series = pl.Series(texts, dtype=pl.String)
    text = series.cast(pl.String)
    is_number = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return text.str.replace(".", mark, literal=True) if is_number and column else text


def _of_float(text: str | None) -> str | None:
    """A float without an exponent, and without a fraction where it has none."""
    if text is None:
        return None
    if "e" in text:
        text = f"{Decimal(text):f}"
    return text.removesuffix(".0")


def _moments(series: pl.Series, column: Column | None) -> pl.Series:
    """Days or points in time in the column's notation where it can say all of each, else as ISO 8601."""
    is_day = series.dtype == pl.Date
    has_offset = not is_day and series.dtype.time_zone is not None  # type: ignore[attr-defined]
    if has_offset:
        series = series.dt.convert_time_zone("UTC")
    iso = series.dt.strftime(_ISO_DAY if is_day else _ISO_MOMENT + ("Z" if has_offset else ""))
    if column is None or column.type not in ("date", "timestamp") or has_offset != column.is_instant:
        return iso
    notation = column.dates
    pattern = re.sub(r"(%S[.,:]?)(0+)$", lambda part: f"{part[1]}%{len(part[2])}f", notation.strftime)
    if "offset" in notation.parts:
        pattern = re.sub(r"(?<!%)(?:X+|Z+)", "Z", pattern)
    moments = series.cast(pl.Datetime("us", None)) if is_day else series.dt.replace_time_zone(None)
    digits = int(found[1]) if (found := re.search(r"%(\d)f", pattern)) else 0
    unit = "1s" if not digits else "1ms" if digits == 3 else "1us"
    is_said = moments == moments.dt.truncate(unit if {"hour", "hour_of_half"} & {*notation.parts} else "1d")
    if digits not in (0, 3, 6) or {"half", "short_year"} & {*notation.parts}:
        return iso
    return moments.dt.strftime(pattern).zip_with(is_said.fill_null(True), iso)


def _with_records(table: Table, columns: dict[str, list[object]], contract: Contract, limits: Limits) -> Table:
    """A table with columns that are looked at cell by cell: lists, and numbers where a text should be."""
    records = Records(contract)
    for number, values in enumerate(zip(*columns.values(), strict=True), start=1):
        records.put_json(number, {name: _json(value) for name, value in zip(columns, values, strict=True)})
    found = records.table([], limits)
    rows = table.rows.hstack(found.rows.drop(ROW))
    return Table(rows, doubts=found.doubts, stored_dates=table.stored_dates)


def _json(value: object) -> object:
    """A value as the JSON parser would give it."""
    match value:
        case float():
            return Number(repr(value))
        case list():
            return [_json(item) for item in value]
        case dict():
            return {name: _json(item) for name, item in value.items()}
        case None | str() | bool() | int():
            return value
        case _:
            return str(value)
